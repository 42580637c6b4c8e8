"""Chapters and records travel with the wheel: `where` and pages read them."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithBook(build_py):
    """Put `_toc.yml`, `book/**.md` and `runs/` under `zerobook/_book/`."""

    def run(self):
        """Copy after the modules."""
        super().run()
        if self.editable_mode:
            return
        pages, records = Path("book").rglob("*.md"), Path("runs").glob("*.*")
        for path in [Path("_toc.yml"), *sorted(pages), *sorted(records)]:
            target = Path(self.build_lib, "zerobook", "_book", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": BuildWithBook})
