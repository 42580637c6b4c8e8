# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Update rules: they change an array in place and return nothing."""

import numpy as np
import math
import operator
from zerobook.memory import aligned_zeros, fitting
from zerobook.autograd import Tensor, increment_version


# %% 1.1.3 book/foundations/gradient_descent.md
def sgd_update(param, grad, *, lr, scratch=None):
    """One step of gradient descent, ``param -= lr * grad``, in place.

    Derived in section 1.1.3.

    Parameters
    ----------
    param : ndarray of float
        Changed in place.
    grad : ndarray, same shape
        Slope of the loss; left as it is.
    lr : float
        Learning rate; diverges above two over the steepest curvature.
    scratch : ndarray like `param`, optional
        Room for intermediate results, so that nothing is allocated.

    Examples
    --------
    >>> weight = np.array([0.0])
    >>> sgd_update(weight, np.array([-12.0]), lr=0.1)
    >>> weight.round(6).tolist()
    [1.2]
    """
    param -= np.multiply(grad, lr, out=scratch)


# %% 1.1.3 book/foundations/momentum_and_adam.md
def momentum_update(
    param, grad, velocity, *, lr, momentum=0.9, scratch=None
):
    """One step with a velocity that remembers earlier slopes, in place.

    Derived in section 1.1.3; Polyak (1964), in PyTorch's form.

    Parameters
    ----------
    param, velocity : ndarray of float, same shape
        Changed in place; `velocity` starts as zeros.
    grad : ndarray, same shape
    lr : float
    momentum : float
        Share of the velocity that survives a step, in 0 .. 1.
    scratch : ndarray like `param`, optional

    Examples
    --------
    >>> weight, velocity = np.zeros(1), np.zeros(1)
    >>> for _ in range(2):
    ...     momentum_update(weight, np.ones(1), velocity, lr=1.0)
    >>> velocity.tolist(), weight.tolist()
    ([1.9], [-2.9])
    """
    velocity *= momentum
    velocity += grad
    param -= np.multiply(velocity, lr, out=scratch)


# %% 1.1.3 book/foundations/momentum_and_adam.md
def adam_update(
    param,
    grad,
    m,
    v,
    step,
    *,
    lr,
    betas=(0.9, 0.999),
    eps=1e-8,
    scratch=None,
):
    """One step of Adam, in place: each weight at a rate of its own.

    Derived in section 1.1.3; Kingma and Ba (2015), Algorithm 1.

    Parameters
    ----------
    param, m, v : ndarray of float, same shape
        Changed in place; `m` and `v`, the running means of the slope and
        of its square, start as zeros.
    grad : ndarray, same shape
    step : int
        Counts from 1.
    lr : float
        About the largest change of a weight in one step.
    betas : pair of float
        Share of each mean that survives a step.
    eps : float
        Keeps a weight without slope from dividing by zero.
    scratch : ndarray like `param`, optional
    """
    work = np.empty_like(param) if scratch is None else scratch
    m *= betas[0]
    m += np.multiply(grad, 1 - betas[0], out=work)
    np.multiply(grad, grad, out=work)
    work *= 1 - betas[1]
    v *= betas[1]
    v += work
    root = (1 - betas[1] ** step) ** 0.5
    np.sqrt(v, out=work)
    work += eps * root
    np.divide(m, work, out=work)
    work *= lr * root / (1 - betas[0] ** step)
    param -= work


