"""Linear and logistic regression against scikit-learn, SciPy and algebra."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import linear_model as oracle
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from zerobook import datasets, linear_model
from zerobook.gradcheck import numerical_gradient
from zerobook.linear_model import LinearRegression, LogisticRegression
from zerobook.preprocessing import StandardScaler

rng = np.random.default_rng(0)


# Linear regression


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "load", [datasets.load_diabetes, datasets.load_digits]
)
def test_least_squares_is_scikit_learns(load, fit_intercept):
    X, y = load()  # the digits have constant columns: no single best weights
    ours = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    theirs = oracle.LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-7)
    assert np.isclose(ours.intercept_, theirs.intercept_)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-8)


floats = st.floats(-10, 10).map(lambda v: round(v, 3))


@given(arrays(float, (8, 3), elements=floats), arrays(float, 8, elements=floats))
def test_the_residual_is_perpendicular_to_every_column(X, y):
    model = LinearRegression().fit(X, y)
    residual = y - model.predict(X)
    assert abs(residual.sum()) < 1e-6
    assert np.abs(X.T @ residual).max() < 1e-5


@given(arrays(float, (8, 2), elements=floats), st.floats(0.1, 10))
def test_stretching_a_column_shrinks_its_weight_alone(X, factor):
    y = X @ [2.0, -1.0] + 3
    stretched = X * [factor, 1.0]
    predictions = LinearRegression().fit(stretched, y).predict(stretched)
    assert np.allclose(predictions, y, atol=1e-6)


def test_a_column_given_twice_shares_its_weight():
    x = rng.normal(size=(20, 1))
    model = LinearRegression().fit(np.hstack([x, x]), 3 * x[:, 0])
    assert np.allclose(model.coef_, [1.5, 1.5])


def test_a_large_offset_costs_no_digits():
    # without centring, a column near 1e6 would swallow half of them
    x = rng.normal(size=50)
    model = LinearRegression().fit(x[:, None] + 1e6, 2 * x)
    assert np.allclose(model.coef_, 2, rtol=1e-8)


# Logistic regression

scale = StandardScaler().fit_transform
SETS = {
    "cancer": (scale(datasets.load_breast_cancer()[0]), datasets.load_breast_cancer()[1]),
    "cancer, raw": datasets.load_breast_cancer(),
    "iris": datasets.load_iris(),
    "wine": datasets.load_wine(),
    "digits": (datasets.load_digits()[0] / 16, datasets.load_digits()[1]),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("C", [0.01, 1.0, 10.0])
def test_weights_are_scikit_learns(name, C):
    X, y = SETS[name]
    ours = LogisticRegression(C=C, tol=1e-9).fit(X, y)
    theirs = oracle.LogisticRegression(
        C=C, tol=1e-12, solver="newton-cholesky", max_iter=1000
    ).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)
    np.testing.assert_allclose(
        ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5
    )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("name", ["cancer", "iris"])
def test_without_an_intercept_too(name):
    X, y = SETS[name]
    ours = LogisticRegression(fit_intercept=False, tol=1e-9).fit(X, y)
    theirs = oracle.LogisticRegression(
        fit_intercept=False, tol=1e-12, solver="newton-cholesky"
    ).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    assert (ours.intercept_ == 0).all()


@pytest.mark.parametrize("name", SETS)
def test_the_default_tolerance_gives_the_same_decisions(name):
    X, y = SETS[name]
    quick, exact = LogisticRegression(), LogisticRegression(tol=1e-9)
    agree = quick.fit(X, y).predict(X) == exact.fit(X, y).predict(X)
    assert agree.mean() > 0.998


def test_at_the_end_the_gradient_is_below_the_tolerance():
    X, y = SETS["wine"]
    model = LogisticRegression(tol=1e-10, C=3.0).fit(X, y)
    onehot = y[:, None] == np.arange(3)
    miss = model.predict_proba(X) - onehot
    slope = X.T @ miss / len(X) + model.coef_.T / (3.0 * len(X))
    assert np.abs(slope).max() < 1e-9
    assert np.abs(miss.mean(axis=0)).max() < 1e-9


def test_three_classes_of_which_two_are_one_set_of_scores():
    # softmax over K classes leaves a constant free; ours have none of it
    X, y = SETS["iris"]
    model = LogisticRegression(tol=1e-9).fit(X, y)
    assert np.abs(model.coef_.sum(axis=0)).max() < 1e-6
    assert abs(model.intercept_.sum()) < 1e-6


def test_overlapping_classes_need_no_penalty():
    X = rng.normal(size=(300, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.logistic(size=300) > 0.3
    ours = LogisticRegression(C=np.inf, tol=1e-10).fit(X, y)
    theirs = oracle.LogisticRegression(
        C=np.inf, tol=1e-12, solver="newton-cholesky"
    ).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)


def test_separable_classes_without_a_penalty_warn_and_stay_finite():
    X, y = SETS["cancer"]
    with pytest.warns(ConvergenceWarning, match="Newton steps"):
        model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=20).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert np.abs(model.coef_).max() > 100
    assert model.score(X, y) == 1.0


def test_large_inputs_do_not_overflow():
    X, y = SETS["cancer"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model = LogisticRegression().fit(X * 1e6, y)
        p = model.predict_proba(X * 1e12)
        log_p = model.predict_log_proba(X * 1e12)
    assert np.isfinite(log_p).all() and np.allclose(p.sum(axis=1), 1)
    assert model.score(X * 1e6, y) > 0.97


def test_labels_may_be_text():
    X, y = SETS["iris"]
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    text = LogisticRegression().fit(X, names)
    number = LogisticRegression().fit(X, y)
    assert np.array_equal(text.predict(X), text.classes_[number.predict(X)])
    assert text.predict(X[:1]).tolist() == ["setosa"]


def test_bad_data_gets_a_clear_error():
    X, y = SETS["iris"]
    with pytest.raises(ValueError, match="classes"):
        LogisticRegression().fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="'C' parameter"):
        LogisticRegression(C=0).fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        LogisticRegression().fit(np.full_like(X, np.nan), y)


def test_scikit_learns_pipeline_and_grid_search_take_it():
    X, y = SETS["cancer, raw"]
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [0.01, 1.0]}, cv=5)
    assert search.fit(X, y).best_score_ > 0.96


@pytest.mark.parametrize("K", [2, 4])
def test_two_roads_the_product_with_the_hessian_is_the_slope_of_the_slope(K):
    X = rng.normal(size=(30, 3))
    y = rng.integers(0, K, size=30)
    alpha = np.array([[0.1], [0.1], [0.0]])
    f = linear_model._LogisticLoss(X, y, K, alpha)
    weight = rng.normal(size=f.shape)
    d = rng.normal(size=f.shape)
    nudged = numerical_gradient(
        lambda t: f.gradient(weight + t * d, X @ (weight + t * d)), 0.0,
        g=rng_weights(f.shape),
    )
    H_times = f.curvature(X @ weight, f.p(X @ weight))
    ours = np.sum(rng_weights(f.shape) * H_times(d))
    assert np.isclose(ours, nudged, rtol=1e-7)


def rng_weights(shape):
    return np.random.default_rng(7).normal(size=shape)


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 10**6))
def test_conjugate_gradients_solve_a_positive_system(D, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(D, D))
    H = root @ root.T + np.eye(D)
    b = rng.normal(size=(D, 2))
    x = linear_model._conjugate_gradient(
        lambda v: H @ v, b, np.eye(D), rtol=1e-12
    )
    np.testing.assert_allclose(H @ x, b, atol=1e-8)


def test_a_newton_run_learns_the_digits_from_a_stated_start():
    X, y = SETS["digits"]
    model = LogisticRegression().fit(X, y)
    loss = -np.mean(model.predict_log_proba(X)[np.arange(len(y)), y])
    assert loss < 0.2 < np.log(10)  # log(10) is what guessing costs
