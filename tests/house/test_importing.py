"""What importing a module does: nothing that can be seen."""

import json
import sys

import pytest

from tests.house.package import (
    MODULES,
    PLAIN,
    TREES,
    fresh,
    names_in,
    top_imports,
)


def test_importing_zerobook_brings_no_big_library():
    loaded = fresh(
        "import sys, zerobook; print(*{m.split('.')[0] for m in sys.modules})"
    ).split()
    big = {"sklearn", "matplotlib", "scipy", "torch", "pandas", "sphinx"}
    assert not big & set(loaded)


def test_importing_every_module_brings_no_library_but_numpy():
    loaded = fresh(f"""
import importlib, sys
for name in {PLAIN}:
    importlib.import_module(name)
print(*{{m.split(".")[0] for m in sys.modules}})
""").split()
    foreign = {
        name for name in set(loaded) - set(sys.stdlib_module_names)
        if not name.startswith("_") and name not in ("numpy", "zerobook")
    }
    # site-packages may hold start-up hooks, which every Python here runs, and
    # NumPy loads its generators, compiled by Cython, when they are first named
    hooks = set(fresh(
        "import sys, numpy.random; print(*{m.split('.')[0] for m in sys.modules})"
    ).split())
    assert not foreign - hooks


# Everything foreign is imported before the watch begins, so that what it sees
# is the doing of our modules. Reading source is how importing works. Each
# module has a process of its own, a fork of one that has NumPy and all.
WATCH = """
import ast, importlib, json, locale, os, random, signal, sys, traceback, warnings
import numpy as np
for name in {foreign}:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
try:
    import matplotlib
except ImportError:
    matplotlib = None

def state():
    return repr((
        np.random.get_state()[1].tolist(), random.getstate(), np.geterr(),
        np.get_printoptions(), dict(os.environ), os.getcwd(), sys.path,
        warnings.filters, locale.setlocale(locale.LC_ALL),
        signal.getsignal(signal.SIGINT), sys.getrecursionlimit(),
        dict(matplotlib.rcParams) if matplotlib else None,
        matplotlib and matplotlib.get_backend(),
    ))

def watch(event, arguments):
    if event == "open" and on:
        path, mode = str(arguments[0]), arguments[1]
        if mode not in (None, "r", "rb") or not path.endswith((".py", ".pyc")):
            seen.append(f"opens {{path}} ({{mode}})")
    elif on and event.split(".")[0] in ("socket", "subprocess", "shutil"):
        seen.append(event)
    elif on and event in ("os.system", "os.remove", "os.rename", "os.mkdir"):
        seen.append(event)

def look(module):
    global on
    before, on = state(), True
    sys.addaudithook(watch)
    importlib.import_module(module)
    on = False
    assert not seen, seen
    assert state() == before, "importing changed the process"

seen, on, said = [], False, {{}}
for module in {modules}:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writer, 1), os.dup2(writer, 2)
        try:
            look(module)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(0)
    os.close(writer)
    with open(reader) as heard:
        said[module] = heard.read()
    if os.waitpid(child, 0)[1]:
        said[module] += "the process died"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def heard():
    """What each module said or did while it was imported."""
    foreign = sorted({
        name for tree in TREES.values() for node in top_imports(tree)
        for name in names_in(node) if name.split(".")[0] != "zerobook"
    })
    return json.loads(fresh(WATCH.format(foreign=foreign, modules=MODULES)))


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_module_says_nothing_and_changes_nothing(module, heard):
    assert heard[module] == ""