# %% 1.1.3 book/foundations/momentum_and_adam.md
def minibatches(n, batch_size, *, rng=None):
    """Visit the rows ``0 .. n-1`` once, in random order, a batch at a time.

    Derived in section 1.1.3.

    Parameters
    ----------
    n : int
        Rows of the data.
    batch_size : int
        Rows of a batch; the last one holds what is left.
    rng : numpy.random.Generator or int, optional
        Pass one Generator through all epochs: an int gives each epoch the
        same order.

    Yields
    ------
    ndarray of int

    Examples
    --------
    >>> [len(rows) for rows in minibatches(10, 4, rng=0)]
    [4, 4, 2]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    order = np.random.default_rng(rng).permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


# %% 2.1.2 book/deep_learning/modules.md
BLOCK = 1 << 16  # numbers that one update handles at a time


class Room(np.ndarray):
    """A place in a row of gradients; each look at it is counted."""


class FlatGroup:
    """Parameters of one group laid end to end, and their gradients too.

    Every `Parameter` of the group becomes a view of the array `data`, and
    finds its gradient's place in `grad`.
    """

    def __init__(self, params):
        if len({p.data.dtype for p in params}) > 1:
            raise TypeError("the parameters of a group must share a dtype")
        sizes = [p.data.size for p in params]
        dtype = params[0].data.dtype if params else np.float32
        n, ends = (sum(sizes),), np.cumsum(sizes, dtype=int)
        self.data = aligned_zeros(n, dtype)
        self.scratch = aligned_zeros((min(n[0], BLOCK),), dtype)
        self.places = [
            (p, slice(end - n, end), self.data[end - n : end].reshape(p.shape))
            for p, n, end in zip(params, sizes, ends)
        ]
        self.fetch()
        self.clear()
        for (p, _, _), room in zip(self.places, self.rooms):
            p._buffer = room.view(np.ndarray)

    def clear(self):
        """Begin a new row of gradients; the old one stays with its holders."""
        self.grad = aligned_zeros(self.data.shape, self.data.dtype)
        row = self.grad.view(Room)
        self.rooms = [row[place].reshape(flat.shape)
                      for _, place, flat in self.places]

    def fetch(self):
        """Bring parameters that lie elsewhere back into the row."""
        moved = [place for place in self.places if place[0].data is not place[2]]
        starts = [p.data.ctypes.data for p, *_ in self.places if p.data.size]
        for p, _, flat in moved:
            if (p.data.shape, p.data.dtype) != (flat.shape, flat.dtype):
                raise ValueError(
                    f"a parameter {flat.shape} of {flat.dtype} has become "
                    f"{p.data.shape} of {p.data.dtype}: make a new optimizer")
        if moved and len(set(starts)) < len(starts):
            raise ValueError("two parameters have one array as their data: give "
                             "both layers one Parameter")
        new = [p.data.copy() for p, *_ in moved]
        for (p, _, flat), array in zip(moved, new):
            flat[...] = array
            p.data = flat

    def settled(self):
        """Whether all parameters have a gradient, and all lie in the rows."""
        return all([p._data is flat and p.grad is not None
                    and p.grad is p._buffer and p.grad.base is room
                    for (p, _, flat), room in zip(self.places, self.rooms)])

    def gather(self, steps):
        """Count a step for each parameter with a gradient.

        Parameters
        ----------
        steps : list of int
            How many steps each parameter has taken; changed in place.

        Returns
        -------
        list of (slice, int)
            Pieces of the row that have gradients, and their counts.
        """
        if self.settled() and len(set(steps)) == 1:
            steps[:] = [steps[0] + 1] * len(steps)
            return [(slice(0, self.data.size), steps[0])]
        runs = []
        if any([p._buffer is None for p, _, _ in self.places]):  # one is kept
            self.clear()
        for i, (p, place, flat) in enumerate(self.places):
            if p.data is not flat:
                self.fetch()
            if p._buffer is None or p._buffer.base is not self.rooms[i]:
                p._buffer = self.rooms[i].view(np.ndarray)
            if p.grad is None:
                continue
            if p.grad is not p._buffer:
                p._buffer[...] = p.grad
            start, steps[i] = place.start, steps[i] + 1
            if runs and (runs[-1][0].stop, runs[-1][1]) == (start, steps[i]):
                start = runs.pop()[0].start
            runs.append((slice(start, place.stop), steps[i]))
        return runs

    def finite(self):
        """Whether all gradients are finite numbers."""
        if self.settled() and math.isfinite(np.vdot(self.grad, self.grad)):
            return True
        return all(np.isfinite(p.grad).all() for p, _, _ in self.places
                   if p.grad is not None)


# %% 2.1.2 book/deep_learning/modules.md
def blocks(runs, size=BLOCK):
    """Cut slices into slices of at most `size`."""
    for run in runs:
        for start in range(run.start, run.stop, size):
            yield slice(start, min(start + size, run.stop))


# %% 2.1.2 book/deep_learning/modules.md
RANGES = {"lr": math.inf, "momentum": math.inf, "betas": 1.0,
          "eps": math.inf, "weight_decay": math.inf}  # from 0 to below this


def check_options(group):
    """Refuse values of options that cannot be meant, by name."""
    for name in RANGES.keys() & group.keys():
        value, many = group[name], 2 if name == "betas" else 1
        numbers = np.asarray(value)
        fits = numbers.dtype.kind in "iuf" and numbers.size == many
        if not fits or not ((0 <= numbers) & (numbers < RANGES[name])).all():
            raise ValueError(f"{name} must be {many} number(s) from 0 to "
                             f"below {RANGES[name]}, got {value!r}")


def listed(params, place="params"):
    """Parameters as a list; a single one is a list of one in a group."""
    if isinstance(params, Tensor | str | dict):
        raise TypeError(f"{place} must be a list of parameters, not one "
                        f"{type(params).__name__}: give model.parameters()")
    params = list(params)
    for i, p in enumerate(params):
        if not isinstance(p, Tensor) or p.dtype.kind != "f" or p._node:
            raise TypeError(f"{place}[{i}] must be a Parameter (or another "
                            "tensor of floats that was not computed), is a "
                            f"{type(p).__name__}")
    return params


# %% 2.1.2 book/deep_learning/modules.md
def checked_groups(params, defaults):
    """Groups with all their options, of parameters or of dicts."""
    if not isinstance(params, Tensor | str | dict):
        params = list(params)
    if isinstance(params, list) and params and isinstance(params[0], dict):
        groups = [dict(group) for group in params]
    else:
        groups = [{"params": listed(params)}]
    for i, group in enumerate(groups):
        odd = group.keys() - defaults.keys() - {"params", "initial_lr"}
        if odd or "params" not in group:
            raise TypeError(f"group {i}: unknown options {sorted(odd)}; known"
                            f" are params, {', '.join(defaults)}")
        group["params"] = listed(group["params"], f"params of group {i}")
        check_options(defaults | group)
    every = [id(p) for group in groups for p in group["params"]]
    if not every:
        raise ValueError("an optimizer needs at least one parameter")
    if len(set(every)) < len(every):
        raise ValueError("a parameter is listed twice")
    return [{**defaults, **group, "step": 0} for group in groups]


# %% 2.1.2 book/deep_learning/modules.md
class Optimizer:
    """What SGD, Adam and AdamW share: parameters in flat groups.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        A dict is a group with options of its own:
        ``{"params": [...], "lr": 0.1}``.
    **defaults
        Options of every group that does not name its own.

    Notes
    -----
    Section 2.1.2. A parameter without a gradient is left alone.
    """

    memory = ()  # names of the arrays kept for each parameter

    def __init__(self, params, **defaults):
        self.param_groups = checked_groups(params, defaults)
        self.flat = [FlatGroup(g["params"]) for g in self.param_groups]
        self.steps = [[0] * len(g["params"]) for g in self.param_groups]
        self.state = [
            {name: aligned_zeros(flat.data.shape, flat.data.dtype)
             for name in self.kept(group)}
            for group, flat in zip(self.param_groups, self.flat)
        ]

    def kept(self, group):
        """Which arrays of `memory` a group with these options needs."""
        return self.memory

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def finite(self):
        """Whether all gradients are finite numbers."""
        return all([flat.finite() for flat in self.flat])

    def step(self):
        """Change every parameter that has a gradient, once."""
        for i, (group, flat) in enumerate(zip(self.param_groups, self.flat)):
            for run, group["step"] in flat.gather(self.steps[i]):
                for part in blocks([run]):
                    self.update(i, part)
            group["step"] = max(self.steps[i], default=0)
            changed = [p for p in group["params"] if p.grad is not None]
            increment_version(*changed)

    def state_dict(self):
        """What a checkpoint needs: options and step counts, and the memory."""
        groups = [
            {k: v for k, v in group.items() if k != "params"} | {"steps": [*steps]}
            for group, steps in zip(self.param_groups, self.steps)
        ]
        return {"param_groups": groups, "state": self.state}

    def load_state_dict(self, state):
        """Go on where the optimiser that gave `state` stood.

        Raises
        ------
        ValueError
            If it does not fit; the optimizer is then as it was.
        """
        new = list(zip(state["param_groups"], state["state"]))
        counts = len(state["param_groups"]), len(state["state"])
        if set(counts) != {len(self.flat)}:
            raise ValueError(f"state of {counts} groups for {len(self.flat)}")
        new = [self.judged(i, *group) for i, group in enumerate(new)]
        for i, (options, steps, arrays) in enumerate(new):
            self.param_groups[i].update(options)
            self.steps[i], flat = steps, self.flat[i].data
            for name, array in arrays.items():
                room = aligned_zeros(flat.shape, flat.dtype)
                self.state[i].setdefault(name, room)[...] = array

    def judged(self, i, options, memory):
        """Options, counts and arrays of a loaded group, if they fit group `i`."""
        flat, n = self.flat[i].data, len(self.steps[i])
        group = self.param_groups[i] | options
        check_options(group)
        if not {*self.kept(group)} <= memory.keys() <= {*self.memory}:
            raise ValueError(f"group {i}: memory {[*memory]} for {self.memory}")
        arrays = {name: fitting(f"{name} of group {i}", array, flat)
                  for name, array in memory.items()}
        steps = options.get("steps", [options["step"]] * n)
        if len(steps) != n:
            raise ValueError(f"group {i}: {len(steps)} parameters for {n}")
        options = {k: v for k, v in options.items() if k != "steps"}
        return options, [operator.index(count) for count in steps], arrays


# %% 2.1.2 book/deep_learning/modules.md
class SGD(Optimizer):
    """Gradient descent with momentum on the parameters of a model.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
    lr : float
    momentum : float
        0 for none; `momentum_update` of section 1.1.3.
    weight_decay : float
        Added to the gradient, times the weight.
    """

    memory = ("velocity",)

    def __init__(self, params, lr=1e-3, momentum=0.0, weight_decay=0.0):
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay
        )

    def kept(self, group):
        """A velocity, where there is momentum."""
        return self.memory if group["momentum"] else ()

    def update(self, i, part):
        """One step of the numbers in the slice `part` of group `i`."""
        group, param = self.param_groups[i], self.flat[i].data[part]
        grad = decayed(self.flat[i].grad[part], param, group["weight_decay"])
        scratch, state = self.flat[i].scratch[: len(param)], self.state[i]
        if group["momentum"]:
            if not state:  # the momentum was 0 before
                n, dtype = self.flat[i].data.shape, param.dtype
                state["velocity"] = aligned_zeros(n, dtype)
            velocity = state["velocity"][part]
            momentum_update(param, grad, velocity, lr=group["lr"],
                            momentum=group["momentum"], scratch=scratch)
        else:
            sgd_update(param, grad, lr=group["lr"], scratch=scratch)


# %% 2.1.2 book/deep_learning/modules.md
def decayed(grad, param, weight_decay):
    """The gradient of the loss plus half `weight_decay` times the squares."""
    return grad + weight_decay * param if weight_decay else grad


# %% 2.1.2 book/deep_learning/modules.md
class Adam(Optimizer):
    """`adam_update` of section 1.1.3 on the parameters of a model.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
    lr : float
    betas : pair of float
    eps : float
    weight_decay : float
        Added to the gradient, times the weight (for decay of the weights
        themselves, see `AdamW`).
    """

    memory = ("m", "v")
    decoupled = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8,
                 weight_decay=0.0):
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay
        )

    def update(self, i, part):
        """One step of the numbers in the slice `part` of group `i`."""
        group, param = self.param_groups[i], self.flat[i].data[part]
        grad, decay = self.flat[i].grad[part], group["weight_decay"]
        if self.decoupled:
            param *= 1 - group["lr"] * decay
        else:
            grad = decayed(grad, param, decay)
        m, v = (self.state[i][name][part] for name in self.memory)
        adam_update(param, grad, m, v, group["step"], lr=group["lr"],
                    betas=group["betas"], eps=group["eps"],
                    scratch=self.flat[i].scratch[: len(param)])


class AdamW(Adam):
    """Adam whose weights shrink by ``lr * weight_decay`` at each step."""

    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8,
                 weight_decay=0.01):
        super().__init__(params, lr, betas, eps, weight_decay)


# %% 2.1.2 book/deep_learning/modules.md
def grad_norm(parameters):
    """Length of all gradients together; 0 if there are none."""
    grads = [p.grad for p in parameters if p.grad is not None]
    square = sum([float(np.vdot(g, g)) for g in grads])
    if not math.isfinite(square):  # too large a square for float32, perhaps
        square = sum(float(np.square(g, dtype=float).sum()) for g in grads)
    return math.sqrt(square)


def clip_grad_norm_(parameters, max_norm):
    """Shorten all gradients together to the length `max_norm`, if longer.

    Returns
    -------
    float
        Their length before. If it is infinite or no number, the gradients
        are left as they are.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm must be 0 or more, got {max_norm}")
    parameters = [parameters] if isinstance(parameters, Tensor) else [
        *parameters]
    norm = grad_norm(parameters)
    if max_norm < norm < math.inf:
        for p in parameters:
            if p.grad is not None:
                p.grad *= max_norm / (norm + 1e-6)
    return norm


