# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Operations of one node each, most of them made of chapter 1's functions."""

import functools
import numpy as np
from zerobook import activations, losses, neural_network
from zerobook.autograd import (
    Tensor, as_numbers, converted, from_op, grad_enabled
)
from zerobook.memory import chunks
import operator
from zerobook.memory import aligned_empty
import math


# %% 2.1.1 book/deep_learning/fused.md
def as_tensor(x, like=None):
    """`x` as a tensor; what is no Tensor of floats gets the type of `like`."""
    if like is None:
        return x if isinstance(x, Tensor) else Tensor(x)
    if isinstance(x, Tensor):
        return x if x.dtype.kind == "f" else converted(x, like.dtype)
    return Tensor(x, dtype=like.dtype)


# %% 2.1.1 book/deep_learning/fused.md
def lift(f, f_backward, keeps="xy"):
    """Make an operation on tensors of a function and its gradient rule.

    Parameters
    ----------
    f : callable
        ``f(x, ...)`` on arrays.
    f_backward : callable
        ``f_backward(g, x, y, ...)``, with the same further arguments.
    keeps : str
        Which of x and y the rule reads; it gets None for the others.

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
        if x.data.dtype.kind != "f":
            y = as_numbers(y)  # integers make float32, not float64
        X = x.data if "x" in keeps else None
        Y = y if "y" in keeps else None

        def backward(g):
            return f_backward(g, X, Y, *args, **options)

        saved = () if X is None else (x,)
        return from_op(y, (x,), backward, saved, f.__name__)

    return dressed(operation, f)


def dressed(operation, f):
    """`operation` under the name and the signature of `f`."""
    functools.update_wrapper(operation, f, ("__name__", "__qualname__"), ())
    operation.__doc__ = f.__doc__.partition("\n")[0]
    return operation


# %% 2.1.1 book/deep_learning/fused.md
identity = lift(activations.identity, activations.identity_backward, "")
relu = lift(
    activations.relu, lambda g, x, y: activations.relu_backward(g, y, y), "y"
)
tanh = lift(activations.tanh, activations.tanh_backward, "y")
sigmoid = lift(activations.sigmoid, activations.sigmoid_backward, "y")
silu = lift(activations.silu, activations.silu_backward)
softmax = lift(activations.softmax, activations.softmax_backward, "y")
log_softmax = lift(
    activations.log_softmax, activations.log_softmax_backward, "y"
)


# %% 2.1.1 book/deep_learning/fused.md
def target_array(y, like):
    """A target as an array; floats take on the type of the prediction."""
    if isinstance(y, Tensor):
        if y.requires_grad:
            raise TypeError("a target takes no gradient: detach() it")
        y = y.data
    y = np.asarray(y)
    if y.dtype.kind not in "fiub":
        raise TypeError(f"a target holds numbers, not {y!r:.60}")
    return y.astype(like.dtype, copy=False) if y.dtype.kind == "f" else y


def lift_loss(f, f_backward):
    """As `lift`, for a loss of a prediction and a target of one shape."""

    def operation(y_hat, y):
        y_hat = converted(as_tensor(y_hat))
        scores = y_hat.data
        y = target_array(y, scores).astype(scores.dtype, copy=False)
        if y.shape != scores.shape:
            raise ValueError(f"target {y.shape} for prediction {scores.shape}")
        value = np.asarray(f(scores, y), scores.dtype)

        def backward(g):
            return f_backward(g, scores, y)

        return from_op(value, (y_hat,), backward, name=f.__name__)

    return dressed(operation, f)


# %% 2.1.1 book/deep_learning/fused.md
squared_error = lift_loss(losses.squared_error, losses.squared_error_backward)
binary_cross_entropy = lift_loss(
    losses.binary_cross_entropy, losses.binary_cross_entropy_backward
)


# %% 2.1.1 book/deep_learning/fused.md
def _class_targets(y, y_hat):
    """Targets as an array of classes, or of probabilities."""
    y = target_array(y, y_hat.data)
    if y.dtype.kind == "b" or y.dtype.kind == "f" and y.shape != y_hat.shape:
        raise TypeError(f"targets {y.shape} of {y.dtype} for scores "
                        f"{y_hat.shape}: want classes (integers) or "
                        "probabilities (floats) of the same shape")
    return y


# %% 2.1.1 book/deep_learning/fused.md
def cross_entropy(y_hat, y, *, ignore_index=-100, label_smoothing=0.0,
                  weight=None, reduction="mean"):
    """Mean negative log-likelihood of classes, from scores.

    Parameters
    ----------
    y_hat : Tensor of shape (..., K)
        Scores, the classes last (PyTorch: second).
    y : ndarray or Tensor of int, shape (...)
        Classes; or of float, shape (..., K), their probabilities.
    ignore_index, label_smoothing : int, float
        A class that does not count; the share of each target that is
        spread over all classes.
    weight : array_like of shape (K,), optional
        How much each class counts.
    reduction : {"mean", "sum", "none"}
        Of the losses of the targets.

    Returns
    -------
    Tensor of shape (), or (...) without a reduction, in nats
        The mean is NaN if all are ignored.

    Raises
    ------
    TypeError, ValueError, IndexError
        For targets that are no classes or probabilities, or do not fit.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction mean, sum or none, not {reduction!r}")
    y_hat = converted(as_tensor(y_hat))
    y = _class_targets(y, y_hat)
    log_p = activations.log_softmax(y_hat.data)
    plain = (not label_smoothing and weight is None and y.dtype.kind != "f"
             and reduction == "mean")
    if plain and not np.count_nonzero(y == ignore_index):
        value = np.asarray(losses.nll_loss(log_p, y), log_p.dtype)
        rule = losses.cross_entropy_backward
        return from_op(value, (y_hat,), lambda g: rule(g, log_p, y, log_p),
                       saved=())
    Q, total = soft_targets(y, log_p, ignore_index, label_smoothing, weight)
    if reduction == "mean":
        Q = (Q / (total if total else np.nan)).astype(log_p.dtype)
    axis = -1 if reduction == "none" else None
    return expected_surprise(y_hat, log_p, Q, axis)


# %% 2.1.1 book/deep_learning/fused.md
def expected_surprise(y_hat, log_p, Q, axis=None):
    """Sum of ``-Q * log_p``, with its gradient by the scores `y_hat`."""

    def backward(g):
        mass = Q.sum(axis=-1, keepdims=True)
        g = g if axis is None else np.expand_dims(g, axis)
        return g * (mass * np.exp(log_p) - Q)

    return from_op(-(Q * log_p).sum(axis), (y_hat,), backward, saved=(),
                   name="cross_entropy")


# %% 2.1.1 book/deep_learning/fused.md
def soft_targets(y, log_p, ignore_index, label_smoothing, weight):
    """Weights (..., K) of the classes of each row, and what all weigh."""
    K, dtype = log_p.shape[-1], log_p.dtype
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing from 0 to 1, not {label_smoothing}")
    w = np.ones(K, dtype) if weight is None else target_array(weight, log_p)
    if w.shape != (K,):
        raise ValueError(f"weight {w.shape} for {K} classes")
    if y.dtype.kind == "f":
        Q, counts, total = y, 1, y.size // max(K, 1)
    else:
        if y.shape != log_p.shape[:-1]:
            raise ValueError(f"targets {y.shape} for logits {log_p.shape}")
        counts = (y != ignore_index)[..., None]
        known = np.where(counts[..., 0], y, 0)
        if known.size and not 0 <= known.min() <= known.max() < K:
            raise IndexError(f"classes {known.min()} .. {known.max()} of {K}")
        Q = (known[..., None] == np.arange(K)) * counts
        total = (w[known] * counts[..., 0]).sum()
    Q = (1 - label_smoothing) * Q + label_smoothing / K * counts
    return (Q * w).astype(dtype), total


