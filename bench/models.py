"""Fit and predict of each classic model, ours and scikit-learn's in turn."""

import gc
import importlib
import multiprocessing
import statistics
import time
import warnings
from functools import partial
from pathlib import Path

from bench.cases import cases, load

ROUNDS = 9
LEAST = 0.02  # seconds; quicker calls are repeated to fill it
MOST = 20.0  # seconds for one case: slow models get fewer rounds


def pair(case):
    """Our model and theirs, unfitted."""
    module, name = case.model.split(".")
    ours = getattr(importlib.import_module(f"zerobook.{module}"), name)
    theirs = getattr(importlib.import_module(f"sklearn.{module}"), name)
    return ours(**case.both), theirs(**case.both, **case.theirs)


def seconds(call, repeats=1):
    """Mean processor time of one call: a busy machine disturbs it less."""
    gc.collect()
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats


def interleave(ours, theirs):
    """Times of both, taken in turn; who goes first alternates."""
    seconds(ours), seconds(theirs)  # the first call loads code
    warm = [max(seconds(call), 1e-5) for call in (ours, theirs)]
    repeats = [max(1, round(LEAST / t)) for t in warm]
    cost = sum(t * n for t, n in zip(warm, repeats))
    rounds = int(min(ROUNDS, max(3, MOST / cost)))
    times = [[], []]
    for k in range(rounds):
        for who in (0, 1) if k % 2 else (1, 0):
            call = (ours, theirs)[who]
            times[who].append(seconds(call, repeats[who]))
    return times


def summary(times):
    """Medians of both and of the ratio, with the ratio's quartiles."""
    ratios = sorted(a / b for a, b in zip(*times))
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return {
        "ours": statistics.median(times[0]),
        "theirs": statistics.median(times[1]),
        "ratio": middle, "low": low, "high": high, "rounds": len(ratios),
    }


def resident(key):
    """A line of this process's memory account, in megabytes."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{key}:")[1].split()[0]) / 1024


def high_water(model, X, y, pipe):
    """Send how far fit and predict lift the memory of this child."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the old peak
    before = resident("VmRSS")
    model.fit(X, y)
    getattr(model, "predict", getattr(model, "transform", None))(X[:2000])
    pipe.send(resident("VmHWM") - before)


def peak(model, X, y):
    """Megabytes that a fit takes at most, or None where it cannot be told."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    # a server, since OpenMP hangs in the fork of a process that has used it
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["bench.models", "sklearn.svm"])
    receiver, sender = server.Pipe(False)
    child = server.Process(target=high_water, args=(model, X, y, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return None
    finally:
        child.join()


def methods(case):
    """Name and the two calls of each method of a case, fit first."""
    regression = case.model.split(".")[1] in (
        "LinearRegression", "Ridge", "Lasso", "KNeighborsRegressor"
    )
    X, y = load(case.data, regression)
    models = pair(case)
    memory = [peak(model, X, y) for model in models]
    yield "fit", [partial(model.fit, X, y) for model in models], memory
    use = "predict" if hasattr(models[1], "predict") else "transform"
    yield use, [partial(getattr(m, use), X[:2000]) for m in models], None


def measure(say=print):
    """One row for each model, set and method."""
    rows = []
    say(f"{'model':<32} {'data':<12} {'':<9} {'ours ms':>9} {'theirs ms':>10}"
        f" {'ratio':>6} {'quartiles':>13} {'aim':>5}   MB ours/theirs")
    for case in cases():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence; both may warn
            for method, calls, memory in methods(case):
                rows.append({
                    "model": case.model, "data": case.data, "method": method,
                    "aim": case.aim, "peak_mb": memory,
                    **summary(interleave(*calls)),
                })
                say(line(rows[-1]))
    return rows


def line(row):
    """One row of the table."""
    aim = row["aim"]
    over = "over" if aim and row["ratio"] > aim else ""
    mb = row["peak_mb"] or [None]
    shown = "" if None in mb else " / ".join(f"{m:.0f}" for m in mb)
    return (
        f"{row['model']:<32} {row['data']:<12} {row['method']:<9}"
        f" {row['ours'] * 1e3:9.2f} {row['theirs'] * 1e3:10.2f}"
        f" {row['ratio']:6.2f} {row['low']:6.2f}-{row['high']:<6.2f}"
        f" {aim or '-':>5} {over:4} {shown}"
    )
