# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Judge tangled cells: only what is harmless to import may pass."""

import ast
import functools
import re
from keyword import iskeyword
from zerobook.press.reading import Problem


# %% book/press/judging.md
MAKES_NAMES = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
)
FLOW = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match)


def is_string(node):
    """Whether a statement is nothing but a string: a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


# %% book/press/judging.md
def judge_statement(node, first):
    """What is wrong with a top-level statement, or None."""
    if isinstance(node, MAKES_NAMES):
        return None
    if is_string(node):
        late = "only the module's first cell may begin with a string"
        return None if first else late
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = ast.unparse(node.value.func)
        return f"`{name}(...)` would run whenever the module is imported"
    if isinstance(node, ast.Expr):
        return f"`{ast.unparse(node)}` makes no name: a bare expression"
    if isinstance(node, FLOW):
        word = type(node).__name__.lower()
        return f"no `{word}` may stand at the top level of a tangled cell"
    word = type(node).__name__
    return f"a {word} statement may not stand at the top level"


# %% book/press/judging.md
def eager(node):
    """Every node that is evaluated when the module is imported."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        now = node.decorator_list + node.args.defaults
        now += [d for d in node.args.kw_defaults if d is not None]
    elif isinstance(node, ast.Lambda):
        now = node.args.defaults
    else:
        now = ast.iter_child_nodes(node)
    for child in now:
        yield from eager(child)


# %% book/press/judging.md
PURE_BUILTINS = frozenset(
    "abs bool bytes classmethod complex dict dir divmod enumerate filter "
    "float frozenset int isinstance issubclass len list map max "
    "min object ord chr pow property range repr reversed round set slice "
    "sorted staticmethod str sum super tuple type zip ValueError".split()
)
PURE_MODULES = frozenset(
    "abc collections contextvars dataclasses enum fractions functools "
    "itertools math numbers operator re string struct threading types "
    "typing numpy weakref".split()
)
DOORS = re.compile(
    r"numpy\.(random|load|save|from(file|regex)|loadtxt|savetxt|savez"
    r"|genfromtxt|memmap|lib|seterr|set_printoptions|errstate|ctypeslib)"
)
SURROUNDINGS = re.compile(r"(os\.environ|os\.getenv|sys\.argv|sys\.std)")


# %% book/press/judging.md
def bound_imports(tree):
    """What the imports of a tree bind: name -> dotted origin."""
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                root = a.name.split(".")[0]
                bound[a.asname or root] = a.name if a.asname else root
        elif isinstance(node, ast.ImportFrom):
            for a in node.names:
                bound[a.asname or a.name] = f"{node.module}.{a.name}"
    return bound


