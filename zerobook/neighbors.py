# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""k nearest neighbours: the answer of the most similar known cases."""

import numpy as np
from zerobook.base import BaseEstimator, check_is_fitted, validate_data
from zerobook.base import check_classification_targets
from zerobook.metrics import ClassifierMixin
from zerobook.metrics import RegressorMixin


# %% 1.1.1 book/foundations/machine_learning.md
GROUP = 16


def _blocks(X, queries, max_rows=128, max_entries=2**20):
    """Yield first query and block of |x|² - 2 q·x, padded with infinity."""
    N, D = X.shape
    width = GROUP * -(-N // GROUP)
    cases = np.zeros((D + 1, width))
    cases[:D, :N] = -2 * X.T
    cases[D] = np.inf
    cases[D, :N] = np.einsum("nd,nd->n", X, X)
    queries = np.column_stack([queries, np.ones(len(queries))])
    step = min(max_rows, max(1, max_entries // width))
    room = np.empty((step, width))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]  # (B, D + 1)
        yield start, np.matmul(block, cases, out=room[: len(block)])


# %% 1.1.1 book/foundations/machine_learning.md
def _smallest(block, k):
    """Columns of the `k` smallest entries of each row, in no order."""
    B, width = block.shape
    n_groups = width // GROUP
    if k >= n_groups:
        return np.argpartition(block, k - 1, axis=1)[:, :k]
    minima = block.reshape(B, GROUP, n_groups).min(axis=1)  # (B, n_groups)
    groups = np.argpartition(minima, k - 1, axis=1)[:, None, :k]
    members = n_groups * np.arange(GROUP)[:, None]
    columns = (groups + members).reshape(B, -1)  # (B, 16 k)
    entries = np.take_along_axis(block, columns, axis=1)
    best = np.argpartition(entries, k - 1, axis=1)[:, :k]
    return np.take_along_axis(columns, best, axis=1)


# %% 1.1.1 book/foundations/machine_learning.md
def nearest(X, queries, k):
    """Find the `k` rows of `X` nearest to each query, nearest first.

    Derived in section 1.1.1.

    Parameters
    ----------
    X : ndarray of shape (N, D)
        Known cases.
    queries : ndarray of shape (M, D)
    k : int
        In ``1 .. N``.

    Returns
    -------
    distances : ndarray of shape (M, k)
        Euclidean, in the unit of the features.
    rows : ndarray of int, shape (M, k)
        Rows of `X`; of equally near ones, the lower number stands first.

    Examples
    --------
    >>> petals = np.array([[1.4], [4.5], [5.1], [5.2]])
    >>> nearest(petals, np.array([[4.7]]), 3)[1]
    array([[1, 2, 3]])
    """
    centre = X.mean(axis=0)
    X, queries = X - centre, queries - centre
    rows = np.empty((len(queries), k), dtype=np.intp)
    for start, block in _blocks(X, queries):
        rows[start : start + len(block)] = _smallest(block, k)
    gaps = X[rows] - queries[:, None, :]  # (M, k, D)
    distances = np.sqrt(np.einsum("mkd,mkd->mk", gaps, gaps))
    order = np.lexsort((rows, distances), axis=1)
    return (
        np.take_along_axis(distances, order, axis=1),
        np.take_along_axis(rows, order, axis=1),
    )


# %% 1.1.1 book/foundations/machine_learning.md
class _Neighbors(BaseEstimator):
    def __init__(self, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def kneighbors(self, X):
        """Distances and training rows of the neighbours, nearest first."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        N = len(self._X)
        if not 1 <= self.n_neighbors <= N:
            raise ValueError(
                f"n_neighbors={self.n_neighbors} must lie in 1 .. {N}, "
                "the number of fitted samples"
            )
        return nearest(self._X, X, self.n_neighbors)


# %% 1.1.1 book/foundations/machine_learning.md
class KNeighborsClassifier(ClassifierMixin, _Neighbors):
    """Vote of the `n_neighbors` nearest known cases, one voice each.

    Derived in section 1.1.1; the idea is Fix and Hodges' (1951).
    ``classes_`` holds the labels seen in ``fit``, sorted.

    Examples
    --------
    >>> model = KNeighborsClassifier(n_neighbors=3)
    >>> _ = model.fit([[1.4], [4.5], [5.1], [5.2]], ["se", "ve", "vi", "vi"])
    >>> model.predict([[4.7]]).item()
    'vi'
    """

    def fit(self, X, y):
        """Remember the cases; nothing is computed yet."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self._X = X
        self.classes_, self._y = np.unique(y, return_inverse=True)
        return self

    def predict_proba(self, X):
        """Share of the votes for each class, shape (N, K)."""
        _, rows = self.kneighbors(X)
        return _count(self._y[rows], len(self.classes_)) / self.n_neighbors

    def predict(self, X):
        """Class with most votes; of equals, the first in `classes_`."""
        winner = self.predict_proba(X).argmax(axis=1)
        return self.classes_[winner]


# %% 1.1.1 book/foundations/machine_learning.md
def _count(voices, n_classes):
    """Count the voices (N, k) for each class, shape (N, K)."""
    votes = np.zeros((len(voices), n_classes))
    for column in voices.T:
        votes[np.arange(len(voices)), column] += 1
    return votes


# %% 1.1.1 book/foundations/machine_learning.md
class KNeighborsRegressor(RegressorMixin, _Neighbors):
    """Mean answer of the `n_neighbors` nearest known cases.

    Derived in section 1.1.1.

    Parameters
    ----------
    n_neighbors : int
        How many cases are averaged, each with the same weight.

    Examples
    --------
    >>> model = KNeighborsRegressor(2).fit([[0.0], [1.0], [5.0]], [1, 3, 9])
    >>> model.predict([[0.4]]).item()
    2.0
    """

    def fit(self, X, y):
        """Remember the cases; nothing is computed yet."""
        self._X, self._y = validate_data(self, X, y, numeric=True)
        return self

    def predict(self, X):
        """Mean of the neighbours' answers, shape (N,)."""
        _, rows = self.kneighbors(X)
        return self._y[rows].mean(axis=1)
