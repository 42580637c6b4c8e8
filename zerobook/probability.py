# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Likelihood, information, and how far a measured score can be trusted."""

import math
from statistics import NormalDist
import numpy as np


# %% 1.0.3 book/foundations/probability.md
def gaussian_log_likelihood(x, mean, std):
    """Log-likelihood of independent Gaussian observations.

    Parameters
    ----------
    x : array_like
        The observations.
    mean, std : float or array_like
        One for all, or one for each observation; `std` is positive.

    Returns
    -------
    float
        Sum of the log-densities, in nats. It is relative to the unit of `x`:
        centimetres in place of metres subtract ``log(100)`` an observation.

    Raises
    ------
    ValueError
        If `std` is not positive.

    Notes
    -----
    Derived in section 1.0.3.

    Examples
    --------
    >>> round(gaussian_log_likelihood([1, 2, 6], 3, 2), 3)
    -6.586
    """
    x, mean, std = (np.asarray(a, dtype=float) for a in (x, mean, std))
    if not np.all(std > 0):
        raise ValueError(f"std must be positive, got {std}")
    z = (x - mean) / std
    terms = -0.5 * z**2 - np.log(std) - 0.5 * math.log(2 * math.pi)
    return float(terms.sum())


# %% 1.0.3 book/foundations/probability.md
def fit_gaussian(x):
    """Mean and standard deviation that make `x` likeliest.

    Parameters
    ----------
    x : array_like
        At least one observation.

    Returns
    -------
    tuple of two floats
        Mean and standard deviation, in the unit of `x`. The divisor is N, so
        the deviation of a small sample comes out too small on average.

    Notes
    -----
    Derived in section 1.0.3.

    Examples
    --------
    >>> fit_gaussian([1.0, 3.0])
    (2.0, 1.0)
    """
    x = np.asarray(x, dtype=float)
    return float(x.mean()), float(x.std())


# %% 1.0.3 book/foundations/probability.md
def entropy(p):
    """Mean surprise of a distribution over K outcomes.

    Parameters
    ----------
    p : array_like of shape (..., K)
        Probabilities; the last axis sums to one.

    Returns
    -------
    float, or ndarray of shape (...)
        In nats, from 0 for a certainty to ``log(K)`` for equal chances.

    Raises
    ------
    ValueError
        If an entry is negative or the last axis does not sum to one.

    Notes
    -----
    Derived in section 1.0.3; Shannon's measure, of 1948.

    Examples
    --------
    >>> round(float(entropy([0.5, 0.25, 0.25]) / np.log(2)), 6)
    1.5
    """
    p = _as_distribution(p)
    return -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)


def _as_distribution(p):
    """`p` as floats; refused unless its last axis sums to one."""
    p = np.asarray(p, dtype=float)
    if (p < 0).any() or not np.allclose(p.sum(axis=-1), 1, atol=1e-6):
        raise ValueError("probabilities must be >= 0 and sum to one")
    return p


# %% 1.0.3 book/foundations/probability.md
def kl_divergence(p, q):
    """Mean surprise that believing `q` adds when `p` holds.

    Parameters
    ----------
    p, q : array_like of shape (..., K)
        Probabilities; the last axes sum to one.

    Returns
    -------
    float, or ndarray of shape (...)
        In nats; 0 where they agree, infinite where `q` rules out what `p`
        allows. Not symmetric.

    Raises
    ------
    ValueError
        If an entry is negative or a last axis does not sum to one.

    Notes
    -----
    Derived in section 1.0.3.

    Examples
    --------
    >>> round(float(kl_divergence([0.5, 0.5], [0.9, 0.1])), 3)
    0.511
    """
    p, q = np.broadcast_arrays(_as_distribution(p), _as_distribution(q))
    with np.errstate(divide="ignore"):
        gap = np.log(np.where(p > 0, p, 1)) - np.log(np.where(p > 0, q, 1))
    return np.sum(p * gap, axis=-1)


# %% 1.0.3 book/foundations/probability.md
def _inside(confidence):
    """`confidence`; refused unless it lies inside (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence!r}")
    return confidence


# %% 1.0.3 book/foundations/probability.md
def accuracy_interval(n_correct, n, *, confidence=0.95):
    """Wilson's interval for an accuracy measured on `n` examples.

    Derived in section 1.0.3; the formula is of 1927. It speaks of other
    examples for the same model; for other seeds see `mean_interval`.

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
        Lower and upper end, in ``0 .. 1``.

    Raises
    ------
    ValueError
        If `n_correct` is no whole number in ``0 .. n`` (a rate, say), or
        `confidence` lies outside (0, 1).

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
    n_correct, n = int(n_correct), int(n)  # small types would wrap around
    z = NormalDist().inv_cdf(0.5 + _inside(confidence) / 2)
    p, shrink = n_correct / n, 1 + z**2 / n
    centre = (p + z**2 / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low = centre - half if n_correct > 0 else 0.0
    high = centre + half if n_correct < n else 1.0
    return low, high


# %% 1.0.3 book/foundations/probability.md
def _student_share(angle, df, points):
    """Share of a sphere in ``df + 1`` dimensions within `angle` of a plane."""
    place, weight = points  # of Gauss and Legendre, on -1 .. 1
    area = angle / 2 * weight @ np.cos(angle / 2 * (place + 1)) ** (df - 1)
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2)
    return 2 * math.exp(log_scale) / math.sqrt(math.pi) * area


# %% 1.0.3 book/foundations/probability.md
def _student_factor(confidence, df):
    """How many standard errors on both sides hold `confidence`."""
    points = np.polynomial.legendre.leggauss(40)
    low, high, top = 0.0, 1 / math.sqrt(df), math.pi / 2
    while high < top and _student_share(high, df, points) < confidence:
        low, high = high, min(2 * high, top)
    for _ in range(60):
        angle = (low + high) / 2
        if _student_share(angle, df, points) < confidence:
            low = angle
        else:
            high = angle
    return math.sqrt(df) * math.tan(low)


# %% 1.0.3 book/foundations/probability.md
def mean_interval(scores, *, confidence=0.95):
    """Student's interval for the mean of a few runs.

    Parameters
    ----------
    scores : array_like of shape (n,)
        One score a run (a seed, say), at least two, independent.
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
    Derived in section 1.0.3; the factor is Student's, of 1908. It speaks of
    other seeds on the same test set; for other examples see
    `accuracy_interval`.

    Examples
    --------
    >>> low, high = mean_interval([97.8, 98.0, 98.2, 98.0, 98.1])
    >>> round(low, 2), round(high, 2)
    (97.84, 98.2)
    """
    scores = np.asarray(scores, dtype=float).ravel()
    n = len(scores)
    if n < 2:
        raise ValueError("an interval over runs needs at least two of them")
    factor = _student_factor(_inside(confidence), n - 1)
    half = factor * scores.std(ddof=1) / math.sqrt(n)
    return float(scores.mean() - half), float(scores.mean() + half)
