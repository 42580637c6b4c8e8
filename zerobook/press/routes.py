# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Two routes: the library at each of their stations, and who uses what."""

import ast
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from zerobook.press import execute
from zerobook.press.assembling import assemble_all, definitions, free_names
from zerobook.press.judging import bound_imports, module_of, origin, parsed
from zerobook.press.reading import Problem, read_book
from zerobook.press.writing import BAD_CHAPTER, SAME, Plan, say, tangle, write


# %% book/press/routes.md
ROUTES = ("straight", "parallel")


def in_order(book, route="straight"):
    """The book's pages in the order of a route.

    The straight route is the table of contents. The parallel one takes the
    places of the sections that it names and fills them in its own order.
    """
    pages = list(book.pages)
    if route == "straight":
        return pages
    places = [i for i, p in enumerate(pages) if p.section in book.parallel]
    moved = sorted(
        (pages[i] for i in places),
        key=lambda page: book.parallel.index(page.section),
    )
    for i, page in zip(places, moved, strict=True):
        pages[i] = page
    return pages


# %% book/press/routes.md
def met_before(book, page, route):
    """Pages whose code a reader holds when `page` opens, in toc order."""
    if page.given:
        return [p for p in book.pages if p.given]
    order = in_order(book, route)
    before = order[: order.index(page)]
    return [p for p in book.pages if p.given or p in before]


def met_with(book, page, route):
    """The same when the page closes: with its own cells."""
    before = met_before(book, page, route)
    return [p for p in book.pages if p in before or p is page]


def met_after(book, section, route):
    """Pages whose code a reader holds at the end of `section`."""
    order = in_order(book, route)
    last = max(
        (i for i, p in enumerate(order) if p.section == section), default=None
    )
    if last is None:
        known = ", ".join(p.section for p in order if p.section)
        raise ValueError(f"there is no section {section!r}; there is {known}")
    before = order[: last + 1]
    return [p for p in book.pages if p.given or p in before]


# %% book/press/routes.md
def snapshot(root, section, folder, route="straight"):
    """Write the library as it stands at the end of a section.

    Parameters
    ----------
    root : path
        The folder of ``_toc.yml``.
    section : str
        As in the title: ``"1.1.2"``.
    folder : path
        Where ``zerobook/`` is written.
    route : {"straight", "parallel"}

    Returns
    -------
    int
        The exit code of `tangle`.
    """
    try:
        pages = met_after(read_book(root), section, route)
    except ValueError as error:
        say([error])
        return BAD_CHAPTER
    return tangle(root, folder, pages)


# %% book/press/routes.md
class Use(NamedTuple):
    """A name of zerobook in a cell; `name` is "" for a module as such."""

    page: str
    line: int
    module: str
    name: str


def tree_of(cell):
    """The cell's syntax tree, magics blanked; None if it has none."""
    lines = [
        "pass" if line.startswith(("%", "!")) else line
        for line in cell.code.split("\n")
    ]
    try:
        return parsed("\n".join(lines))
    except SyntaxError:
        return None


# %% book/press/routes.md
def imported(node, modules):
    """Triples (bound name, module, name) of one import of zerobook."""
    if isinstance(node, ast.Import):
        for a in node.names:
            if a.name.split(".")[0] == "zerobook":
                yield a.asname or "zerobook", a.name, ""
    elif (node.module or "").split(".")[0] == "zerobook":
        for a in node.names:
            inner = f"{node.module}.{a.name}"
            if inner in modules:
                yield a.asname or a.name, inner, ""
            else:
                yield a.asname or a.name, node.module, a.name


# %% book/press/routes.md
def walk_imports(tree, modules, aliases, known=()):
    """Yield (node, bound, module, name) for each import of zerobook.

    On the way `aliases`, from names to the modules behind them, is kept
    up: a name that is bound anew leaves it, and `known`, first.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for bound in bound_imports(node):
            for names in (aliases, known):
                if bound in names:
                    del names[bound]
        for bound, module, name in imported(node, modules):
            if not name:
                whole = bound == "zerobook"
                aliases[bound] = "zerobook" if whole else module
            yield node, bound, module, name


# %% book/press/routes.md
def split_dotted(dotted, modules):
    """``zerobook.losses.hinge`` -> (``zerobook.losses``, ``hinge``)."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in modules:
            return ".".join(parts[:n]), "".join(parts[n : n + 1])
    return dotted, ""


