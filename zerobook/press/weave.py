# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Sphinx extension: what a page of this book has beyond its own text."""

import html
import importlib.metadata
import importlib.util
import posixpath
from pathlib import Path
from docutils import nodes
from jinja2 import FileSystemBytecodeCache
from sphinx import addnodes
from sphinx.environment.collectors.toctree import TocTreeCollector
from sphinx.util import logging
from zerobook.press.assembling import definitions
from zerobook.press.execute import (
    NOTES,
    answer,
    digest,
    hashed,
    load_notes,
    records_named,
    said,
    save_notes,
    said_on,
    signed,
    versions_of,
)
from zerobook.press.figures import inline
from zerobook.press.judging import module_of
from zerobook.press.linking import coloured, marks_of
from zerobook.press.reading import read_book
from zerobook.press.recording import kept_record
from zerobook.press.routes import built_names, offered, tree_of
from zerobook.press.site import _
from zerobook.press.where import users


# %% book/press/weaving.md
def complain(docname, words):
    """A warning that names the page; the build fails on it."""
    logging.getLogger(__name__).warning(words, location=docname)


# %% book/press/weaving.md
def survey(book, root):
    """Who builds and who uses what, by the paths of pages."""
    cells = [
        (page.path, page.section, cell.code, cell.target, cell.tags)
        for page, cell in book.cells()
    ]
    here = Path(importlib.util.find_spec("zerobook.press.weave").origin)
    press = [p.read_text("utf8") for p in sorted(here.parent.glob("*.py"))]
    key = "survey " + hashed(repr((cells, press)))
    if key not in NOTES:
        for old in [key for key in NOTES if key.startswith("survey ")]:
            del NOTES[old]
        NOTES[key] = look_around(book)
        save_notes(root)
    return NOTES[key]


# %% book/press/weaving.md
def look_around(book):
    """The same, from the cells themselves."""
    modules = built_names(book).items()
    return {
        "modules": {module: {name: page.path for name, (page, _)
                             in names.items()} for module, names in modules},
        "users": [[module, name, [page.path for page in pages]]
                  for (module, name), pages in users(book).items()],
        "built": {page.path: [names_of(cell) for cell in page.cells]
                  for page in book.pages},
    }


def names_of(cell):
    """The names that a tangled cell builds; None for any other cell."""
    if not cell.target:
        return None
    names = [name for name, _ in definitions(tree_of(cell).body)]
    return names + [name for name in offered(cell) if name not in names]


# %% book/press/weaving.md
class Loom:
    """The book as the weaver needs it: pages, names, and who uses them."""

    def __init__(self, root, digests=()):
        self.root, self.book = Path(root), read_book(root)
        load_notes(root)
        self.pages = {page.docname: page for page in self.book.pages}
        known, page = survey(self.book, root), self.page_at
        self.modules = {
            module: {name: page(path) for name, path in names.items()}
            for module, names in known["modules"].items()
        }
        self.users = {
            (module, name): [page(path) for path in paths]
            for module, name, paths in known["users"]
        }
        self.built = known["built"]
        self.short = short_names(self.modules)
        self.marks, self.digests, self.written = {}, dict(digests), 0
        self.ran = [p for p in self.pages.values() if p.path in self.digests]

    def page_at(self, path):
        """The page whose file is at `path`."""
        return self.pages[path.removesuffix(".md")]

    def digest(self, page):
        """The digest of a page, computed once if it was not given."""
        if page.path not in self.digests:
            self.digests[page.path] = digest(page, self.root)
        return self.digests[page.path]

    def record(self, page):
        """What the cache holds of a page, or None."""
        return answer(page, self.root, self.digest(page))

    def links(self, page):
        """Marks of a page's cells, found once."""
        if page.path not in self.marks:
            self.marks[page.path] = marks_of(page, self.modules)
        return self.marks[page.path]


# %% book/press/weaving.md
def short_names(modules):
    """What a name in prose may mean: spelling -> (module, name)."""
    found, twice = {}, set()
    for module, names in modules.items():
        for name in names:
            if name.startswith("_"):
                continue
            tail = module.removeprefix("zerobook.")
            for spelling in (f"{tail}.{name}", f"{module}.{name}"):
                found[spelling] = module, name
            twice |= {name} & found.keys()
            found[name] = module, name
    return {s: meant for s, meant in found.items() if s not in twice}


