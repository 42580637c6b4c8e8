"""Grid search against scikit-learn's, in its pipelines and alone."""

import numpy as np
import pytest
from sklearn import model_selection as oracle
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from zerobook.datasets import load_diabetes, load_iris
from zerobook.linear_model import Lasso, LogisticRegression, Ridge
from zerobook.metrics import mean_squared_error
from zerobook.model_selection import GridSearchCV, KFold, cross_val_score
from zerobook.model_selection import parameter_grid
from zerobook.preprocessing import StandardScaler
from zerobook.svm import SVC

X, y = load_diabetes()
IRIS = load_iris()
FOLDS = KFold(4, shuffle=True, random_state=3)
GRID = {"alpha": [1e-3, 1e-2, 0.1, 1.0, 10.0]}


def test_scores_and_choice_are_scikit_learns():
    ours = GridSearchCV(Ridge(), GRID, cv=FOLDS).fit(X, y)
    theirs = oracle.GridSearchCV(Ridge(), GRID, cv=FOLDS).fit(X, y)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_index_ == theirs.best_index_
    assert np.isclose(ours.best_score_, theirs.best_score_)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    for name in set(ours.cv_results_) - {"params"}:
        np.testing.assert_allclose(
            ours.cv_results_[name], theirs.cv_results_[name]
        )
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))
    assert np.isclose(ours.score(X, y), theirs.score(X, y))


@pytest.mark.parametrize(
    "grid",
    [
        {"b": [1, 2], "a": ["x", "y", "z"]},
        [{"kernel": ["linear"]}, {"kernel": ["rbf"], "gamma": [1, 2]}],
        {},
    ],
)
def test_combinations_come_in_scikit_learns_order(grid):
    assert parameter_grid(grid) == list(oracle.ParameterGrid(grid))


def test_two_arguments_are_chosen_together():
    grid = {"C": [0.1, 10.0], "gamma": [0.01, 1.0]}
    ours = GridSearchCV(SVC(), grid, cv=FOLDS).fit(*IRIS)
    theirs = oracle.GridSearchCV(SVC(), grid, cv=FOLDS).fit(*IRIS)
    assert ours.best_params_ == theirs.best_params_
    np.testing.assert_array_equal(ours.classes_, [0, 1, 2])
    assert ours.decision_function(IRIS[0]).shape == (150, 3)


def test_it_reaches_into_a_pipeline_and_stands_in_one():
    inner = make_pipeline(StandardScaler(), Lasso())
    search = GridSearchCV(inner, {"lasso__alpha": [0.1, 1.0, 10.0]}, cv=FOLDS)
    assert search.fit(X, y).best_params_["lasso__alpha"] in (0.1, 1.0)
    outer = make_pipeline(StandardScaler(), GridSearchCV(Lasso(), GRID))
    assert outer.fit(X, y).score(X, y) > 0.4


def test_a_search_is_a_model_that_can_be_cross_validated():
    search = GridSearchCV(Ridge(), GRID, cv=3)
    assert cross_val_score(search, X, y, cv=FOLDS).mean() > 0.4
    assert oracle.cross_val_score(search, X, y, cv=4).mean() > 0.4


def test_a_score_of_ones_own_is_used():
    def least_error(model, A, b):
        return -mean_squared_error(b, model.predict(A))

    ours = GridSearchCV(Ridge(), GRID, cv=FOLDS, scoring=least_error)
    theirs = oracle.GridSearchCV(
        Ridge(), GRID, cv=FOLDS, scoring="neg_mean_squared_error"
    )
    assert np.isclose(ours.fit(X, y).best_score_, theirs.fit(X, y).best_score_)


def test_the_given_estimator_is_left_untouched():
    given = Ridge(alpha=7.0)
    search = GridSearchCV(given, GRID, cv=3).fit(X, y)
    assert given.alpha == 7.0 and not hasattr(given, "coef_")
    assert search.best_estimator_ is not given


def test_without_refit_there_is_no_best_model():
    search = GridSearchCV(Ridge(), GRID, cv=3, refit=False).fit(X, y)
    assert search.best_params_ and not hasattr(search, "best_estimator_")


def test_what_the_model_lacks_the_search_lacks():
    assert not hasattr(GridSearchCV(Ridge(), GRID), "predict_proba")
    assert hasattr(GridSearchCV(LogisticRegression(), {}), "predict_proba")


@parametrize_with_checks(
    [
        GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}),
    ]
)
def test_a_search_passes_scikit_learns_checks(estimator, check):
    check(estimator)


# -- kind: a score that is no number is never the best -----------------------


def test_a_score_of_nan_ranks_last_and_is_said():
    X, y = load_diabetes()
    scores = {0.1: 0.2, 1.0: np.nan, 10.0: 0.5, 100.0: 0.2}
    search = GridSearchCV(
        Ridge(), {"alpha": [*scores]}, scoring=lambda m, X, y: scores[m.alpha]
    )
    with pytest.warns(UserWarning, match="1 of 4 combinations score NaN"):
        search.fit(X, y)
    assert search.best_params_ == {"alpha": 10.0}
    assert search.cv_results_["rank_test_score"].tolist() == [2, 4, 1, 2]


def test_no_score_at_all_is_an_error():
    X, y = load_diabetes()
    search = GridSearchCV(
        Ridge(), {"alpha": [1.0]}, scoring=lambda m, X, y: np.nan
    )
    with pytest.raises(ValueError, match="all of them are NaN"):
        search.fit(X, y)
