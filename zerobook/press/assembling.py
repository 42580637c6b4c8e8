# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Assemble modules out of tangled cells."""

import ast
import builtins
import symtable
from dataclasses import dataclass, field
from zerobook.press.judging import bound_imports, eager, judge
from zerobook.press.judging import judge_calls, module_of, parsed
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
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not overloads(node):
                yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from definitions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = getattr(node, "targets", None) or [node.target]
            for target in targets:
                for name in assigned(target):
                    yield prefix + ast.unparse(name), node


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
    lay_out(module, cells, cuts)
    parts = [(c, t, k[1]) for (_, c), t, k in zip(cells, trees, cuts)]
    check_definitions(module, parts)
    if not module.problems:
        check_names(module, parts)
    return module


# %% book/press/assembling.md
def lay_out(module, cells, cuts):
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
    for (page, cell), (_, _, body) in zip(cells, cuts, strict=True):
        if not body:
            continue
        lines = cell.code.split("\n")
        for blank in ("", "") if module.lines else ("",):
            module.add(blank)
        module.add(signpost(page), page.path, cell.line)
        for i in body:
            module.add(lines[i], page.path, cell.code_line + i)


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
