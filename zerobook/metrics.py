# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Scores: how far predictions are from the truth, and the two mixins."""

import numpy as np


# %% 1.1.1 book/foundations/machine_learning.md
def _same_length(y_true, y_pred):
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.shape != y_pred.shape or y_true.ndim == 0:
        raise ValueError(
            "y_true and y_pred must have one shape, got "
            f"{y_true.shape} and {y_pred.shape}"
        )
    if len(y_true) == 0:
        raise ValueError("no samples: a score needs at least one")
    return y_true, y_pred


def accuracy_score(y_true, y_pred):
    """Fraction of predictions that equal the truth."""
    y_true, y_pred = _same_length(y_true, y_pred)
    return float(np.mean(y_true == y_pred))


# %% 1.1.1 book/foundations/machine_learning.md
def mean_squared_error(y_true, y_pred):
    """Mean squared residual, in the square of y's unit."""
    y_true, y_pred = _same_length(y_true, y_pred)
    return float(np.mean((y_true - y_pred) ** 2))


def r2_score(y_true, y_pred):
    """Share of the variance of y that the prediction explains."""
    y_true, y_pred = _same_length(y_true, y_pred)
    left = np.sum((y_true - y_pred) ** 2)
    total = np.sum((y_true - np.mean(y_true)) ** 2)
    if total == 0:
        return 1.0 if left == 0 else 0.0
    return float(1 - left / total)


# %% 1.1.1 book/foundations/machine_learning.md
def confusion_matrix(y_true, y_pred):
    """Count each pair of true class (row) and predicted class (column)."""
    y_true, y_pred = _same_length(y_true, y_pred)
    labels = np.unique(np.concatenate([y_true, y_pred]))
    row, column = np.searchsorted(labels, [y_true, y_pred])
    K = len(labels)
    return np.bincount(row * K + column, minlength=K * K).reshape(K, K)


# %% 1.1.1 book/foundations/machine_learning.md
def _pairs(n):
    return np.sum(n * (n - 1.0) / 2)


def adjusted_rand_score(labels_true, labels_pred):
    """Agreement of two groupings of the same things, chance taken off."""
    labels_true, labels_pred = _same_length(labels_true, labels_pred)
    row = np.unique(labels_true, return_inverse=True)[1]
    column = np.unique(labels_pred, return_inverse=True)[1]
    table = confusion_matrix(row, column)
    rows, columns = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    expected = rows * columns / max(_pairs(len(row)), 1.0)
    most = (rows + columns) / 2
    if most == expected:
        return 1.0
    return float((_pairs(table) - expected) / (most - expected))


# %% 1.1.1 book/foundations/machine_learning.md
class ClassifierMixin:
    """What every classifier shares: `score` is accuracy."""

    _estimator_type = "classifier"

    def score(self, X, y):
        """Accuracy of ``self.predict(X)`` against `y`."""
        return accuracy_score(y, self.predict(X))


# %% 1.1.1 book/foundations/machine_learning.md
class RegressorMixin:
    """What every regressor shares: `score` is R²."""

    _estimator_type = "regressor"

    def score(self, X, y):
        """R² of ``self.predict(X)`` against `y`."""
        return r2_score(y, self.predict(X))
