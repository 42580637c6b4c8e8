# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""N-gram language models: guess the next symbol by counting."""

import numpy as np
from typing import NamedTuple
from zerobook import metrics


# %% 3.3 book/generative/ngrams.md
def count_ngrams(ids, order, vocab_size):
    """The different n-grams of a text, for each length from 1 to `order`.

    Returns
    -------
    list of (keys, counts, before)
        Sorted `keys`: the place of an n-gram's first symbols in the list
        before, times `vocab_size`, plus its last symbol. How often each
        occurs, and after how many different symbols.
    """
    levels, context = [], np.zeros(len(ids), np.int64)
    for k in range(order):
        keys, first, place, counts = np.unique(
            context * vocab_size + ids[k:], True, True, True
        )
        if k:  # each longer n-gram once, at the shorter one that ends it
            ends = levels[-1][3][first + 1]
            before = np.bincount(ends, minlength=len(levels[-1][0]))
            levels[-1][2] = np.maximum(before, 1)  # the text's first n-gram
        levels.append([keys, counts, None, place])
        context = place[:-1]
    return [level[:3] for level in levels]


# %% 3.3 book/generative/ngrams.md
class Level(NamedTuple):
    """Chances after contexts of one length, up to the shorter one's share.

    ``p(x | h) = (kept[hx] + rest[h] * p(x | shorter h)) / total[h]``
    """

    keys: np.ndarray
    kept: np.ndarray
    rest: np.ndarray
    total: np.ndarray

    def find(self, key):
        """Places of some keys, -1 for those that never occurred."""
        place = self.keys.searchsorted(key).clip(max=len(self.keys) - 1)
        return np.where(self.keys[place] == key, place, -1)


def make_level(keys, kept, rest, total):
    """A level whose last entries stand for what never occurred."""
    never = total == 0  # the text's last symbols, which nothing followed
    rest, total = np.where(never, 1, rest), np.where(never, 1, total)
    return Level(keys, np.append(kept, 0), np.append(rest, 1),
                 np.append(total, 1))


def witten_bell(keys, counts, contexts, vocab_size):
    """A level in which novelty is expected as often as it was met."""
    context = keys // vocab_size
    kinds = np.bincount(context, minlength=contexts)
    seen = np.bincount(context, counts, minlength=contexts)
    return make_level(keys, counts, kinds, seen + kinds)


