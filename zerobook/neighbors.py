# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""k nearest neighbours: the answer of the most similar known cases."""

import numpy as np
from zerobook.base import (
    BaseEstimator,
    check_classification_targets,
    check_is_fitted,
    validate_data,
)
from zerobook.metrics import ClassifierMixin, RegressorMixin


# %% 1.1.1 book/foundations/machine_learning.md
GROUP = 16


def nearest(X, queries, k, max_entries=2**20):
    """Distances and rows of the `k` rows of `X` nearest to each query."""
    centre = X.mean(axis=0)
    X, queries = X - centre, queries - centre
    N, D = X.shape
    n_groups = -(-N // GROUP)
    minus_2X = np.zeros((D, GROUP * n_groups))
    minus_2X[:, :N] = -2 * X.T
    norms = np.full(GROUP * n_groups, np.inf)
    norms[:N] = np.einsum("nd,nd->n", X, X)
    rows = np.empty((len(queries), k), dtype=np.intp)
    step = max(1, max_entries // len(norms))
    for start in range(0, len(queries), step):
        block = queries[start : start + step] @ minus_2X
        block += norms
        rows[start : start + step] = _smallest(block, k)
    return _sorted_by_distance(X, queries, rows)


# %% 1.1.1 book/foundations/machine_learning.md
def _smallest(block, k):
    """Columns of the `k` smallest entries of each row, in no order."""
    B, M = block.shape
    n_groups = M // GROUP
    candidates = np.arange(M)[None, :].repeat(B, axis=0) if k >= n_groups \
        else None
    if candidates is None:
        best = block.reshape(B, GROUP, n_groups).min(axis=1)
        groups = np.argpartition(best, k - 1, axis=1)[:, None, :k]
        steps = n_groups * np.arange(GROUP)[:, None]
        candidates = (groups + steps).reshape(B, -1)
        block = np.take_along_axis(block, candidates, axis=1)
    first = np.argpartition(block, k - 1, axis=1)[:, :k]
    return np.take_along_axis(candidates, first, axis=1)


def _sorted_by_distance(X, queries, rows):
    apart = np.sqrt(((X[rows] - queries[:, None, :]) ** 2).sum(axis=2))
    order = np.lexsort((rows, apart), axis=1)
    return (
        np.take_along_axis(apart, order, axis=1),
        np.take_along_axis(rows, order, axis=1),
    )


# %% 1.1.1 book/foundations/machine_learning.md
class _KNeighbors(BaseEstimator):
    def __init__(self, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def _remember(self, X):
        if not self.n_neighbors >= 1:
            raise ValueError(
                f"n_neighbors must be at least 1, got {self.n_neighbors}"
            )
        self._X = X

    def kneighbors(self, X):
        """Distances and training rows of the neighbours, nearest first."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        if self.n_neighbors > len(self._X):
            raise ValueError(
                f"n_neighbors={self.n_neighbors} but only {len(self._X)} "
                "samples were fitted"
            )
        return nearest(self._X, X, self.n_neighbors)


# %% 1.1.1 book/foundations/machine_learning.md
class KNeighborsClassifier(ClassifierMixin, _KNeighbors):
    """Vote of the `n_neighbors` nearest known cases."""

    def fit(self, X, y):
        """Remember the cases; nothing is computed yet."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self._remember(X)
        self.classes_, self._y = np.unique(y, return_inverse=True)
        return self

    def predict_proba(self, X):
        """Share of the votes for each class, shape (N, K)."""
        _, rows = self.kneighbors(X)
        votes = np.zeros((len(rows), len(self.classes_)))
        for column in self._y[rows].T:
            votes[np.arange(len(rows)), column] += 1
        return votes / self.n_neighbors

    def predict(self, X):
        """Class with most votes; of equals, the first in `classes_`."""
        winner = self.predict_proba(X).argmax(axis=1)
        return self.classes_[winner]


# %% 1.1.1 book/foundations/machine_learning.md
class KNeighborsRegressor(RegressorMixin, _KNeighbors):
    """Mean answer of the `n_neighbors` nearest known cases."""

    def fit(self, X, y):
        """Remember the cases; nothing is computed yet."""
        X, y = validate_data(self, X, y, numeric=True)
        self._remember(X)
        self._y = y
        return self

    def predict(self, X):
        """Mean of the neighbours' answers, shape (N,)."""
        _, rows = self.kneighbors(X)
        return self._y[rows].mean(axis=1)
