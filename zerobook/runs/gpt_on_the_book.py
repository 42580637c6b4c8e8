# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""A GPT on the book's prose: bits per byte against processor seconds."""

import numpy as np
from zerobook.tokenizers import BPETokenizer
import time
from zerobook import functional
from zerobook.data import DataLoader, TextWindows
from zerobook.optim import AdamW, LambdaLR, clip_grad_norm_, warmup_cosine
import lzma
from zerobook.models.ngram import NGram
from zerobook.datasets import load_book_prose
from zerobook.metrics import bits_per_byte
from zerobook.models.gpt import GPT, GPTConfig, token_losses
from zerobook import runs


# %% 3.3 book/generative/gpt_on_the_book.md
def prepare(texts, vocab_size):
    """A tokenizer of the training text, and the parts as arrays of ids."""
    tokenizer = BPETokenizer.train(texts.train, vocab_size)
    ids = {part: np.array(tokenizer.encode(getattr(texts, part)))
           for part in ("train", "validation", "test")}
    return tokenizer, ids


# %% 3.3 book/generative/gpt_on_the_book.md
def train(model, ids, steps, batch_size, lr):
    """Train a model on `ids`; yield (step, processor seconds, nats)."""
    windows = TextWindows(ids, model.config.n_positions)
    loader = DataLoader(windows, batch_size, shuffle=True, rng=0)
    optimizer = AdamW(model.parameters(), lr, (0.9, 0.99), weight_decay=0.1)
    schedule = LambdaLR(optimizer, warmup_cosine(steps // 20, steps, 0.05))
    step, seconds = 0, 0.0
    while step < steps:
        for x, y in loader:
            start = time.process_time()
            loss = functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            seconds += time.process_time() - start
            yield step, seconds, loss.item()
            if step == steps:
                return


# %% 3.3 book/generative/gpt_on_the_book.md
def timed(f, *args):
    """What a function gives, and the processor seconds it took."""
    start = time.process_time()
    return f(*args), time.process_time() - start


def count_and_score(order, texts, part="test", ids=None, vocab_size=256):
    """Bits per byte of a part, by an n-gram of bytes, or of tokens `ids`."""
    text = getattr(texts, part)
    if ids is None:
        return NGram(order).fit(texts.train).bits_per_byte(text)
    model = NGram(order, vocab_size).fit(ids["train"])
    return model.bits_per_byte(ids[part], len(text.encode()))


def compress(texts):
    """Bits per byte that xz needs for the test text after the training."""
    before, test = texts.train.encode(), texts.test.encode()
    longer, shorter = (len(lzma.compress(text, preset=9))
                       for text in (before + test, before))
    return 8 * (longer - shorter) / len(test)


# %% 3.3 book/generative/gpt_on_the_book.md
def run(say=print, *, texts=None, vocab_size=1024, n_embd=64, n_layer=2,
        dropout=0.15, steps=2400, batch_size=16, lr=0.004, seed=0):
    """Train, score now and then, and hold the end against the rivals."""
    texts = texts or load_book_prose()
    tokenizer, ids = prepare(texts, vocab_size)
    config = GPTConfig(vocab_size, n_positions=64, n_embd=n_embd,
                       n_layer=n_layer, n_head=4, embd_pdrop=dropout,
                       resid_pdrop=dropout, initializer_range=0.08)
    model, curve = GPT(config, rng=seed), []

    def score(part):
        nats = token_losses(model, ids[part]).sum()
        return bits_per_byte(nats, len(getattr(texts, part).encode()))

    for step, seconds, _ in train(model, ids["train"], steps, batch_size, lr):
        if step % max(steps // 24, 1) == 0:
            bits = score("validation"), score("test")
            curve.append([step, round(seconds, 2), *bits])
            say(f"step {step}, {seconds:.0f} s: {bits[0]:.3f} bits per byte")
    def count(n, *how):  # on validation, on test, seconds
        return [count_and_score(n, texts, "validation", *how),
                *timed(count_and_score, n, texts, "test", *how)]

    return {
        "config": vars(config), "steps": steps, "batch_size": batch_size,
        "lr": lr, "seed": seed, "curve": curve, "train": score("train"),
        "validation": score("validation"), "test": score("test"),
        "n_grams": [count(n) for n in range(1, 11)],
        "token_n_grams": [count(n, ids, vocab_size) for n in range(1, 8)],
        "xz": timed(compress, texts),
        "arrays": model.state_dict(),
    }


# %% 3.3 book/generative/gpt_on_the_book.md
def load():
    """The recorded GPT and its tokenizer."""
    config = runs.read("gpt_on_the_book")["results"]["config"]
    model = GPT(GPTConfig(**config), draw=False).eval()
    model.load_state_dict(runs.arrays("gpt_on_the_book"))
    texts = load_book_prose()
    return model, BPETokenizer.train(texts.train, config["vocab_size"])
