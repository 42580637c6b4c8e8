"""Methods told in cells of their own: where they go, what they then do."""

import ast
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.press.conftest import cell, chapter
from tests.press.test_tangling import run
from zerobook.press.methods import is_method
from zerobook.press.where import where

PACKAGE = Path(importlib.util.find_spec("zerobook").origin).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
TARGET = "zerobook/a.py"

START = '''
import contextlib
import functools

STEP = 3

def halved(f):
    @functools.wraps(f)
    def inner(self, *args):
        return f(self, *args) / 2
    return inner

class A:
    """A thing with a number."""

    kind = "first"

    def __init__(self, x=4):
        self.x = x
'''

# form -> the text of a cell; NAME stands for the method's name
FORMS = {
    "plain": '''
        # {c}
        def NAME(self, y=STEP):  # {c}
            """One line."""
            # {c}
            return self.x + y

        A.NAME = NAME
        ''',
    "a docstring of several lines": '''
        def NAME(self, y=(1, 2)):
            """First {c}.

            A second part:
                deeper
            """
            return self.x, y

        A.NAME = NAME
        ''',
    "nested": '''
        def NAME(self, n=2):
            def inner(k):
                """Several

                lines."""
                return k * self.x if k < n else inner(k - 1)

            class Local:
                y = inner(5)

            return [Local.y for _ in range(n)]

        A.NAME = NAME
        ''',
    "property": '''
        @property
        def NAME(self):
            return self.x * 2

        A.NAME = NAME
        ''',
    "setter": '''
        @property
        def NAME(self):
            return self.x

        # {c}
        @NAME.setter
        def NAME(self, value):
            self.x = 10 * value

        A.NAME = NAME
        ''',
    "classmethod": '''
        @classmethod
        def NAME(cls, y=1):
            return cls.kind, cls(y).x

        A.NAME = NAME
        ''',
    "staticmethod": '''
        @staticmethod
        def NAME(x, y=STEP):
            return x - y

        A.NAME = NAME
        ''',
    "context": '''
        @contextlib.contextmanager
        def NAME(self):
            yield self.x

        A.NAME = NAME
        ''',
    "decorated": '''
        @halved
        def NAME(self, *more):
            return self.x + sum(more)

        A.NAME = NAME
        ''',
    "a function too": '''
        def f_NAME(a, b=2, *more, key=5, **rest):
            """What it does."""
            return a.x + b, more, key, rest

        A.NAME = f_NAME
        ''',
    "lambda": "A.NAME = lambda self, y=1: (self.x, y)",
    "a second name": '''
        def NAME(self):
            return [self.x]

        A.NAME = A.again_NAME = NAME
        A.third_NAME = A.again_NAME
        ''',
    "a pair": '''
        def NAME(self):
            return "{c}".strip() + str(self.x)

        def other_NAME(self):
            return self.NAME() + f"""{{self.x}} "quoted" """

        A.NAME, A.other_NAME = NAME, other_NAME
        ''',
    "long lines": '''
        def NAME(self):
            y = (self.x +
                 1)
            return y \\
                + 1

        A.NAME = NAME
        ''',
}
MAGIC = {
    "__len__": "def __len__(self):\n    return self.x\n\nA.__len__ = __len__",
    "__add__": "def add(a, b):\n    return a.x + b\n\nA.__add__ = A.__radd__ = add",
    "__repr__": "A.__repr__ = lambda self: f'A({self.x})'",
}


@st.composite
def books(draw):
    """Cells (page, code) that tell one class on two pages."""
    cells, used = [], draw(st.lists(
        st.sampled_from(sorted(FORMS)), min_size=1, max_size=6))
    for i, form in enumerate(used):
        comment = draw(st.sampled_from(["a word", "é → x", "# twice", "it's"]))
        code = inspect.cleandoc(FORMS[form].replace("{{", "{").replace(
            "}}", "}").replace("{c}", comment)).replace("NAME", f"m{i}")
        cells.append((draw(st.integers(0, 1)), code))
    for name in draw(st.lists(st.sampled_from(sorted(MAGIC)), unique=True)):
        cells.append((draw(st.integers(0, 1)), MAGIC[name]))
    return sorted(cells, key=lambda pair: pair[0])


def answers(kind):
    """What everything in a class answers, by name."""
    found = {}
    for name in sorted(vars(kind)):
        if name in ("__dict__", "__weakref__", "__module__", "__doc__",
                    "__init__", "__firstlineno__", "__static_attributes__"):
            continue
        for args in ((), (7,), (7, 8, 9)):
            thing = kind(6)
            try:
                got = getattr(thing, name)
                got = got(*args) if callable(got) else got
                if hasattr(got, "__enter__"):
                    with got as inner:
                        got = inner
            except TypeError:
                got = "TypeError"
            found[name, args] = got
        if isinstance(vars(kind)[name], property) and vars(kind)[name].fset:
            setattr(thing, name, 3)
            found[name, "set"] = thing.x
        doc = getattr(vars(kind)[name], "__doc__", None)
        found[name, "doc"] = inspect.cleandoc(doc or "")
    return found


