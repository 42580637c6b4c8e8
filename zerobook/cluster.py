# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Groups without labels: k-means."""

import numpy as np
from zerobook.base import (
    BaseEstimator,
    ClusterMixin,
    check_is_fitted,
    check_random_state,
    validate_data,
)


# %% 1.1.1 book/foundations/machine_learning.md
def _heights(X, centres):
    """Squared distance of each row to each centre, less |x|², (K, N)."""
    return (-2 * centres) @ X.T + np.sum(centres**2, axis=1)[:, None]


# %% 1.1.1 book/foundations/machine_learning.md
def plus_plus(X, n_clusters, *, rng):
    """Rows of `X` to start k-means from, far apart by design."""
    trials = 2 + int(np.log(n_clusters))
    chosen = [int(rng.integers(len(X)))]
    norms = np.einsum("nd,nd->n", X, X)
    nearest = np.maximum(norms + _heights(X, X[chosen])[0], 0)
    for _ in range(1, n_clusters):
        ladder = np.cumsum(nearest)
        drawn = np.searchsorted(ladder, rng.random(trials) * ladder[-1])
        drawn = np.minimum(drawn, len(X) - 1)
        after = np.minimum(nearest, norms + _heights(X, X[drawn]))
        after = np.maximum(after, 0)
        best = after.sum(axis=1).argmin()
        chosen.append(int(drawn[best]))
        nearest = after[best]
    return X[chosen]


# %% 1.1.1 book/foundations/machine_learning.md
def lloyd(X, centres, *, max_iter=300, tol=0.0):
    """Alternate nearest centre and mean until nothing moves."""
    N, K = len(X), len(centres)
    labels = np.zeros(N, dtype=np.intp)
    for step in range(1, max_iter + 1):
        before, labels = labels, _heights(X, centres).argmin(axis=0)
        if step > 1 and np.array_equal(before, labels):
            break
        member = np.zeros((K, N))
        member[labels, np.arange(N)] = 1
        count = member.sum(axis=1)[:, None]
        mean = member @ X / np.maximum(count, 1)
        mean = np.where(count > 0, mean, centres)
        moved, centres = np.sum((mean - centres) ** 2), mean
        if moved <= tol:
            break
    inertia = np.sum(X**2) + _heights(X, centres).min(axis=0).sum()
    return centres, inertia, step


# %% 1.1.1 book/foundations/machine_learning.md
class KMeans(ClusterMixin, BaseEstimator):
    """Group rows around `n_clusters` means."""

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
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find the centres; `y` is ignored."""
        X = validate_data(self, X)
        self._check(len(X))
        rng = check_random_state(self.random_state)
        shift = X.mean(axis=0)
        tol = self.tol * X.var(axis=0).mean()
        X = X - shift
        runs = [
            lloyd(X, start, max_iter=self.max_iter, tol=tol)
            for start in self._starts(X, shift, rng)
        ]
        centres, self.inertia_, self.n_iter_ = min(runs, key=lambda r: r[1])
        self.labels_ = _heights(X, centres).argmin(axis=0)
        self.cluster_centers_ = centres + shift
        return self


# %% 1.1.1 book/foundations/machine_learning.md
def _check(self, N):
    if self.n_clusters > N or self.n_clusters < 1:
        raise ValueError(
            f"n_clusters={self.n_clusters} must lie in 1 .. n_samples={N}"
        )


def _starts(self, X, shift, rng):
    if not isinstance(self.init, str):
        return [np.asarray(self.init, dtype=float) - shift]
    runs = self.n_init
    if runs == "auto":
        runs = 1 if self.init == "k-means++" else 10
    if self.init == "k-means++":
        return [plus_plus(X, self.n_clusters, rng=rng) for _ in range(runs)]
    draw = rng.permuted(np.tile(np.arange(len(X)), (runs, 1)), axis=1)
    return X[draw[:, : self.n_clusters]]


def predict(self, X):
    """Index of the nearest centre of each row."""
    check_is_fitted(self)
    X = validate_data(self, X, reset=False)
    shift = self.cluster_centers_.mean(axis=0)
    return _heights(X - shift, self.cluster_centers_ - shift).argmin(axis=0)


KMeans._check = _check
KMeans._starts = _starts
KMeans.predict = predict
