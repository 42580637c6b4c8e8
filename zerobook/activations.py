# Generated from book/ by `zerobook tangle`. Edit the chapter, not this file.
"""Activation functions, each beside its derivative."""

import numpy as np

# %% 1.1.2 book/foundations/logistic_regression.md
def sigmoid(x):
    """Map log-odds to probabilities, ``1 / (1 + exp(-x))``, entry by entry.

    Derived in section 1.1.2.

    Parameters
    ----------
    x : ndarray of float, any shape
        Log-odds in nats; no size overflows.

    Returns
    -------
    ndarray of the same shape
        Probabilities in ``[0, 1]``; 0.5 where `x` is 0.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def sigmoid_backward(g, x, y):
    """Gradient at `x` from the gradient `g` at ``y = sigmoid(x)``."""
    return g * y * (1 - y)


# %% 1.1.2 book/foundations/logistic_regression.md
def softmax(x, axis=-1):
    """Turn scores into probabilities that sum to one along `axis`.

    Derived in section 1.1.2.

    Parameters
    ----------
    x : ndarray of float
        Scores, such as the (N, K) logits of K classes.
    axis : int, default -1
        The axis of the classes.

    Returns
    -------
    ndarray of the same shape
        Probabilities; ``1 / K`` each where all scores are equal.

    Examples
    --------
    >>> softmax(np.array([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(g, x, y, axis=-1):
    """Gradient at `x` from the gradient `g` at ``y = softmax(x)``."""
    return y * (g - (g * y).sum(axis=axis, keepdims=True))


# %% 1.1.2 book/foundations/logistic_regression.md
def log_softmax(x, axis=-1):
    """Logarithm of `softmax`, in nats, exact where softmax rounds to 0.

    Derived in section 1.1.2.

    Examples
    --------
    >>> log_softmax(np.array([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def log_softmax_backward(g, x, y, axis=-1):
    """Gradient at `x` from the gradient `g` at ``y = log_softmax(x)``."""
    return g - np.exp(y) * g.sum(axis=axis, keepdims=True)
