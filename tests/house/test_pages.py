"""What each page of the book has: a title, a check, short cells."""

import ast
import re
import warnings

import pytest

from tests.house.package import FENCE, ROOT, pages


PAGES = pytest.mark.parametrize(
    "page", pages(), ids=lambda page: str(page.relative_to(ROOT))
)


def cells(page):
    """Line and code of each code cell."""
    text = page.read_text("utf-8")
    for found in FENCE.finditer(text):
        if found[2].startswith("{code-cell}"):
            code = re.sub(r"\A---\n.*?^---\n", "", found[3],
                          flags=re.M | re.S)
            code = re.sub(r"\A(:\S+:.*\n)*", "", code).strip("\n")
            yield text.count("\n", 0, found.start()) + 1, code


def test_every_page_is_in_the_table_of_contents():
    there = set((ROOT / "book").rglob("*.md"))
    assert there == set(pages())


@PAGES
def test_a_page_has_one_title_and_a_description(page):
    text = FENCE.sub("", page.read_text("utf-8"))
    assert len(re.findall(r"^# \S", text, re.M)) == 1
    assert re.search(r"^ +description: *\S", text, re.M)


@PAGES
def test_a_line_of_code_has_at_most_79_characters(page):
    long = [
        f"{page.name}:{line}: {row}"
        for line, code in cells(page) for row in code.splitlines()
        if len(row) > 79
    ]
    assert not long, "\n".join(long)


# Pages with a function whose card alone fills most of a cell.
LONG_CARDS = {
    "attention.md": 56, "byte_pair_encoding.md": 50, "where.md": 47,
    "forgetting_and_size.md": 50, "writing.md": 47,
}


@PAGES
def test_no_cell_is_too_long_to_be_read_in_one_go(page):
    most = LONG_CARDS.get(page.name, 45)  # docstring included
    for line, code in cells(page):
        assert len(code.strip().splitlines()) <= most, f"{page.name}:{line}"


@PAGES
def test_a_page_with_code_has_a_check(page):
    fences = re.findall(r"^```\{code-cell\}(.*?)^```",
                        page.read_text("utf-8"), re.M | re.S)
    assert not fences or any("check" in f or "remove-cell" in f
                             for f in fences)


@PAGES
def test_a_figure_is_called_by_its_number(page):
    # {ref} would print the whole caption in the middle of a sentence
    assert not re.findall(r"\{ref\}`fig-[\w-]+`", page.read_text("utf-8"))


def weight(code):
    """Lines of a cell that do something: docstrings and blanks are free."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        tree = ast.parse("")  # a magic
    free = {k for k, row in enumerate(code.splitlines(), 1) if not row.strip()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(
            getattr(node.value, "value", None), str
        ):
            free |= set(range(node.lineno, node.end_lineno + 1))
    return len(code.splitlines()) - len(free)


def test_cells_are_small():
    # Advice, not law: the suite says so once and goes on.
    big = [
        f"{page.name}:{line} ({weight(code)})"
        for page in pages() for line, code in cells(page)
        if weight(code) > (45 if re.search("^class ", code, re.M) else 25)
    ]
    if big:
        warnings.warn(f"{len(big)} cells to split: {', '.join(big)}")
