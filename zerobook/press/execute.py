# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Run the pages of the book, two at a time, and keep what they print."""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from zerobook.press.reading import read_book
from zerobook.press.writing import replace


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
def imported_at_once(tree):
    """Names that the statements at the top of a parsed module import."""
    eager = (ast.Import, ast.ImportFrom)
    body = [node for node in tree.body if isinstance(node, eager)]
    return imported(ast.Module(body, []))


@functools.cache
def files_of(name, root):
    """The files that run when `name` is imported: packages, then module."""
    parts, found = name.split("."), []
    for depth in range(1, len(parts) + 1):
        path = Path(root, *parts[:depth])
        files = path.with_suffix(".py"), path / "__init__.py"
        found += [file for file in files if file.is_file()]
    return found


# %% book/press/executing.md
def without_docstrings(code):
    """The syntax tree of code, without its docstrings."""
    tree = ast.parse(code)
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


def hash_of(tree):
    """A hash of what code does: no comment, no docstring is in it."""
    return hashlib.sha256(repr(essence(tree)).encode()).hexdigest()


# %% book/press/executing.md
NOTES = {}
WORD = re.compile(r"[a-z]\w*|[\w./-]+\.\w+")


def hashed(text):
    """A short name for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def look(code):
    """What this page wants to know of a piece of code."""
    try:
        tree = without_docstrings(code)
    except SyntaxError:  # the kernel, or the press, will say it better
        tree = ast.Module([], [])
    strings = {getattr(node, "value", None) for node in ast.walk(tree)
               if isinstance(node, ast.Constant)}
    words = [s for s in strings if isinstance(s, str) and WORD.fullmatch(s)]
    return {
        "imports": sorted(imported(tree)),
        "at once": sorted(imported_at_once(tree)),
        "words": sorted(words),
        "hash": hash_of(tree),
    }


def said(code):
    """The same, looked up in the notes if this code is known."""
    key = hashed(code)
    if key not in NOTES:
        NOTES[key] = look(code)
    return NOTES[key]


# %% book/press/executing.md
def note_takers():
    """A name for who took the notes: they mean nothing to others."""
    here = importlib.util.find_spec("zerobook.press.execute").origin
    reader = importlib.metadata.version("myst-nb")
    return hashed(Path(here).read_text("utf8") + sys.version + reader)


def load_notes(root):
    """Take up the notes of earlier builds."""
    path = Path(root, ".jupyter_cache", "notes.json")
    try:
        kept = json.loads(path.read_text("utf8"))
        if kept["takers"] == note_takers():
            NOTES.update(kept["notes"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no notes, or half of a file: all is looked at again


def save_notes(root, most=20_000):
    """Keep the notes for the next build, if it was worth the while."""
    path = Path(root, ".jupyter_cache", "notes.json")
    notes = NOTES if len(NOTES) < most else {}
    if path.parent.is_dir():
        text = json.dumps({"takers": note_takers(), "notes": notes})
        if not path.exists() or path.read_text("utf8") != text:
            replace(path, text)


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
            look = said(path.read_text("utf8"))
            package = path.name == "__init__.py"
            waiting += look["at once" if package else "imports"]
    return files, outside


# %% book/press/executing.md
OTHER_NAME = {"sklearn": "scikit-learn"}


@functools.cache
def distributions(package):
    """Names and versions of the distributions that brought a package."""
    if package in sys.stdlib_module_names:
        return []
    try:
        name = OTHER_NAME.get(package, package)
        found = [importlib.metadata.distribution(name)]
    except importlib.metadata.PackageNotFoundError:
        there = importlib.util.find_spec(package)
        names = installed().get(package, ()) if there else ()
        found = [importlib.metadata.distribution(name) for name in names]
    return [(found.metadata["Name"], found.version) for found in found]


@functools.cache
def installed():
    """Of each importable package, the distributions that brought it."""
    return importlib.metadata.packages_distributions()


def versions(packages):
    """Name and version of each installed distribution behind `packages`."""
    return dict(sorted(d for p in packages for d in distributions(p)))


# %% book/press/executing.md
def said_on(page, what):
    """What the cells of a page say, all together."""
    return set().union(*(said(cell.code)[what] for cell in page.cells))


def files_named(words, page, root):
    """Files of the repository that are named by one of the words."""
    found = set()
    for word in words:
        for folder in (Path(root), Path(root, page.path).parent):
            path = folder / word
            if "." in word and path.is_file():
                found.add(path.resolve())
    home, built = Path(root).resolve(), Path(root, "_build").resolve()
    return {path for path in found if path.is_relative_to(home)
            and not path.is_relative_to(built)}  # a build changes those


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
def records_named(words, root):
    """Of each recorded run that is named by one of the words, its files."""
    found = {}
    for word in sorted(set(words)):
        if "." not in word:
            files = Path(root, "runs").glob(f"{word}.*")
            found[word] = sorted(p for p in files if p.is_file())
    return {name: files for name, files in found.items() if files}


# %% book/press/executing.md
ASKS = re.compile(
    r'(?<!def )(?:(?<![\w.])|\bzerobook\.)where\((?:"([\w.]+)"\))?'
)


@functools.cache
def all_cells(root):
    """Every cell of the book with its page, read once."""
    return list(read_book(root).cells())


@functools.cache
def chapters(root, lines):
    """All cells of the book as text, with their lines if asked for."""
    return repr([
        (page.title, cell.code, cell.target, lines and cell.code_line)
        for page, cell in all_cells(root)
    ])


# %% book/press/executing.md
@functools.cache
def lines_of(name, root):
    """Where the chapters bind a name; all lines if that is not found."""
    last = re.escape(name.split(".")[-1])
    bound = re.compile(rf"^ *(?:def|class) {last}\b|^{last}\b.*=", re.M)
    found = [
        (page.title, page.path, cell.target, cell.code_line
         + cell.code.count("\n", 0, place.start()))
        for page, cell in all_cells(root)
        for place in bound.finditer(cell.code)
    ]
    return repr(found) if found else chapters(root, True)


def asks_the_book(page, names, root):
    """What a page depends on that reads the chapters themselves."""
    if "zerobook.press.reading.read_book" in names:
        return chapters(root, False)
    asked = ASKS.findall("\n".join(cell.code for cell in page.cells))
    if "" in asked:
        return chapters(root, True)
    return "".join(lines_of(name, root) for name in asked)


# %% book/press/executing.md
def data_of(words, imports, page, root):
    """Files and records that code on a page names."""
    found = files_named(words, page, root)
    if "zerobook.runs" in imports:
        found |= set().union(*records_named(words, root).values())
    return found


# %% book/press/executing.md
def digest(page, root):
    """Twelve letters that change when the page must run again."""
    names, words = said_on(page, "imports"), said_on(page, "words")
    modules, outside = closure(names, root)
    key = hashlib.sha256(repr(sys.version_info[:2]).encode())
    key.update(repr(versions(outside)).encode())
    key.update(asks_the_book(page, names, root).encode())
    for path in sorted(modules):
        code = said(path.read_text("utf8"))["hash"]
        key.update(f"{path.name} {code}".encode())
    for path in sorted(data_of(words, names, page, root) | reads(page, root)):
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
    _, outside = closure(said_on(page, "imports"), root)
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
@functools.cache
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
KEEP_HEAP = {  # what glibc reads when a program starts
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}


def run(page, notebook, root, timeout=300):
    """Run a notebook in a kernel of its own; return the seconds it took."""
    from nbclient import NotebookClient

    environment = {"OPENBLAS_NUM_THREADS": "1", **KEEP_HEAP, **os.environ}
    environment["PYTHONPATH"] = str(Path(root).resolve())
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
def cells_and_mark(page, root, mark):
    """A name for a page's head, its cells with their options, its digest."""
    lines = Path(root, page.path).read_text("utf8").split("\n")
    parts = ["\n".join(lines).split("\n---", 1)[0], mark]
    for cell in page.cells:
        end = cell.code_line + cell.code.count("\n")
        parts.append("\n".join(lines[cell.line - 1 : end]))
    return "kept " + hashed(repr(parts))


