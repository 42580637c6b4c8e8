# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The training loop, evaluation, and checkpoints."""

import itertools
import math
import sys
import numpy as np
from zerobook.autograd import no_grad
from zerobook.data import as_array
from zerobook.optim import clip_grad_norm_
import copy
import json
from pathlib import Path
from zerobook import safetensors
import os
import mmap
from zerobook.autograd import Tensor, from_op, grad_enabled
from zerobook.nn.module import Module, Parameter, as_module
import multiprocessing
import signal
import threading
import time
import contextlib
import ctypes
import functools
import weakref
from zerobook.nn.module import Module, as_module
from zerobook.data import DataLoader, TensorDataset
from zerobook.optim import AdamW, LambdaLR, warmup_cosine


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


# %% 2.1.2 book/deep_learning/safetensors.md
def split_state(state, arrays, path=""):
    """Put the arrays of nested dicts into `arrays`; return what is left.

    A TypeError names what cannot be read back as it was. Section 2.1.2.
    """
    if type(state) in (np.ndarray, np.memmap):
        name = path
        while name in arrays:
            name += "'"
        arrays[name] = state
        return {"$array": name}
    if isinstance(state, np.bool_ | np.integer | np.floating):
        state = state.item()
    if isinstance(state, list | tuple):
        rest = [split_state(v, arrays, f"{path}/{i}")
                for i, v in enumerate(state)]
        return {"$tuple": rest} if isinstance(state, tuple) else rest
    if isinstance(state, dict):
        return split_dict(state, arrays, path)
    if state is None or isinstance(state, bool | int | float | str):
        return state
    raise TypeError(f"{path}: a checkpoint cannot hold {state!r:.80}")


# %% 2.1.2 book/deep_learning/safetensors.md
def split_dict(state, arrays, path):
    """`split_state` of a dict."""
    rest = {k: split_state(v, arrays, f"{path}/{k}".lstrip("/"))
            for k, v in state.items()}
    texts = all(isinstance(k, str) for k in rest)
    if texts and not (len(rest) == 1 and min(rest).startswith("$")):
        return rest
    return {"$dict": [[split_state(k, arrays, f"{path}, a key"), v]
                      for k, v in rest.items()]}


# %% 2.1.2 book/deep_learning/safetensors.md
def join_state(rest, arrays):
    """Undo `split_state`."""
    if isinstance(rest, list):
        return [join_state(v, arrays) for v in rest]
    if not isinstance(rest, dict):
        return rest
    mark, inner = next(iter(rest.items()), ("", None))
    if len(rest) != 1 or not mark.startswith("$"):
        return {k: join_state(v, arrays) for k, v in rest.items()}
    if mark == "$array":
        return arrays[inner]
    inner = join_state(inner, arrays)
    return {"$tuple": tuple, "$dict": dict}[mark](inner)


# %% 2.1.2 book/deep_learning/safetensors.md
def generators(model):
    """The random generators that the modules of a model draw from."""
    return {
        name: module.rng
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(getattr(module, "rng", None), np.random.Generator)
    }


