"""Losses against PyTorch, nudges, and what must hold for every input."""

import numpy as np
import pytest
from oracles import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zerobook import losses
from zerobook.gradcheck import gradcheck

finite = st.floats(-50, 50)
logits_2d = arrays(float, (4, 3), elements=finite)
rng = np.random.default_rng(0)
Z = rng.normal(size=(6, 4)) * 5
CLASSES = rng.integers(0, 4, size=6)
YES = rng.integers(0, 2, size=(6, 4)).astype(float)

# One row a loss: ours, its gradient, PyTorch's, prediction, target.
TABLE = {
    "squared_error": (lambda F, a, b: 0.5 * F.mse_loss(a, b), Z, YES),
    "binary_cross_entropy": (
        lambda F, a, b: F.binary_cross_entropy_with_logits(a, b), Z, YES
    ),
    "cross_entropy": (lambda F, a, b: F.cross_entropy(a, b), Z, CLASSES),
}
each_loss = pytest.mark.parametrize("name", TABLE)


@each_loss
def test_value_and_gradient_are_pytorchs(name):
    oracle, y_hat, y = TABLE[name]
    y_hat_t = torch.tensor(y_hat, requires_grad=True)
    loss = oracle(torch.nn.functional, y_hat_t, torch.tensor(y))
    loss.backward()
    assert np.isclose(getattr(losses, name)(y_hat, y), loss.item(), rtol=1e-12)
    ours = getattr(losses, name + "_backward")(1.0, y_hat, y)
    np.testing.assert_allclose(ours, y_hat_t.grad.numpy(), atol=1e-14)


@each_loss
def test_gradient_survives_nudging(name):
    _, y_hat, y = TABLE[name]
    f, backward = getattr(losses, name), getattr(losses, name + "_backward")
    assert gradcheck(lambda a: f(a, y), lambda g, a: backward(g, a, y), y_hat)


@each_loss
def test_float32_stays_float32(name):
    _, y_hat, y = TABLE[name]
    y_hat = y_hat.astype(np.float32)
    # squared error has no integer targets; the others must not be widened
    y = y.astype(np.float32) if name == "squared_error" else y
    loss = getattr(losses, name)(y_hat, y)
    grad = getattr(losses, name + "_backward")(1.0, y_hat, y)
    assert loss.dtype == grad.dtype == np.float32
    assert loss.shape == ()


@each_loss
def test_inputs_are_left_as_they_were(name):
    _, y_hat, y = TABLE[name]
    before = y_hat.copy(), y.copy()
    getattr(losses, name)(y_hat, y)
    getattr(losses, name + "_backward")(2.0, y_hat, y)
    assert np.array_equal(y_hat, before[0]) and np.array_equal(y, before[1])


def test_a_know_nothing_model_pays_the_logarithm_of_the_choices():
    assert np.isclose(losses.cross_entropy(np.zeros((5, 7)), [0] * 5), np.log(7))
    zeros = np.zeros(5)
    assert np.isclose(losses.binary_cross_entropy(zeros, zeros), np.log(2))


def test_certain_and_wrong_costs_the_size_of_the_logit():
    z = np.array([-1000.0, 1000.0])
    assert losses.binary_cross_entropy(z, np.array([1, 0])) == 1000
    assert losses.binary_cross_entropy(z, np.array([0, 1])) == 0
    assert losses.cross_entropy(np.array([[0.0, 1000.0]]), [0]) == 1000
    with np.errstate(over="raise", invalid="raise"):
        grad = losses.cross_entropy_backward(1.0, np.array([[0, 1e4]]), [0])
    assert grad.tolist() == [[-1.0, 1.0]]


def test_cross_entropy_takes_any_leading_axes():
    z = rng.normal(size=(2, 3, 5))
    y = rng.integers(0, 5, size=(2, 3))
    flat = losses.cross_entropy(z.reshape(6, 5), y.ravel())
    assert np.isclose(losses.cross_entropy(z, y), flat)
    grad = losses.cross_entropy_backward(1.0, z, y)
    want = losses.cross_entropy_backward(1.0, z.reshape(6, 5), y.ravel())
    assert np.allclose(grad.reshape(6, 5), want)