def answer(page, root, mark):
    """What the cache holds of a page: its key there and seconds, or None."""
    key = cells_and_mark(page, root, mark)
    there = Path(root, ".jupyter_cache", "executed")
    note = NOTES.get(key)
    if note is None:
        record = kept(open_cache(root), notebook_of(page, root, mark))
        if record is None:
            return None
        seconds = record.data["execution_seconds"]
        NOTES[key] = note = {"key": record.hashkey, "seconds": seconds}
    return note if (there / note["key"] / "base.ipynb").is_file() else None


# %% book/press/executing.md
def look_up(pages, root):
    """Digests of the pages, those that must run, seconds of the others."""
    digests, waiting, seconds = {}, {}, {}
    for page in pages:
        if page.cells:
            mark = digests[page.path] = digest(page, root)
            note = answer(page, root, mark)
            if note:
                seconds[page.path] = note["seconds"]
            else:
                waiting[page.path] = page, notebook_of(page, root, mark)
    return digests, waiting, seconds


# %% book/press/executing.md
def alone(page):
    """Whether the page times something that a neighbour would disturb."""
    return any("alone" in cell.tags for cell in page.cells)


def finished(waiting, root, workers):
    """Run pages; yield each with its notebook and its job when it is done."""
    for quiet, n in ((False, workers), (True, 1)):
        with ThreadPoolExecutor(n) as pool:
            jobs = {pool.submit(run, *pair, root): pair for pair in waiting
                    if alone(pair[0]) == quiet}
            for job in as_completed(jobs):
                yield *jobs[job], job


# %% book/press/executing.md
def execute(pages, root, say=print, workers=2):
    """Run the pages that the cache does not hold.

    Returns
    -------
    dict
        ``seconds``: page path to seconds, for the pages that ran now or
        before; ``ran``: the paths that ran now; ``errors``: messages;
        ``digests``: page path to digest.
    """
    load_notes(root)
    errors, (digests, waiting, seconds) = [], look_up(pages, root)
    results = finished(waiting.values(), root, workers)
    for done, (page, notebook, job) in enumerate(results, 1):
        count = f"{done:3d}/{len(waiting)}"
        if job.exception() is None:
            keep(open_cache(root), page, notebook, job.result())
            seconds[page.path] = job.result()
            say(f"{count}  {job.result():6.1f} s  {page.path}")
        else:
            wrong = complaint(page, notebook)
            errors.append(wrong or f"{page.path}: {job.exception()}")
            say(f"{count}   failed   {errors[-1]}")
    save_notes(root)
    ran = [path for path in waiting if path in seconds]
    return {"seconds": seconds, "ran": ran, "errors": errors,
            "digests": digests}
