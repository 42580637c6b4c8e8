"""activations of section 1.2.2 against PyTorch, nudges and properties."""

import math

import numpy as np
import pytest
from oracles import torch
from hypothesis import given
from hypothesis import strategies as st

from zerobook import activations
from zerobook.gradcheck import gradcheck

TORCH = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "silu": torch.nn.functional.silu,
}
finite = st.floats(-50, 50, allow_nan=False)


def pair(name):
    return getattr(activations, name), getattr(activations, f"{name}_backward")


@pytest.mark.parametrize("name", TORCH)
def test_activation_and_gradient_agree_with_torch(name):
    f, f_backward = pair(name)
    # 0 is included: PyTorch's ReLU has slope 0 there, and so has ours
    x = np.concatenate([np.linspace(-30, 30, 121), [1e-9, -1e-9]])
    g = np.cos(np.arange(len(x)))
    x_t = torch.tensor(x, requires_grad=True)
    y_t = TORCH[name](x_t)
    y_t.backward(torch.tensor(g))
    y = f(x)
    np.testing.assert_allclose(y, y_t.detach().numpy(), rtol=1e-12, atol=1e-14)
    grad = x_t.grad.numpy()
    np.testing.assert_allclose(f_backward(g, x, y), grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", TORCH)
def test_gradient_agrees_with_nudges(name):
    f, f_backward = pair(name)
    # no entry within a nudge of 0, where ReLU has a corner
    x = np.array([[-3.0, -1.1, -0.4], [0.3, 0.9, 2.7]])
    assert gradcheck(f, f_backward, x)


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_and_shape_are_kept(name, dtype):
    f, f_backward = pair(name)
    x = np.linspace(-2, 2, 12, dtype=dtype).reshape(3, 4)
    y = f(x)
    dx = f_backward(np.ones_like(y), x, y)
    assert y.dtype == dx.dtype == dtype
    assert y.shape == dx.shape == x.shape


@pytest.mark.parametrize("name", TORCH)
def test_far_out_numbers_give_no_warning_and_no_nan(name):
    f, f_backward = pair(name)
    x = np.array([-1e4, -700.0, 700.0, 1e4])
    with np.errstate(all="raise", under="ignore"):
        y = f(x)
        dx = f_backward(np.ones_like(x), x, y)
    assert np.isfinite(y).all() and np.isfinite(dx).all()


@given(x=finite)
def test_gelu_differs_from_the_exact_form_by_less_than_the_docstring_says(x):
    exact = 0.5 * x * (1 + math.erf(x / math.sqrt(2)))
    assert abs(float(activations.gelu(np.float64(x))) - exact) < 0.0005


@given(x=finite)
def test_gates_obey_x_minus_mirror_image(x):
    # x * gate(x) with gate(-x) = 1 - gate(x), so f(x) - f(-x) = x
    x = np.float64(x)
    for name in ("relu", "gelu", "silu"):
        f = getattr(activations, name)
        assert f(x) - f(-x) == pytest.approx(x, abs=1e-12)