# %% book/press/weaving.md
def sign(app, docname, source):
    """Give a page its digest, and MyST-NB the order to look, not to run."""
    page = app.loom.pages.get(docname)
    if page is None or not page.cells:
        return
    mark, record = app.loom.digest(page), app.loom.record(page)
    if record is None:
        complain(docname, "not run yet; `make book` runs it")
    source[0] = signed(source[0], mark)
    app.env.zerobook_state[docname] = mark, bool(record)
    mode = "cache" if record else "off"
    app.env.mystnb_config = app.env.mystnb_config.copy(execution_mode=mode)


# %% book/press/weaving.md
def outdated(app, env, added, changed, removed):
    """Pages whose text stands but whose modules have changed."""
    if not hasattr(env, "zerobook_state"):
        env.zerobook_state = {}
    return [
        docname
        for docname, (mark, ran) in env.zerobook_state.items()
        if (page := app.loom.pages.get(docname))
        and (mark != app.loom.digest(page) or not ran and page in app.loom.ran)
    ]


# %% book/press/weaving.md
def forget(app, env, docnames):
    """Forget what the pages said before any of them is read again."""
    print("reading", len(docnames), "pages", flush=True)
    for docname in docnames:
        app.emit("env-purge-doc", env, docname)
        env.clear_doc(docname)


# %% book/press/weaving.md
def rewritten(app, env):
    """Pages to write again because their bars say something new."""
    old = getattr(env, "zerobook_bars", {})
    env.zerobook_bars = {
        docname: repr((bars(page, app.loom), recorded(page, app.loom.root)))
        for docname, page in app.loom.pages.items()
    }
    new = env.zerobook_bars
    return [d for d in new if old.get(d) != new[d]]


# %% book/press/weaving.md
TITLES = nodes.Titular, nodes.caption
BONES = *TITLES, addnodes.toctree
FLESH = nodes.math_block, nodes.paragraph, nodes.raw, nodes.target


def bones(node, titled=False):
    """A page's tree without what neither has a number nor leads to one."""
    whole = isinstance(node, nodes.document)
    copy = nodes.container() if whole else node.copy()
    copy.document = None  # or all of the page would hang on each bone
    titled = titled or isinstance(node, TITLES)
    for child in node.children:
        if isinstance(child, FLESH):
            continue
        if isinstance(child, nodes.Text):
            thin, kept = nodes.Text(child.astext()), titled
        elif isinstance(child, nodes.literal_block):
            thin, kept = nodes.literal_block(), "literal_block" in node
        else:
            thin = bones(child, titled)
            kept = thin.children or thin["ids"] or isinstance(child, BONES)
        if kept:
            copy += thin
    return copy


# %% book/press/weaving.md
def number_by_bones():
    """Let Sphinx number figures without loading whole pages."""
    whole = TocTreeCollector.assign_figure_numbers
    if whole.__module__ == __name__:
        return  # a process may set us up twice

    def assign(self, env):
        kept = env.zerobook_bones = getattr(env, "zerobook_bones", {})
        load = env.get_doctree

        def get(docname):
            if docname not in kept:
                kept[docname] = bones(load(docname))
            return kept[docname]

        env.get_doctree = get
        try:
            return whole(self, env)
        finally:
            del env.get_doctree

    TocTreeCollector.assign_figure_numbers = assign


def drop_bones(app, env, docname):
    """Forget the bones of a page that is read again."""
    getattr(env, "zerobook_bones", {}).pop(docname, None)


# %% book/press/weaving.md
def set_once(app):
    """Let the entries of the bibliography be set once, not at each build."""
    from pybtex.style.formatting import BaseStyle

    whole = getattr(BaseStyle.format_entry, "whole", BaseStyle.format_entry)
    setter = importlib.metadata.version("pybtex")
    kept = app.env.zerobook_sources = getattr(app.env, "zerobook_sources", {})
    if len(kept) > 5000:  # years of corrections
        kept.clear()

    def format_entry(self, label, entry, bib_data=None):
        if bib_data is not None:  # another entry may have a word in it
            return whole(self, label, entry, bib_data)
        key = setter, type(self).__qualname__, label, repr(entry)
        if key not in kept:
            kept[key] = whole(self, label, entry)
        return kept[key]

    format_entry.whole = whole
    BaseStyle.format_entry = format_entry


