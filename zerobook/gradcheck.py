# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Slopes by nudging: the judge of every derivative in the book."""

import inspect
import numpy as np


# %% 1.0.2 book/foundations/calculus.md
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
def numerical_gradient(f, x, h=None, *, g=1.0):
    """Slope of ``sum(g * f(x))`` in every entry of `x`, by nudging it.

    Parameters
    ----------
    f : callable
        Takes one array of the shape of `x`, returns a number or an array.
    x : array_like
        Where the slope is taken; copied to float64, never changed.
    h : float, optional
        Size of the nudge for entries of size one and below, in proportion for
        larger ones. Unless given, the cube root of the machine epsilon, about
        6e-6.
    g : array_like, optional
        Weight of each output, of the shape of ``f(x)``; one unless given.

    Returns
    -------
    ndarray of float64, shape of `x`
        In units of `f` per unit of `x`. Good to about ten digits where `f` is
        smooth; where it has a corner, the mean of the slopes on both sides.

    Notes
    -----
    Derived in section 1.0.2. Calls `f` twice for each entry of `x`.

    Examples
    --------
    >>> numerical_gradient(lambda x: x**2, [1.0, -3.0]).round(6)
    array([ 2., -6.])
    """
    x = np.array(x, dtype=np.float64)
    h = np.cbrt(np.finfo(np.float64).eps) if h is None else h
    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        slope[i] = _slope(f, x, i, h * max(1.0, abs(x[i])), g)
    return slope


# %% 1.0.2 book/foundations/calculus.md
def _fitting(function, offered):
    """The first so many of `offered` as `function` has to be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # compiled, without a signature
        return offered
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return offered
    needed = [p for p in parameters if p.default is p.empty]
    needed = [p for p in needed if p.kind is not p.KEYWORD_ONLY]
    return offered[: len(needed)]


# %% 1.0.2 book/foundations/calculus.md
def _report(name, grad, nudged, wrong, show=5):
    """Which entries are wrong, the worst first, with both numbers."""
    gaps = np.where(wrong, np.abs(grad - nudged), -1.0).ravel()
    worst = np.argsort(-np.nan_to_num(gaps, nan=np.inf), kind="stable")
    lines = [f"{name}: {wrong.sum()} of {grad.size} slopes are wrong"]
    for flat in worst[: min(show, wrong.sum())]:
        i = tuple(int(j) for j in np.unravel_index(flat, grad.shape))
        ratio = f", ratio {grad[i] / nudged[i]:.4g}" if nudged[i] else ""
        lines.append(
            f"  entry {i}: backward says {grad[i]:.6g}, "
            f"nudging {nudged[i]:.6g}{ratio}"
        )
    return "\n".join(lines)


# %% 1.0.2 book/foundations/calculus.md
def _compare(f, inputs, k, grad, g, name, rtol, atol):
    """Raise unless `grad` is the slope that nudging input `k` finds."""
    x, grad = np.asarray(inputs[k]), np.asarray(grad)
    if x.dtype != np.float64:
        raise TypeError(
            f"{name} is {x.dtype}: gradcheck needs float64, where a nudge "
            "keeps ten digits"
        )
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


# %% 1.0.2 book/foundations/calculus.md
def _weighted(f, backward, inputs, rng):
    """Draw ``g`` and hand it to the rule: `g` and a tuple of gradients."""
    y = np.array(f(*inputs))
    if not np.array_equal(y, f(*inputs), equal_nan=y.dtype.kind == "f"):
        raise ValueError("f is random: one input gave two different results")
    g = rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape)
    grads = backward(*_fitting(backward, (g, *inputs, y)))
    grads = grads if isinstance(grads, (tuple, list)) else (grads,)
    if len(grads) > len(inputs):
        raise AssertionError(f"{len(grads)} gradients, {len(inputs)} inputs")
    return g, grads


# %% 1.0.2 book/foundations/calculus.md
def gradcheck(f, backward, *inputs, rng=0, rtol=1e-5, atol=1e-7):
    """Compare a derivative written by hand with nudges, entry by entry.

    Derived in section 1.0.2. True if they agree, else an error. A rule is
    judged at the inputs given: one that is wrong elsewhere passes.

    Parameters
    ----------
    f : callable
        ``y = f(*inputs)``, a number or an array; no randomness inside.
    backward : callable
        Its derivative rule. It is offered ``g``, the inputs and ``y`` in this
        order and gets as many as it has parameters without a default:
        ``f_backward(g, x, y)`` and ``linear_backward(g, X, weight)`` both
        fit. It returns the gradient of ``sum(g * y)`` for the first input, or
        a tuple for the first few, with None for an input without one.
    *inputs : array_like
        float64 where a gradient is returned; anything elsewhere.
    rng : numpy.random.Generator or int, optional
        Draws ``g``, a weight of size 0.5 to 1.5 and either sign an output.
    rtol, atol : float, optional
        Two slopes agree within ``atol + rtol * abs(nudged)``.

    Raises
    ------
    AssertionError
        If a gradient has another shape than its input, or other values than
        nudging finds; names input and entries and shows both numbers.
    TypeError
        If an input that gets a gradient is not float64.
    ValueError
        If `f` gives two results for the same input.

    Examples
    --------
    >>> gradcheck(np.tanh, lambda g, x, y: g * (1 - y**2), [-1.0, 0.5])
    True
    """
    inputs = tuple(_as_array(x) for x in inputs)
    g, grads = _weighted(f, backward, inputs, np.random.default_rng(rng))
    for k, grad in enumerate(grads):
        if grad is not None:
            name = _input_name(f, backward, k)
            _compare(f, inputs, k, grad, g, name, rtol, atol)
    return True


# %% 1.0.2 book/foundations/calculus.md
def _as_array(x):
    """Floats, lists and arrays as a fresh array, anything else as it is."""
    return np.array(x) if isinstance(x, (float, list, np.ndarray)) else x


def _input_name(f, backward, k):
    """``linear_backward, input 1 (weight)``, as far as names are known."""
    name = f"{getattr(backward, '__name__', 'backward')}, input {k}"
    try:
        return f"{name} ({list(inspect.signature(f).parameters)[k]})"
    except (ValueError, IndexError):
        return name
