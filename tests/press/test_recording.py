"""Recorded runs: what makes a record stale, and how it comes about."""

import ast
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.press.conftest import cell, chapter
from zerobook.press import execute, recording
from zerobook.press.assembling import assemble_all
from zerobook.press.reading import Page, read_book
from zerobook.press.writing import tangle

ROOT = Path(__file__).parents[2]

LIBRARY = """
import numpy as np

SCALE = 2.0


def add(a, b):
    return a + b


def subtract(a, b):
    return add(a, -b)


class Tensor:
    def __init__(self, data):
        self.data = data


def __mul__(self, other):
    return Tensor(self.data * other.data * SCALE)


def minus(self, other):
    return Tensor(subtract(self.data, other.data))


Tensor.__mul__ = __mul__
Tensor.minus = minus
"""
EXPERIMENT = """
import numpy as np

from zerobook.tables import total


def run(say=print, steps=3):
    say("begin")
    curve = [total([step, 1]) for step in range(steps)]
    return {"curve": curve, "last": np.float64(curve[-1]),
            "arrays": {"curve": np.array(curve, np.float32)}}
"""


def forget():
    """A new process would not remember these."""
    for module in (execute, recording):
        for function in vars(module).values():
            getattr(function, "cache_clear", lambda: None)()


@pytest.fixture
def world(make_book):
    """A small book with a library, a run and the whole press."""
    root = make_book({
        "library": chapter(
            "1.1 Library",
            cell(LIBRARY, "zerobook/numbers.py"),
            cell("from zerobook.numbers import add, subtract\n\n\n"
                 "def total(row):\n    return add(*row)\n\n\n"
                 "def gap(row):\n    return subtract(*row)",
                 "zerobook/tables.py"),
        ),
        "sums": chapter(
            "1.2 Sums", cell(EXPERIMENT, "zerobook/runs/sums.py")
        ),
    })
    assert tangle(root) == 0
    for name in ("press", "safetensors.py", "runs/__init__.py",
                 "git_lfs.py"):
        copy = shutil.copytree if name == "press" else shutil.copyfile
        copy(ROOT / "zerobook" / name, root / "zerobook" / name)
    forget()
    return root


def edit(root, file, old, new):
    """Replace a text that is there, in a chapter, and tangle."""
    path = root / file
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    if file.startswith("book/"):
        texts = read_book(root)
        assert not texts.problems
        for target, module in assemble_all(texts.pages).items():
            if target in ("zerobook/runs/sums.py",
                          "zerobook/numbers.py"):
                (root / target).write_text(module.text)
    forget()


def run(root, *names):
    heard = []
    code = recording.run_all(root, names, heard.append)
    forget()
    return code, heard


def keep(root):
    """A record as a run would write it, without the run."""
    page = recording.programs(root)["sums"]
    known = recording.facts("sums", page, root)
    arrays = {"curve": np.arange(1, 4, dtype=np.float32)}
    results = {"curve": [1, 2, 3], "last": 3.0}
    recording.write_record(root / "runs/sums.json", known | {
        "seconds": 0.1, "cpu_seconds": 0.1}, results, arrays)
    forget()


def check(root):
    heard = []
    return recording.check(root, heard.append), heard


# What a run depends on -------------------------------------------------------


def test_a_run_makes_a_record_that_holds_and_runs_no_more(world, capfd):
    code, heard = check(world)
    assert code == 1 and len(heard) == 1
    assert "runs/sums.json: it is missing; `make runs R=sums`" in heard[0]
    assert run(world) == (0, ["sums: running (1.2 Sums)"])
    assert "begin" in capfd.readouterr().out
    assert check(world) == (0, [])
    assert run(world) == (0, [])
    kept = json.loads((world / "runs/sums.json").read_text())
    assert kept["results"] == {"curve": [1, 2, 3], "last": 3.0}
    assert (kept["section"], kept["page"]) == ("1.2", "book/sums.md")
    assert kept["versions"].keys() >= {"numpy"}
    assert set(kept["parts"]) == {
        "zerobook/git_lfs.py", "zerobook/runs/__init__.py",
        "zerobook/runs/sums.py",
        "zerobook/numbers.py",
        "zerobook/tables.py",
    }


