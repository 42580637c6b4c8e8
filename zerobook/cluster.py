# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Groups without labels: k-means."""

import numpy as np
from zerobook.base import COUNT, check_params
from zerobook.neighbors import rounding, typical
from zerobook.base import BaseEstimator, ClusterMixin
from zerobook.base import check_is_fitted, check_random_state, validate_data
from zerobook.base import NOT_NEGATIVE, SEED


# %% 1.1.1 book/foundations/learning_without_answers.md
def _heights(X, centres):
    """Squared distance of row n to centre k, less |x|², shape (K, N)."""
    heights = (-2 * centres) @ X.T
    heights += np.einsum("kd,kd->k", centres, centres)[:, None]
    return heights


def _nearest(X, centres, norms):
    """One True in each column: the nearest centre, of equals the first."""
    heights = _heights(X, centres)
    lowest = heights.min(axis=0)  # (N,)
    slack = 4 * rounding(X.shape[1])
    nearest = heights <= lowest + slack * (2 * norms + lowest)
    if np.count_nonzero(nearest) > len(X):
        unsure = np.flatnonzero(nearest.sum(axis=0) > 1)
        nearest[:, unsure] = False
        nearest[_long_way(X[unsure], centres), unsure] = True
    return nearest


def _long_way(X, centres):
    squares = [((X - centre) ** 2).sum(axis=1) for centre in centres]
    return np.argmin(squares, axis=0)  # (N,)


# %% 1.1.1 book/foundations/learning_without_answers.md
def lloyd(X, centres, *, max_iter=300, tol=0.0):
    """Run k-means from given centres until it stands still.

    Derived in section 1.1.1.

    Parameters
    ----------
    X : ndarray of shape (N, D)
    centres : ndarray of shape (K, D)
    max_iter : int
    tol : float
        Stop when the centres moved by less, in squared distance summed.

    Returns
    -------
    centres : ndarray of shape (K, D)
    n_iter : int
    """
    check_params("lloyd", {"max_iter": COUNT}, max_iter=max_iter)
    before = np.zeros((len(centres), len(X)), dtype=bool)
    total = np.zeros(np.shape(centres))
    norms = np.einsum("nd,nd->n", X, X)
    for n_iter in range(1, max_iter + 1):
        member = _nearest(X, centres, norms)
        if not _move(total, X, before, member):
            break
        before, last = member, centres
        size = member.sum(axis=1, keepdims=True)
        mean = total / np.maximum(size, 1)
        centres = np.where(size > 0, mean, centres)
        if np.sum((centres - last) ** 2) <= tol:
            break
    return centres, n_iter


# %% 1.1.1 book/foundations/learning_without_answers.md
def _move(total, X, before, member):
    """Bring `total` up to date; False when no case changed sides."""
    moved = np.flatnonzero((member != before).any(axis=0))
    if 4 * len(moved) > len(X):
        total[:] = member.astype(float) @ X
    else:
        change = member[:, moved].astype(float) - before[:, moved]
        total += change @ X[moved]
    return len(moved) > 0


# %% 1.1.1 book/foundations/learning_without_answers.md
def plus_plus(X, n_clusters, *, rng=None):
    """Choose rows of `X` to start k-means from, likely far apart.

    Derived in section 1.1.1; Arthur and Vassilvitskii (2007).
    """
    rng = np.random.default_rng(rng)
    norms = np.einsum("nd,nd->n", X, X)
    chosen = [int(rng.integers(len(X)))]
    gap = _squares(X, X[chosen], norms)[0]  # (N,)
    for _ in range(1, n_clusters):
        ladder = np.cumsum(gap)
        dice = rng.random(2 + int(np.log(n_clusters))) * ladder[-1]
        drawn = np.minimum(np.searchsorted(ladder, dice), len(X) - 1)
        after = np.minimum(gap, _squares(X, X[drawn], norms))
        best = after.sum(axis=1).argmin()
        chosen.append(int(drawn[best]))
        gap = after[best]
    return X[chosen]


def _squares(X, centres, norms):
    """Squared distances (K, N), the long way where digits were lost."""
    squares = norms + _heights(X, centres)
    k, n = np.nonzero(squares < 1e-6 * norms)
    gaps = X[n] - centres[k]
    squares[k, n] = np.einsum("md,md->m", gaps, gaps)
    return squares


