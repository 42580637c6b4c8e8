# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Automatic differentiation: a tape of operations, read backwards."""

import contextlib
import itertools
import threading
import numpy as np


# %% 2.1.1 book/deep_learning/autograd.md
class Tensor:
    """An array that remembers how it was computed.

    Parameters
    ----------
    data : array_like
        Python numbers and float64 arrays become float32; ask for float64
        by `dtype` and it is kept.
    requires_grad : bool
        Whether `backward` should leave a gradient in `grad`.
    dtype : dtype, optional

    Raises
    ------
    TypeError
        If a gradient is wanted of integers or booleans.

    Notes
    -----
    Section 2.1.1.
    """

    __slots__ = ("data", "grad", "requires_grad", "_parents", "_backward",
                 "_time", "_owned", "_buffer", "__weakref__")
    __array_ufunc__ = None  # so that ndarray + Tensor asks the Tensor

    def __init__(self, data, requires_grad=False, dtype=None):
        data = np.asarray(data, dtype)
        if dtype is None and data.dtype == np.float64:
            data = data.astype(np.float32)
        if requires_grad and data.dtype.kind != "f":
            raise TypeError(f"{data.dtype} has no gradient; only floats do")
        self.data, self.grad, self.requires_grad = data, None, requires_grad
        self._parents, self._backward, self._time = (), None, 0
        self._owned, self._buffer = False, None


# %% 2.1.1 book/deep_learning/autograd.md
_clock = itertools.count(1)


class Mode(threading.local):
    """What each thread decides for itself."""

    enabled = True


_mode = Mode()


def grad_enabled():
    """Whether operations are being recorded in this thread."""
    return _mode.enabled


def from_op(data, parents, backward):
    """Record an operation: its result, its inputs, its way back.

    Parameters
    ----------
    data : ndarray
        The result.
    parents : tuple of Tensor
        The inputs that a gradient may have to reach.
    backward : callable
        Gets the gradient by the result, a fresh array or a borrowed one,
        and calls ``parent.accumulate`` for each parent.

    Returns
    -------
    Tensor
        Without a history if no parent requires a gradient, or inside
        `no_grad`.
    """
    out = Tensor.__new__(Tensor)
    out.data, out.grad, out.requires_grad = np.asarray(data), None, False
    out._parents, out._backward, out._time = (), None, 0
    out._owned, out._buffer = False, None
    if _mode.enabled and any([p.requires_grad for p in parents]):
        out.requires_grad, out._time = True, next(_clock)
        out._parents, out._backward = parents, backward
    return out


# %% 2.1.1 book/deep_learning/autograd.md
@contextlib.contextmanager
def no_grad():
    """Compute without recording: ``with no_grad():``, or as a decorator."""
    before = grad_enabled()
    _mode.enabled = False
    try:
        yield
    finally:
        _mode.enabled = before


# %% 2.1.1 book/deep_learning/autograd.md
def accumulate(self, grad, owned=False):
    """Add `grad` to the gradient; `owned` if nobody else holds the array."""
    if not self.requires_grad:
        return
    if self.grad is not None:
        if self._owned:
            self.grad += grad
            return
        grad, owned = self.grad + grad, True
    elif self._buffer is not None:
        if grad is not self._buffer:
            np.copyto(self._buffer, grad)
        grad, owned = self._buffer, True
    elif self._backward is None and not owned:
        grad, owned = np.array(grad, self.data.dtype), True
    self.grad, self._owned = grad, owned


Tensor.accumulate = accumulate


# %% 2.1.1 book/deep_learning/autograd.md
def vacant(self):
    """The buffer, if a first gradient may be written there; else None."""
    return self._buffer if self.grad is None else None


def accumulate_matmul(self, a, b):
    """Add ``a @ b`` to the gradient, without a copy where that is possible."""
    if self.requires_grad:
        self.accumulate(np.matmul(a, b, out=self.vacant()), owned=True)


Tensor.vacant, Tensor.accumulate_matmul = vacant, accumulate_matmul