def test_a_named_run_runs_in_any_case_and_says_the_same(world):
    run(world)
    first = json.loads((world / "runs/sums.json").read_text())
    arrays = (world / "runs/sums.safetensors").read_bytes()
    os.utime(world / "runs/sums.json", (0, 0))
    assert run(world, "sums")[0] == 0
    assert (world / "runs/sums.json").stat().st_mtime > 0
    again = json.loads((world / "runs/sums.json").read_text())
    for key in ("seconds", "cpu_seconds", "date"):
        del first[key], again[key]
    assert again == first
    assert (world / "runs/sums.safetensors").read_bytes() == arrays


@pytest.mark.parametrize(("file", "old", "new", "stale"), [
    ("book/library.md", "a + b", "b + a", ["zerobook/numbers.py"]),
    ("book/library.md", "a + b", "a + b  # both", []),
    ("book/library.md", "return a + b", '"""A sum."""\n    return a + b', []),
    ("book/library.md", "# 1.1 Library", "# 1.1 Library\n\nProse.", []),
    ("book/library.md", "add(a, -b)", "add(-b, a)", ["zerobook/numbers.py"]),
    ("book/library.md", "SCALE = 2.0", "SCALE = 3.0", ["zerobook/numbers.py"]),
    ("book/sums.md", "steps=3", "steps=4", ["zerobook/runs/sums.py"]),
    ("book/sums.md", "1.2 Sums", "1.3 Sums", []),
])
def test_a_record_is_stale_by_what_a_reached_file_does_not_what_it_says(
    world, file, old, new, stale
):
    keep(world)
    edit(world, file, old, new)
    code, heard = check(world)
    assert code == bool(stale)
    assert [line.split(": ")[1].split(" ")[0] for line in heard] == stale


@settings(max_examples=25)
@given(st.lists(st.sets(st.integers(0, 7)), min_size=8, max_size=8))
def test_what_is_reached_is_what_could_be_imported(tmp_path_factory, calls):
    # each way of importing: at the top, in a function, by another name
    ways = ("from zerobook import m{}", "from zerobook.m{} import X as y",
            "def f():\n    import zerobook.m{} as m", "import zerobook.m{}")
    root = tmp_path_factory.mktemp("calls")
    files = {f"m{k}.py": "X = 1\n" + "\n\n\n".join(
        ways[(j + k) % 4].format(j) for j in sorted(js))
        for k, js in enumerate(calls)}
    files |= {"__init__.py": "from zerobook import m7", "runs/__init__.py": "",
              "runs/x.py": "from zerobook import m0"}
    for name, content in files.items():
        path = root / "zerobook" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    could, new = set(), {0, 7}
    while new - could:
        could |= new
        new = set().union(*(calls[k] for k in could))
    parts = recording.ingredients("x", Page("book/x.md"), root)
    assert parts.keys() == {f"zerobook/m{k}.py" for k in could} | {
        "zerobook/runs/x.py", "zerobook/runs/__init__.py"}


def test_a_file_and_a_record_that_the_run_names_count(world):
    (world / "book" / "data.csv").write_text("1\n")
    edit(world, "book/sums.md", 'say("begin")',
         'say("begin"), open("book/data.csv").close()')
    keep(world)
    (world / "book" / "data.csv").write_text("2\n")
    assert "book/data.csv has changed" in check(world)[1][0]

    edit(world, "book/sums.md", "from zerobook.tables import total",
         "from zerobook import runs\nfrom zerobook.tables "
         "import total\n\n\nOTHER = 'first', 'sums'")
    (world / "runs" / "first.json").write_text('{"results": 1}')
    keep(world)
    page = read_book(world).pages[1]
    assert recording.doubts("sums", page, world) == []
    (world / "runs" / "first.json").write_text('{"results": 2}')
    assert recording.doubts("sums", page, world) == [
        "runs/first.json has changed"
    ]