# %% book/press/weaving.md
def bars(page, loom):
    """(module, names built, pages that use them) for each cell, or None."""
    result = []
    for cell, names in zip(page.cells, loom.built[page.path], strict=True):
        if names is None:
            result.append(None)
            continue
        module, used = module_of(cell.target), {}
        for name in names:
            for user in loom.users.get((module, name), []):
                label = user.section or user.title
                if label not in used.values():  # a section of two pages
                    used[user.docname] = label
        result.append((module, names, used))
    return result


# %% book/press/weaving.md
SHOWN = 6


def bar_html(module, names, used, address):
    """The bar over a tangled cell.

    Parameters
    ----------
    module : str
    names : list of str
        What the cell builds.
    used : dict of str to str
        Page -> its section, or title, for the pages that use it.
    address : callable
        From a page (and an anchor) to a relative address.
    """
    path = module.replace(".", "/") + ".py"
    home = address("book/reference/api", f"module-{module}")
    anchors = "".join(f'<span id="{module}.{name}"></span>' for name in names)
    links = [
        f'<a href="{address(page)}">{html.escape(label)}</a>'
        for page, label in used.items()
    ]
    more = len(links) - SHOWN
    tail = " " + _("and %d more") % more if more > 0 else ""
    users = ", ".join(links[:SHOWN]) + tail
    used_in = f'<span class="used">{_("used in")} {users}</span>'
    file = f'<a class="file" href="{home}"><code>{path}</code></a>'
    inside = anchors + file + used_in * bool(links)
    return f'<div class="tangle-bar">{inside}</div>'


# %% book/press/weaving.md
READERS = "runs.read(", "runs.arrays(", "runs.weights("


def recorded(page, root):
    """The records that each cell of a page reads."""
    if "zerobook.runs" not in said_on(page, "imports"):
        return [[] for _ in page.cells]
    return [
        [kept_record(name, root)
         for name in records_named(said(cell.code)["words"], root)]
        if any(reader in cell.code for reader in READERS)
        else []
        for cell in page.cells
    ]


def record_html(record):
    """The bar over a cell that reads a record."""
    seconds, machine = record["seconds"], html.escape(record["machine"])
    words = _("recorded run: %d s on %s, %s")
    words %= seconds, machine, record["date"]
    again = _("%s repeats it") % f"<code>{html.escape(record['verb'])}</code>"
    return (
        f'<div class="tangle-bar recorded"><span>{words}</span>'
        f"<span>{again}</span></div>"
    )


# %% book/press/weaving.md
def cells_shown(doctree, page):
    """Pairs (container, number of the cell on its page) of shown cells."""
    number = 0
    for box in list(doctree.findall(nodes.container)):
        if box.get("nb_element") != "cell_code":
            continue
        source = next(iter(box.findall(nodes.literal_block)), None)
        if source is None or "cell_input" not in source.parent["classes"]:
            continue
        text = source.astext().strip("\n")
        for k in range(number, len(page.cells)):
            if page.cells[k].code.strip("\n") == text:
                yield box, source, k
                number = k + 1
                break


# %% book/press/weaving.md
def raw(text):
    """A node that is written as it stands."""
    return nodes.raw("", text, format="html")


def dress(app, doctree, docname):
    """Add bars, links, drawings and the budget to a page."""
    page = app.loom.pages.get(docname)
    if app.builder.format != "html" or page is None:
        return
    app.loom.written += 1
    if app.loom.written % 10 == 0:
        print("written", app.loom.written, "pages", flush=True)

    def address(other, anchor=""):
        base = app.builder.get_relative_uri(docname, other)
        return base + ("#" + anchor if anchor else "")

    dress_cells(app.loom, doctree, page, address)
    link_prose(app.loom, doctree, page, address)
    mend_links(app.loom, doctree, page, address)
    draw(app, doctree, docname)
    section = next(iter(doctree.findall(nodes.section)), doctree)
    record = app.env.nb_metadata.get(docname, {}).get("exec_data")
    if record and record["runtime"] is not None:
        section += raw(budget(page, app.srcdir, record["runtime"]))


# %% book/press/weaving.md
BLOCK = (
    '<div class="highlight-ipython3 notranslate">'
    '<div class="highlight"><pre>%s</pre></div></div>'
)


