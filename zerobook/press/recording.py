# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Recorded runs: what is too long for a build, and whether it still holds."""

import ast
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from zerobook.press.execute import closure, data_of, said, versions
from zerobook.press.reading import read_book
from zerobook.press.writing import replace


# %% book/press/recording.md
FOLDER = "zerobook/runs/"


def programs(root):
    """The page of each recorded run, in the order of the book."""
    found = {}
    for page, cell in read_book(root).cells():
        name = (cell.target or "").removeprefix(FOLDER).removesuffix(".py")
        if cell.target == f"{FOLDER}{name}.py" and name != "__init__":
            found[name] = page
    return found


def source(name, root):
    """The file of a run's program."""
    return Path(root, FOLDER, name + ".py")


# %% book/press/recording.md
def hashed(data):
    """Twelve letters for some bytes."""
    return hashlib.sha256(data).hexdigest()[:12]


def ingredients(name, page, root):
    """What a run depends on: a path in the repository -> its hash."""
    files, _ = closure([f"zerobook.runs.{name}"], root)
    parts = {path: said(path.read_text("utf8"))["hash"][:12]
             for path in files - {Path(root, "zerobook", "__init__.py")}}
    code = said(source(name, root).read_text("utf8"))
    for path in data_of(code["words"], code["imports"], page, root):
        if path.stem != name:  # its own record is no ingredient
            parts[path] = hashed(path.read_bytes())
    home = Path(root).resolve()
    paths = {p.resolve().relative_to(home).as_posix(): p for p in parts}
    return {path: parts[paths[path]] for path in sorted(paths)}


# %% book/press/recording.md
def constant(name, root, wanted, default):
    """What a program assigns to a name, without importing it."""
    for node in ast.parse(source(name, root).read_text("utf8")).body:
        if isinstance(node, ast.Assign):
            if ast.unparse(node.targets[0]) == wanted:
                return ast.literal_eval(node.value)
    return default


def facts(name, page, root):
    """What is known of a run before it begins."""
    parts = ingredients(name, page, root)
    _, outside = closure([f"zerobook.runs.{name}"], root)
    return {
        "name": name,
        "section": page.section,
        "page": page.path,
        "verb": verb(name, root),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "digest": hashed(repr(parts).encode()),
        "parts": parts,
        "python": platform.python_version(),
        "versions": versions(outside),
        "machine": f"{platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} processors",
    }


def verb(name, root):
    """The words that repeat a run; its program may have its own `VERB`."""
    return constant(name, root, "VERB", f"make runs R={name}")


# %% book/press/recording.md
def as_text(value, indent="", place="results"):
    """A value as JSON, an entry of a dict on each line."""
    if isinstance(value, dict) and value:
        deeper = indent + " "
        rows = [
            f"{deeper}{json.dumps(str(key))}: "
            + as_text(inner, deeper, f"{place}[{key!r}]")
            for key, inner in value.items()
        ]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    try:
        return json.dumps(
            value, allow_nan=False, ensure_ascii=False, default=as_number
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from None


def as_number(thing):
    """A scalar of NumPy's as a number of Python's."""
    if getattr(thing, "shape", None) == ():
        return thing.item()
    kind = type(thing).__name__
    raise TypeError(f"JSON has no {kind} (arrays belong under 'arrays')")


# %% book/press/recording.md
def record(name, root="."):
    """Run a program in this process and write its record."""
    known = facts(name, programs(root)[name], root)
    module = importlib.import_module(f"zerobook.runs.{name}")
    start, processor = time.perf_counter(), time.process_time()
    results = dict(module.run(say=print))
    known["seconds"] = round(time.perf_counter() - start, 1)
    known["cpu_seconds"] = round(time.process_time() - processor, 1)
    arrays = results.pop("arrays", None)
    write_record(Path(root, "runs", name + ".json"), known, results, arrays)


def write_record(path, known, results, arrays):
    """Write what is known of a run and what came out, each file whole."""
    as_text(results)  # refuses what JSON lacks before anything is written
    path.parent.mkdir(exist_ok=True)
    beside, known["arrays"] = path.with_suffix(".safetensors"), None
    if arrays:
        writer = importlib.import_module("zerobook.safetensors")
        writer.save_file(arrays, beside)
        known["arrays"] = hashed(beside.read_bytes())
    replace(path, as_text({**known, "results": results}) + "\n")
    if not arrays:
        beside.unlink(missing_ok=True)


# %% book/press/recording.md
START = (
    "import sys; from zerobook.press.recording import record; "
    "record(sys.argv[1])"
)


def run_apart(name, root):
    """Run a program in a fresh process; return its exit code."""
    environment = dict(os.environ, PYTHONPATH=str(Path(root).resolve()))
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    environment.setdefault("OMP_NUM_THREADS", "1")
    environment["PYTHONUNBUFFERED"] = "1"
    command = [sys.executable, "-c", START, name]
    return subprocess.run(command, cwd=root, env=environment).returncode


# %% book/press/recording.md
def kept_record(name, root):
    """What the file of a record holds."""
    return json.loads(Path(root, "runs", name + ".json").read_text("utf8"))


def doubts(name, page, root):
    """Reasons why a record can no longer be believed; none if it holds."""
    try:
        kept = kept_record(name, root)
        old, digest, arrays = kept["parts"], kept["digest"], kept["arrays"]
        old_parts = dict(sorted(old.items()))
    except FileNotFoundError:
        return ["it is missing"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"it is no record: {error!r}"]
    if digest != hashed(repr(old_parts).encode()):
        return ["its digest is not that of its parts"]
    parts = ingredients(name, page, root)
    found = [f"{part} has changed" for part in sorted(old | parts)
             if old.get(part) != parts.get(part)]
    file = Path(root, "runs", name + ".safetensors")
    there = hashed(file.read_bytes()) if file.exists() else None
    if there != arrays:
        found.append(f"{file.name} is not the one that the run wrote")
    return found


# %% book/press/recording.md
def check(root, say=print):
    """Say which records do not hold, and why; return an exit code."""
    known, bad = programs(root), []
    for name, page in known.items():
        for reason in doubts(name, page, root):
            remedy = f"`{verb(name, root)}` renews it"
            bad.append(f"runs/{name}.json: {reason}; {remedy}")
    folder = Path(root, "runs")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        ending = path.name.removeprefix(path.stem)
        if path.stem not in known or ending not in (".json", ".safetensors"):
            bad.append(f"runs/{path.name} belongs to no program: delete it")
    for line in bad:
        say(line)
    return 1 if bad else 0


# %% book/press/recording.md
def lacking(name, root):
    """Libraries that a program needs and this Python has not."""
    needs = constant(name, root, "NEEDS", ())
    return [library for library in needs
            if importlib.util.find_spec(library) is None]


def run_all(root, names=(), say=print):
    """Run the named programs, or all whose record does not hold.

    Returns
    -------
    int
        0 if all went well, 1 if one failed, 3 if there is no such one.
    """
    known, code = programs(root), 0
    for name in set(names) - known.keys():
        say(f"no run {name!r}; there is {', '.join(known) or 'none'}")
        return 3
    for name, page in known.items():
        if name not in names and (names or not doubts(name, page, root)):
            continue
        missing = ", ".join(lacking(name, root))
        if missing:
            say(f"{name}: passed over, {missing} not installed; "
                f"`{verb(name, root)}` runs it")
            code = code or (1 if names else 0)
            continue
        say(f"{name}: running ({page.title})")
        if run_apart(name, root):
            say(f"{name}: failed, and no record was written")
            code = 1
    return code
