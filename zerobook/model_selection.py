# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Honest scores: split the data before anything looks at it."""

import math
import numpy as np
from zerobook.base import COUNT, Interval, check_params
from zerobook.base import BOOL, SEED, Interval
from zerobook.base import check_params, check_random_state
import copy
from itertools import product
from zerobook.base import BaseEstimator, check_X_y, warn


# %% 1.1.1 book/foundations/machine_learning.md
TEST_SIZE = {"test_size": [Interval(float, "(0, 1)"), *COUNT]}


def _size_of_test(test_size, N):
    check_params("train_test_split", TEST_SIZE, test_size=test_size)
    whole = isinstance(test_size, int | np.integer)
    size = int(test_size) if whole else math.ceil(test_size * N)
    if not 0 < size < N:
        raise ValueError(
            f"test_size={test_size} leaves a part of {N} rows empty; give a "
            f"share between 0 and 1, or a count in 1 .. {N - 1}"
        )
    return size


# %% 1.1.1 book/foundations/machine_learning.md
def _seats(counts, size, rng):
    """Divide `size` seats by `counts`: each share is rounded down or up."""
    seats, remainders = np.divmod(size * counts, counts.sum())  # (K,)
    luck = rng.permutation(len(counts))
    largest_first = np.lexsort((luck, -remainders))
    seats[largest_first[: size - seats.sum()]] += 1
    return seats


# %% 1.1.1 book/foundations/machine_learning.md
def _seated(labels, size, rng):
    """Mark `size` rows, of each class the first that its seats allow."""
    classes, counts = np.unique(labels, return_counts=True)
    seated = np.zeros(len(labels), dtype=bool)
    for label, seats in zip(classes, _seats(counts, size, rng)):
        seated[np.flatnonzero(labels == label)[:seats]] = True
    return seated


# %% 1.1.1 book/foundations/machine_learning.md
def train_test_split(X, y, *, test_size=0.25, stratify=None, rng=None):
    """Split rows at random: a part to learn from, a part to be judged on.

    Derived in section 1.1.1.

    Parameters
    ----------
    X : array-like of shape (N, ...)
    y : array-like of shape (N, ...)
    test_size : float or int
        Share of the rows, between 0 and 1 (exclusive), or their number.
    stratify : array-like of shape (N,), optional
        Classes whose proportions both parts keep, usually `y`: each has its
        share of the test rows, rounded down or up.
    rng : numpy.random.Generator or int, optional

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarray

    Raises
    ------
    ValueError
        If lengths differ, one part would be empty, or `test_size` is neither
        a share nor a count.

    Examples
    --------
    >>> X, y = np.arange(8), np.array([0, 1] * 4)
    >>> parts = train_test_split(X, y, test_size=0.5, stratify=y, rng=0)
    >>> parts[3].sum().item()
    2
    """
    X, y = np.asarray(X), np.asarray(y)
    N = len(y)
    if len(X) != N or stratify is not None and len(stratify) != N:
        raise ValueError(f"X has {len(X)} rows, y {N}: lengths must agree")
    size = _size_of_test(test_size, N)
    rng = np.random.default_rng(rng)
    order = rng.permutation(N)
    chosen = np.arange(N) < size
    if stratify is not None:
        chosen = _seated(np.asarray(stratify)[order], size, rng)
    test, train = order[chosen], order[~chosen]
    return X[train], X[test], y[train], y[test]


# %% 1.1.2 book/foundations/linear_models.md
FOLDS = [Interval(int, "[2, inf)")]


