"""The brakes of 1.2.4: dropout, weight decay, early stopping."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import torch

from zerobook.activations import tanh, tanh_backward
from zerobook.datasets import load_digits
from zerobook.gradcheck import gradcheck
from zerobook.losses import cross_entropy, cross_entropy_backward
from zerobook.neural_network import (
    DropoutLayer,
    EarlyStopping,
    LinearLayer,
    adam,
    backward,
    dropout,
    dropout_backward,
    forward,
    mlp,
    parameters,
    sgd,
    train_until,
    with_dropout,
    with_weight_decay,
)

RATES = st.floats(0, 0.95)


# -- the function ----------------------------------------------------------


@given(p=RATES, seed=st.integers(0, 10**6))
def test_an_entry_falls_or_grows_by_one_over_the_rest(p, seed):
    x = np.random.default_rng(0).normal(size=(6, 5))
    y, mask = dropout(x, p, rng=seed)
    np.testing.assert_allclose(y, np.where(mask == 0, 0, x / (1 - p)))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_mean_over_masks_is_the_input(p):
    x = np.tile([-2.0, 0.5, 3.0], (20_000, 1))
    y, _ = dropout(x, p, rng=0)
    error = np.abs(x[0]) * math.sqrt(p / (1 - p) / len(x))
    # five standard errors: a false alarm once in a million
    assert np.all(np.abs(y.mean(axis=0) - x[0]) < 5 * error)


def test_nothing_falls_at_p_zero():
    x = np.random.default_rng(0).normal(size=(4, 3))
    y, mask = dropout(x, 0.0, rng=0)
    assert np.array_equal(y, x) and np.all(mask == 1)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, math.nan])
def test_a_probability_outside_its_range_is_named(p):
    with pytest.raises(ValueError, match="p must lie in 0 <= p < 1"):
        dropout(np.ones(3), p, rng=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_dtype(dtype):
    y, mask = dropout(np.ones((2, 3), dtype), 0.3, rng=0)
    assert y.dtype == mask.dtype == dtype
    assert dropout_backward(np.ones((2, 3), dtype), mask).dtype == dtype


@given(p=RATES, seed=st.integers(0, 10**6))
def test_the_gradient_through_a_frozen_mask_agrees_with_nudges(p, seed):
    def frozen(x):
        return dropout(x, p, rng=seed)[0]

    def frozen_backward(g, x):
        return dropout_backward(g, dropout(x, p, rng=seed)[1])

    x = np.random.default_rng(1).normal(size=(3, 4))
    assert gradcheck(frozen, frozen_backward, x)


def test_values_and_gradient_are_torchs_for_torchs_mask():
    drop, x = torch.nn.Dropout(0.4), torch.randn(6, 8, dtype=torch.float64)
    torch.manual_seed(0)
    mask = drop(torch.ones_like(x)).numpy()
    torch.manual_seed(0)
    x.requires_grad_()
    y = drop(x)
    y.backward(torch.ones_like(y))
    np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy() * mask)
    np.testing.assert_allclose(
        x.grad.numpy(), dropout_backward(np.ones(x.shape), mask)
    )
    ours = dropout(np.ones(1000), 0.4, rng=0)[1]
    assert {round(v, 12) for v in set(ours)} == {0.0, round(1 / 0.6, 12)}


# -- as a layer ------------------------------------------------------------


def test_dropout_stands_behind_each_activation_and_shares_the_weights():
    net = mlp((4, 6, 5, 3), tanh, tanh_backward, rng=0)
    noisy = with_dropout(net, 0.5, rng=0)
    names = [type(layer).__name__ for layer in noisy]
    assert names == ["LinearLayer", "ActivationLayer", "DropoutLayer"] * 2 + [
        "LinearLayer"
    ]
    for theirs, ours in zip(parameters(noisy), parameters(net)):
        assert theirs is ours
    assert len(net) == 5


def test_each_pass_draws_a_new_mask_and_backward_uses_the_last():
    layer, x = DropoutLayer(0.5, rng=0), np.ones((20, 20))
    first, second = layer.forward(x), layer.forward(x)
    assert not np.array_equal(first, second)
    assert np.array_equal(layer.backward(x), second)
    # units fall row by row, not for the whole batch
    assert len({tuple(row) for row in second}) == 20


def test_a_whole_network_with_frozen_masks_agrees_with_nudges():
    net = mlp((4, 6, 5, 3), tanh, tanh_backward, rng=0)
    noisy = with_dropout(net, 0.4)

    def frozen(X):
        rng = np.random.default_rng(5)
        for layer in noisy:
            if isinstance(layer, DropoutLayer):
                layer.rng = rng
        return forward(noisy, X)

    def frozen_backward(g, X):
        frozen(X)
        return backward(noisy, g)

    X = np.random.default_rng(1).normal(size=(3, 4))
    assert gradcheck(frozen, frozen_backward, X)


# -- weight decay ----------------------------------------------------------


def test_decay_is_the_slope_of_the_penalty_and_spares_the_bias():
    rng = np.random.default_rng(0)
    layer = LinearLayer(rng.normal(size=(3, 2)), rng.normal(size=2))
    before = [p.copy() for p in parameters([layer])]
    layer.dweight, layer.dbias = np.zeros((3, 2)), np.zeros(2)
    with_weight_decay([layer], sgd([layer], lr=0.1), 0.5)()
    np.testing.assert_allclose(layer.weight, 0.95 * before[0])
    np.testing.assert_array_equal(layer.bias, before[1])


def test_decay_under_adam_is_torchs():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(8, 4)), rng.integers(0, 3, 8)
    net = mlp((4, 3), rng=0)
    twin = torch.nn.Linear(4, 3).double()
    with torch.no_grad():
        twin.weight.copy_(torch.tensor(net[0].weight.T))
        twin.bias.copy_(torch.tensor(net[0].bias))
    groups = [
        {"params": [twin.weight], "weight_decay": 0.3},
        {"params": [twin.bias]},
    ]
    theirs = torch.optim.Adam(groups, lr=0.05)
    ours = with_weight_decay(net, adam(net, lr=0.05), 0.3)
    for _ in range(3):
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(
            twin(torch.tensor(X)), torch.tensor(y)
        ).backward()
        theirs.step()
        logits = forward(net, X)
        backward(net, cross_entropy_backward(1.0, logits, y))
        ours()
    np.testing.assert_allclose(net[0].weight.T, twin.weight.detach().numpy())
    np.testing.assert_allclose(net[0].bias, twin.bias.detach().numpy())


# -- early stopping --------------------------------------------------------


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(1, 5)
)
def test_the_best_weights_come_back_whatever_the_losses(losses, patience):
    weights = [np.zeros(1)]
    brake = EarlyStopping(weights, patience=patience)
    for k, loss in enumerate(losses):
        weights[0][:] = k
        if brake.stop(loss):
            break
    seen = losses[: k + 1]
    brake.restore()
    assert brake.best == min(seen)
    assert weights[0][0] == np.argmin(seen)  # of equals, the first
    if k + 1 < len(losses):  # ended by patience, and never too soon
        assert k - np.argmin(seen) == patience


def test_an_improvement_within_tol_is_kept_but_does_not_buy_time():
    weights = [np.zeros(1)]
    brake = EarlyStopping(weights, patience=2, tol=0.5)
    assert [brake.stop(loss) for loss in (3.0, 2.9, 2.8)] == [False, False, True]
    assert brake.best == 2.8


def digits(n=200):
    X, y = load_digits()
    return X[:n] / 16, y[:n]


def test_the_loop_puts_back_the_pass_with_the_lowest_validation_loss():
    X, y = digits()
    net = mlp((64, 32, 10), rng=0)
    step = adam(net, lr=0.02)
    losses, watched = train_until(
        net, X[:100], y[:100], step, validation=(net, X[100:], y[100:]),
        epochs=60, patience=5, rng=0,
    )
    assert len(losses) == len(watched) < 60
    assert len(watched) - 1 - watched.argmin() == 5
    after = cross_entropy(forward(net, X[100:]), y[100:])
    assert after == pytest.approx(watched.min(), rel=1e-12)


def test_without_a_validation_part_the_last_weights_stay():
    X, y = digits(50)
    net = mlp((64, 16, 10), rng=0)
    losses, watched = train_until(
        net, X, y, adam(net, lr=0.01), epochs=5, batch_size=50, rng=0
    )
    assert np.array_equal(losses, watched) and len(losses) == 5
    # each loss was met before its step, so the last step makes it lower
    assert cross_entropy(forward(net, X), y) < losses[-1]


def test_a_training_that_diverges_says_so():
    X, y = digits(50)
    net = mlp((64, 16, 10), rng=0)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="diverged"):
        train_until(net, 1e8 * X, y, sgd(net, lr=1e300), epochs=9, rng=0)