# %% 2.1.1 book/deep_learning/fused.md
@functools.lru_cache(maxsize=16)
def _ones(n, dtype):
    """A row of ones, made once for each length."""
    return np.ones(n, dtype)


def sum_rows(g):
    """Sum of (..., D) over all axes but the last, by one product."""
    rows = g.reshape(-1, g.shape[-1])
    return np.dot(_ones(len(rows), g.dtype), rows)


# %% 2.1.1 book/deep_learning/fused.md
def fitting_bias(bias, weight):
    """A bias as a tensor: a number for each column, or one for all."""
    bias = as_tensor(bias, weight)
    if bias.shape not in (weight.shape[1:], (1,), ()):
        raise ValueError(f"bias {bias.shape} for weight {weight.shape}")
    return bias


# %% 2.1.1 book/deep_learning/fused.md
def linear(x, weight, bias=None):
    """Weighted sums, ``x @ weight + bias``, as one node (section 2.1.1).

    Parameters
    ----------
    x : Tensor or ndarray of shape (..., D_in)
    weight : Tensor of shape (D_in, D_out), the transpose of PyTorch's
    bias : Tensor of shape (D_out,), or (1,) for all columns; optional

    Returns
    -------
    Tensor of shape (..., D_out)
    """
    weight = as_tensor(weight)
    x = as_tensor(x, weight)
    X, W = x._data, weight._data
    if W.ndim != 2 or X.ndim == 0 or X.shape[-1] != len(W):
        raise ValueError(f"input {X.shape} for weight {W.shape}")
    outer, D, rows = X.shape[:-1], W.shape[1:], X.reshape(-1, len(W))
    y = neural_network.linear(rows, W)  # (N, D_out)
    parents, shape = (x, weight), X.shape
    if bias is not None:
        bias = fitting_bias(bias, weight)
        y += bias.data  # in place: no second array
        parents = x, weight, bias
    needs = x.requires_grad, weight.requires_grad, False
    X, W = rows if needs[1] else None, W if needs[0] else None
    leaf = weight if weight.is_leaf else None

    def backward(g):
        g = g.reshape(-1, *D)
        out = None if leaf is None else leaf.vacant()
        dx, dweight, _ = neural_network.linear_backward(g, X, W, needs, out)
        dx = None if dx is None else dx.reshape(shape)
        grads = dx, dweight
        return grads if bias is None else (*grads, sum_rows(g))

    saved = x if needs[1] else None, weight if needs[0] else None
    return from_op(y.reshape(outer + D), parents, backward, saved)


# %% 2.1.1 book/deep_learning/fused.md
def gelu(x):
    """Gaussian error linear unit in tanh form, keeping its derivative."""
    x = converted(as_tensor(x))
    if not (grad_enabled() and x.requires_grad):
        return from_op(activations.gelu(x.data), (), None)
    flat = x.data.reshape(-1)
    y, slope = np.empty_like(flat), np.empty_like(flat)
    for piece in chunks(flat.size, 5):  # x, y, slope and two in passing
        out = y[piece], slope[piece]
        activations.gelu_and_slope(flat[piece], out)
    slope = slope.reshape(x.shape)
    return from_op(y.reshape(x.shape), (x,),
                   lambda g: g * slope, saved=())


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
    x = converted(as_tensor(x, weight))
    D = x.shape[-1]
    weight, bias = scale_and_shift(x, weight, bias)
    one = np.full(D, 1 / D, x.dtype)  # rows @ one: the means, by BLAS
    rows = x.data.reshape(-1, D)
    x_hat = rows - (rows @ one)[:, None]  # (N, D)
    variance = np.vecdot(x_hat, x_hat) / D  # (N,)
    r = (1 / np.sqrt(variance + eps))[:, None]  # (N, 1)
    x_hat *= r
    y = x_hat if weight is None else x_hat * weight.data
    if bias is not None:
        y = np.add(y, bias.data, out=None if y is x_hat else y)
    parents = [p for p in (x, weight, bias) if p is not None]
    w, shape = None if weight is None else weight.data, x.shape

    def backward(g):
        g = g.reshape(-1, D)
        dx, dw = layer_norm_backward(g, w, x_hat, r)
        grads = dx.reshape(shape), dw, None if bias is None else sum_rows(g)
        return tuple(grad for grad in grads if grad is not None)

    return from_op(y.reshape(x.shape), parents, backward, saved=(weight,))


# %% 2.1.1 book/deep_learning/fused.md
def scale_and_shift(x, *params):
    """Weight and bias of the columns of `x` as tensors, or None."""
    params = [None if p is None else as_tensor(p, x) for p in params]
    for p in params:
        if p is not None and p.shape != x.shape[-1:]:
            raise ValueError(f"input {x.shape} with a weight or a bias of "
                             f"shape {p.shape}")
    return params


def layer_norm_backward(g, w, x_hat, r):
    """Gradients of `layer_norm` by its rows, and by the weight if any."""
    dw = None if w is None else np.einsum("nd,nd->d", g, x_hat)
    D = x_hat.shape[1]
    u = g.copy() if w is None else g * w  # (N, D)
    along = np.vecdot(u, x_hat)[:, None] / D
    u -= u @ np.full((D, 1), 1 / D, u.dtype)
    u -= x_hat * along
    u *= r
    return u, dw


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
    x = converted(x)
    y, mask = neural_network.dropout(x.data, p, rng=rng)

    def backward(g):
        return neural_network.dropout_backward(g, mask)

    return from_op(y, (x,), backward, saved=())


# %% 2.1.1 book/deep_learning/fused.md
def sum_by_index(g, index, n):
    """Row i of the result is the sum of the rows of `g` whose index is i."""
    total = np.zeros((n, g.shape[-1]), g.dtype)
    order = np.argsort(index, kind="stable")
    for some in chunks(len(order), room=256):
        rows = order[some]
        word = index[rows]
        new = np.flatnonzero(np.append(True, word[1:] != word[:-1]))
        hot = (word[new, None] == word).astype(g.dtype)
        total[word[new]] += hot @ g[rows]
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
    weight = as_tensor(weight)
    V, D = weight.shape
    if index.dtype.kind not in "iu":
        raise TypeError(f"an index must be an integer, not {index.dtype}")
    if index.size and not 0 <= index.min() <= index.max() < V:
        raise IndexError(f"index {index.min()} .. {index.max()} of {V} rows")

    def backward(g):
        return sum_by_index(g.reshape(-1, D), index.ravel(), V)

    return from_op(weight.data[index], (weight,), backward, saved=())


