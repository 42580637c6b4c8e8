# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Run the pages of the book, two at a time, and keep what they print."""

import ast
import functools
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from zerobook.press.reading import read_book


# %% book/press/executing.md
def imported(tree):
    """Dotted names that a parsed module may import, anywhere inside it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


# %% book/press/executing.md
@functools.cache
def imports_of(path):
    """Names that the module in a file imports; of a package, at once."""
    tree = ast.parse(path.read_text("utf8"))
    if path.name == "__init__.py":
        eager = (ast.Import, ast.ImportFrom)
        tree.body = [node for node in tree.body if isinstance(node, eager)]
    return imported(tree)


def files_of(name, root):
    """The files that run when `name` is imported: packages, then module."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        path = Path(root, *parts[:depth])
        if path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")
        if (path / "__init__.py").is_file():
            yield path / "__init__.py"


# %% book/press/executing.md
def closure(names, root):
    """Files of the package that `names` lead to, and the outside packages."""
    waiting, files, outside = list(names), set(), set()
    while waiting:
        name = waiting.pop()
        if name.split(".")[0] != "zerobook":
            outside.add(name.split(".")[0])
            continue
        for path in set(files_of(name, root)) - files:
            files.add(path)
            waiting += imports_of(path)
    return files, outside


# %% book/press/executing.md
@functools.cache
def bare(path):
    """The syntax tree of a file's code, without its docstrings."""
    tree = ast.parse(path.read_text("utf8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body:
            continue
        first = body[0]
        if isinstance(first, ast.Expr):
            node.body = body[isinstance(first.value, ast.Constant) :]
    return tree


# %% book/press/executing.md
def essence(node):
    """A syntax tree as tuples and lists, alike in every Python."""
    if isinstance(node, ast.JoinedStr):  # an f-string
        pieces = [v for v in node.values if getattr(v, "value", "") != ""]
        node = ast.JoinedStr(pieces)
    if isinstance(node, ast.AST):
        fields = [(n, essence(value)) for n, value in ast.iter_fields(node)]
        kept = [field for field in fields if field[1] not in ("None", [])]
        return type(node).__name__, kept
    if isinstance(node, list):
        return [essence(item) for item in node]
    return repr(node)


@functools.cache
def code_of(path):
    """A hash of what a module does: no comment, no docstring is in it."""
    return hashlib.sha256(repr(essence(bare(path))).encode()).hexdigest()


# %% book/press/executing.md
@functools.cache
def installed():
    """Of each importable package, the distributions that brought it."""
    return importlib.metadata.packages_distributions()


version = functools.cache(importlib.metadata.version)


def versions(packages):
    """Name and version of each installed distribution behind `packages`."""
    names = sorted({d for p in packages for d in installed().get(p, ())})
    return {name: version(name) for name in names}


# %% book/press/executing.md
def cell_tree(page):
    """All cells of a page as one tree, without those that do not parse."""
    body = []
    for cell in page.cells:
        try:
            body += ast.parse(cell.code).body
        except SyntaxError:
            continue  # the kernel, or the press, will say it better
    return ast.Module(body, [])


# %% book/press/executing.md
FILE = re.compile(r"[\w./-]+\.\w+")


def files_named(tree, page, root):
    """Files of the repository that a cell names in a string."""
    found = set()
    for node in ast.walk(tree):
        text = getattr(node, "value", None)
        if not isinstance(text, str) or not FILE.fullmatch(text):
            continue
        for folder in (Path(root), Path(root, page.path).parent):
            path = (folder / text).resolve()
            if path.is_file() and path.is_relative_to(Path(root).resolve()):
                found.add(path)
    return found


# %% book/press/executing.md
def reads(page, root):
    """Files that the page's front matter declares under `reads:`."""
    path = Path(root, page.path)
    text = path.read_text("utf8") if path.is_file() else ""
    head = text.split("\n---", 1)[0]
    line = re.search(r"^reads: *\[(.*)\] *$", head, re.M)
    globs = line.group(1).replace(",", " ").split() if line else []
    return {p for g in globs for p in Path(root).glob(g) if p.is_file()}


# %% book/press/executing.md
def records_named(tree, root):
    """Of each recorded run that a string of the tree names, its files."""
    found = {}
    for node in ast.walk(tree):
        name = getattr(node, "value", None)
        if isinstance(name, str) and re.fullmatch(r"[a-z]\w*", name):
            files = Path(root, "runs").glob(f"{name}.*")
            found.setdefault(name, sorted(p for p in files if p.is_file()))
    return {name: files for name, files in found.items() if files}


# %% book/press/executing.md
@functools.cache
def chapters(root, lines):
    """All cells of the book as text, with their lines if asked for."""
    return repr([
        (page.title, cell.code, cell.target, lines and cell.code_line)
        for page, cell in read_book(root).cells()
    ])


def asks_the_book(page, names, root):
    """What a page depends on that reads the chapters themselves."""
    if "zerobook.press.reading.read_book" in names:
        return chapters(root, False)
    code = "\n".join(cell.code for cell in page.cells)
    if re.search(r"(?<!np\.)\bwhere\(", code):
        return chapters(root, True)
    return ""


# %% book/press/executing.md
def data_of(tree, page, root):
    """Files and records that code on a page names."""
    found = files_named(tree, page, root)
    if "zerobook.records" in imported(tree):
        found |= set().union(*records_named(tree, root).values())
    return found


# %% book/press/executing.md
def digest(page, root):
    """Twelve letters that change when the page must run again."""
    tree = cell_tree(page)
    names = imported(tree)
    modules, outside = closure(names, root)
    key = hashlib.sha256(repr(sys.version_info[:2]).encode())
    key.update(repr(versions(outside)).encode())
    key.update(asks_the_book(page, names, root).encode())
    for path in sorted(modules):
        key.update(f"{path.name} {code_of(path)}".encode())
    for path in sorted(data_of(tree, page, root) | reads(page, root)):
        key.update(path.name.encode() + path.read_bytes())
    return key.hexdigest()[:12]


# %% book/press/executing.md
def signed(text, mark):
    """The page's text with `mark` in its kernel's name; no line moves."""
    head, rule, rest = text.partition("\n---\n")
    name = rf"\1 Python 3 [{mark}]"
    head = re.sub(r"(?m)^( +display_name:) .*$", name, head)
    return head + rule + rest


# %% book/press/executing.md
def versions_of(page, root):
    """Pairs (name, version): Python and what the page's cells import."""
    _, outside = closure(imported(cell_tree(page)), root)
    python = "Python", ".".join(map(str, sys.version_info[:3]))
    return [python, *versions(outside).items()]


# %% book/press/executing.md
def notebook_of(page, root, mark=None):
    """The page as MyST-NB reads it, signed with its digest."""
    from myst_nb.core.read import read_myst_markdown_notebook
    from myst_parser.config.main import MdParserConfig

    path = Path(root, page.path)
    text = signed(path.read_text("utf8"), mark or digest(page, root))
    config = MdParserConfig(enable_extensions={"colon_fence", "dollarmath"})
    return read_myst_markdown_notebook(text, config, path=path)


# %% book/press/executing.md
def open_cache(root):
    """The jupyter-cache of the book, made on first use."""
    from jupyter_cache import get_cache

    return get_cache(Path(root, ".jupyter_cache"))


def kept(cache, notebook):
    """The cache's record of this very notebook, or None."""
    try:
        return cache.match_cache_notebook(notebook)
    except KeyError:
        return None


# %% book/press/executing.md
def run(page, notebook, root, timeout=300):
    """Run a notebook in a kernel of its own; return the seconds it took."""
    from nbclient import NotebookClient

    environment = dict(os.environ, PYTHONPATH=str(Path(root).resolve()))
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    folder = str(Path(root, page.path).parent)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        record_timing=False,  # it would change the notebook, and so its key
        resources={"metadata": {"path": folder}},
    )
    start = time.perf_counter()
    client.execute(env=environment, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


# %% book/press/executing.md
def complaint(page, notebook):
    """`page:line: error` and the guilty line, for the cell that raised."""
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    for place, cell in zip(page.cells, cells):
        for output in cell.outputs:
            if output.output_type != "error":
                continue
            trace = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.traceback))
            row = re.search(r"Cell In\[\d+\], line (\d+)", trace)
            row = int(row.group(1)) if row else 1
            guilty = cell.source.split("\n")[row - 1].strip()
            where = f"{page.path}:{place.code_line + row - 1}"
            return f"{where}: {output.ename}: {output.evalue}\n    {guilty}"


