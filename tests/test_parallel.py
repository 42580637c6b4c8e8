"""Shared batches: equal to undivided ones, and no worker left behind."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import oracle
from zerobook import functional, nn, optim
from zerobook.autograd import Tensor, no_grad
from zerobook.data import DataLoader, TensorDataset
from zerobook.parallel import DataParallel, Receiver, blas_threads
from zerobook.training import accuracy, evaluate, fit, train_step

threadpoolctl = oracle("threadpoolctl")
LINUX = sys.platform == "linux"
BOTH = pytest.mark.parametrize(
    "workers", ["threads", *(["processes"] if LINUX else [])]
)


def make(dtype="float64", p=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(4, 8, rng=rng, dtype=dtype), nn.Tanh(), nn.Dropout(p, rng=5),
        nn.Linear(8, 3, rng=rng, dtype=dtype),
    )


def rows(n, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)).astype(dtype), rng.integers(0, 3, n)


def gradients(model, X, y, loss=functional.cross_entropy):
    model.zero_grad()
    value = loss(model(X), y)
    value.backward()
    return [value.data] + [p.grad for p in model.parameters()]


def same(found, wanted, tolerance=1e-12):
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def settle(condition, seconds=5.0):
    """Wait until something is true; whether it came true."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


# ---- equal to the undivided batch


@settings(max_examples=15)
@given(n=st.integers(1, 9), replicas=st.integers(1, 4), seed=st.integers(0, 9))
def test_shared_gradients_are_those_of_the_batch(n, replicas, seed):
    net, (X, y) = make(seed=seed), rows(n, seed)
    wanted = [g.copy() for g in gradients(net, X, y)]
    with DataParallel(net, replicas, "threads") as model:
        same(gradients(model, X, y), wanted)


@BOTH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_unequal_shares_count_by_their_rows(workers, dtype):
    net, (X, y) = make(dtype), rows(7, dtype=dtype)
    wanted = [g.copy() for g in gradients(net, X, y)]
    with DataParallel(net, 3, workers) as model:
        same(gradients(model, X, y), wanted, 1e-12 if dtype[-2:] == "64"
             else 1e-5)


@BOTH
def test_any_loss_will_do_not_a_mean_alone(workers):
    def loudest(y_hat, y):
        return (y_hat * y_hat).sum() + y_hat.max()

    net, (X, y) = make(), rows(5)
    wanted = [g.copy() for g in gradients(net, X, y, loudest)]
    with DataParallel(net, 2, workers) as model:
        same(gradients(model, X, y, loudest), wanted)


def test_rows_that_are_no_neighbours_in_memory_are_shared_too():
    net, (X, y) = make(), rows(12)
    X, y = X[::-2], y[::-2]
    wanted = [g.copy() for g in gradients(net, X, y)]
    with DataParallel(net, 2, "threads") as model:
        same(gradients(model, Tensor(X, dtype="float64"), y), wanted)


def test_a_batch_without_rows_passes_through():
    with DataParallel(make(), 2, "threads") as model:
        assert model(np.zeros((0, 4))).shape == (0, 3)


def test_gradients_add_up_until_they_are_forgotten():
    net, (X, y) = make(), rows(6)
    wanted = [2 * g for g in gradients(net, X, y)][1:]
    with DataParallel(net, 2, "threads") as model:
        model.zero_grad()
        for _ in range(2):
            functional.cross_entropy(model(X), y).backward()
        same([p.grad for p in net.parameters()], wanted)


def test_a_frozen_parameter_stays_without_gradient():
    net, (X, y) = make(), rows(6)
    with DataParallel(net, 2, "threads") as model:
        gradients(model, X, y)
        net[0].weight.requires_grad = False
        model.zero_grad()
        functional.cross_entropy(model(X), y).backward()
        assert net[0].weight.grad is None and net[0].bias.grad is not None


class Two(nn.Module):
    """Two inputs, one weight used twice, one never."""

    def __init__(self):
        self.a = nn.Linear(4, 4, rng=0, dtype="float64")
        self.unused = nn.Linear(2, 2, rng=0)

    def forward(self, x, z):
        return self.a(functional.tanh(self.a(x))) * z


