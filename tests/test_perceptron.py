"""linear_model.Perceptron against scikit-learn and against Novikoff."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Perceptron as SklearnPerceptron

from zerobook.datasets import load_digits, load_iris, make_blobs
from zerobook.linear_model import Perceptron, perceptron_pass


@pytest.mark.parametrize("passes", [1, 2, 7])
@pytest.mark.parametrize("load", [load_iris, load_digits])
def test_unshuffled_perceptron_walks_scikit_learns_path(load, passes):
    X, y = load()
    ours = Perceptron(max_iter=passes, shuffle=False).fit(X, y)
    # tol=None: without it scikit-learn stops when its loss stalls
    theirs = SklearnPerceptron(max_iter=passes, shuffle=False, tol=None)
    theirs.fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-9)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-9)
    assert np.array_equal(ours.predict(X), theirs.predict(X))


def test_two_classes_keep_one_row_of_weights_like_scikit_learn():
    X, y = make_blobs(60, centers=2, rng=3)
    names = np.array(["apple", "pear"])[y]
    ours = Perceptron(max_iter=20, shuffle=False).fit(X, names)
    theirs = SklearnPerceptron(max_iter=20, shuffle=False, tol=None)
    theirs.fit(X, names)
    assert ours.coef_.shape == (1, 2)
    np.testing.assert_allclose(ours.coef_, theirs.coef_)
    scores = theirs.decision_function(X)
    np.testing.assert_allclose(ours.decision_function(X), scores)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), margin=st.floats(0.05, 0.4))
def test_mistakes_never_exceed_novikoffs_bound(seed, margin):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=4)
    u /= np.linalg.norm(u)
    X = rng.uniform(-1, 1, size=(300, 3))
    z = X @ u[:3] + u[3]
    X, z = X[np.abs(z) >= margin], z[np.abs(z) >= margin]
    if len(np.unique(z > 0)) < 2:
        return
    model = Perceptron(max_iter=10**4, random_state=seed).fit(X, z > 0)
    R2 = np.max(np.sum(X**2, axis=1) + 1)
    gap = np.min(np.abs(z))
    assert model.mistakes_[-1] == 0
    assert model.mistakes_.sum() <= R2 / gap**2
    assert model.score(X, z > 0) == 1


def test_xor_goes_round_in_a_circle():
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    model = Perceptron(max_iter=50, shuffle=False).fit(X, [0, 1, 1, 0])
    assert model.n_iter_ == 50
    assert model.mistakes_.min() > 0
    # a circle, not a drift: the weights stay small whole numbers
    assert np.abs(model.coef_).max() <= 2


def test_a_correction_moves_the_sum_by_the_squared_length_plus_one():
    x = np.array([[3.0, -2.0]])
    weight, bias = np.array([[-1.0], [4.0]]), np.array([0.5])
    before = x @ weight + bias
    assert perceptron_pass(x, np.array([[1.0]]), [0], weight, bias) == 1
    after = x @ weight + bias
    assert after - before == pytest.approx(9 + 4 + 1)


def test_the_same_random_state_gives_the_same_model():
    X, y = load_digits()
    first, second = (
        Perceptron(max_iter=2, random_state=5).fit(X, y) for _ in range(2)
    )
    assert np.array_equal(first.coef_, second.coef_)
