"""Flow matching: solvers against closed forms, two roads to a Gaussian,
guidance, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook.models.diffusion import ddim_step
from zerobook.models.flow import SOLVERS, FlowMatching, euler_step
from zerobook.nn import ConditionalMLP
from zerobook.training import fit_by_loss

MEAN = np.array([1.0, -0.5])
ROOT = np.array([[0.9, 0.2], [0.2, 0.5]])  # symmetric, of the covariance
COST = {"euler": 1, "heun": 2, "rk4": 4}


def exact_velocity(x, t, y=None):
    """The mean velocity when the data are the Gaussian of MEAN and ROOT."""
    t, = set(t)
    S, eye = ROOT @ ROOT, np.eye(2)
    total = (1 - t) ** 2 * eye + t**2 * S
    slope = (t * S - (1 - t) * eye) @ np.linalg.inv(total)
    return MEAN + (x - t * MEAN) @ slope.T


# ---- solvers


@pytest.mark.parametrize("name", SOLVERS)
@given(a=st.floats(-3, 3), t=st.floats(0, 1), h=st.floats(0, 0.3))
def test_a_step_is_the_exponentials_series_as_far_as_its_order(name, a, t, h):
    terms = [1, a * h, (a * h) ** 2 / 2, (a * h) ** 3 / 6, (a * h) ** 4 / 24]
    step = SOLVERS[name](lambda x, t: a * x, 1.0, t, h)
    np.testing.assert_allclose(step, sum(terms[: COST[name] + 1]), rtol=1e-9)


@pytest.mark.parametrize("name", SOLVERS)
def test_twice_the_steps_shrink_the_error_as_the_order_says(name):
    def walk(steps):
        x = 1.0
        for k in range(steps):  # dx/dt = -2 t x: a Gaussian bell
            x = SOLVERS[name](
                lambda x, t: -2 * t * x, x, k / steps, 1 / steps)
        return abs(x - np.exp(-1))

    assert abs(np.log2(walk(32) / walk(64)) - COST[name]) < 0.25


@pytest.mark.parametrize("name", SOLVERS)
def test_a_constant_velocity_is_walked_exactly_in_one_step(name):
    x = SOLVERS[name](lambda x, t: np.full_like(x, 4.0), np.zeros(3), 0, 1)
    np.testing.assert_allclose(x, 4.0)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_looks_as_often_as_it_says(name):
    looks = []
    SOLVERS[name](lambda x, t: looks.append(t) or x, 1.0, 0.5, 0.25)
    assert len(looks) == COST[name] and set(looks) <= {0.5, 0.625, 0.75}


@settings(max_examples=30)
@given(t=st.floats(0, 0.98), h=st.floats(0.001, 0.02),
       seed=st.integers(0, 99))
def test_an_euler_step_keeps_the_noise_as_ddim_does_on_its_path(t, h, seed):
    # the same idea on two paths: guess both ends, stand nearer to the data
    x, velocity = np.random.default_rng(seed).standard_normal((2, 4, 3))
    x0, noise = x + (1 - t) * velocity, x - t * velocity
    ours = euler_step(lambda x, t: velocity, x, t, h)
    s = t + h
    np.testing.assert_allclose(ours, s * x0 + (1 - s) * noise, atol=1e-9)
    # divided by the length of (t, 1 - t) the straight path is a turn

    def turned(t, x):
        return x / np.hypot(t, 1 - t)

    bars = [t**2 / (t**2 + (1 - t) ** 2) for t in (t, s)]
    np.testing.assert_allclose(
        ddim_step(turned(t, x), x0, *bars), turned(s, ours), atol=1e-9)


# ---- two roads: with the exact velocity, samples are the Gaussian


@pytest.mark.parametrize("solver, steps, close", [
    ("euler", 400, 0.03), ("heun", 50, 1e-3), ("rk4", 50, 1e-6),
])
def test_the_exact_field_of_a_gaussian_shifts_and_stretches(
        solver, steps, close):
    model = FlowMatching(exact_velocity, 2)
    noise = np.random.default_rng(0).standard_normal((500, 2))
    x = model.sample(500, solver=solver, steps=steps, rng=0)
    np.testing.assert_allclose(x, MEAN + noise @ ROOT, atol=close)


def test_mean_and_covariance_come_out():
    x = FlowMatching(exact_velocity, 2).sample(20_000, rng=0)
    np.testing.assert_allclose(x.mean(axis=0), MEAN, atol=0.03)
    np.testing.assert_allclose(np.cov(x.T), ROOT @ ROOT, atol=0.03)


def test_one_stride_of_the_exact_field_lands_on_the_mean():
    x = FlowMatching(exact_velocity, 2).sample(
        9, steps=1, solver="euler", rng=0)
    np.testing.assert_allclose(x, np.tile(MEAN, (9, 1)), atol=1e-12)


def test_no_network_beats_the_exact_velocity():
    class Answer:
        n_classes = 0

        def __init__(self, f):
            self.f = f

        def __call__(self, x, t, y=None):
            rows = [self.f(x[k : k + 1], t[k : k + 1]) for k in range(len(x))]
            return np.concatenate(rows)

    data = MEAN + np.random.default_rng(0).standard_normal((3000, 2)) @ ROOT
    best = FlowMatching(Answer(exact_velocity), 2).loss(data, rng=1).item()
    for nudge in (lambda x, t: 0 * x + 0.2, lambda x, t: 0.2 * x):
        worse = FlowMatching(Answer(
            lambda x, t, nudge=nudge: exact_velocity(x, t) + nudge(x, t)
        ), 2).loss(data, rng=1).item()
        assert worse > best + 0.005


# ---- classes and guidance


@pytest.fixture(scope="module")
def net():
    net = ConditionalMLP(3, 16, 1, n_classes=4, rng=0, dtype="float64")
    rng = np.random.default_rng(1)
    for p in net.outer.parameters():  # a fresh one answers 0
        p.data[...] = rng.standard_normal(p.shape)
    return net


def test_guidance_zero_ignores_the_classes_and_one_asks_for_them(net):
    model = FlowMatching(net, 3, bounds=(-2, 2))
    free = model.sample(6, steps=3, rng=0)
    y = np.arange(6) % 4
    np.testing.assert_array_equal(
        model.sample(6, y, guidance=0, steps=3, rng=0), free)
    asked = FlowMatching(lambda x, t, _: net(x, t, y), 3, bounds=(-2, 2))
    np.testing.assert_array_equal(
        model.sample(6, y, steps=3, rng=0), asked.sample(6, steps=3, rng=0))
    assert np.abs(free).max() <= 2


def test_chance_ends_with_the_first_noise(net):
    model = FlowMatching(net, 3)
    np.testing.assert_array_equal(
        model.sample(4, rng=7), model.sample(4, rng=7))
    start = np.random.default_rng(7).standard_normal((4, 3))
    *_, (t, end) = model.walk(start)
    assert t == 1
    np.testing.assert_array_equal(end, model.sample(4, rng=7))


def test_no_rows_are_no_trouble(net):
    assert FlowMatching(net, 3).sample(0, rng=0).shape == (0, 3)


# ---- learning


def test_a_network_that_knows_nothing_loses_what_the_card_says():
    model = FlowMatching(ConditionalMLP(5, 8, 1, rng=0), 5)
    x = 2 + np.random.default_rng(0).standard_normal((4000, 5))
    assert abs(model.loss(x, rng=1).item() - (1 + (x**2).mean()) / 2) < 0.05


def test_four_points_are_memorised():
    points = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=float)
    net = ConditionalMLP(2, 32, 2, n_classes=4, rng=0)
    model, curve = fit_by_loss(
        FlowMatching(net, 2), np.repeat(points, 32, axis=0),
        np.repeat(np.arange(4), 32), epochs=400, lr=1e-2, decay=0.98, rng=0)
    assert np.mean(curve[-50:]) < 0.3 < 0.8 < np.mean(curve[:5])
    y = np.arange(4).repeat(5)
    drawn = model.sample(20, y, rng=0)
    assert np.abs(drawn - points[y]).max() < 0.3


# ---- what is refused


@pytest.mark.parametrize("make, words", [
    (lambda: FlowMatching(None, 2, drop=-0.1), "drop must lie in 0 .. 1"),
    (lambda: FlowMatching(None, 2, bounds=(0, 0)), "bounds must rise"),
    (lambda: FlowMatching(None, 2).loss(np.zeros(3)), r"x \(3,\): want"),
])
def test_a_wrong_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("options, words", [
    ({"steps": 0}, "steps must be 1 or more: 0"),
    ({"solver": "ddim"}, "solver must be one of .*'ddim'"),
    ({"classes": 9}, "classes from 9 to 9: want 0 to 4"),
    ({"classes": [[1]]}, r"classes \(1, 1\): want one, or 3"),
])
def test_a_wrong_wish_is_named(net, options, words):
    with pytest.raises(ValueError, match=words):
        FlowMatching(net, 3).sample(3, rng=0, **options)
