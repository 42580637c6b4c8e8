# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""A model that shares its batches out among processes or threads."""

import copy
import mmap
import numpy as np
from zerobook.autograd import Tensor, from_op, grad_enabled
from zerobook.nn.module import Module, Parameter, as_module
from zerobook.checkpoint import generators
import multiprocessing
import os
import signal
import threading
import time
import contextlib
import ctypes
import functools
from pathlib import Path
import sys
import weakref


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
            os.sched_yield()  # another program may have this core
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
