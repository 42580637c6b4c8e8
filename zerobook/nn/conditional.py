# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Networks that are told a time, and perhaps a class, beside their input."""

import numpy as np
from zerobook import functional
from zerobook.nn.linear import Embedding, LayerNorm, Linear
from zerobook.nn.module import Module, ModuleList
from zerobook.autograd import Tensor, no_grad


# %% 3.4 book/generative/denoising.md
def time_features(t, octaves=6):
    """Sines and cosines of times in 0 .. 1: (N,) -> (N, 2 * octaves).

    The slowest goes through a quarter turn, each other twice as fast as
    the one before.

    Examples
    --------
    >>> time_features([0.0, 1.0], octaves=2).round(2).tolist()
    [[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, -1.0]]
    """
    speed = np.pi / 2 * 2.0 ** np.arange(octaves)
    angle = np.asarray(t, dtype=float)[:, None] * speed  # (N, octaves)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


# %% 3.4 book/generative/denoising.md
class ConditionalBlock(Module):
    """Two linear maps around a SiLU, added; `told` joins in between.

    Section 3.4.
    """

    def __init__(self, width, *, rng=None, dtype=np.float32):
        rng = np.random.default_rng(rng)
        self.norm = LayerNorm(width, dtype=dtype)
        self.first = Linear(width, width, rng=rng, dtype=dtype)
        self.second = Linear(width, width, rng=rng, dtype=dtype)
        self.second.weight.data *= 0.1

    def forward(self, h, told):
        """(N, D), (N, D) -> (N, D)."""
        inner = functional.silu(self.first(self.norm(h) + told))
        return h + self.second(inner)


# %% 3.4 book/generative/denoising.md
class ConditionalMLP(Module):
    """A vector in, a vector out, told a time and perhaps a class.

    Parameters
    ----------
    features : int
        Width D of input and output.
    width, depth : int
        Width of the hidden layers, number of residual blocks.
    n_classes : int
        K; 0 for a network without classes.
    rng : Generator or int, optional
    dtype : dtype

    Notes
    -----
    Section 3.4. Called as ``net(x, t, y)`` with `x` (N, D), `t` (N,) in
    0 .. 1 and `y` (N,) of ints in ``0 .. K``, where K, like leaving `y`
    out, says "no class". An untrained network answers 0.

    Examples
    --------
    >>> ConditionalMLP(2, 8, 1, rng=0)(np.ones((3, 2)), np.zeros(3)).shape
    (3, 2)
    """

    def __init__(self, features, width=192, depth=2, n_classes=0, *,
                 rng=None, dtype=np.float32):
        rng = np.random.default_rng(rng)
        options = {"rng": rng, "dtype": dtype}
        self.n_classes = n_classes
        self.inner = Linear(features, width, **options)
        self.time = Linear(12, width, **options)
        self.classes = Embedding(n_classes + 1, width, **options)
        self.blocks = ModuleList(
            [ConditionalBlock(width, **options) for _ in range(depth)]
        )
        self.norm = LayerNorm(width, dtype=dtype)
        self.outer = Linear(width, features, **options)
        for p in self.outer.parameters():
            p.data[...] = 0

    def forward(self, x, t, y=None):
        """(N, D), (N,), (N,) -> (N, D)."""
        if np.shape(t) != (len(x),):
            raise ValueError(f"times {np.shape(t)} for {len(x)} rows")
        rows = _class_rows(y, len(x), self.n_classes)
        told = self.time(time_features(t)) + self.classes(rows)
        told = functional.silu(told)  # (N, width)
        h = self.inner(x)
        for block in self.blocks:
            h = block(h, told)
        return self.outer(functional.silu(self.norm(h)))


# %% 3.4 book/generative/denoising.md
def _class_rows(y, n, n_classes):
    """Row of the class table for each example, or an error."""
    if y is None:
        return np.full(n, n_classes)
    y = np.asarray(y)
    if y.shape != (n,) or y.dtype.kind not in "iu":
        raise ValueError(f"classes {y.dtype} {y.shape}: want {n} ints")
    if n and not 0 <= y.min() <= y.max() <= n_classes:
        raise ValueError(f"classes from {y.min()} to {y.max()}: want "
                         f"0 to {n_classes} (= no class)")
    return y


# %% 3.4 book/generative/denoising.md
def withhold(y, share, n_classes, *, rng):
    """Set a random share of the classes `y` to `n_classes`, "no class"."""
    if y is None:
        return None
    return np.where(rng.random(len(y)) < share, n_classes, y)


def check_rows(x, features):
    """`x` as an array of floats, (N, features), or an error."""
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] != features:
        raise ValueError(f"x {x.shape}: want (N, {features})")
    return x


def check_options(bounds, drop):
    """Refuse bounds that do not rise, and shares outside 0 .. 1."""
    if not 0 <= drop <= 1:
        raise ValueError(f"drop must lie in 0 .. 1: {drop}")
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"bounds must rise: {bounds}")


# %% 3.4 book/generative/digit_diffusion.md
def guided(net, x, t, y=None, guidance=1.0):
    """What `net` answers, pushed away from its answer without a class.

    Derived in section 3.4; Ho and Salimans (2022), whose weight is
    ``guidance - 1``.

    Parameters
    ----------
    net : callable
        ``net(x, t, y)``, a Tensor or an array of the shape of `x`.
    x, t, y
        As for `ConditionalMLP`.
    guidance : float
        0 ignores the classes, 1 asks for them, more exaggerates.

    Returns
    -------
    ndarray of the shape of x
    """
    asked = [y] if y is None or guidance == 1 else [None, y]
    if guidance == 0:
        asked = [None]
    with no_grad():
        answers = [net(x, t, which) for which in asked]
    answers = [a.data if isinstance(a, Tensor) else a for a in answers]
    free, *rest = answers
    return free + guidance * (rest[0] - free) if rest else free


# %% 3.4 book/generative/digit_diffusion.md
def spread_classes(classes, n):
    """One class for all, or a class for each, as an array of shape (n,)."""
    classes = np.asarray(classes)
    if classes.shape not in ((), (n,)):
        raise ValueError(f"classes {classes.shape}: want one, or {n}")
    return np.broadcast_to(classes, (n,))
