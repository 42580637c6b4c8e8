# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Groups without labels: k-means."""

import numpy as np
from zerobook.base import BaseEstimator, ClusterMixin
from zerobook.base import check_is_fitted, check_random_state, validate_data


# %% 1.1.1 book/foundations/learning_without_answers.md
def _heights(X, centres):
    """Squared distance of row n to centre k, less |x|², shape (K, N)."""
    heights = (-2 * centres) @ X.T
    heights += np.einsum("kd,kd->k", centres, centres)[:, None]
    return heights


def _nearest(heights):
    """One True in each column: the lowest centre, of equals the first."""
    lowest = heights == heights.min(axis=0)
    if np.count_nonzero(lowest) > lowest.shape[1]:
        lowest &= lowest.cumsum(axis=0) == 1
    return lowest


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
    before = np.zeros((len(centres), len(X)), dtype=bool)
    total = np.zeros(np.shape(centres))
    for n_iter in range(1, max_iter + 1):
        member = _nearest(_heights(X, centres))
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
    gap = np.maximum(norms + _heights(X, X[chosen])[0], 0)  # (N,)
    for _ in range(1, n_clusters):
        ladder = np.cumsum(gap)
        dice = rng.random(2 + int(np.log(n_clusters))) * ladder[-1]
        drawn = np.minimum(np.searchsorted(ladder, dice), len(X) - 1)
        after = np.minimum(gap, norms + _heights(X, X[drawn]))
        best = np.maximum(after, 0).sum(axis=1).argmin()
        chosen.append(int(drawn[best]))
        gap = np.maximum(after[best], 0)
    return X[chosen]


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


# %% 1.1.1 book/foundations/learning_without_answers.md
def _starts(self, X, centre):
    """First centres of each run, a list of (K, D), relative to `centre`."""
    K, N = self.n_clusters, len(X)
    if not 1 <= K <= N:
        raise ValueError(f"n_clusters={K} must lie in 1 .. n_samples={N}")
    if not isinstance(self.init, str):
        return [_given_start(self.init, (K, X.shape[1])) - centre]
    if self.init not in ("k-means++", "random"):
        raise ValueError(f"init={self.init!r}: 'k-means++' or 'random'")
    runs = {"k-means++": 1, "random": 10}[self.init]
    runs = runs if self.n_init == "auto" else self.n_init
    rng = check_random_state(self.random_state)
    if self.init == "k-means++":
        return [plus_plus(X, K, rng=rng) for _ in range(runs)]
    return [X[rng.choice(N, K, replace=False)] for _ in range(runs)]


def _given_start(init, shape):
    init = np.asarray(init, dtype=float)
    if init.shape != shape:
        raise ValueError(f"init has shape {init.shape}, not {shape}")
    return init


# %% 1.1.1 book/foundations/learning_without_answers.md
def _fit(self, X, y=None):
    """Find the centres; `y` is ignored."""
    X = validate_data(self, X)
    centre = X.mean(axis=0)
    X = X - centre
    tol = self.tol * np.vdot(X, X) / X.size
    runs = []
    for start in self._starts(X, centre):
        found, n_iter = lloyd(X, start, max_iter=self.max_iter, tol=tol)
        height = _heights(X, found).min(axis=0).sum()
        runs.append((height, n_iter, found))
    height, self.n_iter_, found = min(runs, key=lambda run: run[0])
    self.inertia_ = max(float(height + np.vdot(X, X)), 0.0)
    self.cluster_centers_ = found + centre
    self.labels_ = self.predict(X + centre)
    return self


# %% 1.1.1 book/foundations/learning_without_answers.md
def _predict(self, X):
    """Index of the nearest centre of each row, shape (N,)."""
    check_is_fitted(self)
    X = validate_data(self, X, reset=False)
    centre = self.cluster_centers_.mean(axis=0)
    heights = _heights(X - centre, self.cluster_centers_ - centre)
    return heights.argmin(axis=0)


KMeans._starts = _starts
KMeans.fit = _fit
KMeans.predict = _predict
