# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Models of chorales: bits for each note, by counting and by networks."""

import numpy as np
from zerobook.datasets import load_chorales, split_groups
from zerobook.models.ngram import NGram
from zerobook.optim import AdamW, LambdaLR, clip_grad_norm_, warmup_cosine
from zerobook.autograd import no_grad
from zerobook.models.frame_gru import FrameGRU
from zerobook.activations import log_softmax
from zerobook.functional import cross_entropy
from zerobook.models.gpt import GPT, GPTConfig
import time


# %% 4.1.3 book/practice/four_voices.md
NEEDS = ("music21",)  # its files
LOWEST, SYMBOLS = 30, 58  # silence, and pitches 30 .. 86
START = SYMBOLS


def frames_of(score):
    """Symbols of the four voices on each beat, a start frame first."""
    grid = score.grid[score.upbeat % 4 :: 4].astype(int)  # (T, 4)
    symbols = np.where(grid < 0, 0, grid - LOWEST + 1)
    return np.concatenate([np.full((1, 4), START), symbols])


def parts(rng=0):
    """Frames of the pieces of three parts that share no melody."""
    chorales = load_chorales()
    rows = split_groups(chorales.groups, (0.8, 0.05), rng=rng)
    return {name: [frames_of(chorales.scores[k]) for k in part]
            for name, part in zip(("train", "validation", "test"), rows)}


# %% 4.1.3 book/practice/four_voices.md
def tokens_of(frames):
    """Frames (T, 4) as a row of tokens: soprano, alto, tenor, bass, …"""
    return (frames + np.arange(4) * (SYMBOLS + 1)).reshape(-1)


def in_key(frames, semitones):
    """The same frames higher; start symbols and silence stay."""
    sung = (frames > 0) & (frames < START)
    return np.where(sung, frames + semitones, frames)


# %% 4.1.3 book/practice/four_voices.md
KEYS = range(-6, 6)


def fit_ngram(pieces, order, keys=KEYS):
    """An n-gram of the tokens of some pieces, in each of some keys."""
    rows = [tokens_of(in_key(piece, k)) for piece in pieces for k in keys]
    return NGram(order, 4 * (SYMBOLS + 1)).fit(np.concatenate(rows))


def ngram_nats(model, pieces):
    """Surprise at each piece without its start frame, in nats."""
    return np.array([-model.log_prob(tokens_of(piece))[4:].sum()
                     for piece in pieces])


def n_tokens(pieces):
    """Notes and silences of each piece, its start frame left out."""
    return np.array([4 * (len(piece) - 1) for piece in pieces])


# %% 4.1.3 book/practice/four_voices.md
def batches(pieces, rng, steps, n=16, T=33):
    """Windows of frames (n, T, 4), each in a key drawn for it."""
    stream = np.concatenate(pieces)
    for _ in range(steps):
        first = rng.integers(0, len(stream) - T + 1, n)
        keys = rng.integers(-6, 6, (n, 1, 1))
        yield in_key(stream[first[:, None] + np.arange(T)], keys)


def train(model, loss, pieces, *, steps, lr, seed):
    """Train a network on windows of the pieces."""
    optimizer = AdamW(model.parameters(), lr, (0.9, 0.99), weight_decay=0.01)
    schedule = LambdaLR(optimizer, warmup_cosine(steps // 20, steps, 0.05))
    rng = np.random.default_rng(seed)
    for batch in batches(pieces, rng, steps):
        value = loss(model, batch)
        optimizer.zero_grad()
        value.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


# %% 4.1.3 book/practice/four_voices.md
def frame_gru(seed, hidden=192):
    """The frame model of this run, untrained."""
    return FrameGRU(SYMBOLS, hidden=hidden, rng=seed)


def gru_loss(model, frames):
    """Nats for each note of a batch of frames."""
    return model.loss(frames)


def gru_nats(model, pieces):
    """Surprise at each piece, in nats."""
    with no_grad():
        return np.array([model.loss(piece[None]).item() * 4 * (len(piece) - 1)
                         for piece in pieces])


# %% 4.1.3 book/practice/four_voices.md
def small_gpt(seed, n_embd=64, n_layer=2):
    """The GPT of this run, untrained."""
    return GPT(GPTConfig(4 * (SYMBOLS + 1), n_positions=128, n_embd=n_embd,
                         n_layer=n_layer, n_head=4, embd_pdrop=0.0,
                         resid_pdrop=0.0, initializer_range=0.08), rng=seed)


def gpt_loss(model, frames):
    """Nats for each token of a batch of frames."""
    ids = tokens_of(frames).reshape(len(frames), -1)[:, :129]
    return cross_entropy(model(ids[:, :-1]), ids[:, 1:])


def gpt_nats(model, pieces):
    """Surprise at each piece without its start frame, in nats."""
    nats = []
    for piece in pieces:
        ids, done, total = tokens_of(piece), 4, 0.0
        for first in range(0, len(ids), 64):
            part = ids[first : first + 128]
            with no_grad():
                log_p = log_softmax(model(part[None]).data[0])
            places = np.arange(max(done, first + 1), first + len(part))
            total -= log_p[places - first - 1, ids[places]].sum()
            done = first + len(part)
        nats.append(total)
    return np.array(nats)


# %% 4.1.3 book/practice/four_voices.md
def run(say=print, *, pieces=None, orders=(4, 5, 6, 7, 8), seeds=3,
        gru_steps=1500, gpt_steps=1100, sizes=None):
    """Count, train, and keep the surprise at each test piece."""
    pieces, sizes = pieces or parts(), sizes or {}
    out = {"tokens": n_tokens(pieces["test"]).tolist(), "models": {}}
    valid = n_tokens(pieces["validation"]).sum() * np.log(2)
    for name, keys in (("n-gram, as written", (0,)),
                       ("n-gram, twelve keys", KEYS)):
        tried = {n: fit_ngram(pieces["train"], n, keys) for n in orders}
        scores = {n: ngram_nats(model, pieces["validation"]).sum() / valid
                  for n, model in tried.items()}
        best = min(scores, key=scores.get)
        start = time.process_time()
        fit_ngram(pieces["train"], best, keys)
        out["models"][name] = {
            "order": best, "seconds": [time.process_time() - start],
            "nats": [ngram_nats(tried[best], pieces["test"]).tolist()]}
        say(f"{name}: n = {best}, validation {scores[best]:.3f}")
    for name, make, loss, score, steps, lr in (
            ("frame GRU", frame_gru, gru_loss, gru_nats, gru_steps, 0.004),
            ("GPT", small_gpt, gpt_loss, gpt_nats, gpt_steps, 0.003)):
        found = out["models"][name] = {"steps": steps, "seconds": [],
                                       "nats": []}
        for seed in range(seeds):
            start = time.process_time()
            model = train(make(seed, *sizes.get(name, ())), loss,
                          pieces["train"], steps=steps, lr=lr, seed=seed)
            found["seconds"].append(time.process_time() - start)
            found["nats"].append(score(model, pieces["test"]).tolist())
            of_valid = score(model, pieces["validation"]).sum() / valid
            say(f"{name}, seed {seed}: validation {of_valid:.3f}, "
                f"{found['seconds'][-1]:.0f} s")
            if name == "frame GRU" and seed == 0:
                out["arrays"] = {
                    f"weights: {name}: {key}": value.astype(np.float16)
                    for key, value in model.state_dict().items()}
    return out
