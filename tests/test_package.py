"""The package as a whole: what it imports, what it ships, what it promises."""

import ast
import csv
import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "zerobook"


def name_of(path):
    """The dotted name of a module's file."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = [name for name in FILES if not name.endswith("__main__")]
PLAIN = [name for name in MODULES if not name.startswith("zerobook.press")]
TREES = {
    name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()
}


def fresh(code, *, isolated=False, **options):
    """Run code in a Python of its own; its output, and no complaint."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **options},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


# ---- what importing does


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


def top_imports(tree):
    """Imports that happen when the module is imported."""
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


def names_in(node):
    """Modules that one import statement may load."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or "."]


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


# ---- who imports whom

FLOORS = [
    """activations losses gradcheck linear_model neighbors cluster svm
    decomposition preprocessing model_selection metrics base persistence
    datasets bandit probability linear_algebra scalar_autograd tokenizers
    sampling mixture music augment safetensors plot records memory git_lfs
    moved""",
    # A loader takes a Tensor, an optimizer writes into one and counts its
    # versions; neural_network calls the update rules that stand in optim.
    "autograd checkpoint functional data optim neural_network",
    "nn",
    "training parallel",
    "models evaluation",
    "runs",
    "cli __main__",
]
FLOOR = {name: k for k, row in enumerate(FLOORS) for name in row.split()}


def part(module):
    """zerobook.nn.conv belongs to nn, a verb's module to cli."""
    name = (module.split(".") + [""])[1]
    return "cli" if name == "commands" else name


def package_imports(module):
    """Modules of the package that a module imports, wherever in its text."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [n if n in FILES else node.module for n in names]
        else:
            continue
        found |= {n for n in names if n.split(".")[0] == "zerobook"}
    return found - {"zerobook", module}


def test_every_module_stands_on_a_floor():
    known = {*FLOOR, "press", "interop", ""}
    new = {part(module) for module in FILES} - known
    assert not new, f"name a floor for {new} in FLOORS"


@pytest.mark.parametrize("module", [m for m in FILES if m != "zerobook"])
def test_a_module_imports_from_its_own_floor_or_below(module):
    for other in package_imports(module):
        if part(module) == "cli" or part(module) == "__main__":
            continue
        if part(module) == "press" or part(other) == "press":
            assert part(module) == part(other) == "press"
        elif part(module) == "interop":
            assert part(other) != "cli"
        else:
            assert part(other) != "interop"
            assert FLOOR[part(other)] <= FLOOR[part(module)], other
            if part(module) == "models" == part(other):
                pytest.fail("a model imports layers, never a model")


def test_the_import_graph_has_no_cycle():
    graph = {
        module: {
            name for node in top_imports(TREES[module])
            for name in package_imports(module)
            if name in FILES
        }
        for module in FILES
    }
    done = set()

    def visit(module, path):
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, [*path, module])
            done.add(module)

    for module in graph:
        visit(module, [])


def test_zerobook_itself_imports_nothing_eagerly():
    tree = TREES.get("zerobook", ast.parse(""))
    eager = {n for node in top_imports(tree) for n in names_in(node)}
    assert {n.split(".")[0] for n in eager} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", FILES)
def test_numpy_is_the_only_library_that_is_imported_eagerly(module):
    allowed = {*sys.stdlib_module_names, "zerobook"}
    # the press needs the standard library, plus Sphinx and what it stands on
    allowed |= (
        {"sphinx", "docutils", "jinja2", "pygments"} if part(module) == "press" else {"numpy"}
    )
    eager = {n.split(".")[0] for node in top_imports(TREES[module])
             for n in names_in(node)}
    assert eager <= allowed, eager - allowed


VERB = """
def add_to(verbs):
    verb = verbs.add_parser("hum", help="Hum a tune.")
    verb.add_argument("--bars", type=int, default=4)
    verb.set_defaults(run=lambda options: print("hm" * options.bars) or 7)