# %% 2.1.1 book/deep_learning/autograd.md
def history(tensor):
    """All tensors with a history that `tensor` depends on, youngest first."""
    found, todo = {tensor._time: tensor}, [tensor]
    while todo:
        for parent in todo.pop()._parents:
            if parent._backward is not None and parent._time not in found:
                found[parent._time] = parent
                todo.append(parent)
    return [found[time] for time in sorted(found, reverse=True)]


def freed(grad):
    """Stands where a closure stood that has been let go."""


# %% 2.1.1 book/deep_learning/autograd.md
def backward(self, gradient=None, retain_graph=False):
    """Send a gradient back to every leaf; it adds to what is there.

    Parameters
    ----------
    gradient : array_like, optional
        Gradient by this tensor, of its shape; 1 for a single number.
    retain_graph : bool
        Keep the graph, so that `backward` can be called again.

    Raises
    ------
    RuntimeError
        If nothing here requires a gradient, if a gradient is needed and
        none is given, or if the graph was freed by an earlier call.
    """
    if not self.requires_grad:
        raise RuntimeError("nothing that this came from requires a gradient")
    if gradient is None and self.data.size != 1:
        raise RuntimeError(f"shape {self.shape} needs a gradient to start")
    start = np.ones_like(self.data) if gradient is None else gradient
    if np.shape(start) != self.shape:
        raise ValueError(f"gradient {np.shape(start)} for shape {self.shape}")
    nodes = history(self) if self._backward else []
    if any(node._backward is freed for node in nodes):
        raise RuntimeError("an earlier backward() freed this graph; the first "
                           "call must say retain_graph=True")
    self.accumulate(np.array(start, self.data.dtype), owned=True)
    for node in nodes:
        grad, node.grad, node._owned = node.grad, None, False
        if grad is not None:
            node._backward(grad)
        if not retain_graph:
            node._backward, node._parents = freed, ()


Tensor.backward = backward


# %% 2.1.1 book/deep_learning/autograd.md
def unbroadcast(grad, shape):
    """Sum `grad` over the axes that broadcasting stretched from `shape`."""
    if grad.shape == shape:
        return grad
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    stretched = tuple(
        i for i, n in enumerate(shape) if n == 1 and grad.shape[i] != 1
    )
    return grad.sum(axis=stretched, keepdims=True) if stretched else grad


# %% 2.1.1 book/deep_learning/autograd.md
def beside(x, dtype):
    """A number or array as a tensor of type `dtype`, if that holds it."""
    if dtype.kind == "f":
        return Tensor(x, dtype=dtype)
    x = x if isinstance(x, int | float) else np.asarray(x)
    fits = np.result_type(dtype, x).kind == dtype.kind
    return Tensor(np.asarray(x).astype(dtype) if fits else x)


def converted(x, dtype=np.float32):
    """A tensor of integers in type `dtype`; one of floats as it is."""
    return x if x.data.dtype.kind == "f" else Tensor(x.data, dtype=dtype)


def common(a, b):
    """Two tensors of one type, if one holds integers."""
    kinds = a.data.dtype.kind + b.data.dtype.kind
    if kinds == "ff":
        return a, b
    floats = [x.data.dtype for x in (a, b) if x.data.dtype.kind == "f"]
    dtype = floats[0] if floats else np.result_type(a.data, b.data)
    return converted(a, dtype), converted(b, dtype)


def operands(a, b):
    """Two operands as tensors; integers beside floats become floats."""
    if not isinstance(b, Tensor):
        b = beside(b, a.data.dtype)
    elif not isinstance(a, Tensor):
        a = beside(a, b.data.dtype)
    return (a, b) if a.data.dtype is b.data.dtype else common(a, b)


# %% 2.1.1 book/deep_learning/autograd.md
def add(a, b):
    """``a + b`` with NumPy's broadcasting."""
    a, b = operands(a, b)

    def backward(g):
        a.accumulate(unbroadcast(g, a.shape))
        b.accumulate(unbroadcast(g, b.shape))

    return from_op(a.data + b.data, (a, b), backward)