@BOTH
def test_several_inputs_shared_weights_and_an_unused_parameter(workers):
    net, (X, _) = Two(), rows(5)
    z = np.random.default_rng(1).normal(size=(5, 1))
    (net(X, z) ** 2).sum().backward()
    wanted = [p.grad.copy() for p in net.a.parameters()]
    net.zero_grad()
    with DataParallel(net, 2, workers) as model:
        (model(X, z) ** 2).sum().backward()
    same([p.grad for p in net.a.parameters()], wanted)
    assert net.unused.weight.grad is None


# ---- with the rest of the house


def curve(wrap, rule=optim.Adam, p=0.0, epochs=3, **options):
    net = make("float32", p)
    X, y = rows(50, dtype="float32")
    optimizer = rule(net.parameters(), lr=0.01, **options)
    schedule = optim.LambdaLR(optimizer, optim.warmup_cosine(5, 20))
    loader = DataLoader(TensorDataset(X, y), 16, shuffle=True, rng=3)
    return fit(wrap(net), functional.cross_entropy, loader, optimizer,
               epochs=epochs, clip=0.5, schedule=schedule)


@BOTH
@pytest.mark.parametrize("rule, options", [
    (optim.SGD, {"momentum": 0.9}), (optim.Adam, {}), (optim.AdamW, {}),
])
def test_fit_gives_the_curve_of_the_undivided_run(workers, rule, options):
    alone = curve(lambda net: net, rule, **options)
    shared = curve(lambda net: DataParallel(net, 2, workers), rule, **options)
    np.testing.assert_allclose(shared, alone, rtol=1e-4)


@BOTH
def test_weights_that_are_replaced_reach_the_workers(workers):
    net, (X, y) = make(), rows(6)
    with DataParallel(net, 2, workers) as model:
        gradients(model, X, y)
        net.load_state_dict(make(seed=1).state_dict())
        optim.Adam(net.parameters())  # moves them to a place of its own
        same(gradients(model, X, y), gradients(make(seed=1), X, y))


def test_replicas_drop_other_units_and_a_run_can_be_repeated():
    class Ones(nn.Module):
        def __init__(self):
            self.drop, self.scale = nn.Dropout(0.5, rng=0), make()[0]

        def forward(self, x):
            return self.drop(x) + self.scale(x).sum() * 0

    X = np.ones((2, 4)).repeat(8, axis=1)[:, :4].repeat(10, axis=0)
    with DataParallel(Ones(), 2, "threads") as model:
        y = model(X).data
        assert set(np.unique(y)) == {0.0, 2.0}
        assert (y[:10] != y[10:]).any()
        assert (model(X).data[10:] != y[10:]).any()
        assert (model.eval()(X).data == 1).all()
    runs = [curve(lambda net: DataParallel(net, 2, "threads"), p=0.5)
            for _ in range(2)]
    assert runs[0] == runs[1]


def test_evaluation_needs_no_workers():
    net, (X, y) = make("float32"), rows(9, dtype="float32")
    model = DataParallel(net, 2)
    loader = DataLoader(TensorDataset(X, y), 4)
    assert evaluate(model, accuracy, loader) == evaluate(net, accuracy, loader)
    with no_grad():
        model(X)
    assert not model.team


@BOTH
def test_matrix_products_have_their_threads_back_afterwards(workers):
    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()
                if pool["internal_api"] == "openblas"
                and "numpy" in pool["filepath"]]

    seen, (X, y) = [], rows(4)

    class Spy(nn.Module):
        def __init__(self):
            self.net = make()

        def forward(self, x):
            seen.append(threads())
            return self.net(x)

    with blas_threads(2):
        before = threads()
        with DataParallel(Spy(), 2, workers) as model:
            gradients(model, X, y)
        assert threads() == before
    if before:
        assert before == [2] and all(found == [1] for found in seen)


# ---- when something goes wrong


class Moody(nn.Module):
    """Fails on rows that hold a 13."""

    def __init__(self):
        self.net = make()

    def forward(self, x):
        if (x == 13).any():
            raise ArithmeticError("thirteen")
        return self.net(x)


