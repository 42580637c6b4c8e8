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


# %% 3.2 book/generative/mixtures.md
def _mixture_init(self, n_components=1, *, tol=1e-3, reg_covar=1e-6,
                  max_iter=100, n_init=1, random_state=None):
    self.n_components = n_components
    self.tol = tol
    self.reg_covar = reg_covar
    self.max_iter = max_iter
    self.n_init = n_init
    self.random_state = random_state


GaussianMixture.__init__ = _mixture_init


# %% 3.2 book/generative/mixtures.md
def _climb(self, X, R):
    """Rounds of EM from a guess: bound, rounds, whether it stood, parts."""
    bound = -np.inf
    for n_iter in range(1, self.max_iter + 1):
        parts = maximisation(X, R, self.reg_covar)
        try:
            R, log_p = expectation(X, *parts)
        except np.linalg.LinAlgError:
            raise ValueError(
                f"a Gaussian of {self.n_components} has shrunk to fewer "
                f"dimensions than the {X.shape[1]} of the data; raise "
                f"reg_covar={self.reg_covar} or take fewer components"
            ) from None
        gain, bound = log_p.mean() - bound, log_p.mean()
        if gain < self.tol:
            return bound, n_iter, True, parts
    return bound, self.max_iter, False, parts


# %% 3.2 book/generative/mixtures.md
_MIXTURE_RULES = {
    "n_components": COUNT,
    "tol": NOT_NEGATIVE,
    "reg_covar": NOT_NEGATIVE,
    "max_iter": COUNT,
    "n_init": COUNT,
    "random_state": SEED,
}


def _mixture_fit(self, X, y=None):
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


# %% 3.2 book/generative/mixtures.md
def _ask(self, X):
    """Responsibilities and log likelihoods for rows of a fitted mixture."""
    check_is_fitted(self)
    X = validate_data(self, X, reset=False)
    return expectation(X, self.weights_, self.means_, self.covariances_)


def _mixture_proba(self, X):
    """Responsibility of each Gaussian for each row, (N, K)."""
    return _ask(self, X)[0]


def _mixture_predict(self, X):
    """The Gaussian that is likeliest to have made each row, (N,)."""
    return _ask(self, X)[0].argmax(axis=1)


def _mixture_fit_predict(self, X, y=None):
    """Fit, then return the likeliest Gaussian of each row, (N,)."""
    return self.fit(X).predict(X)


def _mixture_samples(self, X):
    """Log density of each row in nats, (N,)."""
    return _ask(self, X)[1]


def _mixture_score(self, X, y=None):
    """Mean log density of the rows, in nats."""
    return float(_ask(self, X)[1].mean())


# %% 3.2 book/generative/mixtures.md
def _mixture_sample(self, n_samples=1, *, rng=None):
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
GaussianMixture.fit, GaussianMixture.predict = _mixture_fit, _mixture_predict
GaussianMixture.fit_predict = _mixture_fit_predict
GaussianMixture.predict_proba = _mixture_proba
GaussianMixture.score_samples = _mixture_samples
GaussianMixture.score, GaussianMixture.sample = _mixture_score, _mixture_sample
