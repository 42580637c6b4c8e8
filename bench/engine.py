"""zerobook's engine beside PyTorch's eager mode, on the same weights.

One process for each implementation; they take turns, and who waits sleeps
on a pipe. At one thread the measure is processor time, which a busy machine
disturbs least. At two it is the clock, and it says something on a machine
that has two idle cores; a row measured on any other is marked as busy.

Ours, on two threads: "ours" has two processes that share the batch (one
where a step is too short), "ours, threads" two threads, "ours, BLAS" one
worker whose matrix products take two threads.

Beside each row stands the ratio of the two libraries for a single product of
the case's size: where NumPy's own product is slower than PyTorch's on a
processor, no engine on top of it can make that good.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bench.engine_cases import CASES, weights

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 20
TURN = 0.15  # seconds that one takes before the next has its turn
TOLERANCE = 1e-4  # relative difference of losses that we still time


def sides(case, threads):
    """Names of the implementations; ours first."""
    ours = ["ours"]
    if threads > 1 and case.replicas > 1:
        ours += ["ours, threads", "ours, BLAS"]
    erf = ["torch, erf"] if case.kind == "gpt" else []
    return [*ours, "torch", "torch+fused", "tm", *erf]


class Worker:
    """The far end of the pipe; see `engine_worker`."""

    def __init__(self, case, side, threads, path):
        blas = 1 if side in ("ours", "ours, threads") else threads
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.engine_worker", case.name, side,
             str(threads), str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=ROOT, env={
                **os.environ, "PYTHONPATH": str(ROOT),
                "OPENBLAS_NUM_THREADS": str(blas),
                "OMP_NUM_THREADS": str(threads),
                "MKL_NUM_THREADS": str(threads),
            },
        )

    def ask(self, command, value=0):
        """Send a command, wait for the answer."""
        self.process.stdin.write(f"{command} {value}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.process.args} ended")
        return json.loads(answer)

    def close(self):
        """Let the process end."""
        self.process.stdin.close()
        self.process.wait(10)


def check_losses(case, workers, steps):
    """Refuse to time two things that do not compute the same."""
    losses = {side: w.ask("losses", steps) for side, w in workers.items()}
    wanted, worst = losses["torch"], 0.0
    for side, found in losses.items():
        if side == "torch, erf":
            continue  # another function
        gap = np.max(np.abs(np.subtract(found, wanted)) / np.abs(wanted))
        worst = max(worst, float(gap))
        if not gap < TOLERANCE:
            raise SystemExit(f"{case.name}: {side} {found} for {wanted}")
    return worst


def turns(workers, rounds, pause):
    """What a step cost, for each side one entry a round."""
    times = {side: [] for side in workers}
    for worker in workers.values():
        worker.ask("run", TURN)  # warm
    for k in range(rounds):
        order = list(workers)
        random.Random(k).shuffle(order)
        for side in order:
            time.sleep(pause)  # idle threads of the one before spin on
            times[side].append(workers[side].ask("run", TURN))
    return times


def compared(times, ours, theirs, clock):
    """Median of the rounds' ratios with their tenth and ninetieth percent."""
    ratios = [a[clock] / b[clock] for a, b in zip(times[ours], times[theirs])]
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    return {"ratio": middle, "low": low, "high": high}


def product(workers, clock, rounds=9):
    """Our library's time for the case's largest product, theirs being 1."""
    ratios = []
    for _ in range(rounds):
        ours, theirs = (workers[side].ask("product", 0.03)[clock]
                        for side in ("ours", "torch"))
        ratios.append(ours / theirs)
    return statistics.median(ratios)


def row(case, threads, rounds):
    """Measure one case at a number of threads."""
    clock = "cpu" if threads == 1 else "wall"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.npz"
        np.savez(path, **weights(case))
        workers = {side: Worker(case, side, threads, path)
                   for side in sides(case, threads)}
        try:
            steps = 2 if case.kind == "writer" else 5
            gap = check_losses(case, workers, steps)
            load = os.getloadavg()[0]
            times = turns(workers, rounds, 0.1 if threads > 1 else 0.0)
            memory = {s: w.ask("memory") for s, w in workers.items()}
            alone = product(workers, clock)
        finally:
            for worker in workers.values():
                worker.close()
    result = {"case": case.name, "what": case.what, "threads": threads,
              "clock": clock, "rounds": rounds, "loss_gap": gap,
              "load": load, "aim": case.aim if threads == 1 else case.aim2,
              "memory": memory, "product": alone, "sides": {}}
    for side, runs in times.items():
        medians = {key: statistics.median(r[key] for r in runs)
                   for key in ("wall", "cpu", "faults")}
        against = {} if side.startswith("torch") or side == "tm" else {
            other: compared(times, side, other, clock)
            for other in workers if other.startswith(("torch", "tm"))
        }
        result["sides"][side] = {**medians, "against": against}
    return result


def stronger(against):
    """The name of the opponent that is judged by: the faster of two."""
    return max(("torch+fused", "tm"), key=lambda o: against[o]["ratio"])


def lines(result):
    """A measured row as text, a line for each of our variants."""
    clock, sides = result["clock"], result["sides"]
    busy = result["threads"] > 1 and result["load"] > os.cpu_count()
    for side, found in sides.items():
        if not found["against"]:
            continue
        ms = {s: 1e3 * v[clock] for s, v in sides.items()}
        best = stronger(found["against"])
        judged, aim = found["against"][best], result["aim"]
        missed = aim and side == "ours" and judged["ratio"] > aim
        over = "over" if missed else ""
        ratios = "  ".join(
            f"{v['ratio']:5.2f}" for v in found["against"].values()
        )
        mb = [result["memory"][s]["peak"] for s in (side, "torch+fused")]
        yield (
            f"{result['case']:<5} {side:<14} {ms[side]:8.2f} ms "
            f" {judged['ratio']:5.2f} [{judged['low']:.2f}-"
            f"{judged['high']:.2f}] of {best:<11} aim {aim or '-':>4} {over:4}"
            f"  {ratios}   faults {found['faults']:.0f}/"
            f"{sides['tm']['faults']:.0f}"
            f"  MB {mb[0]:.0f}/{mb[1]:.0f}"
            f"  product {result['product']:.2f}"
            f"  losses within {result['loss_gap']:.0e},"
            f" load {result['load']:.1f}{': busy, not to be quoted' * busy}"
        )


def measure(say=print, names=None, rounds=ROUNDS, threads=(1, 2)):
    """All rows, and the versions that they were measured with."""
    rows = []
    for n in threads:
        say(f"{n} thread{'s' * (n > 1)}, median"
            f" {'processor time' if n == 1 else 'clock time'} of a step; ratio"
            " to the stronger of torch+fused and tm (the same with our"
            " allocator settings), [p10-p90];\n  then to torch, torch+fused,"
            " tm and torch with the exact GELU; page faults a step, ours/tm;"
            "\n  peak memory of the process above import, ours/torch+fused;"
            " ratio for the case's largest product of matrices alone")
        for name in names or CASES:
            rows.append(row(CASES[name], n, rounds))
            for line in lines(rows[-1]):
                say(line)
        say("")
    return {"torch": version("torch"), "rows": rows}
