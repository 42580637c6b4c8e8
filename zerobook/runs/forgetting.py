# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""A GPT moved to a new domain, and a small one taught by it."""

import time
import numpy as np
from zerobook import functional
from zerobook.optim import AdamW, LambdaLR, clip_grad_norm_, warmup_cosine
from zerobook.datasets import load_book_prose, load_topics
from zerobook.runs import gpt_on_the_book
from zerobook.metrics import bits_per_byte
from zerobook.models.gpt import GPT, GPTConfig, token_losses
from zerobook.nn.lora import add_lora
from zerobook.models.ngram import NGram
from zerobook import activations
from zerobook.autograd import no_grad


# %% 4.2.1 book/practice/forgetting_and_size.md
def windows(ids, n, T, rng):
    """`n` pieces of T + 1 tokens at random places."""
    starts = rng.integers(0, len(ids) - T, n)
    return ids[starts[:, None] + np.arange(T + 1)]  # (n, T + 1)


def train(model, draw, steps, lr, target=None):
    """Train on what `draw` gives; processor seconds after each step."""
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = AdamW(weights, lr, (0.9, 0.99), weight_decay=0.1)
    schedule = LambdaLR(optimizer, warmup_cosine(steps // 20, steps, 0.05))
    seconds = 0.0
    for step in range(1, steps + 1):
        start, rows = time.process_time(), draw()
        y = rows[:, 1:] if target is None else target(rows)
        loss = functional.cross_entropy(model.train()(rows[:, :-1]), y)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        seconds += time.process_time() - start
        yield step, seconds


# %% 4.2.1 book/practice/forgetting_and_size.md
def texts_and_ids(tokenizer, size=60_000):
    """Parts of the old and the new text, and the tokens of each."""
    old, new = load_book_prose(), load_topics()
    texts = {"old": old._asdict(), "new": new._asdict()}
    texts["new"]["train"] = new.train[:size]
    for domain in texts:
        for part in ("validation", "test"):
            texts[domain][part] = texts[domain][part][:size]
    ids = {domain: {part: np.array(tokenizer.encode(text))
                    for part, text in parts.items()}
           for domain, parts in texts.items()}
    return texts, ids


def scorer(texts, ids):
    """A function (model, domain, part) -> bits per byte."""
    def score(model, domain, part):
        nats = token_losses(model, ids[domain][part]).sum()
        return bits_per_byte(nats, len(texts[domain][part].encode()))
    return score


# %% 4.2.1 book/practice/forgetting_and_size.md
WAYS = ("full", "replay", "LoRA", "last layers", "from random weights")


def prepared(way, start, rng):
    """A copy of the model `start` for one of the `WAYS`."""
    model = GPT(start.config, rng=rng)
    if way == "from random weights":
        return model
    model.load_state_dict(start.state_dict())
    if way == "LoRA":
        return add_lora(model, rank=8, rng=rng)
    if way == "last layers":
        model.requires_grad_(False)
        model.h[-1].requires_grad_()
        model.ln_f.requires_grad_()
    return model


def batches(way, ids, T, n, share, rng):
    """A function that draws a batch; with replay a share of old windows."""
    old = round(share * n) if way == "replay" else 0

    def draw():
        rows = [windows(ids["new"]["train"], n - old, T, rng)]
        rows += [windows(ids["old"]["train"], old, T, rng)] if old else []
        return np.concatenate(rows)

    return draw


# %% 4.2.1 book/practice/forgetting_and_size.md
def tune(way, lr, seed, start, ids, score, steps, n=16, share=0.3, every=0):
    """One fine-tuning: model, seconds, and the curve if `every` is given."""
    rng, T = np.random.default_rng(seed), start.config.n_positions
    model = prepared(way, start, rng)
    draw, curve = batches(way, ids, T, n, share, rng), []
    for step, seconds in train(model, draw, steps, lr):
        if every and (step % every == 0 or step == 1):
            curve.append([step, *(score(model, domain, "validation")
                                  for domain in ("new", "old"))])
    return model, seconds, curve


ASKED = ((0, "full"), (0, "replay"))  # seeds and ways that keep a curve


def compare(start, ids, score, say, steps, rates, seeds):
    """Each way at its own rate, chosen on validation; then all seeds."""
    found = {}
    for way in WAYS:
        tried = {lr: score(tune(way, lr, 100, start, ids, score, steps)[0],
                           "new", "validation") for lr in rates}
        lr, rows, curves = min(tried, key=tried.get), [], []
        for seed in range(seeds):
            every = steps // 6 if (seed, way) in ASKED else 0
            model, seconds, curve = tune(way, lr, seed, start, ids, score,
                                         steps, every=every)
            rows.append([score(model, "new", "test"),
                         score(model, "old", "test"), seconds])
            curves += curve
        trained = sum(p.size for p in model.parameters() if p.requires_grad)
        found[way] = {"tried": list(tried.items()), "lr": lr, "runs": rows,
                      "curve": curves, "trained": trained}
        say(f"{way}: lr {lr}, {np.mean(rows, axis=0).round(3)}")
    return found


# %% 4.2.1 book/practice/forgetting_and_size.md
def count(texts, orders=range(2, 11)):
    """N-grams of the new text alone, and of both: order, new, old test."""
    found = {}
    new, old = texts["new"], texts["old"]
    for name, text in (("new text", new["train"]),
                       ("both texts", old["train"] + new["train"])):
        models = {n: NGram(n).fit(text) for n in orders}
        n = min(models, key=lambda n: models[n].bits_per_byte(
            new["validation"]))
        found[name] = [n, *(models[n].bits_per_byte(part["test"])
                            for part in (new, old))]
    return found


# %% 4.2.1 book/practice/forgetting_and_size.md
def taught_by(teacher):
    """Targets of a batch: what the teacher thinks may follow."""
    def target(rows):
        with no_grad():
            return activations.softmax(teacher(rows[:, :-1]).data)
    return target


def work(config):
    """Multiplications that a GPT needs for a token, forwards."""
    c, D = config, config.n_embd
    return c.n_layer * 12 * D**2 + (c.vocab_size + c.n_positions) * D


def distil(teacher, ids, score, say, steps, seeds, width=32, n=16, lr=4e-3):
    """A small GPT on the text and on the teacher's probabilities."""
    config = GPTConfig(**{**vars(teacher.config), "n_embd": width,
                          "embd_pdrop": 0.0, "resid_pdrop": 0.0})
    found = {"text": [], "teacher": [], "text, equal work": []}
    more = 1 + work(teacher.config) / (3 * work(config))
    for seed in range(seeds):
        for way, scores in found.items():
            rng = np.random.default_rng(seed)
            model, target = GPT(config, rng=rng), None
            if way == "teacher":
                target = taught_by(teacher)
            draw = batches("", {"new": ids["old"]}, config.n_positions, n, 0,
                           rng)
            length = round(more * steps) if "equal" in way else steps
            for step, seconds in train(model, draw, length, lr, target):
                pass
            scores.append([score(model, "old", "test"), step, seconds])
            say(f"{way}: {scores[-1]}")
    return {"weights": sum(p.size for p in model.parameters()), "runs": found}


# %% 4.2.1 book/practice/forgetting_and_size.md
def run(say=print, *, steps=250, rates=(3e-3, 9e-3, 2.7e-2), seeds=3,
        small_steps=400, size=60_000):
    """Move the recorded GPT to Python's help texts; teach a small one."""
    start, tokenizer = gpt_on_the_book.load()
    texts, ids = texts_and_ids(tokenizer, size)
    score = scorer(texts, ids)
    before = [score(start, "new", "test"), score(start, "old", "test")]
    say(f"before: {before}")
    return {
        "bytes": {domain: {part: len(text.encode())
                           for part, text in parts.items()}
                  for domain, parts in texts.items()},
        "before": before, "steps": steps,
        "ways": compare(start, ids, score, say, steps, rates, seeds),
        "n_grams": count(texts),
        "distilled": distil(start, ids, score, say, small_steps, seeds),
    }
