"""A downloaded notebook says what its page says.

The kind: words of a page that only Sphinx understands (glued numbers, roles,
labels, links, citations, options of directives, boxes, captions) and that a
notebook would lose, or show as code. Asked of every page of the book, without
a build: the glued values are made up.
"""

import json
import posixpath
import re
from functools import cache
from pathlib import Path

import pytest

from zerobook.press import notebooks
from zerobook.press.notebooks import Known, Mark, to_markdown
from zerobook.press.reading import read_book

sphinx = pytest.importorskip("sphinx")
site = pytest.importorskip("zerobook.press.site")

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [page for page in read_book(ROOT).pages if page.cells]
GLUE = re.compile(r"\{glue:\w*\}`([^`:]+)(?::[^`]*)?`")
# Code and mathematics are shown as they are.
VERBATIM = re.compile(
    r"^(> )?(`{3,})[\s\S]*?^(> )?\2`*$|(`+)(?!`)[\s\S]*?(?<!`)\4(?!`)"
    r"|\$\$[\s\S]*?\$\$|\$[^$]+\$", re.M)


def text_of(page):
    return (ROOT / page.path).read_text("utf8")


@cache
def known_to_all():
    every = read_book(ROOT).pages
    keys = re.findall(r"^@\w+\{([^,]+),",
                      (ROOT / "book/references.bib").read_text("utf8"), re.M)
    return Known(
        marks=notebooks.all_marks(every, text_of),
        titles={p.path: p.title for p in every},
        notebooks=frozenset(p.path for p in every if p.cells),
        sources={k: (f"L-{k}", f"A-{k}", f"E-{k}") for k in keys},
    )


@cache
def prose(page):
    """The Markdown cells of a page's notebook, one text."""
    values = {name: f"«{name}»" for name in GLUE.findall(text_of(page))}
    known = known_to_all()._replace(path=page.path, values=values)
    cells = json.loads(site.notebook(page, text_of(page), known))["cells"]
    return "\n\n".join(
        c["source"] for c in cells if c["cell_type"] == "markdown")


def bare(page):
    return VERBATIM.sub("", prose(page))


def outside_cells(page):
    """The chapter's text without its cells."""
    lines = text_of(page).split("\n")
    for cell in reversed(page.cells):
        end = cell.code_line + cell.code.count("\n") + 1
        del lines[cell.line - 1 : end]
    return "\n".join(lines)


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.path)


@each_page
def test_every_glued_number_is_in_the_notebook(page):
    shown = prose(page)
    text = VERBATIM.sub("", re.sub(r"\{glue:\w*\}`", "{glue}", text_of(page)))
    for name in GLUE.findall(text_of(page)):
        if "{glue}" + name in text:
            assert f"«{name}»" in shown
    assert "…" not in shown or "…" in text_of(page)


@each_page
def test_no_role_label_option_or_box_is_left_as_source(page):
    text = bare(page)
    assert not re.findall(r"\{[a-z][\w:-]*\}`?", text)
    assert not re.findall(r"^(?:> )*\([\w-]+\)= *$", text, re.M)
    assert not re.findall(r"^(?:> )*:[\w-]+:", text, re.M)
    assert not re.findall(r"^(?:> )*(?::{3,}|`{3,}\{)", text, re.M)


