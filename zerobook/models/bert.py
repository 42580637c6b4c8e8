# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""BERT: a Transformer that fills gaps, seeing both sides of them."""

from dataclasses import dataclass
from zerobook import functional
from zerobook.nn.transformer import TransformerEncoderLayer
import numpy as np
from zerobook.nn import init
from zerobook.nn.linear import Dropout, Embedding, LayerNorm, Linear
from zerobook.nn.module import Module, ModuleList, Parameter


# %% 3.3 book/generative/bert.md
@dataclass
class BertConfig:
    """The numbers that make up a BERT, under the names of its files.

    Parameters
    ----------
    vocab_size : int
        Number V of tokens.
    hidden_size, num_hidden_layers, num_attention_heads : int
        Width D, number of layers, heads in each.
    intermediate_size : int, optional
        Width inside the two maps of a layer; 4 D by default.
    hidden_act : {"gelu", "gelu_new", "relu"}
        The bend between them: the exact GELU, its tanh form, or ReLU.
    hidden_dropout_prob, attention_probs_dropout_prob : float
    max_position_embeddings : int
        Longest text T, in tokens.
    type_vocab_size : int
        Number of kinds of segment.
    initializer_range : float
        Standard deviation of the first weights.

    Section 3.3.  A ValueError names the number that makes no model.
    """

    vocab_size: int
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int | None = None
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 64
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12

    def __post_init__(self):
        check_config(self)


# %% 3.3 book/generative/bert.md
BENDS = {"gelu": functional.exact_gelu, "gelu_new": functional.gelu,
         "gelu_pytorch_tanh": functional.gelu, "relu": functional.relu}


def check_config(config):
    """Refuse numbers that make no model."""
    for name in ("vocab_size", "hidden_size", "num_attention_heads",
                 "max_position_embeddings", "type_vocab_size"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be 1 or more: "
                             f"{getattr(config, name)}")
    D, h = config.hidden_size, config.num_attention_heads
    if D % h:
        raise ValueError(f"{h} heads in a width of {D}")
    if config.hidden_act not in BENDS:
        raise ValueError(f"hidden_act {config.hidden_act!r} is none of "
                         f"{', '.join(BENDS)}")
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"{name} must be in 0 <= p < 1: "
                             f"{getattr(config, name)}")


# %% 3.3 book/generative/bert.md
class BertLayer(TransformerEncoderLayer):
    """The encoder layer of section 2.2.3 with BERT's options. Section 3.3."""

    def __init__(self, config, *, rng=None, dtype=np.float32):
        c = config
        super().__init__(c.hidden_size, c.num_attention_heads,
                         c.intermediate_size, c.hidden_dropout_prob,
                         BENDS[c.hidden_act], norm_first=False, rng=rng,
                         dtype=dtype)
        self.self_attn.drop.p = c.attention_probs_dropout_prob
        self.norm1.eps = self.norm2.eps = c.layer_norm_eps

    def feed_forward(self, x):
        """Two maps with a bend between, and no dropout there."""
        return self.linear2(self.activation(self.linear1(x)))


# %% 3.3 book/generative/bert.md
class GapHead(Module):
    """From a token's river to the scores of what stands there."""

    def __init__(self, config, *, rng=None, dtype=np.float32):
        D, new = config.hidden_size, {"rng": rng, "dtype": dtype}
        self.bend = BENDS[config.hidden_act]
        self.dense = Linear(D, D, **new)
        self.norm = LayerNorm(D, config.layer_norm_eps, dtype=dtype)
        self.bias = Parameter(np.zeros(config.vocab_size, dtype), dtype=dtype)

    def forward(self, x, table):
        """Scores (..., V) of rivers (..., D), against the words (V, D)."""
        x = self.norm(self.bend(self.dense(x)))
        return functional.linear(x, table.T, self.bias)


