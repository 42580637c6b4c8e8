# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""What ``zerobook gpt train`` and ``zerobook gpt generate`` do."""

import math
import os
import sys
import time
from zerobook.commands.gpt.run import in_words
import unicodedata
import contextlib
import functools
from zerobook.commands.gpt.run import Complaint
from zerobook.memory import keep_heap
from zerobook.training import NotANumber
import shlex
from dataclasses import fields
from pathlib import Path
import numpy as np
from zerobook.commands.gpt.recipe import generate_recipe, train_recipe
from zerobook.commands.gpt.run import (
    Accident, Settings, alone, begin, gently, go_on, interrupt, on_signals,
)
from zerobook.commands.gpt.writing import (
    check_drawing, warn_of_space, write,
)


# %% 3.3 book/generative/gpt_command.md
def bar_line(run, rate, columns):
    """Where a run stands, in one line of less than `columns` characters."""
    step, steps = len(run.log.losses), run.settings.steps
    text = (f"{step}/{steps}  {recent_bits(run):.3f} bits per byte  "
            f"{rate:,.0f} tokens/s  {in_words(run.seconds_left(rate))} left")
    width = min(columns - len(text) - 4, 24)
    if width > 4:
        bar = "#" * (step * width // steps)
        text = f"[{bar:<{width}}] {text}"
    return text[:max(columns - 1, 0)]


def columns_of(stream):
    """Width of a terminal; COLUMNS says it if it is set, as in shells."""
    try:
        said = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        said = 0
    if said < 1:
        try:
            said = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):  # no terminal, or none that knows
            said = 0
    return said or 80


def recent_bits(run, n=50):
    """Training loss of the last `n` steps, in bits per byte."""
    losses = run.log.losses[-n:]
    nats = sum(losses) / len(losses)
    return nats / math.log(2) / run.bytes_per_token


# %% 3.3 book/generative/gpt_command.md
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def shown(text):
    """Text for a terminal: one line, and nothing that it would obey.

    >>> shown("a \\x1b[2J\\nb")
    'a �[2J b'
    """
    def harmless(c):
        return (unicodedata.category(c) not in ("Cc", "Cs")
                and unicodedata.bidirectional(c) not in TURNING)

    words = " ".join(text.split())
    return "".join(c if harmless(c) else "\ufffd" for c in words)


