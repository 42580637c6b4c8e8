# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The training loop, evaluation, and checkpoints."""

import math
import sys
import numpy as np
from zerobook.autograd import no_grad
from zerobook.optim import clip_grad_norm_
import copy
import json
import os
from pathlib import Path
from zerobook import safetensors
from zerobook.nn.module import Module


# %% 2.1.2 book/deep_learning/training.md
class NotANumber(ArithmeticError):
    """The loss has become infinite or no number at all."""


def train_step(model, loss, batch, optimizer, *, clip=None, schedule=None):
    """Forward, backward, and one step; returns the loss as a float."""
    *inputs, target = batch
    optimizer.zero_grad()
    value = loss(model(*inputs), target)
    number = value.item()
    if not math.isfinite(number):
        raise NotANumber(f"the loss is {number}")
    value.backward()
    if clip is not None:
        clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    if schedule is not None:
        schedule.step()
    return number


# %% 2.1.2 book/deep_learning/training.md
def fit(model, loss, loader, optimizer, *, epochs=1, schedule=None,
        clip=None, after_step=None, after_epoch=None, progress=False,
        first_step=0):
    """Train a model.

    Parameters
    ----------
    model : Module
    loss : callable
        ``loss(model(X), y)``, a Tensor of one number.
    loader : DataLoader
        Yields ``(X, y)``; more inputs than one may stand before the target.
    optimizer : Optimizer
    epochs : int
        How many passes in all; a resumed run counts those before.
    schedule : LambdaLR, optional
        Stepped after every step.
    clip : float, optional
        Largest length of the gradient.
    after_step : callable, optional
        Called as ``after_step(step, loss)``.
    after_epoch : callable, optional
        Called as ``after_epoch(epoch)``, with the model set to eval().
    progress : bool
        A line on stderr that shows how far it is.
    first_step : int
        Steps taken by the run that this one resumes.

    Returns
    -------
    list of float
        The loss of every step, before that step.

    Raises
    ------
    NotANumber
        Names the step at which the loss became infinite or no number.

    Notes
    -----
    Section 2.1.2.
    """
    curve, step, total = [], first_step, epochs * len(loader)
    while step < total:
        model.train()
        for batch in loader:
            try:
                number = train_step(model, loss, batch, optimizer,
                                    clip=clip, schedule=schedule)
            except NotANumber as error:
                raise NotANumber(f"step {step}: {error}") from None
            step += 1
            curve.append(number)
            if progress:
                show_progress(step, total, number)
            if after_step is not None:
                after_step(step, number)
        if after_epoch is not None:
            model.eval()
            after_epoch(step // len(loader))
    model.eval()
    return curve


# %% 2.1.2 book/deep_learning/training.md
def show_progress(step, total, loss, width=30):
    """A bar on stderr, drawn again over itself; a last line at the end."""
    if step != total and step * 200 // total == (step - 1) * 200 // total:
        return
    bar = "#" * (step * width // total)
    end = "\n" if step == total else ""
    line = f"\r[{bar:<{width}}] {step}/{total}  loss {loss:.4f}{end}"
    sys.stderr.write(line)
    sys.stderr.flush()


def evaluate(model, metric, loader):
    """Mean of ``metric(model(X), y)`` over the rows of a loader.

    Parameters
    ----------
    model : Module
        Set to eval() for the time of the call.
    metric : callable
        Gives a number or a Tensor of one number, a mean over its rows.
    loader : iterable of (X, ..., y)

    Returns
    -------
    float
    """
    before, total, rows = model.training, 0.0, 0
    model.eval()
    with no_grad():
        for *inputs, target in loader:
            value = metric(model(*inputs), target)
            total += len(target) * float(getattr(value, "data", value))
            rows += len(target)
    model.train(before)
    return total / rows if rows else math.nan


def accuracy(logits, targets):
    """Share of the rows whose highest score is the true class."""
    return float(np.mean(logits.data.argmax(axis=-1) == targets))


# %% 2.1.2 book/deep_learning/safetensors.md
def split_state(state, arrays, path=""):
    """Put the arrays of nested dicts into `arrays`; return what is left."""
    if isinstance(state, np.ndarray):
        arrays[path] = state
        return {"array": path}
    if isinstance(state, np.generic):
        return state.item()
    if isinstance(state, dict):
        return {
            str(k): split_state(v, arrays, f"{path}/{k}".lstrip("/"))
            for k, v in state.items()
        }
    if isinstance(state, list | tuple):
        return [
            split_state(v, arrays, f"{path}/{i}") for i, v in enumerate(state)
        ]
    return state


def join_state(rest, arrays):
    """Undo `split_state`."""
    if isinstance(rest, dict):
        if set(rest) == {"array"} and isinstance(rest["array"], str):
            return arrays[rest["array"]]
        return {k: join_state(v, arrays) for k, v in rest.items()}
    if isinstance(rest, list):
        return [join_state(v, arrays) for v in rest]
    return rest


# %% 2.1.2 book/deep_learning/safetensors.md
def generators(model):
    """The random generators that the modules of a model draw from."""
    return {
        name: module.rng
        for name, module in model.named_modules()
        if isinstance(getattr(module, "rng", None), np.random.Generator)
    }


# %% 2.1.2 book/deep_learning/safetensors.md
class Checkpoint:
    """All that a training run needs to go on, in two files.

    Parameters
    ----------
    path : str or Path
        Without an ending; ``path.json`` names the file of the arrays.
    model : Module
    **parts
        Whatever else has `state_dict` and `load_state_dict`: the
        optimizer, the loader, the schedule.

    Notes
    -----
    Section 2.1.2.
    """

    def __init__(self, path, model, **parts):
        self.path, self.model = Path(path), model
        self.parts = {"model": model, **parts}

    def state(self):
        """The state of all parts and of the model's generators."""
        state = {name: p.state_dict() for name, p in self.parts.items()}
        state["generators"] = {
            name: rng.bit_generator.state
            for name, rng in generators(self.model).items()
        }
        return state

    def restore(self, state):
        """Give all parts the state that `state()` returned."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        for name, rng in generators(self.model).items():
            rng.bit_generator.state = state["generators"][name]

    def exists(self):
        """Whether there is something to load."""
        return self.path.with_suffix(".json").exists()


# %% 2.1.2 book/deep_learning/safetensors.md
def checkpoint_save(self, step=0, **notes):
    """Write the state, whole or not at all."""
    arrays = {}
    rest = split_state({**self.state(), "step": step, "notes": notes}, arrays)
    name = f"{self.path.name}-{step}.safetensors"
    safetensors.save_file(arrays, self.path.parent / name)
    text = json.dumps({"arrays": name, **rest})
    target = self.path.with_suffix(".json")
    safetensors.write_whole(target, [text.encode()])
    for old in self.path.parent.glob(f"{self.path.name}-*.safetensors"):
        if old.name != name:
            old.unlink(missing_ok=True)


def checkpoint_load(self):
    """Go on from the files: restore all parts, return step and notes.

    Raises
    ------
    ValueError
        If the files are damaged or do not fit; nothing is then changed.
    """
    target = self.path.with_suffix(".json")
    try:
        rest = json.loads(target.read_text())
        name = os.path.basename(rest.pop("arrays"))
        arrays = safetensors.load_file(self.path.parent / name)
        state = join_state(rest, arrays)
        step, notes = state.pop("step"), state.pop("notes")
    except (ValueError, LookupError, TypeError, AttributeError,
            OSError) as error:
        raise ValueError(f"{target}: no checkpoint: {error}") from error
    before = copy.deepcopy(self.state())
    try:
        self.restore(state)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        self.restore(before)
        raise ValueError(f"{target}: does not fit: {error}") from error
    return step, notes


Checkpoint.save, Checkpoint.load = checkpoint_save, checkpoint_load


# %% 3.1 book/generative/digit_gan.md
class AveragedModel(Module):
    """A copy of a model whose weights are a running mean of the model's.

    Parameters
    ----------
    model : Module
        Copied; it goes on training, the copy stays in eval().
    decay : float
        What the mean keeps at each update, in 0 .. 1; it remembers about
        ``1 / (1 - decay)`` steps.

    Attributes
    ----------
    module : Module
        The copy. Called, an `AveragedModel` calls it.
    n_averaged : int
        Updates so far; the first copies the weights as they are.

    Notes
    -----
    Section 3.1. PyTorch: ``torch.optim.swa_utils.AveragedModel`` with
    ``get_ema_multi_avg_fn(decay)``. Buffers are copied, not averaged.
    """

    def __init__(self, model, decay=0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in 0 .. 1, got {decay}")
        self.module, self.decay = copy.deepcopy(model).eval(), decay
        self.register_buffer("n_averaged", np.array(0))
        for p in self.module.parameters():
            p.requires_grad, p.grad, p._buffer = False, None, None

    def forward(self, *inputs, **options):
        """What the averaged model answers."""
        return self.module(*inputs, **options)


# %% 3.1 book/generative/digit_gan.md
def update_parameters(self, model):
    """Move the average towards the weights that `model` has now."""
    keep = self.decay if self.n_averaged else 0.0
    trained = dict(model.named_parameters())
    for name, p in self.module.named_parameters():
        p.data *= keep
        p.data += (1 - keep) * trained[name].data
    ours = dict(self.module.named_buffers())
    for name, array in model.named_buffers():
        ours[name][...] = array
    self.n_averaged += 1


AveragedModel.update_parameters = update_parameters
