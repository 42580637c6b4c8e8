"""neural_network: layers, the loop, and the random hidden layer."""

import math

import numpy as np
import pytest
from oracles import oracle, torch
from hypothesis import given, settings
from hypothesis import strategies as st
from zerobook.activations import (
    gelu,
    gelu_backward,
    identity,
    identity_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    tanh,
    tanh_backward,
)
from zerobook.datasets import load_digits, make_moons
from zerobook.gradcheck import gradcheck
from zerobook.losses import cross_entropy, cross_entropy_backward
from zerobook.model_selection import train_test_split
from zerobook.neural_network import (
    ActivationLayer,
    LinearLayer,
    RandomLayerClassifier,
    adam,
    backward,
    forward,
    gradients,
    he_normal,
    linear,
    linear_backward,
    mlp,
    momentum,
    parameters,
    ridge_read_out,
    sgd,
    train,
    train_epoch,
    xavier_normal,
)
from zerobook.preprocessing import one_hot

ACTIVATIONS = {
    "identity": (identity, identity_backward, lambda: torch.nn.Identity()),
    "relu": (relu, relu_backward, lambda: torch.nn.ReLU()),
    "tanh": (tanh, tanh_backward, lambda: torch.nn.Tanh()),
    "sigmoid": (sigmoid, sigmoid_backward, lambda: torch.nn.Sigmoid()),
    "gelu": (
        gelu, gelu_backward, lambda: torch.nn.GELU(approximate="tanh")
    ),
    "silu": (silu, silu_backward, lambda: torch.nn.SiLU()),
}


# -- one-hot ---------------------------------------------------------------


@given(st.lists(st.integers(0, 8), min_size=1, max_size=20))
def test_one_hot_rows_sum_to_one_and_argmax_undoes_them(targets):
    table = one_hot(targets, 9)
    assert table.shape == (len(targets), 9)
    assert np.array_equal(table.sum(axis=1), np.ones(len(targets)))
    assert table.argmax(axis=1).tolist() == targets


def test_one_hot_agrees_with_torch_for_any_shape():
    targets = np.array([[0, 3], [2, 1]])
    theirs = torch.nn.functional.one_hot(torch.from_numpy(targets), 5)
    assert np.array_equal(one_hot(targets, 5), theirs.numpy())


@pytest.mark.parametrize("targets", [[0, 3], [-1, 0]])
def test_one_hot_refuses_a_class_outside_its_range(targets):
    # the range is promised: "If a class lies outside ``0 .. n_classes-1``"
    with pytest.raises(IndexError, match=r"0 \.\. 2"):
        one_hot(targets, 3)


# -- the random hidden layer -----------------------------------------------


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
def test_read_out_is_scikit_learns_ridge(alpha):
    rng = np.random.default_rng(0)
    H, T = rng.normal(size=(50, 20)) + 3, rng.normal(size=(50, 4))
    weight, bias = ridge_read_out(H, T, alpha)
    ridge = oracle("sklearn.linear_model").Ridge(alpha=alpha).fit(H, T)
    np.testing.assert_allclose(weight, ridge.coef_.T, atol=1e-10)
    np.testing.assert_allclose(bias, ridge.intercept_, atol=1e-10)


def test_read_out_has_an_answer_with_more_units_than_rows():
    rng = np.random.default_rng(0)
    H, T = rng.normal(size=(10, 40)), rng.normal(size=(10, 2))
    weight, bias = ridge_read_out(H, T, 1e-8)
    np.testing.assert_allclose(H @ weight + bias, T, atol=1e-5)


def test_the_unit_of_the_input_does_not_matter():
    X, y = make_moons(100, rng=0)
    small = RandomLayerClassifier(50, random_state=1).fit(X, y)
    large = RandomLayerClassifier(50, random_state=1).fit(1024 * X, y)
    scores = small.decision_function(X)
    np.testing.assert_allclose(scores, large.decision_function(1024 * X))


def test_random_layer_solves_moons_and_beats_the_straight_cut_on_digits():
    X, y = make_moons(400, noise=0.15, rng=0)
    net = RandomLayerClassifier(100, random_state=0).fit(X[:200], y[:200])
    assert net.score(X[200:], y[200:]) > 0.95
    X, y = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(X, y, rng=0)
    straight = RandomLayerClassifier(activation=identity, random_state=0)
    bent = RandomLayerClassifier(random_state=0)
    cut = straight.fit(X_train, y_train).score(X_test, y_test)
    assert bent.fit(X_train, y_train).score(X_test, y_test) > cut + 0.02


# -- layers ----------------------------------------------------------------