# %% 2.2.1 book/deep_learning/convolution.md
def im2col(x, kernel_size, stride):
    """All windows of a batch of images, each laid out as a row.

    Parameters
    ----------
    x : ndarray of shape (N, H, W, C)
        Channels last.
    kernel_size, stride : pair of int

    Returns
    -------
    ndarray of shape (N, H_out, W_out, kh * kw * C)

    Notes
    -----
    Section 2.2.1.
    """
    (kh, kw), (sh, sw), (N, H, W, C) = kernel_size, stride, x.shape
    channel, pixel = x.itemsize, C * x.itemsize  # bytes to the next one
    row, image = W * pixel, H * W * pixel
    windows = np.lib.stride_tricks.as_strided(
        np.ascontiguousarray(x),
        (N, (H - kh) // sh + 1, (W - kw) // sw + 1, kh, kw * C),
        (image, sh * row, sw * pixel, row, channel), writeable=False,
    )
    return windows.reshape(*windows.shape[:3], kh * kw * C)


# %% 2.2.1 book/deep_learning/convolution.md
def bands(x, kernel_size, stride, shape):
    """For each kernel row the strips that it meets, as a batch of matrices.

    `shape` says how the places (H', W') of an image are cut: into `shape[0]`
    matrices of `shape[1]` rows.
    """
    (kh, kw), (sh, sw) = kernel_size, stride
    S = np.ascontiguousarray(im2col(x, (1, kw), (1, sw)))
    last = (S.shape[1] - kh) // sh * sh
    for u in range(kh):
        met = S[:, u : u + last + 1 : sh]  # (N, H', W', kw * C)
        yield met.reshape(len(x), *shape, S.shape[-1])


# %% 2.2.1 book/deep_learning/convolution.md
UNPACKED = 1_000_000  # multiplications of a product that copies nothing


def cut(height, width, weights):
    """Into how many matrices an image's places go, and their rows."""
    heights = [h for h in range(1, height + 1) if height % h == 0
               and h * width >= 96 and h * width * weights <= UNPACKED]
    h = max(heights, default=height)
    return height // max(h, 1), h * width


# %% 2.2.1 book/deep_learning/convolution.md
def with_border(x, padding, value=0.0):
    """(N, H, W, C) -> (N, H + 2 ph, W + 2 pw, C), `value` around it."""
    (N, H, W, C), (ph, pw) = x.shape, padding
    if not ph and not pw:
        return x
    out = np.empty((N, H + 2 * ph, W + 2 * pw, C), x.dtype)
    out[:, :ph] = out[:, ph + H :] = value
    out[:, :, :pw] = out[:, :, pw + W :] = value
    out[:, ph : ph + H, pw : pw + W] = x
    return out


def without_border(x, padding):
    """Undo `with_border`."""
    (_, H, W, _), (ph, pw) = x.shape, padding
    return x[:, ph : H - ph, pw : W - pw]


# %% 2.2.1 book/deep_learning/convolution.md
def correlate(x, w, stride, bias=None, padding=(0, 0)):
    """Convolution on arrays: (N, H, W, C) and (kh, kw, C, O)."""
    (kh, kw, C, O), kernel = w.shape, w.shape[:2]
    W = w.reshape(kh, kw * C, O)
    out = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(
        x.shape[1:], padding, kernel, stride)]
    y, shape = np.empty((len(x), *out, O), x.dtype), cut(*out, kw * C * O)
    for some in chunks(len(x), out[0] * out[1] * max(kw * C, O)):
        part = y[some].reshape(-1, *shape, O)
        padded = with_border(x[some], padding)
        for u, S in enumerate(bands(padded, kernel, stride, shape)):
            if u:
                part += S @ W[u]
            else:
                np.matmul(S, W[u], out=part)
        if bias is not None:
            part += bias
    return y


# %% 2.2.1 book/deep_learning/convolution.md
def correlate_weight(g, x, kernel_size, stride):
    """Gradient of `correlate` by its weight; `g` is (N, H', W', O)."""
    (kh, kw), C, (_, *out, O) = kernel_size, x.shape[-1], g.shape
    dw, shape = np.zeros((kh, kw * C, O), g.dtype), cut(*out, kw * C * O)
    for some in chunks(len(g), out[0] * out[1] * max(kw * C, O)):
        part = g[some].reshape(-1, *shape, O)
        for u, S in enumerate(bands(x[some], kernel_size, stride, shape)):
            dw[u] += (S.swapaxes(-1, -2) @ part).sum(axis=(0, 1))
    return dw.reshape(kh, kw, C, O)


# %% 2.2.1 book/deep_learning/convolution.md
def grids(x, kernel_size, stride):
    """For each kernel pixel, the view of the pixels of `x` that it meets."""
    (kh, kw), (sh, sw) = kernel_size, stride
    down = (x.shape[1] - kh) // sh * sh + 1  # rows from first to last
    across = (x.shape[2] - kw) // sw * sw + 1
    for u in range(kh):
        for v in range(kw):
            yield x[:, u : u + down : sh, v : v + across : sw]


def correlate_input(g, w, shape, stride):
    """Gradient of `correlate` by its input, which had the shape `shape`."""
    kernel, (C, O), (_, *out, _) = w.shape[:2], w.shape[2:], g.shape
    dx = np.zeros(shape, g.dtype)
    back = np.ascontiguousarray(w.reshape(-1, C, O).swapaxes(1, 2))
    for some in chunks(len(g), out[0] * out[1] * 2 * max(C, O)):
        rows = g[some].reshape(-1, *cut(*out, C * O), O)
        for grid, W in zip(grids(dx[some], kernel, stride), back):
            grid += (rows @ W).reshape(grid.shape)
    return dx


# %% 2.2.1 book/deep_learning/convolution.md
def correlate_backward(g, x, w, padding):
    """Gradients by `x` and by `w`, at stride 1; `x` had zeros around it."""
    (kh, kw, C, O), (N, H, W, _) = w.shape, x.shape
    border = kh - 1 - padding[0], kw - 1 - padding[1]
    turned = np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))
    turned = turned.reshape(kh, kw * O, C)
    dx, dw = np.empty(x.shape, g.dtype), np.zeros((kh, C, kw * O), g.dtype)
    shape = cut(H, W, kw * O * C)
    for some in chunks(N, H * W * max(kw * O, C)):
        part, rows = (a[some].reshape(-1, *shape, C) for a in (dx, x))
        padded = with_border(g[some], border)
        for u, S in enumerate(bands(padded, (kh, kw), (1, 1), shape)):
            if u:
                part += S @ turned[u]
            else:
                np.matmul(S, turned[u], out=part)
            dw[u] += (rows.swapaxes(-1, -2) @ S).sum(axis=(0, 1))
    return dx, dw.reshape(kh, C, kw, O)[::-1, :, ::-1].swapaxes(1, 2)


# %% 2.2.1 book/deep_learning/convolution.md
def pair(n):
    """A number for both directions, or a pair (down, across)."""
    both = (n, n) if np.ndim(n) == 0 else tuple(n)
    if len(both) != 2:
        raise ValueError(f"{n!r} is no number and no pair of numbers")
    return tuple(operator.index(k) for k in both)


def channels_last(x, padding=(0, 0), value=0.0):
    """(N, C, H, W) -> (N, H + 2 ph, W + 2 pw, C), padded with `value`."""
    return with_border(x.transpose(0, 2, 3, 1), padding, value)


def channels_first(x, padding=(0, 0)):
    """Undo `channels_last`: cut the padding off, channels second."""
    return without_border(x, padding).transpose(0, 3, 1, 2)


# %% 2.2.1 book/deep_learning/convolution.md
def check_window(name, x, kernel_size, stride, padding, channels=None):
    """Refuse images that a window does not fit, with the shapes."""
    if x.data.ndim != 4 or channels not in (None, x.shape[1]):
        raise ValueError(
            f"{name} wants images (N, {channels or 'C'}, H, W), not {x.shape}"
        )
    if min(*kernel_size, *stride) < 1 or min(padding) < 0:
        raise ValueError(f"{name}: kernel {kernel_size}, stride {stride}, "
                         f"padding {padding}")
    for n, k, p in zip(x.shape[2:], kernel_size, padding):
        if n + 2 * p < k:
            raise ValueError(f"{name}: kernel {kernel_size} is larger than "
                             f"images {x.shape} with padding {padding}")
        if channels is None and 2 * p > k:
            raise ValueError(f"{name}: padding {padding} is more than half "
                             f"of kernel {kernel_size}")


# %% 2.2.1 book/deep_learning/convolution.md
def conv2d_backward(g, x, weight, stride, padding):
    """Gradients (N, H, W, C) and (kh, kw, C, O); None if nobody asks."""
    maps, kernel = channels_last(x.data), weight.shape[:2]
    both = x.requires_grad and weight.requires_grad and stride == (1, 1)
    if both and all(p < k <= 2 * p + 1 for p, k in zip(padding, kernel)):
        return correlate_backward(g, maps, weight.data, padding)
    maps, dx, dw = with_border(maps, padding), None, None
    if weight.requires_grad:
        dw = correlate_weight(g, maps, kernel, stride)
    if x.requires_grad:
        dx = correlate_input(g, weight.data, maps.shape, stride)
        dx = without_border(dx, padding)
    return dx, dw