def test_the_loss_of_logarithms_is_pytorchs_and_saves_a_softmax():
    F = torch.nn.functional
    log_p = F.log_softmax(torch.tensor(Z), dim=-1)
    theirs = F.nll_loss(log_p, torch.tensor(CLASSES)).item()
    assert np.isclose(losses.nll_loss(log_p.numpy(), CLASSES), theirs)
    plain = losses.cross_entropy_backward(1.0, Z, CLASSES)
    kept = losses.cross_entropy_backward(1.0, Z, CLASSES, log_p.numpy())
    np.testing.assert_allclose(kept, plain, atol=1e-14)
    again = losses.cross_entropy_backward(1.0, Z, CLASSES, log_p.numpy())
    np.testing.assert_array_equal(kept, again)  # log_p is left as it was


def test_targets_outside_the_classes_are_refused():
    z = np.zeros((2, 3))
    for wrong in ([0, 3], [-1, 0], [0.0, 1.0]):
        with pytest.raises(IndexError):
            losses.cross_entropy(z, wrong)
        with pytest.raises(IndexError):
            losses.cross_entropy_backward(1.0, z, wrong)
    with pytest.raises(ValueError, match="targets"):
        losses.cross_entropy(z, [0, 1, 2])
    with pytest.raises(ValueError, match="targets"):
        losses.cross_entropy(z, [[0], [1]])


@given(logits_2d)
def test_two_roads_two_classes_by_sigmoid_or_by_softmax(z):
    # softmax over (0, z) is the sigmoid of z, so the losses must be one
    z = z[:, 0]
    y = (z > 1).astype(int)
    pair = np.column_stack([np.zeros_like(z), z])
    binary = losses.binary_cross_entropy(z, y)
    assert np.isclose(losses.cross_entropy(pair, y), binary, atol=1e-12)


@given(logits_2d, st.floats(-100, 100))
def test_cross_entropy_ignores_a_constant_added_to_all_scores(z, c):
    y = np.array([0, 1, 2, 0])
    assert np.isclose(
        losses.cross_entropy(z + c, y), losses.cross_entropy(z, y), atol=1e-10
    )
    grad = losses.cross_entropy_backward(1.0, z, y)
    assert np.allclose(grad.sum(axis=1), 0)  # so its slope has no such part


@given(logits_2d)
def test_losses_are_never_negative(z):
    assert losses.cross_entropy(z, [0, 1, 2, 0]) >= 0
    assert losses.binary_cross_entropy(z, z > 0) >= 0


# -- kind: the type and the shape of what comes in never change the answer ---

EVERY = {
    "squared_error": ([0, 3, 100], [100, 0, 100]),
    "binary_cross_entropy": ([0, 3, 100], [1, 0, 1]),
    "hinge": ([0, 3, 100], [1, 1, 1]),
    "cross_entropy": ([[0, 100, 3], [100, 0, 100]], [0, 1]),
    "nll_loss": ([[0, 100, 3], [100, 0, 100]], [0, 1]),
}
TYPES = [np.uint8, np.int8, np.int32, np.int64, np.uint64, np.float16]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", EVERY)
def test_a_loss_and_its_gradient_are_right_for_every_type(name, dtype):
    y_hat, y = map(np.array, EVERY[name])
    indices = name in ("cross_entropy", "nll_loss")
    kind = np.uint8 if dtype == np.float16 and indices else dtype
    for function in (name, name + "_backward"):
        f = getattr(losses, function, None)
        if f is None:
            continue  # nll_loss has no rule of its own
        g = (1.0,) if function.endswith("backward") else ()
        right = f(*g, y_hat.astype(float), y)
        ours = f(*g, y_hat.astype(dtype), y.astype(kind))
        np.testing.assert_allclose(ours, right, rtol=1e-12)


def test_boolean_classes_are_no_mask():
    z, y = np.log([[0.9, 0.1], [0.9, 0.1]]), np.array([True, True])
    assert np.isclose(losses.cross_entropy(z, y), -np.log(0.1))
    grad = losses.cross_entropy_backward(1.0, z, y)
    np.testing.assert_allclose(grad, [[0.45, -0.45]] * 2)


@pytest.mark.parametrize("name", ["squared_error", "binary_cross_entropy", "hinge"])
@pytest.mark.parametrize("backward", ["", "_backward"])
def test_shapes_that_would_broadcast_are_refused(name, backward):
    f, g = getattr(losses, name + backward), (1.0,) if backward else ()
    for y_hat, y in (((3, 1), (3,)), ((3,), (3, 1)), ((), (3,)), ((3,), (1,))):
        with pytest.raises(ValueError, match="targets .* for predictions"):
            f(*g, np.ones(y_hat), np.ones(y))


def test_sides_of_a_hinge_are_minus_or_plus_one():
    with pytest.raises(ValueError, match="-1 or"):
        losses.hinge(np.array([1.0, 2.0]), np.array([0, 1]))
