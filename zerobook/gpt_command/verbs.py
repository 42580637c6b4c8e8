# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""What ``zerobook gpt train`` and ``zerobook gpt generate`` do."""

import math
import sys
import time
from zerobook.gpt_command.run import in_words
import functools
import os
from zerobook.gpt_command.run import Complaint
from zerobook.training import NotANumber, keep_heap
from dataclasses import fields
from zerobook.gpt_command.recipe import generate_recipe, train_recipe
from zerobook.gpt_command.run import (
    Accident, Settings, begin, gently, go_on,
)
from zerobook.gpt_command.writing import check_drawing, write


# %% 3.3 book/generative/gpt_command.md
def bar_line(run, rate, width=24):
    """Where a run stands, in one line."""
    step, steps = len(run.log.losses), run.settings.steps
    bar = "#" * (step * width // steps)
    return (f"[{bar:<{width}}] {step}/{steps}  {recent_bits(run):.3f} bits "
            f"per byte  {rate:,.0f} tokens/s  "
            f"{in_words(run.seconds_left(rate))} left")


def recent_bits(run, n=50):
    """Training loss of the last `n` steps, in bits per byte."""
    losses = run.log.losses[-n:]
    nats = sum(losses) / len(losses)
    return nats / math.log(2) / run.bytes_per_token


# %% 3.3 book/generative/gpt_command.md
class Reporter:
    """Says on stdout how a run goes, and draws a bar on a terminal."""

    def __init__(self):
        self.drawn = 0.0

    def step(self, run, rate):
        """Draw the bar, unless that was done a moment ago."""
        if sys.stderr.isatty() and time.monotonic() > self.drawn + 0.1:
            print(f"\r{bar_line(run, rate)}\033[K", end="", file=sys.stderr,
                  flush=True)
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
        """The score on the held-out text, and a sample."""
        step, mark = len(run.log.losses), ""
        if run.log.best()[1] == step:
            mark = "  best so far"
        self.say(f"step {step:,}: train {recent_bits(run):.3f}, held out "
                 f"{bits:.3f} bits per byte, {rate:,.0f} tokens/s{mark}")
        words = run.log.samples[-1].split(": ", 1)[1].split()
        sample = "".join(c if c.isprintable() else "\ufffd"
                         for c in " ".join(words))
        self.say(f"    {sample[:72]}")


# %% 3.3 book/generative/gpt_command.md
def aside(text):
    """A line on stderr, below the bar if there is one."""
    line_end = "\n" if sys.stderr.isatty() else ""
    print(line_end + text, file=sys.stderr)


# %% 3.3 book/generative/gpt_command.md
def in_a_sentence(verb):
    """Let a verb say in a sentence why it gave up."""

    @functools.wraps(verb)
    def told(options):
        try:
            return verb(options)
        except Complaint as complaint:
            text, code = str(complaint), complaint.code
        except NotANumber as error:
            text, code = f"{error}; a smaller --lr may help", 1
        except BrokenPipeError:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, sys.stdout.fileno())
            return 1
        except OSError as error:
            text, code = in_short(error), 1
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
    if o.resume:
        run = go_on(o.out, **given)
    else:
        run = begin(o.text, o.out, Settings(**given), o.minutes)
    introduce(run)
    with gently() as stop:
        try:
            run.go(Reporter(), stop)
        except (OSError, NotANumber) as error:
            what = getattr(error, "strerror", None) or error
            raise Accident(
                f"{what}; {run.folder} holds the best model so far, and "
                "--resume goes on from the last checkpoint") from error
    if stop:
        aside(f"stopped at step {len(run.log.losses):,}, all is saved; to "
              f"go on: zerobook gpt train --resume --out {o.out}")
        return 130
    conclude(run, o.out)
    return 0


# %% 3.3 book/generative/gpt_command.md
def check_order(o, given):
    """A Complaint about options that do not go together."""
    if o.resume and (o.text or o.minutes or o.show_code):
        raise Complaint("--resume goes on with the text and the options of "
                        "the run: leave --text, --minutes and --show-code "
                        "out")
    if not o.resume and not o.text:
        raise Complaint("which text? give --text FILE, or --resume to go on")
    if o.minutes is not None and not 0 < o.minutes < float("inf"):
        raise Complaint(f"--minutes must be above 0: {o.minutes}")
    if o.minutes and ("steps" in given or o.show_code):
        raise Complaint("--minutes measures how many steps there will be: "
                        "leave --steps and --show-code out")


# %% 3.3 book/generative/gpt_command.md
def introduce(run):
    """Say what is trained on what."""
    s, facts = run.settings, run.facts
    weights = sum(p.size for p in run.model.parameters())
    bits, n = facts["n_gram"]
    print(f"text: {facts['train_bytes']:,} bytes to train on, "
          f"{facts['validation_bytes']:,} held out\n"
          f"tokens: {run.tokenizer.vocab_size:,} different ones, "
          f"{run.bytes_per_token:.2f} bytes each\n"
          f"model: {weights:,} weights, {s.layers} layers of width "
          f"{s.width}, context {s.context} tokens\n"
          f"the bar: {bits:.3f} bits per byte, by counting {n}-grams of "
          "bytes", flush=True)


def conclude(run, out):
    """Say how it ended."""
    bits, step = run.log.best()
    bar, n = run.facts["n_gram"]
    side = "below" if bits < bar else "above"
    print(f"{run.finished()}\n"
          f"best: {bits:.3f} bits per byte at step {step:,}, {side} the "
          f"{n}-gram's {bar:.3f}\n"
          f"write with it: zerobook gpt generate {out}\n"
          f"go on: zerobook gpt train --resume --out {out} --steps N")


# %% 3.3 book/generative/gpt_command.md
@in_a_sentence
def generate(o):
    """Write, or print the lines that would; the exit code."""
    if o.show_code:
        check_drawing(o)
        print(generate_recipe(o), end="")
        return 0
    write(o, functools.partial(print, end="", flush=True))
    return 0
