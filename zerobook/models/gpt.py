# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""GPT: a Transformer that guesses what comes next."""

from dataclasses import dataclass
import numpy as np
from zerobook import functional
from zerobook.nn import init
from zerobook.nn.linear import LayerNorm
from zerobook.nn.module import Module, ModuleList, Parameter
from zerobook import activations
from zerobook.autograd import no_grad
from zerobook.training import modes_of, set_modes
from zerobook.autograd import Tensor, grad_enabled
from zerobook import sampling


# %% 3.3 book/generative/gpt.md
@dataclass
class GPTConfig:
    """The numbers that make up a GPT, under the names of GPT-2's files.

    Parameters
    ----------
    vocab_size : int
        Number V of tokens.
    n_positions : int
        Longest context T that the model can look at, in tokens.
    n_embd, n_layer, n_head : int
        Width D, number of blocks, heads in each.
    n_inner : int, optional
        Width inside the two maps of a block; 4 D by default.
    embd_pdrop, attn_pdrop, resid_pdrop : float
        Dropout: embeddings, attention weights, what a branch adds.
    initializer_range : float
        Standard deviation of the first weights.
    tie_word_embeddings : bool
        Whether the last layer is the transpose of the first.

    Section 3.3.  A ValueError names the number that makes no model.
    """

    vocab_size: int
    n_positions: int = 64
    n_embd: int = 128
    n_layer: int = 4
    n_head: int = 4
    n_inner: int | None = None
    embd_pdrop: float = 0.0
    attn_pdrop: float = 0.0
    resid_pdrop: float = 0.0
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    tie_word_embeddings: bool = True

    def __post_init__(self):
        check_config(self)


# %% 3.3 book/generative/gpt.md
def check_config(config):
    """Refuse numbers that make no model."""
    for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"):
        value = getattr(config, name)
        if value < 1:
            raise ValueError(f"{name} must be 1 or more: {value}")
    D, h = config.n_embd, config.n_head
    if D % h:
        raise ValueError(f"{h} heads in a width of {D}")
    for name in ("embd_pdrop", "attn_pdrop", "resid_pdrop"):
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be in 0 <= p < 1: {value}")


# %% 3.3 book/generative/gpt.md
class Conv1D(Module):
    """``x @ weight + bias``; zeros until weights are drawn or loaded.

    `nn.Linear` under the name that GPT-2's files give it.  Section 3.3.
    """

    def __init__(self, n_in, n_out, bias=True, *, dtype=np.float32):
        self.weight = Parameter(np.zeros((n_in, n_out), dtype), dtype=dtype)
        self.bias = None
        if bias:
            self.bias = Parameter(np.zeros(n_out, dtype), dtype=dtype)

    def forward(self, x):
        """Weighted sums of the last axis."""
        return functional.linear(x, self.weight, self.bias)


class Table(Module):
    """Rows read by number, zeros until drawn or loaded."""

    def __init__(self, rows, width, *, dtype=np.float32):
        self.weight = Parameter(np.zeros((rows, width), dtype), dtype=dtype)

    def forward(self, index):
        """The rows with these numbers."""
        return functional.embedding(index, self.weight)


# %% 3.3 book/generative/gpt.md
class LookBack(Module):
    """Causal attention in several heads. Section 3.3."""

    def __init__(self, config, *, rng=None, dtype=np.float32):
        D = config.n_embd
        self.n_head, self.rng = config.n_head, rng
        self.p, self.p_out = config.attn_pdrop, config.resid_pdrop
        self.c_attn = Conv1D(D, 3 * D, dtype=dtype)
        self.c_proj = Conv1D(D, D, dtype=dtype)

    def forward(self, x):
        """What each position of `x` (N, T, D) finds before it."""
        p = self.p if self.training else 0.0
        y = functional.causal_self_attention(self.c_attn(x), self.n_head, p,
                                             rng=self.rng)
        return functional.dropout(self.c_proj(y), self.p_out, self.training,
                                  rng=self.rng)