# %% 2.1.2 book/deep_learning/modules.md
class LambdaLR:
    """Learning rates that follow a function of the number of steps.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable
        Gets the number of steps taken, gives a factor of the first rate;
        or a list of such, one for each group.

    Notes
    -----
    Section 2.1.2. A group's first rate is kept in it as `initial_lr`, so a
    schedule for a loaded optimizer does not begin at a rate that fell.
    """

    def __init__(self, optimizer, lr_lambda):
        groups, many = optimizer.param_groups, lr_lambda
        if callable(many):
            many = [many] * len(groups)
        if len(many) != len(groups):
            raise ValueError(f"{len(many)} functions, {len(groups)} groups")
        self.optimizer, self.lr_lambda = optimizer, lr_lambda
        self.lambdas = list(many)
        base = [group.setdefault("initial_lr", group["lr"])
                for group in groups]
        self._set(0, base)

    def rate(self, i, base, step):
        """The rate of group `i` after so many steps."""
        return base * self.lambdas[i](step)

    def _set(self, steps, base_lrs):
        """Stand after so many steps; nothing changes if a function fails."""
        rates = [self.rate(i, b, steps) for i, b in enumerate(base_lrs)]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.steps, self.base_lrs = steps, base_lrs

    def step(self):
        """To be called after the optimiser's step."""
        self._set(self.steps + 1, self.base_lrs)

    def state_dict(self):
        """The number of steps, and the rates it began with."""
        return {"steps": self.steps, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state):
        """Go on where another schedule stood."""
        base = [float(rate) for rate in state["base_lrs"]]
        if len(base) != len(self.base_lrs):
            raise ValueError(f"{len(base)} rates for {len(self.base_lrs)} groups")
        if operator.index(state["steps"]) < 0:
            raise ValueError(f"{state['steps']} steps")
        self._set(operator.index(state["steps"]), base)

    def get_last_lr(self):
        """The rate of each group now."""
        return [group["lr"] for group in self.optimizer.param_groups]


