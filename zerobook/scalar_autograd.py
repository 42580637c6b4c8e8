# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Automatic differentiation of single numbers: the bridge to Chapter 2."""

import math


# %% 1.2.3 book/foundations/backpropagation.md
class Value:
    """A number that remembers how it was made.

    Parameters
    ----------
    data : float
    parents : tuple of Value
        The numbers it was made of.
    slopes : tuple of float
        How much `data` moves per unit of each parent.

    Attributes
    ----------
    grad : float
        After ``L.backward()``: how much `L` moves per unit of this number.

    Notes
    -----
    Section 1.2.3; the idea of a small scalar engine is Karpathy's micrograd.

    Examples
    --------
    >>> x, w = Value(3.0), Value(2.0)
    >>> (w * x + 1.0).backward()
    >>> w.grad
    3.0
    """

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad = float(data), 0.0
        self.parents, self.slopes = parents, slopes

    def __repr__(self):
        return f"Value({self.data:.4g}, grad={self.grad:.4g})"


# %% 1.2.3 book/foundations/backpropagation.md
def _value(x):
    return x if isinstance(x, Value) else Value(x)


def add(a, b):
    """Sum; both parents count one for one."""
    a, b = _value(a), _value(b)
    return Value(a.data + b.data, (a, b), (1.0, 1.0))


def multiply(a, b):
    """Product; each parent counts as much as the other one is worth."""
    a, b = _value(a), _value(b)
    return Value(a.data * b.data, (a, b), (b.data, a.data))


def power(a, n):
    """`a` to the fixed power `n`."""
    return Value(a.data**n, (a,), (n * a.data ** (n - 1),))


def exp(a):
    """e to the power `a`, its own slope."""
    y = math.exp(a.data)
    return Value(y, (a,), (y,))


def log(a):
    """Natural logarithm of a positive number."""
    return Value(math.log(a.data), (a,), (1 / a.data,))


def tanh(a):
    """Hyperbolic tangent, slope ``1 - y * y``."""
    y = math.tanh(a.data)
    return Value(y, (a,), (1 - y * y,))


# %% 1.2.3 book/foundations/backpropagation.md
Value.__add__ = add
Value.__radd__ = add
Value.__mul__ = multiply
Value.__rmul__ = multiply
Value.__pow__ = power
Value.__neg__ = lambda self: multiply(self, -1.0)
Value.__sub__ = lambda self, other: add(self, -_value(other))
Value.__rsub__ = lambda self, other: add(other, -self)
Value.__truediv__ = lambda self, other: multiply(self, _value(other) ** -1)
Value.__rtruediv__ = lambda self, other: multiply(other, self**-1)


# %% 1.2.3 book/foundations/backpropagation.md
def ancestors(value):
    """All numbers that `value` was made of and itself, parents first."""
    order, seen, stack = [], set(), [(value, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order


def backward(value):
    """Add to each ancestor's `grad` how much `value` moves per unit of it."""
    slope = {id(value): 1.0}
    for node in reversed(ancestors(value)):
        g = slope[id(node)]
        node.grad += g
        for parent, local in zip(node.parents, node.slopes):
            slope[id(parent)] = slope.get(id(parent), 0.0) + g * local


Value.backward = backward
