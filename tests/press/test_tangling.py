"""Whole small books, tangled: what arrives, in which order, what is refused."""

import ast
import io
import os
import subprocess
import sys
import tokenize
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.press.conftest import TICKS, cell, chapter
from zerobook.press import writing
from zerobook.press.writing import BAD_CHAPTER, CONFLICT, SAME, STALE, tangle


def run(root, **options):
    """Exit code, and what was said."""
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        code = tangle(root, **options)
    return code, said.getvalue()


def one_cell(make_book, code, target="zerobook/a.py", **options):
    return make_book({"one": chapter("1.1 One", cell(code, target, **options))})


# --- what arrives -----------------------------------------------------------

NAMES = st.lists(
    st.text("abcdefgh", min_size=3, max_size=5), min_size=1, max_size=8,
    unique=True,
).map(lambda names: [f"v_{n}" for n in names])
COMMENTS = st.text("abc é→#'\"", max_size=12)


@st.composite
def books(draw):
    """(name, module, page, code) of definitions scattered over pages."""
    cells = []
    for name in draw(NAMES):
        comment = draw(COMMENTS)
        shape = draw(st.sampled_from([
            f"def {name}(x):  # {comment}\n    return x",
            f"{name} = 3  # {comment}",
            f"class {name}:\n    '''{name}.'''\n\n    # {comment}\n    y = 1",
            f"# {comment}\nimport math\n\n{name} = math.pi",
        ]))
        module = draw(st.sampled_from(["zerobook/a.py", "zerobook/b/c.py"]))
        page = draw(st.integers(0, 2))
        cells.append((name, module, page, shape))
    return cells


@settings(max_examples=60)
@given(books())
def test_every_cell_arrives_whole_and_in_the_order_of_the_contents(
    tmp_path_factory, cells
):
    root = tmp_path_factory.mktemp("book")
    (root / "book").mkdir()
    order = [2, 0, 1]  # the table of contents need not be alphabetical
    for page in order:
        mine = [cell(code, m) for _, m, p, code in cells if p == page]
        text = chapter(f"1.{page} Page", *mine, cell("print('demo')"))
        (root / "book" / f"p{page}.md").write_text(text, newline="\r\n")
    toc = "root: book/p2\nparts:\n  - chapters:\n"
    toc += "".join(f"    - file: book/p{p}\n" for p in order[1:])
    (root / "_toc.yml").write_text(toc)

    assert run(root) == (SAME, "")
    for module in {m for _, m, _, _ in cells}:
        text = (root / module).read_bytes()
        assert b"\r" not in text
        body = text.decode().split("# %% ")[1:]
        expected = [
            (page, code) for page in order
            for _, m, p, code in cells if p == page and m == module
        ]
        assert len(body) == len(expected)
        for block, (page, code) in zip(body, expected, strict=True):
            signpost, _, rest = block.partition("\n")
            assert signpost == f"1.{page} book/p{page}.md"
            kept = code.replace("import math\n", "").strip("\n")
            assert rest.strip("\n") == kept
        ast.parse(text)
    assert run(root) == run(root, check_only=True) == (SAME, "")


def test_imports_rise_future_first_duplicates_and_self_imports_dropped(
    make_book,
):
    root = make_book({
        "one": chapter("1.1 One", cell('''
            """What a module is for."""

            import numpy as np  # the usual name

            def f(x: Later) -> np.ndarray:
                return np.asarray(x)
            ''', "zerobook/a.py")),
        "two": chapter("1.2 Two", cell('''
            from __future__ import annotations
            import numpy as np
            from zerobook.a import f
            import zerobook.a

            class Later:
                def g(self):
                    return f(np.e)
            ''', "zerobook/a.py")),
    })
    assert run(root) == (SAME, "")
    text = (root / "zerobook/a.py").read_text()
    assert ast.get_docstring(ast.parse(text)) == "What a module is for."
    lines = text.splitlines()
    future = lines.index("from __future__ import annotations")
    numpy = lines.index("import numpy as np  # the usual name")
    assert lines.index('"""What a module is for."""') < future < numpy
    assert text.count("import numpy") == 1
    assert "zerobook.a" not in text