def test_syntax_trees_are_written_alike_by_every_python():
    # 3.12 finds an empty string at the end of such a format
    assert "\"''\"" not in repr(execute.essence(ast.parse("f'{x:{w}}'")))
    # 3.13 leaves empty fields out of ast.dump, 3.12 adds type_params
    assert execute.essence(ast.parse("def f(): pass").body[0]) == (
        "FunctionDef",
        [("name", "'f'"), ("args", ("arguments", [])),
         ("body", [("Pass", [])])],
    )


def test_every_run_of_the_book_names_libraries_and_has_a_run(root):
    for name in recording.programs(root):
        tree = ast.parse(recording.source(name, root).read_text())
        functions = {n.name: n for n in tree.body
                     if isinstance(n, ast.FunctionDef)}
        assert functions["run"].args.args[0].arg == "say", name
        assert len(functions["run"].args.defaults) == len(
            functions["run"].args.args
        ), f"{name}: run() must work without arguments"
        assert isinstance(recording.lacking(name, root), list)


# Bad records -----------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "", "{", "[]", "7", "{}", '{"parts": 1, "digest": "", "arrays": null}',
])
def test_a_damaged_record_is_stale_with_a_reason(world, text):
    keep(world)
    (world / "runs/sums.json").write_text(text)
    code, heard = check(world)
    assert code == 1 and "it is no record" in heard[0]


def test_a_digest_that_somebody_typed_is_not_believed(world):
    keep(world)
    path = world / "runs/sums.json"
    kept = json.loads(path.read_text())
    kept["parts"]["zerobook/numbers.py"] = "0" * 12
    path.write_text(json.dumps(kept))
    assert "digest is not that of its parts" in check(world)[1][0]


def test_a_record_without_program_is_told(world):
    keep(world)
    for name in ("gone.json", ".sums.json.7.tangle-tmp", "sums.csv"):
        (world / "runs" / name).write_text("{}")
    code, heard = check(world)
    assert code == 1 and len(heard) == 3
    assert all("belongs to no program" in line for line in heard)


def test_checking_writes_nothing(world):
    before = sorted(world.rglob("*"))
    assert check(world)[0] == 1
    assert sorted(world.rglob("*")) == before


# Running ---------------------------------------------------------------------


def test_a_failing_run_leaves_the_old_record(world):
    keep(world)
    before = (world / "runs/sums.json").read_text()
    edit(world, "book/sums.md", 'say("begin")', "raise ValueError(steps)")
    code, heard = run(world)
    assert code == 1 and "failed, and no record was written" in heard[-1]
    assert (world / "runs/sums.json").read_text() == before
    assert check(world)[0] == 1


@pytest.mark.parametrize(("result", "words"), [
    ("{'a': {'b': [float('nan')]}}", "results['a']['b']"),
    ("{'a': np.ones(3)}", "arrays belong under 'arrays'"),
    ("{'a': {1, 2}}", "JSON has no set"),
])
def test_what_json_lacks_is_refused_with_its_place(
    world, capfd, result, words
):
    edit(world, "book/sums.md", 'say("begin")', f"return {result}")
    assert run(world)[0] == 1
    assert words in capfd.readouterr().err
    assert not list((world / "runs").glob("*"))


def test_a_run_killed_midway_writes_nothing(world):
    edit(world, "book/sums.md", 'say("begin")',
         'say("begin"), __import__("time").sleep(60)')
    command = [sys.executable, "-c", recording.START, "sums"]
    child = subprocess.Popen(
        command, cwd=world, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(world), "PYTHONUNBUFFERED": "1"},
    )
    assert b"begin" in child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (world / "runs").exists()
    assert check(world)[0] == 1


