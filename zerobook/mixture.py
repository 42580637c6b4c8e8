# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Mixtures: a hidden choice, then a Gaussian."""

import numpy as np
from zerobook.activations import log_softmax
from zerobook.base import BaseEstimator
from zerobook.base import COUNT, NOT_NEGATIVE, SEED, check_params
from zerobook.base import ConvergenceWarning, check_random_state
from zerobook.base import validate_data, warn
from zerobook.cluster import KMeans
from zerobook.base import check_is_fitted
import math


# %% 3.2 book/generative/mixtures.md
def log_gaussians(X, means, covariances):
    """Log density of N rows under K Gaussians, (N, K). Section 3.2."""
    N, D = X.shape
    out = np.full((N, len(means)), -0.5 * D * np.log(2 * np.pi))
    for k, (mean, covariance) in enumerate(zip(means, covariances)):
        L = np.linalg.cholesky(covariance)
        z = np.linalg.solve(L, (X - mean).T)  # (D, N)
        out[:, k] -= 0.5 * np.einsum("dn,dn->n", z, z)
        out[:, k] -= np.log(np.diag(L)).sum()
    return out


# %% 3.2 book/generative/mixtures.md
def expectation(X, weights, means, covariances):
    """Responsibilities (N, K), and the log likelihood of each row (N,).

    Section 3.2.
    """
    joint = np.log(weights) + log_gaussians(X, means, covariances)  # (N, K)
    log_R = log_softmax(joint)
    return np.exp(log_R), (joint - log_R)[:, 0]


# %% 3.2 book/generative/mixtures.md
def maximisation(X, R, reg_covar=0.0):
    """Weights (K,), means (K, D), covariances (K, D, D) for given shares.

    Section 3.2; `reg_covar` is added to each variance.
    """
    size = R.sum(axis=0) + 10 * np.finfo(float).eps  # (K,)
    means = R.T @ X / size[:, None]
    covariances = np.empty((len(size), X.shape[1], X.shape[1]))
    for k, r in enumerate(R.T):
        centred = X - means[k]
        covariances[k] = (r[:, None] * centred).T @ centred / size[k]
    covariances += reg_covar * np.eye(X.shape[1])
    return size / size.sum(), means, covariances


# %% 3.2 book/generative/mixtures.md
class GaussianMixture(BaseEstimator):
    """Density as a weighted sum of Gaussians, fitted by EM.

    Parameters
    ----------
    n_components : int
        Number K of Gaussians.
    tol : float
        Stop when a round gains less, in nats a row.
    reg_covar : float
        Added to each variance, so that no Gaussian shrinks to a point.
    max_iter, n_init : int
        Rounds of EM, and starts, of which the likeliest result is kept.
    random_state : None, int or numpy.random.Generator

    Attributes
    ----------
    weights_, means_, covariances_ : ndarray
        Shapes (K,), (K, D) and (K, D, D).
    lower_bound_ : float
        Mean log likelihood of the rows it was fitted to, in nats.
    n_iter_ : int
    converged_ : bool

    Notes
    -----
    Section 3.2; Dempster, Laird and Rubin (1977). Covariances are full.

    Examples
    --------
    >>> X = [[0.0], [1.0], [8.0], [9.0], [10.0]]
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> sorted(model.means_.ravel().round(3).tolist())
    [0.5, 9.0]
    """

    _estimator_type = "density_estimator"

    def __init__(self, n_components=1, *, tol=1e-3, reg_covar=1e-6,
                      max_iter=100, n_init=1, random_state=None):
        self.n_components = n_components
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find weights, means and covariances; `y` is ignored."""
        check_params(self, _MIXTURE_RULES)
        X = validate_data(self, X)
        K = self.n_components
        if K > len(X):
            raise ValueError(f"n_components={K} must lie in 1 .. n_samples="
                             f"{len(X)}")
        rng, climbs = check_random_state(self.random_state), []
        for _ in range(self.n_init):
            groups = KMeans(K, random_state=rng).fit(X).labels_
            climbs.append(_climb(self, X, np.eye(K)[groups]))
        likely = [np.nan_to_num(climb[0], nan=-np.inf) for climb in climbs]
        best = climbs[int(np.argmax(likely))]
        self.lower_bound_, self.n_iter_, self.converged_, parts = best
        self.weights_, self.means_, self.covariances_ = parts
        if not self.converged_:
            warn(f"no convergence in max_iter={self.max_iter} rounds",
                 ConvergenceWarning)
        return self

    def predict(self, X):
        """The Gaussian that is likeliest to have made each row, (N,)."""
        return _ask(self, X)[0].argmax(axis=1)

    def fit_predict(self, X, y=None):
        """Fit, then return the likeliest Gaussian of each row, (N,)."""
        return self.fit(X).predict(X)

    def predict_proba(self, X):
        """Responsibility of each Gaussian for each row, (N, K)."""
        return _ask(self, X)[0]

    def score_samples(self, X):
        """Log density of each row in nats, (N,)."""
        return _ask(self, X)[1]

    def score(self, X, y=None):
        """Mean log density of the rows, in nats."""
        return float(_ask(self, X)[1].mean())

    def sample(self, n_samples=1, *, rng=None):
        """Draw new rows: first the hidden choice, then the Gaussian's draw.

        Parameters
        ----------
        n_samples : int
        rng : Generator or int, optional
            `random_state` by default, so that two calls draw the same.

        Returns
        -------
        X : ndarray of shape (n_samples, D)
        y : ndarray of int, shape (n_samples,)
            The choice that was made for each row.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples={n_samples}: 1 or more")
        rng = check_random_state(self.random_state if rng is None else rng)
        y = rng.choice(len(self.weights_), n_samples, p=self.weights_)
        L = np.linalg.cholesky(self.covariances_)[y]  # (n, D, D)
        z = rng.standard_normal((n_samples, self.means_.shape[1], 1))
        return self.means_[y] + (L @ z)[..., 0], y


