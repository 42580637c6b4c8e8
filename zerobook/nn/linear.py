# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Layers around the operations of `functional`."""

import math
import numpy as np
from zerobook import functional
from zerobook.nn import init
from zerobook.nn.module import Module, Parameter, check_sizes
from zerobook.nn.module import Sequential


# %% 2.1.2 book/deep_learning/modules.md
class Linear(Module):
    """``x @ weight + bias`` over the last axis.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    rng : Generator or int, optional
        Draws the weights, evenly within ``1 / sqrt(in_features)``, as
        PyTorch does.
    dtype : dtype

    Notes
    -----
    Section 2.1.2. `weight` has the shape (in_features, out_features).
    """

    def __init__(self, in_features, out_features, bias=True, *, rng=None,
                 dtype=np.float32):
        check_sizes(self, 0, in_features=in_features,
                    out_features=out_features)
        rng = np.random.default_rng(rng)
        self.in_features, self.out_features = in_features, out_features
        shape, a = (in_features, out_features), max(in_features, 1) ** -0.5
        self.weight = Parameter(np.empty(shape, dtype), dtype=dtype)
        init.uniform_(self.weight, -a, a, rng=rng)
        self.bias = None
        if bias:
            self.bias = Parameter(np.empty(out_features, dtype), dtype=dtype)
            init.uniform_(self.bias, -a, a, rng=rng)

    def forward(self, x):
        """Weighted sums of the last axis."""
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self):
        """The sizes, and whether there is a bias."""
        return (f"in_features={self.in_features}, out_features="
                f"{self.out_features}, bias={self.bias is not None}")


# %% 2.1.2 book/deep_learning/modules.md
class Embedding(Module):
    """A table of `num_embeddings` rows, read by row number.

    The weights are normal numbers of variance 1. Section 2.1.2.
    """

    def __init__(self, num_embeddings, embedding_dim, *, rng=None,
                 dtype=np.float32):
        check_sizes(self, num_embeddings=num_embeddings,
                    embedding_dim=embedding_dim)
        shape = (num_embeddings, embedding_dim)
        self.weight = Parameter(np.empty(shape, dtype), dtype=dtype)
        init.normal_(self.weight, rng=rng)

    def forward(self, index):
        """The rows with these numbers."""
        return functional.embedding(index, self.weight)

    def extra_repr(self):
        """Rows and columns."""
        return "{}, {}".format(*self.weight.shape)


class Dropout(Module):
    """`functional.dropout` while training, nothing otherwise."""

    def __init__(self, p=0.5, *, rng=None):
        if not 0 <= p < 1:
            raise ValueError(f"p must be in 0 <= p < 1, got {p}")
        self.p, self.rng = p, np.random.default_rng(rng)

    def forward(self, x):
        """Some entries set to 0, the rest grown; `x` itself after eval()."""
        return functional.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self):
        """The share that is dropped."""
        return f"p={self.p}, inplace=False"


# %% 2.1.2 book/deep_learning/modules.md
class LayerNorm(Module):
    """`functional.layer_norm` with a weight and a bias. Section 2.1.2.

    `normalized_shape`, a number or a tuple, is that of the last axes.
    """

    def __init__(self, normalized_shape, eps=1e-5, *, dtype=np.float32):
        check_sizes(self, normalized_shape=normalized_shape)
        self.eps = eps
        self.weight = Parameter(np.ones(normalized_shape), dtype=dtype)
        self.bias = Parameter(np.zeros(normalized_shape), dtype=dtype)

    def forward(self, x):
        """Rows of mean 0 and variance 1, scaled and shifted."""
        return by_rows(functional.layer_norm, x, self.weight, self.bias,
                       eps=self.eps)

    def extra_repr(self):
        """The shape and epsilon."""
        return (f"{self.weight.shape}, eps={self.eps}, "
                "elementwise_affine=True, bias=True")


def by_rows(norm, x, weight, *more, eps):
    """Apply `norm` to the last axes of `x`, those of `weight`, as one."""
    if weight.ndim == 1:
        return norm(x, weight, *more, eps)
    x, axes = functional.as_tensor(x, weight), weight.ndim
    if x.shape[-axes:] != weight.shape:
        raise ValueError(f"input {x.shape} for a norm of {weight.shape}")
    rows = x.reshape(*x.shape[:-axes], weight.size)
    flat = (p.reshape(p.size) for p in (weight, *more))
    return norm(rows, *flat, eps).reshape(*x.shape)


# %% 2.1.2 book/deep_learning/modules.md
def activation(name, f, told=""):
    """A module class that applies `f` and has no parameters."""

    def forward(self, x):
        """Apply the function."""
        return f(x)

    def extra_repr(self):
        """What `repr` tells of the function's options."""
        return told

    doc = f"`functional.{f.__name__}` as a module."
    members = {"__doc__": doc, "__module__": __name__, "forward": forward,
               "extra_repr": extra_repr}
    return type(name, (Module,), members)


ReLU = activation("ReLU", functional.relu)
Tanh = activation("Tanh", functional.tanh)
Sigmoid = activation("Sigmoid", functional.sigmoid)
GELU = activation("GELU", functional.gelu, "approximate='tanh'")
SiLU = activation("SiLU", functional.silu)
Identity = activation("Identity", functional.identity)


class Flatten(Module):
    """All axes but the first made one."""

    def forward(self, x):
        """(N, ...) -> (N, D)."""
        x = functional.as_tensor(x)
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))

    def extra_repr(self):
        """The axes that become one."""
        return "start_dim=1, end_dim=-1"


# %% 3.2 book/generative/autoencoder.md
def mlp(widths, *, rng=None):
    """Linear layers of these widths with a GELU between each two.

    Section 3.2.

    Examples
    --------
    >>> mlp([64, 32, 10], rng=0)(np.zeros((5, 64))).shape
    (5, 10)
    """
    rng, layers = np.random.default_rng(rng), []
    for n_in, n_out in zip(widths, widths[1:]):
        layers += [Linear(n_in, n_out, rng=rng), GELU()]
    return Sequential(*layers[:-1])
