# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Update rules: they change an array in place and return nothing."""

import numpy as np
from zerobook.memory import aligned_zeros
import math


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
        self.data, self.grad = aligned_zeros(n, dtype), aligned_zeros(n, dtype)
        self.scratch = aligned_zeros((min(n[0], BLOCK),), dtype)
        self.places = [
            (p, slice(end - n, end), self.data[end - n : end], view)
            for p, n, end in zip(params, sizes, ends)
            for view in [self.grad[end - n : end].reshape(p.data.shape)]
        ]
        self.gather()

    def gather(self):
        """Fetch what lies elsewhere; return the slices that have gradients."""
        runs = []
        for p, place, flat, grad in self.places:
            if p.data.base is not self.data.base:
                flat[:] = p.data.ravel()
                p.data = flat.reshape(p.data.shape)
            p._buffer = grad
            if p.grad is None:
                continue
            if p.grad is not grad:
                grad[...] = p.grad
            start = place.start
            if runs and runs[-1].stop == start:
                start = runs.pop().start
            runs.append(slice(start, place.stop))
        return runs


# %% 2.1.2 book/deep_learning/modules.md
def blocks(runs, size=BLOCK):
    """Cut slices into slices of at most `size`."""
    for run in runs:
        for start in range(run.start, run.stop, size):
            yield slice(start, min(start + size, run.stop))


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
        params = list(params)
        if not params:
            raise ValueError("an optimiser needs at least one parameter")
        if not isinstance(params[0], dict):
            params = [{"params": params}]
        self.param_groups = []
        for group in params:
            group = {**defaults, **group, "step": 0}
            group["params"] = list(group["params"])
            self.param_groups.append(group)
        self.flat = [FlatGroup(g["params"]) for g in self.param_groups]
        self.state = [
            {name: aligned_zeros(flat.data.shape, flat.data.dtype)
             for name in self.memory}
            for flat in self.flat
        ]

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None


# %% 2.1.2 book/deep_learning/modules.md
def optimizer_step(self):
    """Change every parameter that has a gradient, once."""
    for i, (group, flat) in enumerate(zip(self.param_groups, self.flat)):
        runs = flat.gather()
        group["step"] += 1
        for part in blocks(runs):
            self.update(i, part)


def optimizer_state_dict(self):
    """What a checkpoint needs: options and step counts, and the memory."""
    groups = [
        {k: v for k, v in group.items() if k != "params"}
        for group in self.param_groups
    ]
    return {"param_groups": groups, "state": self.state}


def optimizer_load_state_dict(self, state):
    """Go on where the optimiser that gave `state` stood."""
    shapes = [{k: v.shape for k, v in s.items()} for s in self.state]
    theirs = [{k: np.shape(v) for k, v in s.items()} for s in state["state"]]
    if shapes != theirs:
        raise ValueError(f"state of shapes {theirs} for shapes {shapes}")
    for mine, options in zip(self.param_groups, state["param_groups"]):
        mine.update(options)
    for mine, arrays in zip(self.state, state["state"]):
        for name, array in arrays.items():
            mine[name][...] = array


Optimizer.step = optimizer_step
Optimizer.state_dict = optimizer_state_dict
Optimizer.load_state_dict = optimizer_load_state_dict


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
        if not momentum:
            self.memory = ()
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay
        )

    def update(self, i, part):
        """One step of the numbers in the slice `part` of group `i`."""
        group, param = self.param_groups[i], self.flat[i].data[part]
        grad = decayed(self.flat[i].grad[part], param, group["weight_decay"])
        scratch = self.flat[i].scratch[: len(param)]
        if "velocity" in self.state[i]:
            velocity = self.state[i]["velocity"][part]
            momentum_update(param, grad, velocity, lr=group["lr"],
                            momentum=group["momentum"], scratch=scratch)
        else:
            sgd_update(param, grad, lr=group["lr"], scratch=scratch)


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
def clip_grad_norm_(parameters, max_norm):
    """Shorten all gradients together to the length `max_norm`, if longer.

    Returns
    -------
    float
        Their length before.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = np.sqrt(sum(float(np.vdot(g, g)) for g in grads))
    if norm > max_norm:
        for g in grads:
            g *= max_norm / (norm + 1e-6)
    return norm


# %% 2.1.2 book/deep_learning/modules.md
class LambdaLR:
    """Learning rates that follow a function of the number of steps.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable
        Gets the number of steps taken, gives a factor of the first rate.
    """

    def __init__(self, optimizer, lr_lambda):
        self.optimizer, self.lr_lambda, self.steps = optimizer, lr_lambda, 0
        self.base_lrs = [g["lr"] for g in optimizer.param_groups]
        self._set()

    def _set(self):
        factor = self.lr_lambda(self.steps)
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = lr * factor

    def step(self):
        """To be called after the optimiser's step."""
        self.steps += 1
        self._set()

    def state_dict(self):
        """The number of steps, and the rates it began with."""
        return {"steps": self.steps, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state):
        """Go on where another schedule stood."""
        self.steps, self.base_lrs = state["steps"], list(state["base_lrs"])
        self._set()


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


def StepLR(optimizer, step_size, gamma=0.1):
    """Multiply the rate by `gamma` every `step_size` steps."""
    return LambdaLR(optimizer, lambda step: gamma ** (step // step_size))


def CosineAnnealingLR(optimizer, T_max):
    """Half a cosine from the full rate to zero in `T_max` steps."""
    return LambdaLR(optimizer, warmup_cosine(0, T_max))
