"""`python -m bench [models] [build] [engine] [byte_pairs]`: tables, and json."""

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from bench import build, byte_pairs, engine, models


def arguments():
    """What to measure."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("what", nargs="*", help="models, build, engine:"
                        " these three by default; byte_pairs, which takes ten"
                        " minutes",
                        default=["models", "build", "engine"])
    parser.add_argument("--cases", type=lambda text: text.split(","),
                        help=f"of the engine: {','.join(engine.CASES)}")
    parser.add_argument("--rounds", type=int, default=engine.ROUNDS)
    parser.add_argument("--threads", default=[1, 2],
                        type=lambda text: [int(n) for n in text.split(",")])
    return parser.parse_args()


def main():
    """Measure, print, and keep what was measured."""
    chosen = arguments()
    result = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "versions": {
            name: version(name)
            for name in ("numpy", "scipy", "scikit-learn", "jupyter-book")
        },
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        "load_before": os.getloadavg(),
    }
    print(f"load {result['load_before'][0]:.1f} on {os.cpu_count()}"
          f" processors; BLAS threads {result['blas_threads']};"
          " ratios of processor time, turns taken one after another\n")
    # the build first: its peak is that of the largest child so far
    if "build" in chosen.what:
        result["build"] = build.measure(lambda text: print(text, flush=True))
        print()
    if "models" in chosen.what:
        result["models"] = models.measure(lambda t: print(t, flush=True))
        print()
    if "engine" in chosen.what:
        result["engine"] = engine.measure(
            lambda text: print(text, flush=True), chosen.cases,
            chosen.rounds, chosen.threads,
        )
    if "byte_pairs" in chosen.what:
        result["byte_pairs"] = byte_pairs.measure(
            lambda text: print(text, flush=True))
    result["load_after"] = os.getloadavg()
    path = Path(__file__).with_name("results.json")
    path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
