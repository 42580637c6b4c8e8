"""Hinge, Ridge and Lasso against scikit-learn, PyTorch and second roads."""

import numpy as np
import pytest
from oracles import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import linear_model as oracle
from sklearn.exceptions import ConvergenceWarning

from zerobook import linear_model
from zerobook.datasets import load_diabetes
from zerobook.gradcheck import gradcheck
from zerobook.linear_model import Lasso, LinearRegression, Ridge
from zerobook.losses import hinge, hinge_backward

X, y = load_diabetes()
STANDARD = (X - X.mean(axis=0)) / X.std(axis=0)
rng = np.random.default_rng(0)
NOISY = np.hstack([STANDARD, rng.normal(size=(442, 100))])
WIDE = rng.normal(size=(30, 80)), rng.normal(size=30)
DATA = {"plain": (X, y), "noisy": (NOISY, y), "wide": WIDE}
each_data = pytest.mark.parametrize("name", DATA)


def test_hinge_and_its_gradient_are_pytorchs():
    score, side = rng.normal(size=(4, 5)), np.sign(rng.normal(size=(4, 5)))
    score_t = torch.tensor(score, requires_grad=True)
    loss = torch.relu(1 - score_t * torch.tensor(side)).mean()
    loss.backward()
    assert np.isclose(hinge(score, side), loss.item())
    ours = hinge_backward(1.0, score, side)
    np.testing.assert_allclose(ours, score_t.grad.numpy())
    assert gradcheck(hinge, hinge_backward, score, side)


def test_hinge_keeps_float32_and_takes_integer_sides():
    score = np.array([0.5, -2.0, 3.0], np.float32)
    side = np.array([1, 1, -1])
    assert hinge(score, side).dtype == np.float32
    assert hinge_backward(1.0, score, side).dtype == np.float32
    assert np.isclose(hinge(score, side), (0.5 + 3 + 4) / 3)


def test_hinge_of_know_nothing_is_one_and_lies_above_the_error_count():
    side = np.sign(rng.normal(size=50))
    assert hinge(np.zeros(50), side) == 1
    score = rng.normal(size=50)
    assert hinge(score, side) >= np.mean(score * side < 0)


@each_data
@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ridge_has_scikit_learns_coefficients(name, alpha, fit_intercept):
    params = {"alpha": alpha, "fit_intercept": fit_intercept}
    theirs = oracle.Ridge(**params).fit(*DATA[name])
    ours = Ridge(**params).fit(*DATA[name])
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
    assert np.isclose(ours.intercept_, theirs.intercept_)


@each_data
@pytest.mark.parametrize("part", [0.9, 0.3, 0.03])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lasso_has_scikit_learns_coefficients(name, part, fit_intercept):
    A, b = DATA[name]
    most = np.abs(A.T @ (b - b.mean())).max() / len(b)
    params = {"alpha": part * most, "fit_intercept": fit_intercept}
    params |= {"max_iter": 10**5}
    theirs = oracle.Lasso(tol=1e-14, **params).fit(A, b)
    ours = Lasso(tol=1e-10, **params).fit(A, b)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    assert np.isclose(ours.intercept_, theirs.intercept_, atol=1e-4)


def test_ridge_without_penalty_is_least_squares():
    plain = LinearRegression().fit(X, y)
    np.testing.assert_allclose(Ridge(0).fit(X, y).coef_, plain.coef_)


def test_the_two_roads_to_ridge_weights_meet():
    A, b = WIDE
    by_columns = np.linalg.solve(A.T @ A + 2 * np.eye(80), A.T @ b)
    ours = linear_model.ridge_weights(A, b, 2.0)
    np.testing.assert_allclose(ours, by_columns, atol=1e-12)


def test_coordinate_descent_meets_iterative_soft_thresholding():
    gram = STANDARD.T @ STANDARD / 442
    moment = STANDARD.T @ (y - y.mean()) / 442
    lr, w = 1 / np.linalg.eigvalsh(gram)[-1], np.zeros(10)
    for _ in range(3000):
        step = w - lr * (gram @ w - moment)
        w = linear_model.soft_threshold(step, lr * 2.0)
    model = Lasso(alpha=2.0, tol=1e-12).fit(STANDARD, y)
    np.testing.assert_allclose(model.coef_, w, atol=1e-7)


def test_above_the_largest_covariance_every_weight_is_zero():
    most = np.abs(STANDARD.T @ (y - y.mean())).max() / 442
    assert np.all(Lasso(alpha=1.001 * most).fit(STANDARD, y).coef_ == 0)
    assert np.sum(Lasso(alpha=0.999 * most).fit(STANDARD, y).coef_ != 0) == 1


@given(arrays(float, 5, elements=st.floats(-9, 9)), st.floats(0, 5))
def test_soft_threshold_minimises_its_one_weight_problem(z, threshold):
    w = linear_model.soft_threshold(z, threshold)

    def value(v):
        return 0.5 * (v - z) ** 2 + threshold * np.abs(v)

    for other in (w + 1e-3, w - 1e-3, np.zeros(5), z):
        assert np.all(value(w) <= value(other) + 1e-12)


def test_a_column_of_zeros_gets_no_weight():
    A = np.c_[STANDARD, np.zeros(442), np.ones(442)]
    assert np.all(Lasso(0.1).fit(A, y).coef_[10:] == 0)
    np.testing.assert_allclose(Ridge(0.1).fit(A, y).coef_[10:], 0, atol=1e-9)


@pytest.mark.parametrize("model", [Ridge(-1), Lasso(-1), Ridge(np.nan)])
def test_a_negative_penalty_is_refused(model):
    with pytest.raises(ValueError, match="'alpha' parameter"):
        model.fit(X, y)


def test_too_few_sweeps_are_said():
    with pytest.warns(ConvergenceWarning, match="2 sweeps"):
        Lasso(0.01, max_iter=2).fit(X, y)