# %% book/press/routes.md
def uses_of(page, modules):
    """Every `Use` on a page, cell by cell.

    Parameters
    ----------
    page : Page
    modules : dict of str to dict
        Of each module the names that it defines.

    Returns
    -------
    list of (Cell, Use)
    """
    found, aliases = [], {}
    for cell in page.cells:
        tree = tree_of(cell)
        if tree is None:
            continue
        start = cell.code_line - 1
        for node, _, module, name in walk_imports(tree, modules, aliases):
            use = Use(page.path, start + node.lineno, module, name)
            found.append((cell, use))
        for node in ast.walk(tree):
            dotted = isinstance(node, ast.Attribute) and origin(node, aliases)
            if dotted and dotted.split(".")[0] == "zerobook":
                if root_name(node) in aliases:
                    module, name = split_dotted(dotted, modules)
                    use = Use(page.path, start + node.lineno, module, name)
                    found.append((cell, use))
        found += [(cell, use) for use in own_uses(page, cell, modules)]
    return found


def root_name(node):
    """The leftmost name of a chain of attributes."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", None)


# %% book/press/routes.md
def own_uses(page, cell, modules):
    """Names of its own module that a tangled cell takes from elsewhere."""
    tree = tree_of(cell)
    if not cell.target or tree is None:
        return
    module = module_of(cell.target)
    for name in free_names(cell.code) & modules.get(module, {}).keys():
        line = min(
            n.lineno
            for n in ast.walk(tree)
            if isinstance(n, ast.Name) and n.id == name
        )
        yield Use(page.path, cell.code_line + line - 1, module, name)


# %% book/press/routes.md
def offered(cell):
    """Top-level names that a tangled cell adds to its module."""
    body = getattr(tree_of(cell), "body", [])
    names = [name for name, _ in definitions(body) if "." not in name]
    if cell.target.endswith("/__init__.py"):
        names += [a.asname or a.name for node in body
                  if isinstance(node, ast.ImportFrom) for a in node.names]
    return names


def built_names(book):
    """Of each module, each top-level name and the (page, cell) behind it."""
    modules = {"zerobook": {}}
    for page, cell in book.cells():
        if not cell.target:
            continue
        names = modules.setdefault(module_of(cell.target), {})
        for name in offered(cell):
            names.setdefault(name, (page, cell))
    for module in list(modules):
        while "." in module:
            module = module.rpartition(".")[0]
            modules.setdefault(module, {})
    return modules


# %% book/press/routes.md
def builders(use, modules):
    """Pairs (page, cell) that build what a use names; None if none does."""
    if use.module not in modules:
        return None
    names = modules[use.module]
    if use.name.startswith("__") and use.name.endswith("__"):
        return []
    if use.name:
        return [names[use.name]] if use.name in names else None
    inner = [
        builder
        for module, built in modules.items()
        if (module + ".").startswith(use.module + ".")
        for builder in built.values()
    ]
    return inner if use.module != "zerobook" else []


# %% book/press/routes.md
def check_routes(book):
    """Problems of names that are used before the cell that builds them."""
    modules, problems = built_names(book), []
    for page in book.pages:
        for cell, use in uses_of(page, modules):
            found = builders(use, modules)
            what = f"{use.module}.{use.name}".rstrip(".")
            late = None
            if found is None:
                late = f"no chapter builds {what}"
            elif found and not cell.preview:
                late = too_late(book, page, cell, use, found)
                late = late and f"{what} {late}"
            if late:
                problems.append(Problem(page.path, use.line, late))
    return sorted(set(problems))


# %% book/press/routes.md
def too_late(book, page, cell, use, found):
    """Why a use comes before what it uses, or None if it does not."""
    if page.given and any(builder.given for builder, _ in found):
        return None
    own = [c.line for builder, c in found if builder is page]
    inside = cell.target and module_of(cell.target) == use.module
    if own and (inside or min(own) <= cell.line):
        return None  # within a module a function may call one below it
    for route in ROUTES:
        met = met_before(book, page, route)
        if not any(builder in met for builder, _ in found):
            first = found[0][0]
            where = first.section or first.path
            if own:
                return f"is built further down, in line {min(own)}"
            return f"is built in {where}, later on the {route} route"
    return None


# %% book/press/routes.md
def stations(book):
    """What is to be run: pairs (page, modules it can reach), no twins."""
    found = []
    for route in ROUTES:
        for page in in_order(book, route):
            if all(cell.preview for cell in page.cells):
                continue
            modules = assemble_all(met_with(book, page, route))
            texts = {target: m.text for target, m in modules.items()}
            reached = needed(page, texts)
            station = page, {t: modules[t] for t in sorted(reached)}
            twins = [s for s in found if s[0] is page]
            if not any(same(station, twin) for twin in twins):
                found.append(station)
    return found


def same(one, other):
    """Whether two stations hand the page the same texts."""
    texts = [{t: m.text for t, m in s[1].items()} for s in (one, other)]
    return texts[0] == texts[1]


# %% book/press/routes.md
def needed(page, texts):
    """Targets of the modules that a page imports, and that those import.

    Parameters
    ----------
    page : Page
    texts : dict of str to str
        Module texts by target.

    Returns
    -------
    set of str
    """
    by_module = {module_of(target): target for target in texts}
    todo = [tree_of(cell) for cell in page.cells if not cell.preview]
    found = set()
    while todo:
        tree = todo.pop()
        for name in execute.imported(tree) if tree else ():
            parts = name.split(".")
            for n in range(1, len(parts) + 1):
                target = by_module.get(".".join(parts[:n]))
                if target and target not in found:
                    found.add(target)
                    todo.append(ast.parse(texts[target]))
    return found


# %% book/press/routes.md
def run_page(root, page, modules):
    """Run a page against a library; return a Problem, or None."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    cells = [cell for cell in page.cells if not cell.preview]
    notebook = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_code_cell(c.code, metadata={"tags": list(c.tags)})
        for c in cells
    ])
    place = {"metadata": {"path": str((Path(root) / page.path).parent)}}
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=place
    )
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), Plan(modules))
        for name in ("_toc.yml", "book", "runs"):  # what pages read
            Path(folder, name).symlink_to(Path(root, name).resolve())
        try:
            client.execute(env={**os.environ, "PYTHONPATH": folder})
        except CellExecutionError as error:
            failed = sum(c.get("execution_count") is not None
                         for c in notebook.cells)
            cell = cells[max(failed - 1, 0)]
            message = f"{error.ename}: {error.evalue}"
            return Problem(page.path, cell.line, message)
    return None


# %% book/press/routes.md
def check(root, run=True, workers=2, third=None):
    """Check both routes, first by reading and then by running.

    Parameters
    ----------
    root : path
    run : bool
        Whether to run the pages after reading them.
    workers : int
        How many run at a time.
    third : int, optional
        0, 1 or 2: run every third page only, so that three checks cover all.

    Returns
    -------
    int
        0 if both routes hold, 3 if a page uses what is not there.
    """
    book = read_book(root)
    problems = book.problems or check_routes(book)
    if problems or not run:
        say(problems)
        return BAD_CHAPTER if problems else SAME
    todo = stations(book)
    todo = todo if third is None else todo[third::3]
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(run_page, root, *job) for job in todo]
        for number, ((page, _), job) in enumerate(zip(todo, jobs), start=1):
            found = job.result()
            mark = found or "ok"
            print(f"[{number}/{len(todo)}] {page.path}: {mark}", flush=True)
            problems += [found] if found else []
    return BAD_CHAPTER if problems else SAME
