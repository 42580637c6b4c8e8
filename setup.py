"""The chapters travel with the wheel, so that `zerobook where` finds them,
and so does the text that `zerobook.datasets.load_book_prose` reads.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithBook(build_py):
    """Put the chapters, their list and data under `zerobook/_book/`."""

    def run(self):
        """Copy after the modules."""
        super().run()
        if self.editable_mode:
            return
        pages = sorted(Path("book").rglob("*.md"))
        data = sorted(Path("book", "_data").iterdir())
        for page in [Path("_toc.yml"), *pages, *data]:
            target = Path(self.build_lib, "zerobook", "_book", page)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(page), str(target))


setup(cmdclass={"build_py": BuildWithBook})