# %% 1.1.2 book/foundations/linear_models.md
class KFold:
    """Deal the rows into `n_splits` parts, and let each be the test once.

    Derived in section 1.1.2.

    Parameters
    ----------
    n_splits : int, default 5
        Number of parts, at least 2; their sizes differ by one at most.
    shuffle : bool, default False
        Whether to mix the rows first; needed where the file has an order.
    random_state : int, Generator or None
        Fixes the mix.

    Examples
    --------
    >>> for train, test in KFold(2).split(np.zeros((4, 1))):
    ...     print(train, test)
    [2 3] [0 1]
    [0 1] [2 3]
    """

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None):
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
        """The number of parts."""
        return self.n_splits

    def split(self, X, y=None, groups=None):
        """Yield pairs of row indices: to train on, to test on."""
        rules = {"n_splits": FOLDS, "shuffle": BOOL, "random_state": SEED}
        check_params(self, rules)
        rows = np.arange(len(X))
        if self.n_splits > len(rows):
            raise ValueError(f"n_splits={self.n_splits} for {len(rows)} rows")
        if self.shuffle:
            rows = check_random_state(self.random_state).permutation(rows)
        for test in np.array_split(rows, self.n_splits):
            yield np.setdiff1d(rows, test), np.sort(test)


# %% 1.1.2 book/foundations/linear_models.md
def clone(estimator):
    """Return a model with the same arguments that has learned nothing."""
    params = estimator.get_params(deep=False)
    for name, value in params.items():
        inner = hasattr(value, "get_params") and not isinstance(value, type)
        params[name] = clone(value) if inner else copy.deepcopy(value)
    return type(estimator)(**params)


def check_cv(cv):
    """Return `cv`, or for an int that many shuffled folds, always the same."""
    if hasattr(cv, "split") and not isinstance(cv, str):
        return cv
    check_params("check_cv", {"cv": FOLDS}, cv=cv)
    return KFold(cv, shuffle=True, random_state=0)


# %% 1.1.2 book/foundations/linear_models.md
def cross_val_score(estimator, X, y, *, cv=5):
    """Score a fresh copy of the model on each part it has not seen.

    Derived in section 1.1.2.

    Parameters
    ----------
    estimator : estimator
        With ``fit`` and ``score``; it is left untouched.
    X : array-like of shape (N, D)
    y : array-like of shape (N,)
    cv : int or splitter, default 5
        An int is that many folds, shuffled with ``random_state=0``.

    Returns
    -------
    ndarray of shape (n_splits,)
        Accuracy of a classifier, R² of a regressor, one entry a fold.
    """
    X, y = np.asarray(X), np.asarray(y)
    scores = []
    for train, test in check_cv(cv).split(X, y):
        model = clone(estimator).fit(X[train], y[train])
        scores.append(model.score(X[test], y[test]))
    return np.array(scores)


# %% 1.1.4 book/foundations/regularisation.md
def parameter_grid(param_grid):
    """All combinations of a dict of lists; or of several such dicts."""
    grids = [param_grid] if hasattr(param_grid, "items") else param_grid
    try:
        combinations = [
            dict(zip(sorted(grid), values))
            for grid in grids
            for values in product(*(grid[name] for name in sorted(grid)))
        ]
    except (TypeError, IndexError) as error:
        raise ValueError(
            "The 'param_grid' parameter must be a dict of lists, or a list "
            f"of such dicts. Got {param_grid!r} instead."
        ) from error
    if not combinations:
        raise ValueError(f"'param_grid' {param_grid!r} has no combination")
    return combinations


# %% 1.1.4 book/foundations/regularisation.md
def _passed_on(name):
    """A property that asks the best model, before the fit the given one."""

    def get(self):
        return getattr(getattr(self, "best_estimator_", self.estimator), name)

    return property(get, doc=f"`{name}` of the best model.")


class _AsksTheBest:
    """The answers of a search, all of them those of its best model."""

    predict = _passed_on("predict")
    predict_proba = _passed_on("predict_proba")
    decision_function = _passed_on("decision_function")
    transform = _passed_on("transform")
    score = _passed_on("score")
    classes_ = _passed_on("classes_")
    n_features_in_ = _passed_on("n_features_in_")
    feature_names_in_ = _passed_on("feature_names_in_")
    _estimator_type = _passed_on("_estimator_type")