"""


@pytest.fixture
def with_command(tmp_path):
    """The package with a module that brings a verb, or is broken."""
    from zerobook import commands

    def add(text):
        (tmp_path / "hum.py").write_text(text)
        sys.modules.pop("zerobook.commands.hum", None)
        commands.__path__.append(str(tmp_path))
        importlib.invalidate_caches()

    yield add
    sys.modules.pop("zerobook.commands.hum", None)
    commands.__path__.remove(str(tmp_path))


def test_a_later_chapter_brings_a_verb_of_its_own(with_command, capsys):
    from zerobook.cli import main

    with_command(VERB)
    assert main(["hum", "--bars", "2"]) == 7
    assert capsys.readouterr().out == "hmhm\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Hum a tune." in capsys.readouterr().out


def test_a_broken_verb_stops_no_other(with_command, capsys):
    from zerobook.cli import main

    with_command("this is no Python\n")
    assert main(["where", "cli.main"]) == 0
    with pytest.raises(SyntaxError):
        main(["hum"])


def test_the_command_line_starts_without_numpy():
    said = fresh("""
import sys
from zerobook.cli import parser
before = set(sys.modules)
parser("tangle"), parser("hum")
print("numpy" in sys.modules)
""")
    assert said == "False\n"


# ---- extras

EXTRA_OF = {"sklearn": "data", "matplotlib": "plot", "matplotlib_inline":
            "plot", "IPython": "notebook", "music21": "music"}
LACKING = """
import sys
sys.modules[{library!r}] = None
import zerobook.datasets, zerobook.plot
try:
    zerobook.{call}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("library, call", [
    ("sklearn", "datasets.load_digits()"),
    ("sklearn", "datasets.load_iris()"),
    ("sklearn", "datasets.load_diabetes()"),
    ("sklearn", "datasets.load_breast_cancer()"),
    ("sklearn", "datasets.load_wine()"),
    ("matplotlib", "plot.use_style()"),
])
def test_a_missing_library_is_told_by_the_name_of_its_extra(library, call):
    said = fresh(LACKING.format(library=library, call=call))
    assert f"zerobook[{EXTRA_OF[library]}]" in said


def test_the_extras_are_those_of_the_design():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(project["project"]["optional-dependencies"]) == {
        "plot", "data", "music", "interop", "frameworks", "notebook", "book",
        "test",
    }
    assert [d.split(">")[0] for d in project["project"]["dependencies"]] == [
        "numpy"
    ]


# ---- docstrings


