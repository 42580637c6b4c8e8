# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Train a GPT on a text, in a folder that can be gone back to."""

from pathlib import Path
from zerobook.git_lfs import refuse_pointer
from dataclasses import dataclass
from zerobook.tokenizers import END_OF_TEXT, BPETokenizer
import hashlib
import numpy as np
import os
from zerobook.metrics import bits_per_byte
from zerobook.models.ngram import NGram
from zerobook.data import DataLoader, TextWindows
from zerobook.models.gpt import GPT, GPTConfig
from zerobook.optim import AdamW, LambdaLR, warmup_cosine
from zerobook.checkpoint import Checkpoint
from zerobook.interop.huggingface import load_gpt, save_gpt
from zerobook.models.gpt import token_losses
from zerobook.training import NotANumber
import json
from zerobook.safetensors import write_whole
import itertools
import time
from zerobook import functional
from zerobook.parallel import DataParallel
from zerobook.training import numbered_step
import contextlib
import signal
import threading
import secrets
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


# %% 3.3 book/generative/stop_and_go_on.md
def read_text(path):
    """The text of a UTF-8 file or pipe; a Complaint says what is wrong."""
    try:
        with open(0 if str(path) == "-" else path, "rb",
                  closefd=str(path) != "-") as file:  # "-": standard input
            data = file.read()
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Complaint(
            f"{path} is not UTF-8: byte {error.start}, in line {line}, is "
            f"0x{data[error.start]:02x} ({error.reason})"
        ) from None
    except (OSError, ValueError) as error:  # of a path with a zero byte
        what = getattr(error, "strerror", None) or error
        raise Complaint(f"{path}: {what}") from None
    refuse_pointer(path, Complaint, data)
    if not text.strip():
        what = "holds nothing but white space" if text else "is empty"
        raise Complaint(f"{path} {what}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


# %% 3.3 book/generative/stop_and_go_on.md
@dataclass
class Settings:
    """What a run is told: the options of ``zerobook gpt train``."""

    tokenizer: str = "bpe"
    vocab_size: int = 1024
    validation: float | None = None
    test: float | None = None
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
MOST = 10**12  # of anything that is counted


def check_settings(s):
    """A Complaint names the option that is out of its range."""
    for name in ("vocab_size", "layers", "heads", "width", "context",
                 "batch_size", "steps", "patience", "cores", "every"):
        value = getattr(s, name)
        if value is not None and not 1 <= value <= MOST:
            option = name.replace("_", "-")
            raise Complaint(f"--{option} must be 1 or more, and not above "
                            f"{MOST:,}: {value}")
    if s.width % s.heads:
        raise Complaint(f"--width {s.width} does not divide by "
                        f"--heads {s.heads}")
    if s.cores > s.batch_size:
        raise Complaint(f"--cores {s.cores} cannot share a batch of "
                        f"{s.batch_size} (--batch-size)")
    for name in ("validation", "test"):
        share = getattr(s, name)
        if share is not None and not 0 < share < 1:
            raise Complaint(f"--{name} is a share between 0 and 1: {share}")
    if (s.validation or 0) + (s.test or 0) >= 1:
        raise Complaint("--validation and --test leave nothing to train on")
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
MOST_VALIDATED, MOST_TESTED = 32_768, 655_360  # characters, by default


def cut_text(text, s):
    """The three parts of a text, by their names."""
    n = len(text)
    test = min(n // 10, MOST_TESTED) if s.test is None else int(n * s.test)
    validation = (min(n // 10, MOST_VALIDATED) if s.validation is None
                  else int(n * s.validation))
    a, b = n - test - validation, n - test
    return {"train": text[:a], "validation": text[a:b], "test": text[b:]}


# %% 3.3 book/generative/stop_and_go_on.md
def prepare(paths, s):
    """Tokenizer, tokens of each part, and what to note of the text."""
    if [str(path) for path in paths].count("-") > 1:
        raise Complaint("--text: standard input, -, can be read once")
    texts = [read_text(path) for path in paths]
    parts = cut_text(END_OF_TEXT.join(texts), s)
    tokenizer = choose_tokenizer(s, parts["train"])
    ids = {part: np.array(tokenizer.encode(text), np.int32)
           for part, text in parts.items()}
    check_length(ids, s.context)
    files = [{"file": str(path), "characters": len(t),
              "sha256": hashlib.sha256(t.encode()).hexdigest()}
             for path, t in zip(paths, texts)]
    lengths = {part: len(text) for part, text in parts.items()}
    return tokenizer, ids, {"files": files, "characters": lengths}


# %% 3.3 book/generative/stop_and_go_on.md
def check_length(ids, context):
    """A Complaint if a part of the text has too few tokens."""
    n = len(ids["train"])
    if n <= context:
        shorter = ", or a smaller --context" if n > 1 else ""
        raise Complaint(
            f"the text is too short: {n} tokens to train on, where a context "
            f"of {context} needs {context + 1}; give more text{shorter}")
    for part in ("validation", "test"):
        if len(ids[part]) < 2:
            raise Complaint(
                f"the text is too short: {len(ids[part])} tokens for the "
                f"{part} text, which needs 2; give more text, or a larger "
                f"--{part}")


# %% 3.3 book/generative/stop_and_go_on.md
def check_memory(s, vocab_size, n_windows):
    """A Complaint about a model that this machine cannot hold."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return  # a system that does not say
    D, T, rows = s.width, s.context, min(s.batch_size, n_windows)
    weights = (vocab_size + T) * D + 12 * s.layers * D * D
    scores = rows * T * (vocab_size + s.layers * s.heads * T)
    need = 4 * (4 * weights + scores)  # float32
    if need > there:
        raise Complaint(
            f"this model needs {need / 1e9:,.0f} GB or more, and the machine "
            f"has {there / 1e9:,.0f}; choose a smaller --width, --layers, "
            "--context or --batch-size")


# %% 3.3 book/generative/stop_and_go_on.md
MOST_COUNTED = 2_000_000  # bytes; what lies further back is not counted


def counted_bits(model, tokenizer, ids):
    """Bits per byte that an n-gram needs for all tokens but the first."""
    first, text = map(tokenizer.decode_bytes, (ids[:1], ids))
    nats = -model.log_prob(text)[len(first):].sum()
    return bits_per_byte(nats, len(text) - len(first))


def count_bytes(tokenizer, ids):
    """The n that is best on the validation text; its score there, on test."""
    train = tokenizer.decode_bytes(ids["train"])[-MOST_COUNTED:]
    found = []
    for n in (n for n in (2, 4, 6, 8) if n <= len(train)):
        model = NGram(n).fit(train)
        bits = [counted_bits(model, tokenizer, ids[part])
                for part in ("validation", "test")]
        found.append([bits[0], n, bits[1]])
    bits, n, test = min(found)
    return {"n_gram": [bits, n], "n_gram_test": test}


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

    def table(self, bytes_per_token):
        """The curve as the text of a CSV file, a row for each step."""
        scores = {step: bits for step, _, bits in self.scores}
        rows = ["step,loss,train_bits_per_byte,held_out_bits_per_byte"]
        for step, loss in enumerate(self.losses, 1):
            bits = loss / np.log(2) / bytes_per_token
            rows.append(f"{step},{loss!r},{bits:.4f},{scores.get(step, '')}")
        return "\n".join(rows) + "\n"


# %% 3.3 book/generative/stop_and_go_on.md
class Run:
    """A GPT that is being trained in a folder."""

    def __init__(self, folder, s, tokenizer, ids, facts):
        self.settings, self.tokenizer, self.facts = s, tokenizer, facts
        self.ids, self.log = ids, Log()
        self.scored = ids["validation"]
        self.prompt = prompt_tokens(tokenizer, s.prompt)
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

    def score(self):
        """Bits per byte of the validation text; the best model is written."""
        bits = bits_of(self.model, self.tokenizer, self.scored)
        step = len(self.log.losses)
        if not np.isfinite(bits):
            raise NotANumber(f"step {step}: the validation score is {bits}")
        self.log.scores.append([step, self.log.seconds, bits])
        self.log.samples.append(f"step {step}: {self.sample(step)}")
        if self.log.best()[1] == step:
            save_gpt(self.model, self.tokenizer, self.folder)
        return bits

    def sample(self, step, n_tokens=40):
        """What the model writes now."""
        seed = [self.settings.seed, step]
        new = self.model.generate(self.prompt, n_tokens, temperature=0.8,
                                  rng=np.random.default_rng(seed))
        return self.tokenizer.decode([*self.prompt, *new]).strip()

    def final_score(self):
        """Bits per byte of the test text, by the best model; noted in a file.

        None for a run that an earlier version began, without a test text.
        """
        if "test" not in self.ids:
            return None
        try:
            model, tokenizer = load_gpt(self.folder)
        except (ValueError, TypeError, LookupError, AttributeError,
                ArithmeticError, FileNotFoundError) as error:
            raise Complaint(f"{self.folder} is damaged: {error}") from None
        bits = bits_of(model, tokenizer, self.ids["test"])
        noted = {"bits_per_byte": bits, "step": self.log.best()[1],
                 "n_gram": self.facts["n_gram_test"]}
        write_whole(self.folder / "training" / "test.json",
                    [(json.dumps(noted) + "\n").encode()])
        return bits

    def save(self):
        """Write all that is needed to go on; each file whole or not at all."""
        if not all(np.isfinite(p.data).all() for p in self.model.parameters()):
            raise NotANumber(f"step {len(self.log.losses)}: a weight is no "
                             "number")
        self.checkpoint.save(len(self.log.losses))
        training = self.folder / "training"
        for name, text in {
            "curve.csv": self.log.table(self.bytes_per_token),
            "samples.txt": "\n\n".join(self.log.samples) + "\n",
            "run.json": json.dumps({"settings": vars(self.settings),
                                    **self.facts}, indent=1) + "\n",
        }.items():
            write_whole(training / name, [text.encode()])

    def finished(self):
        """Why there is nothing more to do; an empty text if there is."""
        s, step = self.settings, len(self.log.losses)
        if step >= s.steps:
            return f"all {s.steps:,} steps are done"
        if self.log.stale() >= s.patience:
            return (f"stopped early at step {step:,}: no better score in the "
                    f"last {s.patience}")
        return ""

    def seconds_left(self, tokens_per_second):
        """What the remaining steps and scores will take, about."""
        s = self.settings
        steps = s.steps - len(self.log.losses)
        work = steps * s.batch_size * s.context
        work += steps / s.interval() * 2 * len(self.scored) / 3
        work += 2 * len(self.ids.get("test", ())) / 3
        return work / tokens_per_second

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
                bits = self.score() if scored else None
                if scored or time.monotonic() > saved + 60:
                    self.save()
                    saved = time.monotonic()
                if scored:
                    reporter.score(self, bits, rate)
        if stop:
            self.save()

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
        tokens = 20 * one_step / spent * seconds - 2 * len(self.ids["test"]) / 3
        if s.every:
            steps = tokens / (one_step + one_score / s.every)
        else:
            steps = (tokens - 20 * one_score) / one_step
        return int(min(max(steps, 1), MOST))


# %% 3.3 book/generative/stop_and_go_on.md
def bits_of(model, tokenizer, ids):
    """Bits per byte that a GPT needs for all tokens but the first."""
    nats = token_losses(model, ids).sum()
    return bits_per_byte(nats, len(tokenizer.decode_bytes(ids[1:])))


def prompt_tokens(tokenizer, prompt):
    """The tokens of a prompt; a Complaint if it has none."""
    try:
        return tokenizer.encode(prompt)
    except ValueError as error:
        raise Complaint(f"--prompt cannot be encoded: {error}") from None


# %% 3.3 book/generative/stop_and_go_on.md
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


# %% 3.3 book/generative/stop_and_go_on.md
@contextlib.contextmanager
def on_signals(act):
    """Let `act` answer Ctrl-C, SIGTERM and SIGHUP, unless they are ignored."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            known = number and signal.getsignal(number)
            if known not in (None, signal.SIG_IGN):
                before[number] = signal.signal(number, act)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# %% 3.3 book/generative/stop_and_go_on.md
def interrupt(number, frame):
    """What Ctrl-C does in Python."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def gently():
    """A list in which a wish to stop leaves its number."""
    asked = []

    def note(number, frame):
        if number == signal.SIGINT and number in asked:
            interrupt(number, frame)
        asked.append(number)

    with on_signals(note):
        yield asked


# %% 3.3 book/generative/stop_and_go_on.md
@contextlib.contextmanager
def alone(folder):
    """Hold a run's folder; a Complaint if another process holds it."""
    refuse_missing(folder)
    with open(folder / "training" / "text.safetensors", "rb") as held:
        try:
            import fcntl

            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Complaint(f"another process trains in {folder}: one at a "
                            "time") from None
        except (ImportError, OSError):
            yield  # Windows, or a file system without locks
            return
        try:
            yield
        finally:
            fcntl.flock(held, fcntl.LOCK_UN)


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


def refuse_missing(folder):
    """A Complaint if there is no run."""
    for name in ("run.json", "text.safetensors"):
        if not (folder / "training" / name).exists():
            raise Complaint(f"{folder} holds no run to go on with")


# %% 3.3 book/generative/stop_and_go_on.md
@contextlib.contextmanager
def half_made(folder):
    """A folder to work in, which turns into `folder` if all goes well."""
    home = folder if folder.exists() else folder.parent
    new = [p for p in (home, *home.parents) if not p.exists()]
    part = home / f".{secrets.token_hex(4)}.part"
    moved = []
    try:
        part.mkdir(parents=True)
        yield part
        if home == folder:
            for path in sorted(part.iterdir(), key=Path.is_dir):
                moved.append(path.rename(folder / path.name))
            part.rmdir()
        else:
            part.rename(folder)
    except BaseException:
        for path in (part, *moved):
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


# %% 3.3 book/generative/stop_and_go_on.md
def begin(paths, folder, s, minutes=None):
    """A new run in a new folder, with the first checkpoint written."""
    folder = Path(folder).resolve()
    refuse_taken(folder)
    with half_made(folder) as part:
        tokenizer, ids, facts = prepare(paths, s)
        check_memory(s, tokenizer.vocab_size, len(ids["train"]) - s.context)
        facts |= {f"{name}_bytes": len(tokenizer.decode_bytes(tokens))
                  for name, tokens in ids.items()}
        facts |= count_bytes(tokenizer, ids)
        if minutes is not None:
            trial = Run(part, s, tokenizer, ids, facts)
            s = replace(s, steps=trial.steps_in(60 * minutes))
        run = Run(part, s, tokenizer, ids, facts)
        (part / "training").mkdir()
        save_file(run.ids, part / "training" / "text.safetensors")
        save_gpt(run.model, run.tokenizer, part)
        run.save()
    run.move_to(folder)
    return run


# %% 3.3 book/generative/stop_and_go_on.md
MAY_CHANGE = ("steps", "every", "patience", "prompt")
ONCE_SCORED = 16_384  # tokens, in runs that began without a test text


def go_on(folder, **changed):
    """The run in a folder, as it stood at its last checkpoint."""
    folder = Path(folder).resolve()
    training = folder / "training"
    refuse_missing(folder)
    fixed = sorted(set(changed) - set(MAY_CHANGE))
    if fixed:
        raise Complaint(
            f"--{fixed[0].replace('_', '-')} cannot change in a run that is "
            f"resumed; only {', '.join(MAY_CHANGE)} can")
    try:
        refuse_pointer(training / "run.json")
        facts = json.loads((training / "run.json").read_text("utf-8"))
        s = Settings(**{**facts.pop("settings"), **changed})
        ids = load_file(training / "text.safetensors")
        if "test" not in ids:
            ids["validation"] = ids["validation"][:ONCE_SCORED]
        tokenizer = BPETokenizer.load(folder)
        run = Run(folder, s, tokenizer, ids, facts)
        run.checkpoint.load()
    except (ValueError, TypeError, LookupError, AttributeError,
            ArithmeticError, FileNotFoundError) as error:
        raise Complaint(f"{folder} is damaged: {error}") from None
    return run