def test_a_method_may_be_attached_on_a_later_page(make_book):
    root = make_book({
        "one": chapter("1.1 One", cell("class A:\n    x = 1", "zerobook/a.py")),
        "two": chapter("1.2 Two", cell(
            "from zerobook.a import A\n\ndef double(self):\n"
            "    return 2 * self.x\n\nA.double = double", "zerobook/a.py")),
    })
    assert run(root) == (SAME, "")
    found = subprocess.run(
        [sys.executable, "-c", "from zerobook.a import A; print(A().double())"],
        cwd=root, capture_output=True, text=True,
    )
    assert found.stdout == "2\n"


def test_a_page_that_imports_nothing_but_names_leaves_no_empty_signpost(
    make_book,
):
    root = make_book({"one": chapter(
        "1.1 One", cell("import math", "zerobook/a.py"),
        cell("TAU = 2 * math.pi", "zerobook/a.py"))})
    assert run(root) == (SAME, "")
    assert (root / "zerobook/a.py").read_text().count("# %%") == 1


def test_printed_modules_are_valid_utf8_whatever_the_comment_says(make_book):
    root = one_cell(make_book, "x = 1  # λ → 🎲 「本」")
    assert run(root)[0] == SAME
    with (root / "zerobook/a.py").open("rb") as file:
        assert list(tokenize.tokenize(file.readline))


# --- what is refused --------------------------------------------------------

