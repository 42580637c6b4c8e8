"""Make `.venv` from the pinned constraints of the Python that runs this file.

`--pins` and `--extras` make another environment, from other constraints.

Quick when nothing changed: a stamp, written last, holds a digest of all that
went in, and of each extra. A set-up that stopped halfway has no stamp and is
done again; an extra that is missing is added to what is there.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK = ("book",)  # what `make book` needs, and with it every page
EXTRAS = (*BOOK, "test")  # what `make check` needs


def requirements(pyproject, extras):
    """The distributions behind the package and some of its extras."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    todo, seen = list(extras), set()
    while todo:
        extra = todo.pop(0)
        if extra in seen:
            continue
        seen.add(extra)
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(r"zerobook\[(.*)\]", line.replace(" ", ""))
            if own:
                todo += own[1].split(",")
            else:
                wanted.append(line)
    return sorted(set(wanted))


def carriers(pyproject, extras):
    """Distributions of which only the files are read, for some extras.

    They are installed without what they ask for, so they name their version.
    """
    tool = tomllib.loads(pyproject.read_text("utf-8")).get("tool", {})
    known = tool.get("zerobook", {}).get("carriers", {})
    return sorted({line for extra in extras for line in known.get(extra, ())})


def constraints_file(prefix=""):
    """The pins for this Python."""
    major, minor = sys.version_info[:2]
    return ROOT / "constraints" / f"{prefix}py{major}{minor}.txt"


def digest(*parts):
    """One name for all that went in."""
    text = "\0".join(map(str, parts))
    return hashlib.sha256(text.encode()).hexdigest()


def base_of(venv, torch, pins):
    """What every extra stands on; when it changes, all is made anew."""
    texts = pins.read_text("utf-8"), Path(__file__).read_text("utf-8")
    return digest(*texts, torch, platform.python_version(), venv)


def extras_of(pyproject, extras):
    """Each extra with the digest of what it asks for."""
    return {extra: digest(*requirements(pyproject, [extra]),
                          *carriers(pyproject, [extra]))
            for extra in extras}


def read_stamp(venv):
    """The base and the extras of a finished set-up; {} without one."""
    try:
        stamp = json.loads((venv / STAMP).read_text("utf-8"))
        return stamp if isinstance(stamp.get("extras"), dict) else {}
    except (OSError, ValueError, AttributeError):
        return {}


STAMP = "zerobook-set-up"


def python_of(venv):
    """The interpreter inside an environment."""
    return venv / "bin" / "python"


def works(venv):
    """Whether the environment's interpreter still starts, and which it is."""
    try:
        asked = subprocess.run(
            [python_of(venv), "-c", "import platform as p; print(p.python_version())"],
            capture_output=True,
            text=True,
        )
    except OSError:
        return False
    return asked.stdout.strip() == platform.python_version()


def reachable(url, seconds=8):
    """Whether an index answers soon; a dead name server must not hold us."""
    ask = "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)"
    try:
        done = subprocess.run(
            [sys.executable, "-c", ask, url],
            capture_output=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def install(venv, *arguments):
    """Run pip in the environment, its own progress in sight."""
    command = [python_of(venv), "-m", "pip", "install", *arguments]
    return subprocess.run(
        [*map(str, command), "--disable-pip-version-check"], env=for_pip())


# Settings of a reader's pip by which packages would go elsewhere.
ELSEWHERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON",
             "PIP_DRY_RUN", "PIP_NO_DEPS", "PYTHONUSERBASE", "PYTHONHOME")


def for_pip():
    """The environment for pip: it installs here, whatever its settings."""
    kept = {k: v for k, v in os.environ.items() if k not in ELSEWHERE}
    return {**kept, "PIP_USER": "0"}


def install_torch(venv, torch, index, pins=None):
    """PyTorch's CPU build; the default index where that is out of reach.

    On Linux the default wheel brings gigabytes of CUDA, so it comes second.
    """
    pins = ("-c", pins or constraints_file())
    if sys.platform == "linux" and index:
        if reachable(f"{index}/torch/"):
            print(f"set-up: {torch}, CPU build", flush=True)
            if not install(venv, "--index-url", index, *pins, torch).returncode:
                return True
        print(
            "set-up: the index of PyTorch's CPU builds is out of reach,"
            " asking the default index",
            flush=True,
        )
    return not install(venv, *pins, torch).returncode


def install_carriers(venv, carried):
    """Add what is only read; None, or a sentence about what went wrong."""
    if carried and install(venv, "--no-deps", *carried).returncode:
        return f"pip could not install {', '.join(carried)} (see above)"
    return None


def build(venv, wanted, torch, index, pins, carried=()):
    """From nothing to a complete environment."""
    base = getattr(sys, "_base_executable", sys.executable)
    if venv.exists():
        shutil.rmtree(venv)
    print(f"set-up: making {venv.name} with Python {platform.python_version()}")
    print(f"set-up: {len(wanted)} packages and what they need", flush=True)
    if subprocess.run([base, "-m", "venv", str(venv)]).returncode:
        return f"{base} could not make a virtual environment (see above)"
    if install(venv, "-c", pins, *wanted).returncode:
        return "pip could not install the pinned packages (see above)"
    if torch and not install_torch(venv, torch, index, pins):
        return (
            f"pip could not install {torch} (see above); with TORCH= the tests"
            " run without it, the pages that compare with it do not"
        )
    return install_carriers(venv, carried)


def add(venv, wanted, pins, carried=()):
    """Add extras to an environment that works."""
    print(f"set-up: adding to {venv.name} what is missing", flush=True)
    if install(venv, "-c", pins, *wanted).returncode:
        return "pip could not install the pinned packages (see above)"
    return install_carriers(venv, carried)


def main(arguments=None):
    """Set up, or see that there is nothing to do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", default=".venv", type=Path)
    parser.add_argument("--torch", default="", help="empty: go without")
    parser.add_argument("--torch-index", default="")
    parser.add_argument("--pins", default="", help="what the pins begin with")
    parser.add_argument("--extras", default=",".join(EXTRAS))
    options = parser.parse_args(arguments)
    venv = Path(os.path.abspath(options.venv))
    if venv.is_symlink():
        return 0  # an environment that the reader made and linked here
    pins = constraints_file(options.pins)
    base = base_of(venv, options.torch, pins)
    asked = extras_of(ROOT / "pyproject.toml", options.extras.split(","))
    stamp = read_stamp(venv)
    same = stamp.get("base") == base and works(venv)
    there = stamp.get("extras", {}) if same else {}
    missing = [name for name in asked if there.get(name) != asked[name]]
    if not missing:
        return 0
    (venv / STAMP).unlink(missing_ok=True)
    # an environment that is made anew keeps the extras that it had
    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    known = known["project"]["optional-dependencies"]
    every = [*asked, *(e for e in stamp.get("extras", {})
                       if e not in asked and e in known)]
    todo = missing if same else every
    wanted = requirements(ROOT / "pyproject.toml", todo)
    carried = carriers(ROOT / "pyproject.toml", todo)
    if same:
        problem = add(venv, wanted, pins, carried)
    else:
        problem = build(venv, wanted, options.torch, options.torch_index, pins,
                        carried)
    if problem:
        print(f"set-up: {problem}", file=sys.stderr)
        return 1
    now = extras_of(ROOT / "pyproject.toml", every)
    text = json.dumps({"base": base, "extras": {**there, **now}})
    (venv / STAMP).write_text(text, "utf-8")
    print("set-up: done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
