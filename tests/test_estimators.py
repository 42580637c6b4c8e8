"""Every classic model, one line each, before scikit-learn's own checks."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import sklearn.base
from sklearn.model_selection import GridSearchCV as TheirGridSearchCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler as TheirScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import zerobook
from zerobook import datasets, persistence
from zerobook.base import BaseEstimator
from zerobook.cluster import KMeans
from zerobook.decomposition import PCA
from zerobook.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
)
from zerobook.mixture import GaussianMixture
from zerobook.model_selection import GridSearchCV
from zerobook.neighbors import KNeighborsClassifier, KNeighborsRegressor
from zerobook.neural_network import MLPClassifier, RandomLayerClassifier
from zerobook.preprocessing import StandardScaler
from zerobook.svm import SVC, LinearSVC

ESTIMATORS = [
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
    GaussianMixture(random_state=0),
    KMeans(n_clusters=3, random_state=0),
    KNeighborsClassifier(),
    KNeighborsRegressor(),
    LinearRegression(),
    LogisticRegression(),
    MLPClassifier(max_iter=500, random_state=0),
    PCA(n_components=2),
    Perceptron(random_state=0),
    RandomLayerClassifier(n_hidden=60, random_state=0),
    Lasso(),
    LinearSVC(),
    Ridge(),
    SVC(),
    StandardScaler(),
]
# a check that cannot apply, by class and check, with the reason
EXPECTED_FAILURES = {}


def ids(estimator):
    return type(estimator).__name__


def role(estimator):
    return getattr(estimator, "_estimator_type", "transformer")


def expected_failures(estimator):
    return EXPECTED_FAILURES.get(type(estimator).__name__, {})


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def test_no_estimator_is_left_out_of_the_list():
    found = set()
    for module in pkgutil.iter_modules(zerobook.__path__, "zerobook."):
        if module.name.rpartition(".")[2].startswith("_") or module.ispkg:
            continue
        for cls in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(cls) and issubclass(cls, BaseEstimator):
                found.add(cls)
    named = {type(estimator) for estimator in ESTIMATORS}
    assert {
        c for c in found if c is not BaseEstimator and hasattr(c, "fit")
    } == named


def fitted(estimator):
    """A copy, fitted to data of its kind, and that data."""
    model = sklearn.base.clone(estimator)
    if role(model) == "regressor":
        X, y = datasets.make_regression(80, n_features=4, rng=0)
    else:
        X, y = datasets.make_blobs(80, n_features=4, centers=3, rng=0)
        y = np.array(["ant", "bee", "cat"])[y]
    return model.fit(X, y), X


def answers(model, X):
    names = ("predict", "transform", "predict_proba", "decision_function")
    return {k: getattr(model, k)(X) for k in names if hasattr(model, k)}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_a_saved_model_is_the_same_and_answers_the_same(estimator, tmp_path):
    model, X = fitted(estimator)
    persistence.save(model, tmp_path / "model.npz")
    back = persistence.load(tmp_path / "model.npz")
    assert repr(back) == repr(model)
    for name, value in vars(model).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(vars(back)[name], value, strict=True)
    before, after = answers(model, X), answers(back, X)
    assert before and before.keys() == after.keys()
    for name in before:
        if before[name].dtype.kind != "f":
            np.testing.assert_array_equal(before[name], after[name])
            continue
        # the numbers are the same, but a view comes back as an array of its
        # own, and a matrix product may add that up in another order
        np.testing.assert_allclose(
            after[name], before[name], rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_fitting_leaves_the_data_and_the_arguments_alone(estimator):
    model, X = fitted(estimator)
    assert repr(model.get_params()) == repr(estimator.get_params())
    _, untouched = fitted(estimator)
    np.testing.assert_array_equal(X, untouched)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_fitting_ignores_the_global_seed_and_leaves_it(estimator):
    np.random.seed(0)
    first = answers(*fitted(estimator))
    drawn = np.random.random()
    np.random.seed(0)
    assert np.random.random() == drawn
    np.random.seed(1)
    second = answers(*fitted(estimator))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize(
    "estimator",
    [e for e in ESTIMATORS if role(e) in ("classifier", "regressor")],
    ids=ids,
)
def test_the_estimator_works_behind_a_scaler_of_scikit_learn(estimator):
    X, y = (
        datasets.load_iris()
        if role(estimator) == "classifier"
        else datasets.load_diabetes()
    )
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    pipeline = make_pipeline(TheirScaler(), sklearn.base.clone(estimator))
    scores = cross_val_score(pipeline, X, y, cv=5)
    # far above guessing: 0.33 on iris, an R² of 0 on diabetes
    assert scores.mean() > (0.75 if role(estimator) == "classifier" else 0.25)


@pytest.mark.parametrize(
    "estimator", [e for e in ESTIMATORS if hasattr(e, "transform")], ids=ids
)
def test_the_transformer_works_before_a_model_of_scikit_learn(estimator):
    from sklearn.linear_model import LogisticRegression as Theirs

    X, y = datasets.load_iris()
    pipeline = make_pipeline(
        sklearn.base.clone(estimator), Theirs(max_iter=500)
    )
    assert pipeline.fit(X, y).score(X, y) > 0.9


def test_scikit_learns_grid_search_tunes_a_pipeline_of_ours():
    X, y = datasets.load_iris()
    pipeline = make_pipeline(
        StandardScaler(), PCA(n_components=2), LogisticRegression()
    )
    grid = {"pca__n_components": [1, 2], "logisticregression__C": [0.01, 1.0]}
    search = TheirGridSearchCV(pipeline, grid, cv=5).fit(X, y)
    assert search.best_score_ > 0.88
    assert set(search.best_params_) == set(grid)
    assert search.best_estimator_.predict(X).shape == y.shape


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_scikit_learn_knows_the_role(estimator):
    ask = {
        "classifier": sklearn.base.is_classifier,
        "regressor": sklearn.base.is_regressor,
        "clusterer": sklearn.base.is_clusterer,
    }
    for name, is_it in ask.items():
        assert is_it(estimator) == (role(estimator) == name)
