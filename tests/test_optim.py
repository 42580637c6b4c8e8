"""Update rules: torch.optim is the oracle, bowls are the second road."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook import nn, optim
from zerobook.autograd import Tensor
from zerobook.datasets import load_diabetes
from zerobook.linear_model import LinearRegression
from zerobook.losses import squared_error_backward
from zerobook.nn import Parameter
from zerobook.optim import (
    SGD,
    adam_update,
    minibatches,
    momentum_update,
    sgd_update,
)

BETAS, EPS = (0.8, 0.95), 1e-6
# name: torch's optimiser, our update, arrays of state
RULES = {
    "sgd": (
        lambda torch, p: torch.optim.SGD(p, lr=0.05),
        lambda w, g, t, **k: sgd_update(w, g, lr=0.05, **k),
        0,
    ),
    "momentum": (
        lambda torch, p: torch.optim.SGD(p, lr=0.05, momentum=0.8),
        lambda w, g, v, t, **k: momentum_update(
            w, g, v, lr=0.05, momentum=0.8, **k
        ),
        1,
    ),
    "adam": (
        lambda torch, p: torch.optim.Adam(p, lr=0.05, betas=BETAS, eps=EPS),
        lambda w, g, m, v, t, **k: adam_update(
            w, g, m, v, t, lr=0.05, betas=BETAS, eps=EPS, **k
        ),
        2,
    ),
}


@pytest.mark.parametrize("lent", [False, True], ids=["fresh", "scratch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_thirty_steps_equal_torchs(rule, dtype, lent):
    torch = pytest.importorskip("torch")
    make, update, n_state = RULES[rule]
    rng = np.random.default_rng(0)
    ours = rng.normal(size=(4, 3)).astype(dtype)
    theirs = torch.tensor(ours, requires_grad=True)
    state = np.zeros((n_state, 4, 3), dtype)
    options = {"scratch": np.empty_like(ours)} if lent else {}
    optimizer = make(torch, [theirs])
    for t in range(1, 31):
        grad = rng.normal(size=(4, 3)).astype(dtype)
        theirs.grad = torch.from_numpy(grad.copy())
        optimizer.step()
        update(ours, grad, *state, t, **options)
    # float32 carries seven digits through thirty sums
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(
        ours, theirs.detach().numpy(), rtol=tolerance, atol=tolerance
    )
    assert ours.dtype == dtype


@pytest.mark.parametrize("rule", RULES)
def test_an_update_changes_its_arrays_in_place_and_never_the_slope(rule):
    _, update, n_state = RULES[rule]
    whole = np.ones((2, 5))
    view, grad = whole[1], np.full(5, 2.0)
    state = np.zeros((n_state, 5))
    assert update(view, grad, *state, 1) is None
    assert (whole[1] < 1).all() and (whole[0] == 1).all()
    assert (grad == 2).all()


@pytest.mark.parametrize("rule", RULES)
def test_with_scratch_nothing_of_the_size_of_the_weights_is_allocated(rule):
    _, update, n_state = RULES[rule]
    weight, grad, scratch = np.ones((3, 100_000))
    state = np.zeros((n_state, 100_000))
    update(weight, grad, *state, 1, scratch=scratch)
    tracemalloc.start()
    update(weight, grad, *state, 2, scratch=scratch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < weight.nbytes / 10


@given(
    st.floats(0.01, 100),
    st.floats(0.01, 3.0).filter(lambda f: abs(f - 2) > 0.05),
)
def test_two_over_the_curvature_is_the_border(curvature, fraction):
    weight = np.ones(1)
    for _ in range(300):
        sgd_update(weight, curvature * weight, lr=fraction / curvature)
    assert (abs(weight[0]) < 1) == (fraction < 2)


def test_momentum_with_nothing_to_remember_is_plain_descent():
    rng = np.random.default_rng(0)
    one, two, velocity = np.ones(3), np.ones(3), np.zeros(3)
    for _ in range(5):
        grad = rng.normal(size=3)
        sgd_update(one, grad, lr=0.1)
        momentum_update(two, grad, velocity, lr=0.1, momentum=0.0)
    assert (one == two).all()


@given(st.floats(1e-3, 1e3), st.floats(1e-4, 1.0))
def test_adams_first_step_has_the_length_of_its_rate(size, lr):
    weight, m, v = np.zeros((3, 2))
    adam_update(weight, np.array([size, -size]), m, v, 1, lr=lr)
    np.testing.assert_allclose(weight, [-lr, lr], rtol=2e-5)


def test_adam_does_not_care_about_the_unit_of_the_loss():
    rng = np.random.default_rng(0)
    one, two = np.zeros((2, 4))
    state = np.zeros((2, 2, 4))
    for t in range(1, 20):
        grad = rng.normal(size=4)
        adam_update(one, grad, *state[0], t, lr=0.1, eps=0.0)
        adam_update(two, 1024 * grad, *state[1], t, lr=0.1, eps=0.0)
    np.testing.assert_allclose(one, two, rtol=1e-12)


@pytest.mark.parametrize("rule", ["plain", "momentum"])
def test_descent_meets_the_closed_form(rule):
    X, y = load_diabetes()
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()
    bend = np.linalg.eigvalsh(X.T @ X / len(X))
    root = np.sqrt(bend[-1] / bend[0])
    lr, momentum, steps = 2 / (bend[0] + bend[-1]), 0.0, 6000
    if rule == "momentum":
        lr = 4 / (np.sqrt(bend[0]) + np.sqrt(bend[-1])) ** 2
        momentum, steps = ((root - 1) / (root + 1)) ** 2, 400
    weight, velocity = np.zeros((2, 10))
    for _ in range(steps):
        grad = X.T @ squared_error_backward(1.0, X @ weight, y)
        momentum_update(weight, grad, velocity, lr=lr, momentum=momentum)
    best = LinearRegression().fit(X, y).coef_
    np.testing.assert_allclose(weight, best, atol=1e-6)


@given(st.integers(0, 50), st.integers(1, 60), st.integers(0, 10**6))
def test_batches_visit_every_row_once(n, size, seed):
    batches = list(minibatches(n, size, rng=seed))
    assert sorted(np.concatenate([[], *batches])) == list(range(n))
    assert all(len(rows) == size for rows in batches[:-1])


def test_epochs_differ_when_one_generator_goes_through_them():
    rng = np.random.default_rng(0)
    one, two = (list(minibatches(50, 50, rng=rng))[0] for _ in range(2))
    assert (one != two).any()
    again = list(minibatches(50, 50, rng=0))[0]
    assert (again == one).all()


@pytest.mark.parametrize("size", [0, -3])
def test_a_batch_without_rows_is_refused(size):
    with pytest.raises(ValueError, match="batch_size"):
        list(minibatches(10, size, rng=0))


def test_a_warm_up_begins_above_zero_and_the_floor_is_kept():
    factor = optim.warmup_cosine(4, 10, 0.1)
    assert [factor(k) for k in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert [factor(k) for k in (10, 11, 16, 99)] == [0.1] * 4


def test_an_infinite_gradient_is_told_and_not_clipped_to_nan():
    p = nn.Parameter(np.zeros(2))
    p.grad = np.array([np.inf, 1.0], p.dtype)
    assert optim.clip_grad_norm_([p], 1.0) == np.inf
    assert p.grad.tolist() == [np.inf, 1.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["row", "own", "other", "frozen"])
def test_finite_sees_every_gradient_wherever_it_lies(bad, where):
    a, b = (Parameter(np.ones(3, np.float32)) for _ in "ab")
    optimizer = SGD([a, b])
    assert optimizer.finite()  # there are none
    (a * b).sum().backward()
    assert optimizer.finite()
    if where == "own":  # an array that is not in the row
        b.grad = b.grad.copy()
    elif where == "other":  # the row of a second optimizer
        SGD([b])
        b.grad = None
        (a * b).sum().backward()
    elif where == "frozen":
        a.grad = None
    b.grad[1] = bad
    assert not optimizer.finite()
    b.grad[1] = 1e30  # its square is too large for float32
    assert optimizer.finite()


def test_a_gradient_of_an_earlier_step_is_not_asked():
    a, b = (Parameter(np.ones(3, np.float32)) for _ in "ab")
    optimizer = SGD([a, b])
    (a * b).sum().backward()
    b.grad[0] = np.nan
    optimizer.zero_grad()
    (a * 2).sum().backward()
    assert optimizer.finite()


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6))
def test_the_short_cut_counts_steps_as_the_long_way_does(used):
    """All gradients in the row is one piece; what lacks one stays behind."""
    params = {n: Parameter(np.ones(2, np.float32)) for n in "abc"}
    optimizer, counts = SGD(params.values(), lr=0.5), dict.fromkeys("abc", 0)
    for name in used:
        optimizer.zero_grad()
        names = "abc" if name == "c" else name
        sum((params[n] for n in names), Tensor([0.0, 0.0])).sum().backward()
        optimizer.step()
        for n in names:
            counts[n] += 1
    assert optimizer.steps == [[*counts.values()]]
    for n, p in params.items():
        assert p.data.tolist() == [1 - 0.5 * counts[n]] * 2

