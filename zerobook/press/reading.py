# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Read chapters: which cells stand where, exactly as MyST-NB sees them."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


# %% book/press/reading.md
class Problem(NamedTuple):
    """Something wrong in a chapter, at a line that an editor can jump to."""

    path: str
    line: int
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


# %% book/press/reading.md
@dataclass(frozen=True)
class Cell:
    """A code cell: where it stands, what it says, where its code goes.

    `line` is the line of the opening fence, `code_line` that of the first
    line of code, both counted from 1. `target` is the module's path, or
    None for a cell that stays on its page.
    """

    page: str
    line: int
    code: str
    code_line: int
    target: str | None = None
    tags: tuple = ()

    @property
    def preview(self):
        """Whether the cell shows the finished library on purpose."""
        return "preview" in self.tags


# %% book/press/reading.md
@dataclass(eq=False)
class Page:
    """A page of the book; `section` is the number its title begins with.

    Two pages are the same if they are one object, so that a page can be
    a dictionary's key.
    """

    path: str
    title: str = ""
    part: str = ""
    given: bool = False
    cells: list = field(default_factory=list)

    @property
    def docname(self):
        return self.path.removesuffix(".md")

    @property
    def section(self):
        number = re.match(r"\d+(\.\d+)*(?=\s|$)", self.title)
        return number.group() if number else ""


# %% book/press/reading.md
FENCE = re.compile(r" {0,3}(`{3,}|~{3,}|:{3,})(.*)")
CELL = "{code-cell}"


def fence_opened(line):
    """The mark and the info of a fence that `line` opens, else None."""
    match = FENCE.fullmatch(line)
    if match is None or (match[1][0] == "`" and "`" in match[2]):
        return None
    return match[1], match[2]


def fence_end(lines, start, mark):
    """Index of the line that closes the fence opened at `start`, or None."""
    for i in range(start + 1, len(lines)):
        line = lines[i].rstrip()
        bare = line.lstrip(" ")
        if len(line) - len(bare) <= 3 and len(bare) >= len(mark):
            if not bare.strip(mark[0]):
                return i
    return None


# %% book/press/reading.md
LOOKS_LIKE_CELL = re.compile(
    r"[\s>*+\-0-9.)]*(?:`{3,}|~{3,}|:{3,})[ \t]*\{code-cell\}"
)
LITERAL = re.compile(
    r"\{(code|code-block|sourcecode|parsed-literal|literalinclude|math"
    r"|raw|mermaid)\}"
)


def stray_cells(path, lines, first, last, inside):
    """Problems of cells in ``lines[first:last]``, where none would run."""
    problems, i = [], first
    while i < last:
        fence = fence_opened(lines[i])
        end = fence and fence_end(lines[:last], i, fence[0])
        if LOOKS_LIKE_CELL.match(lines[i]):
            message = f"a code cell inside {inside} would not run"
            problems.append(Problem(path, i + 1, message))
        elif end and not is_directive(fence[1]):
            i = end  # a plain fence shows its lines and runs none
        i += 1
    return problems


def is_directive(info):
    """Whether MyST would parse the fence's content as Markdown again."""
    info = info.strip()
    return info.startswith("{") and not LITERAL.match(info)


# %% book/press/reading.md
HTML = re.compile(r" {0,3}<(!--|/?[A-Za-z]|[!?])")
RAW_HTML = re.compile(r" {0,3}<(script|pre|style|textarea)\b", re.I)


def block_end(lines, start):
    """Last index of the HTML or math block at `start`, and its name."""
    line = lines[start]
    if line.lstrip().startswith("$$"):
        done = "$$" in line.lstrip()[2:]
        return end_at(lines, start + (not done), "$$"), "a `$$` block"
    if line.lstrip().startswith("<!--"):
        return end_at(lines, start, "-->"), "an HTML comment"
    raw = RAW_HTML.match(line)
    if raw:
        close = f"</{raw[1].lower()}>"
        return end_at(lines, start, close), f"`<{raw[1]}>`"
    for i in range(start, len(lines)):
        if not lines[i].strip():
            return i, "an HTML block (a blank line ends it)"
    return len(lines) - 1, "an HTML block (a blank line ends it)"


def end_at(lines, start, mark):
    """First index from `start` whose line holds `mark`, else the last."""
    for i in range(start, len(lines)):
        if mark in lines[i].lower():
            return i
    return len(lines) - 1


