"""The press and MyST-NB see the same cells."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig

from tests.press.conftest import TICKS, cell, chapter
from zerobook.press.reading import read_book, read_page, read_toc

CONFIG = MdParserConfig(
    enable_extensions={"amsmath", "colon_fence", "deflist", "dollarmath"}
)


def seen_by_myst(text):
    """Cells as MyST-NB has them; it may drop blank lines at a cell's end."""
    notebook = read_myst_markdown_notebook(text, CONFIG)
    return [
        (c.source.rstrip("\n"), c.metadata.get("tangle"), tuple(c.metadata.get("tags", ())))
        for c in notebook.cells
        if c.cell_type == "code"
    ]


def seen_by_press(text):
    page, problems = read_page("book/a.md", text)
    cells = [(c.code.rstrip("\n"), c.target, c.tags) for c in page.cells]
    return cells, problems


# The kind: a page of code whose cells the site would never run.
@pytest.mark.parametrize("head", [
    "", "---\nkernelspec:\n  name: python3\n---\n",
    "---\nfile_format: myst\n---\n", "---\n---\n",
    "\n---\nfile_format: mystnb\n---\n",
])
def test_a_page_of_code_without_its_front_matter_is_an_error(
        make_book, head):
    a, b = f"{head}# A\n\n{cell('x = 1')}", f"{head}# B\n\nOnly prose.\n"
    problems = read_book(make_book({"a": a, "b": b})).problems
    assert [(p.path, p.line) for p in problems] == [("book/a.md", 1)]
    assert "`file_format: mystnb`: none of them" in problems[0].message


@pytest.mark.parametrize("word", ["mystnb", "'mystnb'", '"mystnb"'])
def test_front_matter_may_quote_its_word(make_book, word):
    text = f"---\nfile_format: {word}\n---\n# A\n\n{cell('x = 1')}"
    assert read_book(make_book({"a": text})).problems == []


def test_every_page_of_the_book_reads_the_same_both_ways(root):
    book = read_book(root)
    assert book.problems == []
    assert sum(len(page.cells) for page in book.pages) > 200
    for page in book.pages:
        text = (root / page.path).read_text("utf-8")
        ours, problems = seen_by_press(text)
        assert problems == []
        assert ours == seen_by_myst(text), page.path


# Pieces that Markdown treats in ways of its own; some hide a cell.
PIECES = [
    "Some prose.",
    "",
    "- a list",
    "> a quotation",
    "    indented code",
    "$$ x = 1 $$",
    "$$",
    "<!-- a comment -->",
    "<!--",
    "-->",
    "<div>",
    "</div>",
    "<script>",
    "</script>",
    ":::{note}",
    ":::",
    "````markdown",
    "````",
    f"{TICKS}python",
    f"{TICKS}{{code-cell}} python",
    f"{TICKS}{{code-cell}}",
    f"  {TICKS}{{code-cell}}",
    f"{TICKS} {{code-cell}}",
    "~~~{code-cell} python",
    "~~~",
    TICKS,
    ":tangle: zerobook/a.py",
    ":tags: [check, hide-input]",
    "---",
    "tags: [check]",
    "x = 1",
    "% a comment",
    "+++",
    "# 1.1 Title",
    "## Heading",
    "===",
    "| a | b |",
    "[ref]: target",
    "`inline`",
]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_any_page_is_read_as_myst_reads_it_or_refused(pieces):
    text = "\n".join(["# 1.1 Title", "", *pieces]) + "\n"
    ours, problems = seen_by_press(text)
    if problems:
        return
    try:
        theirs = seen_by_myst(text)
    except Exception:  # YAML that MyST refuses: its build says so
        return
    assert ours == theirs