def origin(node, imports):
    """The dotted origin of ``np.linalg.norm`` and the like, or None."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([imports.get(node.id, node.id), *reversed(parts)])


# %% book/press/judging.md
def may_run(call, imports, own):
    """Whether a call is harmless while its module is being imported."""
    name = origin(call.func, imports)
    if name is None:  # "a b".split(), or a method of another call's result
        func = call.func
        return isinstance(func, ast.Attribute | ast.Call)
    root = name.split(".")[0]
    if root in own or root == "zerobook":
        return True
    imported = {dotted.split(".")[0] for dotted in imports.values()}
    if root in PURE_MODULES & imported:
        return not DOORS.match(name)
    return name in PURE_BUILTINS


def judge_calls(tree, imports, own):
    """Pairs (line, complaint) of what must not run during an import."""
    for node in eager(tree):
        if isinstance(node, ast.Call) and not may_run(node, imports, own):
            name = ast.unparse(node.func)
            yield node.lineno, (
                f"`{name}(...)` would run when the module is imported; "
                "only constructors may"
            )
        elif isinstance(node, ast.Attribute):
            name = origin(node, imports) or ""
            if SURROUNDINGS.fullmatch(name):
                yield node.lineno, f"`{name}` reads the surroundings"


# %% book/press/judging.md
def judge_import(node, module):
    """What is wrong with an import inside the chapter of `module`."""
    if isinstance(node, ast.ImportFrom):
        if node.level:
            return "a relative import means nothing on a page"
        if any(a.name == "*" for a in node.names):
            return f"`from {node.module} import *` hides what it binds"
        if node.module == module and any(a.asname for a in node.names):
            return f"{module} imports itself under another name"
        parent, _, last = module.rpartition(".")
        if node.module == parent and any(a.name == last for a in node.names):
            return f"{module} imports itself as a module"
    elif any(a.name == module and a.asname for a in node.names):
        return f"{module} imports itself under another name"
    return None


# %% book/press/judging.md
def judge_class(node):
    """Pairs (line, complaint) of statements that a class may not hold."""
    for i, inner in enumerate(node.body):
        docstring = is_string(inner) and i == 0
        if isinstance(inner, ast.ClassDef):
            yield from judge_class(inner)
        elif not isinstance(inner, (*MAKES_NAMES, ast.Pass)):
            if not docstring:
                complaint = judge_statement(inner, first=False)
                yield inner.lineno, f"in class {node.name}: {complaint}"
        elif isinstance(inner, ast.Import | ast.ImportFrom):
            yield inner.lineno, f"an import inside class {node.name}"


# %% book/press/judging.md
WORD = re.compile(r"[a-z_][a-z0-9_]*")


def judge_target(target):
    """What is wrong with a tangle path, or None."""
    parts = target.split("/")
    if target.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", target):
        return f"{target} is an absolute path"
    if ".." in parts or "." in parts:
        return f"{target} climbs out of its folder"
    if parts[0] != "zerobook" or len(parts) < 2:
        return f"{target} lies outside zerobook/"
    stem, dot, suffix = parts[-1].partition(".")
    if (dot, suffix) != (".", "py"):
        return f"{target} is no Python module"
    for word in (*parts[1:-1], stem):
        if not WORD.fullmatch(word) or iskeyword(word):
            return f"{target}: {word!r} is no module name"
    return None


def module_of(target):
    """``zerobook/nn/linear.py`` -> ``zerobook.nn.linear``."""
    return target.removesuffix(".py").removesuffix("/__init__").replace(
        "/", "."
    )


# %% book/press/judging.md
parsed = functools.lru_cache(maxsize=None)(ast.parse)


def parse(cell):
    """The cell's tree, or the problem that keeps it from having one."""
    try:
        return parsed(cell.code), None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        source = cell.code.splitlines()[line - 1 : line] or [""]
        message = f"syntax error: {getattr(error, 'msg', error)}"
        if source[0].lstrip().startswith(("%", "!")) or "?" in source[0][-1:]:
            message = f"`{source[0].strip()}` is a notebook magic, not Python"
        return None, Problem(cell.page, cell.code_line + line - 1, message)


# %% book/press/judging.md
def judge(cell, first=False):
    """Judge one tangled cell.

    Parameters
    ----------
    cell : Cell
    first : bool
        Whether it is its module's first cell, which may begin with the
        module's docstring.

    Returns
    -------
    list of Problem
    """
    complaint = judge_target(cell.target)
    if complaint:
        return [Problem(cell.page, cell.line, complaint)]
    tree, problem = parse(cell)
    if problem:
        return [problem]
    module = module_of(cell.target)
    found = list(judge_tree(tree, first))
    if "import" in cell.code:  # most cells have none, and looking takes time
        found += judge_imports(tree, module)
    return [
        Problem(cell.page, cell.code_line + line - 1, text)
        for line, text in found
    ]


# %% book/press/judging.md
def judge_tree(tree, first):
    """Pairs (line, complaint) of the statements of a tangled cell."""
    for i, node in enumerate(tree.body):
        complaint = judge_statement(node, first and i == 0)
        if complaint:
            yield node.lineno, complaint
        if isinstance(node, ast.ClassDef):
            yield from judge_class(node)


def judge_imports(tree, module):
    """Pairs (line, complaint) of the imports of a tangled cell."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            complaint = judge_import(node, module)
            if complaint:
                yield node.lineno, complaint
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for other in tree.body:
                if other is not node and other.lineno <= node.end_lineno:
                    if other.end_lineno >= node.lineno:
                        yield node.lineno, "an import shares its line"
