"""One implementation of one case in a process of its own.

`python -m bench.engine_worker CASE SIDE THREADS WEIGHTS` reads a command a
line from standard input and answers each by a line of JSON; in between it
sleeps on the pipe and disturbs nobody.
"""

import json
import os
import resource
import sys
import time

import numpy as np

from bench import engine_cases
from bench.models import resident


def start(case, side, threads):
    """Import a side and set its threads; what is left is to build it."""
    if not side.startswith("torch") and side != "tm":
        from bench import engine_ours
        from zerobook.memory import keep_heap

        keep_heap()
        workers = "threads" if side == "ours, threads" else None
        replicas = case.replicas if threads > 1 and side != "ours, BLAS" else 1
        return lambda *a: engine_ours.trainer(case, *a, replicas, workers)
    import torch

    from bench import engine_theirs

    torch.set_num_threads(threads)
    if side == "tm":
        from zerobook.memory import keep_heap

        keep_heap()
    gelu = "none" if side == "torch, erf" else "tanh"
    return lambda *a: engine_theirs.trainer(case, *a, side != "torch", gelu)


def counts():
    """Clock, processor time of this process, page faults so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), time.process_time(), usage.ru_minflt


def run(step, first, seconds):
    """Take steps for about `seconds`; what one of them cost."""
    before, k = counts(), first
    while k == first or time.perf_counter() - before[0] < seconds:
        step(k)
        k += 1
    wall, cpu, faults = np.subtract(counts(), before) / (k - first)
    return k, {"wall": wall, "cpu": cpu, "faults": faults}


def multiplier(shape, side):
    """A function that multiplies two matrices, by the side's own library."""
    (m, k, n), rng = shape, np.random.default_rng(0)
    A, B = (rng.normal(size=s).astype(np.float32) for s in ((m, k), (k, n)))
    if side.startswith("torch") or side == "tm":
        import torch

        A, B = torch.from_numpy(A), torch.from_numpy(B)
    return lambda _: A @ B


def main():
    """Answer commands until the pipe closes."""
    name, side, threads, path = sys.argv[1:]
    case = engine_cases.CASES[name]
    trainer = start(case, side, int(threads))
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # forget the peak of the imports
    imported, k = resident("VmRSS") - resident("RssFile"), 0
    with np.load(path) as file:
        step = trainer(dict(file), engine_cases.batches(case))
    for line in sys.stdin:
        command, value = line.split()
        if command == "losses":
            answer = [step(k + i) for i in range(int(value))]
            k += int(value)
        elif command == "run":
            k, answer = run(step, k, float(value))
        elif command == "product":
            multiply = multiplier(case.product, side)
            multiply(0)
            answer = run(multiply, 0, float(value))[1]
        else:
            # without the code that a library reads in when it first needs it
            answer = {"imported": imported, "peak":
                      resident("VmHWM") - resident("RssFile") - imported}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # no farewell: OpenMP's threads may hang in theirs


if __name__ == "__main__":
    main()
