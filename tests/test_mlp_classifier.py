"""MLPClassifier: the loop of 1.2.3 and the brakes of 1.2.4 as an estimator."""

import math
import warnings

import numpy as np
import pytest
from oracles import torch
from sklearn.neural_network import MLPClassifier as Theirs

from zerobook import persistence
from zerobook.base import ConvergenceWarning
from zerobook.datasets import flip_labels, load_digits, make_moons, make_xor
from zerobook.model_selection import train_test_split
from zerobook.neural_network import ACTIVATIONS, MLPClassifier
from zerobook.optim import minibatches

pytestmark = pytest.mark.filterwarnings("ignore:no convergence")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits()
    return train_test_split(X / 16, y, test_size=0.25, stratify=y, rng=0)


# -- learning --------------------------------------------------------------


def test_digits_pass_97_percent_on_the_random_split(digits):
    X_train, X_test, y_train, y_test = digits
    net = MLPClassifier(
        128, batch_size=32, learning_rate_init=3e-3, max_iter=30, random_state=0
    ).fit(X_train, y_train)
    # seeds give 98.0 % with a spread of 0.2
    assert net.score(X_test, y_test) >= 0.97
    assert np.all(net.predict_proba(X_test) >= 0)
    np.testing.assert_allclose(net.predict_proba(X_test).sum(axis=1), 1)


def test_one_batch_is_memorised_from_the_loss_of_knowing_nothing(digits):
    X, _, y, _ = digits
    X, y = np.concatenate([0 * X[:32], X[:32]]), np.tile(np.arange(10), 7)[:64]
    # blank rows say nothing whatever the weights: log 10 to the last digit
    idle = MLPClassifier(learning_rate_init=1e-12, max_iter=1, random_state=0)
    idle.fit(X[:32], y[:32])
    assert idle.loss_curve_[0] == pytest.approx(math.log(10), abs=1e-9)
    net = MLPClassifier(
        64, learning_rate_init=0.01, max_iter=400, tol=0.0, random_state=0
    ).fit(X[32:], y[32:])
    assert net.loss_curve_[-1] < 0.01 and net.score(X[32:], y[32:]) == 1


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_but_none_solves_xor(activation):
    X, y = make_xor(200, rng=0)
    net = MLPClassifier(
        32, activation, learning_rate_init=0.05, batch_size=20,
        n_iter_no_change=100,  # sigmoids stand still for a while at first
        random_state=0,
    ).fit(X, y)
    if activation == "identity":
        assert net.score(X, y) < 0.8
    else:
        assert net.score(X, y) > 0.95


def test_brakes_pay_where_labels_lie():
    gains = []
    for seed in range(3):
        X, y = load_digits()
        X, X_test, y, y_test = train_test_split(
            X / 16, y, test_size=1397, stratify=y, rng=seed
        )
        y = flip_labels(y, 0.3, rng=seed)
        arguments = {
            "hidden_layer_sizes": 128,
            "batch_size": 32,
            "learning_rate_init": 3e-3,
            "max_iter": 80,
            "random_state": seed,
        }
        bare, *braked = (
            MLPClassifier(**arguments, **brake).fit(X, y).score(X_test, y_test)
            for brake in (
                {},
                {"dropout": 0.5},
                {"alpha": 0.3},
                {"early_stopping": True, "validation_fraction": 0.2},
            )
        )
        gains.append(np.array(braked) - bare)
    # measured on five draws: 9, 12 and 11 points, spreads near 1.5
    assert np.all(np.mean(gains, axis=0) > 0.04)


# -- the two roads: one step, with the same weights -------------------------


def fresh_weights(**arguments):
    """What `fit` starts from: a rate so small that nothing moves."""
    X, y = make_moons(40, rng=0)
    still = MLPClassifier(
        5, learning_rate_init=1e-300, max_iter=1, random_state=3, **arguments
    ).fit(X, y)
    return X, y, still


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_one_step_is_torchs_from_the_same_weights(alpha):
    X, y, still = fresh_weights(activation="tanh", alpha=alpha)
    moved = MLPClassifier(
        5, "tanh", alpha=alpha, learning_rate_init=0.01, max_iter=1,
        random_state=3,
    ).fit(X, y)
    twin = torch.nn.Sequential(
        torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)
    ).double()
    linears = twin[0], twin[2]
    with torch.no_grad():
        for layer, W, b in zip(linears, still.coefs_, still.intercepts_):
            layer.weight.copy_(torch.tensor(W.T))
            layer.bias.copy_(torch.tensor(b))
    groups = [
        {"params": [m.weight for m in linears], "weight_decay": alpha / 40},
        {"params": [m.bias for m in linears]},
    ]
    optimizer = torch.optim.Adam(groups, lr=0.01)
    loss = torch.nn.functional.cross_entropy(
        twin(torch.tensor(X)), torch.tensor(y)
    )
    loss.backward()
    optimizer.step()
    assert moved.loss_curve_[0] == pytest.approx(loss.item(), rel=1e-12)
    for layer, W, b in zip(linears, moved.coefs_, moved.intercepts_):
        np.testing.assert_allclose(W.T, layer.weight.detach().numpy())
        np.testing.assert_allclose(b, layer.bias.detach().numpy())


