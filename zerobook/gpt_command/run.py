# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Train a GPT on a text, in a folder that can be gone back to."""

from pathlib import Path
from dataclasses import dataclass
from zerobook.tokenizers import END_OF_TEXT, BPETokenizer
import hashlib
import numpy as np
from zerobook.models.ngram import NGram
from zerobook.data import DataLoader, TextWindows
from zerobook.models.gpt import GPT, GPTConfig
from zerobook.optim import AdamW, LambdaLR, warmup_cosine
from zerobook.training import Checkpoint
from zerobook.interop.huggingface import save_gpt
from zerobook.metrics import bits_per_byte
from zerobook.models.gpt import token_losses
import json
from zerobook.safetensors import write_whole
import itertools
import time
from zerobook import functional
from zerobook.training import DataParallel, numbered_step
import contextlib
import signal
import threading
import os
import shutil
from dataclasses import replace
from zerobook.safetensors import save_file
from zerobook.safetensors import load_file


# %% 3.3 book/generative/stop_and_go_on.md
class Complaint(Exception):
    """A sentence for whoever typed the command; `code` is for programs."""

    code = 2


class Accident(Complaint):
    """One that nobody typed."""

    code = 1


def read_text(path):
    """The text of a UTF-8 file; a Complaint says what is wrong, and where."""
    try:
        data = Path(path).read_bytes()
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Complaint(
            f"{path} is not UTF-8: byte {error.start}, in line {line}, is "
            f"0x{data[error.start]:02x} ({error.reason})"
        ) from None
    except OSError as error:
        raise Complaint(f"{path}: {error.strerror}") from None
    text = Path(path).read_text("utf-8-sig")
    if not text.strip():
        raise Complaint(f"{path} is empty")
    return text


