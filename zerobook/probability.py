# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Likelihood, information, and how far a measured score can be trusted."""

import math
from statistics import NormalDist
import numpy as np


# %% 1.0.3 book/foundations/probability.md
def gaussian_log_likelihood(x, mean, std):
    """Log-likelihood of independent Gaussian observations, in nats."""
    z = (np.asarray(x) - mean) / std
    return float(np.sum(-0.5 * z**2 - np.log(std) - 0.5 * np.log(2 * np.pi)))


def fit_gaussian(x):
    """Mean and standard deviation that make `x` most likely."""
    x = np.asarray(x)
    return float(x.mean()), float(x.std())


def entropy(p):
    """Expected surprise of a distribution, in nats."""
    p = np.asarray(p, dtype=float)
    return float(-np.sum(p[p > 0] * np.log(p[p > 0])))


def kl_divergence(p, q):
    """Surprise beyond the entropy when `q` is believed and `p` holds."""
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    p, q = p[p > 0], q[p > 0]
    with np.errstate(divide="ignore"):
        return float(np.sum(p * (np.log(p) - np.log(q))))


# %% 1.0.3 book/foundations/probability.md
def accuracy_interval(n_correct, n, *, confidence=0.95):
    """Wilson's interval for an accuracy measured on `n` examples.

    Parameters
    ----------
    n_correct : int
        How many were right, a count in ``0 .. n``.
    n : int
        How many were asked, at least one.
    confidence : float, optional
        Share of such intervals that hold the true accuracy, inside (0, 1).

    Returns
    -------
    tuple of two floats
        Lower and upper end, both in ``0 .. 1``.

    Raises
    ------
    ValueError
        If `n_correct` is no whole number in ``0 .. n`` (a rate, say), or
        `confidence` lies outside (0, 1).

    Notes
    -----
    Derived in section 1.0.3; the formula is Wilson's, of 1927.

    Examples
    --------
    >>> low, high = accuracy_interval(441, 450)
    >>> round(low, 3), round(high, 3)
    (0.962, 0.989)
    """
    if n < 1 or not 0 <= n_correct <= n or n_correct != int(n_correct):
        raise ValueError(
            f"n_correct must be a whole number in 0 .. n, got {n_correct!r} "
            f"with n={n!r}; for a rate pass round(rate * n)"
        )
    z = _normal_quantile(confidence)
    p, shrink = n_correct / n, 1 + z**2 / n
    centre = (p + z**2 / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _normal_quantile(confidence):
    """How many deviations hold the middle `confidence` of a Gaussian."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence!r}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


# %% 1.0.3 book/foundations/probability.md
def mean_interval(scores, *, confidence=0.95):
    """Student's interval for the mean of a few runs.

    Parameters
    ----------
    scores : array_like of shape (n,)
        One score a run (a seed, a fold), at least two.
    confidence : float, optional
        Share of such intervals that hold the true mean, inside (0, 1).

    Returns
    -------
    tuple of two floats
        Lower and upper end, in the unit of `scores`.

    Raises
    ------
    ValueError
        If there are fewer than two scores, or `confidence` lies outside
        (0, 1).

    Notes
    -----
    Derived in section 1.0.3.

    Examples
    --------
    >>> low, high = mean_interval([97.8, 98.0, 98.2, 98.0, 98.1])
    >>> round(low, 2), round(high, 2)
    (97.84, 98.2)
    """
    scores = np.asarray(scores, dtype=float).ravel()
    if len(scores) < 2:
        raise ValueError("an interval over runs needs at least two of them")
    error = scores.std(ddof=1) / math.sqrt(len(scores))
    half = _student_quantile(confidence, len(scores) - 1) * error
    return float(scores.mean() - half), float(scores.mean() + half)


def _student_quantile(confidence, df):
    """How many estimated deviations hold the middle `confidence`."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence!r}")
    low, high = 0.0, 1 / math.sqrt(df)
    while high < math.pi / 2 and _student_share(high, df) < confidence:
        low, high = high, min(2 * high, math.pi / 2)
    for _ in range(60):
        angle = (low + high) / 2
        if _student_share(angle, df) < confidence:
            low = angle
        else:
            high = angle
    return math.sqrt(df) * math.tan(low)


def _student_share(angle, df):
    """Probability that ``|t| < sqrt(df) * tan(angle)``."""
    node, weight = np.polynomial.legendre.leggauss(40)
    area = angle / 2 * weight @ np.cos(angle / 2 * (node + 1)) ** (df - 1)
    scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2)
    return 2 * math.exp(scale) / math.sqrt(math.pi) * area