# %% 2.1.2 book/deep_learning/modules.md
def warmup_cosine(warmup, total, floor=0.0):
    """Factor of the rate: up in a line, down along half a cosine.

    Parameters
    ----------
    warmup, total : int
        Steps until the full rate, and until the floor.
    floor : float
        Factor at the end and after.

    Returns
    -------
    callable
        For `LambdaLR`.
    """

    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        share = min((step - warmup) / max(total - warmup, 1), 1.0)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))

    return factor


# %% 2.1.2 book/deep_learning/modules.md
class StepLR(LambdaLR):
    """Multiply the rate by `gamma` every `step_size` steps."""

    def __init__(self, optimizer, step_size, gamma=0.1):
        if operator.index(step_size) < 1:
            raise ValueError(f"step_size must be 1 or more, got {step_size}")
        super().__init__(optimizer, lambda t: gamma ** (t // step_size))


class MultiStepLR(LambdaLR):
    """Multiply the rate by `gamma` at each of the steps `milestones`."""

    def __init__(self, optimizer, milestones, gamma=0.1):
        at = [operator.index(m) for m in milestones]
        super().__init__(optimizer, lambda t: gamma ** sum(m <= t for m in at))


class ExponentialLR(LambdaLR):
    """Multiply the rate by `gamma` at every step."""

    def __init__(self, optimizer, gamma):
        super().__init__(optimizer, lambda t: gamma**t)


# %% 2.1.2 book/deep_learning/modules.md
class CosineAnnealingLR(LambdaLR):
    """Half a cosine from the full rate to `eta_min` in `T_max` steps."""

    def __init__(self, optimizer, T_max, eta_min=0.0):
        if operator.index(T_max) < 1:
            raise ValueError(f"T_max must be 1 or more, got {T_max}")
        self.eta_min = eta_min
        super().__init__(optimizer, warmup_cosine(0, T_max))

    def rate(self, i, base, step):
        """The rate of group `i` after so many steps."""
        share = self.lambdas[i](step)
        return self.eta_min + (base - self.eta_min) * share