def test_linear_is_torchs_with_the_weight_transposed():
    rng = np.random.default_rng(0)
    X, weight, bias, g = (
        rng.normal(size=s) for s in ((5, 4), (4, 3), (3,), (5, 3))
    )
    X_t, W_t, b_t = (
        torch.tensor(a, requires_grad=True) for a in (X, weight.T, bias)
    )
    y_t = torch.nn.functional.linear(X_t, W_t, b_t)
    y_t.backward(torch.tensor(g))
    np.testing.assert_allclose(linear(X, weight, bias), y_t.detach().numpy())
    dX, dweight, dbias = linear_backward(g, X, weight)
    np.testing.assert_allclose(dX, X_t.grad.numpy())
    np.testing.assert_allclose(dweight, W_t.grad.numpy().T)
    np.testing.assert_allclose(dbias, b_t.grad.numpy())


def test_linear_backward_computes_what_is_wanted_and_where():
    rng = np.random.default_rng(0)
    g, X, weight = (rng.normal(size=s) for s in ((5, 2), (5, 3), (3, 2)))
    whole, room = linear_backward(g, X, weight), np.empty((3, 2))
    for k in range(3):
        wanted = [i == k for i in range(3)]
        parts = linear_backward(g, X, weight, wanted, out=room)
        assert [part is not None for part in parts] == wanted
        np.testing.assert_allclose(parts[k], whole[k], rtol=1e-12)
    dweight = linear_backward(g, X, weight, out=room)[1]
    assert dweight is room


@settings(deadline=None, max_examples=20)
@given(N=st.integers(1, 4), D=st.integers(1, 4), K=st.integers(1, 4))
def test_linear_backward_agrees_with_nudges_for_any_shape(N, D, K):
    rng = np.random.default_rng(0)
    inputs = (rng.normal(size=s) for s in ((N, D), (D, K), (K,)))
    assert gradcheck(linear, linear_backward, *inputs)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_backward_of_linear_is_its_transpose(seed):
    # <g, X W> = <dX, X>: a linear map and its backward are one matrix
    rng = np.random.default_rng(seed)
    X, weight = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    g = rng.normal(size=(3, 2))
    dX, dweight, _ = linear_backward(g, X, weight)
    forward_product = np.sum(g * linear(X, weight, 0.0))
    assert np.sum(dX * X) == pytest.approx(forward_product, abs=1e-9)
    assert np.sum(dweight * weight) == pytest.approx(forward_product, abs=1e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_whole_network_agrees_with_torch(name):
    f, f_backward, module = ACTIVATIONS[name]
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(7, 5)), rng.integers(0, 3, size=7)
    layers = mlp((5, 6, 4, 3), f, f_backward, rng=1)
    net = torch.nn.Sequential(
        torch.nn.Linear(5, 6),
        module(),
        torch.nn.Linear(6, 4),
        module(),
        torch.nn.Linear(4, 3),
    ).double()
    with torch.no_grad():
        for theirs, ours in zip(net.parameters(), parameters(layers)):
            theirs.copy_(torch.tensor(ours.T))
    loss_t = torch.nn.functional.cross_entropy(
        net(torch.tensor(X)), torch.tensor(y)
    )
    loss_t.backward()
    logits = forward(layers, X)
    assert cross_entropy(logits, y) == pytest.approx(loss_t.item(), rel=1e-12)
    backward(layers, cross_entropy_backward(1.0, logits, y))
    for theirs, ours in zip(net.parameters(), gradients(layers)):
        np.testing.assert_allclose(ours.T, theirs.grad.numpy(), atol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradient_by_the_input_agrees_with_nudges(name):
    f, f_backward, _ = ACTIVATIONS[name]
    layers = mlp((4, 5, 5, 2), f, f_backward, rng=0)

    def net_backward(g, X):
        forward(layers, X)
        return backward(layers, g)

    X = np.random.default_rng(1).normal(size=(3, 4))
    assert gradcheck(lambda X: forward(layers, X), net_backward, X)


def test_gradients_stand_in_the_order_of_the_parameters():
    layers = mlp((4, 6, 3), rng=0)
    backward(layers, forward(layers, np.ones((2, 4))))
    shapes = [p.shape for p in parameters(layers)]
    assert shapes == [(4, 6), (6,), (6, 3), (3,)]
    assert [g.shape for g in gradients(layers)] == shapes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_keeps_its_dtype_through_training(dtype):
    layers = mlp((4, 6, 3), rng=0, dtype=dtype)
    X = np.ones((8, 4), dtype)
    train(layers, X, np.arange(8) % 3, adam(layers), epochs=2, rng=0)
    assert forward(layers, X).dtype == dtype
    kinds = {a.dtype for a in parameters(layers) + gradients(layers)}
    assert kinds == {np.dtype(dtype)}


def test_a_linear_layer_keeps_its_input_and_its_gradients():
    layer = LinearLayer(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0]))
    X, g = np.array([[1.0, -1.0], [0.0, 2.0]]), np.array([[1.0, 0], [0, 10.0]])
    assert layer.forward(X).tolist() == [[3.0, 4.0], [11.0, 14.0]]
    assert layer.backward(g).tolist() == [[1.0, 3.0], [20.0, 40.0]]
    dweight, dbias = layer.gradients()
    assert dweight.tolist() == [[1.0, 0.0], [-1.0, 20.0]]
    assert dbias.tolist() == [1.0, 10.0]
    assert layer.parameters()[0] is layer.weight
    assert layer.parameters()[1] is layer.bias


