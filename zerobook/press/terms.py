# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The glossary: a table of data, each term linked to where it is defined."""

import csv
import html
import re
from pathlib import Path
from docutils import nodes
from sphinx.util.docutils import SphinxDirective


# %% book/press/terms.md
TABLE = "book/glossary.csv"


# %% book/press/terms.md
def read_terms(text):
    """Rows of the table as dicts, in alphabetical order."""
    rows = list(csv.DictReader(text.splitlines()))
    return sorted(rows, key=lambda row: row["term"].casefold())


def folded(term):
    """A term without what differs between places: case, and quotes."""
    return " ".join(term.casefold().replace("\u2019", "'").split())


def anchor(term):
    """Name of the place where `term` is defined, within its page."""
    words = re.findall(r"\w+", folded(term))
    return "-".join(["term", *words])


# %% book/press/terms.md
def note_terms(app, doctree):
    """Name the bold words of a page, and remember that they stand there."""
    here = noted(app.env).setdefault(app.env.docname, [])
    for strong in doctree.findall(nodes.strong):
        term = folded(strong.astext())
        if term not in here:
            strong["ids"].append(anchor(term))
            here.append(term)


def noted(env):
    """The terms that each page defines; kept from build to build."""
    if not hasattr(env, "zerobook_terms"):
        env.zerobook_terms = {}
    return env.zerobook_terms


def forget_page(app, env, docname):
    """Drop what a page defined, before it is read again."""
    noted(env).pop(docname, None)


# %% book/press/terms.md
class mark(nodes.inline):
    """A term in the glossary that waits for its link."""


class Terms(SphinxDirective):
    """The glossary as a table, from `TABLE`."""

    def run(self):
        table = Path(self.env.app.srcdir, TABLE)
        self.env.note_dependency(str(table))
        terms = read_terms(table.read_text("utf-8"))
        rows = [row_of(term) for term in terms]
        head = nodes.row()
        for word in ("Term", "Japanese", "In one sentence"):
            head += nodes.entry("", nodes.paragraph(word, word))
        group = nodes.tgroup(cols=3)
        group += [nodes.colspec(colwidth=w) for w in (20, 20, 60)]
        group += [nodes.thead("", head), nodes.tbody("", *rows)]
        table = nodes.table("", group, classes=["glossary-table"])
        self.set_source_info(table)
        return [table]


# %% book/press/terms.md
def row_of(term):
    """One row: the term, its Japanese with the reading, the sentence."""
    word = nodes.paragraph("", "", mark("", term["term"], term=term["term"]))
    ja = [html.escape(term[k]) for k in ("ja", "reading")]
    text = '<span lang="ja">{}<br><small>{}</small></span>'.format(*ja)
    japanese = nodes.paragraph("", "", nodes.raw("", text, format="html"))
    meaning = [nodes.paragraph(term["sentence"], term["sentence"])]
    if term["avoid"]:
        avoid = f"Avoid: {term['avoid']}."
        meaning.append(nodes.paragraph(avoid, avoid, classes=["avoid"]))
    row = nodes.row()
    row += [nodes.entry("", word), nodes.entry("", japanese)]
    row += nodes.entry("", *meaning)
    return row


# %% book/press/terms.md
def link_terms(app, doctree, docname):
    """Turn the marks of the glossary into links to the definitions."""
    pages = noted(app.env)
    homes = {term: page for page in pages for term in pages[page]}
    for waiting in list(doctree.findall(mark)):
        term, text = folded(waiting["term"]), waiting.astext()
        found = nodes.inline(text, text)
        if term in homes:
            page = app.builder.get_relative_uri(docname, homes[term])
            place = f"{page}#{anchor(term)}"
            found = nodes.reference(text, text, internal=True, refuri=place)
        waiting.replace_self(found)


# %% book/press/terms.md
def also_write(app, env):
    """The glossary is written again whatever changed."""
    page = "book/reference/glossary"
    return [page] if page in env.found_docs else []


def setup(app):
    """Called by Sphinx when it loads the extension."""
    app.add_directive("zerobook-terms", Terms)
    app.connect("env-purge-doc", forget_page)
    app.connect("doctree-read", note_terms)
    app.connect("env-updated", also_write)
    app.connect("doctree-resolved", link_terms)
    return {"version": "1", "parallel_read_safe": False}