# %% book/press/weaving.md
def dress_cells(loom, doctree, page, address):
    """Put bars over tangled cells and links into all cells."""
    marks, over = loom.links(page), bars(page, loom)
    records = recorded(page, loom.root)
    for box, source, k in cells_shown(doctree, page):
        cell = page.cells[k]
        code = source.astext()
        shift = code.index(cell.code.strip("\n")) - (
            len(cell.code) - len(cell.code.lstrip("\n"))
        )
        links = {}
        for mark in marks[k]:
            home = loom.modules[mark.module][mark.name]
            tip = f"{mark.module}.{mark.name} · {home.title}"
            anchor = f"{mark.module}.{mark.name}"
            links[mark.start + shift] = address(home.docname, anchor), tip
        source.replace_self(raw(BLOCK % coloured(code, links)))
        above = [raw(record_html(record)) for record in records[k]]
        if over[k]:
            box["classes"].append("tangled")
            above.append(raw(bar_html(*over[k], address)))
        for bar in above:
            box.parent.insert(box.parent.index(box), bar)


# %% book/press/weaving.md
def link_prose(loom, doctree, page, address):
    """Link names of the book that stand as code in a sentence."""
    for node in list(doctree.findall(nodes.literal)):
        text = node.astext().removesuffix("()")
        meant = loom.short.get(text)
        if meant is None or not isinstance(node.parent, nodes.paragraph):
            continue
        module, name = meant
        home = loom.modules[module][name]
        foreign = module.startswith("zerobook.press") and not page.given
        if home is page or foreign:
            continue
        link = nodes.reference(
            "",
            "",
            internal=True,
            refuri=address(home.docname, f"{module}.{name}"),
            reftitle=home.title,
            classes=["built"],
        )
        node.replace_self(link)
        link += node


# %% book/press/weaving.md
def mend_links(loom, doctree, page, address):
    """Lead links to a chapter's file, printed by a cell, to its page."""
    for link in doctree.findall(nodes.reference):
        path, _, anchor = link.get("refuri", "").partition("#")
        if not path.endswith(".md") or "://" in path:
            continue
        file = posixpath.normpath(posixpath.join(page.docname, "..", path))
        if file.removesuffix(".md") in loom.pages:
            link["refuri"] = address(file.removesuffix(".md"), anchor)


# %% book/press/weaving.md
def draw(app, doctree, docname):
    """Replace pictures that cells drew as SVG by the drawings themselves."""
    for k, image in enumerate(list(doctree.findall(nodes.image))):
        path = Path(app.srcdir, image["uri"])
        if "jupyter_execute" not in path.parts or path.suffix != ".svg":
            continue
        alt = image.get("alt", "")
        if not alt:
            complain(docname, "a figure without words (`image: alt:`)")
        drawing = inline(path.read_text("utf8"), f"d{k}", alt)
        image.replace_self(raw(drawing))


# %% book/press/weaving.md
def budget(page, root, seconds):
    """How long the page ran, and on which versions."""
    parts = [f"{name} {number}" for name, number in versions_of(page, root)]
    text = _("This page ran in %.1f s on %s.") % (seconds, ", ".join(parts))
    return f'<p class="budget">{html.escape(text)}</p>'


# %% book/press/weaving.md
def open_loom(app):
    """Read the book once; the other hooks find it on the application."""
    app.loom = Loom(app.srcdir, app.config.zerobook_digests)
    folder = Path(app.doctreedir, "compiled")  # templates, once and for all
    folder.mkdir(parents=True, exist_ok=True)
    cache = FileSystemBytecodeCache(str(folder))
    app.builder.templates.environment.bytecode_cache = cache
    if "sphinxcontrib.bibtex" in app.extensions:
        set_once(app)


def setup(app):
    """Called by Sphinx when it loads the extension."""
    app.add_config_value("zerobook_digests", {}, "", [dict])
    app.connect("builder-inited", open_loom, priority=900)
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", drop_bones)
    app.connect("env-before-read-docs", forget)
    app.connect("env-updated", rewritten)
    app.connect("source-read", sign)
    app.connect("doctree-resolved", dress, priority=900)
    app.setup_extension("zerobook.press.site")
    app.setup_extension("zerobook.press.cards")
    number_by_bones()
    return {"version": "1", "parallel_read_safe": False}