# %% 2.1.2 book/deep_learning/safetensors.md
class Checkpoint:
    """All that a training run needs to go on, in one file.

    Parameters
    ----------
    path : str or Path
        Without an ending; the file is ``path.safetensors``.
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
        if self.path.name in ("", ".."):
            raise ValueError(f"a checkpoint needs a name, not {path!r}")
        if "generators" in parts:
            raise ValueError("a part cannot be called generators")
        self.file = self.path.with_name(self.path.name + ".safetensors")
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
        return self.file.exists() or earlier_file(self.path) is not None

    def save(self, step=0, **notes):
        """Write the state, whole or not at all.

        Parameters
        ----------
        step : int
        **notes
            Whatever else `load` shall return: numbers, texts, arrays, None, and
            lists, tuples and dicts of them.

        Raises
        ------
        TypeError, ValueError
            For a note or a state that cannot be read back as it was.
        FileExistsError
            If the file is there and no checkpoint.
        OSError
            If the disk is full, for instance.

        Each leaves the checkpoint that was there.
        """
        self.check_owner()
        arrays = {REST: None}  # so that no other array takes the name
        whole = {"parts": self.state(), "step": step, "notes": notes}
        try:
            text = json.dumps(split_state(whole, arrays))
            json.loads(text)
        except RecursionError:
            raise ValueError("the state is nested too deep") from None
        arrays[REST] = np.frombuffer(text.encode(), np.uint8)
        safetensors.save_file(arrays, self.file, MARK)

    def check_owner(self):
        """FileExistsError if the file is there and no checkpoint wrote it."""
        try:
            owned = safetensors.load_metadata(self.file) == MARK
        except FileNotFoundError:
            return
        except ValueError:
            owned = False
        if not owned:
            raise FileExistsError(f"{self.file} is there and is no checkpoint")

    def load(self):
        """Go on from the file: restore all parts, return step and notes.

        Raises
        ------
        ValueError
            If the file is damaged or does not fit; nothing is then changed.
        """
        file = self.file
        try:
            if not file.exists() and earlier_file(self.path) is not None:
                file = earlier_file(self.path)
                whole = read_earlier(file)
            else:
                whole = read_checkpoint(file)
            state, step, notes = (whole[k] for k in ("parts", "step", "notes"))
        except (ValueError, LookupError, TypeError, AttributeError,
                OSError) as error:
            raise ValueError(f"{file}: no checkpoint: {error}") from error
        before = copy.deepcopy(self.state())
        try:
            self.restore(state)
        except BaseException as error:
            self.restore(before)
            if not isinstance(error, Exception):
                raise  # somebody wants to stop
            raise ValueError(f"{file}: does not fit: {error}") from error
        return step, notes


# %% 2.1.2 book/deep_learning/safetensors.md
MARK = {"zerobook": "checkpoint"}
REST = "state.json"  # the name of the text among the arrays


# %% 2.1.2 book/deep_learning/safetensors.md
def read_checkpoint(file):
    """What `Checkpoint.save` put into a file."""
    if safetensors.load_metadata(file) != MARK:
        raise ValueError("no checkpoint wrote this file")
    arrays = safetensors.load_file(file)
    return join_state(json.loads(arrays.pop(REST).tobytes()), arrays)


# %% 2.1.2 book/deep_learning/safetensors.md
def earlier_file(path):
    """The JSON file of a checkpoint in two files, if it is this one's."""
    try:
        file = path.with_suffix(".json")
        table = json.loads(file.read_bytes())
        owner, _, step = table["arrays"].rpartition("-")
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        return None
    right = owner == path.name and step == f"{table.get('step')}.safetensors"
    return file if right else None


def read_earlier(file):
    """The same as `read_checkpoint`, from two files."""
    def join(rest):
        if isinstance(rest, list):
            return [join(v) for v in rest]
        if not isinstance(rest, dict):
            return rest
        if list(rest) == ["array"] and isinstance(rest["array"], str):
            return arrays[rest["array"]]
        return {k: join(v) for k, v in rest.items()}

    table = json.loads(file.read_bytes())
    name = os.path.basename(table.pop("arrays"))
    arrays = safetensors.load_file(file.parent / name)
    step, notes = table.pop("step"), join(table.pop("notes"))
    return {"parts": join(table), "step": step, "notes": notes}


