"""Sigmoid and softmax against PyTorch and SciPy, nudges, and for all inputs."""

import numpy as np
import pytest
from oracles import oracle, torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from zerobook import activations
from zerobook.gradcheck import gradcheck

special = oracle("scipy.special")
rng = np.random.default_rng(0)
Z = rng.normal(size=(5, 4)) * 3
ORACLES = {
    "sigmoid": lambda x: torch.sigmoid(x),
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
}
each = pytest.mark.parametrize("name", ORACLES)
rows = arrays(float, (3, 4), elements=st.floats(-1e6, 1e6))


def pair(name):
    return getattr(activations, name), getattr(activations, name + "_backward")


@each
def test_value_and_gradient_are_pytorchs(name):
    f, backward = pair(name)
    x = torch.tensor(Z, requires_grad=True)
    y = ORACLES[name](x)
    g = torch.tensor(rng.normal(size=Z.shape))
    y.backward(g)
    np.testing.assert_allclose(f(Z), y.detach().numpy(), rtol=1e-13)
    ours = backward(g.numpy(), Z, f(Z))
    np.testing.assert_allclose(ours, x.grad.numpy(), rtol=1e-12, atol=1e-14)


@each
def test_gradient_survives_nudging(name):
    assert gradcheck(*pair(name), Z)


@each
def test_float32_stays_float32(name):
    f, backward = pair(name)
    x = Z.astype(np.float32)
    y = f(x)
    assert y.dtype == backward(np.ones_like(x), x, y).dtype == np.float32


@each
def test_no_size_overflows(name):
    f, backward = pair(name)
    x = np.array([[-1e300, 0.0, 1e300], [1e4, -1e4, 1e4]])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = f(x)
        grad = backward(np.ones_like(x), x, y)
    assert not np.isnan(y).any() and not np.isnan(grad).any()


@each
def test_not_a_number_is_passed_on(name):
    f, _ = pair(name)
    assert np.isnan(f(np.array([np.nan, 1.0]))[0])


def test_sigmoid_keeps_its_digits_far_out():
    # 1 / (1 + exp(-x)) and tanh forms lose them to cancellation or overflow
    x = np.array([-700.0, -100.0, -40.0, -1e-9, 0.0, 30.0])
    np.testing.assert_allclose(
        activations.sigmoid(x), special.expit(x), rtol=1e-14, atol=0
    )


def test_sigmoid_takes_numbers_and_integers():
    assert activations.sigmoid(0.0) == 0.5
    assert activations.sigmoid(np.array([-1, 1])).sum() == 1.0
    assert activations.sigmoid(np.array([-np.inf, np.inf])).tolist() == [0, 1]


def test_log_softmax_is_exact_where_softmax_rounds_to_zero():
    x = np.array([0.0, 800.0])
    assert activations.softmax(x)[0] == 0
    assert activations.log_softmax(x).tolist() == [-800.0, 0.0]


def test_softmax_works_along_any_axis():
    x = rng.normal(size=(2, 3, 4))
    for f, backward in (pair("softmax"), pair("log_softmax")):
        y, g = f(x, axis=1), rng.normal(size=x.shape)
        last = f(x.swapaxes(1, 2))
        assert np.allclose(y, last.swapaxes(1, 2))
        grad = backward(g, x, y, axis=1)
        want = backward(g.swapaxes(1, 2), x.swapaxes(1, 2), last)
        assert np.allclose(grad, want.swapaxes(1, 2))


@given(arrays(float, 5, elements=st.floats(-1e6, 1e6)))
def test_sigmoid_of_the_opposite_is_the_other_probability(x):
    assert np.allclose(activations.sigmoid(x) + activations.sigmoid(-x), 1)


@given(rows)
def test_softmax_is_a_distribution(x):
    p = activations.softmax(x)
    assert (p >= 0).all() and np.allclose(p.sum(axis=-1), 1)
    assert np.allclose(np.exp(activations.log_softmax(x)), p)


@given(rows, st.floats(-1e3, 1e3))
def test_softmax_ignores_a_constant_added_to_all_scores(x, c):
    # 1e6 + c rounds at 1e-10, which is what the tolerance allows for
    assert np.allclose(
        activations.softmax(x + c), activations.softmax(x), atol=1e-8
    )


@given(arrays(float, 5, elements=st.floats(-500, 500)))
def test_two_roads_softmax_of_two_is_the_sigmoid_of_their_difference(x):
    two = activations.softmax(np.stack([np.zeros_like(x), x], axis=-1))
    assert np.allclose(two[:, 1], activations.sigmoid(x), atol=1e-15)
