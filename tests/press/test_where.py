"""Every name and every line leads back to its page."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import zipfile

import pytest

import zerobook
from tests.press.conftest import cell, chapter
from zerobook.press import where as search
from zerobook.press.assembling import assemble
from zerobook.press.reading import read_book
from zerobook.press.where import by_line, places, users, where


def test_every_definition_of_the_book_is_found_at_its_line(root):
    book = read_book(root)
    known = places(book)
    assert len(known) > 200
    lines = {p.path: (root / p.path).read_text().split("\n")
             for p in book.pages}
    for (_, name), place in known.items():
        last = name.split(".")[-1]
        near = "\n".join(lines[place.page][place.line - 1 : place.line + 2])
        assert last in near, (name, place)


def test_every_line_of_the_package_leads_to_the_line_it_came_from(
    root, monkeypatch
):
    book, made = read_book(root), {}

    def once(target, cells):  # not for each line anew
        return made.get(target) or made.setdefault(
            target, assemble(target, cells))

    monkeypatch.setattr(search, "assemble", once)
    for path in sorted((root / "zerobook").glob("*.py")):
        lines = path.read_text().splitlines()
        for number in range(2, len(lines) + 1, 29):
            text = lines[number - 1]
            if not text.strip() or text.strip().startswith("# %%"):
                continue
            ((_, place),) = by_line(book, path, number)
            chapter_lines = (root / place.page).read_text().split("\n")
            told = chapter_lines[place.line - 1]
            attached = re.match(r"[A-Z]\w*\.\w+.* = ", told)
            indented = "    " + told
            assert text in (told, indented) or attached, (path, number)


def test_a_name_may_be_given_in_full_or_by_its_end(make_book):
    root = make_book({
        "one": chapter("1.1 One", cell("def f():\n    pass", "zerobook/a.py")),
        "two": chapter("1.2 Two", cell("def f():\n    pass", "zerobook/b.py")),
    })
    assert [name for name, _ in where("f", root)] == [
        "zerobook.a.f", "zerobook.b.f"]
    for name in ("a.f", "zerobook.a.f"):
        ((full, place),) = where(name, root)
        assert full == "zerobook.a.f"
        assert place == ("1.1", "1.1 One", "book/one.md", 9)
    assert [p.page for _, p in where("zerobook.b", root)] == ["book/two.md"]


def test_objects_know_where_they_were_built(root):
    from zerobook.linear_model import LinearRegression

    ((name, place),) = where(LinearRegression, root)
    assert name == "zerobook.linear_model.LinearRegression"
    assert place.section == "1.1.2"
    assert where(LinearRegression(), root) == where(LinearRegression, root)
    ((name, _),) = where(LinearRegression().predict, root)
    assert name.endswith("LinearRegression.predict")
    assert where(zerobook.linear_model, root)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("no_such_thing", "no chapter builds"),
        (len, "not from zerobook"),
        ("zerobook/losses.py:99999", "lines 1 to"),
        ("elsewhere/losses.py:3", "no file of zerobook"),
        ("zerobook/nothing.py:3", "no chapter writes"),
    ],
)
def test_what_the_book_does_not_build_is_refused_in_words(root, thing, words):
    with pytest.raises(ValueError, match=words):
        where(thing, root)


def test_a_stale_module_is_answered_with_its_signpost(make_book):
    from zerobook.press.writing import tangle

    root = make_book({"one": chapter(
        "1.1 One", cell("x = 1", "zerobook/a.py"))})
    tangle(root)
    path = root / "zerobook/a.py"
    path.write_text(path.read_text().replace("x = 1", "# mine\nx = 1"))
    ((_, place),) = where(f"{path}:5", root)
    assert (place.page, place.line) == ("book/one.md", 1)


def test_users_are_the_other_pages_in_order(make_book):
    root = make_book({
        "one": chapter("1.1 A", cell("def f():\n    pass", "zerobook/a.py")),
        "two": chapter("1.2 B", cell("from zerobook.a import f\n\n"
                                     "def g():\n    f()", "zerobook/a.py")),
        "three": chapter("1.3 C", cell("from zerobook import a\n\na.f()")),
        "four": chapter("1.4 D", cell("from zerobook.a import f",
                                      tags="preview")),
    })
    found = users(read_book(root))
    assert [p.section for p in found["zerobook.a", "f"]] == ["1.2", "1.3"]
    assert ("zerobook.a", "g") not in found


# Names as users type them. The kind: a name that Python finds and `where`
# does not, because a module passes it on, a class inherits it, or a user
# shortens it.


def public_names():
    """(dotted name, object) of all that a module of the package offers."""
    for module in pkgutil.walk_packages(zerobook.__path__, "zerobook."):
        if module.name.split(".")[1] in ("interop", "press", "__main__"):
            continue  # what they import need not be installed
        held = importlib.import_module(module.name)
        for name, thing in vars(held).items():
            home = getattr(thing, "__module__", None) or ""
            ours = home.startswith("zerobook.") and not home.startswith(
                "zerobook.press")
            if ours and not name.startswith("_") and (
                    inspect.isclass(thing) or inspect.isfunction(thing)):
                yield f"{module.name}.{name}"


def test_every_name_that_a_module_offers_is_found(root, monkeypatch):
    book = read_book(root)
    known, imports = places(book), search.passed_on(book)
    monkeypatch.setattr(search, "places", lambda book: known)
    monkeypatch.setattr(search, "passed_on", lambda book: imports)
    names = list(public_names())
    assert len(names) > 500 and "zerobook.nn.Linear" in names
    for name in names:
        for typed in (name, name.removeprefix("zerobook.")):
            ((full, place),) = search.by_name(book, typed)
            assert full.split(".")[-1] == place_name(root, place), typed


def place_name(root, place):
    """The name that the chapter binds at a place."""
    lines = (root / place.page).read_text("utf8").split("\n")
    text = next(line for line in lines[place.line - 1 :]
                if not line.startswith("@"))
    return re.match(r"(?:def |class )?([\w.]+)", text)[1].split(".")[-1]


@pytest.mark.parametrize("typed, full", [
    ("nn.Linear", "zerobook.nn.linear.Linear"),
    ("zerobook.nn.Linear", "zerobook.nn.linear.Linear"),
    ("nn.ReLU", "zerobook.nn.linear.ReLU"),
    ("nn.LSTM", "zerobook.nn.recurrent.LSTM"),
    ("nn.Module", "zerobook.nn.module.Module"),
    ("nn.Linear.forward", "zerobook.nn.linear.Linear.forward"),
    ("F.relu", "zerobook.functional.relu"),
    ("training.Module", "zerobook.nn.module.Module"),
])
def test_a_name_is_found_as_it_is_imported(root, typed, full):
    ((found, _),) = where(typed, root)
    assert found == full


def test_an_inherited_name_is_found_in_the_class_that_has_it(root):
    ((found, _),) = where("nn.Linear.parameters", root)
    assert found.startswith("zerobook.nn.module.")


def test_a_file_is_found_from_inside_the_package(root, monkeypatch):
    whole = where("zerobook/losses.py:30", root)
    assert where("losses.py:30", root) == whole
    monkeypatch.chdir(root / "zerobook")
    assert where("losses.py:30", root) == whole
    monkeypatch.chdir(root / "zerobook" / "nn")
    ((target, _),) = where("linear.py:30", root)
    assert target == "zerobook/nn/linear.py"


def test_where_works_from_an_installed_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "zerobook", "where", "linear_model.LinearRegression"],
        cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert "1.1.2" in done.stdout and "book/foundations/linear_models.md:" in \
        done.stdout
