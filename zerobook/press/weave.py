# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Sphinx extension: what a page of this book has beyond its own text."""

from pathlib import Path
from sphinx.util import logging
from zerobook.press.book import read
from zerobook.press.execute import (
    digest, kept, notebook_of, open_cache, signed
)


# %% book/press/weaving.md
def open_book(app):
    """Read the book once; every later hook finds it on the application."""
    app.zerobook = read(app.srcdir)
    app.zerobook_pages = {page.docname: page for page in app.zerobook.pages}
    app.zerobook_cache = open_cache(app.srcdir)


# %% book/press/weaving.md
def sign(app, docname, source):
    """Give the text its digest; Sphinx itself never runs a cell."""
    page = app.zerobook_pages.get(docname)
    if page is None or not page.cells:
        return
    mark = digest(page, app.srcdir)
    record = kept(app.zerobook_cache, notebook_of(page, app.srcdir))
    if record is None:
        log = logging.getLogger(__name__)
        log.warning("not run yet: `make book` runs it", location=docname)
    source[0] = signed(source[0], mark)
    app.env.zerobook_marks[docname] = mark if record else ""
    mode = "cache" if record else "off"
    app.env.mystnb_config = app.env.mystnb_config.copy(execution_mode=mode)


# %% book/press/weaving.md
def outdated(app, env, added, changed, removed):
    """Pages whose text is the same but whose modules have changed."""
    if not hasattr(env, "zerobook_marks"):
        env.zerobook_marks = {}
    marks = env.zerobook_marks
    return [
        name for name, mark in marks.items()
        if name in app.zerobook_pages
        and mark != digest(app.zerobook_pages[name], app.srcdir)
    ]


# %% book/press/weaving.md
def setup(app):
    app.connect("builder-inited", open_book, priority=900)
    app.connect("env-get-outdated", outdated)
    app.connect("source-read", sign)
    return {"version": "1", "parallel_read_safe": False}