class Think(Module):
    """Two maps with a GELU between. Section 3.3."""

    def __init__(self, config, *, rng=None, dtype=np.float32):
        D, self.p_out, self.rng = config.n_embd, config.resid_pdrop, rng
        hidden = config.n_inner or 4 * D
        self.c_fc = Conv1D(D, hidden, dtype=dtype)
        self.c_proj = Conv1D(hidden, D, dtype=dtype)

    def forward(self, x):
        """The same at every position."""
        y = self.c_proj(functional.gelu(self.c_fc(x)))
        return functional.dropout(y, self.p_out, self.training, rng=self.rng)


# %% 3.3 book/generative/gpt.md
class Block(Module):
    """Look back, then think; each adds to the river. Section 3.3."""

    def __init__(self, config, *, rng=None, dtype=np.float32):
        D, eps = config.n_embd, config.layer_norm_epsilon
        new = {"rng": rng, "dtype": dtype}
        self.ln_1 = LayerNorm(D, eps, dtype=dtype)
        self.attn = LookBack(config, **new)
        self.ln_2 = LayerNorm(D, eps, dtype=dtype)
        self.mlp = Think(config, **new)

    def forward(self, x):
        """One block over `x` of shape (N, T, D)."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


# %% 3.3 book/generative/gpt.md
class GPT(Module):
    """A Transformer that scores the next token at every place.

    Parameters
    ----------
    config : GPTConfig
    rng : Generator or int, optional
        Draws the weights and, in training, what is dropped.
    dtype : dtype
    draw : bool
        False leaves every weight zero, for whoever loads them next.

    Notes
    -----
    Section 3.3; Radford et al. (2019).  After ``transformer.`` the names
    and layouts are those of Hugging Face's ``GPT2LMHeadModel``; an untied
    ``lm_head.weight`` is (D, V) here and (V, D) there.

    Examples
    --------
    >>> model = GPT(GPTConfig(vocab_size=10, n_embd=8, n_head=2), rng=0)
    >>> model(np.array([[3, 1, 4]])).shape
    (1, 3, 10)
    """

    def __init__(self, config, *, rng=None, dtype=np.float32, draw=True):
        self.config, self.rng = config, np.random.default_rng(rng)
        D, new = config.n_embd, {"rng": self.rng, "dtype": dtype}
        self.wte = Table(config.vocab_size, D, dtype=dtype)
        self.wpe = Table(config.n_positions, D, dtype=dtype)
        self.h = ModuleList(Block(config, **new)
                            for _ in range(config.n_layer))
        self.ln_f = LayerNorm(D, config.layer_norm_epsilon, dtype=dtype)
        self.lm_head = None
        if not config.tie_word_embeddings:
            self.lm_head = Conv1D(D, config.vocab_size, False, dtype=dtype)
        if draw:
            self.draw_weights(self.rng)


# %% 3.3 book/generative/gpt.md
def draw_weights(self, rng):
    """Fill all matrices anew, as GPT-2's were."""
    std = self.config.initializer_range
    for name, weight in self.named_parameters():
        if weight.ndim == 2:
            last = name.endswith("c_proj.weight")
            share = (2 * self.config.n_layer) ** -0.5 if last else 1.0
            init.normal_(weight, 0.0, std * share, rng=rng)


def read(self, ids):
    """The river after all blocks and the last norm: (N, T) -> (N, T, D)."""
    ids, longest = np.asarray(ids), self.config.n_positions
    if ids.ndim != 2 or not 1 <= ids.shape[1] <= longest:
        raise ValueError(f"ids {ids.shape}: want (N, T), T from 1 to "
                         f"n_positions = {longest}")
    x = self.wte(ids) + self.wpe(np.arange(ids.shape[1]))
    x = functional.dropout(x, self.config.embd_pdrop, self.training,
                           rng=self.rng)
    for block in self.h:
        x = block(x)
    return self.ln_f(x)


GPT.draw_weights, GPT.read = draw_weights, read


# %% 3.3 book/generative/gpt.md
def score_next(self, ids, cache=None):
    """Scores of what may follow each token.

    Parameters
    ----------
    ids : ndarray of int, shape (N, T)
        Tokens in ``0 .. vocab_size - 1``.
    cache : KVCache, optional
        What the model remembers of the tokens before; `ids` go on where it
        ends, and it then holds them too.  Only within `no_grad`.

    Returns
    -------
    Tensor of shape (N, T, V)

    Raises
    ------
    ValueError
        If the text is longer than the context.
    IndexError
        If a token lies outside the vocabulary.
    """
    if cache is not None:
        return cache.extend(self, ids)
    return functional.linear(self.read(ids), self.head_weight())


