"""What every page keeps to, read from the chapters' text."""

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[1] / "book"
PAGES = sorted(BOOK.rglob("*.md"))
ids = [str(page.relative_to(BOOK)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_a_figure_is_called_by_its_number(page):
    # {ref} would print the whole caption in the middle of a sentence
    assert not re.findall(r"\{ref\}`fig-[\w-]+`", page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_a_page_with_code_has_a_check(page):
    text = page.read_text("utf-8")
    cells = re.findall(r"^```\{code-cell\}(.*?)^```", text, re.M | re.S)
    hidden = [c for c in cells if "check" in c or "remove-cell" in c]
    assert hidden or not cells


TOO_LONG = 45  # lines of a cell, docstring included
# Pages with a function whose card alone fills most of a cell.
LONG_CARDS = {
    "deep_learning/attention.md": 56,
    "generative/byte_pair_encoding.md": 50,
    "press/where.md": 47,
    "press/writing.md": 47,
}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_no_cell_is_too_long_to_be_read_in_one_go(page):
    text = page.read_text("utf-8")
    most = LONG_CARDS.get(page.relative_to(BOOK).as_posix(), TOO_LONG)
    for cell in re.findall(r"^```\{code-cell\}(.*?)^```", text, re.M | re.S):
        code = re.sub(r"\A[^\n]*\n(---\n.*?\n---\n|(:[^\n]*\n)*)", "", cell,
                      flags=re.S)
        assert len(code.strip().splitlines()) <= most, code
