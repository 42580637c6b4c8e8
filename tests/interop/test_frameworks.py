"""The comparison of frameworks: what the verb judges, and its own optimisers.

TensorFlow and JAX are not here; `make frameworks` runs them, and CI runs it.
"""

import argparse
import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook.commands import frameworks as command
from zerobook import nn
from zerobook.runs import frameworks
from zerobook.press import recording
from zerobook import runs


@pytest.fixture(scope="module")
def kept():
    return runs.read("frameworks")["results"]


def test_the_record_says_what_its_page_says(kept):
    assert command.faults(kept, kept) == []


def test_our_own_run_is_the_recorded_one(kept):
    losses, first, _ = frameworks.with_zerobook()
    assert np.allclose(losses, kept["losses"]["zerobook"], atol=1e-5, rtol=0)
    assert np.allclose(first[-1], kept["bias_gradient"]["zerobook"], atol=1e-6)


@pytest.mark.parametrize("name", ["zerobook", "keras", "jax"])
@pytest.mark.parametrize("change", [2e-5, math.nan])
def test_a_loss_that_is_not_the_recorded_one_is_named(kept, name, change):
    other = copy.deepcopy(kept)
    other["losses"][name][7] += change
    assert any(line.startswith(f"{name}: losses, from the record")
               for line in command.faults(kept, other))


@pytest.mark.parametrize("value", [1e-3, math.nan])
def test_a_gradient_that_is_not_ours_is_named(kept, value):
    other = copy.deepcopy(kept)
    other["first_gradient"]["jax"] = value
    assert any("jax: first gradient" in line
               for line in command.faults(other, kept))


def test_a_keras_that_changed_its_mind_about_epsilon_is_noticed(kept):
    other = copy.deepcopy(kept)
    other["losses"]["keras"] = other["losses"]["zerobook"]
    found = "\n".join(command.faults(other, other))
    assert "epsilon moved" in found and "no difference any more" in found


def options(root):
    return argparse.Namespace(root=root)


def test_without_the_libraries_the_verb_names_them_and_itself(
    root, monkeypatch, capsys
):
    monkeypatch.setattr(recording, "lacking", lambda *_: ["tensorflow", "jax"])
    assert command.frameworks(options(root)) == 1
    said = capsys.readouterr().out
    assert "tensorflow and jax" in said and "make frameworks" in said


@pytest.fixture
def libraries(monkeypatch, kept):
    """As if TensorFlow and JAX were here and gave what was recorded."""
    monkeypatch.setattr(recording, "lacking", lambda *_: [])
    monkeypatch.setattr(recording, "doubts", lambda *_: [])
    monkeypatch.setattr(frameworks, "run", lambda: kept)


def test_while_the_record_holds_the_run_is_held_against_it(
    root, libraries, capsys
):
    before = (root / "runs" / "frameworks.json").read_bytes()
    assert command.frameworks(options(root)) == 0
    assert (root / "runs" / "frameworks.json").read_bytes() == before
    assert "as recorded" in capsys.readouterr().out


def test_another_result_is_an_error_and_leaves_the_record(
    root, libraries, monkeypatch, kept, capsys
):
    other = copy.deepcopy(kept)
    other["losses"]["keras"][3] += 0.1
    monkeypatch.setattr(frameworks, "run", lambda: other)
    before = (root / "runs" / "frameworks.json").read_bytes()
    assert command.frameworks(options(root)) == 1
    assert (root / "runs" / "frameworks.json").read_bytes() == before
    assert "keras: losses, from the record" in capsys.readouterr().out


def test_a_stale_record_is_renewed(root, libraries, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(recording, "doubts", lambda *_: ["optim has changed"])
    monkeypatch.setattr(
        recording, "run_all", lambda root, names: asked.append(names) or 0)
    assert command.frameworks(options(root)) == 0
    assert asked == [("frameworks",)]
    assert "optim has changed" in capsys.readouterr().out


def test_batches_are_twenty_and_show_no_row_twice():
    found = frameworks.batches()
    assert len(found) == frameworks.STEPS
    rows = np.concatenate([X for X, _ in found])
    assert rows.shape == (1280, 64) and rows.dtype == np.float32
    known = {row.tobytes() for row in rows}
    assert len(known) > 1200  # a few digits are equal pixel for pixel


# ---- epsilon in its other place


@given(steps=st.integers(1, 5), seed=st.integers(0, 99),
       eps=st.sampled_from([1e-7, 1e-3, 1.0]))
def test_hat_adam_is_the_formula_with_the_corrections_in_the_rate(
    steps, seed, eps
):
    rng, (p, q) = np.random.default_rng(seed), (0.9, 0.999)
    w = rng.normal(size=4)
    parameter = nn.Parameter(w, dtype="float64")
    rule = frameworks.HatAdam([parameter], 0.1, (p, q), eps)
    m, v = np.zeros(4), np.zeros(4)
    for t in range(1, steps + 1):
        g = rng.normal(size=4)
        parameter.grad = g.copy()
        rule.step()
        m, v = p * m + (1 - p) * g, q * v + (1 - q) * g * g
        rate = 0.1 * math.sqrt(1 - q**t) / (1 - p**t)
        w = w - rate * m / (np.sqrt(v) + eps)
    assert np.allclose(parameter.data, w, rtol=1e-12, atol=1e-14)
    assert rule.param_groups[0]["eps"] == eps
    assert rule.param_groups[0]["lr"] == 0.1


def test_single_precision_moves_the_first_step_in_its_fifth_digit():
    moved = []
    for kind in (frameworks.HatAdam, frameworks.SingleHatAdam):
        parameter = nn.Parameter([0.0], dtype="float64")
        parameter.grad = np.ones(1)
        rule = kind([parameter], 1.0, (0.9, 0.999), 0.0)
        rule.step()
        moved.append(parameter.item())
        assert rule.param_groups[0]["lr"] == 1.0
    assert 5e-6 < abs(moved[1] / moved[0] - 1) < 5e-5