@BOTH
@pytest.mark.parametrize("row", [0, 5])
def test_an_error_reaches_the_caller_and_the_next_batch_works(workers, row):
    net, (X, y) = Moody(), rows(6)
    wanted = [g.copy() for g in gradients(net, X, y)]
    bad = X.copy()
    bad[row] = 13
    with DataParallel(net, 2, workers) as model:
        for _ in range(2):
            with pytest.raises((ArithmeticError, RuntimeError),
                               match="thirteen"):
                model(bad)
            assert not model.team
            same(gradients(model, X, y), wanted)


@BOTH
def test_a_share_of_another_shape_is_an_error_with_shapes(workers):
    class Sum(nn.Module):
        def __init__(self):
            self.net = make()

        def forward(self, x):
            return self.net(x).sum(axis=0)

    with DataParallel(Sum(), 2, workers) as model:
        with pytest.raises(ValueError, match=r"output \(3,\) for 4 rows"):
            model(rows(8)[0])


@BOTH
def test_two_batches_before_backward_are_refused(workers):
    net, (X, y) = make(), rows(6)
    with DataParallel(net, 2, workers) as model:
        first = functional.cross_entropy(model(X), y)
        model(X)
        with pytest.raises(RuntimeError, match="another batch"):
            first.backward()


def test_inputs_that_do_not_fit_are_named():
    model = DataParallel(Two(), 2, "threads")
    with pytest.raises(ValueError, match=r"\(4, 4\), \(3, 1\)"):
        model(np.zeros((4, 4)), np.zeros((3, 1)))
    with pytest.raises(TypeError, match="no gradient"):
        model(Tensor(np.zeros((4, 4)), True), np.zeros((4, 1)))
    with pytest.raises(ValueError, match="replicas must be 1"):
        DataParallel(make(), 0)
    with pytest.raises(ValueError, match="processes or threads"):
        DataParallel(make(), 2, "ghosts")


# ---- nobody is left behind


@pytest.mark.skipif(not LINUX, reason="processes are for Linux")
def test_a_worker_that_is_killed_is_reported_and_replaced():
    net, (X, y) = make(), rows(6)
    wanted = [g.copy() for g in gradients(net, X, y)]
    with DataParallel(net, 2, "processes") as model:
        loss = functional.cross_entropy(model(X), y)
        os.kill(model.team[0][0].pid, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="died"):
            loss.backward()
        same(gradients(model, X, y), wanted)


@BOTH
def test_workers_end_with_the_block_and_with_the_model(workers):
    before = threading.active_count()
    net, (X, y) = make(), rows(4)
    with DataParallel(net, 3, workers) as model:
        gradients(model, X, y)
        assert len(model.team) == 2
    model = DataParallel(net, 2, workers)
    gradients(model, X, y)
    del model
    gc.collect()
    assert settle(lambda: threading.active_count() <= before)
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not LINUX, reason="processes are for Linux")
def test_workers_do_not_outlive_a_caller_that_is_killed(root):
    program = """
import time
import numpy as np
from zerobook import nn
from zerobook.parallel import DataParallel
model = DataParallel(nn.Linear(2, 2, rng=0), 3, "processes")
model(np.ones((6, 2)))
print(*(worker.pid for worker, _ in model.team), flush=True)
time.sleep(60)
"""
    caller = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    pids = [int(word) for word in caller.stdout.readline().split()]
    caller.kill()
    caller.wait()
    caller.stdout.close()

    def gone(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    assert len(pids) == 2
    assert settle(lambda: all(gone(pid) for pid in pids))


# ---- memory


def test_keep_heap_spares_the_page_faults_and_import_does_not_call_it(root):
    program = """
import resource, sys
import numpy as np
from zerobook import memory
done = memory.keep_heap() if sys.argv[1] == "keep" else None
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    arrays = [np.ones(1 << 18, "float32") for _ in range(8)]
for _ in range(20):
    step()
before = faults()
for _ in range(20):
    step()
print(done, (faults() - before) / 20)
"""
    found = {}
    for how in ("keep", "leave"):
        out = subprocess.run(
            [sys.executable, "-c", program, how], check=True, text=True,
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)},
        ).stdout.split()
        found[how] = out[0], float(out[1])
    if found["keep"][0] == "True":
        assert found["keep"][1] < 10 < found["leave"][1]