def head_weight(self):
    """The matrix (D, V) that turns the river into scores."""
    return self.wte.weight.T if self.lm_head is None else self.lm_head.weight


GPT.forward, GPT.head_weight = score_next, head_weight


# %% 3.3 book/generative/gpt_on_the_book.md
def _windows(total, size, stride):
    """Beginnings of pieces that cover `total` places, the last one whole."""
    last = max(total - size, 0)
    return np.append(np.arange(0, last, stride), last)


# %% 3.3 book/generative/gpt_on_the_book.md
def token_losses(model, ids, stride=None, batch_size=32):
    """What each token of a long text costs, but for the first.

    Parameters
    ----------
    model : GPT
    ids : ndarray of int, shape (n,)
    stride : int, optional
        Tokens from one window to the next, in ``1 .. n_positions``; half a
        context by default.
    batch_size : int

    Returns
    -------
    ndarray of shape (n - 1,)
        Nats; ``log(V)`` each for a model that knows nothing. Section 3.3.

    Raises
    ------
    ValueError
        If there are fewer than two tokens or one is not in ``0 .. V-1``, or
        an option is out of its range.
    """
    ids, size = _check_losses(model, ids, stride, batch_size)
    stride = max(size // 2, 1) if stride is None else stride
    starts = _windows(len(ids) - 1, size, stride)
    modes, losses, done = modes_of(model), np.empty(len(ids) - 1), 0
    model.eval()
    try:
        for some in np.split(starts, range(batch_size, len(starts),
                                           batch_size)):
            piece = ids[some[:, None] + np.arange(size + 1)]  # (N, T + 1)
            with no_grad():
                log_p = activations.log_softmax(model(piece[:, :-1]).data)
            picked = np.take_along_axis(log_p, piece[:, 1:, None], axis=-1)
            for start, row in zip(some, -picked[..., 0]):
                losses[done : start + size] = row[done - start :]
                done = start + size
    finally:
        set_modes(modes)
    return losses


# %% 3.3 book/generative/gpt_on_the_book.md
def _check_losses(model, ids, stride, batch_size):
    """The arguments of `token_losses`: ids, and the length of a window."""
    ids, c = np.asarray(ids), model.config
    if ids.ndim != 1 or len(ids) < 2 or ids.dtype.kind not in "iu":
        raise ValueError(f"ids: {ids.dtype} of shape {ids.shape}, not two "
                         "or more whole numbers in a row")
    wrong = np.flatnonzero((ids < 0) | (ids >= c.vocab_size))
    if len(wrong):
        raise ValueError(f"ids: token {wrong[0]} is {ids[wrong[0]]}, none of "
                         f"0 to {c.vocab_size - 1}")
    if stride is not None and stride not in range(1, c.n_positions + 1):
        raise ValueError(f"stride must be in 1 .. {c.n_positions}, the "
                         f"model's n_positions: {stride}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more: {batch_size}")
    return ids, min(c.n_positions, len(ids) - 1)


# %% 3.3 book/generative/kv_cache.md
class KVCache:
    """Keys and values of all tokens that a GPT has read, for every block.

    Parameters
    ----------
    model : GPT
    batch_size : int
        Number N of texts that are read side by side.

    Notes
    -----
    Section 3.3.  `length` says how many tokens each text has.  The arrays
    have room for the whole context: ``2 N n_layer n_positions n_embd``
    numbers.
    """

    def __init__(self, model, batch_size=1):
        c, dtype = model.config, model.wte.weight.dtype
        shape = (c.n_layer, batch_size, c.n_head, c.n_positions,
                 c.n_embd // c.n_head)
        self.keys, self.values = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self.length, self.room = 0, c.n_positions

    def reorder(self, rows):
        """Go on with these texts, in this order; one may be taken twice."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]


# %% 3.3 book/generative/kv_cache.md
def _normed(x, norm):
    """`layer_norm` of rows, on arrays."""
    D = x.shape[-1]
    y = x - np.add.reduce(x, axis=-1, keepdims=True) / D
    y /= np.sqrt(np.vecdot(y, y) / D + norm.eps)[:, None]
    y *= norm.weight.data
    y += norm.bias.data
    return y


def _mapped(x, layer):
    """`linear` of rows, on arrays."""
    y = x @ layer.weight.data
    y += layer.bias.data
    return y


def remember(self, i, x, n_head):
    """Block `i` looks back from new rows (N T, D) into all it has read."""
    K, V, N = self.keys[i], self.values[i], self.keys.shape[1]
    q, k, v = functional._heads(x.reshape(N, -1, x.shape[-1]), n_head, 3)
    T, end = q.shape[2], self.length + q.shape[2]
    K[:, :, self.length : end], V[:, :, self.length : end] = k, v
    bias = None
    if T > 1:
        bias = np.where(np.tri(T, end, self.length, bool), q.dtype.type(0),
                        -np.inf)
    A = functional.block_weights(q, K[:, :, :end], bias)  # (N, h, T, end)
    y = A @ V[:, :, :end]  # (N, h, T, d)
    return y.swapaxes(1, 2).reshape(N * T, -1)


KVCache.remember = remember


# %% 3.3 book/generative/kv_cache.md
def extend(self, model, ids):
    """Read `ids` (N, T) after what was read; scores (N, T, V)."""
    ids = np.asarray(ids)
    (N, T), end = ids.shape, self.length + ids.shape[1]
    if grad_enabled():
        raise RuntimeError("a cache keeps no history: use it in no_grad()")
    if N != self.keys.shape[1] or not T or end > self.room:
        raise ValueError(f"ids {ids.shape} after {self.length} tokens of "
                         f"{self.keys.shape[1]} texts; room for {self.room}")
    place = model.wpe.weight.data[self.length : end]
    x = functional.embedding(ids, model.wte.weight).data + place
    x = x.reshape(N * T, -1)
    for i, block in enumerate(model.h):
        y = _mapped(_normed(x, block.ln_1), block.attn.c_attn)
        y = self.remember(i, y, block.attn.n_head)
        x += _mapped(y, block.attn.c_proj)
        y = _mapped(_normed(x, block.ln_2), block.mlp.c_fc)
        x += _mapped(activations.gelu(y), block.mlp.c_proj)
    self.length = end
    y = _normed(x, model.ln_f) @ model.head_weight().data
    return Tensor(y.reshape(N, T, -1), dtype=y.dtype)


KVCache.extend = extend


# %% 3.3 book/generative/kv_cache.md
class Reader:
    """Scores of the next token, from a GPT that remembers what it read.

    Called with ids of shape (T,) or (N, T), gives scores (V,) or (N, V).
    Texts that go on from those of the last call, in any order, cost one
    step each; others are read from their beginning.

    Parameters
    ----------
    model : GPT

    Notes
    -----
    Section 3.3.  Of a text longer than the context the end is read: its
    beginning moves on by half a context at a time.
    """

    def __init__(self, model):
        self.model = model
        self.start, self.held = 0, np.zeros((0, 0), int)

    def __call__(self, ids):
        rows = np.atleast_2d(np.asarray(ids))
        size = self.model.config.n_positions
        half = max(size // 2, 1)
        start = -(-max(rows.shape[1] - size, 0) // half) * half
        if start != self.start or not self.recall(rows[:, start:]):
            self.cache = KVCache(self.model, len(rows))
            self.start = start
        new = rows[:, start + self.cache.length :]
        with no_grad():
            scores = self.model(new, self.cache).data[:, -1]
        self.held = rows[:, start:]
        return scores[0] if np.ndim(ids) == 1 else scores


# %% 3.3 book/generative/kv_cache.md
def recall(self, rows):
    """Whether all `rows` go on from what is held; puts that in order."""
    n, t = self.held.shape
    if not 0 < t < rows.shape[1]:
        return False
    if n == len(rows) and (rows[:, :t] == self.held).all():
        return True
    same = (rows[:, None, :t] == self.held).all(axis=-1)  # (N, n)
    if not same.any(axis=1).all():
        return False
    order = same.argmax(axis=1)
    if order.tolist() != list(range(n)):
        self.cache.reorder(order)
    return True


def generate(self, ids, n_tokens=None, **options):
    """`sampling.generate` with this model; give its options by name."""
    return sampling.generate(Reader(self), ids, n_tokens, **options)


Reader.recall, GPT.generate = recall, generate
