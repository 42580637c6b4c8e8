"""Support vector machines against LIBSVM, LIBLINEAR and their own dual."""

import warnings

import numpy as np
import pytest
from sklearn import svm as oracle
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from zerobook import svm
from zerobook.datasets import load_breast_cancer, load_digits, load_iris
from zerobook.datasets import load_wine, make_moons
from zerobook.losses import hinge
from zerobook.preprocessing import StandardScaler

IRIS = load_iris()
BINARY = IRIS[0][:100, :2], IRIS[1][:100]
DIGITS = load_digits()[0][:600] / 16, load_digits()[1][:600]
KERNELS = [
    {},
    {"C": 10.0, "gamma": "auto"},
    {"kernel": "linear"},
    {"kernel": "poly", "degree": 2, "coef0": 1.0},
    {"gamma": 0.5, "C": 0.1},
]


@pytest.mark.parametrize("params", KERNELS, ids=str)
@pytest.mark.parametrize("data", [BINARY, IRIS, DIGITS], ids="2 3 10".split())
def test_decision_values_and_predictions_are_libsvms(params, data):
    X, y = data
    # Both stop within tol of the optimum, from either side: a small tol
    # leaves LIBSVM's float32 kernel cache as the only difference.
    theirs = oracle.SVC(tol=1e-6, **params).fit(X, y)
    ours = svm.SVC(tol=1e-6, **params).fit(X, y)
    np.testing.assert_allclose(
        ours.decision_function(X), theirs.decision_function(X), atol=1e-4
    )
    assert np.mean(ours.predict(X) == theirs.predict(X)) == 1
    assert abs(len(ours.support_) - len(theirs.support_)) <= 2


def test_attributes_lie_as_libsvms_do():
    # not iris: equal flowers may share their weight in any proportion
    X, y = make_moons(150, noise=0.3, rng=0)
    theirs = oracle.SVC(tol=1e-8).fit(X, y)
    ours = svm.SVC(tol=1e-8).fit(X, y)
    np.testing.assert_array_equal(ours.support_, theirs.support_)
    np.testing.assert_array_equal(ours.n_support_, theirs.n_support_)
    np.testing.assert_allclose(ours.dual_coef_, theirs.dual_coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)


def test_one_against_one_scores_keep_their_order_and_sign():
    X, y = IRIS
    shape = {"decision_function_shape": "ovo", "tol": 1e-6}
    ours = svm.SVC(**shape).fit(X, y).decision_function(X)
    theirs = oracle.SVC(**shape).fit(X, y).decision_function(X)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_rows_computed_on_demand_lead_to_the_same_machine():
    # cache_size small enough that not even a tenth of the matrix fits
    X, y = DIGITS
    whole = svm.SVC(tol=1e-6).fit(X, y)
    pieces = svm.SVC(tol=1e-6, cache_size=0.2).fit(X, y)
    np.testing.assert_allclose(
        pieces.decision_function(X), whole.decision_function(X), atol=1e-5
    )


@pytest.mark.parametrize("C", [0.1, 1.0, 100.0])
def test_the_dual_value_meets_the_primal_value(C):
    X, y = make_moons(150, noise=0.3, rng=0)
    side = np.where(y == 1, 1.0, -1.0)
    K = svm.rbf_kernel(X, X, 1.0)
    beta, b, _ = svm.smo(K.__getitem__, K.diagonal(), side, C, tol=1e-9)
    score = K @ beta + b
    norm = beta @ K @ beta
    primal = 0.5 * norm + C * len(X) * hinge(score, side)
    assert np.isclose(primal, side @ beta - 0.5 * norm, rtol=1e-7)
    assert np.isclose(beta.sum(), 0, atol=1e-9 * C)
    assert np.all((side * beta > -1e-12) & (side * beta < C + 1e-9))


def test_points_that_are_no_support_vectors_may_be_deleted():
    X, y = make_moons(200, noise=0.2, rng=1)
    model = svm.SVC(gamma=1.0, tol=1e-9).fit(X, y)
    keep = np.sort(model.support_)
    assert len(keep) < 150
    again = svm.SVC(gamma=1.0, tol=1e-9).fit(X[keep], y[keep])
    np.testing.assert_allclose(
        again.decision_function(X), model.decision_function(X), atol=1e-6
    )


def test_a_callable_kernel_is_used():
    X, y = BINARY
    by_name = svm.SVC(kernel="linear", tol=1e-6).fit(X, y)
    by_hand = svm.SVC(kernel=lambda A, B: A @ B.T, tol=1e-6).fit(X, y)
    np.testing.assert_allclose(
        by_hand.decision_function(X), by_name.decision_function(X)
    )


def test_kernels_are_scikit_learns():
    from sklearn.metrics import pairwise

    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
    np.testing.assert_allclose(
        svm.rbf_kernel(A, B, 0.3), pairwise.rbf_kernel(A, B, gamma=0.3)
    )
    np.testing.assert_allclose(
        svm.polynomial_kernel(A, B, 0.3, 3, 1.0),
        pairwise.polynomial_kernel(A, B, degree=3, gamma=0.3, coef0=1.0),
    )


def test_repeated_points_of_both_classes_do_not_stop_the_search():
    # two equal points have distance zero: the step would be unbounded
    X = np.repeat([[100.0, 100.0], [101.0, 99.0]], 20, axis=0)
    y = np.arange(40) % 2
    assert svm.SVC(kernel="linear").fit(X, y).n_iter_[0] < 1000