def test_keep_heap_spares_the_page_faults_of_threads_too(root):
    program = """
import resource
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from zerobook import memory
done = memory.keep_heap()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step(_):
    arrays = [np.ones(6 << 18, "float32") for _ in range(12)]
    while arrays:
        arrays.pop()
with ThreadPoolExecutor(2) as pool:
    for _ in range(10):
        list(pool.map(step, range(2)))
    before = faults()
    for _ in range(20):
        list(pool.map(step, range(2)))
print(done, (faults() - before) / 20)
"""
    done, faults = subprocess.run(
        [sys.executable, "-c", program], check=True, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)},
    ).stdout.split()
    if done == "True":
        assert float(faults) < 500  # two thousand, with an arena a thread


def test_one_step_is_a_step():
    net, (X, y) = make("float32"), rows(8, dtype="float32")
    rule = optim.SGD(net.parameters(), lr=0.5)
    with DataParallel(net, 2) as model:
        losses = [train_step(model, functional.cross_entropy, (X, y), rule)
                  for _ in range(60)]
    assert losses[-1] < 0.6 * losses[0]


# ---- waiting for a message


@pytest.mark.parametrize("patience", [0.0, 0.005])
@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_a_message_comes_through_before_patience_ends_and_after(
    patience, delay
):
    here, there = multiprocessing.Pipe()
    sender = threading.Timer(delay, there.send, [("word", 3)])
    sender.start()
    assert Receiver(patience)(here) == ("word", 3)
    sender.join()


def test_who_waits_long_sleeps():
    here, there = multiprocessing.Pipe()
    sender = threading.Timer(0.5, there.send, ["late"])
    start = time.thread_time()
    sender.start()
    Receiver(0.005)(here)
    sender.join()
    assert time.thread_time() - start < 0.1


def compute_on(core):
    os.sched_setaffinity(0, {core})
    while True:
        pass


def questions(receiver, pipe):
    """How often the receiver asked whether the message had come."""
    poll, asked = pipe.poll, []
    pipe.poll = lambda: asked.append(1) or poll()
    receiver(pipe)
    return len(asked)


def ask_on(core, receiver, pipe):
    os.sched_setaffinity(0, {core})
    pipe.send("ready")
    pipe.send(questions(receiver, pipe))


@pytest.mark.skipif(not LINUX, reason="other systems do not pin processes")
def test_a_core_that_another_program_wants_is_left_to_it():
    fork = multiprocessing.get_context("fork").Process
    core = max(os.sched_getaffinity(0))
    rival = fork(target=compute_on, args=(core,), daemon=True)
    rival.start()
    asked = []
    for retreat in (0.0, 5.0):
        here, there = multiprocessing.Pipe()
        args = core, Receiver(5.0, retreat), there
        worker = fork(target=ask_on, args=args, daemon=True)
        worker.start()
        assert here.recv() == "ready"
        time.sleep(0.5)
        here.send("go")
        asked.append(here.recv())
        worker.join()
    rival.kill()
    # One asks at each of its turns for half a second, one loses a turn once.
    assert asked[1] < asked[0] / 4, asked


def test_after_its_retreat_it_asks_again():
    receiver = Receiver(5.0)
    receiver.awake_from = time.perf_counter() + 0.1  # as if it had lost one
    asked = []
    for _ in range(2):
        here, there = multiprocessing.Pipe()
        sender = threading.Timer(0.15, there.send, ["word"])
        sender.start()
        asked.append(questions(receiver, here))
        sender.join()
    assert asked[0] == 0 < asked[1]


@pytest.mark.parametrize("patience", [0.0, 0.005])
def test_a_closed_pipe_ends_the_wait(patience):
    here, there = multiprocessing.Pipe()
    there.close()
    with pytest.raises((EOFError, ConnectionError)):
        Receiver(patience)(here)
