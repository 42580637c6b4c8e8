# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The training loop and evaluation."""

import itertools
import math
import sys
import numpy as np
from zerobook.autograd import no_grad
from zerobook.data import as_array
from zerobook.optim import clip_grad_norm_
import copy
from zerobook.nn.module import Module, as_module
from zerobook.data import DataLoader, TensorDataset
from zerobook.optim import AdamW, LambdaLR, warmup_cosine
from zerobook.moved import MOVED, find


# %% 2.1.2 book/deep_learning/training.md
class NotANumber(ArithmeticError):
    """The loss has become infinite or no number at all."""


def train_step(model, loss, batch, optimizer, *, clip=None, schedule=None):
    """Forward, backward, and one step; returns the loss as a float."""
    if not isinstance(batch, tuple | list):
        raise TypeError(f"a batch is a tuple (X, ..., y), not one "
                        f"{type(batch).__name__}")
    *inputs, target = batch
    optimizer.zero_grad()
    value = loss(model(*inputs), target)
    number = value.item()
    if not math.isfinite(number):
        raise NotANumber(f"the loss is {number}")
    value.backward()
    judge_gradients(model, clip, optimizer)
    optimizer.step()
    if schedule is not None:
        schedule.step()
    return number


# %% 2.1.2 book/deep_learning/training.md
def judge_gradients(model, clip, optimizer):
    """Refuse gradients that are not finite; shorten those that are long."""
    if clip is None:
        finite = optimizer.finite()
    else:
        finite = math.isfinite(clip_grad_norm_(model.parameters(), clip))
    if not finite:
        names = [name for name, p in model.named_parameters()
                 if p.grad is not None and not np.isfinite(p.grad).all()]
        raise NotANumber(f"the gradient of {', '.join(names)} is not finite")


# %% 2.1.2 book/deep_learning/training.md
def numbered_step(step, *batch, **options):
    """`train_step`, whose complaint says which step it was."""
    try:
        return train_step(*batch, **options)
    except NotANumber as error:
        raise NotANumber(f"step {step}: {error}") from None


# %% 2.1.2 book/deep_learning/training.md
def fit(model, loss, loader, optimizer, *, epochs=1, schedule=None,
        clip=None, after_step=None, after_epoch=None, progress=False,
        first_step=0):
    """Train a model (section 2.1.2): the loss of every step, before it.

    NotANumber names the step at which the loss is infinite or no number.

    Parameters
    ----------
    model, optimizer : Module, Optimizer
    loss : callable, ``loss(model(X), y)`` is a Tensor of one number
    loader : DataLoader
        Yields ``(X, y)``; more inputs than one may stand before the target.
    epochs : int
        How many passes in all; a resumed run counts those before.
    schedule, clip : LambdaLR, float, optional
        Stepped after every step; the largest length of the gradient.
    after_step, after_epoch : callable, optional
        Called as ``after_step(step, loss)``, and as ``after_epoch(epoch)``
        with the model set to eval().
    progress, first_step : bool, int
        A line on stderr; steps taken by the run that this one resumes.
    """
    curve, step, total = [], first_step, epochs * len(loader)
    if not total:
        raise ValueError(f"no step to take: {epochs} epochs of {len(loader)} "
                         "batches")
    modes = modes_of(model if model.training else model.train())
    while step < total:
        set_modes(modes)
        before = step
        for batch in itertools.islice(loader, total - step):
            number = numbered_step(step, model, loss, batch, optimizer,
                                   clip=clip, schedule=schedule)
            step += 1
            curve.append(number)
            if progress:
                show_progress(step, total, number)
            if after_step is not None:
                after_step(step, number)
        if after_epoch is not None and step > before:
            model.eval()
            after_epoch(step // len(loader))
    model.eval()
    return curve


# %% 2.1.2 book/deep_learning/training.md
def modes_of(model):
    """Pairs of every part of a model and whether it is in training."""
    return [(module, module.training) for module in model.modules()]


def set_modes(modes):
    """Undo what happened to the modes since `modes_of`."""
    for module, training in modes:
        module.training = training


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


# %% 2.1.2 book/deep_learning/training.md
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
    modes, total, rows = modes_of(model), 0.0, 0
    model.eval()
    try:
        with no_grad():
            for *inputs, target in loader:
                value = metric(model(*inputs), target)
                total += len(target) * float(as_array(value, "the metric"))
                rows += len(target)
    finally:
        set_modes(modes)
    return total / rows if rows else math.nan


def accuracy(logits, targets):
    """Share of the rows whose highest score is the true class.

    Parameters
    ----------
    logits : Tensor or ndarray of shape (..., K)
    targets : Tensor or ndarray of int, shape (...)
    """
    scores, classes = as_array(logits, "logits"), as_array(targets, "targets")
    if classes.shape != scores.shape[:-1]:
        raise ValueError(f"targets {classes.shape} for scores {scores.shape}")
    return float(np.mean(scores.argmax(axis=-1) == classes))


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
        as_module(model, "what is averaged")
        self.module, self.decay = copy.deepcopy(model).eval(), decay
        self.register_buffer("n_averaged", np.array(0))
        for p in self.module.parameters():
            p.requires_grad, p.grad, p._buffer = False, None, None

    def forward(self, *inputs, **options):
        """What the averaged model answers."""
        return self.module(*inputs, **options)

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


# %% 3.4 book/generative/denoising.md
class OwnLoss(Module):
    """A model that answers a batch with its own loss, as `fit` wants it."""

    def __init__(self, model, rng):
        self.model, self.rng = model, rng

    def forward(self, *batch):
        """``model.loss(*batch, rng=rng)``."""
        return self.model.loss(*batch, rng=self.rng)


# %% 3.4 book/generative/denoising.md
def fit_by_loss(model, X, y=None, *, epochs, batch_size=128, lr=3e-3,
                decay=0.998, rng=None, progress=False):
    """Train a model that brings its own loss, ``model.loss(X, y, rng=rng)``.

    Parameters
    ----------
    model : Module
        Trained in place, by AdamW with clipped gradients; the rate rises
        for 100 steps and falls along half a cosine.
    X, y : ndarray of shape (N, ...)
        `y` may be left out.
    epochs, batch_size : int
    lr : float
    decay : float
        What the running mean of the weights keeps at each step.
    rng : Generator or int, optional
        Draws the batches, and whatever the loss draws.
    progress : bool
        As for `fit`.

    Returns
    -------
    averaged : Module
        A copy of the model with the running mean of its weights.
    curve : list of float
        The loss of every step, before that step.

    Notes
    -----
    Section 3.4.
    """
    rng, size = np.random.default_rng(rng), min(batch_size, len(X))
    rows = TensorDataset(*((X, X) if y is None else (X, y, X)))
    loader = DataLoader(rows, size, shuffle=True, rng=rng, drop_last=True)
    rule = AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    schedule = LambdaLR(rule, warmup_cosine(100, epochs * len(loader)))
    average = AveragedModel(model, decay)
    curve = fit(OwnLoss(model, rng), lambda loss, _: loss, loader, rule,
                epochs=epochs, schedule=schedule, clip=1.0,
                after_step=lambda *_: average.update_parameters(model),
                progress=progress)
    return average.module, curve


# %% book/given/package.md
def __getattr__(name):
    """What stood here once."""
    return find(__name__, name, MOVED)