# %% 2.2.1 book/deep_learning/convolution.md
def conv2d(x, weight, bias=None, stride=1, padding=0):
    """Slide filters over images (section 2.2.1; LeCun et al., 1998).

    An error if the channels differ or the kernel is larger than the image.

    Parameters
    ----------
    x, bias : Tensors of shape (N, C, H, W) and (O,); `bias` may be None
    weight : Tensor of shape (kh, kw, C, O)
        PyTorch stores it as (O, C, kh, kw).
    stride, padding : int or pair of int

    Returns
    -------
    Tensor of shape (N, O, H_out, W_out)
        ``H_out = (H + 2 * padding - kh) // stride + 1``.

    Examples
    --------
    >>> x, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((2, 2, 1, 1))
    >>> conv2d(x, Tensor(weight)).data[0, 0]
    array([[ 8., 12.],
           [20., 24.]], dtype=float32)
    """
    weight = as_tensor(weight)
    x = as_tensor(x, weight)
    bias = None if bias is None else as_tensor(bias, weight)
    stride, padding, kernel = pair(stride), pair(padding), weight.shape[:2]
    check_window("conv2d", x, kernel, stride, padding, weight.shape[2])
    b = None if bias is None else bias.data
    y = correlate(channels_last(x.data), weight.data, stride, b, padding)

    def backward(g):
        g = np.ascontiguousarray(g.transpose(0, 2, 3, 1))
        dx, dw = conv2d_backward(g, x, weight, stride, padding)
        dx = None if dx is None else channels_first(dx)
        return (dx, dw) if bias is None else (dx, dw, sum_rows(g))

    parents = tuple(p for p in (x, weight, bias) if p is not None)
    return from_op(channels_first(y), parents, backward)


# %% 2.2.1 book/deep_learning/convolution.md
def transposed_shape(x, weight, stride, padding, output_padding):
    """Shape (N, H, W, O) of what `conv_transpose2d` spreads, uncut."""
    if x.data.ndim != 4 or x.shape[1] != weight.shape[2]:
        raise ValueError(f"conv_transpose2d wants images (N, "
                         f"{weight.shape[2]}, H, W), not {x.shape}")
    sizes = []
    for i in (0, 1):
        n, k, s, p = x.shape[2 + i], weight.shape[i], stride[i], padding[i]
        sizes.append((n - 1) * s + k + output_padding[i])
        if not 0 <= output_padding[i] < s or sizes[-1] <= 2 * p:
            raise ValueError(f"conv_transpose2d of {x.shape}: kernel {k}, "
                             f"stride {s}, padding {p}, output_padding "
                             f"{output_padding[i]}")
    return (len(x), *sizes, weight.shape[3])


# %% 2.2.1 book/deep_learning/convolution.md
def conv_transpose2d(x, weight, bias=None, stride=1, padding=0,
                     output_padding=0):
    """Spread each entry of a map over a window: `conv2d` run backwards.

    Section 2.2.1.

    Parameters
    ----------
    x : Tensor or ndarray of shape (N, C, H, W)
    weight : Tensor of shape (kh, kw, C, O); in PyTorch (C, O, kh, kw)
    bias : Tensor of shape (O,), optional
    stride, padding : int or pair of int
        Of the convolution that this one runs backwards.
    output_padding : int or pair of int
        Rows and columns added at the end, fewer than the stride: a
        convolution with a stride takes several sizes to the same one.

    Returns
    -------
    Tensor of shape (N, O, H_out, W_out)
        ``H_out = (H - 1) * stride - 2 * padding + kh + output_padding``.
    """
    weight = as_tensor(weight)
    x = as_tensor(x, weight)
    bias = None if bias is None else as_tensor(bias, weight)
    stride, padding, kernel = pair(stride), pair(padding), weight.shape[:2]
    shape = transposed_shape(x, weight, stride, padding, pair(output_padding))
    w, maps = weight.data.swapaxes(2, 3), channels_last(x.data)
    y = channels_first(correlate_input(maps, w, shape, stride), padding)
    if bias is not None:
        y += bias.data[:, None, None]

    def backward(g):
        g = channels_last(g, padding)
        dx = dw = None
        if weight.requires_grad:
            dw = correlate_weight(maps, g, kernel, stride).swapaxes(2, 3)
        if x.requires_grad:
            dx = correlate(g, np.ascontiguousarray(w), stride)
            dx = channels_first(dx)
        return (dx, dw) if bias is None else (dx, dw, sum_rows(g))

    parents = tuple(p for p in (x, weight, bias) if p is not None)
    return from_op(y, parents, backward)


