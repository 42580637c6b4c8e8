"""What a reader can do with a page: open its cells, leave out its solutions.

The kinds: a cell that ran and cannot be read; a check that prints; an
exercise whose solution the
page itself leans on; a task whose check asks for a name it never states, or
accepts whatever was answered.
"""

import ast
import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from zerobook.press import site
from zerobook.press.exercises import SOLUTION, leaning, tasks, unsolved
from zerobook.press.reading import read_book, read_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = read_book(ROOT).pages
TEXTS = {p.path: (ROOT / p.path).read_text("utf8") for p in PAGES}
CHECKS = [path for path in TEXTS if path.endswith("/check.md")]

# A page whose code the reader gets only as a notebook, and why.
UNSEEN = {"book/index.md": "a title page: four pictures and no lesson"}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.path)
def test_whatever_ran_can_be_read_or_opened(page):
    gone = {"remove-input", "remove-cell", "remove_input", "remove_cell"}
    lines = [c.line for c in page.cells if gone & set(c.tags)]
    assert not lines or page.path in UNSEEN, lines


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.path)
def test_a_check_asserts_and_says_nothing_when_it_holds(page):
    for cell in page.cells:
        if "check" in cell.tags:
            nodes = list(ast.walk(ast.parse(cell.code)))
            assert any(isinstance(n, ast.Assert) for n in nodes), cell.line
            assert not any(map(is_loud, nodes)), cell.line
            shown = isinstance(ast.parse(cell.code).body[-1], ast.Expr)
            assert not shown, cell.line


def is_loud(node):
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    aside = any(k.arg == "file" for k in node.keywords)
    return name in ("print", "display", "show") and not aside


@pytest.mark.parametrize("path", TEXTS)
def test_a_page_runs_without_its_solutions(path):
    assert leaning(TEXTS[path]) == []


@pytest.mark.parametrize("path", TEXTS)
def test_a_page_without_its_solutions_shows_none_of_them(path):
    text = unsolved(TEXTS[path])
    assert not SOLUTION.search(text)
    kept = {c.code for c in read_page(path, text)[0].cells}
    for task in tasks(TEXTS[path]).values():
        assert task.words, f"{task.label} solves no exercise of this page"
        assert not kept & {c.code for c in task.answer}


@pytest.mark.parametrize("path", CHECKS)
def test_the_default_notebook_of_a_check_has_gaps_that_are_judged(path):
    text = unsolved(TEXTS[path])
    notebook = json.loads(site.notebook(read_page(path, text)[0], text))
    words = "\n".join(c["source"] for c in notebook["cells"]
                      if c["cell_type"] == "markdown")
    assert "Solution" not in words
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    known = [t for t in tasks(TEXTS[path]).values() if t.answer]
    empty = [k for k, c in enumerate(code) if c["source"] == "# Your answer."]
    assert len(empty) == len(known) >= 11
    for k, task in zip(empty, known, strict=True):  # its check, which may fail
        assert code[k + 1]["source"] == task.checks[0].code
        assert code[k + 1]["metadata"]["tags"] == ["raises-exception"]


def test_there_is_a_check_at_the_end_of_each_chapter():
    assert len(CHECKS) >= 3
    for path in CHECKS:
        assert len(tasks(TEXTS[path])) == 12


def every_task():
    return [
        pytest.param(path, task, id=f"{Path(path).parent.name}-{label}")
        for path in CHECKS
        for label, task in tasks(TEXTS[path]).items()
        if task.checks
    ]


@pytest.mark.parametrize(("path", "task"), every_task())
def test_a_task_states_the_names_that_its_check_asks_for(path, task):
    assert task.asked, "the check asks for nothing of the reader's"
    assert task.asked <= task.stated


@pytest.mark.parametrize(("path", "task"), every_task())
def test_a_wrong_answer_to_any_part_of_a_task_fails(path, task, outside):
    given = outside(path, task)
    for cell in task.answer:
        run(cell, given)
    for cell in task.checks:
        run(cell, dict(given))
    for name in sorted(task.asked):
        for wrong in mistakes(given[name]):
            with pytest.raises(Exception):  # noqa: B017, PT011
                for cell in task.checks:
                    run(cell, {**given, name: wrong})


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """What stands on a page before a task, without any solution."""
    known, home = {}, os.getcwd()
    os.chdir(tmp_path_factory.mktemp("page"))

    def before(path, task):
        page = read_page(path, unsolved(TEXTS[path]))[0]
        first = task.checks[0].code
        names = known.setdefault(path, {"__name__": "__main__"})
        for cell in page.cells:
            if cell.code == first:
                break
            if "gap" not in cell.tags and ("ran", cell.line) not in names:
                run(cell, names)
                names["ran", cell.line] = True
        return dict(names)

    yield before
    os.chdir(home)


def run(cell, names):
    """Run a cell; what it prints goes nowhere."""
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(cell.code, f"{cell.page}:{cell.line}", "exec"), names)


def mistakes(value):
    """Wrong answers of the right kind."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, np.integer)):
        return [value + 1]
    if isinstance(value, str):
        return [value[::-1] + "?"]
    if isinstance(value, bytes):
        return [value + b"?"]
    if isinstance(value, dict):
        some = list(value.items())
        return [dict([*some[:k], (some[k][0], wrong), *some[k + 1:]])
                for k in range(len(some)) for wrong in mistakes(some[k][1])]
    if isinstance(value, set):
        return [value | {"?"}, set(sorted(value)[1:])]
    if isinstance(value, (tuple, list)) and not all(
            isinstance(v, (int, float, np.number)) for v in value):
        return [type(value)([*value[:k], wrong, *value[k + 1:]])
                for k in range(len(value)) for wrong in mistakes(value[k])]
    if callable(value):
        return [spoilt(value)]
    if value is None:
        return [0.5]
    return [np.asarray(value) * 1.1 + 0.1]


def spoilt(function):
    def wrong(*args, **kwargs):
        return again(function(*args, **kwargs))

    def again(value):
        if isinstance(value, tuple):
            return tuple(again(v) for v in value)
        return value * 0.9 + 0.01

    return wrong
