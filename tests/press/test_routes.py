"""Snapshots import, and no page uses what its reader has not met."""

import copy
import subprocess
import sys

import pytest

from tests.press.conftest import cell, chapter
from zerobook.press import assembling, routes, writing
from zerobook.press.assembling import assemble
from zerobook.press.reading import read_book
from zerobook.press.routes import ROUTES, check, check_routes, in_order
from zerobook.press.routes import snapshot

PARALLEL = ("1.1.1", "1.2.1", "1.1.2", "1.2.2")


@pytest.fixture
def zigzag(make_book):
    """Four sections in two columns, one given part."""

    def make(**cells):
        chapters = {
            f"s{n.replace('.', '')}": chapter(
                f"{n} Section", *cells.get(f"s{n.replace('.', '')}", [])
            )
            for n in ("0.1", "1.1.1", "1.1.2", "1.2.1", "1.2.2", "1.9")
        }
        chapters["plumbing"] = chapter(
            "Plumbing", cell("def pipe():\n    pass", "zerobook/plumbing.py")
        )
        return make_book(chapters, given=("plumbing",), parallel=PARALLEL)

    return make


def sections(book, route):
    return [p.section for p in in_order(book, route) if p.section]


def test_the_books_parallel_route_alternates_as_the_curriculum_advises(root):
    order = sections(read_book(root), "parallel")
    start = order.index("1.1.1")
    both = [s for s in order[start:] if s[:3] in ("1.1", "1.2")]
    assert list(dict.fromkeys(both)) == [
        "1.1.1", "1.2.1", "1.1.2", "1.2.2", "1.1.3", "1.2.3", "1.1.4", "1.2.4"
    ]
    assert sorted(order) == sorted(sections(read_book(root), "straight"))


def test_no_page_of_the_book_uses_what_its_reader_has_not_met(root):
    assert check_routes(read_book(root)) == []


SECTIONS = ["1.0.1", "1.0.2", "1.0.3", "1.1.1", "1.1.2", "1.1.3", "1.1.4",
            "1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.8", "1.9"]
IMPORT_ALL = """
import importlib, pathlib, sys
import numpy, numpy.testing
for path in sorted(pathlib.Path("zerobook").rglob("*.py")):
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    if name.endswith(("weave", "__main__")) or "press.weav" in name:
        continue  # Sphinx extensions are imported by Sphinx
    importlib.import_module(name)
    assert "sklearn" not in sys.modules, name
"""


@pytest.fixture
def remembered(monkeypatch):
    """The chapters are read once, and a module of the same cells made once."""
    books, modules = {}, {}

    def read(root):
        return books.get(root) or books.setdefault(root, read_book(root))

    def put_together(target, cells):
        key = target, tuple(id(cell) for _, cell in cells)
        if key not in modules:
            modules[key] = assemble(target, cells)
        return copy.copy(modules[key])

    monkeypatch.setattr(routes, "read_book", read)
    monkeypatch.setattr(writing, "read_book", read)
    monkeypatch.setattr(assembling, "assemble", put_together)
    return read


@pytest.mark.build
@pytest.mark.parametrize("route", ROUTES)
def test_every_snapshot_of_the_book_imports(root, tmp_path, route, remembered):
    book = remembered(root)
    seen = {}
    for section in SECTIONS:
        folder = tmp_path / section
        assert snapshot(root, section, folder, route) == 0
        texts = {
            p.relative_to(folder).as_posix(): p.read_text()
            for p in folder.rglob("*.py")
        }
        seen[section] = set(texts)
        done = subprocess.run(
            [sys.executable, "-c", IMPORT_ALL], cwd=folder, text=True,
            capture_output=True,
        )
        assert done.returncode == 0, f"{section} {route}: {done.stderr}"
        assert done.stdout == ""
    order = [s for s in sections(book, route) if s in SECTIONS]
    for before, after in zip(order, order[1:], strict=False):
        assert seen[before] <= seen[after]
    assert "zerobook/svm.py" not in seen["1.1.3"]
    assert "zerobook/press/reading.py" in seen["1.0.1"]