REFUSED = {
    "an absolute path": ("x = 1", "/tmp/a.py", "absolute"),
    "a path that climbs": ("x = 1", "zerobook/../a.py", "climbs"),
    "a path beside the package": ("x = 1", "other/a.py", "outside zerobook/"),
    "a path that is no module name": ("x = 1", "zerobook/a-b.py", "module name"),
    "a keyword as a module": ("x = 1", "zerobook/import.py", "module name"),
    "a file that is no module": ("x = 1", "zerobook/a.txt", "no Python module"),
    "a syntax error": ("x = 1\ny = = 2", "zerobook/a.py", "syntax error"),
    "a line magic": ("%matplotlib inline", "zerobook/a.py", "magic"),
    "a shell escape": ("!ls", "zerobook/a.py", "magic"),
    "a call": ("print(1)", "zerobook/a.py", "`print(...)` would run"),
    "a bare expression": ("1 + 1", "zerobook/a.py", "bare expression"),
    "a loop": ("for i in ():\n    pass", "zerobook/a.py", "no `for`"),
    "a condition": ("if 1:\n    x = 1", "zerobook/a.py", "no `if`"),
    "a try": ("try:\n    import a\nexcept E:\n    pass", "zerobook/a.py",
              "no `try`"),
    "a with": ("with open('x') as f:\n    pass", "zerobook/a.py", "no `with`"),
    "an augmented assignment": ("x = 1\nx += 1", "zerobook/a.py", "AugAssign"),
    "a deletion": ("x = 1\ndel x", "zerobook/a.py", "Delete"),
    "a generator at import": (
        "import numpy as np\nR = np.random.default_rng(0)", "zerobook/a.py",
        "`np.random.default_rng(...)` would run"),
    "a renamed generator": (
        "from numpy.random import default_rng as r\nR = r()", "zerobook/a.py",
        "would run"),
    "a file opened at import": ("x = open('a')", "zerobook/a.py", "would run"),
    "a file opened in a default": (
        "def f(x=open('a')):\n    pass", "zerobook/a.py", "would run"),
    "a file opened by a class": (
        "class A:\n    x = open('a')", "zerobook/a.py", "would run"),
    "a file opened by a decorator": (
        "@open('a')\ndef f():\n    pass", "zerobook/a.py", "would run"),
    "the environment": (
        "import os\nH = os.environ['HOME']", "zerobook/a.py", "surroundings"),
    "a star import": ("from math import *", "zerobook/a.py", "hides"),
    "a relative import": ("from .b import x", "zerobook/a.py", "relative"),
    "an aliased self-import": (
        "import zerobook.a as me", "zerobook/a.py", "itself"),
    "a renamed self-import": (
        "from zerobook.a import x as y", "zerobook/a.py", "itself"),
    "itself as a module": ("from zerobook import a", "zerobook/a.py", "itself"),
    "a loop in a class": (
        "class A:\n    for i in ():\n        pass", "zerobook/a.py", "class A"),
    "a free name": ("def f():\n    return nowhere", "zerobook/a.py",
                    "`nowhere` is bound nowhere"),
    "a name needed too early": (
        "class A(B):\n    pass\n\nclass B:\n    pass", "zerobook/a.py",
        "defined below"),
    "an attachment to a stranger": ("int.f = 1", "zerobook/a.py",
                                    "no class int"),
    "an item assignment": ("x = {}\nx['a'] = 1", "zerobook/a.py", "no class"),
    "a definition made twice": (
        "def f():\n    pass\n\ndef f():\n    pass", "zerobook/a.py",
        "defined already"),
    "a method made twice": (
        "class A:\n    def f(self):\n        pass\n\n    def f(self):\n"
        "        pass", "zerobook/a.py", "defined already"),
    "two imports of one name": (
        "from math import pi\nfrom cmath import pi", "zerobook/a.py",
        "`pi` is imported as cmath.pi"),
    "an import that shadows a definition": (
        "from math import pi\n\npi = 3", "zerobook/a.py", "also imported"),
    "an import that shares a line": (
        "import math; x = 1", "zerobook/a.py", "shares its line"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_cell_is_refused_with_its_line_and_nothing_is_written(
    make_book, name
):
    code, target, words = REFUSED[name]
    root = one_cell(make_book, code, target)
    before = sorted(root.rglob("*"))
    exit_code, said = run(root)
    assert exit_code == BAD_CHAPTER
    assert words in said
    file, line, _ = said.splitlines()[0].split(":", 2)
    assert file == "book/one.md" and int(line) >= 3
    assert sorted(root.rglob("*")) == before


def test_what_only_a_function_body_does_is_no_concern(make_book):
    root = one_cell(make_book, """
        import os
        import re

        LETTERS = frozenset("abc")
        WORD = re.compile("[a-z]+")

        def f(path, key=len):
            for line in open(path):
                print(line, os.environ["HOME"], [i for i in LETTERS])
            return lambda: f(path)
        """)
    assert run(root) == (SAME, "")


def test_one_run_reports_the_errors_of_every_chapter(make_book):
    root = make_book({
        "one": chapter("1 One", cell("x = (", "zerobook/a.py")),
        "two": chapter("2 Two", cell("print(1)", "zerobook/b.py"),
                       cell("y = nothing", "zerobook/c.py")),
        "three": chapter("3 Three", f"{TICKS}{{code-cell}}\nx = 1"),
    })
    code, said = run(root)
    assert code == BAD_CHAPTER
    pages = [line.split(":")[0] for line in said.splitlines()]
    assert pages == ["book/one.md", "book/three.md", "book/two.md",
                     "book/two.md"]
    assert not (root / "zerobook").exists()


def test_a_definition_made_on_two_pages_names_both(make_book):
    define = cell("def f():\n    pass", "zerobook/a.py")
    root = make_book({"one": chapter("1 A", define),
                      "two": chapter("2 B", "Prose.", define)})
    _, said = run(root)
    assert "book/two.md:10" in said and "already at book/one.md:9" in said


def test_a_module_and_a_package_of_one_name_are_refused(make_book):
    root = make_book({"one": chapter(
        "1 A", cell("x = 1", "zerobook/nn.py"),
        cell("y = 1", "zerobook/nn/linear.py"))})
    assert run(root)[0] == BAD_CHAPTER


def test_the_press_names_the_line_inside_a_long_cell(make_book):
    root = one_cell(make_book, "x = 1\n\n\ndef f():\n    return 1\n\nprint(x)")
    # title, blank, fence, option, blank, then the code's seventh line
    assert run(root)[1].startswith("book/one.md:15: ")


# --- what stands in the way -------------------------------------------------

def test_a_file_without_the_header_is_never_overwritten(make_book):
    root = one_cell(make_book, "x = 1")
    (root / "zerobook").mkdir()
    (root / "zerobook/a.py").write_text("precious = True\n")
    code, said = run(root)
    assert code == CONFLICT and "zerobook/a.py" in said
    assert (root / "zerobook/a.py").read_text() == "precious = True\n"
    assert not (root / "zerobook/__init__.py").exists()
    assert run(root, check_only=True)[0] == CONFLICT


@pytest.mark.parametrize("link", ["zerobook", "zerobook/b", "zerobook/b/c.py"])
def test_nothing_is_written_through_a_link(make_book, tmp_path_factory, link):
    root = one_cell(make_book, "x = 1", "zerobook/b/c.py")
    outside = tmp_path_factory.mktemp("outside")
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(outside)
    code, said = run(root)
    assert code == CONFLICT and "link" in said
    assert list(outside.iterdir()) == []


def test_a_folder_in_a_modules_place_is_a_conflict(make_book):
    root = one_cell(make_book, "x = 1")
    (root / "zerobook/a.py").mkdir(parents=True)
    assert run(root)[0] == CONFLICT


def test_an_orphan_goes_and_a_strangers_file_stays(make_book):
    root = one_cell(make_book, "x = 1")
    run(root)
    (root / "zerobook/mine.py").write_text("precious = True\n")
    (root / "zerobook/py.typed").touch()
    one_cell(make_book, "x = 1", "zerobook/b.py")
    code, said = run(root, check_only=True)
    assert code == STALE and "zerobook/a.py is left over" in said
    assert run(root)[0] == SAME
    left = sorted(p.name for p in (root / "zerobook").glob("*.*"))
    assert left == ["__init__.py", "b.py", "mine.py", "py.typed"]


# --- checking ---------------------------------------------------------------

def test_check_shows_a_diff_headed_by_the_chapters_line(make_book):
    root = one_cell(make_book, "def f():\n    return 1")
    run(root)
    stamp = (root / "zerobook/a.py").stat().st_mtime_ns
    one_cell(make_book, "def f():\n    return 2")
    code, said = run(root, check_only=True)
    assert code == STALE
    assert "@@ book/one.md:10 -> zerobook/a.py:5 @@" in said
    assert "-     return 1" in said and "+     return 2" in said
    assert (root / "zerobook/a.py").stat().st_mtime_ns == stamp


def test_a_second_run_touches_no_file(make_book):
    root = one_cell(make_book, "x = 1")
    run(root)
    stamps = {p: p.stat().st_mtime_ns for p in root.rglob("*.py")}
    assert run(root) == (SAME, "")
    assert stamps == {p: p.stat().st_mtime_ns for p in root.rglob("*.py")}


def test_prose_and_demonstrations_do_not_change_the_package(make_book):
    root = one_cell(make_book, "x = 1")
    run(root)
    make_book({"one": chapter("1.1 One", "More prose.", cell("demo = 2"),
                              cell("x = 1", "zerobook/a.py"))})
    assert run(root, check_only=True) == (SAME, "")


# --- killed -----------------------------------------------------------------

FOUR = [f"zerobook/{name}.py" for name in "abcd"]
KILLED = """
import os, sys
from zerobook.press import writing

left = int(sys.argv[2])
rename = os.replace

def replace(a, b):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    rename(a, b)

writing.os.replace = replace
sys.exit(writing.tangle(sys.argv[1]))
"""


@pytest.mark.parametrize("count", range(5))
def test_killed_between_any_two_writes_leaves_whole_files(
    make_book, root, count
):
    def text(value):
        return chapter("1 A", *(cell(f"VALUE = {value}", t) for t in FOUR))

    book = make_book({"one": text("'old'")})
    run(book)
    make_book({"one": text("'new'" * 3)})
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(book), str(count)], cwd=root,
        capture_output=True,
    )
    assert killed.returncode == (-9 if count < 4 else 0)
    values = [(book / t).read_text().splitlines()[-1] for t in FOUR]
    assert values == ["VALUE = 'new''new''new'"] * count + \
        ["VALUE = 'old'"] * (4 - count)
    assert run(book, check_only=True)[0] == (STALE if count < 4 else SAME)
    assert run(book)[0] == SAME
    assert run(book, check_only=True) == (SAME, "")
    assert not list(book.rglob(f"*{writing.TEMPORARY}"))


