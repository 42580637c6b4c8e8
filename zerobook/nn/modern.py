# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The block of today's language models, and its parts."""

import numpy as np
from zerobook.functional import rms_norm
from zerobook.nn.linear import by_rows
from zerobook.nn.module import Module, Parameter, check_sizes
from zerobook.functional import silu
from zerobook.nn.linear import Linear
from zerobook.functional import rotary, scaled_dot_product_attention


# %% 2.2.4 book/deep_learning/modern_block.md
class RMSNorm(Module):
    """`functional.rms_norm` with its weight. Section 2.2.4."""

    def __init__(self, normalized_shape, eps=1e-6, *, dtype=np.float32):
        check_sizes(self, normalized_shape=normalized_shape)
        self.eps = eps
        self.weight = Parameter(np.ones(normalized_shape), dtype=dtype)

    def forward(self, x):
        """Rows of mean square 1, scaled."""
        return by_rows(rms_norm, x, self.weight, eps=self.eps)

    def extra_repr(self):
        """The shape and epsilon."""
        return f"{self.weight.shape}, eps={self.eps}, elementwise_affine=True"


# %% 2.2.4 book/deep_learning/modern_block.md
class SwiGLU(Module):
    """Two linear maps multiplied, one of them a gate, and one back.

    Derived in section 2.2.4; Shazeer (2020).

    Parameters
    ----------
    embed_dim : int
        Width D.
    hidden : int, optional
        8 / 3 of D by default: as many weights as two maps of width 4 D.
    rng : Generator or int, optional
    dtype : dtype
    """

    def __init__(self, embed_dim, hidden=None, *, rng=None, dtype=np.float32):
        hidden = hidden or round(8 * embed_dim / 3)
        new = {"bias": False, "rng": np.random.default_rng(rng),
               "dtype": dtype}
        self.gate_proj = Linear(embed_dim, hidden, **new)
        self.up_proj = Linear(embed_dim, hidden, **new)
        self.down_proj = Linear(hidden, embed_dim, **new)

    def forward(self, x):
        """The same at every position."""
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))


# %% 2.2.4 book/deep_learning/modern_block.md
class GroupedQueryAttention(Module):
    """Causal self-attention whose query heads share keys and values.

    Derived in section 2.2.4; Ainslie et al. (2023).

    Parameters
    ----------
    embed_dim : int
        Width D.
    num_heads : int
        Query heads h, each of width D / h.
    num_kv_heads : int, optional
        Pairs of keys and values; must divide `num_heads`, its default.
    base : float or None
        Of the rotary positions; None leaves positions out.
    rng : Generator or int, optional
    dtype : dtype
    """

    def __init__(self, embed_dim, num_heads, num_kv_heads=None,
                 base=10_000.0, *, rng=None, dtype=np.float32):
        G = num_kv_heads or num_heads
        if embed_dim % num_heads or num_heads % G:
            raise ValueError(f"width {embed_dim}, {num_heads} heads, {G} pairs"
                             ": each must divide the one before")
        D, d = embed_dim, embed_dim // num_heads
        new = {"bias": False, "rng": np.random.default_rng(rng),
               "dtype": dtype}
        self.num_heads, self.num_kv_heads, self.base = num_heads, G, base
        self.q_proj = Linear(D, D, **new)
        self.k_proj, self.v_proj = (Linear(D, G * d, **new) for _ in "kv")
        self.o_proj = Linear(D, D, **new)

    def forward(self, x, is_causal=True):
        """Attend within `x` of shape (N, T, D)."""
        (N, T, D), G = x.shape, self.num_kv_heads
        shape = N, T, G, -1, D // self.num_heads
        Q, K, V = (f(x).reshape(*shape).permute(0, 2, 3, 1, 4)
                   for f in (self.q_proj, self.k_proj, self.v_proj))
        if self.base is not None:
            Q, K = rotary(Q, base=self.base), rotary(K, base=self.base)
        # Q (N, G, h / G, T, d), K and V (N, G, 1, T, d)
        y = scaled_dot_product_attention(Q, K, V, is_causal=is_causal)
        return self.o_proj(y.permute(0, 3, 1, 2, 4).reshape(N, T, D))


# %% 2.2.4 book/deep_learning/modern_block.md
class ModernBlock(Module):
    """RMSNorm, rotary grouped-query attention, SwiGLU; no biases.

    Derived in section 2.2.4.  The parameters are those of
    `GroupedQueryAttention` and `SwiGLU`.
    """

    def __init__(self, embed_dim, num_heads, num_kv_heads=None, hidden=None,
                 base=10_000.0, *, rng=None, dtype=np.float32):
        new = {"rng": np.random.default_rng(rng), "dtype": dtype}
        self.input_layernorm = RMSNorm(embed_dim, dtype=dtype)
        self.self_attn = GroupedQueryAttention(embed_dim, num_heads,
                                               num_kv_heads, base, **new)
        self.post_attention_layernorm = RMSNorm(embed_dim, dtype=dtype)
        self.mlp = SwiGLU(embed_dim, hidden, **new)

    def forward(self, x, is_causal=True):
        """One block over `x` of shape (N, T, D)."""
        x = x + self.self_attn(self.input_layernorm(x), is_causal)
        return x + self.mlp(self.post_attention_layernorm(x))
