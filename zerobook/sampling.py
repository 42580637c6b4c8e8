# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""From scores to tokens: choosing, cutting, drawing, searching."""

import numpy as np
from zerobook.activations import log_softmax, softmax
import itertools


# %% 3.3 book/generative/decoding.md
def greedy(logits):
    """The token with the highest score, the first of equals.

    Parameters
    ----------
    logits : ndarray of shape (..., V)

    Returns
    -------
    ndarray of int, shape (...)

    Raises
    ------
    ValueError
        If a row holds NaN or infinity, or nothing but -inf.

    Notes
    -----
    Section 3.3.

    Examples
    --------
    >>> greedy(np.array([[0.1, 2.0, 1.0], [3.0, 3.0, 0.0]])).tolist()
    [1, 0]
    """
    return as_scores(logits).argmax(axis=-1)


# %% 3.3 book/generative/decoding.md
def as_scores(logits):
    """Scores as an array; ValueError for a row that says nothing."""
    logits = np.asarray(logits)
    if not logits.ndim or not logits.size or logits.dtype.kind not in "iuf":
        raise ValueError(f"scores of shape {logits.shape}, {logits.dtype}: "
                         "no numbers in rows of one or more")
    best = logits.max(axis=-1)  # NaN if there is one
    if not np.isfinite(best).all():
        row = tuple(map(int, np.argwhere(~np.isfinite(best))[0]))
        what = ("there is a NaN" if np.isnan(best[row]) else "all are -inf"
                if best[row] < 0 else "one is infinite")
        raise ValueError(f"scores of row {row}: {what}" if row
                         else f"scores: {what}")
    return logits


# %% 3.3 book/generative/decoding.md
def top_k(logits, k):
    """Scores below the `k` highest set to -inf; ties with the last stay.

    Section 3.3; Fan, Lewis and Dauphin (2018).  A `k` larger than the
    vocabulary keeps everything.

    Examples
    --------
    >>> top_k(np.array([1.0, 4.0, 2.0, 3.0]), 2).tolist()
    [-inf, 4.0, -inf, 3.0]
    """
    if k < 1:
        raise ValueError(f"top_k must be 1 or more: {k}")
    logits = as_scores(logits)
    k = min(k, logits.shape[-1])
    least = np.partition(logits, -k, axis=-1)[..., -k, None]
    return np.where(logits < least, -np.inf, logits)


def top_p(logits, p):
    """Scores outside the smallest set of probability `p` set to -inf.

    Section 3.3; Holtzman et al. (2020).  The likeliest token always stays;
    of equals that need not all stay, the later ones do.  Sums are compared
    to within rounding.

    Examples
    --------
    >>> kept = top_p(np.log([0.5, 0.3, 0.15, 0.05]), 0.7)
    >>> np.exp(kept).round(2).tolist()
    [0.5, 0.3, 0.0, 0.0]
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p must be in 0 < p <= 1: {p}")
    logits = as_scores(logits)
    order = np.argsort(logits, axis=-1, kind="stable")  # least likely first
    ranked = np.take_along_axis(logits, order, axis=-1)
    below = softmax(ranked.astype(float)).cumsum(axis=-1)
    kind = logits.dtype if logits.dtype.kind == "f" else float
    out = below <= 1 - p + (p < 1) * 4 * np.finfo(kind).eps
    out[..., -1] = False
    ranked = np.where(out, -np.inf, ranked)
    kept = np.empty_like(ranked)
    np.put_along_axis(kept, order, ranked, axis=-1)
    return kept


# %% 3.3 book/generative/decoding.md
def warp(logits, *, temperature=1.0, k=None, p=None):
    """Scores divided by the temperature, then cut by `top_k`, then `top_p`.

    The order is that of Hugging Face's ``generate``. Section 3.3.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0: {temperature}")
    logits = as_scores(logits) / temperature
    if k is not None:
        logits = top_k(logits, k)
    return logits if p is None else top_p(logits, p)


def draw(probabilities, *, rng=None):
    """One index from each row of probabilities (..., V).

    Section 3.3.  A ValueError if a row has a number below 0, NaN or
    infinity, or is all zeros.
    """
    rng = np.random.default_rng(rng)
    below = np.cumsum(probabilities, axis=-1, dtype=float)
    whole = below[..., -1:]
    if not (np.isfinite(whole).all() and (whole > 0).all()
            and (np.asarray(probabilities) >= 0).all()):
        raise ValueError("probabilities must be 0 or more, and not all 0")
    below /= whole
    u = rng.random((*below.shape[:-1], 1))
    return (below <= u).sum(axis=-1)