def subtract(a, b):
    """``a - b`` with NumPy's broadcasting."""
    a, b = operands(a, b)

    def backward(g):
        a.accumulate(unbroadcast(g, a.shape))
        if b.requires_grad:
            b.accumulate(unbroadcast(-g, b.shape), owned=True)

    return from_op(a.data - b.data, (a, b), backward)


def multiply(a, b):
    """``a * b`` with NumPy's broadcasting."""
    a, b = operands(a, b)

    def backward(g):
        if a.requires_grad:
            a.accumulate(unbroadcast(g * b.data, a.shape), owned=True)
        if b.requires_grad:
            b.accumulate(unbroadcast(g * a.data, b.shape), owned=True)

    return from_op(a.data * b.data, (a, b), backward)


# %% 2.1.1 book/deep_learning/autograd.md
def power(a, n):
    """``a ** n`` for a number `n`."""
    if not isinstance(n, int | float):
        raise TypeError(f"the exponent must be a number, not {type(n)}")
    a = converted(a) if isinstance(n, float) else a

    def backward(g):
        a.accumulate(g * (n * a.data ** (n - 1)), owned=True)

    return from_op(a.data**n, (a,), backward)


def matmul(a, b):
    """``a @ b``: the last two axes are matrices, those before are a batch."""
    a, b = operands(a, b)
    if min(a.data.ndim, b.data.ndim) < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul of shapes {a.shape} and {b.shape}")

    def backward(g):
        if a.requires_grad:
            da = g @ b.data.swapaxes(-1, -2)
            a.accumulate(unbroadcast(da, a.shape), owned=True)
        if b.requires_grad:
            db = a.data.swapaxes(-1, -2) @ g
            b.accumulate(unbroadcast(db, b.shape), owned=True)

    return from_op(a.data @ b.data, (a, b), backward)


# %% 2.1.1 book/deep_learning/autograd.md
def divide(a, b):
    """``a / b`` with NumPy's broadcasting."""
    a, b = operands(a, b)
    if b.data.dtype.kind != "f":
        a, b = converted(a), converted(b)
    return multiply(a, power(b, -1))


Tensor.__add__ = Tensor.__radd__ = add
Tensor.__mul__ = Tensor.__rmul__ = multiply
Tensor.__neg__ = lambda a: multiply(a, -1)
Tensor.__sub__ = subtract
Tensor.__rsub__ = lambda a, b: subtract(*operands(b, a))
Tensor.__truediv__ = divide
Tensor.__rtruediv__ = lambda a, b: divide(*operands(b, a))
Tensor.__pow__ = power
Tensor.__matmul__ = matmul
Tensor.__rmatmul__ = lambda a, b: matmul(b, a)


# %% 2.1.1 book/deep_learning/autograd.md
def sum_(a, axis=None, keepdims=False):
    """Sum over `axis`, all axes by default."""
    out = a.data.sum(axis=axis, keepdims=keepdims)

    def backward(g):
        if axis is not None and not keepdims:
            g = np.expand_dims(g, axis)
        a.accumulate(np.broadcast_to(g, a.shape))

    return from_op(np.asarray(out), (a,), backward)


def mean(a, axis=None, keepdims=False):
    """Mean over `axis`, all axes by default."""
    total = sum_(a, axis, keepdims)
    return total * (total.data.size / max(a.data.size, 1))


def max_(a, axis=None, keepdims=False):
    """Largest entry along `axis`; several equal ones share the gradient."""
    top = a.data.max(axis=axis, keepdims=True)
    at = a.data == top
    share = at / at.sum(axis=axis, keepdims=True, dtype=a.data.dtype)

    def backward(g):
        if not keepdims and axis is not None:
            g = np.expand_dims(g, axis)
        a.accumulate(share * g, owned=True)

    out = top if keepdims else a.data.max(axis=axis)
    return from_op(np.asarray(out), (a,), backward)


