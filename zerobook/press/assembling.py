# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Assemble modules out of tangled cells."""

import ast
import builtins
import symtable
from dataclasses import dataclass, field
from zerobook.press.judging import bound_imports, eager, judge
from zerobook.press.judging import judge_calls, module_of, parsed
from zerobook.press.methods import FUNCTIONS, attachments, movers
from zerobook.press.methods import take_home
from zerobook.press.reading import Problem


# %% book/press/assembling.md
def assigned(target):
    """Nodes of the names and attributes that an assignment binds."""
    if isinstance(target, ast.Tuple | ast.List):
        for item in target.elts:
            yield from assigned(item)
    elif isinstance(target, ast.Starred):
        yield from assigned(target.value)
    else:
        yield target


# %% book/press/assembling.md
def definitions(body, prefix=""):
    """Pairs (qualified name, node) of what statements define, in order."""
    moving = [] if prefix else movers(body)
    heads = {} if prefix else {
        (one.owner, one.name): one.defs[0]
        for one in attachments(body) if one.defs}
    for node in body:
        if isinstance(node, FUNCTIONS):
            if not overloads(node) and node not in moving:
                yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from definitions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = getattr(node, "targets", None) or [node.target]
            for target in targets:
                for inner in assigned(target):
                    name = ast.unparse(inner)
                    head = heads.get(tuple(name.split(".")), node)
                    yield prefix + name, head


def overloads(node):
    """Whether a method is a property's setter: a second half, not a twin."""
    return any(
        isinstance(d, ast.Attribute) and d.attr in ("setter", "deleter")
        for d in node.decorator_list
    )


# %% book/press/assembling.md
HEADER = (
    "# Generated from book/ by `zerobook tangle`: edit the chapter, "
    "not this file."
)


@dataclass
class Draft:
    """A module in the making: its lines and where each came from."""

    target: str
    lines: list = field(default_factory=list)
    origins: list = field(default_factory=list)
    problems: list = field(default_factory=list)

    def add(self, text, page=None, line=None):
        self.lines.append(text)
        self.origins.append(None if page is None else (page, line))

    @property
    def text(self):
        return "\n".join([HEADER, *self.lines]).rstrip("\n") + "\n"

    def origin(self, number):
        """Chapter and line of the module's line `number` (from 1)."""
        known = [o for o in self.origins[: max(number - 1, 1)] if o]
        return known[-1] if known else (self.target, number)

    def complain(self, cell, line, message):
        line += cell.code_line - 1
        self.problems.append(Problem(cell.page, line, message))


# %% book/press/assembling.md
def cut(cell, tree, first):
    """Line numbers, from 0, of a cell's docstring, imports and body."""
    docstring, imports = [], []
    for i, node in enumerate(tree.body):
        span = range(node.lineno - 1, node.end_lineno)
        if first and i == 0 and isinstance(node, ast.Expr):
            docstring = list(span)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.append((node, list(span)))
    taken = set(docstring).union(*(span for _, span in imports))
    lines = cell.code.split("\n")
    body = [i for i in range(len(lines)) if i not in taken]
    while body and not lines[body[0]].strip():
        body.pop(0)
    while body and not lines[body[-1]].strip():
        body.pop()
    return docstring, imports, body


# %% book/press/assembling.md
def gather_imports(module, parts):
    """Import lines in order, duplicates dropped: (text, page, line)."""
    future, others, seen, bound = [], [], set(), {}
    for cell, lines, imports in parts:
        for node, span in imports:
            if imports_itself(node, module_of(module.target)):
                continue
            for name, what in bound_imports(node).items():
                if bound.setdefault(name, what) != what:
                    message = f"`{name}` is imported as {what}, and on an "
                    message += f"earlier page as {bound[name]}"
                    module.complain(cell, node.lineno, message)
            if ast.dump(node) in seen:
                continue
            seen.add(ast.dump(node))
            first = getattr(node, "module", "") == "__future__"
            for i in span:
                line = lines[i], cell.page, cell.code_line + i
                (future if first else others).append(line)
    return future + others


def imports_itself(node, name):
    """Whether an import asks the module `name` for its own names."""
    if isinstance(node, ast.ImportFrom):
        return node.module == name
    return all(alias.name == name for alias in node.names)


# %% book/press/assembling.md
def names_imported(module, parts):
    """What the imports at the top of a module bind: name -> origin."""
    found, own = {}, module_of(module.target)
    for _, _, imports in parts:
        for node, _ in imports:
            if not imports_itself(node, own):
                found.update(bound_imports(node))
    return found


