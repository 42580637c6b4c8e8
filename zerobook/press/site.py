# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Sphinx extension: what turns rendered pages into a site."""

import ast
import html
import importlib.util
import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote
from sphinx.locale import get_translation
from sphinx.search.en import SearchEnglish
from zerobook.press.exercises import SOLUTION, unsolved
from zerobook.press.notebooks import (
    NOTHING,
    Known,
    all_marks,
    figure_of,
    sources_of,
    to_markdown,
)
from zerobook.press.reading import read_page


# %% book/press/site.md
def _(text):
    """The text in the language of the edition, where it is known."""
    return get_translation("zerobook")(text)


# %% book/press/site.md
NOTE = (
    "*A page of zerobook. Its cells need the package: "
    "`pip install '.[notebook]'` in a clone of the book. "
    "Run them from the top; the outputs are yours to predict first. "
    "The cells that compare with PyTorch need `torch` besides, those that "
    "write ONNX files need `onnx` and `onnxruntime`, and those that open "
    "Hugging Face's folders need `transformers`.*"
)


def notebook(page, text, known=NOTHING):
    """A chapter as the notebook that a reader downloads, without outputs."""
    lines, cells = text.split("\n"), []
    first = "# ", "("  # the title, or a label above it
    here = next(i for i, s in enumerate(lines) if s.startswith(first))

    def say(words):
        if words:
            cells.append({"cell_type": "markdown", "source": words})

    for cell in page.cells:
        say(to_markdown("\n".join(lines[here : cell.line - 1]), known))
        tags = {"tags": ["raises-exception"]} if "gap" in cell.tags else {}
        code = {"cell_type": "code", "source": cell.code, "metadata": tags}
        cells.append(code)
        say(caption(cell, lines, known))
        here = cell.code_line + cell.code.count("\n") + 1
    say(to_markdown("\n".join(lines[here:]), known))
    say(sources_of(text, known))
    cells.insert(1, {"cell_type": "markdown", "source": NOTE})
    return as_file(cells, needs="\nneeds: " in text.split("\n# ")[0])


# %% book/press/site.md
def caption(cell, lines, known):
    """What stands under the figure of a cell, or an empty text."""
    name, words = figure_of(cell, lines) or (None, "")
    mark = known.marks.get(name)
    if not words or mark is None:
        return to_markdown(words, known)
    return f'<a id="{name}"></a>**{mark.words}.** ' + to_markdown(words, known)


# %% book/press/site.md
OUTSIDE = re.compile(r"\b(torch|onnx|onnxruntime|transformers)\b")


def as_file(cells, needs=False):
    """Notebook format 4.5 around a list of cells."""
    fails = False
    for number, cell in enumerate(cells):
        cell.update(id=f"cell-{number}")
        cell.setdefault("metadata", {})
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
            here = bool(OUTSIDE.search(cell["source"]))
            fails = here or (needs and fails)
            if fails:
                cell["metadata"]["tags"] = ["raises-exception"]
    kernel = {"name": "python3", "display_name": "Python 3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps(
        {
            "cells": cells,
            "metadata": metadata,
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        indent=1,
        ensure_ascii=False,
    )


# %% book/press/site.md
def provider(repository):
    """Whose way of writing addresses the repository's host follows."""
    known = ("gitlab", "bitbucket")
    return next((name for name in known if name in repository), "github")


def configure(app, config):
    """Let the two addresses switch on what needs them."""
    for name in ("zerobook_address", "zerobook_repository"):
        config[name] = config[name] or os.environ.get(name.upper(), "")
    if config.zerobook_address:
        config.html_baseurl = config.zerobook_address.rstrip("/") + "/"
    if config.zerobook_repository:
        config.html_theme_options = config.html_theme_options | {
            "repository_url": config.zerobook_repository.rstrip("/"),
            "repository_branch": "main",
            "repository_provider": provider(config.zerobook_repository),
            "use_source_button": True,
            "use_edit_page_button": True,
            "use_repository_button": True,
        }
    folder = Path(app.doctreedir, "templates")
    write(folder / "static" / "webpack-macros.html", slim_macros())
    config.templates_path = [*config.templates_path, str(folder)]
    config.html_additional_pages = config.html_additional_pages | {
        "404": "404.html"
    }


# %% book/press/site.md
def write(path, text):
    """Write a file if that changes it: a new template renews every page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text("utf8") != text:
        path.write_text(text, "utf8")


# %% book/press/site.md
def slim_macros():
    """The theme's list of scripts without the icon script."""
    where = importlib.util.find_spec("pydata_sphinx_theme")
    theme = Path(where.origin).parent / "theme" / "pydata_sphinx_theme"
    text = (theme / "static" / "webpack-macros.html").read_text("utf8")
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if "fontawesome.js" not in line)