def written(root):
    """The classes of the written module, and its text."""
    text = (root / TARGET).read_text("utf-8")
    names = {"__name__": "zerobook.a"}
    exec(compile(text, "a.py", "exec"), names)
    return names["A"], text


@settings(max_examples=60, deadline=None)
@given(books())
def test_a_class_does_in_the_package_what_it_does_on_the_pages(
    tmp_path_factory, cells
):
    root = tmp_path_factory.mktemp("book")
    (root / "book").mkdir()
    on_page = {"__name__": "__main__"}
    texts = [[cell(START, TARGET)], []]
    exec(START, on_page)
    for page, code in cells:
        texts[page].append(cell(code, TARGET))
    snapshots = {}
    for page in (0, 1):
        for where_, code in cells:
            if where_ == page:
                exec(code, on_page)
        snapshots[page] = answers(on_page["A"])
        text = chapter(f"1.{page} Page", *texts[page])
        (root / "book" / f"p{page}.md").write_text(text)
        toc = "root: book/p0\n"
        toc += "parts:\n  - chapters:\n    - file: book/p1\n" * page
        (root / "_toc.yml").write_text(toc)
        assert run(root)[0] == 0, run(root)
        kind, text = written(root)
        assert answers(kind) == snapshots[page]
        assert not attached(ast.parse(text)), text
        assert not strays(ast.parse(text)), text
        assert run(root) == run(root, check_only=True) == (0, "")


def attached(tree):
    """Lines at the top of a module that give a class something."""
    return [node.lineno for node in tree.body if isinstance(node, ast.Assign)
            for target in node.targets for inner in ast.walk(target)
            if isinstance(inner, ast.Attribute)]