# %% 3.2 book/generative/mixtures.md
def _climb(mixture, X, R):
    """Rounds of EM from a guess: bound, rounds, whether it stood, parts."""
    bound = -np.inf
    for n_iter in range(1, mixture.max_iter + 1):
        parts = maximisation(X, R, mixture.reg_covar)
        try:
            R, log_p = expectation(X, *parts)
        except np.linalg.LinAlgError:
            raise ValueError(
                f"a Gaussian of {mixture.n_components} has shrunk to fewer "
                f"dimensions than the {X.shape[1]} of the data; raise "
                f"reg_covar={mixture.reg_covar} or take fewer components"
            ) from None
        gain, bound = log_p.mean() - bound, log_p.mean()
        if gain < mixture.tol:
            return bound, n_iter, True, parts
    return bound, mixture.max_iter, False, parts


# %% 3.2 book/generative/mixtures.md
_MIXTURE_RULES = {
    "n_components": COUNT,
    "tol": NOT_NEGATIVE,
    "reg_covar": NOT_NEGATIVE,
    "max_iter": COUNT,
    "n_init": COUNT,
    "random_state": SEED,
}


# %% 3.2 book/generative/mixtures.md
def _ask(model, X):
    """Responsibilities and log likelihoods for rows of a fitted mixture."""
    check_is_fitted(model)
    X = validate_data(model, X, reset=False)
    return expectation(X, model.weights_, model.means_, model.covariances_)


# %% 3.2 book/generative/mixtures.md
_erf = np.vectorize(math.erf, otypes=[float])


def _bins(x, mean, width, levels):
    """Area of a Gaussian over the bin of each count, 0 .. `levels`."""
    below, above = ((x + side - mean) / width for side in (-0.5, 0.5))
    low = np.where(x == 0, -1, _erf(below / math.sqrt(2)))
    high = np.where(x == levels, 1, _erf(above / math.sqrt(2)))
    return 0.5 * (high - low)


