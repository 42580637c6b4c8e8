"""What travels with the wheel: chapters, records, and the book's text.

`zerobook where`, the pages and `zerobook.datasets.load_book_prose` read them.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithBook(build_py):
    """Put the book, its list, data and records under `zerobook/_book/`."""

    def run(self):
        """Copy after the modules."""
        super().run()
        if self.editable_mode:
            return
        book, records = Path("book"), Path("runs").glob("*.*")
        data = sorted((book / "_data").iterdir())
        pages = sorted(book.rglob("*.md"))
        for path in [Path("_toc.yml"), *pages, *data, *sorted(records)]:
            target = Path(self.build_lib, "zerobook", "_book", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": BuildWithBook})