def strays(tree):
    """Functions at the top of a module that have `self` or `cls`."""
    return [node.name for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_method(node) and not node.name.startswith("__")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_module_attaches_anything_to_a_class(path):
    assert attached(ast.parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_function_with_self_stands_outside_a_class(path):
    assert strays(ast.parse(path.read_text("utf-8"))) == []


def test_the_source_of_a_tensor_shows_its_operators_and_methods():
    from zerobook.autograd import Tensor

    source = inspect.getsource(Tensor)
    for name in ("__add__", "__rsub__", "__matmul__", "sum", "backward"):
        assert f"def {name}(" in source
        assert getattr(Tensor, name).__qualname__ == f"Tensor.{name}"
    assert Tensor.__radd__ is Tensor.__add__


# --- what cannot move -------------------------------------------------------

CLASS = "LIMIT = 2\n\nclass A:\n    x = 1\n"
REFUSED = {
    "a text that indentation would alter": (
        'def f(self):\n    return """a\n    b"""\n\nA.f = f', "indentation"),
    "an f-string of several lines": (
        'def f(self):\n    return f"""{self.x}\n    b"""\n\nA.f = f',
        "indentation"),
    "a text with a continued line": (
        "def f(self):\n    return 'a\\\n    b'\n\nA.f = f", "indentation"),
    "two names": ("def g(self):\n    return 1\n\nA.f = g", "one name"),
    "a name that a neighbour uses": (
        "def f(self):\n    return 1\n\nA.f = f\n\ndef g():\n    return f",
        "plain name"),
    "a function that calls itself by its plain name": (
        "def f(self, n):\n    return f(self, n - 1) if n else 0\n\nA.f = f",
        "plain name"),
    "a builtin that the page uses": (
        "def sum(self):\n    return 1\n\nA.sum = sum\nTOTAL = sum([1])",
        "plain name"),
    "a method without a class": ("def f(self):\n    return 1", "no class"),
    "a class of another module": (
        "from zerobook.b import B\n\ndef f(self):\n    return 1\n\nB.f = f",
        "no class B stands above"),
    "a class that is none": (
        "B = type('B', (), {})\n\ndef f(self):\n    return 1\n\nB.f = f",
        "not written as a class"),
    "a pair that is not spelled out": (
        "def f(self):\n    return 1\n\nBOTH = (f, f)\nA.f, A.g = BOTH", "say `"),
    "a name beside a method": (
        "def f(self):\n    return 1\n\nA.f, y = f, 2", "say `"),
    "a class inside a class": (
        "def f(self):\n    return 1\n\nA.x.f = f", "say `"),
    "an attachment with a type": (
        "def f(self):\n    return 1\n\nA.f: object = f", "say `"),
    "a value": ("A.y = 3", "body of the class"),
    "a value out of a call": ("A.y = property(len)", "body of the class"),
    "an imported function": ("import math\nA.f = math.sqrt", "body of the"),
    "a default that is bound later": (
        "LATE = 3\n\ndef f(self, y=LATE):\n    return y\n\nA.f = f",
        "below the class"),
    "a decorator that is bound later": (
        "def twice(g):\n    return g\n\n@twice\ndef f(self):\n    return 1\n\n"
        "A.f = f", "below the class"),
    "a default that is the class": (
        "def f(self, kind=A):\n    return kind\n\nA.f = f", "below the class"),
    "a default that the class has too": (
        "def f(self, y=x):\n    return y\n\nA.f = f", "thing of the class"),
    "a name that Python changes in a class": (
        "def f(self):\n    return self.__secret\n\nA.f = f", "__secret"),
    "a comment that would be lost": (
        "def f(self):\n    return 1\n\nA.f = f  # why", "comment"),
    "a line with two statements": (
        "def f(self):\n    return 1\n\nA.f = f; y = 2", "its line"),
    "a method twice": (
        "def f(self):\n    return 1\n\nA.f = f\n\ndef f(self):\n    return 2\n\n"
        "A.f = f", "defined already"),
    "a second name of nothing": ("A.f = A.g", "has no g"),
    "equality without a hash": (
        "A.__eq__ = lambda self, other: True", "__hash__"),
    "a method that Python treats otherwise in a class": (
        "def __new__(cls):\n    return object.__new__(cls)\n\n"
        "A.__new__ = __new__", "something else"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_move_is_refused_with_chapter_and_line(make_book, name):
    code, reason = REFUSED[name]
    pages = {
        "one": chapter("1.1 One", cell(CLASS, TARGET),
                       cell("class B:\n    y = 1", "zerobook/b.py")),
        "two": chapter("1.2 Two", cell(
            "from zerobook.a import A, LIMIT\n" + code,
            TARGET)),
    }
    if name == "a default that the class has too":
        pages["one"] = pages["one"].replace("LIMIT = 2", "LIMIT = x = 2")
    root = make_book(pages)
    code, said = run(root)
    assert code == 3
    assert reason in said
    lines = pages["two"].split("\n")
    for row in said.splitlines():
        path, line, _ = row.split(":", 2)
        assert (root / path).is_file()
        if path == "book/two.md":
            assert lines[int(line) - 1].strip()
    assert not (root / TARGET).exists()


def test_a_decorated_class_keeps_its_magic_methods_to_itself(make_book):
    start = "from dataclasses import dataclass\n\n@dataclass\nclass A:\n    x: int"
    code = "def __post_init__(self):\n    self.x = 3\n\nA.__post_init__ = "
    root = make_book({"one": chapter(
        "1.1 One", cell(start, TARGET), cell(code + "__post_init__", TARGET))})
    code, said = run(root)
    assert (code, "decorator" in said) == (3, True)


def test_two_classes_of_one_page_may_have_methods_of_one_name(make_book):
    method = "def f(self):\n    return {0!r}\n\n\n{0}.f = f"
    root = make_book({"one": chapter(
        "1.1 One", cell("class A:\n    x = 1\n\nclass B:\n    y = 2", TARGET),
        cell(method.format("A"), TARGET), cell(method.format("B"), TARGET))})
    assert run(root) == (0, "")
    names = {}
    exec((root / TARGET).read_text(), names)
    assert (names["A"]().f(), names["B"]().f()) == ("A", "B")


# --- and still lead home ----------------------------------------------------


def two_pages(make_book):
    return make_book({
        "one": chapter("1.1 One", cell(
            "class A:\n    x = 1\n\n\nEND = 1", TARGET)),
        "two": chapter("1.2 Two", cell(
            "from zerobook.a import A\n\ndef f(self):\n    return self.x\n\n"
            "A.f = f\n\nafter = 2", TARGET)),
    })


def test_a_moved_line_leads_to_its_cell(make_book):
    root = two_pages(make_book)
    assert run(root) == (0, "")
    text = (root / TARGET).read_text()
    lines, pages = text.splitlines(), {}
    for page in ("one", "two"):
        path = root / "book" / f"{page}.md"
        pages[f"book/{page}.md"] = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if number > 1 and line.strip() and "# %%" not in line:
            ((_, place),) = where(f"{root / TARGET}:{number}", root)
            told = pages[place.page][place.line - 1]
            assert told.strip() == line.strip()
    assert "    # %% 1.2 book/two.md" in lines
    assert where("A.f", root)[0][1].page == "book/two.md"
    assert lines.index("# %% 1.1 book/one.md", 8) < lines.index("END = 1")


def test_an_old_module_still_says_which_page_told_a_method(make_book):
    root = two_pages(make_book)
    assert run(root) == (0, "")
    path = root / TARGET
    path.write_text(path.read_text() + "\n# longer\n")
    number = path.read_text().splitlines().index("    def f(self):") + 1
    ((_, place),) = where(f"{path}:{number}", root)
    assert place.page == "book/two.md"
    number = path.read_text().splitlines().index("END = 1") + 1
    ((_, place),) = where(f"{path}:{number}", root)
    assert place.page == "book/one.md"


def test_every_method_of_the_package_has_its_own_name():
    wrong = []
    for path in MODULES:
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        module = sys.modules.get(name.removesuffix(".__init__"))
        for kind in vars(module).values() if module else ():
            if inspect.isclass(kind) and kind.__module__ == name:
                wrong += [
                    f"{name}.{kind.__name__}.{key}"
                    for key, value in vars(kind).items()
                    if inspect.isfunction(value) and value.__module__ == name
                    and value.__name__ == "<lambda>"]
    assert not wrong