# %% 3.3 book/generative/ngrams.md
class NGram:
    """A language model that counts, and asks shorter contexts for the rest.

    Parameters
    ----------
    order : int
        Symbols that it looks at, the guessed one included.
    vocab_size : int
        256 for bytes; a tokenizer's if texts are given as its tokens.
    smoothing : "kneser_ney" or "witten_bell"

    Notes
    -----
    Section 3.3; Witten and Bell (1991), Kneser and Ney (1995) in the form of
    Chen and Goodman (1999). English scores about 2 bits per byte after a
    quarter of a million of them; a blind guess scores 8.

    Examples
    --------
    >>> model = NGram(order=4).fit("abracadabra " * 50)
    >>> model.sample(11, rng=0, prompt="abra")
    'cadabracada'
    >>> model.bits_per_byte("abracadabra") < 1
    True
    """

    witten_bell = staticmethod(witten_bell)

    def __init__(self, order=6, vocab_size=256, smoothing="kneser_ney"):
        self.order = order
        self.vocab_size = vocab_size
        self.smoothing = smoothing

    def bits_per_byte(self, text, n_bytes=None):
        """Mean surprise at a text; for tokens, say how many bytes it has."""
        if n_bytes is None and not isinstance(text, str | bytes | bytearray):
            raise ValueError("give n_bytes: how long is the tokens' text?")
        text = text.encode() if isinstance(text, str) else text
        nats = -self.log_prob(text).sum()
        return metrics.bits_per_byte(nats, n_bytes or len(text))

    def fit(self, text):
        """Count a text: a str, bytes, or a row of tokens. Returns the model."""
        ids = as_ids(text, self.vocab_size)
        if not 1 <= self.order <= len(ids):
            raise ValueError(
                f"order must lie in 1 .. {len(ids)}, the text's length, got "
                f"{self.order}"
            )
        if self.smoothing not in ("witten_bell", "kneser_ney"):
            raise ValueError(f"there is no smoothing {self.smoothing!r}")
        smooth, contexts = getattr(self, self.smoothing), 1
        self.levels_ = []
        levels = count_ngrams(ids, self.order, self.vocab_size)
        for k, (keys, counts, before) in enumerate(levels, start=1):
            if self.smoothing == "kneser_ney" and k < self.order:
                counts = before
            self.levels_.append(smooth(keys, counts, contexts, self.vocab_size))
            contexts = len(keys)
        return self

    def log_prob(self, text):
        """Logarithm of the chance of each symbol after those before it.

        Parameters
        ----------
        text : str, bytes or ndarray of int, shape (T,)
            Its first symbols have only as much context as there is.

        Returns
        -------
        ndarray of shape (T,)
            In nats, all finite; ``-log(vocab_size)`` for a blind guess.
        """
        ids = as_ids(text, self.vocab_size)
        p = np.full(len(ids), 1 / self.vocab_size)
        context = np.zeros(len(ids), np.int64)
        for level in self.levels_:
            place = level.find(context * self.vocab_size + ids)
            p = level.kept[place] + level.rest[context] * p
            p /= level.total[context]
            context = np.append(-1, place[:-1])[: len(ids)]
        return np.log(p)

    @staticmethod
    def kneser_ney(keys, counts, contexts, vocab_size):
        """A level in which each count loses a little to the shorter context."""
        taken = discounts(counts)[np.minimum(counts, 3)]
        context = keys // vocab_size
        rest = np.bincount(context, taken, minlength=contexts)
        total = np.bincount(context, counts, minlength=contexts)
        return make_level(keys, counts - taken, rest, total)

    def predict_proba(self, context=()):
        """Chance of each next symbol after a text, shape (V,)."""
        V, ids = self.vocab_size, as_ids(context, self.vocab_size)
        p = np.full(V, 1 / V)
        for k, level in enumerate(self.levels_[: len(ids) + 1]):
            h = 0
            for shorter, x in zip(self.levels_, ids[len(ids) - k :]):
                h = int(shorter.find(h * V + x)) if h >= 0 else -1
            if h < 0:
                break
            first, last = level.keys.searchsorted([h * V, (h + 1) * V])
            p = p * level.rest[h]
            p[level.keys[first:last] % V] += level.kept[first:last]
            p /= level.total[h]
        return p

    def sample(self, length, *, rng, prompt="", temperature=1.0):
        """Draw symbols one by one, each from the chances after those before.

        Parameters
        ----------
        length : int
            Symbols to draw.
        rng : Generator or int
        prompt : str, or sequence of int
            What stands before them.
        temperature : float
            Chances are raised to the power of one over it: below 1 the likely
            becomes likelier.

        Returns
        -------
        str or ndarray of int
            The continuation without the prompt, of the prompt's kind; bytes
            that are no UTF-8 become U+FFFD.
        """
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        rng, ids = np.random.default_rng(rng), as_ids(prompt, self.vocab_size)
        start, ids = len(ids), list(ids)
        for _ in range(length):
            recent = ids[len(ids) - min(len(ids), self.order - 1) :]
            p = self.predict_proba(np.array(recent, np.int64)) ** (1 / temperature)
            ids.append(int(rng.choice(len(p), p=p / p.sum())))
        if isinstance(prompt, str):
            return bytes(ids[start:]).decode("utf-8", "replace")
        return np.array(ids[start:], np.int64)


# %% 3.3 book/generative/ngrams.md
def as_ids(text, vocab_size):
    """Symbols as an array of int: the bytes of a str, or whole numbers."""
    if isinstance(text, str):
        text = text.encode()
    if isinstance(text, bytes | bytearray):
        text = np.frombuffer(text, np.uint8)
    ids = np.asarray(text)
    if ids.size and (ids.ndim != 1 or ids.dtype.kind not in "iu"):
        raise ValueError(
            f"expected a text or a row of whole numbers, got {ids.dtype} of "
            f"shape {ids.shape}"
        )
    ids = ids.reshape(-1).astype(np.int64)
    wrong = np.flatnonzero((ids < 0) | (ids >= vocab_size))
    if len(wrong):
        raise ValueError(
            f"symbol {wrong[0]} is {ids[wrong[0]]}, outside 0 .. "
            f"{vocab_size - 1}"
        )
    return ids


# %% 3.3 book/generative/ngrams.md
def discounts(counts):
    """What is taken from a count of 0, 1, 2, and of 3 or more."""
    n = 1 + np.bincount(np.minimum(counts, 5), minlength=6)  # never zero
    c = np.arange(1, 4)
    taken = c - (c + 1) * n[1] / (n[1] + 2 * n[2]) * n[2:5] / n[1:4]
    return np.append(0, np.clip(taken, 0.1, c))