# %% book/press/site.md
def is_thebe(item):
    """Whether a script or style belongs to the cell server."""
    words = str(getattr(item, "filename", item))
    words += str(getattr(item, "attributes", ""))
    return "thebe" in words.lower()


STOP = re.compile(
    r'(<span class="math notranslate nohighlight">\\\([^<]*?\\\)</span>)'
    r"([,.;:!?)’”]+)"
)
NO_LIST = 'role="list" class="citation-list"'
THEBE = re.compile(
    r"(?s)<script type=\"text/x-thebe-config\">.*?</script>"
    r"|<script>kernelName = '[^']*'</script>"
)


def slim(context):
    """Take the cell server's files and settings out of a page."""
    for kind in ("script_files", "css_files"):
        files = context.get(kind, [])
        files[:] = [item for item in files if not is_thebe(item)]
    body = THEBE.sub("", context.get("body", ""))
    body = body.replace(' id="exercise-content"', "")  # once an exercise
    body = STOP.sub(r'<span class="kept-together">\1\2</span>', body)
    context["body"] = body.replace(NO_LIST, NO_LIST[12:])


# %% book/press/site.md
def copy_mathjax(folder):
    """Put the one script and the fonts of MathJax beside the pages."""
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    source = Path(package.origin).parent / "static" / "mathjax"
    wanted = ["tex-mml-chtml.js", "output/chtml/fonts"]
    for path in wanted:
        target = Path(folder, "_static", "mathjax", path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / path).is_dir():
            shutil.copytree(source / path, target, dirs_exist_ok=True)
        elif not target.exists():
            shutil.copy(source / path, target)


# %% book/press/site.md
class BookSearch(SearchEnglish):
    """English words, numbers of sections, and pairs of Japanese letters."""

    WORD = re.compile(r"\d+(?:\.\d+)+|\w+")
    JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]{2,}")
    js_splitter_code = r"""
var splitQuery = (query) =>
  query.match(/\d+(?:\.\d+)+|[\p{Letter}\p{Number}_]+/gu) || [];
"""

    def split(self, text):
        """The words of a text, as the index takes them."""
        words = self.WORD.findall(text)
        runs = self.JAPANESE.findall(text)
        return words + [run[i : i + 2] for run in runs
                        for i in range(len(run) - 1)]

    def word_filter(self, word):
        """Whether a word is worth a place in the index."""
        pair = len(word) == 2 and self.JAPANESE.fullmatch(word)
        return bool(pair) or super().word_filter(word)


# %% book/press/site.md
def head(context, config, pagename):
    """Lines for the page's head: what a shared link shows."""
    found = re.search(
        r'name="description"\s+content="([^"]*)"|'
        r'content="([^"]*)"\s+name="description"',
        context.get("metatags", ""),
    )
    words = next(filter(None, found.groups()), "") if found else ""
    title = html.escape(re.sub("<[^>]*>", "", context.get("title", "")))
    tags = {
        "og:title": title,
        "og:type": "article",
        "og:site_name": html.escape(config.project),
        "og:description": words,
    }
    if config.zerobook_address:
        tags["og:url"] = f"{config.html_baseurl}{pagename}.html"
    return "".join(
        f'<meta property="{name}" content="{content}">\n'
        for name, content in tags.items()
        if content
    )


# %% book/press/site.md
def foot(page, repository, solved=False):
    """The links at the end of a page; `solved`: there are two notebooks."""
    name = page.docname.rpartition("/")[2]
    text = _("This page as a notebook")
    links = [f'<a href="{name}.ipynb" download class="notebook">{text}</a>']
    if solved:
        text = _("with the solutions")
        links.append(f'<a href="{name}.solved.ipynb" download>{text}</a>')
    if repository:
        title = quote(f"{page.title}: ")
        body = quote(f"On {page.path}: ")
        base = repository.rstrip("/") + "/issues/new"
        report = f"{base}?title={title}&body={body}"
        words = _("Tell us of an error on this page")
        links.append(f'<a href="{html.escape(report)}">{words}</a>')
    return f'<p class="page-links">{" · ".join(links)}</p>'


