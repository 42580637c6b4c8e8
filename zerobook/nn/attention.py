# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Attention with several heads."""

import numpy as np
from zerobook.functional import as_tensor, attention_weights, linear
from zerobook.functional import scaled_dot_product_attention
from zerobook.nn import init
from zerobook.nn.linear import Dropout, Linear
from zerobook.nn.module import Module, Parameter, check_sizes


# %% 2.2.3 book/deep_learning/attention.md
class MultiheadAttention(Module):
    """Several attentions side by side, each in its own part of the width.

    Derived in section 2.2.3; Vaswani et al. (2017), section 3.2.2.

    Parameters
    ----------
    embed_dim : int
        Width D of what comes in and goes out.
    num_heads : int
        Number h of heads; each works in D / h columns.
    dropout : float
        Share of the attention weights that is dropped in training.
    bias : bool
        Whether the four linear maps add a bias.
    batch_first : bool
        True and nothing else: sequences are (N, T, D).  PyTorch's default
        is False, for (T, N, D).
    rng : Generator or int, optional
    dtype : dtype

    Raises
    ------
    ValueError
        If `num_heads` does not divide `embed_dim`, or `batch_first` is
        False.

    Notes
    -----
    ``in_proj_weight`` is (D, 3 D), the maps to queries, keys and values side
    by side; PyTorch stores the transpose.
    """

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True,
                 batch_first=True, *, rng=None, dtype=np.float32):
        check_sizes(self, embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} heads in a width of {embed_dim}")
        if not batch_first:
            raise ValueError("batch_first=False: give (N, T, D), please")
        D, rng = embed_dim, np.random.default_rng(rng)
        self.embed_dim, self.num_heads = D, num_heads
        self._draw_maps(bias, rng, dtype)
        self.drop = Dropout(dropout, rng=rng)

    def _draw_maps(self, bias, rng, dtype):
        D = self.embed_dim
        self.in_proj_weight = Parameter(np.zeros((D, 3 * D)), dtype=dtype)
        init.xavier_uniform_(self.in_proj_weight, rng=rng)
        self.in_proj_bias = None
        self.out_proj = Linear(D, D, bias=bias, rng=rng, dtype=dtype)
        if bias:
            self.in_proj_bias = Parameter(np.zeros(3 * D), dtype=dtype)
            init.zeros_(self.out_proj.bias)

    def _project(self, x, first, last):
        """Maps `first` to `last` of (query, key, value), heads apart."""
        D, h = self.embed_dim, self.num_heads
        weight, bias = self.in_proj_weight, self.in_proj_bias
        if last - first < 3:
            weight = weight[:, first * D : last * D]
            bias = None if bias is None else bias[first * D : last * D]
        y = linear(x, weight, bias)  # (N, T, n D)
        y = y.reshape(*x.shape[:2], last - first, h, D // h)
        return y.permute(2, 0, 3, 1, 4)  # (n, N, h, T, D / h)

    def _heads(self, query, key, value):
        """Queries, keys and values of all heads, each (N, h, T, D / h)."""
        if query is key is value:
            qkv = self._project(query, 0, 3)  # (3, N, h, T, D / h)
            return qkv[0], qkv[1], qkv[2]
        rows = enumerate((query, key, value))
        return tuple(self._project(x, i, i + 1)[0] for i, x in rows)

    def _joined_mask(self, attn_mask, key_padding_mask, dtype):
        """Both masks of a layer as one mask to add, or None."""
        mask = None if attn_mask is None else _shut(attn_mask, dtype)
        if mask is not None and mask.ndim == 3:  # (N h, T, S), as in PyTorch
            mask = mask.reshape(-1, self.num_heads, *mask.shape[1:])
        if key_padding_mask is not None:
            padding = _shut(key_padding_mask, dtype)  # (N, S)
            padding = padding[:, None, None, :]  # (N, 1, 1, S)
            mask = padding if mask is None else mask + padding
        return mask

    def _check_sequences(self, query, key, value):
        """The three as tensors; name the shapes that do not fit."""
        one = query is key is value
        query = as_tensor(query, self.in_proj_weight)
        key, value = (query, query) if one else (
            as_tensor(x, query) for x in (key, value))
        q, k, v = query.shape, key.shape, value.shape
        wrong = {len(q), len(k), len(v)} != {3} or k[:2] != v[:2]
        if wrong or q[0] != k[0] or {q[2], k[2], v[2]} != {self.embed_dim}:
            raise ValueError(
                f"query {q}, key {k}, value {v}: want (N, T, D), (N, S, D), "
                f"(N, S, D) with D = {self.embed_dim}")
        return query, key, value

    def forward(self, query, key, value, key_padding_mask=None,
               need_weights=True, attn_mask=None, average_attn_weights=True,
               is_causal=False):
        """Look up `query` in `key`, bring back `value`.

        Parameters
        ----------
        query : Tensor of shape (N, T, D)
        key, value : Tensor of shape (N, S, D)
        key_padding_mask : ndarray of shape (N, S), optional
            True where a key is padding and nobody may look; floats are added.
        need_weights : bool
            Whether to return the weights; the fused road is taken if not.
        attn_mask : ndarray of shape (T, S) or (N h, T, S), optional
            True where a query may *not* look (the opposite of `mask` in
            `functional.scaled_dot_product_attention`); floats are added.
        average_attn_weights : bool
            Whether the weights returned are the mean over heads.
        is_causal : bool
            Query t sees keys 0 to t only; no `attn_mask` is needed for it.

        Returns
        -------
        output : Tensor of shape (N, T, D)
        weights : Tensor of shape (N, T, S) or (N, h, T, S), or None
        """
        query, key, value = self._check_sequences(query, key, value)
        Q, K, V = self._heads(query, key, value)
        mask = self._joined_mask(attn_mask, key_padding_mask, Q.dtype)
        weights = None
        if need_weights or (self.training and self.drop.p):
            weights = self.drop(attention_weights(Q, K, mask, is_causal))
            out = weights @ V  # (N, h, T, D / h)
        else:
            out = scaled_dot_product_attention(Q, K, V, mask, is_causal)
        out = out.permute(0, 2, 1, 3).reshape(*query.shape)  # (N, T, D)
        if weights is not None and average_attn_weights:
            weights = weights.mean(axis=1)  # (N, T, S)
        return self.out_proj(out), weights if need_weights else None


# %% 2.2.3 book/deep_learning/attention.md
def _shut(mask, dtype):
    """A mask to add, of a layer's mask in which True shuts."""
    mask = np.asarray(mask)
    if mask.dtype == bool:
        return np.where(mask, -np.inf, 0).astype(dtype)
    if mask.dtype.kind != "f":
        raise TypeError(f"mask of {mask.dtype}: give booleans or floats")
    return mask.astype(dtype)
