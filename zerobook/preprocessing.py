# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Preparing columns before a model sees them."""

import numpy as np
from zerobook.base import (
    BOOL,
    BaseEstimator,
    TransformerMixin,
    check_is_fitted,
    check_params,
    validate_data,
)


# %% 1.1.2 book/foundations/logistic_regression.md
class StandardScaler(TransformerMixin, BaseEstimator):
    """Give each column mean zero and standard deviation one.

    Derived in section 1.1.2.

    Parameters
    ----------
    with_mean, with_std : bool, default True
        Whether to subtract the mean, and to divide by the deviation.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,)
        What `transform` subtracts and divides by; a column that never
        changes, but for the rounding of its mean, has scale one.

    Examples
    --------
    >>> StandardScaler().fit_transform([[1.0], [2.0], [3.0]]).round(3).tolist()
    [[-1.225], [0.0], [1.225]]
    """

    def __init__(self, *, with_mean=True, with_std=True):
        self.with_mean = with_mean
        self.with_std = with_std

    def fit(self, X, y=None):
        """Measure the columns; returns self."""
        check_params(self, {"with_mean": BOOL, "with_std": BOOL})
        X = validate_data(self, X)
        mean, std = X.mean(axis=0, dtype=float), X.std(axis=0, dtype=float)
        varies = std > len(X) * np.finfo(float).eps * np.abs(mean)
        self.mean_ = mean * self.with_mean
        self.scale_ = np.where(varies & self.with_std, std, 1.0)
        return self

    def transform(self, X):
        """Subtract the mean, divide by the scale."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return ((X - self.mean_) / self.scale_).astype(X.dtype, copy=False)

    def inverse_transform(self, X):
        """Undo `transform`."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return (X * self.scale_ + self.mean_).astype(X.dtype, copy=False)


# %% 1.2.1 book/foundations/hidden_layer.md
def one_hot(targets, n_classes=None):
    """Write each class as a row of zeros with a single one.

    Parameters
    ----------
    targets : array of int, any shape
        Classes in ``0 .. n_classes-1``.
    n_classes : int, optional
        Width of the rows; the largest class plus one by default.

    Returns
    -------
    ndarray of float, shape ``(*targets.shape, n_classes)``

    Raises
    ------
    IndexError
        If a class lies outside ``0 .. n_classes-1``.

    Notes
    -----
    Section 1.2.1.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    targets = np.asarray(targets)
    K = int(targets.max()) + 1 if n_classes is None else n_classes
    if np.any((targets < 0) | (targets >= K)):
        raise IndexError(f"a class lies outside 0 .. {K - 1}")
    return (targets[..., None] == np.arange(K)).astype(float)