def test_the_penalty_is_divided_by_the_batch_as_in_scikit_learn():
    # three classes, so that both have one output for each
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)), np.arange(30) % 3
    arguments = {"alpha": 5.0, "max_iter": 300, "tol": 1e-9,
                 "learning_rate_init": 0.05, "n_iter_no_change": 300}
    ours = MLPClassifier((), random_state=0, **arguments).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Theirs((), random_state=0, **arguments).fit(X, y)
    # without a hidden layer the minimum is one, and both have reached it
    np.testing.assert_allclose(
        ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4
    )


# -- the contract ----------------------------------------------------------


@pytest.mark.parametrize(
    "name, value",
    [
        ("hidden_layer_sizes", (10, 0)),
        ("hidden_layer_sizes", -1),
        ("activation", "rellu"),
        ("activation", np.tanh),
        ("alpha", -1.0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("batch_size", 0),
        ("batch_size", "all"),
        ("learning_rate_init", 0.0),
        ("max_iter", 0),
        ("n_iter_no_change", 0),
        ("validation_fraction", 1.0),
    ],
)
def test_an_impossible_argument_is_named(name, value):
    X, y = make_moons(20, rng=0)
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        MLPClassifier(**{name: value}).fit(X, y)


def test_a_part_too_small_to_validate_is_said():
    X, y = make_moons(4, rng=0)
    net = MLPClassifier(early_stopping=True, validation_fraction=0.9)
    with pytest.raises(ValueError, match="empty"):
        net.fit(X, y)


def test_ending_at_max_iter_warns_unless_stopping_was_asked_for():
    X, y = make_moons(50, rng=0)
    net = MLPClassifier(max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match="no convergence in 2 passes"):
        net.fit(X, y)
    assert issubclass(ConvergenceWarning, UserWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier(max_iter=2, early_stopping=True).fit(X, y)


def test_early_stopping_keeps_the_best_pass(digits):
    X_train, _, y_train, _ = digits
    arguments = {"batch_size": 32, "learning_rate_init": 0.01,
                 "early_stopping": True, "tol": 0.0, "random_state": 0}
    long = MLPClassifier(32, **arguments).fit(X_train[:300], y_train[:300])
    best = long.validation_loss_curve_.argmin()
    assert best < long.n_iter_ - 1
    short = MLPClassifier(32, max_iter=best + 1, **arguments)
    short.fit(X_train[:300], y_train[:300])
    # the run cut off at its best pass ends with the weights put back
    for a, b in zip(long.coefs_, short.coefs_):
        np.testing.assert_array_equal(a, b)


def test_no_dropout_is_no_dropout_at_all():
    X, y = make_moons(60, rng=0)
    weights = [
        MLPClassifier(8, dropout=p, max_iter=5, random_state=0).fit(X, y)
        for p in (0.0, 0.0, 0.5)
    ]
    assert np.array_equal(weights[0].coefs_[0], weights[1].coefs_[0])
    assert not np.array_equal(weights[0].coefs_[0], weights[2].coefs_[0])


def test_prediction_draws_no_mask():
    X, y = make_moons(60, rng=0)
    net = MLPClassifier(8, dropout=0.5, max_iter=5, random_state=0).fit(X, y)
    assert np.array_equal(net.predict_proba(X), net.predict_proba(X))


def test_float32_data_give_float32_weights():
    X, y = make_moons(60, rng=0)
    net = MLPClassifier((8, 4), dropout=0.2, max_iter=3, random_state=0)
    net.fit(X.astype(np.float32), y)
    kinds = {a.dtype for a in net.coefs_ + net.intercepts_}
    assert kinds == {np.dtype(np.float32)}
    assert [w.shape for w in net.coefs_] == [(2, 8), (8, 4), (4, 2)]


def test_a_saved_network_answers_the_same(tmp_path):
    X, y = make_moons(60, rng=0)
    net = MLPClassifier(8, dropout=0.2, early_stopping=True, random_state=0)
    net.fit(X, np.array(["new", "old"])[y])
    persistence.save(net, tmp_path / "net.npz")
    back = persistence.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(back.predict(X), net.predict(X))
    np.testing.assert_allclose(back.predict_proba(X), net.predict_proba(X))
    assert back.get_params() == net.get_params()
    # nothing of the training data travels with the model
    assert max(a.size for a in net.coefs_) <= 8 * 2


def test_batches_are_as_large_as_was_said(monkeypatch):
    seen = []

    def spy(n, batch_size, *, rng):
        seen.append((n, batch_size))
        return minibatches(n, batch_size, rng=rng)

    monkeypatch.setattr("zerobook.neural_network.minibatches", spy)
    X, y = make_moons(500, rng=0)
    for asked in ("auto", 64, 900):
        MLPClassifier(4, batch_size=asked, max_iter=1).fit(X, y)
    assert seen == [(500, 200), (500, 64), (500, 500)]