# %% 3.2 book/generative/mixtures.md
def count_log_prob(X, means, covariances, levels=16, stray=1e-3):
    """Log probability of rows of counts under K Gaussians, (N, K).

    Section 3.2. Exact: over all rows the probabilities add up to 1. Of
    each count a share `stray` is spread evenly, so that none is impossible.
    """
    X, out = np.asarray(X, float), np.empty((len(X), len(means)))
    for k, (mean, covariance) in enumerate(zip(means, covariances)):
        L = np.linalg.cholesky(covariance)
        width = np.diag(L)
        z = np.linalg.solve(L, (X - mean).T).T  # (N, D)
        area = _bins(X, X - width * z, width, levels)
        p = (1 - stray) * area + stray / (levels + 1)
        out[:, k] = np.log(p).sum(axis=1)
    return out


# %% 3.2 book/generative/mixtures.md
def draw_counts(k, means, covariances, levels=16, stray=1e-3, *, rng):
    """A row of counts from each of the Gaussians `k`, (n, D). Section 3.2."""
    L, D = np.linalg.cholesky(covariances)[k], means.shape[1]  # (n, D, D)
    x, z = np.empty((2, len(k), D))
    for i in range(D):
        mean = means[k, i] + (L[:, i, :i] * z[:, :i]).sum(axis=1)
        width = L[:, i, i]
        x[:, i] = np.rint(mean + width * rng.standard_normal(len(k)))
        x[:, i] = x[:, i].clip(0, levels)
        lost = rng.random(len(k)) < stray
        x[lost, i] = rng.integers(0, levels + 1, lost.sum())
        z[:, i] = (x[:, i] - mean) / width
    return x


# %% 3.2 book/generative/mixtures.md
class CountGaussians:
    """A mixture of Gaussians whose draws are rows of counts.

    Parameters
    ----------
    X : ndarray of shape (N, D)
        Counts from 0 to `levels`.
    R : ndarray of shape (N, K)
        The share of each Gaussian in each row: 0 and 1 for known classes.
    keep, ridge : float
        What a covariance keeps of its own beside the pooled one, in 0 .. 1,
        and what is added to each variance, in squared counts.
    levels : int

    Notes
    -----
    Section 3.2. `fit_counts` chooses `keep` and `ridge`.
    """

    def __init__(self, X, R, keep=0.75, ridge=0.03, levels=16):
        weights, means, own = maximisation(np.asarray(X, float), R, ridge)
        pooled = np.tensordot(weights, own, 1)  # (D, D)
        self.keep, self.ridge, self.levels = keep, ridge, levels
        self.weights, self.means = weights, means
        self.covariances = keep * own + (1 - keep) * pooled

    def log_prob(self, X):
        """Log probability of each row under each Gaussian, (N, K)."""
        return count_log_prob(X, self.means, self.covariances, self.levels)

    def nats(self, X):
        """Surprise at each row, whose Gaussian is not told, in nats (N,)."""
        joint = np.log(self.weights) + self.log_prob(X)
        return -np.logaddexp.reduce(joint, axis=1)

    def sample(self, n, k=None, *, rng=None):
        """Rows of counts (n, D), from the Gaussians `k` (n,) or by weight."""
        rng = np.random.default_rng(rng)
        if k is None:
            k = rng.choice(len(self.weights), n, p=self.weights)
        return draw_counts(k, self.means, self.covariances, self.levels, rng=rng)


# %% 3.2 book/generative/mixtures.md
def fit_counts(X, groups, *, keeps=(0.25, 0.5, 0.75, 0.9),
               ridges=(0.01, 0.03, 0.1), rng=None):
    """`CountGaussians`, their shrinkage chosen on a fifth of the rows.

    Parameters
    ----------
    X : ndarray of shape (N, D)
        Counts.
    groups : callable
        ``groups(rows)`` gives the shares (n, K) of the rows ``X[rows]``.
    keeps, ridges : sequence of float
        What is tried. Section 3.2.
    rng : Generator or int, optional
        Draws the fifth.
    """
    rows = np.random.default_rng(rng).permutation(len(X))
    fifth, rest = rows[: len(X) // 5], rows[len(X) // 5 :]
    R, tried = groups(rest), {}
    for pair in ((keep, ridge) for keep in keeps for ridge in ridges):
        model = CountGaussians(X[rest], R, *pair)
        tried[pair] = model.nats(X[fifth]).mean()
    return CountGaussians(X, groups(np.arange(len(X))),
                          *min(tried, key=tried.get))