# %% book/press/reading.md
def split_options(lines):
    """Option lines of a cell as (key, value) pairs, and where code begins."""
    if lines and lines[0].startswith("---"):
        end = next(
            (i for i in range(1, len(lines)) if lines[i].startswith("---")),
            len(lines),
        )
        block, first = lines[1:end], end + 1
    else:
        first = 0
        while first < len(lines) and lines[first].lstrip().startswith(":"):
            first += 1
        block = [line.lstrip()[1:] for line in lines[:first]]
    if first < len(lines) and not lines[first].strip():
        first += 1  # MyST-NB, too, drops one blank line before the code
    return option_pairs(block), first


# %% book/press/reading.md
def option_pairs(block):
    """Top-level ``key: value`` pairs; a list's items are joined by commas."""
    pairs = []
    for line in block:
        pair = re.match(r"([\w-]+):(?:\s+(.*))?$", line)
        item = re.match(r"\s*-\s+(.*)$", line)
        if pair:
            pairs.append((pair[1], (pair[2] or "").strip()))
        elif item and pairs:
            key, value = pairs[-1]
            pairs[-1] = key, f"{value}, {item[1]}".strip(", ")
    return pairs


def words(value):
    """The words of a YAML value: ``[a, b]``, ``a, b`` or ``"a"``."""
    return tuple(re.findall(r"""[^\s,\[\]"']+""", value))


# %% book/press/reading.md
PYTHON = {"", "python", "python3", "ipython", "ipython3"}
SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def make_cell(path, lines, start, end, info):
    """The cell between two fences, and what is wrong with it."""
    inner = lines[start + 1 : end]
    pairs, first = split_options(inner)
    code = "\n".join(inner[first:])
    targets = [t for k, v in pairs if k == "tangle" for t in words(v)]
    tags = words(dict(pairs).get("tags", ""))  # of two lines the last counts
    complaints = []
    language = info[len(CELL) :].strip()
    if language not in PYTHON:
        complaints.append(f"the cell's language is {language!r}, not Python")
    if len(targets) > 1:
        complaints.append(f"two paths on one cell: {' and '.join(targets)}")
    if any(k == "tangle" and not words(v) for k, v in pairs):
        complaints.append("`:tangle:` names no path")
    if SEPARATORS.search(code):
        complaints.append("a line separator that MyST reads as a new line")
    target = targets[0] if targets else None
    cell = Cell(path, start + 1, code, start + 2 + first, target, tags)
    return cell, [Problem(path, start + 1, text) for text in complaints]


# %% book/press/reading.md
def read_page(path, text):
    """Read a chapter's text.

    Parameters
    ----------
    path : str
        The chapter's path from the book's root, for messages.
    text : str
        Its text; Windows line ends are understood.

    Returns
    -------
    Page, list of Problem
    """
    page, problems = Page(path), []
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    i = front_matter_end(lines)
    while i < len(lines):
        line, fence = lines[i], fence_opened(lines[i])
        if fence:
            i = read_fence(page, problems, lines, i, *fence)
        elif HTML.match(line) or re.match(r" {0,3}\$\$", line):
            end, name = block_end(lines, i)
            problems += stray_cells(path, lines, i + 1, end + 1, name)
            i = end
        elif LOOKS_LIKE_CELL.match(line):
            message = "a code cell must start at the left margin to run"
            problems.append(Problem(path, i + 1, message))
        elif not page.title and line.startswith("# "):
            page.title = line[2:].strip()
        i += 1
    return page, problems


# %% book/press/reading.md
def front_matter_end(lines):
    """Index of the first line after the front matter, 0 without one."""
    if lines and re.fullmatch(r"-{3,}\s*", lines[0]):
        for i in range(1, len(lines)):
            if re.fullmatch(r"-{3,}\s*", lines[i]):
                return i + 1
    return 0


# %% book/press/reading.md
def read_fence(page, problems, lines, start, mark, info):
    """Add what a fence holds to `page`; return the index of its last line."""
    end = fence_end(lines, start, mark)
    path, is_cell = page.path, info.lstrip().startswith(CELL)
    if end is None:
        kind = "cell" if is_cell else "fence"
        message = f"a {kind} opens here with {mark!r} and never closes"
        problems.append(Problem(path, start + 1, message))
        return len(lines)
    if is_cell and (not lines[start].startswith(mark[0]) or mark[0] == ":"):
        message = "a code cell needs backticks at the left margin to run"
        problems.append(Problem(path, start + 1, message))
    elif is_cell and not info.startswith(CELL):
        message = f"no space may stand between {mark} and {CELL}"
        problems.append(Problem(path, start + 1, message))
    elif is_cell:
        cell, complaints = make_cell(path, lines, start, end, info)
        page.cells.append(cell)
        problems += complaints
    elif is_directive(info):
        name = f"`{info.strip()}`"
        problems += stray_cells(path, lines, start + 1, end, name)
    return end