# %% 1.1.4 book/foundations/regularisation.md
class GridSearchCV(_AsksTheBest, BaseEstimator):
    """Choose arguments by cross-validation, then fit with the best.

    Derived in section 1.1.4.

    Parameters
    ----------
    estimator : estimator
        It is copied for every fit and left untouched.
    param_grid : dict of str to list, or a list of such dicts
        Arguments to try; ``model__alpha`` reaches inside a pipeline.
    scoring : callable ``(model, X, y) -> float``, optional
        Larger is better; by default the model's own ``score``.
    cv : int or splitter, default 5
        As in `cross_val_score`.
    refit : bool, default True
        Fit the best once more, to all rows.

    Attributes
    ----------
    best_params_ : dict
    best_score_ : float
        Its mean over the folds: an optimist, being the largest of several.
    best_index_, best_estimator_, n_splits_
    cv_results_ : dict
        Arrays ``mean_test_score``, ``std_test_score``, ``rank_test_score``
        and ``split0_test_score`` …, as in ``params``; NaN ranks last.

    Examples
    --------
    >>> from zerobook.linear_model import Ridge
    >>> X = np.arange(12.0)[:, None]
    >>> search = GridSearchCV(Ridge(), {"alpha": [0.1, 100.0]}, cv=3)
    >>> search.fit(X, 2 * X[:, 0]).best_params_
    {'alpha': 0.1}
    """

    def __init__(
        self, estimator, param_grid, *, scoring=None, cv=5, refit=True
    ):
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.cv = cv
        self.refit = refit

    def fit(self, X, y):
        """Score every combination by folds, then refit the best to all rows.

        ValueError where all combinations score NaN, or there is none.
        """
        _check_search(self)
        rows, labels = check_X_y(X, y, min_samples=2)
        params = parameter_grid(self.param_grid)
        folds = list(check_cv(self.cv).split(rows, labels))
        scores = np.array(
            [_fold_scores(self, p, rows, labels, folds) for p in params]
        )  # (P, S)
        mean = scores.mean(axis=1)  # (P,)
        splits = {f"split{k}_test_score": s for k, s in enumerate(scores.T)}
        self.cv_results_ = splits | {
            "params": params,
            "mean_test_score": mean,
            "std_test_score": scores.std(axis=1),
            "rank_test_score": _ranks(mean),
        }
        self.n_splits_, self.best_index_ = len(folds), int(np.nanargmax(mean))
        self.best_params_ = params[self.best_index_]
        self.best_score_ = float(mean[self.best_index_])
        if self.refit:
            best = clone(self.estimator).set_params(**self.best_params_)
            self.best_estimator_ = best.fit(X, y)
        return self


# %% 1.1.4 book/foundations/regularisation.md
def _check_search(search):
    check_params(search, {"scoring": [None, callable], "refit": BOOL})
    if not hasattr(search.estimator, "fit"):
        raise TypeError(
            "The 'estimator' parameter of GridSearchCV must have a method "
            f"fit. Got {search.estimator!r} instead."
        )


# %% 1.1.4 book/foundations/regularisation.md
def _ranks(mean):
    """1 for the largest, equal ones alike, NaN last: (P,) of int."""
    lost = np.isnan(mean)
    if lost.all():
        raise ValueError("no combination has a score: all of them are NaN")
    if lost.any():
        warn(f"{lost.sum()} of {len(mean)} combinations score NaN")
    ranks = 1 + (mean[:, None] < mean).sum(axis=1)
    return np.where(lost, len(mean) - lost.sum() + 1, ranks)


# %% 1.1.4 book/foundations/regularisation.md
def _fold_scores(search, params, X, y, folds):
    """Score one combination on each fold: a list of S numbers."""
    scores = []
    for train, test in folds:
        model = clone(search.estimator).set_params(**params)
        model.fit(X[train], y[train])
        score = search.scoring or type(model).score
        scores.append(float(score(model, X[test], y[test])))
    return scores
