"""zerobook.gradcheck: nudges against torch, and verdicts that must fail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook.gradcheck import gradcheck, numerical_gradient


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def affine(X, weight, bias):
    return X @ weight + bias


def affine_backward(g, X, weight):
    return g @ weight.T, X.T @ g, g.sum(axis=0)


AFFINE = draw(4, 3), draw(3, 2), draw(2)


def test_nudging_agrees_with_torch():
    torch = pytest.importorskip("torch")
    x = draw(3, 4)
    t = torch.tensor(x, requires_grad=True)
    (torch.sin(t) * torch.exp(t / 2)).sum().backward()
    nudged = numerical_gradient(lambda x: np.sin(x) * np.exp(x / 2), x)
    np.testing.assert_allclose(nudged, t.grad.numpy(), rtol=1e-8, atol=1e-9)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5),
    st.lists(st.floats(-3, 3), min_size=5, max_size=5),
)
def test_the_slope_of_a_linear_function_is_its_weights(x, weights):
    # no bend, so all that is left is rounding: values up to 1e7 carry 1e-9,
    # divided by a nudge of 6e-6 of the entry's size (at least 6e-6)
    w = np.array(weights[: len(x)])
    for i, slope in enumerate(numerical_gradient(lambda x: w * x, x)):
        assert slope == pytest.approx(w[i], abs=1e-8)


def test_the_input_is_left_as_it_was():
    x = draw(2, 2)
    before = x.copy()
    numerical_gradient(np.sin, x)
    assert (x == before).all()


def test_a_function_that_returns_its_very_input_has_slope_one():
    assert numerical_gradient(lambda x: x, [1.0, 2.0]) == pytest.approx(1)


def test_a_number_without_axes_is_nudged_too():
    slope = numerical_gradient(lambda x: x**3, 2.0)
    assert slope.shape == () and slope == pytest.approx(12)


def test_a_corner_has_the_mean_of_its_slopes():
    assert numerical_gradient(lambda x: np.maximum(x, 0), [0.0]) == 0.5


def test_the_step_may_be_chosen():
    # with h = 1 the bend of x**3 shows whole: ((x+1)**3 - (x-1)**3) / 2
    assert numerical_gradient(lambda x: x**3, [0.0], h=1.0) == [1.0]


def test_right_rules_pass():
    assert gradcheck(np.tanh, lambda g, x, y: g * (1 - y**2), draw(3, 2))
    assert gradcheck(affine, affine_backward, *AFFINE)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6))
def test_a_right_rule_passes_for_every_shape_and_seed(n, d, seed):
    X, weight = draw(n, d, seed=seed), draw(d, 3, seed=seed + 1)
    assert gradcheck(affine, affine_backward, X, weight, draw(3), rng=seed)


@pytest.mark.parametrize("k", range(3))
@pytest.mark.parametrize("factor", [-1, 2, 1.01, 0])
def test_a_wrong_factor_is_blamed_on_its_input(k, factor):
    def bent(g, X, weight):
        grads = list(affine_backward(g, X, weight))
        grads[k] = grads[k] * factor
        return tuple(grads)

    name = ("X", "weight", "bias")[k]
    with pytest.raises(AssertionError, match=rf"bent, input {k} \({name}\)"):
        gradcheck(affine, bent, *AFFINE)


def test_one_wrong_entry_is_named_with_both_numbers():
    def bent(g, X, weight):
        grads = affine_backward(g, X, weight)
        grads[1][2, 1] *= 3
        return grads

    with pytest.raises(AssertionError) as verdict:
        gradcheck(affine, bent, *AFFINE)
    lines = str(verdict.value).splitlines()
    assert lines[0].endswith("1 of 6 slopes are wrong")
    assert len(lines) == 2 and "entry (2, 1)" in lines[1]
    assert lines[1].endswith("ratio 3")


def test_a_nan_is_a_wrong_slope():
    with pytest.raises(AssertionError, match="backward says nan"):
        gradcheck(np.sin, lambda g, x: x * np.nan, draw(2))


def test_a_long_report_shows_the_five_worst():
    with pytest.raises(AssertionError) as verdict:
        gradcheck(np.sin, lambda g, x: x + 7, draw(50))
    assert len(str(verdict.value).splitlines()) == 6


def test_a_wrong_shape_is_told_apart_from_a_wrong_value():
    def forgot_to_sum(g, X, weight):
        return g @ weight.T, X.T @ g, g

    with pytest.raises(AssertionError, match=r"shape \(2,\).*\(4, 2\)"):
        gradcheck(affine, forgot_to_sum, *AFFINE)


def test_more_gradients_than_inputs_are_an_error():
    with pytest.raises(AssertionError, match="2 gradients, 1 inputs"):
        gradcheck(np.sin, lambda g, x: (g * np.cos(x), g), draw(2))


def test_a_rule_that_ignores_g_is_caught():
    with pytest.raises(AssertionError):
        gradcheck(np.sin, lambda g, x: np.cos(x), draw(4))
    with pytest.raises(AssertionError):  # a loss: g is a single number
        gradcheck(lambda x: 0.5 * np.sum(x**2), lambda g, x: x, draw(4))


def test_a_rule_of_zeros_is_caught_though_the_outputs_sum_to_one():
    def shares(x):
        return np.exp(x) / np.exp(x).sum()

    with pytest.raises(AssertionError):
        gradcheck(shares, lambda g, x: np.zeros_like(x), draw(3))


def test_targets_need_no_gradient_and_may_be_integers():
    def picked(scores, target):
        return -scores[np.arange(len(target)), target].mean()

    def picked_backward(g, scores, target):
        grad = np.zeros_like(scores)
        grad[np.arange(len(target)), target] = -g / len(target)
        return grad

    assert gradcheck(picked, picked_backward, draw(3, 4), np.array([0, 3, 1]))


def test_none_stands_for_an_input_without_gradient():
    def scale(factor, x):
        return factor * x

    assert gradcheck(scale, lambda g, a, x: (None, g * a), 3, draw(2))


def test_arguments_with_a_default_are_left_alone():
    def leak(x, slope=0.1):
        return np.where(x > 0, x, slope * x)

    def leak_backward(g, x, y, slope=0.1):
        return g * np.where(x > 0, 1, slope)

    assert gradcheck(leak, leak_backward, np.array([-1.0, 2.0]))


def test_float32_is_refused_by_name():
    with pytest.raises(TypeError, match=r"input 0.*float32.*float64"):
        gradcheck(np.cos, lambda g, x: g, draw(2).astype(np.float32))


def test_integers_cannot_be_nudged():
    with pytest.raises(TypeError, match="int64"):
        gradcheck(np.cos, lambda g, x: g, np.arange(3))


def test_a_function_with_dice_inside_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="random"):
        gradcheck(lambda x: x + rng.normal(), lambda g, x: g, draw(2))


def test_the_same_seed_gives_the_same_verdict():
    def verdict(rng):
        with pytest.raises(AssertionError) as raised:
            gradcheck(np.sin, lambda g, x: g, draw(3), rng=rng)
        return str(raised.value)

    assert verdict(5) == verdict(np.random.default_rng(5)) != verdict(6)