def test_a_full_disk_leaves_the_old_file(make_book, monkeypatch):
    root = one_cell(make_book, "x = 1")
    run(root)
    one_cell(make_book, "x = 2")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        run(root)
    assert (root / "zerobook/a.py").read_text().endswith("x = 1\n")
    assert not list(root.rglob(f"*{writing.TEMPORARY}"))


# --- the press prints itself ------------------------------------------------

@pytest.fixture
def own_book(root, tmp_path):
    """A copy of the book's press and given parts, with the press it prints."""
    def copy(path):
        to = tmp_path / path
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes((root / path).read_bytes())

    pages = ["book/given/package.md"] + [
        p.relative_to(root).as_posix()
        for p in sorted((root / "book/press").glob("*.md"))
    ]
    for path in pages:
        copy(path)
    for file in (root / "zerobook/press").glob("*.py"):
        copy(file.relative_to(root).as_posix())
    for name in ("__init__", "__main__", "cli"):
        copy(f"zerobook/{name}.py")
    toc = f"root: {pages[0][:-3]}\n" + "parts:\n - chapters:\n"
    toc += "".join(f"   - file: {p[:-3]}\n" for p in pages[1:])
    (tmp_path / "_toc.yml").write_text(toc)
    assert verb(tmp_path, "tangle").returncode == 0
    return tmp_path


