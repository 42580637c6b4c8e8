# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Activation functions, each beside its derivative."""

import numpy as np
import math


# %% 1.1.2 book/foundations/logistic_regression.md
def _real(x):
    """`x` as an array of floats; whole numbers become ``float64``."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


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
    x = _real(x)
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def sigmoid_backward(g, x, y):
    """Gradient at `x` from the gradient `g` at ``y = sigmoid(x)``."""
    return g * y * (1 - y)


# %% 1.1.2 book/foundations/several_classes.md
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
    x = _real(x)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(g, x, y, axis=-1):
    """Gradient at `x` from the gradient `g` at ``y = softmax(x)``."""
    return y * (g - (g * y).sum(axis=axis, keepdims=True))


# %% 1.1.2 book/foundations/several_classes.md
def log_softmax(x, axis=-1):
    """Logarithm of `softmax`, in nats, exact where softmax rounds to 0.

    Derived in section 1.1.2.

    Parameters
    ----------
    x, axis
        As in `softmax`.

    Returns
    -------
    ndarray of the same shape
        Zero or less; ``-log(K)`` each where all scores are equal.

    Examples
    --------
    >>> log_softmax(np.array([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    x = _real(x)
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def log_softmax_backward(g, x, y, axis=-1):
    """Gradient at `x` from the gradient `g` at ``y = log_softmax(x)``."""
    return g - np.exp(y) * g.sum(axis=axis, keepdims=True)


# %% 1.2.2 book/foundations/activations.md
def identity(x):
    """Nothing done: the activation of an output that is any number."""
    return x


def identity_backward(g, x, y):
    """Gradient through `identity`: the gradient that came."""
    return g


# %% 1.2.2 book/foundations/activations.md
def tanh(x):
    """Squash each number between -1 and 1; steep at 0, flat far out."""
    return np.tanh(_real(x))


def tanh_backward(g, x, y):
    """Gradient through `tanh`, from its output: ``g * (1 - y * y)``."""
    return g * (1 - y * y)


# %% 1.2.2 book/foundations/activations.md
def relu(x):
    """Rectified linear unit: what is positive stays, the rest is 0."""
    return np.maximum(x, 0)


def relu_backward(g, x, y):
    """Gradient through `relu`: passes where ``x > 0``, stops elsewhere."""
    return g * (x > 0)


# %% 1.2.2 book/foundations/activations.md
def silu(x):
    """Sigmoid-weighted linear unit, ``x * sigmoid(x)``; also called swish."""
    return x * sigmoid(x)


def silu_backward(g, x, y):
    """Gradient through `silu`: ``g * (s + y * (1 - s))``, s the sigmoid."""
    s = sigmoid(x)
    return g * (s + y * (1 - s))


# %% 1.2.2 book/foundations/activations.md
GELU_A, GELU_C = 0.7978845608028654, 0.044715  # sqrt(2 / pi), and a fit


def _gelu_gate(x, square):
    gate = np.asarray(GELU_A * GELU_C * square)
    gate += GELU_A
    gate *= x
    np.tanh(gate, out=gate)
    gate += 1
    gate *= 0.5
    return gate


def gelu(x):
    """Gaussian error linear unit, ``x`` times a smooth gate, in tanh form.

    Notes
    -----
    Section 1.2.2; Hendrycks and Gimpel (2016).  The gate stands for the
    probability that a standard normal number lies below `x`; the form with
    tanh differs from the exact one by less than 0.0005 and is PyTorch's
    ``gelu(x, approximate="tanh")``, the one GPT-2 was trained with.

    Examples
    --------
    >>> gelu(np.array([-1.0, 0.0, 1.0])).round(3)
    array([-0.159,  0.   ,  0.841])
    """
    x = _real(x)
    return x * _gelu_gate(x, x * x)


# %% 1.2.2 book/foundations/activations.md
def gelu_and_slope(x, out=(None, None)):
    """`gelu` of `x` and its derivative there; the gate serves both.

    Both are written into the two arrays `out`, where these are given.
    """
    x = _real(x)
    slope = np.multiply(x, x, out=out[1])
    gate = _gelu_gate(x, slope)
    y = np.multiply(x, gate, out=out[0])
    slope *= 6 * GELU_A * GELU_C
    slope += 2 * GELU_A
    slope *= y
    slope *= 1 - gate
    slope += gate
    return y, slope


def gelu_backward(g, x, y):
    """Gradient through `gelu`: the gate, plus `x` times its slope."""
    return g * gelu_and_slope(x)[1]


# %% 3.3 book/generative/bert.md
_ERF_STEP = 1 / 64
_ERF_AT = np.array([math.erf(i * _ERF_STEP) for i in range(-385, 386)])


def erf(x):
    """Share of a normal distribution of variance 1/2 within ``±x``, signed.

    Section 3.3.  A table and four terms of Taylor's series; within 1e-11
    of the true value in float64.
    """
    x = np.clip(x, -6, 6)
    k = np.rint(np.fmax(x, -6) / _ERF_STEP)  # of a nan, the first
    a = k * _ERF_STEP  # the nearest point of the table
    d, square = x - a, a * a
    terms = a * (3 - 2 * square) / 6
    terms = terms * d + (2 * square - 1) / 3
    terms = (terms * d - a) * d + 1
    slope = np.exp(-square) * (2 / math.sqrt(math.pi))
    table = _ERF_AT.astype(x.dtype, copy=False)
    return table[k.astype(int) + 385] + slope * terms * d


# %% 3.3 book/generative/bert.md
def exact_gelu(x):
    """``x`` times the probability that a normal number lies below it.

    Section 3.3; Hendrycks and Gimpel (2016).  PyTorch's ``gelu(x)``, the
    one BERT was trained with; `gelu` is its tanh form.

    Examples
    --------
    >>> exact_gelu(np.array([-1.0, 0.0, 1.0])).round(3)
    array([-0.159,  0.   ,  0.841])
    """
    return x * (0.5 + 0.5 * erf(x * math.sqrt(0.5)))


def exact_gelu_backward(g, x, y):
    """Gradient through `exact_gelu`: the probability, and x its density."""
    below = 0.5 + 0.5 * erf(x * math.sqrt(0.5))
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return g * (below + x * density)