# %% book/press/assembling.md
def check_definitions(module, parts):
    """Complain of twins, of shadowed names, of attachments to strangers."""
    built, imported = {}, names_imported(module, parts)
    for cell, tree, _ in parts:
        for name, node in definitions(tree.body):
            owner, dot, _ = name.partition(".")
            complaint = None
            if name in built:
                page, line = built[name]
                complaint = f"`{name}` is defined already at {page}:{line}"
            elif "[" in name or (dot and owner not in built):
                complaint = f"`{name} = ...`: no class {owner} stands above "
                complaint += f"in {module.target}"
            elif name in imported:
                complaint = f"`{name}` is also imported, from {imported[name]}"
            if complaint:
                module.complain(cell, node.lineno, complaint)
            built.setdefault(
                name, (cell.page, cell.code_line + node.lineno - 1)
            )


# %% book/press/assembling.md
MODULE_NAMES = frozenset(dir(builtins)) | {
    "__name__", "__file__", "__doc__", "__spec__", "__path__", "__package__",
    "__loader__", "__cached__", "__builtins__", "__annotations__",
    "__dict__", "__class__", "__module__", "__qualname__",
}


def global_names(table):
    """Names that a scope, or one inside it, looks up in the module."""
    if isinstance(table, symtable.Function):
        yield from table.get_globals()
    else:
        top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (top or symbol.is_global()):
                yield symbol.get_name()
    for child in table.get_children():
        yield from global_names(child)


def free_names(text):
    """Names that a module's text uses and nobody binds."""
    table = symtable.symtable(text, "module", "exec")
    bound = {
        s.get_name()
        for s in table.get_symbols()
        if s.is_assigned() or s.is_imported() or s.is_namespace()
    }
    return set(global_names(table)) - bound - MODULE_NAMES


# %% book/press/assembling.md
def check_methods(module, cells, moves):
    """Complain where a page uses a method's name as a plain name."""
    told = {}
    for page, _, node in moves.told:
        told.setdefault(page.path, set()).add(node.name)
    for page, cell in cells:
        if page.path in told:
            tree = parsed(cell.code)
            for name in sorted(told[page.path] & plain_names(cell, tree)):
                _, line = first_use(name, [(cell, tree, ())])
                module.complain(cell, line, (
                    f"`{name}` is a method here, told in a cell of this "
                    "page; it cannot be a plain name too"))


def plain_names(cell, tree):
    """Names that a cell binds or looks up, its attachments apart."""
    lines = cell.code.split("\n")
    own = [one.statement for one in attachments(tree.body)]
    own += [d for node in movers(tree.body) for d in node.decorator_list
            if overloads(node)]
    for node in own:
        first, last = node.lineno - 1, node.end_lineno
        lines[first:last] = [""] * (last - first)
    table = symtable.symtable("\n".join(lines), "cell", "exec")
    return {*global_names(table), *bound_imports(tree),
            *(name for name, _ in definitions(tree.body))}


# %% book/press/assembling.md
def too_early(parts):
    """Triples (cell, line, name) of what is needed before it is defined."""
    later = {}
    for k, (_, tree, _) in enumerate(parts):
        for name, node in definitions(tree.body):
            later.setdefault(name, (k, node.lineno))
    for k, (cell, tree, _) in enumerate(parts):
        for statement in tree.body:
            here = k, statement.end_lineno
            for node in eager(statement):
                if isinstance(node, ast.Name) and isinstance(
                    node.ctx, ast.Load
                ):
                    if later.get(node.id, here) > here:
                        yield cell, node.lineno, node.id


# %% book/press/assembling.md
def first_use(name, parts):
    """The cell, and its line, where a name first stands."""
    for cell, tree, _ in parts:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == name:
                return cell, node.lineno
    return parts[0][0], 1


def check_names(module, parts):
    """Complain of names that are unbound, or bound too late."""
    for name in sorted(free_names(module.text)):
        message = f"`{name}` is bound nowhere in {module.target}"
        module.complain(*first_use(name, parts), message)
    for cell, line, name in too_early(parts):
        message = f"`{name}` is needed here but defined below"
        module.complain(cell, line, message)
    own = {name.split(".")[0] for _, tree, _ in parts
           for name, _ in definitions(tree.body)}
    imported = names_imported(module, parts)
    for cell, tree, _ in parts:
        for line, complaint in judge_calls(tree, imported, own):
            module.complain(cell, line, complaint)