# %% book/press/executing.md
def keep(cache, page, notebook, seconds):
    """Put a notebook that has run into the cache."""
    from jupyter_cache.base import CacheBundleIn

    bundle = CacheBundleIn(
        notebook, page.path, data={"execution_seconds": seconds}
    )
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


# %% book/press/executing.md
def look_up(pages, root, cache):
    """Pages that must run, with their notebooks, and seconds of the rest."""
    waiting, seconds = {}, {}
    for page in pages:
        notebook = notebook_of(page, root)
        record = kept(cache, notebook)
        if record:
            seconds[page.path] = record.data["execution_seconds"]
        elif page.cells:
            waiting[page.path] = page, notebook
    return waiting, seconds


# %% book/press/executing.md
def execute(pages, root, say=print, workers=2):
    """Run the pages that the cache does not hold.

    Returns
    -------
    dict
        ``seconds``: page path to seconds, for the pages that ran now or
        before; ``ran``: the paths that ran now; ``errors``: messages.
    """
    cache, errors = open_cache(root), []
    waiting, seconds = look_up(pages, root, cache)
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(run, *w, root): w for w in waiting.values()}
        for done, job in enumerate(as_completed(jobs), 1):
            page, notebook = jobs[job]
            count = f"{done:3d}/{len(jobs)}"
            if job.exception() is None:
                keep(cache, page, notebook, job.result())
                seconds[page.path] = job.result()
                say(f"{count}  {job.result():6.1f} s  {page.path}")
            else:
                wrong = complaint(page, notebook)
                errors.append(wrong or f"{page.path}: {job.exception()}")
                say(f"{count}   failed   {errors[-1]}")
    ran = [path for path in waiting if path in seconds]
    return {"seconds": seconds, "ran": ran, "errors": errors}
