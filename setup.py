"""What pages and package read travels with the wheel.

Chapters for `zerobook where`, records, and the text that
`zerobook.datasets.load_book_prose` hands out.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithBook(build_py):
    """Put chapters, their list, data and records under `zerobook/_book/`."""

    def run(self):
        """Copy after the modules."""
        super().run()
        if self.editable_mode:
            return
        files = [*Path("book").rglob("*.md"), *Path("book/_data").iterdir(),
                 *Path("runs").glob("*.*")]
        for path in [Path("_toc.yml"), *sorted(files)]:
            target = Path(self.build_lib, "zerobook", "_book", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": BuildWithBook})
