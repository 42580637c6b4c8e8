# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The prose of a page as Markdown that any notebook shows."""

import posixpath
import re
from typing import NamedTuple
from zerobook.press.reading import fence_end, fence_opened, split_options


# %% book/press/notebooks.md
class Mark(NamedTuple):
    """What a label names: its page, the words for it, what it is."""

    page: str
    words: str
    kind: str


class Known(NamedTuple):
    """What a page's text refers to and does not hold.

    `values` are the glued texts by name, `marks` the book's labels,
    `titles` the paths of all pages with their titles, `notebooks` the paths
    of pages that have a notebook, `sources` the entries of the bibliography
    (key -> label, authors, Markdown), `address` that of the published book.
    """

    path: str = ""
    values: dict = {}
    marks: dict = {}
    titles: dict = {}
    notebooks: frozenset = frozenset()
    sources: dict = {}
    address: str = ""


NOTHING = Known()


# %% book/press/notebooks.md
LABEL = re.compile(r"\(([\w-]+)\)= *")
FIGURE = re.compile(r"^ *figure: *$\n((?:^ +.*\n?)+)", re.M)
NAMED = re.compile(r"^ +name: *(\S+)", re.M)


def marks_on(page, lines, counts):
    """Labels of one page; `counts` holds the numbers used so far."""
    found, label = {}, None
    for number, line in enumerate(lines):
        heading = re.match(r"#+ +(.*)", line)
        if LABEL.fullmatch(line):
            label = LABEL.fullmatch(line)[1]
            found[label] = Mark(page.path, page.title, "label")
        elif heading and label:
            found[label] = Mark(page.path, heading[1], "heading")
        if line.strip():
            label = label if LABEL.fullmatch(line) else None
        if re.match(r"[`:]{3,}\{exercise\}", line):
            counts["Exercise"] += 1
            options = dict(split_options(lines[number + 1 :])[0])
            words = f"Exercise {counts['Exercise']}"
            name = options.get("label", f"exercise-{counts['Exercise']}")
            found[name] = Mark(page.path, words, "exercise")
    return found


# %% book/press/notebooks.md
def figure_of(cell, lines):
    """Name and caption of the figure that a cell's options announce."""
    head = "\n".join(lines[cell.line : cell.code_line - 1])
    found = FIGURE.search(head)
    if not found or "caption:" not in found[1]:
        return None
    name = NAMED.search(found[1])
    caption = re.search(r"^( +)caption: *(.*\n?(?:^\1 +.*\n?)*)",
                        found[1], re.M)[2]
    words = " ".join(caption.split()).removeprefix("|").removeprefix(">")
    return name and name[1], unquoted(words.strip(" -"))


def unquoted(text):
    """A YAML scalar without its quotes."""
    if text[:1] == text[-1:] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if text[:1] == text[-1:] == "'":
        return text[1:-1].replace("''", "'")
    return text


# %% book/press/notebooks.md
def all_marks(pages, text_of):
    """Every label of the book; `text_of(page)` is a page's source."""
    counts = {"Exercise": 0, "Fig.": 0}
    found = {}
    for page in pages:
        lines = text_of(page).split("\n")
        found |= marks_on(page, lines, counts)
        for cell in page.cells:
            figure = figure_of(cell, lines)
            if figure:
                counts["Fig."] += 1
                name = figure[0] or f"figure-{counts['Fig.']}"
                words = f"Fig. {counts['Fig.']}"
                found[name] = Mark(page.path, words, "figure")
    return found


# %% book/press/notebooks.md
INLINE = re.compile(
    r"(?P<role>\{(?P<name>[a-z][\w:+-]*)\}`(?P<text>[^`]+)`)"
    r"|(?P<math>\$\$[\s\S]*?\$\$|(?<!\\)\$(?!\s)[^$]+\$)"
    r"|(?P<code>(?P<ticks>`+)(?!`)[\s\S]*?(?<!`)(?P=ticks)(?!`))"
    r"|\[(?P<words>(?:[^\[\]`]|`[^`]*`)*)\]\((?P<target>[^)\s]+)\)"
)


def inline(text, known):
    """A stretch of Markdown, its roles and links translated."""

    def replaced(found):
        if found["role"]:
            return role(found["name"], found["text"], known)
        if found["target"]:
            words = inline(found["words"], known)
            return link(words, found["target"], known)
        return found[0]

    return INLINE.sub(replaced, text)


# %% book/press/notebooks.md
def link(words, target, known):
    """A link as the notebook has it."""
    path, sharp, label = target.partition("#")
    if re.match(r"\w+:", target) or (path and not path.endswith(".md")):
        return f"[{words}]({target})"
    here = posixpath.dirname(known.path)
    page = posixpath.normpath(posixpath.join(here, path or known.path))
    mark = known.marks.get(label)
    if sharp and not path and mark:
        page = mark.page
    if not words:
        words = mark.words if mark else known.titles.get(page, page)
    return f"[{words}]({where_to(page, sharp + label, known)})"


def where_to(page, anchor, known):
    """The address of a page, or of a place on it, from this notebook."""
    if page == known.path and anchor:
        return anchor
    away = posixpath.relpath(page, posixpath.dirname(known.path) or ".")
    if page in known.notebooks or not known.titles:
        return away.removesuffix(".md") + ".ipynb" + anchor
    if known.address:
        away = known.address.rstrip("/") + "/" + page
    return away.removesuffix(".md") + ".html" + anchor


