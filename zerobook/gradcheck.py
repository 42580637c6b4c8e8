# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Slopes by nudging, the judge of every derivative in the book."""

import inspect
import numpy as np


# %% 1.0.2 book/foundations/calculus.md
def numerical_gradient(f, x, h=None, g=1.0):
    """Slope of ``sum(g * f(x))`` in every entry of `x`, by nudging it.

    Parameters
    ----------
    f : callable
        Takes one array of the shape of `x`, returns a number or an array.
    x : array_like of float64
        Where the slope is taken; it is copied, never changed.
    h : float, optional
        Size of the nudge for entries of size one and below; larger entries
        get a proportionally larger one. The cube root of the machine
        epsilon, about 6e-6, unless given.
    g : array_like, optional
        Weight of each output, of the shape of ``f(x)``; one unless given.

    Returns
    -------
    ndarray of float64, shape of `x`
        Units of ``f`` per unit of `x`. Good to about ten digits where `f` is
        smooth; where it has a corner, the mean of the two slopes.

    Notes
    -----
    Derived in section 1.0.2. It calls `f` twice for each entry of `x`.

    Examples
    --------
    >>> numerical_gradient(lambda x: x**2, [1.0, -3.0]).round(6)
    array([ 2., -6.])
    """
    x = np.array(x, dtype=np.float64)
    h = np.cbrt(np.finfo(float).eps) if h is None else h
    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        slope[i] = _slope(f, x, i, h * max(1.0, abs(x[i])), g)
    return slope


def _slope(f, x, i, h, g):
    """Slope of ``sum(g * f(x))`` in entry `i` of `x`, by a nudge of `h`."""
    here = x[i]
    x[i] = right = here + h
    above = np.array(f(x), dtype=np.float64)
    x[i] = left = here - h
    below = np.array(f(x), dtype=np.float64)
    x[i] = here
    return np.sum(g * (above - below)) / (right - left)


# %% 1.0.2 book/foundations/calculus.md
def gradcheck(f, backward, *inputs, rng=0, rtol=1e-5, atol=1e-7):
    """Compare a hand-written derivative with nudges; complain precisely.

    Parameters
    ----------
    f : callable
        ``y = f(*inputs)``, a number or an array; the same for the same input.
    backward : callable
        Its derivative rule. It gets ``g``, then the inputs, then ``y``, and
        of these the first so many as it has parameters without a default:
        ``f_backward(g, x, y)``, ``loss_backward(g, y_hat, y)`` and
        ``linear_backward(g, X, weight)`` all fit. It returns the gradient of
        ``sum(g * y)`` for the first input, or a tuple for the first inputs;
        None stands for an input that has none.
    *inputs : array_like
        Arrays of float64 for what is differentiated; anything for the rest.
    rng : numpy.random.Generator or int, optional
        Draws ``g``, one random weight for each output.
    rtol, atol : float, optional
        Two slopes agree within ``atol + rtol * size of the nudged one``.

    Returns
    -------
    bool
        True; a disagreement raises.

    Raises
    ------
    AssertionError
        If a gradient has another shape than its input or another value than
        the nudge finds; names input and entry and shows both numbers.
    TypeError
        If a differentiated input is not float64: a nudge in float32 has about
        three digits left, too few to judge by.
    ValueError
        If `f` answers the same input twice with different values.

    Notes
    -----
    Derived in section 1.0.2.

    Examples
    --------
    >>> x = np.array([-1.0, 0.5])
    >>> gradcheck(np.tanh, lambda g, x, y: g * (1 - y**2), x)
    True
    """
    inputs = [np.array(x) for x in inputs]
    y = np.array(f(*inputs))
    if not np.array_equal(y, f(*inputs), equal_nan=True):
        raise ValueError("f is random: the same input gave two results")
    rng = np.random.default_rng(rng)
    g = rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape)
    grads = backward(*_arguments(backward, (g, *inputs, y)))
    grads = grads if isinstance(grads, (tuple, list)) else (grads,)
    for k, grad in enumerate(grads):
        if grad is not None:
            _compare(f, inputs, k, grad, g, rtol, atol)
    return True


def _arguments(function, given):
    """The first so many of `given` as `function` must have."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a compiled function without a signature
        return given
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return given
    needed = [p for p in parameters if p.default is p.empty]
    needed = [p for p in needed if p.kind is not p.KEYWORD_ONLY]
    return given[: len(needed)]


def _compare(f, inputs, k, grad, g, rtol, atol):
    """Raise unless `grad` is the slope that nudging input `k` finds."""
    x, name = inputs[k], f"input {k}"
    if x.dtype != np.float64:
        raise TypeError(f"{name} is {x.dtype}: gradcheck needs float64")
    grad = np.asarray(grad)
    if grad.shape != x.shape:
        raise AssertionError(
            f"{name} has shape {x.shape}, its gradient {grad.shape}"
        )
    nudged = numerical_gradient(
        lambda new: f(*inputs[:k], new, *inputs[k + 1 :]), x, g=g
    )
    wrong = ~(np.abs(grad - nudged) <= atol + rtol * np.abs(nudged))
    if wrong.any():
        raise AssertionError(_report(name, grad, nudged, wrong))


def _report(name, grad, nudged, wrong, show=5):
    """Say which entries are wrong, the worst first, with both numbers."""
    places = np.argwhere(wrong)
    gaps = np.abs(grad - nudged)[wrong]
    order = np.argsort(-np.nan_to_num(gaps, nan=np.inf), kind="stable")
    lines = [f"{name}: {len(places)} of {grad.size} slopes are wrong"]
    for place in places[order][:show]:
        i = tuple(int(j) for j in place)
        lines.append(f"  {i}: backward {grad[i]:.6g}, nudged {nudged[i]:.6g}")
    return "\n".join(lines)