# %% 2.1.1 book/deep_learning/autograd.md
def reshape(a, *shape):
    """The same entries in another shape; -1 stands for what is left."""
    shape = shape[0] if len(shape) == 1 and np.ndim(shape[0]) else shape

    def backward(g):
        a.accumulate(g.reshape(a.shape))

    return from_op(a.data.reshape(shape), (a,), backward)


def permute(a, *axes):
    """The axes in another order, as ``np.transpose``; reversed if none."""
    axes = axes or tuple(reversed(range(a.data.ndim)))

    def backward(g):
        a.accumulate(g.transpose(np.argsort(axes)))

    return from_op(a.data.transpose(axes), (a,), backward)


def swapaxes(a, i, j):
    """Two axes exchanged."""

    def backward(g):
        a.accumulate(g.swapaxes(i, j))

    return from_op(a.data.swapaxes(i, j), (a,), backward)


# %% 2.1.1 book/deep_learning/autograd.md
def getitem(a, index):
    """``a[index]``: slices, index arrays, masks."""

    def backward(g):
        if a.grad is None or not a._owned:
            a.accumulate(np.zeros_like(a.data), owned=True)
        parts = index if isinstance(index, tuple) else (index,)
        if all(isinstance(p, int | slice | type(...)) or p is None
               for p in parts):
            a.grad[index] += g
        else:
            np.add.at(a.grad, index, g)

    return from_op(np.asarray(a.data[index]), (a,), backward)


# %% 2.1.1 book/deep_learning/autograd.md
def concatenate(tensors, axis=0):
    """Tensors one behind another along `axis`."""
    tensors = tuple(tensors)
    ends = np.cumsum([t.shape[axis] for t in tensors])[:-1]

    def backward(g):
        for t, piece in zip(tensors, np.split(g, ends, axis), strict=True):
            t.accumulate(piece)

    data = np.concatenate([t.data for t in tensors], axis)
    return from_op(data, tensors, backward)


def stack(tensors, axis=0):
    """Tensors of one shape along a new axis."""
    tensors = tuple(tensors)

    def backward(g):
        for t, piece in zip(tensors, np.moveaxis(g, axis, 0), strict=True):
            t.accumulate(piece)

    data = np.stack([t.data for t in tensors], axis)
    return from_op(data, tensors, backward)


# %% 2.1.1 book/deep_learning/autograd.md
def exp(a):
    """Exponential, entry by entry."""
    y = np.exp(a.data)
    return from_op(y, (a,), lambda g: a.accumulate(g * y, owned=True))


def log(a):
    """Natural logarithm, entry by entry."""
    y = np.log(a.data)
    return from_op(y, (a,), lambda g: a.accumulate(g / a.data, owned=True))


Tensor.sum, Tensor.mean, Tensor.max = sum_, mean, max_
Tensor.reshape, Tensor.permute, Tensor.swapaxes = reshape, permute, swapaxes
Tensor.__getitem__, Tensor.exp, Tensor.log = getitem, exp, log
Tensor.T = property(permute)


# %% 2.1.1 book/deep_learning/autograd.md
def detach(a):
    """The same array without its history."""
    return Tensor(a.data, dtype=a.data.dtype)


def item(a):
    """The one entry as a Python number."""
    return a.data.item()


def numpy_(a):
    """The array itself."""
    return a.data


def _repr(a):
    note = ", requires_grad=True" if a.requires_grad else ""
    return f"Tensor({np.array2string(a.data, separator=', ')}{note})"


Tensor.detach, Tensor.__repr__ = detach, _repr
Tensor.shape = property(lambda a: a.data.shape)
Tensor.ndim = property(lambda a: a.data.ndim)
Tensor.size = property(lambda a: a.data.size)
Tensor.dtype = property(lambda a: a.data.dtype)
Tensor.item, Tensor.numpy = item, numpy_
Tensor.__len__ = lambda a: len(a.data)
