# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Write the package: everything is judged before anything is touched."""

import contextlib
import difflib
import gc
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from zerobook.press.assembling import HEADER, assemble_all
from zerobook.press.reading import read_book


# %% book/press/writing.md
SAME, STALE, CONFLICT, BAD_CHAPTER = 0, 1, 2, 3


@dataclass
class Plan:
    """What the package should hold, module by module, and what is wrong."""

    modules: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)

    @property
    def texts(self):
        return {target: m.text for target, m in self.modules.items()}


# %% book/press/writing.md
@contextlib.contextmanager
def no_collector():
    """Do without the collector of rings for a while."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what is there by now is never looked at again
        if running:
            gc.enable()


# %% book/press/writing.md
def plan(root, pages=None):
    """Read and judge the whole book; plan every module.

    Parameters
    ----------
    root : path
        The folder of ``_toc.yml``.
    pages : list of Page, optional
        Print these pages only; the rest is read and judged all the same.
    """
    with no_collector():
        book = read_book(root)
        whole = assemble_all(book.pages)
        modules = whole if pages is None else assemble_all(pages)
    problems = book.problems + [
        p for module in whole.values() for p in module.problems
    ]
    return Plan(modules, sorted(set(problems)))


# %% book/press/writing.md
def is_generated(path):
    """Whether the press wrote the file at `path`."""
    with path.open("rb") as file:
        return file.readline().rstrip(b"\r\n") == HEADER.encode()


def conflicts(folder, plan):
    """Sentences about what stands where the plan wants to write."""
    found = []
    for target in plan.modules:
        path = folder / target
        for step in (*reversed(path.relative_to(folder).parents[:-1]), target):
            if (folder / step).is_symlink():
                found.append(f"{target}: {step} is a link")
                break
        else:
            parent = path.parent
            if path.is_dir():
                found.append(f"{target}: a folder stands there")
            elif parent.exists() and not parent.is_dir():
                found.append(f"{target}: {parent.name} is not a folder")
            elif path.exists() and not is_generated(path):
                found.append(f"{target} was not made by the press")
    return found


# %% book/press/writing.md
TEMPORARY = ".tangle-tmp"


def leftovers(folder, plan):
    """Files of an earlier run: orphans, and halves that a kill left."""
    package = folder / "zerobook"
    if not package.is_dir() or package.is_symlink():
        return []
    found = sorted(package.rglob(f"*{TEMPORARY}"))
    for path in sorted(package.rglob("*.py")):
        target = path.relative_to(folder).as_posix()
        ours = target not in plan.modules and not path.is_symlink()
        if ours and path.is_file() and is_generated(path):
            found.append(path)
    return found


def stale(folder, plan):
    """Targets whose file is missing or differs from the plan."""
    return [
        target
        for target, text in plan.texts.items()
        if not (folder / target).is_file()
        or (folder / target).read_bytes() != text.encode()
    ]


# %% book/press/writing.md
def replace(path, text):
    """Replace a file by `text` (UTF-8, LF), whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write(folder, plan):
    """Bring ``folder/zerobook`` to the plan; return what changed.

    Only files whose bytes differ are replaced, so a second run changes
    nothing and a build that watches time stamps stays quiet.
    """
    changed = stale(folder, plan)
    for target in changed:
        replace(folder / target, plan.texts[target])
    gone = leftovers(folder, plan)
    for path in gone:
        path.unlink()
    return changed + [path.relative_to(folder).as_posix() for path in gone]


# %% book/press/writing.md
def difference(folder, plan, target):
    """A diff of one stale module, its hunks headed by chapter lines."""
    module, path = plan.modules[target], folder / target
    old = path.read_text("utf-8").splitlines() if path.is_file() else []
    new = module.text.splitlines()
    lines = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(2):
        first = next(op for op in group if op[0] != "equal")
        page, line = module.origin(first[3] + 1)
        lines.append(f"@@ {page}:{line} -> {target}:{first[3] + 1} @@")
        for kind, a, b, c, d in group:
            if kind == "equal":
                lines += [f"  {text}" for text in old[a:b]]
            else:
                lines += [f"- {text}" for text in old[a:b]]
                lines += [f"+ {text}" for text in new[c:d]]
    return lines


# %% book/press/writing.md
def is_press(target):
    """Whether a module decides what gets printed."""
    return target.startswith("zerobook/press/")


def print_with(press, root, folder):
    """Let the press in the folder `press` print the book into `folder`."""
    command = [sys.executable, "-m", "zerobook", "tangle"]
    command += ["--root", str(Path(root).resolve()), "-o", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(press)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    result = subprocess.run(
        command, cwd=press, env=environment, capture_output=True, text=True
    )
    return "" if result.returncode == SAME else result.stderr.strip()


# %% book/press/writing.md
def settle(root, plan, rounds=3):
    """Texts on which a changed press agrees with itself.

    Returns
    -------
    texts : dict or None
        None if two stages never agreed.
    complaint : str
        What the new press said when it could not print at all.
    """
    texts = plan.texts
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as press:
            with tempfile.TemporaryDirectory() as folder:
                for target, text in texts.items():
                    replace(Path(press, target), text)
                complaint = print_with(press, root, folder)
                if complaint:
                    return None, complaint
                printed = {
                    str(file.relative_to(folder)): file.read_text("utf-8")
                    for file in Path(folder).rglob("*.py")
                }
        if printed == texts:
            return texts, ""
        texts = printed
    return None, f"no two of {rounds + 1} stages are equal"


# %% book/press/writing.md
def say(lines, file=None):
    """Print lines, to the standard error by default."""
    for line in lines:
        print(line, file=file or sys.stderr)


def check(folder, plan):
    """Say what is stale and write nothing; return the exit code."""
    old = stale(folder, plan)
    for target in old:
        say([f"{target} is stale", *difference(folder, plan, target)])
    gone = leftovers(folder, plan)
    say(f"{path.relative_to(folder)} is left over" for path in gone)
    return STALE if old or gone else SAME


# %% book/press/writing.md
def tangle(root, folder=None, pages=None, check_only=False):
    """Print the book's code.

    Parameters
    ----------
    root : path
        The folder of ``_toc.yml``.
    folder : path, optional
        Where ``zerobook/`` goes; by default `root` itself.
    pages : list of Page, optional
        Print these pages only.
    check_only : bool
        Write nothing; say what would change.

    Returns
    -------
    int
        0 same or written, 1 stale, 2 conflict, 3 bad chapter.
    """
    in_place = folder is None
    root, folder = Path(root), Path(root if in_place else folder)
    printed = plan(root, pages)
    if printed.problems:
        say(printed.problems)
        return BAD_CHAPTER
    blocked = conflicts(folder, printed)
    if blocked:
        say(blocked)
        return CONFLICT
    if check_only:
        return check(folder, printed)
    if in_place and any(map(is_press, stale(folder, printed))):
        texts, complaint = settle(root, printed)
        if texts is None:
            say(["the changed press does not print itself:", complaint])
            return BAD_CHAPTER
        printed = Plan({t: Printed(t, text) for t, text in texts.items()})
    say((f"wrote {name}" for name in write(folder, printed)), sys.stdout)
    return SAME


@dataclass
class Printed:
    """A module that a later stage of the press has printed already."""

    target: str
    text: str
