# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Automatic differentiation of single numbers: the bridge to Chapter 2."""

import math


# %% 1.2.3 book/foundations/scalar_autograd.md
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
        Further calls add to it.

    Notes
    -----
    Section 1.2.3; the idea of so small an engine is Karpathy's micrograd.

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

    def __add__(a, b):
        a, b = _value(a), _value(b)
        return Value(a.data + b.data, (a, b), (1.0, 1.0))

    __radd__ = __add__

    def __mul__(a, b):
        a, b = _value(a), _value(b)
        return Value(a.data * b.data, (a, b), (b.data, a.data))

    __rmul__ = __mul__

    def __pow__(a, n):
        return Value(a.data**n, (a,), (n * a.data ** (n - 1),))

    def exp(self):
        """e to the power of the number; its slope is the result itself."""
        y = math.exp(self.data)
        return Value(y, (self,), (y,))

    def log(self):
        """Natural logarithm of a positive number, slope ``1 / data``."""
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def tanh(self):
        """Hyperbolic tangent `y`, slope ``1 - y * y``."""
        y = math.tanh(self.data)
        return Value(y, (self,), (1 - y * y,))

    def __neg__(a):
        return a * -1.0

    def __sub__(a, b):
        return a + _value(b) * -1.0

    def __rsub__(a, b):
        return _value(b) + a * -1.0

    def __truediv__(a, b):
        return a * _value(b) ** -1

    def __rtruediv__(a, b):
        return _value(b) * a**-1

    def backward(self):
        """Add to each ancestor's `grad` how much this one moves per unit of it."""
        arrived = {id(self): 1.0}
        for node in reversed(ancestors(self)):
            g = arrived[id(node)]
            node.grad += g
            for parent, slope in zip(node.parents, node.slopes):
                arrived[id(parent)] = arrived.get(id(parent), 0.0) + g * slope


# %% 1.2.3 book/foundations/scalar_autograd.md
def _value(x):
    return x if isinstance(x, Value) else Value(x)


# %% 1.2.3 book/foundations/scalar_autograd.md
def ancestors(value):
    """All numbers that `value` was made of and itself, parents first."""
    order, seen, stack = [], set(), [(value, False)]
    while stack:
        node, parents_are_in = stack.pop()
        if parents_are_in:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order