# %% book/press/reading.md
TOC_LINE = re.compile(
    r"\s*(?:- +)?(root|caption|file|given|parallel):\s*(.*?)\s*$"
)


def read_toc(text):
    """Entries (docname, part, line) of a ``_toc.yml``, and our own block.

    Returns
    -------
    entries : list of (str, str, int)
    given : tuple of str
        Captions of the parts that count as met from the start.
    parallel : tuple of str
        Sections in the order of the parallel route.
    """
    entries, part, ours = [], "", {"given": (), "parallel": ()}
    for number, line in enumerate(text.splitlines(), start=1):
        match = TOC_LINE.match(re.sub(r"(^|\s)#.*", "", line))
        if match is None:
            continue
        key, value = match[1], match[2].strip("\"'")
        if key == "caption":
            part = value
        elif key in ours:
            items = value.strip("[]").split(",")
            ours[key] = tuple(item.strip(" \"'") for item in items)
        else:
            entries.append((value, part, number))
    return entries, ours["given"], ours["parallel"]


# %% book/press/reading.md
@dataclass
class Book:
    """Every page in the order of the table of contents, and what is wrong."""

    root: Path
    pages: list = field(default_factory=list)
    parallel: tuple = ()
    problems: list = field(default_factory=list)

    def cells(self):
        """Pairs (page, cell) of the whole book, in order."""
        return [(page, cell) for page in self.pages for cell in page.cells]


# %% book/press/reading.md
def read_book(root):
    """Read the chapters that ``root/_toc.yml`` names.

    Parameters
    ----------
    root : path
        The folder that holds ``_toc.yml`` and ``book/``.

    Returns
    -------
    Book
        Its `problems` hold whatever was wrong; nothing is raised.
    """
    book = Book(Path(root))
    toc, problems = read_text(book.root, "_toc.yml")
    book.problems += problems
    entries, given, book.parallel = read_toc(toc)
    seen = set()
    for docname, part, line in entries:
        path = docname.removesuffix(".md") + ".md"
        if path in seen:
            message = f"{path} stands in the table twice"
            book.problems.append(Problem("_toc.yml", line, message))
            continue
        seen.add(path)
        if not (book.root / path).is_file():
            message = f"there is no chapter {path}"
            book.problems.append(Problem("_toc.yml", line, message))
            continue
        add_page(book, path, part, part in given)
    book.problems += unlisted(book.root, seen)
    return book


# %% book/press/reading.md
NO_HEADER = (
    "the page has cells, and its front matter does not say "
    "`file_format: mystnb`: none of them would run"
)


def is_notebook(text):
    """Whether the front matter makes MyST-NB see the page's cells."""
    lines = text.removeprefix("\ufeff").splitlines()
    says = re.compile(r"file_format: *['\"]?mystnb['\"]?\s*")
    return any(map(says.fullmatch, lines[: front_matter_end(lines)]))


def add_page(book, path, part, given):
    """Read one chapter into `book`."""
    text, problems = read_text(book.root, path)
    page, more = read_page(path, text)
    page.part, page.given = part, given
    if page.cells and not is_notebook(text):
        problems.append(Problem(path, 1, NO_HEADER))
    book.pages.append(page)
    book.problems += problems + more


# %% book/press/reading.md
def read_text(root, path):
    """The text of a file, and a problem where it is not UTF-8."""
    try:
        data = (root / path).read_bytes()
        return data.decode("utf-8"), []
    except FileNotFoundError:
        return "", [Problem(path, 1, f"there is no {path} in {root}")]
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return "", [Problem(path, line, f"not UTF-8: {error.reason}")]


def unlisted(root, seen):
    """Problems of chapters that the table of contents does not name."""
    problems = []
    for file in sorted((root / "book").rglob("*.md")):
        path = file.relative_to(root).as_posix()
        hidden = any(part[0] in "._" for part in path.split("/"))
        if path not in seen and not hidden:
            message = "this chapter stands in no table of contents"
            problems.append(Problem(path, 1, message))
    return problems
