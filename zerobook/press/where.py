# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Say which page of the book built a thing."""

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
def by_name(book, name):
    """Places of a name, given in full or by its end."""
    known = places(book)
    wanted = name.removeprefix("zerobook.").split(".")
    found = []
    for (module, qualified), place in known.items():
        full = f"{module}.{qualified}".split(".")
        if full[-len(wanted) :] == wanted:
            found.append((f"{module}.{qualified}", place))
    exact = [item for item in found if item[0] == f"zerobook.{name}"]
    return exact or found or by_module(book, name)


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
SIGNPOST = re.compile(r"# %% (?:[\d.]+ )?(\S+\.md)$")


def by_line(book, path, number):
    """The place that a line of a module came from, in a list."""
    parts = Path(path).as_posix().split("/")
    if "zerobook" not in parts:
        raise ValueError(f"{path} is no file of zerobook")
    last = len(parts) - 1 - parts[::-1].index("zerobook")
    target = "/".join(parts[last:])
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
