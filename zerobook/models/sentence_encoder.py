# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""One vector for each text, from an encoder that gives one a token."""

import numpy as np
from zerobook import functional
from zerobook.autograd import no_grad
from zerobook.data import pad_rows
from zerobook.nn.module import Module


# %% 4.2.1 book/practice/somebodys_model.md
def mean_pool(hidden, mask):
    """Mean over the places of each text that are not padding.

    Section 4.2.1.

    Parameters
    ----------
    hidden : Tensor of shape (N, T, D)
    mask : ndarray of shape (N, T)
        1 or True at tokens, 0 or False at padding.

    Returns
    -------
    Tensor of shape (N, D)
        Zeros for a text without a token.
    """
    hidden = functional.as_tensor(hidden)
    m = np.asarray(mask)[..., None].astype(hidden.dtype)  # (N, T, 1)
    return (hidden * m).sum(axis=1) / np.maximum(m.sum(axis=1), 1)


# %% 4.2.1 book/practice/somebodys_model.md
class SentenceEncoder(Module):
    """A BERT that gives one vector of length 1 for each text.

    Parameters
    ----------
    model : BERT
    tokenizer : WordPieceTokenizer
    max_length : int, optional
        Tokens that are read of a text, `[CLS]` and `[SEP]` included; all
        that the model has places for by default.

    Raises
    ------
    ValueError
        If `max_length` is below 3 or above the places of the model.

    Notes
    -----
    Section 4.2.1; Reimers and Gurevych (2019).
    `interop.huggingface.load_sentence_encoder` opens one from a folder.
    """

    def __init__(self, model, tokenizer, max_length=None):
        places = model.config.max_position_embeddings
        max_length = places if max_length is None else max_length
        if not 3 <= max_length <= places:
            raise ValueError(f"max_length must be in 3 .. {places}, the "
                             f"places of the model: {max_length}")
        self.model, self.tokenizer = model, tokenizer
        self.max_length = max_length

    def forward(self, ids, mask):
        """Embeddings (N, D), a Tensor, of tokens (N, T) and their mask."""
        e = mean_pool(self.model(ids, attention_mask=mask), mask)
        return e / ((e * e).sum(axis=1, keepdims=True) + 1e-24).sqrt()

    @property
    def embed_dim(self):
        """Width D of an embedding."""
        return self.model.config.hidden_size

    def tokens(self, texts):
        """Texts as rows of tokens of one length, and the mask of both (N, T).

        Raises
        ------
        TypeError
            If `texts` is one text, or something in it is none.
        """
        if isinstance(texts, str):
            raise TypeError("texts: give a list of texts, not one text")
        texts, last = list(texts), self.tokenizer.ids["[SEP]"]
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"texts[{i}] is {type(text).__name__}, no text")
        rows = [self.tokenizer.encode_pair(text)[0] for text in texts]
        rows = [row if len(row) <= self.max_length
                else [*row[: self.max_length - 1], last] for row in rows]
        return pad_rows(rows, self.tokenizer.ids.get("[PAD]", 0))

    def encode(self, texts, batch_size=32):
        """Embeddings of texts, without gradients.

        Parameters
        ----------
        texts : list of str
        batch_size : int

        Returns
        -------
        ndarray of shape (N, D)
            Rows of length 1, in the order of the texts.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more: {batch_size}")
        ids, mask = self.tokens(texts)
        lengths = mask.sum(axis=1)
        order = np.argsort(lengths, kind="stable")  # short ones together
        out = np.zeros((len(ids), self.embed_dim), self.model.words.weight.dtype)
        for some in np.split(order, range(batch_size, len(order), batch_size)):
            if len(some):
                T = lengths[some].max()
                with no_grad():
                    out[some] = self(ids[some, :T], mask[some, :T]).data
        return out