# %% book/press/assembling.md
def signpost(page):
    """The line that says where the code below it was built."""
    return f"# %% {page.section} {page.path}".replace("  ", " ")


def assemble(target, cells):
    """Put a module together.

    Parameters
    ----------
    target : str
        The module's path, such as ``zerobook/losses.py``.
    cells : list of (Page, Cell)
        Its cells in the order of the table of contents.

    Returns
    -------
    Draft
        With `problems` if its cells do not fit; its text then means nothing.
    """
    module = Draft(target)
    for i, (_, cell) in enumerate(cells):
        module.problems += judge(cell, first=i == 0)
    if module.problems:
        return module
    trees = [parsed(cell.code) for _, cell in cells]
    cuts = [
        cut(cell, tree, i == 0)
        for i, ((_, cell), tree) in enumerate(zip(cells, trees, strict=True))
    ]
    moves = take_home(cells, trees)
    for cell, line, message in moves.problems:
        module.complain(cell, line, message)
    lay_out(module, cells, cuts, moves)
    parts = [(c, t, k[1]) for (_, c), t, k in zip(cells, trees, cuts)]
    check_definitions(module, parts)
    check_methods(module, cells, moves)
    if not module.problems:
        check_names(module, parts)
    return module


# %% book/press/assembling.md
def lay_out(module, cells, cuts, moves):
    """Write docstring, imports and bodies into `module`, in that order."""
    _, first = cells[0]
    lines = first.code.split("\n")
    for i in cuts[0][0]:
        module.add(lines[i], first.page, first.code_line + i)
    split = [(c, c.code.split("\n"), k[1]) for (_, c), k in zip(cells, cuts)]
    imports = gather_imports(module, split)
    if imports:
        module.add("")
    for text, page, line in imports:
        module.add(text, page, line)
    for k, ((page, cell), (_, _, body)) in enumerate(zip(cells, cuts)):
        ends = {home.end: home for home in moves.homes.values()
                if home.cell is cell and home.blocks}
        body = closed_up(body, cell, moves.gone[k])
        lay_cell(module, page, cell, body, ends)


def closed_up(body, cell, gone):
    """Line numbers of a body without those that are gone."""
    lines, kept = cell.code.split("\n"), []
    for i in body:
        empty = not lines[i].strip()
        behind_a_gap = i > 0 and kept and kept[-1] != i - 1
        if i in gone or empty and (not kept or behind_a_gap and all(
                not lines[j].strip() for j in kept[-2:])):
            continue
        kept.append(i)
    while kept and not lines[kept[-1]].strip():
        kept.pop()
    return kept


# %% book/press/assembling.md
def lay_cell(module, page, cell, body, ends):
    """Write one cell below its signpost, classes with what moves in."""
    lines, marked = cell.code.split("\n"), None
    for i in body:
        if marked is not page and not lines[i].strip():
            continue
        if marked is not page:
            for blank in ("", "") if module.lines else ("",):
                module.add(blank)
            module.add(signpost(page), page.path, cell.line)
        marked = page
        module.add(lines[i], page.path, cell.code_line + i)
        if i + 1 in ends:
            marked = move_in(module, ends[i + 1], page)


def move_in(module, home, page):
    """Write what a class gets at its end; return the page of the last."""
    rows = 2
    for block in home.blocks:
        if page is not block[0].page or max(rows, len(block)) > 1:
            module.add("")
        if page is not block[0].page:
            page = block[0].page
            mark = home.indent + signpost(page)
            module.add(mark, page.path, block[0].cell.line)
        for text, _, cell, number in block:
            module.add(text, page.path, cell.code_line + number - 1)
        rows = len(block)
    return page


# %% book/press/assembling.md
def assemble_all(pages):
    """Assemble every module that `pages` tangle.

    Returns
    -------
    dict of str to Draft
        By target, packages completed with their ``__init__.py``.
    """
    cells = {}
    for page in pages:
        for cell in page.cells:
            if cell.target:
                cells.setdefault(cell.target, []).append((page, cell))
    modules = {t: assemble(t, found) for t, found in cells.items()}
    for target in list(modules):
        folder = target.rpartition("/")[0]
        while folder:
            if f"{folder}.py" in modules:
                clash = f"{folder}.py is also a module of that name"
                page, cell = cells[target][0]
                problem = Problem(page.path, cell.line, clash)
                modules[target].problems.append(problem)
            init = f"{folder}/__init__.py"
            modules.setdefault(init, Draft(init))
            folder = folder.rpartition("/")[0]
    return modules