# %% 3.3 book/generative/gpt_command.md
def on_terminal():
    """Whether stderr is one; a program may be started without stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


class Reporter:
    """Says on stdout how a run goes, and draws a bar on a terminal."""

    def __init__(self):
        self.drawn = 0.0

    def step(self, run, rate):
        """Draw the bar, unless that was done a moment ago."""
        if on_terminal() and time.monotonic() > self.drawn + 0.1:
            line = bar_line(run, rate, columns_of(sys.stderr))
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
            self.drawn = time.monotonic()

    def say(self, text):
        """A line of its own, in the place of the bar."""
        if self.drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(text, flush=True)

    def estimate(self, run, rate):
        """How long it will take."""
        left = in_words(run.seconds_left(rate))
        self.say(f"after 20 steps: {rate:,.0f} tokens/s, about {left} to go "
                 "on this machine if it does not stop early")

    def score(self, run, bits, rate):
        """The score on the validation text, and a sample."""
        step, mark = len(run.log.losses), ""
        if run.log.best()[1] == step:
            mark = "  best so far"
        self.say(f"step {step:,}: train {recent_bits(run):.3f}, validation "
                 f"{bits:.3f} bits per byte, {rate:,.0f} tokens/s{mark}")
        sample = shown(run.log.samples[-1].split(": ", 1)[1])
        self.say(f"    {sample[:72]}")


# %% 3.3 book/generative/gpt_command.md
def aside(text):
    """A line on stderr, below the bar if there is one; never an error."""
    line_end = "\n" if on_terminal() else ""
    with contextlib.suppress(OSError, ValueError):  # nobody listens
        print(line_end + text, file=sys.stderr, flush=True)


# %% 3.3 book/generative/gpt_command.md
def in_a_sentence(verb):
    """Let a verb say in a sentence why it gave up."""

    @functools.wraps(verb)
    def told(options):
        try:
            return verb(options)
        except Complaint as complaint:
            text, code = str(complaint), complaint.code
        except BrokenPipeError:
            with contextlib.suppress(OSError, ValueError):
                silence = os.open(os.devnull, os.O_WRONLY)
                os.dup2(silence, sys.stdout.fileno())
            return 1
        except OSError as error:
            text, code = in_short(error), 1
        except MemoryError as error:
            text, code = f"the memory is full ({error})", 1
        except KeyboardInterrupt:
            text, code = "stopped", 130
        aside(f"zerobook gpt: {text}")
        return code

    return told


def in_short(error):
    """What the system says, and about which file."""
    about = f"{error.filename}: " if error.filename else ""
    return f"{about}{error.strerror or error}"


# %% 3.3 book/generative/gpt_command.md
@in_a_sentence
def train(o):
    """Train, or go on training; the exit code."""
    given = {f.name: getattr(o, f.name) for f in fields(Settings)
             if getattr(o, f.name) is not None}
    check_order(o, given)
    if o.show_code:
        print(train_recipe(o.text, o.out, Settings(**given)), end="")
        return 0
    keep_heap()  # the process is ours
    with on_signals(interrupt), np.errstate(all="ignore"):
        if o.resume:
            with alone(Path(o.out).resolve()):
                return go_with(go_on(o.out, **given), o.out)
        run = begin(o.text, o.out, Settings(**given), o.minutes)
        with alone(run.folder):
            return go_with(run, o.out)


# %% 3.3 book/generative/gpt_command.md
def go_with(run, out):
    """Train a run to its end, or until it is stopped; the exit code."""
    introduce(run)
    warn_of_space(run.settings.prompt, run.tokenizer, aside)
    with gently() as stop:
        try:
            run.go(Reporter(), stop)
        except BrokenPipeError:
            raise
        except (OSError, MemoryError, RuntimeError, NotANumber) as error:
            raise Accident(after_accident(run, error)) from error
    if stop:
        aside(f"stopped at step {len(run.log.losses):,}, all is saved; to "
              f"go on: zerobook gpt train --resume --out {quoted(out)}")
        return 128 + stop[0]
    conclude(run, out)
    return 0


# %% 3.3 book/generative/gpt_command.md
def after_accident(run, error):
    """What went wrong in a run, and what can be done."""
    what = getattr(error, "strerror", None) or error
    step = run.log.best()[1]
    kept = "the best model so far" if step else "the model before training"
    if not (run.folder / "training" / "run.json").exists():
        return f"{what}; {run.folder} is gone"
    if isinstance(error, NotANumber):
        return (f"{what}; {run.folder} holds {kept}. The same steps would "
                "end in the same place: begin anew, in another --out, with "
                f"--lr below {run.settings.rate():g}")
    return (f"{what}; {run.folder} holds {kept}, and --resume goes on from "
            "the last checkpoint")


def quoted(path):
    """A path as it can be typed in a shell."""
    path = str(path)
    return shlex.quote("./" + path if path.startswith("-") else path)


# %% 3.3 book/generative/gpt_command.md
def check_order(o, given):
    """A Complaint about options that do not go together."""
    if o.resume and (o.text or o.minutes or o.show_code):
        raise Complaint("--resume goes on with the text and the options of "
                        "the run: leave --text, --minutes and --show-code "
                        "out")
    if not o.resume and not o.text:
        raise Complaint("which text? give --text FILE, or --resume to go on")
    if o.minutes is not None and not 0 < o.minutes < 1e12:
        raise Complaint(f"--minutes must be above 0, and below 1e12: "
                        f"{o.minutes}")
    if o.minutes and ("steps" in given or o.show_code):
        raise Complaint("--minutes measures how many steps there will be: "
                        "leave --steps and --show-code out")


# %% 3.3 book/generative/gpt_command.md
def introduce(run):
    """Say what is trained on what."""
    s, facts = run.settings, run.facts
    weights = sum(p.size for p in run.model.parameters())
    bits, n = facts["n_gram"]
    held_out = [f"{facts[f'{part}_bytes']:,} for {part}"
                for part in ("validation", "test") if part in run.ids]
    print(f"text: {facts['train_bytes']:,} bytes to train on, "
          f"{', '.join(held_out)}\n"
          f"tokens: {run.tokenizer.vocab_size:,} different ones, "
          f"{run.bytes_per_token:.2f} bytes each\n"
          f"model: {weights:,} weights, {s.layers} layers of width "
          f"{s.width}, context {s.context} tokens\n"
          f"the bar: {bits:.3f} bits per byte on the validation text, by "
          f"counting {n}-grams of bytes", flush=True)


def conclude(run, out):
    """Say how it ended: what was chosen, and the score of the choice."""
    bits, step = run.log.best()
    print(f"{run.finished()}\n"
          f"chosen: the model of step {step:,}, {bits:.3f} bits per byte on "
          "the validation text")
    bits, n = run.final_score(), run.facts["n_gram"][1]
    if bits is not None:
        bar = run.facts["n_gram_test"]
        side = "below" if bits < bar else "above"
        print(f"test: {bits:.3f} bits per byte, {side} the {n}-gram's "
              f"{bar:.3f}, on {run.facts['test_bytes']:,} bytes on which "
              "nothing was chosen")
    print(f"write with it: zerobook gpt generate {quoted(out)}\n"
          f"go on: zerobook gpt train --resume --out {quoted(out)} --steps N")


# %% 3.3 book/generative/gpt_command.md
@in_a_sentence
def generate(o):
    """Write, or print the lines that would; the exit code."""
    if o.show_code:
        check_drawing(o)
        print(generate_recipe(o), end="")
        return 0
    write(o, functools.partial(print, end="", flush=True), aside)
    return 0
