# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Methods told in cells of their own, and the classes they belong to."""

import ast
import copy
import inspect
from dataclasses import dataclass, field
from typing import NamedTuple


# %% book/press/methods.md
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_magic(name):
    """Whether a name is one of Python's own, such as ``__add__``."""
    return name.startswith("__") and name.endswith("__")


def is_method(node):
    """Whether a function of a cell is meant for a class."""
    first = [*node.args.posonlyargs, *node.args.args][:1]
    static = any(ast.unparse(d) == "staticmethod" for d in node.decorator_list)
    named = any(a.arg in ("self", "cls") for a in first)
    return named or static or is_magic(node.name)


# %% book/press/methods.md
class Attachment(NamedTuple):
    """``owner.name = value`` in a cell; `defs` are the functions it moves."""

    statement: ast.Assign
    owner: str
    name: str
    value: ast.expr
    defs: tuple = ()


def pairs(statement):
    """Pairs (target, value) of an assignment, tuples taken apart."""
    value, targets = statement.value, list(statement.targets)
    if len(targets) == 1 and isinstance(targets[0], ast.Tuple):
        values = getattr(value, "elts", [])
        return list(zip(targets[0].elts, values))
    targets.sort(key=lambda t: getattr(t, "attr", "") != name_of(value))
    return [(targets[0], value), *((t, targets[0]) for t in targets[1:])]


def name_of(node):
    """The name that an expression is, or None."""
    return node.id if isinstance(node, ast.Name) else None


def is_attribute(node):
    """Whether an expression is ``name.attribute``."""
    return isinstance(node, ast.Attribute) and name_of(node.value) is not None


# %% book/press/methods.md
def attachments(body):
    """Every `Attachment` among the statements of a cell, in order."""
    waiting = {}
    for node in body:
        if isinstance(node, FUNCTIONS):
            waiting.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign):
            for target, value in pairs(node):
                if not is_attribute(target):
                    continue
                defs, name = waiting.get(name_of(value), ()), name_of(value)
                if defs and all(map(is_method, defs)):
                    del waiting[name]
                else:
                    defs = ()
                owner = target.value.id
                yield Attachment(node, owner, target.attr, value, tuple(defs))


def movers(body):
    """Functions of a cell that move into a class: a list of nodes."""
    return [node for one in attachments(body) for node in one.defs]


# %% book/press/methods.md
def without_indents(tree):
    """A dump of a tree in which the docstrings have lost their indents."""
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            first = node.body[0]
            text = getattr(getattr(first, "value", None), "value", None)
            if isinstance(first, ast.Expr) and isinstance(text, str):
                first.value.value = inspect.cleandoc(text)
    return ast.dump(tree)


def moved(rows, indent):
    """Lines of a function as they stand in a class; None if they differ."""
    inside = [indent + row if row.strip() else row for row in rows]
    old = ast.parse("\n".join(rows)).body
    try:
        new = ast.parse("\n".join(["class _:", *inside])).body[0].body
    except SyntaxError:
        return None
    same = map(without_indents, old), map(without_indents, new)
    return inside if list(same[0]) == list(same[1]) else None


# %% book/press/methods.md
def passing_on(name, function):
    """Lines of a method that calls `function` with what it gets."""
    args = copy.deepcopy(function.args)
    plain = [*args.posonlyargs, *args.args]
    for a in (*plain, *args.kwonlyargs, args.vararg, args.kwarg):
        if a is not None:
            a.annotation = None
    plain[0].arg = "self"
    given = [a.arg for a in plain]
    given += [f"*{args.vararg.arg}"] if args.vararg else []
    given += [f"{a.arg}={a.arg}" for a in args.kwonlyargs]
    given += [f"**{args.kwarg.arg}"] if args.kwarg else []
    head = f"def {name}({ast.unparse(args)}):"
    call = f"return {function.name}({', '.join(given)})"
    doc = ast.get_docstring(function) or ""
    if not doc or is_magic(name) or set('\\"') & set(doc):
        return one_line(head, call)
    told = f'"""{doc}"""' if "\n" not in doc else f'"""{doc}\n"""'
    told = [f"    {row}" if row else "" for row in told.split("\n")]
    return [head, *told, f"    {call}"]


def one_line(head, statement):
    """A method on one line if it fits there."""
    line = f"{head} {statement}"
    return [line] if len(line) < 76 else [head, f"    {statement}"]


def out_of_lambda(name, value):
    """Lines of a method that does what a lambda does."""
    head = f"def {name}({ast.unparse(value.args)}):"
    return one_line(head, f"return {ast.unparse(value.body)}")


# %% book/press/methods.md
IMPLICIT = ("__new__", "__init_subclass__", "__class_getitem__")


def mangled(node):
    """A name in a function that a class would change, or None."""
    for inner in ast.walk(node):
        for place in ("id", "attr", "arg", "name"):
            word = getattr(inner, place, None)
            if isinstance(word, str) and word.startswith("__"):
                if not word.endswith("__"):
                    return word
    return None


