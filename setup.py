"""The chapters travel with the wheel, so that `zerobook where` finds them."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithBook(build_py):
    """Put `_toc.yml` and `book/**.md` under `zerobook/_book/`, as they lie."""

    def run(self):
        """Copy after the modules."""
        super().run()
        if self.editable_mode:
            return
        for page in [Path("_toc.yml"), *sorted(Path("book").rglob("*.md"))]:
            target = Path(self.build_lib, "zerobook", "_book", page)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(page), str(target))


setup(cmdclass={"build_py": BuildWithBook})
