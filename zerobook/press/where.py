# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Say which page of the book built a thing."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import NamedTuple
from zerobook.press.assembling import assemble, definitions
from zerobook.press.judging import module_of
from zerobook.press.reading import read_book
from zerobook.press.routes import built_names, tree_of, uses_of


# %% book/press/where.md
class Place(NamedTuple):
    """The section, page and chapter line where something was built."""

    section: str
    title: str
    page: str
    line: int

    def __str__(self):
        return f"{self.title} ({self.page}:{self.line})"


def book_root(package):
    """The folder of ``_toc.yml``: beside the package, or inside a wheel."""
    for folder in (package.parent, package / "_book"):
        if (folder / "_toc.yml").is_file():
            return folder
    raise FileNotFoundError(
        f"no chapters beside {package} nor in {package / '_book'}"
    )


# %% book/press/where.md
def places(book):
    """Where each name was built: (module, qualified name) -> Place."""
    found = {}
    for page, cell in book.cells():
        if not cell.target:
            continue
        module = module_of(cell.target)
        tree = tree_of(cell)
        for name, node in definitions(tree.body if tree else []):
            line = cell.code_line + node.lineno - 1
            place = Place(page.section, page.title, page.path, line)
            found.setdefault((module, name), place)
    return found


def users(book):
    """Which other pages use a name: (module, name) -> pages, in order.

    A preview does not count: it shows a thing before it is needed.
    """
    modules, found = built_names(book), {}
    for page in book.pages:
        for cell, use in uses_of(page, modules):
            builder, _ = modules.get(use.module, {}).get(use.name, (page, 0))
            if builder is not page and not cell.preview:
                pages = found.setdefault((use.module, use.name), [])
                if page not in pages:
                    pages.append(page)
    return found


# %% book/press/where.md
SHORT = {"F": "functional"}


def passed_on(book):
    """What modules import from modules: full name -> full name."""
    found = {}
    for _, cell in book.cells():
        module = module_of(cell.target) if cell.target else None
        for node in getattr(tree_of(cell), "body", []) if module else []:
            if isinstance(node, ast.ImportFrom) and node.module != module:
                for alias in node.names:
                    here = f"{module}.{alias.asname or alias.name}"
                    found[here] = f"{node.module}.{alias.name}"
    return found


def at_home(full, imports):
    """A full name, its imports followed; a tail such as `.forward` is kept."""
    parts = full.split(".")
    for end in range(len(parts), 1, -1):
        head = ".".join(parts[:end])
        if head in imports:
            return at_home(".".join([imports[head], *parts[end:]]), imports)
    return full


# %% book/press/where.md
def asked(full):
    """The full name under which the package holds a thing, or None."""
    parts = full.split(".")
    for end in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:end]))
            for part in parts[end:]:
                thing = getattr(thing, part)
            return name_of(thing)
        except (ImportError, AttributeError, ValueError):
            continue
    return None


def by_name(book, name):
    """Places of a name, given in full or by its end."""
    known = {f"{m}.{name}": place for (m, name), place in places(book).items()}
    wanted = name.removeprefix("zerobook.").split(".")
    wanted[0] = SHORT.get(wanted[0], wanted[0])
    full = at_home(".".join(["zerobook", *wanted]), passed_on(book))
    if full in known:
        return [(full, known[full])]
    found = [(other, place) for other, place in known.items()
             if other.split(".")[-len(wanted) :] == wanted]
    found = found or by_module(book, full)
    if not found and (other := asked(full)) in known:
        return [(other, known[other])]
    return found


def by_module(book, name):
    """The pages that wrote a module, one entry each."""
    module = "zerobook." + name.removeprefix("zerobook.")
    pages = {}
    for page, cell in book.cells():
        if cell.target and module_of(cell.target) == module:
            place = Place(page.section, page.title, page.path, cell.line)
            pages.setdefault(page.path, (module, place))
    return list(pages.values())


# %% book/press/where.md
SIGNPOST = re.compile(r" *# %% (?:[\d.]+ )?(\S+\.md)$")


def target_of(book, path):
    """The module's path, of a file given in full or by its end."""
    there = Path(path).absolute() if Path(path).is_file() else Path(path)
    parts = there.as_posix().split("/")
    if "zerobook" in parts:
        last = len(parts) - 1 - parts[::-1].index("zerobook")
        return "/".join(parts[last:])
    targets = {cell.target for _, cell in book.cells() if cell.target}
    ends = [target for target in targets if target.endswith(f"/{path}")]
    if len(ends) != 1:
        raise ValueError(f"{path} is no file of zerobook")
    return ends[0]


def by_line(book, path, number):
    """The place that a line of a module came from, in a list."""
    target = target_of(book, path)
    cells = [(p, c) for p, c in book.cells() if c.target == target]
    if not cells:
        raise ValueError(f"no chapter writes {target}")
    module = assemble(target, cells)
    text = Path(path).read_text("utf-8") if Path(path).is_file() else None
    lines = (text or module.text).splitlines()
    if not 1 <= number <= len(lines):
        raise ValueError(f"{target} has lines 1 to {len(lines)}, not {number}")
    if text in (None, module.text):
        page, line = module.origin(number)
    else:
        marks = [m[1] for m in map(SIGNPOST.match, lines[:number]) if m]
        page, line = (marks or [cells[0][0].path])[-1], 1
    for found, _ in cells:
        if found.path == page:
            place = Place(found.section, found.title, page, line)
            return [(target, place)]
    raise ValueError(f"{path} is older than its chapters: tangle first")


# %% book/press/where.md
def name_of(thing):
    """The dotted name of an object of zerobook."""
    if inspect.ismodule(thing):
        return thing.__name__
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    module = getattr(thing, "__module__", None) or ""
    if module.split(".")[0] != "zerobook":
        what = getattr(thing, "__qualname__", thing)
        raise ValueError(f"{what} comes from {module}, not from zerobook")
    return f"{module}.{thing.__qualname__}"


def where(thing, root=None):
    """Say where the book builds a thing.

    Parameters
    ----------
    thing : str or object
        A name (``"hinge"``, ``"losses.hinge"``), a line of a module
        (``"zerobook/losses.py:40"``), or the object itself.
    root : path, optional
        The folder of ``_toc.yml``; by default that of this package.

    Returns
    -------
    list of (str, Place)
        More than one if a name is ambiguous or a module has several pages.

    Raises
    ------
    ValueError
        If no chapter builds such a thing.
    """
    if root is None:
        import zerobook

        root = book_root(Path(zerobook.__file__).parent)
    book = read_book(root)
    name = thing if isinstance(thing, str) else name_of(thing)
    line = re.fullmatch(r"(.+\.py):(\d+)", name)
    if line:
        return by_line(book, line[1], int(line[2]))
    found = by_name(book, name)
    if not found:
        raise ValueError(f"no chapter builds {name!r}")
    return found
