# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""k nearest neighbours: the answer of the most similar known cases."""

import numpy as np
from zerobook.base import BaseEstimator, check_is_fitted, validate_data
from zerobook.base import COUNT, check_params
from zerobook.base import check_classification_targets
from zerobook.metrics import ClassifierMixin
from zerobook.metrics import RegressorMixin


# %% 1.1.1 book/foundations/machine_learning.md
GROUP = 16


def typical(X):
    """A point in the middle of `X`: medians over a hundred rows, (D,)."""
    some = X[:: 1 + len(X) // 100]
    return np.partition(some, len(some) // 2, axis=0)[len(some) // 2]


def rounding(D):
    """Largest share of the squares that their difference form loses."""
    return 2 * (D + 8) * np.finfo(float).eps


def _blocks(X, queries, max_rows=128, max_entries=2**20):
    """Yield first query and block of |x|² - 2 q·x, rounded down.

    Each row is padded with infinity.
    """
    N, D = X.shape
    width = GROUP * -(-N // GROUP)
    cases = np.zeros((D + 1, width))
    cases[:D, :N] = -2 * X.T
    cases[D] = np.inf
    cases[D, :N] = (1 - rounding(D)) * np.einsum("nd,nd->n", X, X)
    queries = np.column_stack([queries, np.ones(len(queries))])
    step = min(max_rows, max(1, max_entries // width))
    room = np.empty((step, width))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]  # (B, D + 1)
        yield start, np.matmul(block, cases, out=room[: len(block)])


# %% 1.1.1 book/foundations/machine_learning.md
def _smallest(block, k):
    """Columns of the `k` smallest entries of each row, the largest last."""
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
def _squares(X, query, rows):
    gaps = X[rows] - query  # (..., D)
    return np.einsum("...d,...d->...", gaps, gaps)


def _sort(squares, rows, k):
    """The first `k` by distance, then by row."""
    order = np.lexsort((rows, squares), axis=-1)[..., :k]
    return (np.take_along_axis(squares, order, axis=-1),
            np.take_along_axis(rows, order, axis=-1))


def _settle(X, queries, lowered, norms, k):
    """Squared distances and rows of the `k` nearest, both (B, k)."""
    rows = _smallest(lowered, min(k + 1, len(X)))
    last = lowered[np.arange(len(rows)), rows[:, -1]]  # (B,)
    rows = rows[:, :k]
    squares, rows = _sort(_squares(X, queries[:, None], rows), rows, k)
    slack = rounding(X.shape[1])
    bar = (1 + slack) * squares[:, -1] - (1 - slack) * norms  # (B,)
    for q in np.flatnonzero(last <= bar) if k < len(X) else ():
        near = np.flatnonzero(lowered[q] <= bar[q])
        squares[q], rows[q] = _sort(_squares(X, queries[q], near), near, k)
    return squares, rows


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

    Raises
    ------
    ValueError
        If `k` lies outside ``1 .. N``.

    Examples
    --------
    >>> petals = np.array([[1.4], [4.5], [5.1], [5.2]])
    >>> nearest(petals, np.array([[4.7]]), 3)[1]
    array([[1, 2, 3]])
    """
    X, queries = np.asarray(X, float), np.asarray(queries, float)
    if not 1 <= k <= len(X):
        raise ValueError(f"k={k} must lie in 1 .. {len(X)}, the rows of X")
    centre = typical(X)
    moved = queries - centre
    norms = np.einsum("md,md->m", moved, moved)  # (M,)
    squares = np.empty((len(queries), k))
    rows = np.empty((len(queries), k), dtype=np.intp)
    for start, lowered in _blocks(X - centre, moved):
        part = slice(start, start + len(lowered))
        squares[part], rows[part] = _settle(
            X, queries[part], lowered, norms[part], k
        )
    return np.sqrt(squares), rows


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
        check_params(self, {"n_neighbors": COUNT})
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
        check_params(self, {"n_neighbors": COUNT})
        self._X, self._y = validate_data(self, X, y, numeric=True)
        return self

    def predict(self, X):
        """Mean of the neighbours' answers, shape (N,)."""
        _, rows = self.kneighbors(X)
        return self._y[rows].mean(axis=1)
