"""Small whole books, written into a temporary folder."""

import textwrap

import pytest

TICKS = "`" * 3
HEADER = "---\nfile_format: mystnb\n---\n"  # three lines


def cell(code, target=None, tags="", info="python"):
    """The text of a code cell."""
    options = f":tangle: {target}\n" if target else ""
    options += f":tags: [{tags}]\n" if tags else ""
    code = textwrap.dedent(code).strip("\n")
    return f"{TICKS}{{code-cell}} {info}\n{options}\n{code}\n{TICKS}\n"


def chapter(title, *pieces):
    """The text of a chapter."""
    return "\n".join([f"{HEADER}# {title}\n", *pieces])


@pytest.fixture
def make_book(tmp_path):
    """Write chapters (name -> text) and their table of contents."""

    def make(chapters, *, toc=None, given=(), parallel=()):
        names = list(chapters)
        for name, text in chapters.items():
            path = tmp_path / "book" / f"{name}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            data = text if isinstance(text, bytes) else text.encode()
            path.write_bytes(data)
        if toc is None:
            plain = [n for n in names if n not in given]
            toc = "format: jb-book\nroot: book/" + plain[0] + "\nparts:\n"
            for caption, part in (("All", plain[1:]), ("Given", given)):
                if part:
                    toc += f"  - caption: {caption}\n    chapters:\n"
                    toc += "".join(f"      - file: book/{n}\n" for n in part)
            toc += "meta:\n  zerobook:\n    given: [Given]\n"
            if parallel:
                toc += f"    parallel: [{', '.join(parallel)}]\n"
        (tmp_path / "_toc.yml").write_text(toc)
        return tmp_path

    return make
