# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Find the names of zerobook in a page's cells, and colour them as links."""

import ast
import html
from typing import NamedTuple
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from zerobook.press.assembling import definitions
from zerobook.press.judging import module_of, origin
from zerobook.press.methods import movers
from zerobook.press.routes import split_dotted, tree_of, walk_imports


# %% book/press/linking.md
class Mark(NamedTuple):
    """The characters ``start:stop`` of a cell name ``module.name``."""

    start: int
    stop: int
    module: str
    name: str


# %% book/press/linking.md
def position(code, row, column):
    """Characters before the byte `column` of line `row` (from 1)."""
    lines = code.split("\n")
    before = sum(len(line) + 1 for line in lines[: row - 1])
    return before + len(lines[row - 1].encode()[:column].decode())


# %% book/press/linking.md
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def own_names(function):
    """Names that a function binds itself: arguments and assignments."""
    names = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


# %% book/press/linking.md
def find(node, code, known, aliases, modules, hidden=frozenset()):
    """Yield a `Mark` for every use of a name of the book below `node`."""
    if isinstance(node, FUNCTIONS):
        hidden = hidden | own_names(node)
    if isinstance(node, ast.Name) and node.id in known:
        if node.id not in hidden and isinstance(node.ctx, ast.Load):
            start = position(code, node.lineno, node.col_offset)
            yield Mark(start, start + len(node.id), *known[node.id])
    if isinstance(node, ast.Attribute):
        dotted = origin(node, aliases) or ""
        module, name = split_dotted(dotted, modules)
        if name in modules.get(module, {}) and dotted == f"{module}.{name}":
            stop = position(code, node.end_lineno, node.end_col_offset)
            yield Mark(stop - len(name), stop, module, name)
    for child in ast.iter_child_nodes(node):
        yield from find(child, code, known, aliases, modules, hidden)


# %% book/press/linking.md
def take_imports(tree, code, known, aliases, modules):
    """Note what a cell imports from the book; return marks on the imports."""
    marks = []
    for node, bound, module, name in walk_imports(
        tree, modules, aliases, known
    ):
        if name in modules.get(module, {}):
            known[bound] = module, name
            alias = next(
                a for a in node.names if bound in (a.asname, a.name)
            )
            start = position(code, alias.lineno, alias.col_offset)
            marks.append(Mark(start, start + len(name), module, name))
    return marks


# %% book/press/linking.md
def take_definitions(cell, tree, known, aliases):
    """Note what a cell itself binds, for the book or against it."""
    names = {name for name, _ in definitions(tree.body) if "." not in name}
    for node in movers(tree.body):  # a method's name, on the page only
        known.pop(node.name, None)
    for name in names:
        aliases.pop(name, None)
        known.pop(name, None)
        if cell.target:
            known[name] = module_of(cell.target), name


# %% book/press/linking.md
def marks_of(page, modules):
    """The marks of each cell of a page.

    Parameters
    ----------
    page : Page
    modules : dict of str to dict
        Of each module the names that it defines.

    Returns
    -------
    list of list of Mark
        One list for each cell, in the order of their places.
    """
    known, aliases, result = {}, {}, []
    for cell in page.cells:
        tree = tree_of(cell)
        if tree is None:
            result.append([])
            continue
        marks = take_imports(tree, cell.code, known, aliases, modules)
        if cell.target:
            take_definitions(cell, tree, known, aliases)
        marks += find(tree, cell.code, known, aliases, modules)
        if not cell.target:
            take_definitions(cell, tree, known, aliases)
        result.append(sorted(set(marks)))
    return result


# %% book/press/linking.md
def coloured(code, links):
    """Code as HTML in Pygments' classes.

    Parameters
    ----------
    code : str
    links : dict of int to (str, str)
        Where a linked name starts -> its address and a tooltip.
    """
    css, parts = HtmlFormatter()._get_css_class, []
    for start, kind, text in PythonLexer().get_tokens_unprocessed(code):
        piece = html.escape(text, quote=False)
        if css(kind) and text.strip():
            piece = f'<span class="{css(kind)}">{piece}</span>'
        if start in links:
            address, tip = map(html.escape, links[start])
            target = f'href="{address}" title="{tip}"'
            piece = f'<a class="built" {target}>{piece}</a>'
        parts.append(piece)
    return "".join(parts)
