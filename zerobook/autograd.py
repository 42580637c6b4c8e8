# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Automatic differentiation: a tape of operations, read backwards."""

import contextlib
import itertools
import operator
import sys
import threading
import numpy as np


# %% 2.1.1 book/deep_learning/autograd.md
def as_numbers(data, dtype=None):
    """`data` as an array of numbers; float64 becomes float32 unasked."""
    if isinstance(data, Tensor):
        data, dtype = data.data, data.dtype if dtype is None else dtype
    array = np.asarray(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers, not {data!r:.60}")
    if dtype is None and array.dtype == np.float64:
        dtype = np.float32
    return array if dtype is None else array.astype(dtype, copy=False)


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
        If `data` is no array of numbers (None, text, objects), or if a
        gradient is wanted of integers or booleans.

    Notes
    -----
    Section 2.1.1.
    """

    __slots__ = ("_data", "grad", "requires_grad", "_node", "_version",
                 "_owned", "_buffer", "__weakref__")
    __array_ufunc__ = None  # so that ndarray + Tensor asks the Tensor

    def __init__(self, data, requires_grad=False, dtype=None):
        data = as_numbers(data, dtype)
        if requires_grad and data.dtype.kind != "f":
            raise TypeError(f"{data.dtype} has no gradient; only floats do")
        self._data, self.grad, self.requires_grad = data, None, requires_grad
        self._node, self._version = None, [0]
        self._owned, self._buffer = False, None

    data = property(operator.attrgetter("_data"),
                    lambda self, array: assign(self, array))
    shape = property(operator.attrgetter("_data.shape"))
    dtype = property(operator.attrgetter("_data.dtype"))
    ndim = property(operator.attrgetter("_data.ndim"))
    size = property(operator.attrgetter("_data.size"))
    __hash__ = object.__hash__

    @property
    def node(self):
        """Where a gradient goes: a result's node, or the leaf; None if nowhere."""
        if self._node is not None:
            return self._node
        return self if self.requires_grad else None

    def vacant(self):
        """The buffer, if a first gradient may be written there; else None."""
        if self._buffer is None or self.grad is not None:
            return None
        if sys.getrefcount(self._buffer) > 2:  # a gradient that was kept
            self._buffer = None
        return self._buffer

    def accumulate(self, grad):
        """Add `grad` to the gradient of a leaf, in an array of its own."""
        if self.grad is not None:
            Node.accumulate(self, grad)
            return
        if grad is not self._buffer:
            room = self.vacant()
            if room is None:
                room = np.empty(self.shape, self.dtype)
            room[...] = unbroadcast(grad, self.shape)
            grad = room
        self.grad, self._owned = grad, True

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
            none is given, if the graph was freed by an earlier call, or if an
            array that it needs was changed since. Nothing is sent then.
        ValueError
            If a gradient has another shape than the tensor that it reaches.
        """
        if not self.requires_grad:
            raise RuntimeError("nothing that this came from requires a gradient")
        if gradient is None and self.data.size != 1:
            raise RuntimeError(f"shape {self.shape} needs a gradient to start")
        if gradient is None:
            gradient = np.ones(self.shape, self.dtype)
        else:
            gradient = as_numbers(gradient, self.dtype)
        if gradient.shape != self.shape:
            raise ValueError(f"gradient {gradient.shape} for shape {self.shape}")
        nodes = history(self)
        judge(nodes)
        self.node.accumulate(gradient)
        for node in nodes:
            grad, node.grad, node._owned = node.grad, None, False
            if grad is not None:
                send(node.rule(grad), node)
            if not retain_graph:
                node.rule, node.parents, node.saved = freed, (), ()

    def __add__(self, b): return add(self, b)
    __radd__ = __add__
    def __mul__(self, b): return multiply(self, b)
    __rmul__ = __mul__
    def __neg__(self): return negate(self)
    def __sub__(self, b): return subtract(self, b)
    def __rsub__(self, a): return subtract(*operands(a, self))
    def __truediv__(self, b): return divide(self, b)
    def __rtruediv__(self, a): return divide(*operands(a, self))
    def __pow__(self, n): return power(self, n)
    def __rpow__(self, a): return power_of(*operands(a, self))
    def __matmul__(self, b): return matmul(self, b)
    def __rmatmul__(self, a): return matmul(a, self)

    def sum(self, axis=None, keepdims=False):
        """Sum over `axis`, all axes by default."""
        return sum_(self, axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        """Mean over `axis`, all axes by default; NaN if there is nothing."""
        return mean(self, axis, keepdims)

    def max(self, axis=None, keepdims=False):
        """Largest entry along `axis`; several equal ones share the gradient."""
        return max_(self, axis, keepdims)

    def reshape(self, *shape):
        """The same entries in another shape; -1 stands for what is left."""
        return reshape(self, *shape)

    def permute(self, *axes):
        """The axes in another order, as ``np.transpose``; reversed if none."""
        return permute(self, *axes)

    def swapaxes(self, i, j):
        """Two axes exchanged."""
        return swapaxes(self, i, j)

    def __getitem__(self, index): return getitem(self, index)

    def exp(self):
        """Exponential, entry by entry."""
        return exp(self)

    def log(self):
        """Natural logarithm, entry by entry."""
        return log(self)

    @property
    def T(self):
        """The axes reversed: of a matrix, its transpose."""
        return permute(self)

    @property
    def is_leaf(self):
        """Whether no operation made it."""
        return self._node is None

    def __len__(self): return len(self.data)

    def detach(self):
        """The same array without its history."""
        out = Tensor(self.data, dtype=self.data.dtype)
        out._version = self._version
        return out

    def item(self):
        """The one entry as a Python number; RuntimeError if there are more."""
        if self.data.size != 1:
            raise RuntimeError(
                f"a tensor of shape {self.shape} is no single number")
        return self.data.item()

    def numpy(self):
        """The array itself."""
        return self.data

    def __repr__(self):
        note = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({np.array2string(self.data, separator=', ')}{note})"

    def __array__(self, dtype=None, copy=None):
        """What ``np.asarray(a)`` gives; RuntimeError if a gradient is lost."""
        if self.requires_grad:
            raise RuntimeError("this tensor requires a gradient, which an array "
                               "cannot carry: say detach() first")
        a = self.data
        array = a if dtype is None else a.astype(dtype, copy=False)
        return array.copy() if copy and array is a else array

    def __index__(self):
        """What ``items[a]`` and ``range(a)`` take: one integer."""
        if self.data.size != 1 or self.data.dtype.kind not in "iu":
            raise TypeError(f"a tensor of {self.dtype} and shape {self.shape} is "
                            "no index: that is one integer")
        return self.data.item()

    def __format__(self, spec):
        """``f"{a:.3f}"`` for a single number; without a format, for any."""
        return format(self.item() if spec else repr(self), spec)

    def __iter__(self):
        """The entries along the first axis, one after the other."""
        if self.ndim == 0:
            raise TypeError("a single number has no entries to go through")
        return (self[i] for i in range(len(self)))

    def __float__(self): return float(self.item())
    def __int__(self): return int(self.item())
    def __bool__(self): return bool(self.item())
    def __eq__(self, b): return compare(self, b, operator.eq)
    def __ne__(self, b): return compare(self, b, operator.ne)
    def __lt__(self, b): return compare(self, b, operator.lt)
    def __le__(self, b): return compare(self, b, operator.le)
    def __gt__(self, b): return compare(self, b, operator.gt)
    def __ge__(self, b): return compare(self, b, operator.ge)

    def __contains__(self, b):
        """``b in a``: whether an entry equals it."""
        equal = compare(self, b, operator.eq)
        return equal is not NotImplemented and bool(equal.data.any())

    # %% 2.1.1 book/deep_learning/more_operations.md
    def clip(self, min=None, max=None):
        """Entries below `min` become `min`, those above `max` become `max`."""
        return clip(self, min, max)

    clamp = clip

    def abs(self):
        """Absolute value; the slope at 0 is 0."""
        return abs_(self)

    __abs__ = abs

    def masked_fill(self, mask, value):
        """`value` where `mask` holds, the entries of `a` elsewhere."""
        return masked_fill(self, mask, value)

    def where(self, condition, b):
        """The entries of `a` where `condition` holds, of `b` elsewhere."""
        return kept_where(self, condition, b)

    def sqrt(self):
        """Square root, entry by entry; the slope at 0 is infinite."""
        return sqrt(self)

    def var(self, axis=None, keepdims=False, correction=1):
        """Mean square distance from the mean along `axis`.

        The sum of squares is divided by ``n - correction``; PyTorch's default
        is 1 as here, NumPy's is 0. NaN if that leaves nothing to divide by.
        """
        return var(self, axis, keepdims, correction)

    def std(self, axis=None, keepdims=False, correction=1):
        """Root of the variance along `axis`, see `var`."""
        return std(self, axis, keepdims, correction)

    def min(self, axis=None, keepdims=False):
        """Smallest entry along `axis`; several equal ones share the gradient."""
        return min_(self, axis, keepdims)

    def argmax(self, axis=None, keepdims=False):
        """Place of the largest entry along `axis`, of all entries by default."""
        return argmax(self, axis, keepdims)

    def argmin(self, axis=None, keepdims=False):
        """Place of the smallest entry along `axis`, see `argmax`."""
        return argmin(self, axis, keepdims)

    def gather(self, axis, index):
        """Entries of `a` whose place along `axis` stands in `index`."""
        return gather(self, axis, index)

    def squeeze(self, axis=None):
        """Without axes of length 1: all of them, or `axis` if it is one."""
        return squeeze(self, axis)

    def unsqueeze(self, axis):
        """With a new axis of length 1 at the place `axis`."""
        return unsqueeze(self, axis)

    def flatten(self, start_dim=0, end_dim=-1):
        """The axes from `start_dim` to `end_dim`, both included, as one."""
        return flatten(self, start_dim, end_dim)

    def split(self, size, axis=0):
        """Pieces of `size` along `axis` (the last may be shorter), or of sizes."""
        return split(self, size, axis)

    def transpose(self, i, j):
        """Two axes exchanged."""
        return swapaxes(self, i, j)

    def to(self, dtype):
        """The entries in another type; "cpu" is where they are already."""
        if dtype == "cpu" or np.dtype(dtype) == self.dtype:
            return self
        data = self.data.astype(dtype)
        if data.dtype.kind != "f":
            return Tensor(data)
        return from_op(data, (self,), lambda g: g, saved=())

    def clone(self):
        """A copy of the entries, with the history."""
        return from_op(self.data.copy(), (self,), lambda g: g, saved=())

    def requires_grad_(self, requires_grad=True):
        """From now on `backward` leaves a gradient here, or it does not."""
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(f"{self.dtype} has no gradient; only floats do")
        if not requires_grad and self._node is not None:
            raise RuntimeError("this tensor was computed: use detach()")
        self.requires_grad = requires_grad
        return self

    def any(self, axis=None, keepdims=False):
        """Whether one entry along `axis` is true, or is not 0."""
        return any_(self, axis, keepdims)

    def all(self, axis=None, keepdims=False):
        """Whether every entry along `axis` is true, or is not 0."""
        return all_(self, axis, keepdims)

    def __and__(self, b): return Tensor(self.data & as_index(b))
    def __or__(self, b): return Tensor(self.data | as_index(b))
    def __invert__(self): return Tensor(~self.data)

    def view(self, *shape):
        """The same entries in another shape; -1 stands for what is left."""
        return reshape(self, *shape)

    def matmul(self, b):
        """``a @ b``: the last two axes are matrices, those before are a batch."""
        return matmul(self, b)

    def pow(self, n):
        """``a ** n`` for a number `n`; `power_of` if it is none."""
        return power(self, n)

    def float(self):
        """The entries as float32."""
        return float_(self)

    def double(self):
        """The entries as float64."""
        return self.to(np.float64)

    def long(self):
        """The entries as int64."""
        return self.to(np.int64)

    def tolist(self):
        """The entries as nested lists of Python numbers."""
        return self.data.tolist()

    def numel(self):
        """The number of entries."""
        return self.data.size

    def dim(self):
        """The number of axes."""
        return self.data.ndim

    def __iadd__(self, b): return in_place(self, b, add)
    def __isub__(self, b): return in_place(self, b, subtract)
    def __imul__(self, b): return in_place(self, b, multiply)
    def __itruediv__(self, b): return in_place(self, b, divide)


# %% 2.1.1 book/deep_learning/autograd.md
_clock = itertools.count(1)


class Node:
    """The place of a result in the graph: how a gradient goes on from it."""

    __slots__ = ("shape", "dtype", "grad", "_owned", "parents", "rule",
                 "saved", "time", "_name")
    requires_grad = True

    def __init__(self, data, parents, rule, saved, name=None):
        self.shape, self.dtype = data.shape, data.dtype
        self.grad, self._owned = None, False
        self.parents, self.rule, self.saved = parents, rule, saved
        self._name, self.time = name, next(_clock)

    @property
    def name(self):
        """The operation's name, as ``add``."""
        if self._name:
            return self._name
        return self.rule.__qualname__.split(".<locals>.")[-2:][0]

    def accumulate(self, grad):
        """Add `grad` to the gradient, once it has the right shape and type."""
        if grad.shape != self.shape:
            grad = unbroadcast(grad, self.shape)
        if grad.dtype != self.dtype or type(grad) is not np.ndarray:
            grad = np.array(grad, self.dtype)
        if self.grad is None:
            self.grad, self._owned = grad, False
        elif self._owned:
            self.grad += grad
        else:
            self.grad, self._owned = np.asarray(self.grad + grad), True


# %% 2.1.1 book/deep_learning/autograd.md
class Mode(threading.local):
    """What each thread decides for itself."""

    enabled = True


_mode = Mode()


def grad_enabled():
    """Whether operations are being recorded in this thread."""
    return _mode.enabled


# %% 2.1.1 book/deep_learning/autograd.md
def from_op(data, parents, backward, saved=None, name=None):
    """Record an operation: its result, its inputs, its backward rule.

    Parameters
    ----------
    data : ndarray
        The result.
    parents : tuple of Tensor
        The inputs that a gradient may have to reach.
    backward : callable
        The rule: gets the gradient by the result, which it must not change,
        and returns a gradient for each parent, as a tuple (or the array, if
        there is one parent). None where a parent needs none; axes that
        broadcasting stretched are summed afterwards.
    saved : iterable of Tensor or None, optional
        The tensors whose arrays `backward` reads; all parents by default.
    name : str, optional
        What the operation is called; by default the function that `backward`
        was written in.

    Returns
    -------
    Tensor
        Without a history if no parent requires a gradient, or inside
        `no_grad`.
    """
    out = Tensor.__new__(Tensor)
    out._data, out.grad, out.requires_grad = np.asarray(data), None, False
    out._node, out._version = None, [0]
    out._owned, out._buffer = False, None
    if _mode.enabled and True in [p.requires_grad for p in parents]:
        ends = [p._node or (p if p.requires_grad else None) for p in parents]
        saved = parents if saved is None else saved
        out.requires_grad = True
        out._node = Node(out._data, ends, backward, saved, name)
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
def unbroadcast(grad, shape):
    """Sum `grad` over the axes that broadcasting stretched from `shape`."""
    if grad.shape == shape:
        return grad
    new = grad.ndim - len(shape)
    pairs = list(zip(shape, grad.shape[max(new, 0):]))
    if new < 0 or any(n not in (1, m) for n, m in pairs):
        raise ValueError(f"a gradient of shape {grad.shape} reached a tensor "
                         f"of shape {shape}")
    grad = grad.sum(axis=tuple(range(new)))
    stretched = tuple(i for i, (n, m) in enumerate(pairs) if n != m)
    return grad.sum(axis=stretched, keepdims=True) if stretched else grad


# %% 2.1.1 book/deep_learning/autograd.md
def history(tensor):
    """All nodes that `tensor` depends on, youngest first."""
    if tensor._node is None:
        return []
    found, todo = {tensor._node.time: tensor._node}, [tensor._node]
    while todo:
        for parent in todo.pop().parents:
            if type(parent) is Node and parent.time not in found:
                found[parent.time] = parent
                todo.append(parent)
    return [found[time] for time in sorted(found, reverse=True)]


# %% 2.1.1 book/deep_learning/autograd.md
def freed(grad):
    """Stands where a rule stood that has been let go."""


def judge(nodes):
    """Refuse a graph that was freed, or whose arrays have changed since."""
    for node in nodes:
        if node.rule is freed:
            raise RuntimeError("an earlier backward() freed this graph; the "
                               "first call must say retain_graph=True")
        for tensor in node.saved:
            if tensor is not None and tensor._version[0] > node.time:
                raise RuntimeError(
                    f"{node.name} needs an array of shape {tensor.shape} as "
                    "it was, but it was changed since, by an optimiser's step "
                    "or an assignment to data: call backward() before that")


# %% 2.1.1 book/deep_learning/autograd.md
def increment_version(*tensors):
    """Say that the arrays of these tensors were changed in place."""
    now = next(_clock)
    for tensor in tensors:
        tensor._version[0] = now


def assign(tensor, array):
    """Give a tensor another array, or the same one after a change."""
    tensor._data = np.asarray(array)
    if tensor._data.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers, not {array!r:.60}")
    increment_version(tensor)


# %% 2.1.1 book/deep_learning/autograd.md
def send(grads, node):
    """Give each input of an operation the gradient that the rule returned."""
    grads = grads if type(grads) is tuple else (grads,)
    if len(grads) != len(node.parents):
        raise ValueError(f"{node.name} has {len(node.parents)} inputs, and "
                         f"its rule returned {len(grads)} gradients")
    for parent, grad in zip(node.parents, grads):
        if parent is None or grad is None or not parent.requires_grad:
            continue
        if type(grad) is Piece:
            grad.add_to(parent)
        else:
            parent.accumulate(grad)


# %% 2.1.1 book/deep_learning/autograd.md
def beside(x, dtype):
    """A number or array as a tensor of type `dtype`, if that holds it."""
    if dtype.kind == "f":
        return Tensor(x, dtype=dtype)
    x = x if isinstance(x, int | float) else as_numbers(x)
    fits = np.result_type(dtype, x).kind == dtype.kind
    return Tensor(np.asarray(x).astype(dtype) if fits else x)


def converted(x, dtype=np.float32):
    """A tensor of integers in type `dtype`; one of floats as it is."""
    return x if x.dtype.kind == "f" else Tensor(x.data, dtype=dtype)


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
    return (a, b) if a.dtype is b.dtype else common(a, b)


# %% 2.1.1 book/deep_learning/autograd.md
def add(a, b):
    """``a + b`` with NumPy's broadcasting."""
    a, b = operands(a, b)

    def backward(g):
        return g, g

    return from_op(a.data + b.data, (a, b), backward, saved=())


def negate(a):
    """``-a``, entry by entry."""
    return from_op(-a.data, (a,), lambda g: -g, saved=())


def subtract(a, b):
    """``a - b`` with NumPy's broadcasting."""
    a, b = operands(a, b)
    needed = b.requires_grad

    def backward(g):
        return g, -g if needed else None

    return from_op(a.data - b.data, (a, b), backward, saved=())


# %% 2.1.1 book/deep_learning/autograd.md
def multiply(a, b):
    """``a * b`` with NumPy's broadcasting."""
    a, b = operands(a, b)
    A, B = a if b.requires_grad else None, b if a.requires_grad else None

    def backward(g):
        return (None if B is None else g * B.data,
                None if A is None else g * A.data)

    return from_op(a.data * b.data, (a, b), backward, saved=(A, B))


def matmul(a, b):
    """``a @ b``: the last two axes are matrices, those before are a batch."""
    a, b = operands(a, b)
    if min(a.data.ndim, b.data.ndim) < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul of shapes {a.shape} and {b.shape}")
    A, B = a if b.requires_grad else None, b if a.requires_grad else None

    def backward(g):
        return (None if B is None else g @ B.data.swapaxes(-1, -2),
                None if A is None else A.data.swapaxes(-1, -2) @ g)

    return from_op(a.data @ b.data, (a, b), backward, saved=(A, B))


# %% 2.1.1 book/deep_learning/autograd.md
def divide(a, b):
    """``a / b`` with NumPy's broadcasting."""
    a, b = operands(a, b)
    if b.data.dtype.kind != "f":
        a, b = converted(a), converted(b)
    y, needed = a.data / b.data, b.requires_grad

    def backward(g):
        da = g / b.data
        return da, -da * y if needed else None

    return from_op(y, (a, b), backward, saved=(b,))


def power(a, n):
    """``a ** n`` for a number `n`; `power_of` if it is none."""
    if isinstance(n, np.integer | np.floating):
        n = n.item()
    if not isinstance(n, int | float):
        return power_of(a, n)
    a = converted(a) if isinstance(n, float) else a

    def backward(g):
        return g * (n * a.data ** (n - 1) if n else np.zeros_like(a.data))

    return from_op(a.data**n, (a,), backward)


# %% 2.1.1 book/deep_learning/autograd.md
def power_of(a, b):
    """``a ** b`` entry by entry, for arrays and tensors."""
    a, b = operands(a, b)
    A, B = a.data, b.data
    y = A**B

    def backward(g):
        with np.errstate(divide="ignore", invalid="ignore"):
            da = g * np.where(B == 0, 0, B * A ** (B - 1))
            db = g * np.where((A == 0) & (B >= 0), 0, y * np.log(A))
        return da, db

    return from_op(y, (a, b), backward)


# %% 2.1.1 book/deep_learning/autograd.md
def sum_(a, axis=None, keepdims=False):
    """Sum over `axis`, all axes by default."""
    shape = a.shape

    def backward(g):
        if axis is not None and not keepdims:
            g = np.expand_dims(g, axis)
        return np.broadcast_to(g, shape)

    out = a.data.sum(axis=axis, keepdims=keepdims)
    return from_op(out, (a,), backward, saved=())


def mean(a, axis=None, keepdims=False):
    """Mean over `axis`, all axes by default; NaN if there is nothing."""
    total = sum_(a, axis, keepdims)
    n = a.data.size / max(total.data.size, 1)
    return total / (n if n else np.nan)


def max_(a, axis=None, keepdims=False):
    """Largest entry along `axis`; several equal ones share the gradient."""
    top = a.data.max(axis=axis, keepdims=True)
    at = a.data == top

    def backward(g):
        if not keepdims and axis is not None:
            g = np.expand_dims(g, axis)
        return at * (g / at.sum(axis=axis, keepdims=True, dtype=g.dtype))

    out = top if keepdims else a.data.max(axis=axis)
    return from_op(out, (a,), backward, saved=())


# %% 2.1.1 book/deep_learning/autograd.md
def view(data, a, backward):
    """Record that `data` is the memory of the tensor `a`, read otherwise."""
    out = from_op(data, (a,), backward, saved=())
    out._version = a._version
    return out


def reshape(a, *shape):
    """The same entries in another shape; -1 stands for what is left."""
    shape = shape[0] if len(shape) == 1 and np.ndim(shape[0]) else shape
    before = a.shape
    return view(a.data.reshape(shape), a, lambda g: g.reshape(before))


def permute(a, *axes):
    """The axes in another order, as ``np.transpose``; reversed if none."""
    axes = axes[0] if len(axes) == 1 and np.ndim(axes[0]) else axes
    axes = [i % a.ndim for i in axes] or range(a.ndim)[::-1]
    back = np.argsort(axes)
    return view(a.data.transpose(axes), a, lambda g: g.transpose(back))


def swapaxes(a, i, j):
    """Two axes exchanged."""
    return view(a.data.swapaxes(i, j), a, lambda g: g.swapaxes(i, j))


# %% 2.1.1 book/deep_learning/autograd.md
class Piece:
    """A gradient that is zero everywhere but at an index."""

    def __init__(self, index, values, plain):
        self.index, self.values, self.plain = index, values, plain

    def add_to(self, end):
        """Add the values to the gradient of a node or a leaf."""
        if end.grad is None or not end._owned:
            end.accumulate(np.zeros(end.shape, end.dtype))
            end._owned = True
        if self.plain:
            end.grad[self.index] += self.values
        else:
            np.add.at(end.grad, self.index, self.values)


# %% 2.1.1 book/deep_learning/autograd.md
def as_index(index):
    """An index without tensors in it."""
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(p.data if isinstance(p, Tensor) else p for p in parts)
    return parts if isinstance(index, tuple) else parts[0]


def getitem(a, index):
    """``a[index]``: slices, index arrays, masks."""
    index = as_index(index)
    parts = index if isinstance(index, tuple) else (index,)
    plain = all(isinstance(p, int | np.integer | slice | type(...))
                and not isinstance(p, bool) or p is None for p in parts)

    def backward(g):
        return Piece(index, g, plain)

    if plain:
        return view(a.data[index], a, backward)
    return from_op(a.data[index], (a,), backward, saved=())


# %% 2.1.1 book/deep_learning/autograd.md
def concatenate(tensors, axis=0):
    """Tensors one behind another along `axis`."""
    tensors = tuple(tensors)
    ends = np.cumsum([t.shape[axis] for t in tensors])[:-1]

    def backward(g):
        return tuple(np.split(g, ends, axis))

    data = np.concatenate([t.data for t in tensors], axis)
    return from_op(data, tensors, backward, saved=())


def stack(tensors, axis=0):
    """Tensors of one shape along a new axis."""
    tensors = tuple(tensors)

    def backward(g):
        return tuple(np.moveaxis(g, axis, 0))

    data = np.stack([t.data for t in tensors], axis)
    return from_op(data, tensors, backward, saved=())


# %% 2.1.1 book/deep_learning/autograd.md
def exp(a):
    """Exponential, entry by entry."""
    y = np.exp(a.data)
    return from_op(y, (a,), lambda g: g * y, saved=())


def log(a):
    """Natural logarithm, entry by entry."""
    return from_op(np.log(a.data), (a,), lambda g: g / a.data)


# %% 2.1.1 book/deep_learning/autograd.md
def compare(a, b, relation):
    """`relation` entry by entry; what is no number is not comparable."""
    b = b.data if isinstance(b, Tensor) else b
    if not isinstance(b, int | float):
        b = np.asarray(b)
        if b.dtype.kind not in "fiub":
            return NotImplemented
    if a.dtype.kind == "f" and np.result_type(b).kind == "f":
        b = np.asarray(b, a.dtype)
    return Tensor(relation(a.data, b))


# %% 2.1.1 book/deep_learning/more_operations.md
def as_mask(condition):
    """A condition as an array of truth values."""
    mask = condition.data if isinstance(condition, Tensor) else condition
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(f"a condition is made of booleans, not {mask.dtype}")
    return mask


def where(condition, a, b):
    """Entries of `a` where `condition` holds, of `b` elsewhere."""
    mask = as_mask(condition)
    a, b = operands(a if isinstance(b, Tensor) else as_operand(a), b)

    def backward(g):
        zero = np.zeros_like(g)
        return np.where(mask, g, zero), np.where(mask, zero, g)

    return from_op(np.where(mask, a.data, b.data), (a, b), backward, saved=())


def as_operand(x):
    """A number or an array as a tensor."""
    return x if isinstance(x, Tensor) else Tensor(x)


def kept_where(a, condition, b):
    """The entries of `a` where `condition` holds, of `b` elsewhere."""
    return where(condition, a, b)


def masked_fill(a, mask, value):
    """`value` where `mask` holds, the entries of `a` elsewhere."""
    return where(mask, value, a)


# %% 2.1.1 book/deep_learning/more_operations.md
def clip(a, min=None, max=None):
    """Entries below `min` become `min`, those above `max` become `max`."""
    if isinstance(min, float) or isinstance(max, float):
        a = converted(a)
    inside = np.ones(a.shape, bool)
    if min is not None:
        inside &= a.data >= min
    if max is not None:
        inside &= a.data <= max
    return from_op(np.clip(a.data, min, max), (a,), lambda g: g * inside,
                   saved=())


def abs_(a):
    """Absolute value; the slope at 0 is 0."""
    sign = np.sign(a.data)
    return from_op(np.abs(a.data), (a,), lambda g: g * sign, saved=(),
                   name="abs")


# %% 2.1.1 book/deep_learning/more_operations.md
def sqrt(a):
    """Square root, entry by entry; the slope at 0 is infinite."""
    a = converted(a)
    y = np.sqrt(a.data)
    return from_op(y, (a,), lambda g: g * (0.5 / y), saved=())


def var(a, axis=None, keepdims=False, correction=1):
    """Mean square distance from the mean along `axis`.

    The sum of squares is divided by ``n - correction``; PyTorch's default
    is 1 as here, NumPy's is 0. NaN if that leaves nothing to divide by.
    """
    centred = converted(a) - mean(a, axis, keepdims=True)
    squares = sum_(centred * centred, axis, keepdims)
    n = a.data.size // max(squares.data.size, 1) - correction
    return squares / (n if n > 0 else np.nan)


def std(a, axis=None, keepdims=False, correction=1):
    """Root of the variance along `axis`, see `var`."""
    return sqrt(var(a, axis, keepdims, correction))


def min_(a, axis=None, keepdims=False):
    """Smallest entry along `axis`; several equal ones share the gradient."""
    return -max_(-a, axis, keepdims)


# %% 2.1.1 book/deep_learning/more_operations.md
def argmax(a, axis=None, keepdims=False):
    """Place of the largest entry along `axis`, of all entries by default."""
    return Tensor(np.argmax(a.data, axis, keepdims=keepdims))


def argmin(a, axis=None, keepdims=False):
    """Place of the smallest entry along `axis`, see `argmax`."""
    return Tensor(np.argmin(a.data, axis, keepdims=keepdims))


def gather(a, axis, index):
    """Entries of `a` whose place along `axis` stands in `index`."""
    index = np.asarray(as_index(index))
    if index.ndim != a.ndim or index.dtype.kind not in "iu":
        raise ValueError(f"gather from {a.shape}: want integers with as many "
                         f"axes, not {index.dtype} of shape {index.shape}")
    if index.size and not 0 <= index.min() <= index.max() < a.shape[axis]:
        raise IndexError(f"places {index.min()} to {index.max()} on an axis "
                         f"of {a.shape[axis]}")
    places = list(np.indices(index.shape, sparse=True))
    places[axis] = index
    return a[tuple(places)]


# %% 2.1.1 book/deep_learning/more_operations.md
def squeeze(a, axis=None):
    """Without axes of length 1: all of them, or `axis` if it is one."""
    one = range(a.ndim) if axis is None else [range(a.ndim)[axis]]
    return reshape(a, [n for i, n in enumerate(a.shape)
                       if n != 1 or i not in one])


def unsqueeze(a, axis):
    """With a new axis of length 1 at the place `axis`."""
    return reshape(a, np.expand_dims(a.data, axis).shape)


def flatten(a, start_dim=0, end_dim=-1):
    """The axes from `start_dim` to `end_dim`, both included, as one."""
    if a.ndim == 0:
        return reshape(a, [1])
    first, last = range(a.ndim)[start_dim], range(a.ndim)[end_dim]
    n = int(np.prod(a.shape[first : last + 1]))
    return reshape(a, [*a.shape[:first], n, *a.shape[last + 1 :]])


def split(a, size, axis=0):
    """Pieces of `size` along `axis` (the last may be shorter), or of sizes."""
    n = a.shape[axis]
    if isinstance(size, int) and size > 0:
        size = [min(size, n - i) for i in range(0, n, size)]
    if isinstance(size, int) or sum(size) != n or min(size, default=0) < 0:
        raise ValueError(f"pieces of {size} of an axis of {n}")
    before = (slice(None),) * range(a.ndim)[axis]
    return tuple(a[(*before, slice(end - k, end))]
                 for k, end in zip(size, np.cumsum(size)))


cat = concatenate


# %% 2.1.1 book/deep_learning/more_operations.md
def letters(equation):
    """Letters of each input, and of the output, of an `einsum`."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    for word in (*inputs, output):
        if not word.isalpha() and word or len(set(word)) < len(word):
            raise ValueError(f"einsum {equation!r}: each axis is a letter, "
                             "and none comes twice in one tensor")
    if not arrow:
        output = "".join(sorted(s for s in left if left.count(s) == 1
                                and s != ","))
    return inputs, output


def einsum(equation, *tensors):
    """Sum of products by letters: ``einsum("nd,dk->nk", a, b)`` is a @ b."""
    inputs, output = letters(equation)
    tensors = tuple(as_operand(t) for t in tensors)
    arrays, needed = zip(*((t.data, t.requires_grad) for t in tensors))
    y = np.einsum(",".join(inputs) + "->" + output, *arrays)

    def by(i, g):
        word, shape = inputs[i], arrays[i].shape
        others = [output, *inputs[:i], *inputs[i + 1 :]]
        met = [s for s in word if s in "".join(others)]
        grad = np.einsum(",".join(others) + "->" + "".join(met), g,
                         *arrays[:i], *arrays[i + 1 :])
        alone = [k for k, s in enumerate(word) if s not in met]
        grad = np.expand_dims(grad, alone)
        both = np.broadcast_shapes(grad.shape, shape)
        return np.broadcast_to(grad, both)

    def backward(g):
        return tuple(by(i, g) if needs else None
                     for i, needs in enumerate(needed))

    return from_op(y, tensors, backward)


# %% 2.1.1 book/deep_learning/more_operations.md
def any_(a, axis=None, keepdims=False):
    """Whether one entry along `axis` is true, or is not 0."""
    return Tensor(np.any(a.data, axis, keepdims=keepdims))


def all_(a, axis=None, keepdims=False):
    """Whether every entry along `axis` is true, or is not 0."""
    return Tensor(np.all(a.data, axis, keepdims=keepdims))


# %% 2.1.1 book/deep_learning/more_operations.md
def float_(a):
    """The entries as float32."""
    return a.to(np.float32)


# %% 2.1.1 book/deep_learning/more_operations.md
def in_place(a, b, operation):
    """``a -= b`` and its like: a leaf with a gradient keeps its array."""
    if a._node is not None or not a.requires_grad:
        return NotImplemented  # Python goes on with a = a - b
    if grad_enabled():
        raise RuntimeError("a leaf that requires a gradient is changed "
                           "in place only within no_grad()")
    new = operation(a, b).data
    if new.shape != a.shape:
        raise ValueError(f"{a.shape} cannot become {new.shape} in place")
    a.data[...] = new
    increment_version(a)
    return a