@given(
    st.lists(
        st.tuples(
            st.text("xyz =1+#'\"\t\né→", max_size=30).map(
                lambda code: code.rstrip("\n")
            ),
            st.sampled_from([None, "zerobook/a.py"]),
            st.sampled_from(["", "check", "check, hide-input"]),
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_cells_survive_the_reading_byte_for_byte(cells, windows):
    pieces = []
    for code, target, tags in cells:
        options = [f":tangle: {target}"] if target else []
        options += [f":tags: [{tags}]"] if tags else []
        pieces += [f"{TICKS}{{code-cell}} python", *options, "", code, TICKS]
        pieces += ["", "Prose.", ""]
    text = "\n".join(["# 1 T", "", *pieces]) + "\n"
    if windows:
        text = text.replace("\n", "\r\n")
    ours, problems = seen_by_press(text)
    assert problems == []
    assert [(c, t) for c, t, _ in ours] == [(c, t) for c, t, _ in cells]
    assert ours == seen_by_myst(text)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"# T\n\n{TICKS}{{code-cell}} python\nx = 1\n", 3, "never closes"),
        (f"# T\n\n:::{{note}}\n{TICKS}{{code-cell}}\n1\n{TICKS}\n:::\n", 4,
         "inside `{note}`"),
        (f"# T\n\n- a\n\n  {TICKS}{{code-cell}}\n  1\n  {TICKS}\n", 5,
         "left margin"),
        (f"# T\n\n> {TICKS}{{code-cell}}\n> 1\n> {TICKS}\n", 3, "left margin"),
        (f"# T\n\n<!--\n{TICKS}{{code-cell}}\n1\n{TICKS}\n-->\n", 4,
         "HTML comment"),
        ("# T\n\n:::{code-cell} python\nx = 1\n:::\n", 3, "backticks"),
        (cell("x = 1", info="julia"), 1, "'julia', not Python"),
        (f"{TICKS}{{code-cell}}\n:tangle: zerobook/a.py\n"
         f":tangle: zerobook/b.py\n\nx = 1\n{TICKS}\n", 1, "two paths"),
        (f"{TICKS}{{code-cell}}\n:tangle: zerobook/a.py zerobook/b.py\n\n"
         f"x = 1\n{TICKS}\n", 1, "two paths"),
        (f"{TICKS}{{code-cell}}\n:tangle:\n\nx = 1\n{TICKS}\n", 1, "no path"),
        (cell("x = 'a\x0cb'"), 1, "line separator"),
    ],
)
def test_a_cell_that_would_not_run_is_named_with_its_line(text, line, words):
    _, problems = read_page("book/a.md", text)
    assert [p.line for p in problems] == [line]
    assert words in problems[0].message


def test_a_cell_that_is_only_shown_is_no_cell():
    text = chapter("1.1 A", f"`{TICKS}markdown", cell("shown()"), f"`{TICKS}")
    assert seen_by_press(text) == ([], [])


def test_options_may_stand_in_a_yaml_block():
    text = (f"{TICKS}{{code-cell}} python\n---\ntags:\n  - check\n"
            f"tangle: zerobook/a.py\nmystnb:\n  figure:\n    name: f\n---\n"
            f"x = 1\n{TICKS}\n")
    assert seen_by_press(text)[0] == [("x = 1", "zerobook/a.py", ("check",))]
    assert seen_by_myst(text) == seen_by_press(text)[0]


def test_code_line_is_the_line_an_editor_shows(root):
    for page in read_book(root).pages:
        lines = (root / page.path).read_text("utf-8").split("\n")
        for c in page.cells:
            first = c.code.split("\n")[0]
            assert lines[c.code_line - 1] == first, f"{page.path}:{c.line}"


def test_the_table_of_contents_agrees_with_jupyter_books_own_reader(root):
    from sphinx_external_toc.parsing import parse_toc_yaml

    site = parse_toc_yaml(root / "_toc.yml")
    entries, given_parts, parallel = read_toc((root / "_toc.yml").read_text())
    assert [name for name, _, _ in entries] == list(site)
    assert list(given_parts) == site.meta["zerobook"]["given"]
    assert list(parallel) == site.meta["zerobook"]["parallel"]


def test_a_chapter_that_is_not_there_is_reported_at_its_line(make_book):
    root = make_book({"a": "# 1 A\n"}, toc="root: book/a\nx:\n- file: book/b\n")
    (problem,) = read_book(root).problems
    assert problem == ("_toc.yml", 3, "there is no chapter book/b.md")


def test_a_chapter_in_no_table_of_contents_is_reported(make_book):
    root = make_book({"a": "# 1 A\n", "b": "# 2 B\n"}, toc="root: book/a\n")
    (problem,) = read_book(root).problems
    assert problem.path == "book/b.md"


def test_a_chapter_that_is_not_utf8_is_reported_with_its_line(make_book):
    root = make_book({"a": b"# 1 A\n\ncaf\xe9\n"})
    (problem,) = read_book(root).problems
    assert (problem.path, problem.line) == ("book/a.md", 3)
    assert "UTF-8" in problem.message


def test_a_folder_without_a_table_of_contents_is_reported(tmp_path):
    (problem,) = read_book(Path(tmp_path)).problems
    assert "_toc.yml" in problem.message
