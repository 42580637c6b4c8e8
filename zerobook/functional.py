# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Operations of one node each, most of them made of chapter 1's functions."""

import numpy as np
from zerobook import activations, losses
from zerobook.autograd import Tensor, from_op, grad_enabled


# %% 2.1.1 book/deep_learning/fused.md
def as_tensor(x, like=None):
    """`x` as a tensor; an array takes on the type of the tensor `like`."""
    if isinstance(x, Tensor):
        return x
    return Tensor(x, dtype=None if like is None else like.data.dtype)


def lift(f, f_backward):
    """Make an operation on tensors of a function and its gradient rule.

    Parameters
    ----------
    f : callable
        ``f(x, ...)`` on arrays.
    f_backward : callable
        ``f_backward(g, x, y, ...)``, with the same further arguments.

    Returns
    -------
    callable
        The same function of a Tensor (or an array), one node on the tape.

    Notes
    -----
    Section 2.1.1.
    """

    def operation(x, *args, **options):
        x = as_tensor(x)
        y = f(x.data, *args, **options)

        def backward(g):
            grad = f_backward(g, x.data, y, *args, **options)
            x.accumulate(grad, owned=grad is not g)

        return from_op(y, (x,), backward)

    operation.__name__ = operation.__qualname__ = f.__name__
    operation.__doc__ = f.__doc__.partition("\n")[0]
    return operation


# %% 2.1.1 book/deep_learning/fused.md
identity = lift(activations.identity, activations.identity_backward)
relu = lift(activations.relu, activations.relu_backward)
tanh = lift(activations.tanh, activations.tanh_backward)
sigmoid = lift(activations.sigmoid, activations.sigmoid_backward)
silu = lift(activations.silu, activations.silu_backward)
softmax = lift(activations.softmax, activations.softmax_backward)
log_softmax = lift(activations.log_softmax, activations.log_softmax_backward)


# %% 2.1.1 book/deep_learning/fused.md
def target_array(y, like):
    """A target as an array; floats take on the type of the prediction."""
    if isinstance(y, Tensor):
        if y.requires_grad:
            raise TypeError("a target takes no gradient: detach() it")
        y = y.data
    y = np.asarray(y)
    return y.astype(like.dtype, copy=False) if y.dtype.kind == "f" else y


def lift_loss(f, f_backward, same_shape=True):
    """As `lift`, for a loss of a prediction and a target."""

    def operation(y_hat, y):
        y_hat = as_tensor(y_hat)
        y = target_array(y, y_hat.data)
        if same_shape and y.shape != y_hat.shape:
            raise ValueError(f"target {y.shape} for prediction {y_hat.shape}")
        value = np.asarray(f(y_hat.data, y), y_hat.data.dtype)

        def backward(g):
            y_hat.accumulate(f_backward(g, y_hat.data, y), owned=True)

        return from_op(value, (y_hat,), backward)

    operation.__name__ = operation.__qualname__ = f.__name__
    operation.__doc__ = f.__doc__.partition("\n")[0]
    return operation


# %% 2.1.1 book/deep_learning/fused.md
squared_error = lift_loss(losses.squared_error, losses.squared_error_backward)
binary_cross_entropy = lift_loss(
    losses.binary_cross_entropy, losses.binary_cross_entropy_backward
)
cross_entropy = lift_loss(
    losses.cross_entropy, losses.cross_entropy_backward, same_shape=False
)


# %% 2.1.1 book/deep_learning/fused.md
def linear(x, weight, bias=None):
    """Weighted sums, ``x @ weight + bias``, as one node.

    Parameters
    ----------
    x : Tensor or ndarray of shape (..., D_in)
    weight : Tensor of shape (D_in, D_out)
        PyTorch stores the transpose.
    bias : Tensor of shape (D_out,), optional

    Returns
    -------
    Tensor of shape (..., D_out)

    Notes
    -----
    Sections 1.2.1, 1.2.3 and 2.1.1.
    """
    x = as_tensor(x, weight)
    if x.ndim == 0 or x.shape[-1] != weight.shape[0]:
        raise ValueError(f"input {x.shape} for weight {weight.shape}")
    rows = x.data.reshape(-1, x.shape[-1])  # (N, D_in)
    y = rows @ weight.data  # (N, D_out)
    if bias is not None:
        y += bias.data

    def backward(g):
        g = g.reshape(y.shape)
        weight.accumulate_matmul(rows.T, g)
        if bias is not None:
            bias.accumulate(g.sum(axis=0), owned=True)
        if x.requires_grad:
            dx = (g @ weight.data.T).reshape(x.shape)
            x.accumulate(dx, owned=True)

    parents = (x, weight) if bias is None else (x, weight, bias)
    return from_op(y.reshape(*x.shape[:-1], -1), parents, backward)