@each_page
def test_every_link_of_a_notebook_leads_somewhere(page):
    anchors = {p.path: set(re.findall(r'<a id="([^"]+)">', prose(p)))
               for p in PAGES}
    for target in re.findall(r"\]\(([^)\s]+)\)", bare(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        here = posixpath.dirname(page.path)
        source = posixpath.normpath(posixpath.join(here, path or "."))
        source = page.path if not path else re.sub(
            r"\.(ipynb|html)$", ".md", source)
        assert source in known_to_all().titles or (
            ROOT / source).is_file(), target
        if path.endswith(".ipynb") or not path:
            assert source in known_to_all().notebooks, target
            assert not anchor or anchor in anchors[source], target
        if path.endswith(".html"):
            assert source not in known_to_all().notebooks, target


@each_page
def test_every_citation_has_its_label_and_its_entry(page):
    text = VERBATIM.sub("", re.sub(r"\{cite(:\w+)?\}`", r"{cite\1}",
                                   outside_cells(page)))
    keys = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", outside_cells(page))
    for key in {k.strip() for group in keys for k in group.split(",")}:
        if "}" + key in text or "," in "".join(keys):
            assert f"[L-{key}]" in prose(page).split("**Cited on")[0], key
            assert f"- [L-{key}] E-{key}" in prose(page), key


@each_page
def test_every_caption_stands_under_its_figure(page):
    lines = text_of(page).split("\n")
    drawn = [c for c in page.cells if "caption:" in "\n".join(
        lines[c.line : c.code_line - 1])]
    for cell in drawn:
        name, words = notebooks.figure_of(cell, lines)
        assert len(words) > 10
        first = re.split(r"[{$`\[]", words)[0].strip()
        assert first in prose(page)
        if name:
            number = known_to_all().marks[name].words
            assert f'<a id="{name}"></a>**{number}.** ' in prose(page)


@each_page
def test_every_title_of_a_box_is_in_the_notebook(page):
    titles = re.findall(r"^:{3,}\{admonition\} *(.+)", outside_cells(page),
                        re.M)
    for title in titles:
        first = re.split(r"[{$`\[]", title)[0].strip()
        assert f"**{first}" in prose(page)
    solutions = re.findall(r"\{solution(?:-start)?\} *([\w-]+)", bare(page))
    assert not solutions


def test_a_directive_or_role_that_is_not_known_stops_the_build():
    for text in ("```{nonsense}\nwords\n```", "{nonsense}`words`"):
        with pytest.raises(ValueError, match="book/x.md.*nonsense"):
            to_markdown(text, Known("book/x.md"))


KNOWN = Known(
    "book/a/x.md", {"n": "12.345", "word": "seven"},
    {"sec": Mark("book/b/y.md", "Sums", "heading"),
     "fig": Mark("book/a/x.md", "Fig. 7", "figure"),
     "ex": Mark("book/a/x.md", "Exercise 3", "exercise")},
    {"book/a/x.md": "X", "book/b/y.md": "Y", "book/c.md": "C"},
    frozenset(["book/a/x.md", "book/b/y.md"]),
    {"k": ("K84", "Knuth", "Knuth."), "j": ("J99", "Jo", "Jo.")},
)


@pytest.mark.parametrize("source, shown", [
    ("{glue:text}`n:.1f`", "12.3"),
    ("{glue:}`word`", "seven"),
    ("{glue:text}`word:.1f`", "seven"),
    ("{cite}`k,j`", "[K84]; [J99]"),
    ("{cite:t}`k`", "Knuth [K84]"),
    ("{numref}`fig`", "[Fig. 7](#fig)"),
    ("{numref}`figure %s <fig>`", "[figure 7](#fig)"),
    ("{ref}`there <sec>`", "[there](../b/y.ipynb#sec)"),
    ("{doc}`../c`", "[C](../c.html)"),
    ("[`f`](#sec)", "[`f`](../b/y.ipynb#sec)"),
    ("[w](../b/y.md#sec)", "[w](../b/y.ipynb#sec)"),
    ("[w](https://x.example/a.md)", "[w](https://x.example/a.md)"),
    ("$a[1](2)$ and `[c](d.md)`", "$a[1](2)$ and `[c](d.md)`"),
    (":::{note}\nText.\n:::", "> **Note**\n>\n> Text."),
    (":::{exercise}\n:label: ex\n\nDo.\n:::",
     '> <a id="ex"></a>**Exercise 3**\n>\n>\n> Do.'),
    ("```{solution-start} ex\n:class: dropdown\n```\n\nSo.",
     "**Solution to Exercise 3**\n\nSo."),
    ("::::{grid} 1 2 2 4\n:gutter: 2\n\n:::{grid-item-card} Go\n"
     ":link: ../b/y\n:link-type: doc\nWords.\n:::\n::::",
     "> **[Go](../b/y.ipynb)**\n>\n> Words."),
    ("```{image} a.png\n:alt: A cat\n```", "![A cat](a.png)"),
])
def test_a_kind_of_source_becomes_markdown(source, shown):
    found = to_markdown(source, KNOWN)
    assert re.sub(r"(\n>)+", "\n>", found) == re.sub(r"(\n>)+", "\n>", shown)


def test_where_the_book_is_published_the_notebook_leads_there():
    known = KNOWN._replace(address="https://book.example/")
    assert to_markdown("[c](../c.md)", known) == (
        "[c](https://book.example/book/c.html)")


def test_a_glued_value_is_found_under_the_mark_of_glue(tmp_path):
    folder = tmp_path / ".jupyter_cache" / "executed" / "k"
    folder.mkdir(parents=True)
    mark = "application/papermill.record/text/plain"
    outputs = [{"metadata": {"scrapbook": {"name": n}}, "data": {mark: text}}
               for n, text in (("a", "'97.2'"), ("b", "3.5"),
                               ("c", ["'it''s'"]))]
    (folder / "base.ipynb").write_text(json.dumps(
        {"cells": [{"outputs": outputs}]}))

    class Loom:
        root = tmp_path

        def record(self, page):
            return {"key": "k"}

    assert site.glued(Loom(), None) == {"a": "97.2", "b": "3.5", "c": "its"}