def test_a_snapshot_holds_its_section_and_not_the_next(zigzag, tmp_path):
    root = zigzag(
        s111=[cell("A = 1", "zerobook/m.py")],
        s112=[cell("B = 2", "zerobook/m.py")],
        s121=[cell("C = 3", "zerobook/m.py")],
    )

    def names(section, route):
        out = tmp_path / f"{section}-{route}"
        assert snapshot(root, section, out, route) == 0
        text = (out / "zerobook/m.py").read_text()
        assert (out / "zerobook/plumbing.py").exists()
        return [line[0] for line in text.splitlines() if " = " in line]

    assert names("1.1.1", "straight") == ["A"]
    assert names("1.1.2", "straight") == ["A", "B"]
    assert names("1.2.1", "straight") == ["A", "B", "C"]
    assert names("1.2.1", "parallel") == ["A", "C"]
    assert names("1.1.2", "parallel") == ["A", "B", "C"]


def test_an_unknown_section_is_refused_and_the_known_are_named(
    zigzag, tmp_path, capsys
):
    assert snapshot(zigzag(), "7.1", tmp_path / "out") == 3
    assert "1.2.2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


BUILD = cell("def f():\n    return 1", "zerobook/m.py")
WAYS = {
    "import": "from zerobook.m import f",
    "renamed": "from zerobook.m import f as g",
    "module": "import zerobook.m\n\nzerobook.m.f()",
    "module renamed": "import zerobook.m as m\n\nm.f()",
    "from the package": "from zerobook import m\n\nm.f()",
    "inside a function": "def g():\n    from zerobook.m import f\n    f()",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_use_before_its_time_is_found_however_it_is_written(zigzag, way):
    use = cell(WAYS[way])
    assert check_routes(read_book(zigzag(s111=[BUILD], s112=[use]))) == []
    early = check_routes(read_book(zigzag(s111=[use], s112=[BUILD])))
    assert early and early[0].path == "book/s111.md"
    lines = zigzag(s111=[use], s112=[BUILD]) / "book/s111.md"
    line = lines.read_text().splitlines()[early[0].line - 1]
    assert "zerobook" in line or "m.f" in line


def test_one_route_alone_is_enough_for_a_complaint(zigzag):
    use = cell("from zerobook.m import f")
    (late,) = check_routes(read_book(zigzag(s112=[BUILD], s121=[use])))
    assert "parallel" in late.message
    (late,) = check_routes(read_book(zigzag(s121=[BUILD], s112=[use])))
    assert "straight" in late.message


def test_a_tangled_cell_may_not_lean_on_a_later_section_of_its_module(zigzag):
    user = cell("def g():\n    return f()", "zerobook/m.py")
    (late,) = check_routes(read_book(zigzag(s111=[user], s112=[BUILD])))
    assert "zerobook.m.f is built in 1.1.2" in late.message


def test_given_parts_are_met_from_the_start_and_previews_are_free(zigzag):
    pipe = cell("from zerobook.plumbing import pipe")
    future = cell("from zerobook.m import f", tags="preview")
    book = read_book(zigzag(s01=[pipe, future], s19=[BUILD]))
    assert check_routes(book) == []


def test_a_name_that_no_chapter_builds_is_found(zigzag):
    book = read_book(zigzag(s111=[BUILD], s112=[
        cell("from zerobook.m import ff"), cell("from zerobook import q")]))
    found = [p.message for p in check_routes(book)]
    assert found == ["no chapter builds zerobook.m.ff",
                     "no chapter builds zerobook.q"]


def test_a_package_offers_what_its_init_imports(zigzag):
    build = [cell("class A:\n    pass", "zerobook/nn/m.py"),
             cell("from zerobook.nn.m import A", "zerobook/nn/__init__.py")]
    use = cell("from zerobook import nn\n\nnn.A()\n")
    assert check_routes(read_book(zigzag(s111=build, s112=[use]))) == []
    late = check_routes(read_book(zigzag(s111=[use], s112=build)))
    assert "zerobook.nn.A is built in 1.1.2" in late[-1].message


def test_a_name_bound_again_by_another_library_is_no_use(zigzag):
    book = read_book(zigzag(s111=[BUILD], s112=[
        cell("from zerobook import m"), cell("import numpy as m\n\nm.pi")]))
    assert check_routes(book) == []


def test_running_finds_what_reading_cannot(zigzag, capsys):
    sly = cell("import importlib\n\nm = importlib.import_module("
               "'zero' + 'book.m')\nm.f()")
    root = zigzag(s112=[BUILD], s121=[sly], s122=[cell("1 + 1")])
    assert check(root, run=False) == 0
    assert check(root) == 3
    said = capsys.readouterr().out
    assert "book/s121.md: book/s121.md:6: ModuleNotFoundError" in said
    assert "book/s122.md: ok" in said