# %% 2.1.1 book/deep_learning/fused.md
def gelu(x):
    """Gaussian error linear unit in tanh form, keeping its derivative."""
    x = as_tensor(x)
    y = activations.gelu(x.data)
    if not (grad_enabled() and x.requires_grad):
        return from_op(y, (), None)
    slope = activations.gelu_backward(np.ones((), x.dtype), x.data, y)
    return from_op(y, (x,), lambda g: x.accumulate(g * slope, owned=True))


# %% 2.1.1 book/deep_learning/fused.md
def layer_norm(x, weight=None, bias=None, eps=1e-5):
    """Each row to mean 0 and variance 1, then scaled and shifted by column.

    Parameters
    ----------
    x : Tensor or ndarray of shape (..., D)
    weight, bias : Tensor of shape (D,), optional
    eps : float
        Added to the variance, for rows that hardly vary.

    Notes
    -----
    Section 2.1.1; Ba, Kiros and Hinton (2016).
    """
    x = as_tensor(x, weight)
    D = x.shape[-1]
    one = np.full(D, 1 / D, x.dtype)  # rows @ one: the means, by BLAS
    rows = x.data.reshape(-1, D)
    x_hat = rows - (rows @ one)[:, None]  # (N, D)
    variance = np.einsum("nd,nd->n", x_hat, x_hat)[:, None] / D
    r = 1 / np.sqrt(variance + eps)  # (N, 1)
    x_hat *= r
    y = x_hat if weight is None else x_hat * weight.data
    if bias is not None:
        y = np.add(y, bias.data, out=None if y is x_hat else y)
    parents = tuple(p for p in (x, weight, bias) if p is not None)

    def backward(g):
        layer_norm_backward(g.reshape(-1, D), x, weight, bias, x_hat, r)

    return from_op(y.reshape(x.shape), parents, backward)


# %% 2.1.1 book/deep_learning/fused.md
def layer_norm_backward(g, x, weight, bias, x_hat, r):
    """Send the gradient `g` of `layer_norm` to its three inputs."""
    if bias is not None:
        bias.accumulate(g.sum(axis=0), owned=True)
    if weight is not None:
        weight.accumulate(np.einsum("nd,nd->d", g, x_hat), owned=True)
    if x.requires_grad:
        D = x_hat.shape[1]
        u = g.copy() if weight is None else g * weight.data  # (N, D)
        along = np.einsum("nd,nd->n", u, x_hat)[:, None] / D
        u -= u @ np.full((D, 1), 1 / D, u.dtype)
        u -= x_hat * along
        u *= r
        x.accumulate(u.reshape(x.shape), owned=True)


# %% 2.1.1 book/deep_learning/fused.md
def dropout(x, p=0.5, training=True, *, rng=None):
    """Set entries to 0 with probability `p`, divide the rest by 1 - p.

    Section 1.2.4. Without `training` nothing happens.
    """
    if not 0 <= p < 1:
        raise ValueError(f"p must be in 0 <= p < 1, got {p}")
    x = as_tensor(x)
    if not training or p == 0:
        return x
    keep = np.random.default_rng(rng).random(x.shape, np.float32) >= p
    mask = keep * np.asarray(1 / (1 - p), x.dtype)

    def backward(g):
        x.accumulate(g * mask, owned=True)

    return from_op(x.data * mask, (x,), backward)


# %% 2.1.1 book/deep_learning/fused.md
def sum_by_index(g, index, n):
    """Row i of the result is the sum of the rows of `g` whose index is i."""
    total = np.zeros((n, g.shape[-1]), g.dtype)
    if index.size:
        order = np.argsort(index, kind="stable")
        index = index[order]
        new = np.append(True, index[1:] != index[:-1])
        starts = np.flatnonzero(new)
        total[index[starts]] = np.add.reduceat(g[order], starts, axis=0)
    return total


def embedding(index, weight):
    """Rows of a table: ``weight[index]``.

    Parameters
    ----------
    index : ndarray of int, any shape
        Row numbers in ``0 .. V-1``.
    weight : Tensor of shape (V, D)

    Returns
    -------
    Tensor of shape (..., D)

    Notes
    -----
    Section 2.1.1.
    """
    index = np.asarray(index.data if isinstance(index, Tensor) else index)
    V, D = weight.shape
    if index.dtype.kind not in "iu":
        raise TypeError(f"an index must be an integer, not {index.dtype}")
    if index.size and not 0 <= index.min() <= index.max() < V:
        raise IndexError(f"index {index.min()} .. {index.max()} of {V} rows")

    def backward(g):
        total = sum_by_index(g.reshape(-1, D), index.ravel(), V)
        weight.accumulate(total, owned=True)

    return from_op(weight.data[index], (weight,), backward)