def test_unscaled_columns_cannot_keep_the_solver_for_ever():
    # wine's columns differ a thousandfold; scikit-learn's own solver is still
    # on its way after 300,000 steps
    X, y = load_wine()
    kernel = {"kernel": "poly", "gamma": "auto"}
    assert 0 < svm.SVC().max_iter <= 10**6
    with pytest.warns(ConvergenceWarning, match="StandardScaler"):
        cut = svm.SVC(**kernel, max_iter=500).fit(X, y)
    assert cut.n_iter_.max() == 500 and cut.score(X, y) > 0.5
    X = StandardScaler().fit_transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert svm.SVC(**kernel).fit(X, y).n_iter_.max() < 500


def test_minus_one_lifts_the_limit_as_in_scikit_learn():
    X, y = load_iris()
    kernel = {"kernel": "poly", "gamma": "auto", "tol": 1e-2}
    free = svm.SVC(**kernel, max_iter=-1).fit(X, y)
    assert free.n_iter_.max() > 500
    theirs = oracle.SVC(**kernel).fit(X, y)
    assert np.mean(free.predict(X) == theirs.predict(X)) > 0.98


def test_too_few_steps_are_said():
    with pytest.warns(ConvergenceWarning, match="stopped after 3"):
        svm.SVC(max_iter=3).fit(*BINARY)


@pytest.mark.parametrize(
    "params", [{"C": 0}, {"gamma": -1.0}, {"gamma": "big"}, {"kernel": "rbx"}]
)
def test_a_senseless_argument_is_refused(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        svm.SVC(**params).fit(*BINARY)


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("data", [BINARY, IRIS, DIGITS], ids="2 3 10".split())
def test_linear_svc_has_liblinears_weights(C, data):
    X, y = data
    # LIBLINEAR penalises the intercept too, so no adjustment is needed
    theirs = oracle.LinearSVC(C=C, dual=False, tol=1e-12, max_iter=10**5)
    ours = svm.LinearSVC(C=C, tol=1e-12).fit(X, y)
    theirs.fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)


@pytest.mark.parametrize(
    "params", [{"fit_intercept": False}, {"intercept_scaling": 10.0}]
)
def test_linear_svc_treats_the_intercept_as_liblinear_does(params):
    X, y = load_breast_cancer()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    theirs = oracle.LinearSVC(dual=False, tol=1e-12, **params).fit(X, y)
    ours = svm.LinearSVC(tol=1e-12, **params).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)


def test_the_slope_of_the_squared_hinge_is_its_nudged_slope():
    from zerobook.gradcheck import numerical_gradient

    rng = np.random.default_rng(0)
    A, w = rng.normal(size=(30, 4)), rng.normal(size=4)
    y = np.sign(rng.normal(size=30))
    slope = svm.squared_hinge_step(A, y, 0.7, w)[1]
    nudged = numerical_gradient(
        lambda v: svm.squared_hinge_step(A, y, 0.7, v)[0], w
    )
    np.testing.assert_allclose(slope, nudged, rtol=1e-6)


def test_digits_are_learned():
    X, y = load_digits()
    model = svm.SVC(C=10.0).fit(X[:1200] / 16, y[:1200])
    # 96 of 100 new images in file order, other writers than in training
    assert model.score(X[1200:] / 16, y[1200:]) > 0.95


@parametrize_with_checks([svm.SVC(kernel="linear")])
def test_a_linear_kernel_passes_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("outlier", [0.0, 1e9])
@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_the_rbf_kernel_keeps_its_digits_wherever_the_rows_lie(shift, outlier):
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(7, 3)) + shift, rng.normal(size=(5, 3)) + shift
    A[0, 0] += outlier
    B[0] = A[0]
    right = np.exp(-((A[:, None] - B) ** 2).sum(axis=2))
    np.testing.assert_allclose(svm.rbf_kernel(A, B), right, atol=1e-9)


def test_smo_finds_the_margin_of_two_points_by_hand():
    # at -1 and +1 the widest margin has w = 1: betas of a half, no intercept
    K = np.array([[1.0, -1.0], [-1.0, 1.0]])
    side = np.array([-1.0, 1.0])
    beta, intercept, n_iter = svm.smo(K.__getitem__, K.diagonal(), side, C=9)
    np.testing.assert_allclose(beta, [-0.5, 0.5])
    assert intercept == pytest.approx(0, abs=1e-12) and n_iter == 1


@pytest.mark.parametrize("C", [0.1, 1.0, 10.0])
def test_smo_ends_where_the_conditions_of_the_dual_hold(C):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 2))
    side = np.where(X[:, 0] + rng.normal(size=40) > 0, 1.0, -1.0)
    K = X @ X.T
    beta, b, _ = svm.smo(K.__getitem__, K.diagonal(), side, C=C, tol=1e-6)
    alpha, margin = beta * side, side * (K @ beta + b)
    assert np.all((alpha >= -1e-12) & (alpha <= C + 1e-12))
    assert abs(beta.sum()) < 1e-9
    assert np.all(margin[alpha < 1e-9 * C] >= 1 - 1e-5)
    assert np.all(margin[alpha > C * (1 - 1e-9)] <= 1 + 1e-5)
    free = (alpha > 1e-6 * C) & (alpha < C * (1 - 1e-6))
    np.testing.assert_allclose(margin[free], 1, atol=1e-5)