def needed_early(node):
    """Names that a function's head needs when its class is made."""
    if isinstance(node, ast.Lambda):
        heads = [node.args]
    else:
        heads = [*node.decorator_list, node.args, node.returns]
    found = set()
    for head in filter(None, heads):
        for inner in (head, *ast.walk(head)):
            if isinstance(inner, ast.Name):
                found.add(inner.id)
    return found


# %% book/press/methods.md
def bound_inside(body):
    """Names that the statements of a class bind."""
    names = set()
    for node in body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            names.add(node.name)
        else:
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)
                      and isinstance(n.ctx, ast.Store)}
    return names


def why_not_its_class(owner, name):
    """Why a class can take no method `name` in, or None."""
    if owner.body[0].lineno <= owner.lineno:
        return f"class {owner.name} stands on one line"
    if name in IMPLICIT:
        return f"Python takes a {name} in a class body for something else"
    if is_magic(name) and owner.decorator_list:
        return f"the decorator of class {owner.name} may look for {name}"
    return None


# %% book/press/methods.md
class Row(NamedTuple):
    """A line for a class, and the page, cell and line it came from."""

    text: str
    page: object
    cell: object
    number: int


@dataclass
class Home:
    """A class of a module: its cell, its node, and what moves in."""

    cell: object
    node: ast.ClassDef
    place: tuple
    names: set = field(default_factory=set)
    blocks: list = field(default_factory=list)

    @property
    def indent(self):
        """The blanks before a statement of the class."""
        return " " * self.node.body[0].col_offset

    @property
    def end(self):
        """The last line of the class in its cell, comments included."""
        lines, end = self.cell.code.split("\n"), self.node.end_lineno
        while end < len(lines) and lines[end].startswith(self.indent + "#"):
            end += 1
        return end


@dataclass
class Moves:
    """What moves in a module: the homes, and lines that leave each cell."""

    homes: dict = field(default_factory=dict)
    functions: dict = field(default_factory=dict)
    later: dict = field(default_factory=dict)
    gone: dict = field(default_factory=dict)
    told: list = field(default_factory=list)
    problems: list = field(default_factory=list)


# %% book/press/methods.md
def look_round(trees, cells):
    """Classes and plain functions of a module, and where names are bound."""
    moves = Moves()
    for k, ((_, cell), tree) in enumerate(zip(cells, trees, strict=True)):
        gone = movers(tree.body)
        for node in tree.body:
            place = k, node.lineno
            if isinstance(node, ast.ClassDef):
                home = Home(cell, node, place, bound_inside(node.body))
                moves.homes.setdefault(node.name, home)
            if isinstance(node, FUNCTIONS) and node not in gone:
                moves.functions.setdefault(node.name, node)
            if not isinstance(node, (*FUNCTIONS, ast.Import, ast.ImportFrom)):
                for name in bound_inside([node]):
                    moves.later.setdefault(name, place)
            elif isinstance(node, FUNCTIONS) and node not in gone:
                moves.later.setdefault(node.name, place)
    return moves


# %% book/press/methods.md
def first_line(node):
    """The line of a statement's first decorator, or its own."""
    heads = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in heads)])


def span(body, node, lines):
    """Numbers, from 0, of a statement's lines, a function's comments too."""
    k = body.index(node)
    start, end = first_line(node) - 1, node.end_lineno
    if isinstance(node, FUNCTIONS):
        start = body[k - 1].end_lineno if k else 0
        while not lines[start].strip():
            start += 1
        while end < len(lines) and lines[end].lstrip().startswith("#"):
            if not lines[end][0].isspace():
                break
            end += 1
    return range(start, end)


# %% book/press/methods.md
def shares_its_line(body, node):
    """Whether another statement stands on a line of this one."""
    return any(
        other is not node and first_line(other) <= node.end_lineno
        and other.end_lineno >= first_line(node)
        for other in body
    )


# %% book/press/methods.md
def rows_of(one, home, body, lines, moves):
    """Lines (text, number) for a class, or the reason why there are none."""
    written = "\n".join(lines[i] for i in span(body, one.statement, lines))
    if "#" in written:
        return "a comment at an attachment would be lost"
    if any(shares_its_line(body, n) for n in (*one.defs, one.statement)):
        return "another statement stands on its line"
    number, indent = one.statement.lineno, home.indent
    if one.defs:
        return rows_of_method(one, home, body, lines, moves)
    if is_attribute(one.value) and one.value.value.id == one.owner:
        if one.value.attr not in home.names:
            return f"the class has no {one.value.attr} by then"
        return [(f"{indent}{one.name} = {one.value.attr}", number)]
    function = moves.functions.get(name_of(one.value), one.value)
    if isinstance(function, ast.Lambda):
        rows = out_of_lambda(one.name, function)
    elif isinstance(function, FUNCTIONS):
        rows = None if is_method(function) else passing_on(one.name, function)
    else:
        return "a value belongs in the body of the class"
    if rows is None:
        return "a method is attached in its own cell"
    return why_not_here(function, home, moves) or [
        (indent + row if row else "", number) for row in rows]