# %% 3.3 book/generative/bert.md
class BERT(Module):
    """A Transformer that reads a whole text at once, to both sides.

    Parameters
    ----------
    config : BertConfig
    pooler, head : bool
        Whether it has a layer for `pool` and one for `score`.
    rng : Generator or int, optional
        Draws the weights and, in training, what is dropped.
    dtype : dtype

    Notes
    -----
    Section 3.3; Devlin et al. (2019).  `interop.huggingface` knows the
    names that its parts have in Hugging Face's ``BertForMaskedLM``.

    Examples
    --------
    >>> config = BertConfig(vocab_size=10, hidden_size=8,
    ...                     num_attention_heads=2)
    >>> model = BERT(config, rng=0)
    >>> hidden = model(np.array([[3, 1, 4]]))
    >>> hidden.shape, model.score(hidden).shape, model.pool(hidden).shape
    ((1, 3, 8), (1, 3, 10), (1, 8))
    """

    def __init__(self, config, *, pooler=True, head=True, rng=None,
                 dtype=np.float32):
        c, rng = config, np.random.default_rng(rng)
        D, new = c.hidden_size, {"rng": rng, "dtype": dtype}
        self.config = c
        self.words = Embedding(c.vocab_size, D, **new)
        self.places = Embedding(c.max_position_embeddings, D, **new)
        self.types = Embedding(c.type_vocab_size, D, **new)
        self.norm = LayerNorm(D, c.layer_norm_eps, dtype=dtype)
        self.drop = Dropout(c.hidden_dropout_prob, rng=rng)
        self.layers = ModuleList(BertLayer(c, **new)
                                 for _ in range(c.num_hidden_layers))
        self.pooler = Linear(D, D, **new) if pooler else None
        self.head = GapHead(c, **new) if head else None
        self.draw_weights(rng)

    def draw_weights(self, rng):
        """Fill all matrices anew, as BERT's were; biases with zeros."""
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                init.normal_(weight, 0.0, self.config.initializer_range, rng=rng)
            elif name.endswith("bias"):
                init.zeros_(weight)

    def forward(self, ids, attention_mask=None, token_type_ids=None):
        """What each token of a text means among the others.

        Parameters
        ----------
        ids : ndarray of int, shape (N, T)
        attention_mask : ndarray of shape (N, T), optional
            0 where a token only fills the row up and nobody may look.
        token_type_ids : ndarray of int, shape (N, T), optional
            The segment of each token; all 0 by default.

        Returns
        -------
        Tensor of shape (N, T, D)

        Raises
        ------
        ValueError
            If the text is longer than the table of places.
        IndexError
            If a token or a segment has no row in its table.
        """
        ids, longest = np.asarray(ids), self.config.max_position_embeddings
        if ids.ndim != 2 or not 1 <= ids.shape[1] <= longest:
            raise ValueError(f"ids {ids.shape}: want (N, T), T from 1 to "
                             f"max_position_embeddings = {longest}")
        types = np.zeros_like(ids) if token_type_ids is None else token_type_ids
        x = self.words(ids) + self.places(np.arange(ids.shape[1]))
        x = self.drop(self.norm(x + self.types(types)))
        shut = None if attention_mask is None else np.equal(attention_mask, 0)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=shut)
        return x

    def score(self, hidden):
        """Scores (..., V) of what stands where the rivers (..., D) are."""
        return self.head(hidden, self.words.weight)

    def pool(self, hidden):
        """A vector (N, D) for each text, made of its first token's river."""
        return functional.tanh(self.pooler(hidden[:, 0]))


# %% 3.3 book/generative/bert.md
def mask_tokens(ids, mask_id, words, *, p=0.15, rng):
    """Choose tokens to be guessed, and spoil them as BERT's were.

    Parameters
    ----------
    ids : ndarray of int, shape (N, T)
    mask_id : int
        The token that stands for a gap.
    words : range
        Tokens that can be chosen, and that can be put in their place.
    p : float
        Share that is chosen.
    rng : Generator or int

    Returns
    -------
    spoiled : ndarray of int, shape (N, T)
        Of the chosen, 80 % are gaps, 10 % random words, 10 % as they were.
    chosen : ndarray of bool, shape (N, T)

    Section 3.3; Devlin et al. (2019), section 3.1.
    """
    ids, rng = np.asarray(ids), np.random.default_rng(rng)
    lot = rng.random(ids.shape)
    chosen = (lot < p) & (ids >= words.start) & (ids < words.stop)
    spoiled = np.where(chosen & (lot < 0.8 * p), mask_id, ids)
    other = rng.integers(words.start, words.stop, ids.shape)
    return np.where(chosen & (lot >= 0.9 * p), other, spoiled), chosen