# %% book/press/site.md
def finish_page(app, pagename, templatename, context, doctree):
    """The last touches on each page, before its template is filled."""
    slim(context)
    context["address"] = app.config.html_baseurl
    context["metatags"] = context.get("metatags", "") + head(
        context, app.config, pagename
    )
    page = app.loom.pages.get(pagename)
    if page is None or not page.cells:
        return
    text = text_at(app.srcdir, page)
    solved = bool(SOLUTION.search(text))
    context["body"] += foot(page, app.config.zerobook_repository, solved)
    target, known = Path(app.outdir, pagename + ".ipynb"), known_to(app, page)
    if solved:
        whole = notebook(page, text, known)
        write(target.with_suffix(".solved.ipynb"), whole)
        text = unsolved(text)
        page, _problems = read_page(page.path, text)
    write(target, notebook(page, text, known))


# %% book/press/site.md
def known_to(app, page):
    """What the text of a page refers to."""
    pages = app.loom.pages.values()
    if not hasattr(app, "zerobook_known"):
        app.zerobook_known = Known(
            marks=all_marks(pages, lambda p: text_at(app.srcdir, p)),
            titles={p.path: p.title for p in pages},
            notebooks=frozenset(p.path for p in pages if p.cells),
            sources=sources(app.env),
            address=app.config.zerobook_address,
        )
    values = glued(app.loom, page)
    return app.zerobook_known._replace(path=page.path, values=values)


def text_at(root, page):
    """The source of a page, with the line ends of Unix."""
    return Path(root, page.path).read_text("utf8")


# %% book/press/site.md
def sources(env):
    """The bibliography: key -> label, authors, the entry as Markdown."""
    if "cite" not in env.domains:
        return {}
    from pybtex.backends.markdown import Backend

    domain, markdown = env.get_domain("cite"), Backend("utf-8")
    entries = domain.bibdata.data.entries
    return {
        c.key: (c.formatted_entry.label, authors(entries[c.key]),
                c.formatted_entry.text.render(markdown))
        for c in domain.citations
    }


def authors(entry):
    """Whose work it is, as a sentence names them."""
    people = entry.persons.get("author") or entry.persons.get("editor", [])
    names = [" ".join(p.prelast_names + p.last_names) for p in people]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names) or entry.key


# %% book/press/site.md
def glued(loom, page):
    """What the page's cells glued: name -> text."""
    record = loom.record(page)
    if record is None:
        return {}
    found = {}
    folder = loom.root / ".jupyter_cache" / "executed" / record["key"]
    text = (folder / "base.ipynb").read_text("utf8")
    for cell in json.loads(text)["cells"]:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name:
                kinds = {kind.rpartition("record/")[2]: text
                         for kind, text in output["data"].items()}
                found[name] = shown("".join(kinds["text/plain"]))
    return found


def shown(text):
    """What `repr` wrote, as `print` would have."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
    return value if isinstance(value, str) else text


# %% book/press/site.md
def finish_site(app, error):
    """Files that belong to the site as a whole."""
    if error or app.builder.name != "html":
        return
    copy_mathjax(app.outdir)
    front = Path(app.outdir, "index.html")
    front.write_text(FRONT.format(title=app.config.project), "utf8")
    if app.config.zerobook_address:
        pages = [app.config.html_baseurl + d + ".html" for d in app.loom.pages]
        entries = "".join(f"<url><loc>{page}</loc></url>\n" for page in pages)
        Path(app.outdir, "sitemap.xml").write_text(SITEMAP % entries, "utf8")


# %% book/press/site.md
FRONT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url=book/index.html">
<link rel="canonical" href="book/index.html">
<p>The book begins <a href="book/index.html">here</a>.</p>
</html>
"""
SITEMAP = """<?xml version="1.0" encoding="utf-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
%s</urlset>
"""


# %% book/press/site.md
def setup(app):
    """Called by Sphinx when it loads the extension."""
    app.add_config_value("zerobook_address", "", "html", [str])
    app.add_config_value("zerobook_repository", "", "html", [str])
    app.config.mathjax_path = "mathjax/tex-mml-chtml.js"
    app.add_search_language(BookSearch)
    app.connect("config-inited", configure)
    app.connect("html-page-context", finish_page, priority=900)
    app.connect("build-finished", finish_site)
    return {"version": "1", "parallel_read_safe": False}
