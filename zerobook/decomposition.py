# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Data seen from where it is widest."""

import numpy as np
from zerobook.base import BaseEstimator, Interval, TransformerMixin
from zerobook.base import check_params, validate_data
from zerobook.base import check_array, check_is_fitted


# %% 1.0.1 book/foundations/linear_algebra.md
def axes_by_svd(centred):
    """Singular values and principal axes of centred data, widest first."""
    _, s, Vt = np.linalg.svd(centred, full_matrices=False)
    return s, Vt  # (min(N, D),), (min(N, D), D)


# %% 1.0.1 book/foundations/linear_algebra.md
def axes_by_covariance(centred):
    """Singular values and principal axes of centred data, widest first."""
    squares, V = np.linalg.eigh(centred.T @ centred)  # (D,), (D, D)
    s = np.sqrt(np.maximum(squares[::-1], 0))
    return s, V[:, ::-1].T  # (D,), (D, D)


# %% 1.0.1 book/foundations/linear_algebra.md
def principal_axes(centred):
    """Singular values and axes, by the road that suits the shape."""
    N, D = centred.shape
    road = axes_by_covariance if N >= 10 * D else axes_by_svd
    s, axes = road(centred)
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return s, axes * signs[:, None]


# %% 1.0.1 book/foundations/linear_algebra.md
def _count(n_components, ratio, most):
    """How many components to keep, out of at most `most`."""
    if n_components is None:
        return most
    whole = isinstance(n_components, (int, np.integer))
    if whole and 0 <= n_components <= most:
        return int(n_components)
    share = isinstance(n_components, (float, np.floating))
    if share and 0 < n_components < 1:
        kept = np.cumsum(ratio)
        return min(int(np.searchsorted(kept, n_components, "right")) + 1, most)
    raise ValueError(
        f"n_components={n_components!r} must be a whole number between 0 and "
        f"min(n_samples, n_features)={most}, or a share inside (0, 1)"
    )


# %% 1.0.1 book/foundations/linear_algebra.md
class PCA(TransformerMixin, BaseEstimator):
    """Principal component analysis: the widest directions of the data.

    Parameters
    ----------
    n_components : int, float or None, optional
        How many to keep; a float inside (0, 1) keeps as many as that share of
        the variance needs; None keeps ``min(N, D)``.

    Attributes
    ----------
    components_ : ndarray of shape (K, D)
        Orthonormal axes, widest first; the largest entry of each is positive.
    explained_variance_, explained_variance_ratio_ : ndarray of shape (K,)
        Variance along each axis (divisor N - 1), and its share of the total.
    singular_values_ : ndarray of shape (K,)
    mean_ : ndarray of shape (D,)
    noise_variance_ : float
        Mean variance along the axes that were dropped.
    n_components_ : int

    Notes
    -----
    Derived in section 1.0.1. Columns count by their size: standardise those
    that come in different units first.

    Examples
    --------
    >>> pca = PCA(n_components=1).fit([[0.0, 0.0], [2.0, 1.0], [4.0, 2.0]])
    >>> pca.components_.round(3), pca.explained_variance_ratio_.round(3)
    (array([[0.894, 0.447]]), array([1.]))
    """

    def __init__(self, n_components=None):
        self.n_components = n_components

    def fit(self, X, y=None):
        """Find the axes of `X` of shape (N, D), at least two rows."""
        share, count = Interval(float, "(0, 1)"), Interval(int, "[0, inf)")
        check_params(self, {"n_components": [None, count, share]})
        X = validate_data(self, X, min_samples=2)
        self.mean_ = X.mean(axis=0)
        return _keep(self, X, *principal_axes(X - self.mean_))

    def transform(self, X):
        """Coordinates of `X` on the axes, shape (N, K)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        Z = X @ self.components_.T  # (N, D) -> (N, K)
        Z -= self.mean_ @ self.components_.T
        return Z

    def inverse_transform(self, X):
        """Back from coordinates (N, K) to data (N, D), as far as it goes."""
        check_is_fitted(self)
        return check_array(X) @ self.components_ + self.mean_


# %% 1.0.1 book/foundations/linear_algebra.md
def _keep(pca, X, s, axes):
    """Write down the first components, and what the others would have had."""
    variance = s**2 / (len(X) - 1)
    total = variance.sum()
    rounding = (len(X) * np.finfo(float).eps) ** 2 * pca.mean_ @ pca.mean_
    varies = total > rounding  # else all rows are one
    ratio = variance / total if varies else np.zeros_like(variance)
    K = _count(pca.n_components, ratio, min(X.shape))
    pca.n_components_ = K
    pca.components_, pca.singular_values_ = axes[:K].copy(), s[:K]
    pca.explained_variance_ = variance[:K]
    pca.explained_variance_ratio_ = ratio[:K]
    pca.noise_variance_ = float(variance[K:].mean()) if K < len(s) else 0.0
    return pca