def test_an_activation_layer_hands_input_and_output_to_its_rule():
    layer = ActivationLayer(lambda x: 10 * x, lambda g, x, y: (g, x, y))
    assert layer.forward(2.0) == 20.0 and layer.forward(3.0) == 30.0
    assert layer.backward(7.0) == (7.0, 3.0, 30.0)  # of the last forward
    assert layer.parameters() == layer.gradients() == []


def test_forward_goes_first_to_last_and_backward_last_to_first():
    layers = [
        ActivationLayer(lambda x, k=k: [*x, k], lambda g, x, y, k=k: [*g, -k])
        for k in (1, 2, 3)
    ]
    assert forward(layers, []) == [1, 2, 3]
    assert backward(layers, []) == [-3, -2, -1]


# -- starting values -------------------------------------------------------


def test_each_layer_of_a_network_has_draws_of_its_own():
    layers = mlp((6, 6, 6, 6), rng=0)
    one, two, three = (layer.weight for layer in layers[::2])
    assert not np.any(one == two) and not np.any(two == three)


def test_he_keeps_the_second_moment_through_relu():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 400))
    for _ in range(10):
        X = relu(X @ he_normal((400, 400), rng=rng))
    # it starts at 1 and wanders by some 30 % in ten layers of width 400;
    # with half of the variance it would end below 0.001
    assert 0.5 < np.mean(X**2) < 2.0


def test_spreads_are_those_of_torchs_initialisers():
    shape = (300, 500)
    W_t = torch.empty(shape[::-1])
    torch.manual_seed(0)
    for ours, theirs in (
        (he_normal, lambda W: torch.nn.init.kaiming_normal_(W)),
        (xavier_normal, lambda W: torch.nn.init.xavier_normal_(W)),
    ):
        spread = theirs(W_t).std().item()
        # 150,000 draws: a spread is known to about 0.2 %
        assert ours(shape, rng=0).std() == pytest.approx(spread, rel=0.02)


# -- learning --------------------------------------------------------------


@pytest.mark.parametrize(
    "make_step, lr", [(sgd, 0.5), (momentum, 0.1), (adam, 3e-3)]
)
def test_one_batch_is_memorised_from_the_loss_of_knowing_nothing(make_step, lr):
    X, y = load_digits()
    X, y = X[:32] / 16, y[:32]
    layers = mlp((64, 64, 10), rng=0)
    layers[-1].weight[:] = 0.0  # equal scores for all ten classes
    first = cross_entropy(forward(layers, X), y)
    assert first == pytest.approx(math.log(10), abs=1e-12)
    step = make_step(layers, lr=lr)
    losses = train(layers, X, y, step, epochs=200, batch_size=32, rng=0)
    assert losses[0] == pytest.approx(math.log(10), abs=1e-12)
    assert losses[-1] < 0.05
    assert np.array_equal(forward(layers, X).argmax(axis=1), y)


def test_digits_reach_97_percent_on_the_random_split():
    X, y = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.25, stratify=y, rng=0
    )
    layers = mlp((64, 128, 10), rng=0)
    step = adam(layers, lr=3e-3)
    train(layers, X_train, y_train, step, epochs=25, rng=0)
    accuracy = np.mean(forward(layers, X_test).argmax(axis=1) == y_test)
    assert accuracy >= 0.97 - 0.01  # 450 images: two deviations are 0.016


def test_one_sgd_step_on_the_whole_batch_is_the_rule_written_out():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 4)), rng.integers(0, 3, 6)
    layers = [LinearLayer(rng.normal(size=(4, 3)), np.zeros(3))]
    weight = layers[0].weight.copy()
    g = cross_entropy_backward(1.0, X @ weight, y)
    train_epoch(layers, X, y, sgd(layers, lr=0.1), batch_size=6, rng=0)
    np.testing.assert_allclose(layers[0].weight, weight - 0.1 * X.T @ g)


def test_the_last_smaller_minibatch_counts_by_its_rows():
    X, y = np.ones((5, 2)), np.array([0, 0, 0, 0, 1])
    layers = [LinearLayer(np.zeros((2, 2)), np.array([1.0, 0.0]))]
    mean = train_epoch(layers, X, y, lambda: None, batch_size=4, rng=0)
    assert mean == pytest.approx(cross_entropy(forward(layers, X), y))


def test_equal_rng_gives_equal_training():
    X, y = load_digits()

    def losses():
        layers = mlp((64, 8, 10), rng=7)
        step = sgd(layers, lr=0.1)
        return train(layers, X[:200] / 16, y[:200], step, epochs=3, rng=7)

    assert np.array_equal(losses(), losses())


def test_layers_of_one_width_are_not_drawn_alike():
    weights = parameters(mlp((6, 6, 6, 6), rng=0))[::2]
    for i, a in enumerate(weights):
        assert all((a != b).all() for b in weights[i + 1:])