def verb(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "zerobook", *words], cwd=folder, text=True,
        capture_output=True, env={**os.environ, "PYTHONPATH": str(folder)},
    )


def edit(folder, page, old, new):
    path = folder / page
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new))


def test_the_press_prints_the_press_that_is_committed(root):
    assert run(root, check_only=True) == (SAME, "")


def test_a_new_header_reaches_every_file_in_one_run(own_book):
    edit(own_book, "book/press/assembling.md", "not this file.", "never this.")
    done = verb(own_book, "tangle")
    assert done.returncode == 0, done.stderr
    for file in (own_book / "zerobook").rglob("*.py"):
        assert "never this." in file.read_text().splitlines()[0]
    assert verb(own_book, "tangle", "--check").returncode == 0


def test_a_press_that_crashes_is_not_installed(own_book):
    edit(own_book, "book/press/assembling.md",
         'return f"# %% {page.section} {page.path}".replace("  ", " ")',
         'return 1 / 0')
    before = (own_book / "zerobook/press/assembling.py").read_bytes()
    done = verb(own_book, "tangle")
    assert done.returncode == BAD_CHAPTER and "ZeroDivision" in done.stderr
    assert (own_book / "zerobook/press/assembling.py").read_bytes() == before


def test_a_press_that_never_agrees_with_itself_is_not_installed(own_book):
    edit(own_book, "book/press/assembling.md",
         'return f"# %% {page.section} {page.path}".replace("  ", " ")',
         'import time\n\n    return f"# %% {time.time_ns()} {page.path}"')
    before = (own_book / "zerobook/press/assembling.py").read_bytes()
    done = verb(own_book, "tangle")
    assert done.returncode == BAD_CHAPTER and "stages" in done.stderr
    assert (own_book / "zerobook/press/assembling.py").read_bytes() == before


def test_a_mistake_on_a_press_page_leaves_the_press_at_work(own_book):
    edit(own_book, "book/press/writing.md", "def replace(path, text):",
         "def replace(path, text:")
    done = verb(own_book, "tangle")
    assert done.returncode == BAD_CHAPTER
    assert "book/press/writing.md" in done.stderr
    assert verb(own_book, "where", "tangle").returncode == 0


def test_the_press_needs_the_standard_library_only(own_book):
    code = (
        "import sys; sys.path[:] = [p for p in sys.path "
        "if 'site-packages' not in p]; sys.path.insert(0, '.');"
        "from zerobook.press.writing import tangle;"
        "from zerobook.press.routes import snapshot;"
        "from zerobook.press.where import where;"
        "sys.exit(tangle('.', check_only=True))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=own_book,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_console_script_and_the_module_are_the_same(root):
    from zerobook import cli

    assert Path(cli.__file__).is_relative_to(root)
    done = verb(root, "tangle", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = (root / "pyproject.toml").read_text()
    assert 'zerobook = "zerobook.cli:main"' in text