# %% 3.3 book/generative/stop_and_go_on.md
@dataclass
class Settings:
    """What a run is told: the options of ``zerobook gpt train``."""

    tokenizer: str = "bpe"
    vocab_size: int = 1024
    validation: float = 0.1
    layers: int = 2
    heads: int = 4
    width: int = 64
    context: int = 64
    dropout: float = 0.15
    batch_size: int = 16
    steps: int = 2400
    lr: float | None = None
    every: int | None = None
    patience: int = 5
    prompt: str = "\n"
    cores: int = 1
    seed: int = 0

    def __post_init__(self):
        check_settings(self)

    def rate(self):
        """The largest learning rate."""
        return self.lr or round(0.256 / self.width, 6)

    def spread(self):
        """Standard deviation of the first weights."""
        return round(0.64 / self.width**0.5, 4)

    def interval(self):
        """Steps from one score to the next."""
        return self.every or max(self.steps // 20, 1)


# %% 3.3 book/generative/stop_and_go_on.md
def check_settings(s):
    """A Complaint names the option that is out of its range."""
    for name in ("layers", "heads", "width", "context", "batch_size",
                 "steps", "patience", "cores", "every"):
        value = getattr(s, name)
        if value is not None and value < 1:
            option = name.replace("_", "-")
            raise Complaint(f"--{option} must be 1 or more: {value}")
    if s.width % s.heads:
        raise Complaint(f"--width {s.width} does not divide by "
                        f"--heads {s.heads}")
    if not 0 < s.validation < 1:
        raise Complaint(f"--validation is a share between 0 and 1: "
                        f"{s.validation}")
    if not 0 <= s.dropout < 1:
        raise Complaint(f"--dropout must be in 0 <= p < 1: {s.dropout}")
    if s.lr is not None and not 0 < s.lr < float("inf"):
        raise Complaint(f"--lr must be above 0: {s.lr}")
    if s.seed < 0:
        raise Complaint(f"--seed must be 0 or more: {s.seed}")
    if not s.prompt:
        raise Complaint("--prompt needs a character or more to go on from")


# %% 3.3 book/generative/stop_and_go_on.md
def choose_tokenizer(s, text):
    """A tokenizer of bytes, one learned from `text`, or one from a folder."""
    if s.tokenizer == "bytes":
        return BPETokenizer()
    if s.tokenizer == "bpe":
        try:
            return BPETokenizer.train(text.split(END_OF_TEXT), s.vocab_size)
        except ValueError as error:
            raise Complaint(f"--vocab-size: {error}") from None
    try:
        return BPETokenizer.load(s.tokenizer)
    except (OSError, ValueError) as error:
        raise Complaint(
            f"--tokenizer {s.tokenizer} is neither bytes nor bpe, nor a "
            f"folder with a tokenizer: {error}"
        ) from None


# %% 3.3 book/generative/stop_and_go_on.md
def prepare(paths, s):
    """Tokenizer, tokens of both parts, and what to note of the files."""
    texts = [read_text(path) for path in paths]
    text = END_OF_TEXT.join(texts)
    cut = int(len(text) * (1 - s.validation))
    tokenizer = choose_tokenizer(s, text[:cut])
    ids = {"train": np.array(tokenizer.encode(text[:cut]), np.int32),
           "validation": np.array(tokenizer.encode(text[cut:]), np.int32)}
    n, m = len(ids["train"]), len(ids["validation"])
    if n <= s.context or m < 2:
        raise Complaint(
            f"the text is too short: {n} tokens to train on and {m} held "
            f"out, where a context of {s.context} needs {s.context + 1} and "
            "2; give more text, or a smaller --context"
        )
    files = [{"file": str(path), "characters": len(t),
              "sha256": hashlib.sha256(t.encode()).hexdigest()}
             for path, t in zip(paths, texts)]
    return tokenizer, ids, files


# %% 3.3 book/generative/stop_and_go_on.md
MOST_COUNTED = 2_000_000  # bytes; what lies further back is not counted
MOST_SCORED = 16_384  # tokens of the held-out part


def count_bytes(train, held_out):
    """Bits per byte of the best n-gram of bytes, and its n."""
    train = train[-MOST_COUNTED:]
    scores = [(NGram(n).fit(train).bits_per_byte(held_out), n)
              for n in (2, 4, 6, 8) if n <= len(train)]
    return min(scores)


# %% 3.3 book/generative/stop_and_go_on.md
class Log:
    """Losses, scores and samples of a run, which a checkpoint can keep."""

    def __init__(self):
        self.losses, self.scores, self.samples = [], [], []
        self.seconds = 0.0

    def state_dict(self):
        """All of it."""
        return {"losses": np.array(self.losses, float),
                "scores": np.array(self.scores, float).reshape(-1, 3),
                "samples": self.samples, "seconds": self.seconds}

    def load_state_dict(self, state):
        """Go on after these."""
        self.losses = state["losses"].tolist()
        self.scores = [[int(k), *rest] for k, *rest in state["scores"]]
        self.samples, self.seconds = state["samples"], state["seconds"]

    def best(self):
        """The best score so far: bits per byte, and the step it was at."""
        return min(((bits, step) for step, _, bits in self.scores),
                   default=(np.inf, 0))

    def stale(self):
        """How many scores have been taken since the best."""
        return sum(step > self.best()[1] for step, *_ in self.scores)


# %% 3.3 book/generative/stop_and_go_on.md
def table(self, bytes_per_token):
    """The curve as the text of a CSV file, a row for each step."""
    scores = {step: bits for step, _, bits in self.scores}
    rows = ["step,loss,train_bits_per_byte,held_out_bits_per_byte"]
    for step, loss in enumerate(self.losses, 1):
        bits = loss / np.log(2) / bytes_per_token
        rows.append(f"{step},{loss!r},{bits:.4f},{scores.get(step, '')}")
    return "\n".join(rows) + "\n"


Log.table = table


# %% 3.3 book/generative/stop_and_go_on.md
class Run:
    """A GPT that is being trained in a folder."""

    def __init__(self, folder, s, tokenizer, ids, facts):
        self.settings, self.tokenizer, self.facts = s, tokenizer, facts
        self.ids, self.log = ids, Log()
        self.scored = ids["validation"][:MOST_SCORED]
        self.bytes_per_token = facts["train_bytes"] / len(ids["train"])
        config = GPTConfig(
            tokenizer.vocab_size, s.context, s.width, s.layers, s.heads,
            embd_pdrop=s.dropout, resid_pdrop=s.dropout,
            initializer_range=s.spread())
        self.model = GPT(config, rng=s.seed)
        self.loader = DataLoader(TextWindows(ids["train"], s.context),
                                 s.batch_size, shuffle=True, rng=s.seed)
        self.optimizer = AdamW(self.model.parameters(), s.rate(),
                               (0.9, 0.99), weight_decay=0.1)
        factor = warmup_cosine(s.steps // 20, s.steps, 0.05)
        self.schedule = LambdaLR(self.optimizer, factor)
        self.move_to(folder)

    def move_to(self, folder):
        """Let the run live in this folder from now on."""
        self.folder = Path(folder)
        self.checkpoint = Checkpoint(
            self.folder / "training" / "checkpoint", self.model,
            optimizer=self.optimizer, schedule=self.schedule,
            loader=self.loader, log=self.log)


# %% 3.3 book/generative/stop_and_go_on.md
def score(self):
    """Bits per byte of the held-out text; the best model is written."""
    nats = token_losses(self.model, self.scored).sum()
    n_bytes = len(self.tokenizer.decode_bytes(self.scored[1:]))
    bits, step = bits_per_byte(nats, n_bytes), len(self.log.losses)
    self.log.scores.append([step, self.log.seconds, bits])
    self.log.samples.append(f"step {step}: {self.sample(step)}")
    if self.log.best()[1] == step:
        save_gpt(self.model, self.tokenizer, self.folder)
    return bits


def sample(self, step, n_tokens=40):
    """What the model writes now."""
    ids = self.tokenizer.encode(self.settings.prompt)
    seed = [self.settings.seed, step]
    ids = ids + list(self.model.generate(ids, n_tokens, temperature=0.8,
                                         rng=np.random.default_rng(seed)))
    return self.tokenizer.decode(ids).strip()


Run.score, Run.sample = score, sample


# %% 3.3 book/generative/stop_and_go_on.md
def save(self):
    """Write all that is needed to go on; each file whole or not at all."""
    self.checkpoint.save(len(self.log.losses))
    training = self.folder / "training"
    for name, text in {
        "curve.csv": self.log.table(self.bytes_per_token),
        "samples.txt": "\n\n".join(self.log.samples) + "\n",
        "run.json": json.dumps({"settings": vars(self.settings),
                                **self.facts}, indent=1) + "\n",
    }.items():
        write_whole(training / name, [text.encode()])


Run.save = save


# %% 3.3 book/generative/stop_and_go_on.md
def finished(self):
    """Why there is nothing more to do; an empty text if there is."""
    s, step = self.settings, len(self.log.losses)
    if step >= s.steps:
        return f"all {s.steps:,} steps are done"
    if self.log.stale() >= s.patience:
        return (f"stopped early at step {step:,}: no better score in the "
                f"last {s.patience}")
    return ""


Run.finished = finished


# %% 3.3 book/generative/stop_and_go_on.md
def seconds_left(self, tokens_per_second):
    """What the remaining steps and scores will take, about."""
    s = self.settings
    steps = s.steps - len(self.log.losses)
    work = steps * s.batch_size * s.context
    work += steps / s.interval() * 2 * len(self.scored) / 3
    return work / tokens_per_second


def in_words(seconds):
    """A length of time, as one would say it.

    >>> in_words(40), in_words(100), in_words(20_000)
    ('40 s', '2 min', '5.6 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


Run.seconds_left = seconds_left


# %% 3.3 book/generative/stop_and_go_on.md
def go(self, reporter, stop=()):
    """Train until it is finished, or until something stands in `stop`."""
    batches = itertools.chain.from_iterable(itertools.repeat(self.loader))
    s, saved, spent, done = self.settings, time.monotonic(), 0.0, 0
    with DataParallel(self.model, s.cores) as net:
        while not stop and not self.finished():
            start, step = time.monotonic(), len(self.log.losses) + 1
            self.log.losses.append(numbered_step(
                step, net, functional.cross_entropy, next(batches),
                self.optimizer, clip=1.0, schedule=self.schedule))
            done, seconds = done + 1, time.monotonic() - start
            self.log.seconds += seconds
            spent += seconds
            rate = done * s.batch_size * s.context / spent
            reporter.step(self, rate)
            if done == 20:
                reporter.estimate(self, rate)
            scored = step % s.interval() == 0 or step == s.steps
            if scored:
                reporter.score(self, self.score(), rate)
            if scored or time.monotonic() > saved + 60:
                self.save()
                saved = time.monotonic()
    if stop:
        self.save()


Run.go = go


# %% 3.3 book/generative/stop_and_go_on.md
def steps_in(self, seconds):
    """How many steps fit into a time, scores included; changes the run."""
    s, spent = self.settings, 0.0
    batches = itertools.chain.from_iterable(itertools.repeat(self.loader))
    with DataParallel(self.model, s.cores) as net:
        for k in range(25):
            start = time.monotonic()
            numbered_step(k, net, functional.cross_entropy, next(batches),
                          self.optimizer, clip=1.0, schedule=self.schedule)
            if k >= 5:  # the first ones warm up
                spent += time.monotonic() - start
    one_step, one_score = s.batch_size * s.context, 2 * len(self.scored) / 3
    tokens = 20 * one_step / spent * seconds
    if s.every:
        return max(int(tokens / (one_step + one_score / s.every)), 1)
    return max(int((tokens - 20 * one_score) / one_step), 1)


Run.steps_in = steps_in


# %% 3.3 book/generative/stop_and_go_on.md
@contextlib.contextmanager
def gently():
    """A list in which a first Ctrl-C, or a plea to end, leaves its number."""
    asked, before = [], {}

    def note(number, frame):
        asked.append(number)
        put_back()

    def put_back():
        for number, handler in before.items():
            signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield asked
    finally:
        put_back()


# %% 3.3 book/generative/stop_and_go_on.md
def refuse_taken(folder):
    """A Complaint if something is there already."""
    if (folder / "training" / "run.json").exists():
        raise Complaint(f"{folder} holds a GPT already: --resume goes on "
                        "with it, another --out begins anew")
    if folder.exists() and not (folder.is_dir() and not any(
            folder.iterdir())):
        raise Complaint(f"{folder} holds something else; --out wants a "
                        "folder that is new or empty")


# %% 3.3 book/generative/stop_and_go_on.md
def begin(paths, folder, s, minutes=None):
    """A new run in a new folder, with the first checkpoint written."""
    folder = Path(folder).resolve()
    refuse_taken(folder)
    tokenizer, ids, files = prepare(paths, s)
    sizes = {f"{part}_bytes": len(tokenizer.decode_bytes(tokens))
             for part, tokens in ids.items()}
    bar = count_bytes(*(tokenizer.decode_bytes(t) for t in (
        ids["train"], ids["validation"][1:MOST_SCORED])))
    facts = {"files": files, **sizes, "n_gram": bar}
    if minutes is not None:
        steps = Run(folder, s, tokenizer, ids, facts).steps_in(60 * minutes)
        s = replace(s, steps=steps)
    run = Run(folder, s, tokenizer, ids, facts)
    set_up(run, folder.with_name(f".{folder.name}.{os.getpid()}.part"))
    return run


# %% 3.3 book/generative/stop_and_go_on.md
def set_up(run, part):
    """Write a whole run to `part`, then give it its own name."""
    folder = run.folder
    try:
        (part / "training").mkdir(parents=True)
        run.move_to(part)
        save_file(run.ids, part / "training" / "text.safetensors")
        save_gpt(run.model, run.tokenizer, part)
        run.save()
        if folder.exists():
            folder.rmdir()  # it is empty
        os.rename(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    run.move_to(folder)


# %% 3.3 book/generative/stop_and_go_on.md
MAY_CHANGE = ("steps", "every", "patience", "prompt")


def go_on(folder, **changed):
    """The run in a folder, as it stood at its last checkpoint."""
    folder = Path(folder).resolve()
    training = folder / "training"
    if not (training / "run.json").exists():
        raise Complaint(f"{folder} holds no run to go on with")
    fixed = sorted(set(changed) - set(MAY_CHANGE))
    if fixed:
        raise Complaint(
            f"--{fixed[0].replace('_', '-')} cannot change in a run that is "
            f"resumed; only {', '.join(MAY_CHANGE)} can")
    try:
        facts = json.loads((training / "run.json").read_text("utf-8"))
        s = Settings(**{**facts.pop("settings"), **changed})
        ids = load_file(training / "text.safetensors")
        tokenizer = BPETokenizer.load(folder)
        run = Run(folder, s, tokenizer, ids, facts)
        run.checkpoint.load()
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Complaint(f"{folder} is damaged: {error}") from None
    return run