# %% 2.2.1 book/deep_learning/convolution.md
def max_pool_backward(g, y, x, kernel_size, stride):
    """Gradient by `x`, channels last: the first that equals `y` gets `g`."""
    tiled = kernel_size == stride and not any(
        n % k for n, k in zip(x.shape[1:3], kernel_size)
    )
    dx = (np.empty if tiled else np.zeros)(x.shape, g.dtype)
    for some in chunks(len(x), x.size // max(len(x), 1)):
        h, top = np.ascontiguousarray(g[some]), y[some]
        free = True  # the winner is not found yet
        for part, grid in zip(grids(x[some], kernel_size, stride),
                              grids(dx[some], kernel_size, stride)):
            won = part == top
            won &= free
            free = free ^ won
            if tiled:
                np.multiply(h, won, out=grid)
            else:
                grid += h * won
    return dx


# %% 2.2.1 book/deep_learning/convolution.md
def max_pool2d(x, kernel_size, stride=None, padding=0):
    """Largest entry of each window; the first of equals gets the gradient.

    Parameters
    ----------
    x : Tensor or ndarray of shape (N, C, H, W)
    kernel_size, stride, padding : int or pair of int
        The stride is the kernel's size by default.

    Returns
    -------
    Tensor of shape (N, C, H_out, W_out)

    Notes
    -----
    Section 2.2.1.
    """
    x = converted(as_tensor(x))
    kernel, padding = pair(kernel_size), pair(padding)
    stride = kernel if stride is None else pair(stride)
    check_window("max_pool2d", x, kernel, stride, padding)
    padded = channels_last(x.data, padding, -np.inf)
    parts = list(grids(padded, kernel, stride))
    y = np.empty(parts[0].shape, x.dtype)
    for some in chunks(len(y), padded.size // max(len(y), 1)):
        y[some] = parts[0][some]
        for part in parts[1:]:
            np.maximum(y[some], part[some], out=y[some])

    def backward(g):
        dx = max_pool_backward(channels_last(g), y, padded, kernel, stride)
        return channels_first(dx, padding)

    return from_op(channels_first(y), (x,), backward)


# %% 2.2.1 book/deep_learning/convolution.md
def avg_pool2d(x, kernel_size, stride=None, padding=0):
    """Mean of each window, zeros of the padding counted.

    Parameters and shapes as in `max_pool2d`. Section 2.2.1.
    """
    x = converted(as_tensor(x))
    kernel, padding = pair(kernel_size), pair(padding)
    stride = kernel if stride is None else pair(stride)
    check_window("avg_pool2d", x, kernel, stride, padding)
    padded = channels_last(x.data, padding)
    share = x.data.dtype.type(1 / (kernel[0] * kernel[1]))
    y = sum(grids(padded, kernel, stride)) * share

    def backward(g):
        dx = np.zeros(padded.shape, g.dtype)
        g = g.transpose(0, 2, 3, 1) * share
        for grid in grids(dx, kernel, stride):
            grid += g
        return channels_first(dx, padding)

    return from_op(channels_first(y), (x,), backward)


# %% 2.2.1 book/deep_learning/convolution.md
def conv1d(x, weight, bias=None, stride=1, padding=0):
    """Slide filters along series: `conv2d` of images with one row.

    Parameters
    ----------
    x : Tensor or ndarray of shape (N, C, L)
    weight : Tensor of shape (k, C, O)
        PyTorch stores it as (O, C, k).
    bias : Tensor of shape (O,), optional
    stride, padding : int

    Returns
    -------
    Tensor of shape (N, O, L_out)
    """
    weight = as_tensor(weight)
    x = as_tensor(x, weight)
    if x.data.ndim != 3:
        raise ValueError(f"conv1d wants series (N, C, L), not {x.shape}")
    rows, w = x.reshape(*x.shape[:2], 1, -1), weight.reshape(1, *weight.shape)
    y = conv2d(rows, w, bias, (1, stride), (0, padding))
    return y.reshape(*y.shape[:2], y.shape[3])


# %% 2.2.1 book/deep_learning/batch_norm.md
def normalize_channels(x, weight=None, bias=None, eps=1e-5):
    """Each channel of a batch to mean 0 and variance 1, then scaled.

    Parameters
    ----------
    x : Tensor of shape (N, C) or (N, C, ...)
    weight, bias : Tensor of shape (C,), optional

    Notes
    -----
    Section 2.2.1: layer norm of the channels as rows.
    """
    N, C, *places = x.shape
    front = (1, 0, *range(2, x.data.ndim))  # its own inverse
    rows = x.permute(*front).reshape(C, x.size // C)  # (C, N H W)
    rows = layer_norm(rows, eps=eps)
    if weight is not None:
        rows = rows * weight.reshape(C, 1)
    if bias is not None:
        rows = rows + bias.reshape(C, 1)
    return rows.reshape(C, N, *places).permute(*front)


# %% 2.2.1 book/deep_learning/batch_norm.md
def update_running(x, running_mean, running_var, momentum=0.1):
    """Move averages of mean and variance towards those of a batch."""
    axes = (0, *range(2, x.ndim))
    count = x.size // x.shape[1]
    unbiased = x.var(axis=axes) * (count / (count - 1))
    running_mean += momentum * (x.mean(axis=axes) - running_mean)
    running_var += momentum * (unbiased - running_var)


# %% 2.2.1 book/deep_learning/batch_norm.md
def batch_norm(x, running_mean=None, running_var=None, weight=None,
               bias=None, training=False, momentum=0.1, eps=1e-5):
    """Normalise each channel, by the batch or by what was seen before.

    Parameters
    ----------
    x : Tensor or ndarray of shape (N, C) or (N, C, ...)
    running_mean, running_var : ndarray of shape (C,), optional
        Changed in place while `training`, used otherwise.
    weight, bias : Tensor of shape (C,), optional
    training : bool
    momentum : float
        Share of the newest batch in the running averages.
    eps : float

    Returns
    -------
    Tensor of the shape of `x`

    Raises
    ------
    ValueError
        If a channel has one number only: its deviation would be zero.

    Notes
    -----
    Section 2.2.1; Ioffe and Szegedy (2015).
    """
    x = as_tensor(x, weight)
    if training or running_mean is None:
        if x.size <= x.shape[1]:
            raise ValueError(f"one number a channel in {x.shape}: batch "
                             "norm has no deviation to divide by")
        if running_mean is not None:
            update_running(x.data, running_mean, running_var, momentum)
        return normalize_channels(x, weight, bias, eps)
    tall = (-1, *[1] * (x.data.ndim - 2))  # (C,) -> (C, 1, 1)
    r = (1 / np.sqrt(running_var + eps)).astype(x.dtype).reshape(tall)
    y = (x - running_mean.astype(x.dtype).reshape(tall)) * r
    if weight is not None:
        y = y * weight.reshape(*tall)
    return y if bias is None else y + bias.reshape(*tall)


# %% 2.2.1 book/deep_learning/batch_norm.md
def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """Each group of channels of each example to mean 0 and variance 1.

    Parameters
    ----------
    x : Tensor or ndarray of shape (N, C, ...)
    num_groups : int
        Divides C.
    weight, bias : Tensor of shape (C,), optional

    Notes
    -----
    Section 2.2.1; Wu and He (2018).
    """
    x = as_tensor(x, weight)
    if x.data.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(f"{num_groups} groups of the channels of {x.shape}")
    rows = x.reshape(x.shape[0] * num_groups, x.size
                     // max(x.shape[0] * num_groups, 1))
    y = layer_norm(rows, eps=eps).reshape(*x.shape)
    tall = (-1, *[1] * (x.data.ndim - 2))  # (C,) -> (C, 1, 1)
    if weight is not None:
        y = y * weight.reshape(*tall)
    return y if bias is None else y + bias.reshape(*tall)


# %% 2.2.2 book/deep_learning/recurrent.md
def rnn_forward(X, W, U, b, h0):
    """All states of a recurrent network: (T + 1, N, H), `h0` the first."""
    hs = np.empty((len(X) + 1, *h0.shape), np.result_type(X, W))
    hs[0] = h0
    sums = X @ W + b  # (T, N, H)
    for t, s in enumerate(sums):
        s += hs[t] @ U
        np.tanh(s, out=hs[t + 1])
    return hs


# %% 2.2.2 book/deep_learning/recurrent.md
def rnn_backward(g, U, hs):
    """Gradients by the sums inside the tanh, (T, N, H), and by `h0`."""
    ds, dh = np.empty_like(hs[1:]), np.zeros_like(hs[0])
    for t in reversed(range(len(ds))):
        dh += g[t]
        ds[t] = activations.tanh_backward(dh, None, hs[t + 1])
        dh = ds[t] @ U.T  # (N, H)
    return ds, dh


# %% 2.2.2 book/deep_learning/recurrent.md
def check_sequence(name, x, weight_ih, weight_hh, gates, states):
    """Refuse a sequence that the weights do not fit, with the shapes."""
    D, H = weight_ih.shape[0], weight_hh.shape[0]
    if x.ndim != 3 or x.shape[2] != D:
        raise ValueError(f"{name} wants a sequence (T, N, {D}), not {x.shape}")
    if weight_ih.shape[1] != gates * H or weight_hh.shape[1] != gates * H:
        raise ValueError(f"{name}: weights {weight_ih.shape} and "
                         f"{weight_hh.shape}, not (D, {gates * H}) and "
                         f"({H}, {gates * H})")
    for state in states:
        if state.shape != (x.shape[1], H):
            raise ValueError(f"{name}: state {state.shape} for input "
                             f"{x.shape}, not ({x.shape[1]}, {H})")


# %% 2.2.2 book/deep_learning/recurrent.md
def rnn(x, weight_ih, weight_hh, bias, h0=None):
    """A whole sequence through a recurrent network, as one node.

    Parameters
    ----------
    x : Tensor or ndarray of shape (T, N, D)
    weight_ih, weight_hh : Tensor of shape (D, H) and (H, H)
    bias : Tensor of shape (H,)
    h0 : Tensor of shape (N, H), optional
        The state before the first step; zeros by default.

    Returns
    -------
    Tensor of shape (T, N, H)
        The state after each step.

    Notes
    -----
    Section 2.2.2; Elman (1990).
    """
    weight_ih, weight_hh, bias = (
        as_tensor(w) for w in (weight_ih, weight_hh, bias)
    )
    x = as_tensor(x, weight_ih)
    if h0 is None:
        h0 = np.zeros((*x.shape[1:2], weight_hh.shape[0]), x.dtype)
    h0 = as_tensor(h0, weight_hh)
    check_sequence("rnn", x, weight_ih, weight_hh, 1, [h0])
    hs = rnn_forward(x.data, weight_ih.data, weight_hh.data, bias.data,
                     h0.data)

    def backward(g):
        ds, dh = rnn_backward(g, weight_hh.data, hs)
        return (*by_inputs(ds, x, weight_ih, weight_hh, hs), dh)

    return from_op(hs[1:], (x, weight_ih, weight_hh, bias, h0), backward)


# %% 2.2.2 book/deep_learning/recurrent.md
def by_inputs(ds, x, weight_ih, weight_hh, hs):
    """From the gradient `ds` by the sums, those by x, both weights, bias."""
    rows = ds.reshape(-1, ds.shape[-1])  # (T * N, gates * H)
    inputs = x.data.reshape(-1, x.shape[-1])
    states = hs[:-1].reshape(-1, hs.shape[-1])  # h[t - 1] beside s[t]
    dx = d_ih = d_hh = None
    if x.requires_grad:
        dx = (rows @ weight_ih.data.T).reshape(x.shape)
    if weight_ih.requires_grad:
        d_ih = inputs.T @ rows
    if weight_hh.requires_grad:
        d_hh = states.T @ rows
    return dx, d_ih, d_hh, sum_rows(rows)


# %% 2.2.2 book/deep_learning/lstm.md
GATE_SCALE = np.array([[[0.5]], [[0.5]], [[1.0]], [[0.5]]])  # i, f, g, o


def gates_first(weight):
    """(D, 4H) -> (4, D, H), halved for the gates that are sigmoids."""
    blocks = weight.reshape(len(weight), 4, -1).transpose(1, 0, 2)
    room = aligned_empty(blocks.shape, weight.dtype)
    return np.multiply(blocks, GATE_SCALE.astype(weight.dtype), out=room)


# %% 2.2.2 book/deep_learning/lstm.md
def lstm_forward(X, W, U, b, h0, c0):
    """States and cells (T + 1, N, H), gates (T, 4, N, H), tanh of cells."""
    T, (N, H), dtype = len(X), h0.shape, np.result_type(X, W)
    W, U, b = gates_first(W), gates_first(U), gates_first(b[None])
    hs, cs = aligned_empty((2, T + 1, N, H), dtype)
    hs[0], cs[0] = h0, c0
    A, squashed, product = (
        aligned_empty(s, dtype) for s in ((T, 4, N, H), (T, N, H), (4, N, H))
    )
    np.matmul(X[:, None], W, out=A)
    for t, a in enumerate(A):
        a += np.matmul(hs[t], U, out=product)
        a += b
        np.tanh(a, out=a)
        for gates in (a[:2], a[3]):
            gates += 1
            gates *= 0.5
        (i, f, g, o), c, h = a, cs[t + 1], hs[t + 1]
        np.multiply(f, cs[t], out=c)
        c += np.multiply(i, g, out=h)  # h has room until its turn comes
        np.tanh(c, out=squashed[t])
        np.multiply(o, squashed[t], out=h)
    return hs, cs, A, squashed


# %% 2.2.2 book/deep_learning/lstm.md
def lstm_backward(dhs, dc_n, U, cs, A, squashed):
    """Gradients by the sums, (T, N, 4H), and by the first state and cell."""
    T, _, N, H = A.shape
    dh, dc = aligned_empty((2, N, H), A.dtype)
    dh[...], dc[...] = 0, dc_n
    ds, back = (aligned_empty(s, A.dtype) for s in ((T, N, 4, H), (4, H, H)))
    back[...] = U.reshape(H, 4, H).transpose(1, 2, 0)
    slope, e, work = aligned_empty((3, 4, N, H), A.dtype)
    for t in reversed(range(T)):
        (i, f, g, o), squash = A[t], squashed[t]
        dh += dhs[t]
        np.multiply(dh, squash, out=e[3])
        np.multiply(e[3], squash, out=work[0])
        np.subtract(dh, work[0], out=work[0])  # dh (1 - tanh²)
        work[0] *= o
        dc += work[0]
        for k, partner in enumerate((g, cs[t], i)):
            np.multiply(dc, partner, out=e[k])
        dc *= f
        np.multiply(A[t], A[t], out=slope)
        for k, y in ((slice(2), A[t, :2]), (2, 1), (3, o)):
            np.subtract(y, slope[k], out=slope[k])
        e *= slope
        ds[t] = e.swapaxes(0, 1)
        np.matmul(e, back, out=work).sum(axis=0, out=dh)
    return ds.reshape(T, N, 4 * H), dh, dc


# %% 2.2.2 book/deep_learning/lstm.md
def _sequence_and_state(x, weight_ih, weight_hh, state):
    """Tensors of the right shapes; a state that is not given is zero."""
    x = as_tensor(x, weight_ih)
    if state is None:
        zeros = np.zeros((*x.shape[1:2], weight_hh.shape[0]), x.dtype)
        state = zeros, zeros
    h0, c0 = (as_tensor(s, weight_hh) for s in state)
    check_sequence("lstm", x, weight_ih, weight_hh, 4, [h0, c0])
    return x, h0, c0


# %% 2.2.2 book/deep_learning/lstm.md
def lstm(x, weight_ih, weight_hh, bias, state=None):
    """A whole sequence through an LSTM, as one node.

    Section 2.2.2; Hochreiter and Schmidhuber (1997), with the forget gate
    of Gers, Schmidhuber and Cummins (2000). ValueError if shapes misfit.

    Parameters
    ----------
    x : Tensor or ndarray of shape (T, N, D)
    weight_ih, weight_hh : Tensor of shape (D, 4H) and (H, 4H)
        Columns: input gate, forget, candidate, output gate (PyTorch: rows).
    bias : Tensor of shape (4H,)
    state : pair of Tensor of shape (N, H), optional
        Hidden state and cell before the first step; zeros by default.

    Returns
    -------
    output : Tensor of shape (T, N, H)
        The hidden state after each step.
    c_n : Tensor of shape (N, H)
        The cell after the last step.
    """
    weight_ih, weight_hh, bias = (
        as_tensor(w) for w in (weight_ih, weight_hh, bias)
    )
    x, h0, c0 = _sequence_and_state(x, weight_ih, weight_hh, state)
    hs, cs, A, squashed = lstm_forward(
        x.data, weight_ih.data, weight_hh.data, bias.data, h0.data, c0.data
    )

    def backward(g):
        ds, dh, dc = lstm_backward(g[:-1], g[-1], weight_hh.data, cs, A,
                                   squashed)
        return (*by_inputs(ds, x, weight_ih, weight_hh, hs), dh, dc)

    both = np.concatenate([hs[1:], cs[-1:]])  # (T + 1, N, H)
    parents = (x, weight_ih, weight_hh, bias, h0, c0)
    both = from_op(both, parents, backward)
    return both[:-1], both[-1]


# %% 2.2.2 book/deep_learning/lstm.md
def gru_step(x, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
    """One step of a gated recurrent unit: the next state (N, H).

    Section 2.2.2; the columns are reset gate, update gate, candidate.
    """
    H = h.shape[-1]
    seen = linear(x, weight_ih, bias_ih)  # (N, 3H)
    kept = linear(h, weight_hh, bias_hh)
    gates = sigmoid(seen[:, : 2 * H] + kept[:, : 2 * H])
    r, z = gates[:, :H], gates[:, H:]
    candidate = tanh(seen[:, 2 * H :] + r * kept[:, 2 * H :])
    return candidate + z * (h - candidate)


# %% 2.2.3 book/deep_learning/attention.md
def _scores_bias(mask, is_causal, shape, dtype, first=0):
    """What to add to scores of `shape`: the lowest float where it is shut.

    `first` is the number of the first query.
    """
    lowest, bias = np.finfo(dtype).min, np.zeros((), dtype)
    if mask is not None:
        if mask.dtype == bool:
            mask = np.where(mask, 0, lowest)
        elif mask.dtype.kind != "f":
            raise TypeError(f"mask of {mask.dtype}: give booleans or floats")
        bias = np.maximum(mask, lowest).astype(dtype)
    if is_causal:
        past = np.tri(*shape[-2:], first, dtype=bool)  # (T, S)
        bias = np.where(past, bias, lowest)
    return bias


# %% 2.2.3 book/deep_learning/attention.md
def _attention_shapes(query, key, value, mask):
    """Refuse shapes that do not fit; the shape of the scores."""
    q, k, v = query.shape, key.shape, value.shape
    said = f"query {q}, key {k}, value {v}"
    if min(len(q), len(k), len(v)) < 2 or q[-1] != k[-1] or k[-2] != v[-2]:
        raise ValueError(f"{said}: want (..., T, d), (..., S, d), "
                         "(..., S, d_v)")
    batch = q[:-2]
    if not batch == k[:-2] == v[:-2]:
        try:
            batch = np.broadcast_shapes(batch, k[:-2], v[:-2])
        except ValueError:
            said += ": the axes in front do not fit"
            raise ValueError(said) from None
    scores = (*batch, q[-2], k[-2])
    if mask is not None:
        try:
            np.broadcast_to(mask, scores)
        except ValueError:
            said = f"mask {mask.shape} for scores {scores}"
            raise ValueError(said) from None
    return scores


# %% 2.2.3 book/deep_learning/attention.md
def attention_weights(query, key, mask=None, is_causal=False):
    """How much each query takes from each key; composed of small steps.

    Derived in section 2.2.3.

    Parameters
    ----------
    query : Tensor of shape (..., T, d)
    key : Tensor of shape (..., S, d)
    mask, is_causal
        As for `scaled_dot_product_attention`.

    Returns
    -------
    Tensor of shape (..., T, S)
        Rows sum to one, or to zero where a query may look nowhere.
    """
    query, key = as_tensor(query), as_tensor(key)
    shape = _attention_shapes(query, key, key, mask)
    scores = (query * key.shape[-1] ** -0.5) @ key.swapaxes(-1, -2)
    if mask is None and not is_causal:
        return softmax(scores)  # (..., T, S)
    bias = _scores_bias(mask, is_causal, shape, scores.dtype)
    may = bias > np.finfo(scores.dtype).min
    return softmax(scores + bias) * may.astype(scores.dtype)


# %% 2.2.3 book/deep_learning/attention.md
def query_blocks(T, S, is_causal, size=64):
    """Some queries at a time, each time with the keys that they may see."""
    if not is_causal:
        return [(slice(0, T), slice(0, S))]
    return [(slice(t, t + size), slice(0, min(t + size, S)))
            for t in range(0, max(T, 1), size)]


def _block_bias(mask, is_causal, shape, dtype, rows, seen):
    """`_scores_bias` for a block of the scores of `shape`, None if open."""
    if mask is not None:
        square = *mask.shape[:-2], *shape[-2:]  # the heads' axes as they are
        mask = np.broadcast_to(mask, square)[..., rows, seen]
    elif not is_causal:
        return None
    part = [len(range(n)[cut]) for n, cut in zip(shape[-2:], (rows, seen))]
    return _scores_bias(mask, is_causal, part, dtype, rows.start)


# %% 2.2.3 book/deep_learning/attention.md
def block_weights(Q, K, bias=None):
    """Softmax of scores plus bias, made in the memory of one array."""
    A = (Q * K.shape[-1] ** -0.5) @ K.swapaxes(-1, -2)  # (..., t, s)
    if bias is not None:
        A = np.add(A, bias, out=A if bias.ndim == 2 else None)
    A -= A.max(axis=-1, keepdims=True)
    np.exp(A, out=A)
    A /= A @ np.ones((A.shape[-1], 1), A.dtype)
    return A


# %% 2.2.3 book/deep_learning/attention.md
def _attention_backward(g, query, key, value, blocks, weights):
    """Gradients of `scaled_dot_product_attention`, block by block."""
    Q, K, V = query.data, key.data, value.data
    dQ, dK, dV = (np.zeros_like(X, shape=(*g.shape[:-2], *X.shape[-2:]))
                  for X in (Q, K, V))
    for (rows, seen), A in zip(blocks, weights):
        some = g[..., rows, :]
        dA = some @ V[..., seen, :].swapaxes(-1, -2)  # (..., t, s)
        Z = activations.softmax_backward(dA, None, A)
        Z *= K.shape[-1] ** -0.5
        dQ[..., rows, :] = Z @ K[..., seen, :]
        dK[..., seen, :] += Z.swapaxes(-1, -2) @ Q[..., rows, :]
        dV[..., seen, :] += A.swapaxes(-1, -2) @ some
    return dQ, dK, dV


# %% 2.2.3 book/deep_learning/attention.md
def scaled_dot_product_attention(query, key, value, mask=None,
                                 is_causal=False):
    """Average the values, each query by its own weights; one node.

    Section 2.2.3; Vaswani et al. (2017), equation 1. ValueError for shapes
    that do not fit, TypeError for a mask that is neither boolean nor float.

    Parameters
    ----------
    query : Tensor of shape (..., T, d)
        What is looked for.
    key : Tensor of shape (..., S, d)
        What each entry is found by.
    value : Tensor of shape (..., S, d_v)
        What each entry holds.
    mask : ndarray, shape (T, S) or one that broadcasts to (..., T, S)
        Booleans, True where a query may look, or floats that are added to
        the scores.  The same as PyTorch's ``attn_mask`` here, and the
        opposite of the boolean masks of `nn.MultiheadAttention`.
    is_causal : bool
        Query t sees keys 0 to t only.

    Returns
    -------
    Tensor of shape (..., T, d_v)
        The values' mean where all scores are equal; zero where all is masked.

    Examples
    --------
    >>> q, k = Tensor([[0.0, 0.0]]), Tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(q, k, Tensor([[10.0], [20.0]]))
    Tensor([[15.]])
    """
    query, key, value = as_tensor(query), as_tensor(key), as_tensor(value)
    shape = _attention_shapes(query, key, value, mask)
    Q, K, V = query.data, key.data, value.data
    blocks, weights = query_blocks(*shape[-2:], is_causal), []
    y = np.empty_like(Q, V.dtype, shape=(*shape[:-1], V.shape[-1]))
    for rows, seen in blocks:
        bias = _block_bias(mask, is_causal, shape, V.dtype, rows, seen)
        A = block_weights(Q[..., rows, :], K[..., seen, :], bias)
        if mask is not None:
            A *= bias > np.finfo(bias.dtype).min
        np.matmul(A, V[..., seen, :], out=y[..., rows, :])
        weights.append(A)

    def backward(g):
        return _attention_backward(g, query, key, value, blocks, weights)

    return from_op(y, (query, key, value), backward)


# %% 2.2.4 book/deep_learning/modern_block.md
def rms_norm(x, weight, eps=1e-6):
    """Each row divided by the root of its mean square, then scaled.

    Derived in section 2.2.4; Zhang and Sennrich (2019).

    Parameters
    ----------
    x : Tensor of shape (..., D)
    weight : Tensor of shape (D,)
    eps : float
        Added to the mean square, for rows that are nearly zero.

    Examples
    --------
    >>> rms_norm(Tensor([[3.0, 3.0]]), Tensor([1.0, 2.0]), eps=0.0)
    Tensor([[1., 2.]])
    """
    weight = as_tensor(weight)
    x = as_tensor(x, weight)
    if x.shape[-1:] != weight.shape:
        raise ValueError(f"input {x.shape} for a weight of {weight.shape}")
    r = np.sqrt((x.data * x.data).mean(axis=-1, keepdims=True) + eps)
    x_hat = x.data / r  # (..., D)

    def backward(g):
        u = g * weight.data
        u -= x_hat * (u * x_hat).mean(axis=-1, keepdims=True)
        return u / r, g * x_hat

    return from_op(x_hat * weight.data, (x, weight), backward)


# %% 2.2.4 book/deep_learning/modern_block.md
def _turn(x, cos, sin):
    """Turn the pairs (2i, 2i + 1) of the last axis."""
    y = np.empty_like(x)
    even, odd = x[..., 0::2], x[..., 1::2]
    y[..., 0::2] = even * cos - odd * sin
    y[..., 1::2] = even * sin + odd * cos
    return y


def rotary(x, positions=None, base=10_000.0):
    """Turn each pair of columns by an angle that grows with the position.

    Derived in section 2.2.4; Su et al. (2021), equation 15.

    Parameters
    ----------
    x : Tensor of shape (..., T, d)
        Queries or keys; d even.
    positions : ndarray of shape (T,), optional
        0 to T - 1 by default.
    base : float
        The slowest pair turns about `base` times as slowly as the first.
    """
    x = as_tensor(x)
    T, d = x.shape[-2:]
    if d % 2:
        raise ValueError(f"x {x.shape}: pairs need an even last axis")
    t = np.arange(T) if positions is None else np.asarray(positions)
    angle = t[:, None] * base ** (-np.arange(0, d, 2) / d)  # (T, d / 2)
    cos, sin = (f(angle).astype(x.dtype) for f in (np.cos, np.sin))

    def backward(g):
        return _turn(g, cos, -sin)

    return from_op(_turn(x.data, cos, sin), (x,), backward)


# %% 3.2 book/generative/autoencoder.md
def _log_ways(x, levels):
    """Counts of ink, and the logarithm of the ways to choose the cells."""
    counts = np.rint(np.asarray(x) * levels).astype(int)
    table = [math.lgamma(levels + 1) - math.lgamma(k + 1)
             - math.lgamma(levels - k + 1) for k in range(levels + 1)]
    return counts, np.array(table)[counts]


def binomial_nll(logits, x, levels=16):
    """Surprise at images whose pixels are counts, in nats an image.

    Parameters
    ----------
    logits : Tensor of shape (N, D)
        Of the probability that one of the `levels` cells is inked.
    x : ndarray of shape (N, D)
        Counts divided by `levels`, so from 0 to 1.
    levels : int

    Returns
    -------
    Tensor of shape ()
        Mean over images of the sum over pixels. An image of D pixels costs
        ``D * log(levels + 1)`` at most of models that know nothing.

    Notes
    -----
    Section 3.2.
    """
    counts, ways = _log_ways(x, levels)
    ways = float(ways.sum() / len(counts))
    cells = levels * logits.shape[1]
    return binary_cross_entropy(logits, x) * cells - ways


# %% 3.2 book/generative/autoencoder.md
def binomial_log_prob(logits, x, levels=16):
    """Log probability of each image, an ndarray (N,). Section 3.2.

    As `binomial_nll`, for arrays, without the mean and without a graph.
    """
    counts, ways = _log_ways(x, levels)
    cells = counts * logits - levels * np.logaddexp(0, logits)
    return (cells + ways).sum(axis=-1)


# %% 3.2 book/generative/vae.md
def gaussian_kl(mean, log_var):
    """Divergence of N(mean, exp(log_var)) from N(0, 1), nats an image.

    Summed over the last axis, mean over rows; 0 where `q` ignores its
    input. Section 3.2; both arguments are Tensors of shape (N, Z).
    """
    parts = mean * mean + log_var.exp() - log_var - 1.0
    return parts.sum() * (0.5 / len(mean))


# %% 3.3 book/generative/gpt.md
def _heads(x, n_head, parts):
    """Views (parts, N, h, T, d) of an array (N, T, parts h d)."""
    N, T = x.shape[:2]
    return x.reshape(N, T, parts, n_head, -1).transpose(2, 0, 3, 1, 4)


def _past_weights(query, key):
    """Causal attention weights (N, h, S, T): a column for each query.

    The queries belong to the last T of the S places.
    """
    S, T = key.shape[-2], query.shape[-2]
    P = key @ query.swapaxes(-1, -2)  # (N, h, S, T)
    future = np.tri(S, T, T - S - 1, dtype=bool)
    P += np.where(future, -np.inf, 0).astype(P.dtype)
    P -= P.max(axis=-2, keepdims=True)
    np.exp(P, out=P)
    P /= P.sum(axis=-2, keepdims=True)
    return P


# %% 3.3 book/generative/gpt.md
def causal_self_attention(qkv, n_head, p=0.0, *, rng=None):
    """Each position looks back, in several heads: one node.

    Derived in section 3.3; equal to `scaled_dot_product_attention` with
    ``is_causal=True`` on the three parts, cut into heads.  A ValueError if
    `n_head` does not divide a third of the last axis.

    Parameters
    ----------
    qkv : Tensor of shape (N, T, 3 D)
        Queries, keys and values of all heads side by side.
    n_head : int
        Number h of heads; divides D.
    p : float
        Share of the weights that is dropped; 0 when not training.
    rng : Generator or int, optional

    Returns
    -------
    Tensor of shape (N, T, D)
    """
    if qkv.ndim != 3 or qkv.shape[-1] % (3 * n_head):
        raise ValueError(f"qkv {qkv.shape} for {n_head} heads: want "
                         "(N, T, 3 D), D a multiple of the heads")
    Q, K, V = _heads(qkv.data, n_head, 3)
    Q = Q * Q.shape[-1] ** -0.5
    N, h, T, d = V.shape
    y = np.empty((N, T, h * d), V.dtype)
    Y, kept = _heads(y, h, 1)[0], []
    rng = np.random.default_rng(rng) if p else None
    for rows, seen in query_blocks(T, T, True):
        P, mask = _past_weights(Q[:, :, rows], K[:, :, seen]), None
        A = P
        if p:
            A, mask = neural_network.dropout(P, p, rng=rng)
        np.matmul(A.swapaxes(-1, -2), V[:, :, seen], out=Y[:, :, rows])
        kept.append((rows, seen, P, A, mask))

    def backward(g):
        grad = np.empty_like(qkv.data)
        _look_back_backward(g, y, grad, (Q, K, V), kept)
        return grad

    return from_op(y, (qkv,), backward)


# %% 3.3 book/generative/gpt.md
def _send(a, b, to, first):
    """Write ``a @ b`` into the array `to`, or add it there."""
    if first:
        np.matmul(a, b, out=to)
    else:
        to += a @ b


def _look_back_backward(g, y, grad, inputs, kept):
    """Write the gradient of `causal_self_attention` into `grad`."""
    (Q, K, V), n_head = inputs, inputs[0].shape[1]
    G, Y = (_heads(a, n_head, 1)[0] for a in (g, y))  # (N, h, T, d)
    dQ, dK, dV = _heads(grad, n_head, 3)
    along = np.einsum("nhtd,nhtd->nht", G, Y)[:, :, None]
    for i, (rows, seen, P, A, mask) in enumerate(reversed(kept)):
        some = G[:, :, rows]
        _send(A, some, dV[:, :, seen], first=i == 0)
        Z = V[:, :, seen] @ some.swapaxes(-1, -2)  # (N, h, S, T)
        if mask is not None:
            Z = neural_network.dropout_backward(Z, mask)
        Z -= along[..., rows]
        Z *= P
        _send(Z, Q[:, :, rows], dK[:, :, seen], first=i == 0)
        np.matmul(Z.swapaxes(-1, -2), K[:, :, seen], out=dQ[:, :, rows])
    dQ *= Q.shape[-1] ** -0.5


# %% 3.3 book/generative/bert.md
exact_gelu = lift(activations.exact_gelu, activations.exact_gelu_backward)
