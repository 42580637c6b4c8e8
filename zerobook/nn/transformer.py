# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The Transformer: positions, blocks, encoder and decoder."""

import numpy as np
from zerobook.nn.linear import Dropout, LayerNorm, Linear
from zerobook.nn.module import Module, ModuleList, as_module, check_sizes
from zerobook import functional
from zerobook.nn.attention import MultiheadAttention


# %% 2.2.3 book/deep_learning/transformer.md
def sinusoidal_positions(length, width):
    """Sines and cosines of position, slower from column pair to pair.

    Derived in section 2.2.3; Vaswani et al. (2017), section 3.5.

    Returns
    -------
    ndarray of shape (length, width)
        Columns 2i and 2i + 1 hold the sine and the cosine of
        ``position / 10000 ** (2 i / width)``.

    Examples
    --------
    >>> sinusoidal_positions(2, 4).round(2).tolist()
    [[0.0, 1.0, 0.0, 1.0], [0.84, 0.54, 0.01, 1.0]]
    """
    rate = 10_000.0 ** (-np.arange(0, width, 2) / width)  # (D / 2,)
    angle = np.arange(length)[:, None] * rate  # (T, D / 2)
    both = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return both.reshape(length, -1)[:, :width]  # (T, D)


# %% 2.2.3 book/deep_learning/transformer.md
class PositionalEncoding(Module):
    """Add its place to every vector of a sequence.

    Derived in section 2.2.3.

    Parameters
    ----------
    d_model : int
        Width D.
    dropout : float
    max_len : int
        The longest sequence that will come.
    rng : Generator or int, optional
    dtype : dtype
    """

    def __init__(self, d_model, dropout=0.0, max_len=5000, *, rng=None,
                 dtype=np.float32):
        check_sizes(self, d_model=d_model, max_len=max_len)
        self.drop = Dropout(dropout, rng=rng)
        self.pe = sinusoidal_positions(max_len, d_model).astype(dtype)

    def forward(self, x):
        """``x + pe`` for `x` of shape (N, T, D)."""
        (T, D), (longest, width) = x.shape[-2:], self.pe.shape
        if T > longest or D != width:
            raise ValueError(f"x {x.shape} for {longest} positions of "
                             f"width {width}")
        return self.drop(x + self.pe[:T])


# %% 2.2.3 book/deep_learning/transformer.md
class TransformerEncoderLayer(Module):
    """Look around, then think: attention and two linear maps, each added.

    Derived in section 2.2.3; Vaswani et al. (2017), figure 1, left.

    Parameters
    ----------
    d_model : int
        Width D.
    nhead : int
        Number of heads.
    dim_feedforward : int, optional
        Width of the hidden layer; 4 D by default, where PyTorch has 2048.
    dropout : float
        On attention weights, hidden layer and both branches.
    activation : {"relu", "gelu"} or callable
    norm_first : bool
        Normalise what enters a branch, the default here; False normalises
        each sum, as the paper did and PyTorch's default does.
    rng : Generator or int, optional
    dtype : dtype
    """

    def __init__(self, d_model, nhead, dim_feedforward=None, dropout=0.1,
                 activation="relu", norm_first=True, *, rng=None,
                 dtype=np.float32):
        new = {"rng": np.random.default_rng(rng), "dtype": dtype}
        D, hidden = d_model, dim_feedforward or 4 * d_model
        self.options = D, nhead, hidden, dropout, activation, norm_first
        self.activation, self.norm_first = activation, norm_first
        self.self_attn = MultiheadAttention(D, nhead, dropout, **new)
        self.linear1 = Linear(D, hidden, **new)
        self.linear2 = Linear(hidden, D, **new)
        self.norm1 = LayerNorm(D, dtype=dtype)
        self.norm2 = LayerNorm(D, dtype=dtype)
        self.drop = Dropout(dropout, rng=new["rng"])

    def residual(self, x, norm, branch):
        """Add what a branch says to what came in; the norm before or after."""
        if self.norm_first:
            return x + self.drop(branch(norm(x)))
        return norm(x + self.drop(branch(x)))

    def feed_forward(self, x):
        """Two linear maps with a bend between, the same at every position."""
        bend = self.activation
        bend = bend if callable(bend) else getattr(functional, bend)
        return self.linear2(self.drop(bend(self.linear1(x))))

    def forward(self, src, src_mask=None, src_key_padding_mask=None,
               is_causal=False):
        """One block over `src` of shape (N, T, D); masks shut where True."""

        def look(x):
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask,
                                  is_causal=is_causal)[0]

        x = self.residual(src, self.norm1, look)
        return self.residual(x, self.norm2, self.feed_forward)


