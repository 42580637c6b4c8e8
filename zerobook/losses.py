# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Losses: prediction first, target second; each beside its gradient."""

import numpy as np
from zerobook.activations import sigmoid
from zerobook.activations import log_softmax, softmax


# %% 1.1.2 book/foundations/linear_models.md
def squared_error(y_hat, y):
    """Half the mean squared residual, in the square of y's unit.

    Derived in section 1.1.2. PyTorch's ``mse_loss`` is twice this.

    Parameters
    ----------
    y_hat, y : ndarray of the same shape
        Predictions and targets.

    Returns
    -------
    float
        Half the variance of `y` for a model that always says its mean.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> squared_error(np.array([1.5, 2.0, 2.5]), np.array([1, 3, 2])).item()
    0.25
    """
    y_hat, y = _matched(y_hat, y)
    return 0.5 * np.mean((y_hat - y) ** 2)


def squared_error_backward(g, y_hat, y):
    """Gradient at `y_hat` from the gradient `g` at the loss."""
    y_hat, y = _matched(y_hat, y)
    return g / y_hat.size * (y_hat - y)


# %% 1.1.2 book/foundations/linear_models.md
def _floats(a):
    """`a` as an array of floats, ``float32`` or ``float64``."""
    a = np.asarray(a)
    fine = a.dtype == np.float32 or a.dtype == np.float64
    return a if fine else a.astype(np.float64)


def _matched(y_hat, y):
    """Prediction and target as floats of one type and one shape."""
    y_hat = _floats(y_hat)
    y = np.asarray(y, y_hat.dtype)
    if y.shape != y_hat.shape:
        raise ValueError(f"targets {y.shape} for predictions {y_hat.shape}")
    return y_hat, y


# %% 1.1.2 book/foundations/logistic_regression.md
def binary_cross_entropy(logits, targets):
    """Mean negative log-likelihood of yes-or-no targets, from log-odds.

    Derived in section 1.1.2.

    Parameters
    ----------
    logits : ndarray of float, any shape
        Log-odds of a yes; no size overflows.
    targets : ndarray of the same shape
        1 for yes, 0 for no; a probability in between is allowed.

    Returns
    -------
    float
        Nats per target; ``log(2)`` for a model that knows nothing.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> binary_cross_entropy(np.zeros(2), np.array([0, 1])).round(4).item()
    0.6931
    """
    logits, y = _matched(logits, targets)
    return np.mean(np.logaddexp(0, logits) - y * logits)


def binary_cross_entropy_backward(g, logits, targets):
    """Gradient at `logits` from the gradient `g` at the mean loss."""
    logits, y = _matched(logits, targets)
    return g / y.size * (sigmoid(logits) - y)


# %% 1.1.2 book/foundations/several_classes.md
def _class_index(logits, targets):
    targets = np.asarray(targets)
    if targets.shape != logits.shape[:-1]:
        raise ValueError(f"targets {targets.shape} for logits {logits.shape}")
    if targets.dtype.kind == "b":  # as an index it would be a mask
        targets = targets.astype(np.intp)
    if targets.size and targets.min() < 0:
        raise IndexError(f"class {targets.min()} is below 0")
    return np.arange(targets.size), targets.ravel()


def nll_loss(log_p, targets):
    """As `cross_entropy`, but from the logarithms of probabilities."""
    log_p = _floats(log_p)
    index = _class_index(log_p, targets)
    return -log_p.reshape(-1, log_p.shape[-1])[index].mean()


# %% 1.1.2 book/foundations/several_classes.md
def cross_entropy(logits, targets):
    """Mean negative log-likelihood of the true classes, from scores.

    Derived in section 1.1.2.

    Parameters
    ----------
    logits : ndarray of float, shape (..., K)
        Unnormalised scores, one per class; no size overflows.
    targets : ndarray of int, shape (...)
        True class of each row, in ``0 .. K-1``.

    Returns
    -------
    float
        Nats per target; ``log(K)`` for a model that knows nothing.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    IndexError
        If a target is no integer in ``0 .. K-1``.

    Examples
    --------
    >>> cross_entropy(np.zeros((2, 10)), np.array([3, 7])).round(4).item()
    2.3026
    """
    return nll_loss(log_softmax(_floats(logits)), targets)


def cross_entropy_backward(g, logits, targets, log_p=None):
    """Gradient at `logits` from the gradient `g` at the mean loss.

    Whoever has ``log_softmax(logits)`` at hand passes it as `log_p`.
    """
    logits = _floats(logits)
    p = softmax(logits) if log_p is None else np.exp(log_p)
    p, index = np.ascontiguousarray(p), _class_index(logits, targets)
    p.reshape(-1, logits.shape[-1])[index] -= 1
    p *= g / len(index[0])
    return p


# %% 1.1.4 book/foundations/losses.md
def _sides(y_hat, y):
    y_hat, side = _matched(y_hat, y)
    if not np.all(np.abs(side) == 1):
        raise ValueError("each side is -1 or +1")
    return y_hat, side


# %% 1.1.4 book/foundations/losses.md
def hinge(y_hat, y):
    """Mean of what each score lacks to a margin of one.

    Derived in section 1.1.4.

    Parameters
    ----------
    y_hat : ndarray of float, any shape
        Scores; the sign is the answer.
    y : ndarray of the same shape
        True sides, -1 or +1.

    Returns
    -------
    float
        1 for a model that always says zero; 0 when every score reaches at
        least one on its true side.

    Raises
    ------
    ValueError
        If the shapes differ, or a side is neither -1 nor +1.

    Examples
    --------
    >>> hinge(np.array([2.0, 0.25, -1.0]), np.array([1, 1, 1])).item()
    0.9166666666666666
    """
    y_hat, side = _sides(y_hat, y)
    return np.mean(np.maximum(1 - y_hat * side, 0))


def hinge_backward(g, y_hat, y):
    """Gradient at `y_hat` from the gradient `g` at the mean loss."""
    y_hat, side = _sides(y_hat, y)
    return np.where(y_hat * side < 1, -g / y_hat.size * side, 0)