def public(module):
    """Functions, classes and methods that a module offers and defines."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(
            thing, "__module__", None
        ) != module.__name__:
            continue
        if inspect.isfunction(thing) or inspect.isclass(thing):
            yield name, thing
        if inspect.isclass(thing) and part(module.__name__) != "press":
            for inner, method in vars(thing).items():
                if inspect.isfunction(method) and not inner.startswith("_"):
                    yield f"{name}.{inner}", method


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_has_a_docstring(module):
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:  # Sphinx extensions without Sphinx
        pytest.skip(f"could not import {error.name}")
    bare = [name for name, thing in public(loaded) if not thing.__doc__]
    assert not bare


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module):
    assert not TREES[module].body or ast.get_docstring(TREES[module])


# ---- the pages


def pages():
    """Every page that the table of contents names."""
    toc = (ROOT / "_toc.yml").read_text("utf-8")
    return [
        ROOT / f"{name}.md"
        for name in re.findall(r"(?:root|file): *(\S+)", toc)
    ]


FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1`*[ ]*$", re.M | re.S)
PAGES = pytest.mark.parametrize(
    "page", pages(), ids=lambda page: str(page.relative_to(ROOT))
)


def cells(page):
    """Line and code of each code cell."""
    text = page.read_text("utf-8")
    for found in FENCE.finditer(text):
        if found[2].startswith("{code-cell}"):
            code = re.sub(r"\A---\n.*?^---\n", "", found[3],
                          flags=re.M | re.S)
            code = re.sub(r"\A(:\S+:.*\n)*", "", code).strip("\n")
            yield text.count("\n", 0, found.start()) + 1, code


def bold(page):
    """Terms set in bold: where a term is defined, and nowhere else."""
    text = page.read_text("utf-8")
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
    text = FENCE.sub(
        lambda m: "" if "code" in m[2] or not m[2].startswith("{") else m[3],
        text,
    )
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`\n]*`", "", text, flags=re.S)
    return [
        " ".join(term.split()).lower()
        for term in re.findall(r"\*\*([^*\n]+?)\*\*", text)
    ]


def glossary():
    with open(ROOT / "book" / "glossary.csv", encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def test_a_term_is_bold_once_and_then_stands_in_the_glossary():
    where = {}
    for page in pages():
        for term in bold(page):
            where.setdefault(term, []).append(page.name)
    twice = {term: p for term, p in where.items() if len(p) > 1}
    known = {row["term"].lower() for row in glossary()}
    assert not twice, twice
    assert not set(where) - known, "bold and not in the glossary"
    assert not known - set(where), "in the glossary and nowhere bold"


def test_every_row_of_the_glossary_is_whole():
    rows = glossary()
    assert list(rows[0]) == ["term", "ja", "reading", "sentence", "avoid"]
    terms = [row["term"].lower() for row in rows]
    twice = {term for term in terms if terms.count(term) > 1}
    assert not twice, f"a term has two rows: {twice}"
    for row in rows:
        assert None not in row and None not in row.values(), row
        assert row["term"] and row["ja"], row
        assert row["term"] == row["term"].strip()
        # hiragana, katakana, and what stands between words or in formulas
        assert re.fullmatch(r"[\u3040-\u30ffA-Za-z0-9・ー（）()\-\s]+",
                            row["reading"]), row
        assert re.search(r"[.)]$", row["sentence"]), row


def test_every_line_of_the_glossary_has_all_its_columns():
    with open(ROOT / "book" / "glossary.csv", encoding="utf-8", newline="") as f:
        lines = csv.reader(f)
        wrong = [f"line {lines.line_num}: {len(row)} columns, not 5: {row}"
                 for row in lines if len(row) != 5]
    assert not wrong, "\n".join(wrong)


CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def sources():
    """The keys of the bibliography, each as often as it stands there."""
    text = (ROOT / "book" / "references.bib").read_text("utf-8")
    return re.findall(r"^@\w+\{([^,\s]+),", text, re.M)


def test_the_bibliography_can_be_read_and_no_key_stands_twice():
    pybtex = pytest.importorskip("pybtex")
    from pybtex.database import parse_file

    keys = sources()
    twice = {key for key in keys if keys.count(key) > 1}
    assert not twice, f"twice in references.bib: {twice}"
    try:
        known = parse_file(ROOT / "book" / "references.bib").entries
    except pybtex.exceptions.PybtexError as error:
        pytest.fail(f"references.bib: {error}")
    assert set(known) == set(keys), "an entry begins a line with @kind{key,"


def test_every_source_that_is_cited_is_in_the_bibliography():
    cited = {}
    for page in pages():
        text = FENCE.sub(
            lambda m: "" if "code" in m[2] else m[3], page.read_text("utf-8"))
        for found in CITE.findall(text):
            for key in found.split(","):
                cited.setdefault(key.strip(), page.name)
    keys = set(sources())
    lost = {key: page for key, page in cited.items() if key not in keys}
    assert not lost, f"not in references.bib: {lost}"
    assert not keys - set(cited), "in references.bib and cited nowhere"


def test_every_page_is_in_the_table_of_contents():
    there = set((ROOT / "book").rglob("*.md"))
    assert there == set(pages())


@PAGES
def test_a_page_has_one_title_and_a_description(page):
    text = FENCE.sub("", page.read_text("utf-8"))
    assert len(re.findall(r"^# \S", text, re.M)) == 1
    assert re.search(r"^ +description: *\S", text, re.M)


@PAGES
def test_a_line_of_code_has_at_most_79_characters(page):
    long = [
        f"{page.name}:{line}: {row}"
        for line, code in cells(page) for row in code.splitlines()
        if len(row) > 79
    ]
    assert not long, "\n".join(long)


# Pages with a function whose card alone fills most of a cell.
LONG_CARDS = {
    "attention.md": 56, "byte_pair_encoding.md": 50, "where.md": 47,
    "writing.md": 47,
}


@PAGES
def test_no_cell_is_too_long_to_be_read_in_one_go(page):
    most = LONG_CARDS.get(page.name, 45)  # docstring included
    for line, code in cells(page):
        assert len(code.strip().splitlines()) <= most, f"{page.name}:{line}"


@PAGES
def test_a_page_with_code_has_a_check(page):
    fences = re.findall(r"^```\{code-cell\}(.*?)^```",
                        page.read_text("utf-8"), re.M | re.S)
    assert not fences or any("check" in f or "remove-cell" in f
                             for f in fences)


@PAGES
def test_a_figure_is_called_by_its_number(page):
    # {ref} would print the whole caption in the middle of a sentence
    assert not re.findall(r"\{ref\}`fig-[\w-]+`", page.read_text("utf-8"))


def weight(code):
    """Lines of a cell that do something: docstrings and blanks are free."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        tree = ast.parse("")  # a magic
    free = {k for k, row in enumerate(code.splitlines(), 1) if not row.strip()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(
            getattr(node.value, "value", None), str
        ):
            free |= set(range(node.lineno, node.end_lineno + 1))
    return len(code.splitlines()) - len(free)


def test_cells_are_small():
    # Advice, not law: the suite says so once and goes on.
    big = [
        f"{page.name}:{line} ({weight(code)})"
        for page in pages() for line, code in cells(page)
        if weight(code) > (45 if re.search("^class ", code, re.M) else 25)
    ]
    if big:
        warnings.warn(f"{len(big)} cells to split: {', '.join(big)}")


# ---- the repository


def tracked():
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode().split("\0")
    for name in filter(None, names):
        path = ROOT / name
        try:
            yield name, path.read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def test_no_file_speaks_of_one_machine():
    # spelled so that this file does not find itself
    local = re.compile(
        r"(?<![\w.])/(?:ro{2}t|opt|hom{1}e|Us{1}ers|work)/\w"
        r"|fil{1}e:///|pythonhos{1}ted|pyp{1}i\.(?:org|python)|artifact{1}ory"
    )
    found = [
        f"{name}: {hit[0]}" for name, text in tracked()
        for hit in local.finditer(text)
    ]
    assert not found, "\n".join(found)


def test_the_index_of_cpu_builds_is_named_once():
    places = [
        name for name, text in tracked() if "download.pyt" "orch.org" in text
    ]
    assert places == ["Makefile"]


def test_versions_agree():
    version = tomllib.loads(
        (ROOT / "pyproject.toml").read_text("utf-8")
    )["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text("utf-8")
    loaded = importlib.import_module("zerobook")
    assert getattr(loaded, "__version__", version) == version


@pytest.mark.parametrize("name", [
    "README.md", "LICENSE", "LICENSE-CODE", "CHANGELOG.md", "CONTRIBUTING.md",
    "CITATION.cff", ".github/workflows/tests.yml",
    ".github/workflows/publish.yml", ".github/ISSUE_TEMPLATE/erratum.yml",
    ".github/ISSUE_TEMPLATE/unclear_step.yml",
    ".github/ISSUE_TEMPLATE/idea.yml", ".github/pull_request_template.md",
])
def test_the_repository_has_its_habits(name):
    assert (ROOT / name).stat().st_size > 50


def test_contributing_fits_one_screen():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 45


# ---- what ships


def test_the_wheel_holds_package_chapters_and_types_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as shipped:
        names = {n for n in shipped.namelist() if ".dist-info/" not in n}
        wanted = {str(p.relative_to(ROOT)) for p in FILES.values()}
        wanted |= {"zerobook/py.typed", "zerobook/_book/_toc.yml"}
        kept = [*pages(), *ROOT.glob("book/_data/*"), *ROOT.glob("runs/*.*")]
        wanted |= {f"zerobook/_book/{f.relative_to(ROOT)}" for f in kept}
        assert names == wanted
        for name in names:
            source = name.removeprefix("zerobook/_book/")
            assert shipped.read(name) == (ROOT / source).read_bytes()


def test_the_wheel_needs_numpy_alone(wheel):
    with zipfile.ZipFile(wheel) as shipped:
        (name,) = [
            n for n in shipped.namelist() if n.endswith("dist-info/METADATA")
        ]
        text = shipped.read(name).decode()
    needs = re.findall(r"^Requires-Dist: (.+)$", text, re.M)
    assert [n for n in needs if "extra ==" not in n] == ["numpy>=1.26"]
    assert "License-File: LICENSE\n" in text
    assert "License-File: LICENSE-CODE\n" in text


def test_the_source_archive_can_build_the_book(dist):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {n.split("/", 1)[-1] for n in archive.getnames()}
    for wanted in ("Makefile", "_toc.yml", "_config.yml", "pyproject.toml",
                   "constraints/py312.txt", "tools/set_up.py", "setup.py",
                   "tests/conftest.py",
                   "book/_data/book_prose.txt",
                   *(str(page.relative_to(ROOT)) for page in pages()),
                   *(str(f.relative_to(ROOT)) for f in ROOT.glob("runs/*.*"))):
        assert wanted in names


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The wheel in an environment where NumPy is all there is."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as shipped:
        shipped.extractall(folder)

    def run(code):
        import numpy

        # NumPy alone: its folders beside ours, no other site-packages
        site = Path(numpy.__file__).parent.parent
        for name in ("numpy", "numpy.libs"):
            if (site / name).exists() and not (folder / name).exists():
                (folder / name).symlink_to(site / name)
        done = subprocess.run(
            [sys.executable, "-S", "-c", code], cwd=folder,
            capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(folder)},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


def test_the_installed_wheel_works_with_numpy_alone(installed):
    said = installed(f"""
import importlib, json
for name in {PLAIN}:
    importlib.import_module(name)
import numpy as np
from zerobook.linear_model import LogisticRegression
X = np.arange(8.0)[:, None]
y = X[:, 0] > 3
print(json.dumps(float(LogisticRegression().fit(X, y).score(X, y))))
""")
    assert json.loads(said) == 1.0


def test_the_installed_wheel_has_the_frozen_prose(installed):
    said = installed("""
from zerobook.datasets import load_book_prose
print(len(load_book_prose().train) > 250_000)
""")
    assert said == "True\n"


@pytest.mark.parametrize("name, line", [
    ("LogisticRegression", "class LogisticRegression("),
    ("losses.squared_error", "def squared_error("),
])
def test_the_installed_wheel_knows_where_things_were_built(
    installed, name, line
):
    said = installed(f"""
import sys
sys.argv = ["zerobook", "where", {name!r}]
from zerobook.cli import main
sys.exit(main())
""")
    assert "1.1.2" in said
    page, number = re.search(r"(book/\S+\.md):(\d+)", said).groups()
    rows = (ROOT / page).read_text("utf-8").splitlines()
    assert rows[int(number) - 1].startswith(line)


# What the README prints must run as it is printed. The kind: an example that
# needs what the sentence before it does not install, or a name that changed.
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def test_a_block_of_the_readme_prints_what_it_shows(installed):
    shown = blocks("text")
    assert [installed(code) for code in blocks("python")] == shown != []


def test_a_link_of_the_readme_leads_to_a_file():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_picture_of_the_readme_is_what_the_record_draws():
    from matplotlib.image import imread

    spec = importlib.util.spec_from_file_location(
        "readme_picture", ROOT / "tools" / "readme_picture.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    kept = np.round(imread(tool.FILE)[:, :, :3] * 255)
    assert (kept == tool.sheet()).all(), "run tools/readme_picture.py"


def test_a_command_of_the_readme_is_one_that_the_package_knows():
    from zerobook.cli import parser

    lines = [line for block in blocks("console") for line in block.split("\n")
             if line]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert len(lines) >= 4
    for line in lines:
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.M), line
        else:
            assert program == "zerobook", line
            parser().parse_args(words)  # exits where it does not know one