# %% 2.2.3 book/deep_learning/transformer.md
def _stack(owner, first, num_layers, rng):
    """`num_layers` layers like the first, the others drawn anew."""
    as_module(first, f"{type(owner).__name__}: the layer")
    check_sizes(owner, num_layers=num_layers)
    rng, dtype = np.random.default_rng(rng), first.norm1.weight.dtype
    more = [type(first)(*first.options, rng=rng, dtype=dtype)
            for _ in range(num_layers - 1)]
    return ModuleList([first, *more])


class TransformerEncoder(Module):
    """Encoder layers one after another.

    Derived in section 2.2.3.

    Parameters
    ----------
    encoder_layer : TransformerEncoderLayer
        The first layer; the others are built like it, each with weights of
        its own (PyTorch copies the first layer's weights).
    num_layers : int
    norm : Module, optional
        Applied at the end, which blocks with `norm_first` need.
    rng : Generator or int, optional
        For the further layers' weights.
    """

    def __init__(self, encoder_layer, num_layers, norm=None, *, rng=None):
        self.layers = _stack(self, encoder_layer, num_layers, rng)
        self.norm = norm if norm is None else as_module(norm, "norm")

    def forward(self, src, mask=None, src_key_padding_mask=None,
                is_causal=False):
        """All layers over `src` of shape (N, T, D)."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal)
        return src if self.norm is None else self.norm(src)


# %% 2.2.3 book/deep_learning/transformer.md
class TransformerDecoderLayer(TransformerEncoderLayer):
    """Look back, look across, think: a block that also reads a memory.

    Derived in section 2.2.3; Vaswani et al. (2017), figure 1, right.  The
    parameters are those of `TransformerEncoderLayer`.
    """

    def __init__(self, d_model, nhead, dim_feedforward=None, dropout=0.1,
                 activation="relu", norm_first=True, *, rng=None,
                 dtype=np.float32):
        rng = np.random.default_rng(rng)
        super().__init__(d_model, nhead, dim_feedforward, dropout, activation,
                         norm_first, rng=rng, dtype=dtype)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout,
                                                 rng=rng, dtype=dtype)
        self.norm3 = LayerNorm(d_model, dtype=dtype)

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None,
               tgt_key_padding_mask=None, memory_key_padding_mask=None,
               tgt_is_causal=False):
        """One block over `tgt` (N, T, D), reading `memory` (N, S, D)."""

        def back(x):
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask,
                                  is_causal=tgt_is_causal)[0]

        def across(x):
            return self.multihead_attn(x, memory, memory, memory_key_padding_mask,
                                       False, memory_mask)[0]

        x = self.residual(tgt, self.norm1, back)
        x = self.residual(x, self.norm2, across)
        return self.residual(x, self.norm3, self.feed_forward)


# %% 2.2.3 book/deep_learning/transformer.md
class TransformerDecoder(Module):
    """Decoder layers one after another, all reading the same memory.

    Derived in section 2.2.3; the parameters are those of
    `TransformerEncoder`.
    """

    def __init__(self, decoder_layer, num_layers, norm=None, *, rng=None):
        self.layers = _stack(self, decoder_layer, num_layers, rng)
        self.norm = norm if norm is None else as_module(norm, "norm")

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None,
                tgt_key_padding_mask=None, memory_key_padding_mask=None,
                tgt_is_causal=False):
        """All layers over `tgt` (N, T, D) and `memory` (N, S, D)."""
        for layer in self.layers:
            tgt = layer(tgt, memory, tgt_mask, memory_mask,
                        tgt_key_padding_mask, memory_key_padding_mask,
                        tgt_is_causal)
        return tgt if self.norm is None else self.norm(tgt)