# %% book/press/notebooks.md
def formatted(text, form):
    """A glued number in the format that the page asked for."""
    try:
        return format(float(text), form) if form else text
    except ValueError:
        return text


def role(name, text, known):
    """What a role shows."""
    if name.split(":")[0] == "glue":
        key, _, form = text.partition(":")
        return formatted(known.values.get(key, "…"), form)
    if name.split(":")[0] == "cite":
        return "; ".join(cited(key, name, known) for key in text.split(","))
    if name in ("numref", "ref", "doc", "eq"):
        return reference(text, known)
    label = re.sub(r" *<[^>]*>$", "", text)
    if name in SIGNS:
        return SIGNS[name].format(label)
    raise ValueError(f"{known.path}: no notebook shows the role {{{name}}}")


SIGNS = {"math": "${}$", "code": "`{}`", "term": "{}", "abbr": "{}",
         "sub": "<sub>{}</sub>", "sup": "<sup>{}</sup>",
         "kbd": "`{}`", "download": "`{}`"}


# %% book/press/notebooks.md
def reference(text, known):
    """A reference to a figure, an exercise, a heading or a page."""
    named = re.fullmatch(r"([\s\S]*?) *<([^>]*)>", text)
    words, label = named.groups() if named else ("", text)
    mark = known.marks.get(label)
    if mark is None:
        return link(words, label.removesuffix(".md") + ".md", known)
    words = words.replace("%s", mark.words.split()[-1])
    return link(words or mark.words, "#" + label, known)


def cited(key, name, known):
    """A citation as the page has it: the label, authors before it for `t`."""
    key = key.strip()
    label, authors, _ = known.sources.get(key, (key, key, ""))
    return f"{authors} [{label}]" if name == "cite:t" else f"[{label}]"


# %% book/press/notebooks.md
BOXES = {"note", "tip", "hint", "warning", "important", "caution",
         "attention", "danger", "error", "seealso", "margin", "sidebar",
         "topic", "dropdown", "card", "tab-item", "exercise", "solution",
         "grid-item-card", "admonition", "epigraph"}
HOLDERS = {"grid", "tab-set", "grid-item", "div", "container"}
SILENT = {"solution-end", "bibliography", "toctree", "zerobook-terms",
          "zerobook-cards"}


def directive(info, body, known):
    """A directive's lines as plain Markdown, in a list."""
    name, title = re.match(r"\{([\w:-]+)\} *(.*)", info.strip()).groups()
    pairs, first = split_options(body)
    options, inner = dict(pairs), body[first:]
    if name in SILENT:
        return []
    if name == "solution-start":
        return [f"**{solution(title, known)}**", ""]
    if name in ("image", "figure"):
        shown = f"![{options.get('alt', '')}]({title})"
        return [shown, "", *markdown(inner, known)]
    if name == "math":
        return ["$$", *inner, "$$"]
    if name in ("code-block", "code", "sourcecode"):
        return ["```" + title, *inner, "```"]
    if name in HOLDERS:
        return markdown(inner, known)
    if name in BOXES or ":" in name:
        head = title_of(name, title, options, known)
        lines = [head, "", *markdown(inner, known)]
        return [*(f"> {line}".rstrip() for line in lines), ""]
    raise ValueError(f"{known.path}: no notebook shows {{{name}}}")


# %% book/press/notebooks.md
def solution(label, known):
    """The heading of a solution."""
    mark = known.marks.get(label.strip())
    return f"Solution to {mark.words}" if mark else "Solution"


def title_of(name, title, options, known):
    """The first line of a box."""
    words = inline(title, known)
    if name == "solution":
        words = solution(title, known)
    if name == "exercise":
        label = options.get("label")
        mark = known.marks.get(label)
        head = mark.words if mark else "Exercise"
        words = f"{head} ({words})" if words else head
        return f'<a id="{label}"></a>**{words}**'
    if name == "grid-item-card" and "link" in options:
        page = options["link"].removesuffix(".md") + ".md"
        plain = options.get("link-type") == "doc"
        return f"**{link(words, page if plain else options['link'], known)}**"
    return f"**{words or name.rpartition(':')[2].capitalize()}**"


# %% book/press/notebooks.md
def markdown(lines, known):
    """Lines of a chapter as lines of plain Markdown."""
    out, plain, i = [], [], 0

    def flush():
        text = inline("\n".join(plain), known) if plain else None
        out.extend([] if text is None else text.split("\n"))
        plain.clear()

    while i < len(lines):
        fence = fence_opened(lines[i])
        end = fence and fence_end(lines, i, fence[0])
        if end is None:
            label = LABEL.fullmatch(lines[i])
            plain.append(f'<a id="{label[1]}"></a>\n' if label else lines[i])
        else:
            flush()
            body = lines[i + 1 : end]
            named = fence[1].strip().startswith("{")
            shown = directive(fence[1], body, known) if named else (
                lines[i : end + 1])
            out += shown
            i = end
        i += 1
    flush()
    return out


def to_markdown(text, known=NOTHING):
    """A stretch of a chapter as Markdown that any notebook can show."""
    text = "\n".join(markdown(text.split("\n"), known))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


# %% book/press/notebooks.md
CITES = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def sources_of(text, known):
    """The list of the sources that a page cites, or an empty text."""
    keys = {key.strip() for group in CITES.findall(text)
            for key in group.split(",")}
    entries = sorted(known.sources[key] for key in keys & {*known.sources})
    lines = [f"- [{label}] {' '.join(words.split())}"
             for label, _, words in entries]
    return "\n".join(["**Cited on this page**", "", *lines]) if lines else ""