# %% 3.3 book/generative/decoding.md
def sample(logits, *, temperature=1.0, top_k=None, top_p=None, rng=None):
    """Draw a token from the softmax of warped scores.

    Parameters
    ----------
    logits : ndarray of shape (..., V)
    temperature : float
        Scores are divided by it; 0 takes the highest.
    top_k : int, optional
        Only the `top_k` likeliest tokens may be drawn.
    top_p : float, optional
        Only the likeliest tokens that together have this probability.
    rng : Generator or int, optional
        An int gives the same draw at each call.

    Returns
    -------
    ndarray of int, shape (...)

    Raises
    ------
    ValueError
        If an option is out of its range, or a row of scores holds NaN or
        infinity, or nothing but -inf.

    Notes
    -----
    Section 3.3.
    """
    if temperature == 0:
        return greedy(logits)
    warped = warp(logits, temperature=temperature, k=top_k, p=top_p)
    return draw(softmax(warped), rng=rng)


# %% 3.3 book/generative/decoding.md
def generate(next_logits, ids, n_tokens=None, *, temperature=1.0, top_k=None,
             top_p=None, stop=None, rng=None):
    """Go on with a text, one token at a time.

    Parameters
    ----------
    next_logits : callable
        Takes ids (N, T), gives scores (N, V) of what comes next.
    ids : array_like of int, shape (T,) or (N, T), T at least 1
    n_tokens : int, optional
        Without end if None.
    temperature, top_k, top_p
        As for `sample`; a temperature of 0 is greedy.
    stop : int, optional
        Ends a text; a batch ends with its last, the others get it again.
    rng : Generator or int, optional

    Yields
    ------
    int, or ndarray of shape (N,)
        The next token of the text, or of each.

    Notes
    -----
    Section 3.3.
    """
    ids, rng = np.asarray(ids), np.random.default_rng(rng)
    single, rows = ids.ndim == 1, np.atleast_2d(ids)
    if not rows.size:
        raise ValueError("nothing to go on from: give one token or more")
    ended = np.zeros(len(rows), bool)
    for _ in itertools.count() if n_tokens is None else range(n_tokens):
        token = sample(next_logits(rows), temperature=temperature,
                       top_k=top_k, top_p=top_p, rng=rng)
        if stop is not None:
            token = np.where(ended, stop, token)
            ended |= token == stop
        rows = np.concatenate([rows, token[:, None]], axis=1)
        yield token[0].item() if single else token
        if ended.all():
            return


# %% 3.3 book/generative/decoding.md
def beam_search(next_logits, ids, n_tokens, num_beams=4, *, stop=None):
    """Keep the likeliest beginnings, extend all of them, and so on.

    Parameters
    ----------
    next_logits : callable
        Takes ids (N, T), gives scores (N, V) of what comes next.
    ids : array_like of int, shape (T,)
    n_tokens : int
        Tokens to add.
    num_beams : int
        Beginnings kept at each step; 1 is greedy.
    stop : int, optional
        A beam that has come to this token is filled up with it.

    Returns
    -------
    beams : ndarray of shape (num_beams, T + n_tokens)
        Best first; fewer rows or columns if there are no more.
    log_p : ndarray of shape (num_beams,)
        Log-probability in nats of what was added. Section 3.3.
    """
    if num_beams < 1:
        raise ValueError(f"num_beams must be 1 or more: {num_beams}")
    beams, log_p = np.atleast_2d(ids), np.zeros(1)
    ended = np.zeros(1, bool)
    for _ in range(n_tokens):
        scores = as_scores(next_logits(beams))
        step = log_softmax(scores.astype(float))  # (B, V)
        if ended.any():
            step[ended] = -np.inf
            step[ended, stop] = 0.0
        total = (log_p[:, None] + step).ravel()  # (B V,)
        best = np.argsort(-total, kind="stable")[:num_beams]
        best = best[total[best] > -np.inf]
        row, token = np.divmod(best, step.shape[1])
        beams = np.column_stack([beams[row], token])
        log_p, ended = total[best], ended[row] | (token == stop)
        if ended.all():
            break
    return beams, log_p