# %% 1.1.1 book/foundations/learning_without_answers.md
class KMeans(ClusterMixin, BaseEstimator):
    """Group cases around `n_clusters` means.

    Derived in section 1.1.1; the rounds are Lloyd's (1957, printed 1982).

    Parameters
    ----------
    n_clusters, max_iter : int
    init : {"k-means++", "random"} or array-like of shape (K, D)
    n_init : "auto" or int
        Starts to try; "auto" is 1 for k-means++ and 10 for random.
    tol : float
        Stop when the centres move less, relative to the data's variance.
    random_state : None, int or numpy.random.Generator

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (K, D)
    labels_ : ndarray of int, shape (N,)
    inertia_ : float
        Sum of squared distances to the nearest centre.

    Examples
    --------
    >>> model = KMeans(2, random_state=0).fit([[1.0], [2.0], [9.0], [10.0]])
    >>> sorted(model.cluster_centers_.ravel().tolist())
    [1.5, 9.5]
    """

    def __init__(
        self,
        n_clusters=8,
        *,
        init="k-means++",
        n_init="auto",
        max_iter=300,
        tol=1e-4,
        random_state=None,
    ):
        self.n_clusters, self.init, self.n_init = n_clusters, init, n_init
        self.max_iter, self.tol = max_iter, tol
        self.random_state = random_state

    def _starts(self, X, centre):
        """First centres of each run, a list of (K, D), relative to `centre`."""
        K, N = self.n_clusters, len(X)
        if not 1 <= K <= N:
            raise ValueError(f"n_clusters={K} must lie in 1 .. n_samples={N}")
        if not isinstance(self.init, str):
            return [_given_start(self.init, (K, X.shape[1])) - centre]
        runs = {"k-means++": 1, "random": 10}[self.init]
        runs = runs if self.n_init == "auto" else self.n_init
        rng = check_random_state(self.random_state)
        if self.init == "k-means++":
            return [plus_plus(X, K, rng=rng) for _ in range(runs)]
        return [X[rng.choice(N, K, replace=False)] for _ in range(runs)]

    def fit(self, X, y=None):
        """Find the centres; `y` is ignored."""
        check_params(self, _KMEANS_RULES)
        X = validate_data(self, X)
        centre = typical(X)
        moved = np.subtract(X, centre, dtype=float)
        square = np.vdot(moved, moved) / moved.size
        tol = self.tol * (square - np.mean(moved.mean(axis=0) ** 2))
        runs = [
            lloyd(moved, start, max_iter=self.max_iter, tol=tol)
            for start in self._starts(moved, centre)
        ]
        best = runs[0]
        if len(runs) > 1:
            best = min(runs, key=lambda run: _inertia(moved, run[0]))
        found, self.n_iter_ = best
        self.cluster_centers_ = found + centre
        self.labels_ = self.predict(X)
        self.inertia_ = _inertia(moved, found, self.labels_)
        return self

    def predict(self, X):
        """Index of the nearest centre of each row, shape (N,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        centre = typical(self.cluster_centers_)
        moved = np.subtract(X, centre, dtype=float)
        return _labels(moved, self.cluster_centers_ - centre)


# %% 1.1.1 book/foundations/learning_without_answers.md
_KMEANS_RULES = {
    "n_clusters": COUNT,
    "init": ["k-means++", "random", np.ndarray, list, tuple],
    "n_init": ["auto", *COUNT],
    "max_iter": COUNT,
    "tol": NOT_NEGATIVE,
    "random_state": SEED,
}


def _given_start(init, shape):
    init = np.asarray(init, dtype=float)
    if init.shape != shape:
        raise ValueError(f"init has shape {init.shape}, not {shape}")
    return init


# %% 1.1.1 book/foundations/learning_without_answers.md
def _inertia(X, centres, labels=None):
    """Sum of squared distances to the nearest centre."""
    labels = _labels(X, centres) if labels is None else labels
    gaps = X - centres[labels]
    return float(np.vdot(gaps, gaps))


# %% 1.1.1 book/foundations/learning_without_answers.md
def _labels(X, centres):
    norms = np.einsum("nd,nd->n", X, X)
    return _nearest(X, centres, norms).argmax(axis=0)  # (N,)
