# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Scores: how far predictions are from the truth, and who uses which."""

import numbers
import numpy as np
from zerobook.base import as_numbers, check_target


# %% 1.1.1 book/foundations/machine_learning.md
def _paired(y_true, y_pred):
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.shape != y_pred.shape or y_true.size == 0:
        raise ValueError(
            "truth and prediction must have one shape and an entry or more, "
            f"got {y_true.shape} and {y_pred.shape}"
        )
    return y_true, y_pred


def _vectors(y_true, y_pred):
    y_true, y_pred = _paired(y_true, y_pred)
    if y_true.ndim == 0 or y_true.size > len(y_true):
        raise ValueError(f"one entry a row is scored, got {y_true.shape}")
    return y_true.ravel(), y_pred.ravel()


# %% 1.1.1 book/foundations/machine_learning.md
def _family(y):
    if isinstance(y[0], str):
        return "text"
    a_number = isinstance(y[0], numbers.Number | np.bool_)
    return "numbers" if a_number else type(y[0]).__name__


def _labels(y_true, y_pred):
    y_true, y_pred = _vectors(y_true, y_pred)
    families = _family(y_true), _family(y_pred)
    if families[0] != families[1]:
        raise ValueError(f"labels are compared, got {families[0]} as truth "
                         f"and {families[1]} as prediction")
    for y in (y_true, y_pred):
        if y.dtype.kind == "f" and not np.all(y == np.floor(y)):
            raise ValueError("labels are whole numbers or text, got a number "
                             "with a fraction or NaN: probabilities, perhaps?")
    return y_true, y_pred


# %% 1.1.1 book/foundations/machine_learning.md
def accuracy_score(y_true, y_pred):
    """Share of predictions that equal the truth.

    A model that always says the commonest class scores that class's share.
    Derived in section 1.1.1.

    Raises
    ------
    ValueError
        If there is not one label a row on either side, if text is compared
        with numbers, or if a number has a fraction or is NaN.

    Examples
    --------
    >>> accuracy_score(["cat", "dog", "dog", "cat"], ["cat"] * 4)
    0.5
    """
    y_true, y_pred = _labels(y_true, y_pred)
    return float(np.mean(y_true == y_pred))


class ClassifierMixin:
    """What all classifiers share: their score is accuracy."""

    _estimator_type = "classifier"

    def score(self, X, y):
        """Share of rows of `X` whose class in `y` is predicted."""
        return accuracy_score(check_target(y), self.predict(X))


# %% 1.1.1 book/foundations/machine_learning.md
def confusion_matrix(y_true, y_pred):
    """Count the pairs of true class (row) and predicted class (column).

    Derived in section 1.1.1.

    Returns
    -------
    ndarray of int, shape (K, K)
        Classes in sorted order, those seen on either side; the right
        answers stand on the diagonal.

    Raises
    ------
    ValueError
        As in `accuracy_score`.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1])
    array([[1, 1],
           [0, 2]])
    """
    y_true, y_pred = _labels(y_true, y_pred)
    classes = np.unique(np.concatenate([y_true, y_pred]))
    row, column = (np.searchsorted(classes, y) for y in (y_true, y_pred))
    K = len(classes)
    return np.bincount(row * K + column, minlength=K * K).reshape(K, K)


# %% 1.1.1 book/foundations/machine_learning.md
def mean_squared_error(y_true, y_pred):
    """Mean squared residual, in the square of y's unit.

    A model that always says the mean scores the variance of `y_true`.
    Derived in section 1.1.1.

    Raises
    ------
    ValueError
        If the shapes differ, there is no entry, or one is NaN, infinite or
        text.

    Examples
    --------
    >>> mean_squared_error([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    y_true, y_pred = map(as_numbers, _paired(y_true, y_pred))
    return float(np.mean((y_true - y_pred) ** 2))


# %% 1.1.1 book/foundations/machine_learning.md
def r2_score(y_true, y_pred):
    """Share of the variance of the truth that the prediction removes.

    1 is perfect, 0 is what the mean of `y_true` scores, worse is negative.
    A constant truth scores 1 if it is hit and 0 if not.
    Derived in section 1.1.1.

    Raises
    ------
    ValueError
        As in `mean_squared_error`, and if there is not one entry a row.

    Examples
    --------
    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    y_true, y_pred = map(as_numbers, _vectors(y_true, y_pred))
    left = np.sum((y_true - y_pred) ** 2)
    if y_true.min() == y_true.max():  # its mean may differ in the last digit
        return 1.0 if left == 0 else 0.0
    total = np.sum((y_true - np.mean(y_true)) ** 2)
    return float(1 - left / total)


class RegressorMixin:
    """What all regressors share: their score is R²."""

    _estimator_type = "regressor"

    def score(self, X, y):
        """R² of the predictions for the rows of `X` against `y`."""
        y = check_target(y, numeric=True)
        return r2_score(y, self.predict(X))


# %% 1.1.1 book/foundations/learning_without_answers.md
def _pairs(n):
    return np.sum(n * (n - 1.0) / 2)


def adjusted_rand_score(labels_true, labels_pred):
    """Agreement of two groupings of the same cases, chance taken off.

    1 for the same grouping under other names, about 0 for an unrelated one.
    Derived in section 1.1.1; Hubert and Arabie (1985).

    Examples
    --------
    >>> adjusted_rand_score(["a", "a", "b", "b"], [7, 7, 3, 3])
    1.0
    """
    labels_true, labels_pred = _vectors(labels_true, labels_pred)
    row = np.unique(labels_true, return_inverse=True)[1]
    column = np.unique(labels_pred, return_inverse=True)[1]
    table = confusion_matrix(row, column)
    A, B = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    expected = A * B / max(_pairs(len(row)), 1.0)
    if (A + B) / 2 == expected:
        return 1.0
    return float((_pairs(table) - expected) / ((A + B) / 2 - expected))


# %% 3.3 book/generative/ngrams.md
def bits_per_byte(nats, n_bytes):
    """Surprise at a text, in bits for each of its bytes of UTF-8.

    `nats` is the sum of ``-log p`` over all symbols, of whatever length, and
    `n_bytes` the length of the whole text, so that models with different
    symbols can be compared. A blind guess of bytes scores 8. Section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from zerobook.metrics import bits_per_byte
    >>> round(bits_per_byte(5 * np.log(256), n_bytes=5), 6)
    8.0
    """
    return float(nats / (np.log(2) * n_bytes))