def test_a_kill_between_the_two_files_is_seen(world, monkeypatch):
    keep(world)

    def killed(path, text):
        raise KeyboardInterrupt

    monkeypatch.setattr(recording, "replace", killed)
    path = world / "runs/sums.json"
    before = path.read_text()
    with pytest.raises(KeyboardInterrupt):
        recording.write_record(path, {}, {}, {"curve": np.zeros(3)})
    assert path.read_text() == before
    assert "sums.safetensors is not the one that the run wrote" in check(
        world
    )[1][0]


def test_arrays_that_a_run_no_longer_makes_are_removed(world):
    keep(world)
    text = '"arrays": {"curve": np.array(curve, np.float32)}'
    edit(world, "book/sums.md", text, '"arrays": {}')
    assert run(world)[0] == 0
    assert not (world / "runs/sums.safetensors").exists()
    assert check(world) == (0, [])


def test_a_run_that_needs_a_library_is_passed_over(world):
    edit(world, "book/sums.md", "def run(",
         "NEEDS = ('no_such_library',)\nVERB = 'make elsewhere'\n\n\ndef run(")
    code, heard = run(world)
    assert code == 0
    assert heard == ["sums: passed over, no_such_library not installed; "
                     "`make elsewhere` runs it"]
    assert run(world, "sums")[0] == 1
    code, heard = check(world)
    assert code == 1 and "`make elsewhere` renews it" in heard[0]


def test_an_unknown_name_is_refused_and_the_known_are_named(world):
    code, heard = run(world, "summs")
    assert code == 3 and "sums" in heard[0]


def test_two_runs_at_once_leave_one_whole_record(world):
    command = [sys.executable, "-c", recording.START, "sums"]
    start = functools.partial(
        subprocess.Popen, command, cwd=world,
        env={**os.environ, "PYTHONPATH": str(world)},
    )
    children = [start(), start()]
    assert [child.wait() for child in children] == [0, 0]
    assert check(world) == (0, [])


def test_the_verb_of_the_command_line_checks_and_runs(world, capfd):
    def zerobook(*words):
        command = [sys.executable, "-m", "zerobook", "runs", *words]
        command += ["--root", str(world)]
        return subprocess.run(command, cwd=ROOT).returncode

    assert zerobook("--check") == 1
    assert "it is missing" in capfd.readouterr().out
    assert zerobook() == zerobook("--check") == 0
    assert "running" in capfd.readouterr().out
    assert zerobook("nothing") == 3


# On a page -------------------------------------------------------------------


def digests(root):
    forget()
    return {p.path: execute.digest(p, root) for p in read_book(root).pages}


def test_a_changed_record_touches_the_pages_that_read_it_and_no_other(
    make_book,
):
    reads = 'from zerobook import runs\n\nruns.read("{}")'
    root = make_book({
        "one": chapter("1.1 One", cell(reads.format("first"))),
        "two": chapter("1.2 Two", cell(
            "from zerobook.runs import arrays\n\n"
            "[arrays(n) for n in ('first', 'second')]")),
        "three": chapter("1.3 Three", cell('"first"')),
    })
    (root / "runs").mkdir()
    for name in ("first.json", "second.json", "second.safetensors"):
        (root / "runs" / name).write_text("{}")
        before = digests(root)
        (root / "runs" / name).write_text('{"results": 1}')
        after = digests(root)
        touched = {p[5:-3] for p in after if after[p] != before[p]}
        assert touched == ({"one", "two"} if "first" in name else {"two"})


def test_a_bar_tells_of_the_record_over_the_cells_that_read_it(world):
    weave = pytest.importorskip("zerobook.press.weave")
    keep(world)
    text = cell("from zerobook import runs\nx = 'sums'")
    text += "\n" + cell("runs.read('sums')['results']") + "\n" + cell("x")
    from zerobook.press.reading import read_page

    page, _ = read_page("book/page.md", "# 1.3 A page\n\n" + text)
    assert isinstance(page, Page)
    first, second, third = weave.recorded(page, world)
    assert (len(first), len(second), len(third)) == (0, 1, 0)
    bar = weave.record_html(second[0])
    assert "recorded run" in bar and "make runs R=sums" in bar
    assert time.strftime("%Y-", time.gmtime()) in bar