# %% book/press/methods.md
def rows_of_method(one, home, body, lines, moves):
    """The same for functions that move; a setter follows its property."""
    rows = []
    for node in one.defs:
        if node.name != one.name:
            return (f"function and method have one name: write "
                    f"`def {one.name}` and attach that")
        complaint = why_not_here(node, home, moves, own=bool(rows))
        if complaint:
            return complaint
        numbers = span(body, node, lines)
        texts = moved([lines[i] for i in numbers], home.indent)
        if texts is None:
            return "indentation would alter a text of several lines in it"
        rows += [("", numbers[0] + 1)] * bool(rows)
        rows += [(t, i + 1) for t, i in zip(texts, numbers, strict=True)]
    return rows


def why_not_here(function, home, moves, own=False):
    """Why a function would mean something else in a class, or None."""
    word = mangled(function)
    if word:
        return f"inside a class Python changes the name {word}"
    needs = needed_early(function)
    if own:  # ``@name.setter`` below the property of that name
        needs.discard(function.name)
    for name in sorted(needs):
        if name in home.names:
            return f"`{name}` means a thing of the class there"
        if name == home.node.name or moves.later.get(name, ()) > home.place:
            return f"it needs `{name}`, which is bound below the class"
    return None


# %% book/press/methods.md
def strays(cell, tree):
    """Triples (cell, line, message) of methods that no class gets."""
    home = movers(tree.body)
    for node in tree.body:
        if isinstance(node, FUNCTIONS) and node not in home:
            if is_method(node) and not is_magic(node.name):
                yield cell, node.lineno, (
                    f"`{node.name}` is a method of no class: attach it in "
                    "its own cell, or name its first argument otherwise")
        elif isinstance(node, ast.Assign | ast.AnnAssign) and odd(node):
            yield cell, node.lineno, (
                f"`{ast.unparse(node)}`: say `Class.name = name`, one name "
                "of a class for one function")


def odd(node):
    """Whether an assignment gives a class something in an unknown form."""
    targets = getattr(node, "targets", None) or [node.target]
    leaves = [n for target in targets for n in ast.walk(target)
              if isinstance(n, ast.Name | ast.Attribute)
              and isinstance(n.ctx, ast.Store)]
    if not any(isinstance(leaf, ast.Attribute) for leaf in leaves):
        return False
    known = isinstance(node, ast.Assign) and len(pairs(node)) == len(leaves)
    return not (known and all(is_attribute(t) for t, _ in pairs(node)))


def lonely_equals(home):
    """Whether a moved ``__eq__`` would take the class's hash away."""
    had = "__eq__" in bound_inside(home.node.body)
    return "__eq__" in home.names and not had and (
        "__hash__" not in home.names)


# %% book/press/methods.md
def take_home(cells, trees):
    """Plan what moves into which class of a module.

    Parameters
    ----------
    cells : list of (Page, Cell)
    trees : list of ast.Module

    Returns
    -------
    Moves
        Its `problems` are triples (cell, line, message).
    """
    moves = look_round(trees, cells)
    for k, ((page, cell), tree) in enumerate(zip(cells, trees, strict=True)):
        moves.gone[k] = set()
        for one in attachments(tree.body):
            take_one(one, moves, page, cell, tree.body, k)
        moves.problems += strays(cell, tree)
    for home in moves.homes.values():
        if lonely_equals(home):
            moves.problems.append((home.cell, home.node.lineno, (
                f"class {home.node.name} gets an __eq__ and needs a "
                "__hash__ beside it, or Python gives it none")))
    return moves


# %% book/press/methods.md
def take_one(one, moves, page, cell, body, k):
    """Plan one attachment of the cell number `k`."""
    home, number = moves.homes.get(one.owner), one.statement.lineno
    if home is None and one.owner in moves.later:
        rows = f"{one.owner} is not written as a class in this module"
    elif home is None or home.place > (k, number) or odd(one.statement):
        return  # refused elsewhere
    else:
        lines = cell.code.split("\n")
        rows = why_not_its_class(home.node, one.name)
        rows = rows or rows_of(one, home, body, lines, moves)
    if isinstance(rows, str):
        said = f"{one.owner}.{one.name} = {ast.unparse(one.value)}"
        moves.problems.append((cell, number, f"`{said}`: {rows}"))
        return
    home.names.add(one.name)
    home.blocks.append([Row(t, page, cell, n) for t, n in rows])
    moves.told += [(page, cell, node) for node in one.defs]
    for node in (*one.defs, one.statement):
        moves.gone[k] |= set(span(body, node, lines))
