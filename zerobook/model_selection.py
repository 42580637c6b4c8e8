# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Honest scores: split the data before anything looks at it."""

import math
import numpy as np
from zerobook.base import check_random_state
import copy


# %% 1.1.1 book/foundations/machine_learning.md
def _size_of_test(test_size, N):
    size = math.ceil(test_size * N) if test_size < 1 else int(test_size)
    if not 0 < size < N:
        raise ValueError(
            f"test_size={test_size} leaves a part of {N} rows empty; give a "
            f"share between 0 and 1, or a count in 1 .. {N - 1}"
        )
    return size


# %% 1.1.1 book/foundations/machine_learning.md
def _spread(labels):
    """Order rows so that every beginning holds each class in proportion."""
    place = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.argsort(place, kind="stable")


# %% 1.1.1 book/foundations/machine_learning.md
def train_test_split(X, y, *, test_size=0.25, stratify=None, rng=None):
    """Split rows at random: a part to learn from, a part to be judged on.

    Derived in section 1.1.1.

    Parameters
    ----------
    X : array-like of shape (N, ...)
    y : array-like of shape (N, ...)
    test_size : float or int
        Share of the rows, between 0 and 1, or their number.
    stratify : array-like of shape (N,), optional
        Classes whose proportions both parts keep, usually `y`.
    rng : numpy.random.Generator or int, optional

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarray

    Raises
    ------
    ValueError
        If lengths differ, or one part would be empty.

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
    order = np.random.default_rng(rng).permutation(N)
    if stratify is not None:
        order = order[_spread(np.asarray(stratify)[order])]
    test, train = order[:size], order[size:]
    return X[train], X[test], y[train], y[test]


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
        rows = np.arange(len(X))
        if not 2 <= self.n_splits <= len(rows):
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
    if hasattr(cv, "split"):
        return cv
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
