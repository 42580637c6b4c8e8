"""The glossary, built in a book of three pages."""

import re

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("myst_parser")

from sphinx.application import Sphinx  # noqa: E402  (after the skip)
from sphinx.util.docutils import docutils_namespace  # noqa: E402

GLOSSARY = """\
term,ja,reading,sentence,avoid
XOR,排他的論理和,はいたてきろんりわ,True where exactly one bit is 1.,
Bayes' rule,ベイズの定理,べいずのていり,"Prior times likelihood, shared out.",逆確率
orphan,孤児,こじ,A term that no page defines.,
"""
PAGES = {
    "index": "# Book\n\n```{toctree}\nbook/one\nbook/reference/glossary\n```\n",
    "book/one": "# One\n\nBy **Bayes' rule** and *not* **loud** we get **XOR**.\n",
    "book/reference/glossary": "# Glossary\n\n```{zerobook-terms}\n```\n",
}


@pytest.fixture
def build(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    for name, text in PAGES.items():
        path = source / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (source / "book" / "glossary.csv").write_text(GLOSSARY, "utf-8")
    (source / "conf.py").write_text(
        "extensions = ['myst_parser', 'zerobook.press.terms']\n", "utf-8"
    )

    def run():
        folders = [source, source, out, tmp_path / "trees"]
        with docutils_namespace():
            app = Sphinx(
                *map(str, folders), "html", status=None, warningiserror=True
            )
            app.build()
        assert app.statuscode == 0
        return {
            name: (out / f"{name}.html").read_text("utf-8") for name in PAGES
        }

    run.source = source
    return run


def rows(page):
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    return re.findall(r"<tr.*?</tr>", body, re.S)


def test_each_term_leads_to_the_sentence_that_defines_it(build):
    pages = build()
    bayes, orphan, xor = rows(pages["book/reference/glossary"])
    assert 'href="../one.html#term-bayes-rule"' in bayes
    assert 'href="../one.html#term-xor"' in xor
    assert "<a " not in orphan
    for anchor in ("term-bayes-rule", "term-xor"):
        assert f'<strong id="{anchor}">' in pages["book/one"]


def test_a_row_has_the_reading_the_sentence_and_what_to_avoid(build):
    bayes, _, xor = rows(build()["book/reference/glossary"])
    assert '<span lang="ja">ベイズの定理<br><small>べいずのていり' in bayes
    assert "shared out." in bayes and "Avoid: 逆確率." in bayes
    assert "Avoid" not in xor


def test_a_row_that_comes_later_finds_its_sentence(build):
    build()
    table = build.source / "book" / "glossary.csv"
    table.write_text(GLOSSARY + "loud,大,だい,As bold as can be.,\n", "utf-8")
    loud = rows(build()["book/reference/glossary"])[1]
    assert 'href="../one.html#term-loud"' in loud


def test_a_definition_that_moves_takes_the_link_with_it(build):
    build()
    one, index = build.source / "book" / "one.md", build.source / "index.md"
    one.write_text("# One\n\nBy **Bayes' rule**.\n", "utf-8")
    index.write_text(PAGES["index"] + "\n**XOR** moved here.\n", "utf-8")
    _, _, xor = rows(build()["book/reference/glossary"])
    assert 'href="../../index.html#term-xor"' in xor
    # and back: Sphinx reads "book/one" before "index"
    one.write_text(PAGES["book/one"], "utf-8")
    index.write_text(PAGES["index"], "utf-8")
    _, _, xor = rows(build()["book/reference/glossary"])
    assert 'href="../one.html#term-xor"' in xor


def test_a_new_row_shows_up_in_the_next_build(build):
    build()
    table = build.source / "book" / "glossary.csv"
    table.write_text(GLOSSARY + "zero,零,れい,Where we start.,\n", "utf-8")
    assert "Where we start." in build()["book/reference/glossary"]


def test_html_in_a_row_is_text(build):
    table = build.source / "book" / "glossary.csv"
    table.write_text(GLOSSARY + "a,<b>,い,Less < more.,\n", "utf-8")
    page = build()["book/reference/glossary"]
    assert "&lt;b&gt;" in page and "Less &lt; more." in page