# %% 2.1.2 book/deep_learning/two_cores.md
def shared_like(arrays):
    """Arrays of the same shapes, in memory that forked processes share."""
    room = [-(-a.nbytes // 64) * 64 for a in arrays]
    memory = mmap.mmap(-1, max(sum(room), 1))
    starts = np.cumsum([0, *room])
    return [np.ndarray(a.shape, a.dtype, memory, start)
            for a, start in zip(arrays, starts)]


class Replica:
    """A copy of a model: the weights of `weights`, gradients of its own."""

    def __init__(self, model, weights):
        self.params, self.grads = [], shared_like(weights)
        for weight, grad in zip(weights, self.grads):
            self.params.append(Parameter(weight, dtype=weight.dtype))
            self.params[-1]._buffer = grad.view()
        twins = zip(model.parameters(), self.params)
        self.model = copy.deepcopy(model, {id(p): twin for p, twin in twins})
        self.ticket = self.output = None

    def forward(self, ticket, inputs, training, wanted, seeds):
        """Run some rows; the output as an array."""
        for module, mode in zip(self.model.modules(), training):
            module.training = mode
        for p, requires_grad in zip(self.params, wanted):
            p.requires_grad = requires_grad
        for rng, seed in zip(own_generators(self.model), seeds):
            rng.bit_generator.state = type(rng.bit_generator)(seed).state
        self.ticket, self.output = ticket, self.model(*inputs)
        return self.output.data

    def backward(self, ticket, g):
        """Send `g` back; says which parameters have a gradient now."""
        if ticket != self.ticket:
            raise RuntimeError("another batch went through the model before "
                               "backward() was called for this one")
        for p in self.params:
            p.grad = None
        self.output.backward(g)
        self.output = None
        return [p.grad is not None for p in self.params]


# %% 2.1.2 book/deep_learning/two_cores.md
def own_generators(model):
    """The generators that the modules of a model draw from, each once."""
    return list({id(r): r for r in generators(model).values()}.values())


# %% 2.1.2 book/deep_learning/two_cores.md
PATIENCE = 0.005
RETREAT = 0.5


class Receiver:
    """Takes messages out of pipes, awake for them while its core is free.

    Parameters
    ----------
    patience : float
        For how many seconds it stays awake, before it sleeps till one comes.
    retreat : float, optional
        For how many seconds it sleeps at once, after its core was wanted.
    """

    def __init__(self, patience, retreat=RETREAT):
        self.patience, self.retreat = patience, retreat
        self.awake_from = 0.0

    def __call__(self, pipe):
        now = time.perf_counter()
        end = now + self.patience
        while self.awake_from <= now < end and not pipe.poll():
            os.sched_yield()  # whoever needs this core may have it
            before, now = now, time.perf_counter()
            if now - before > 0.001:  # somebody did
                self.awake_from = now + self.retreat
        return pipe.recv()


# %% 2.1.2 book/deep_learning/two_cores.md
def serve(replica, pipe, receive):
    """What a worker does until its pipe is closed: take a task, answer."""
    while True:
        try:
            task, *arguments = receive(pipe)
            try:
                answer = getattr(replica, task)(*arguments), None
            except Exception as error:
                answer = None, f"{type(error).__name__}: {error}"
            pipe.send(answer)
        except (EOFError, OSError):
            return


def serve_apart(replica, pipe, receive, other_end):
    """`serve` in a process of its own."""
    other_end.close()  # else the pipe would outlive the caller
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with blas_threads(1):
        serve(replica, pipe, receive)


# %% 2.1.2 book/deep_learning/two_cores.md
def hire(replica, apart, receive):
    """Start a worker, a process or a thread; it, and our end of the pipe."""
    here, there = multiprocessing.Pipe()
    if apart:
        kind = multiprocessing.get_context("fork").Process
        worker = kind(target=serve_apart,
                      args=(replica, there, receive, here))
    else:
        worker = threading.Thread(target=serve,
                                  args=(replica, there, receive))
    worker.daemon = True
    worker.start()
    if apart:
        there.close()  # its copy is the worker's
    return worker, here


def dismiss(team):
    """Close the pipes, which ends the workers; processes do not linger."""
    while team:
        worker, pipe = team.pop()
        pipe.close()
        if not isinstance(worker, threading.Thread):
            worker.terminate()
            worker.join()


# %% 2.1.2 book/deep_learning/two_cores.md
@functools.cache
def openblas():
    """The functions that get and set the threads of NumPy's OpenBLAS."""
    folder = Path(np.__file__).parent
    for path in [*folder.parent.glob("numpy.libs/*openblas*"),
                 *folder.glob(".dylibs/*openblas*")]:
        library = ctypes.CDLL(str(path))
        for name in ("scipy_openblas_{}_num_threads64_",
                     "openblas_{}_num_threads64_", "openblas_{}_num_threads"):
            if hasattr(library, name.format("set")):
                return [getattr(library, name.format(verb))
                        for verb in ("get", "set")]
    return lambda: 1, lambda n: None


@contextlib.contextmanager
def blas_threads(n):
    """Let a matrix product use `n` threads, for the time of a block.

    Does nothing where NumPy brings no OpenBLAS; set the library's variable
    (``MKL_NUM_THREADS``, ``VECLIB_MAXIMUM_THREADS``) before Python starts.
    """
    get, set_ = openblas()
    before = get()
    set_(n)
    try:
        yield
    finally:
        set_(before)


# %% 2.1.2 book/deep_learning/two_cores.md
class DataParallel(Module):
    """A model that shares the rows of each batch out among workers.

    Parameters
    ----------
    module : Module
        Takes arrays whose first axis counts rows; its output, a Tensor, has
        a row for each, which depends on that row of the inputs alone.
    replicas : int
        How many copies work at a time; one of them in the caller's thread.
    workers : {"processes", "threads"}, optional
        Processes are quicker, and the default on Linux; they are forked, so
        other systems have threads.

    Raises
    ------
    RuntimeError
        From a batch on which a worker fails, with its error, or dies. The
        workers then end, and the next batch starts new ones.

    Notes
    -----
    Section 2.1.2. Under `no_grad` the model runs undivided. Batch norm sees
    the rows of a share alone, and keeps the averages of the first. Between
    two batches, `backward` must have been called for the first. Save the
    weights of `module`. ``with DataParallel(net) as model:`` ends the workers
    with the block, `close` at once.
    """

    def __init__(self, module, replicas=2, workers=None):
        if replicas < 1:
            raise ValueError(f"replicas must be 1 or more: {replicas}")
        if workers is None:
            workers = "processes" if sys.platform == "linux" else "threads"
        if workers not in ("processes", "threads"):
            raise ValueError(f"workers={workers!r}: processes or threads")
        self.module = as_module(module, "what DataParallel shares out")
        self.replicas, self.workers = replicas, workers
        self.team, self.ticket = [], 0
        weakref.finalize(self, dismiss, self.team)

    def hire_all(self):
        """Copy the model and start the workers, unless they are there."""
        if self.team:
            return
        self.weights = shared_like([p.data for p in self.module.parameters()])
        copies = [Replica(self.module, self.weights)
                  for _ in range(1, self.replicas)]
        self.grads = [replica.grads for replica in copies]
        apart = self.workers == "processes"
        self.receive = Receiver(PATIENCE if apart else 0.0)
        for replica in copies:
            self.team.append(hire(replica, apart, self.receive))

    def close(self):
        """End the workers."""
        dismiss(self.team)

    def __enter__(self): return self
    def __exit__(self, *error): return self.close()

    def together(self, task, errands, own):
        """Every worker does `task`, each by its errand, while we do `own`."""
        pipes = [pipe for _, pipe in self.team][: len(errands)]
        try:
            with blas_threads(1):
                for pipe, errand in zip(pipes, errands):
                    pipe.send((task, self.ticket, *errand))
                mine = own()
                answers = [self.receive(pipe) for pipe in pipes]
            for i, (_, error) in enumerate(answers, 1):
                if error:
                    raise RuntimeError(f"replica {i} of {self.replicas}: {error}")
        except (EOFError, ConnectionError):
            self.close()
            raise RuntimeError(f"a worker died during {task}") from None
        except BaseException:
            self.close()
            raise
        return mine, [result for result, _ in answers]

    def forward(self, *inputs):
        """The output for a batch; each worker has its share of the rows."""
        if not grad_enabled() or self.replicas == 1:
            return self.module(*inputs)
        shares, params = cut_rows(inputs, self.replicas), self.parameters()
        self.hire_all()
        self.ticket += 1
        for p, weight in zip(params, self.weights, strict=True):
            np.copyto(weight, p.data)
        modes = [m.training for m in self.module.modules()]
        wanted = [p.requires_grad for p in params]
        rngs = own_generators(self.module)
        errands = [(share, modes, wanted, [int(r.integers(2**63)) for r in rngs])
                   for share in shares[1:]]
        mine, others = self.together("forward", errands,
                                     lambda: self.module(*shares[0]))
        y, joints = in_one([mine.data, *others], shares)
        ticket = self.ticket

        def backward(g):
            return self.send_back(ticket, mine, np.split(g, joints))

        return from_op(y, tuple(params), backward)

    def send_back(self, ticket, mine, pieces):
        """Each worker sends its piece of the gradient back; then the sum."""
        if ticket != self.ticket or not self.team and len(pieces) > 1:
            raise RuntimeError("another batch went through the model before "
                               "backward() was called for this one")
        _, reached = self.together("backward", [(g,) for g in pieces[1:]],
                                   lambda: mine.backward(pieces[0]))
        totals = [None] * len(self.weights)
        for flags, grads in zip(reached, self.grads):
            for i in np.flatnonzero(flags):
                totals[i] = grads[i] + (0 if totals[i] is None else totals[i])
        return tuple(totals)


# %% 2.1.2 book/deep_learning/two_cores.md
def cut_rows(inputs, n):
    """The rows of all inputs in at most `n` shares, none of them empty."""
    if any(getattr(x, "requires_grad", False) for x in inputs):
        raise TypeError("DataParallel gives no gradient to its inputs")
    arrays = [np.asarray(x.data if isinstance(x, Tensor) else x)
              for x in inputs]
    if len({a.shape[:1] for a in arrays}) != 1 or not arrays[0].ndim:
        raise ValueError(f"inputs {[a.shape for a in arrays]}: the first axis "
                         "counts rows, as many in each")
    n = max(1, min(n, len(arrays[0])))
    return list(zip(*(np.array_split(a, n) for a in arrays)))


def in_one(outputs, shares):
    """Outputs end to end, and the places where they were joined."""
    for y, (x, *_) in zip(outputs, shares):
        if not y.ndim or len(y) != len(x):
            raise ValueError(f"output {y.shape} for {len(x)} rows")
    return np.concatenate(outputs), np.cumsum([len(y) for y in outputs])[:-1]


# %% 2.1.2 book/deep_learning/two_cores.md
def keep_heap():
    """Keep freed memory for the next step, for as long as the program runs.

    Worth a call before a long training: arrays of more than 128 kB are
    otherwise handed back to the system and asked for anew.

    Returns
    -------
    bool
        Whether it could be done; glibc on Linux is the library that can.

    Notes
    -----
    Section 2.1.2. The process keeps its largest size, so a program that
    needs much memory once and little of it later should not call this.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
    return all(
        [mallopt(M_MMAP_THRESHOLD, 1 << 30),
         mallopt(M_TRIM_THRESHOLD, 1 << 30),
         mallopt(M_ARENA_MAX, 1)]
    )


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
