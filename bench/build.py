"""How long the press takes, in a copy of the repository."""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHANGED = "book/foundations/linear_models.md"


def copy_of(root, folder):
    """The files that belong to the repository, and nothing built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        cwd=root, capture_output=True, check=True, text=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)


def run(folder, *verb):
    """Seconds that a verb takes there, by the clock and of processor time."""
    start, before = time.perf_counter(), processor()
    done = subprocess.run(
        [sys.executable, "-m", "zerobook", *verb], cwd=folder,
        capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    if done.returncode:
        raise SystemExit(f"{verb}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - start, processor() - before


def processor():
    """Processor time of all child processes so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def add_sentence(page, k):
    """A change of prose, at the end of the first paragraph."""
    head, title, rest = page.read_text("utf-8").partition("\n# ")
    heading, paragraph, rest = rest.split("\n\n", 2)
    paragraph += f"\nThis sentence was added by a measurement, number {k}."
    text = head + title + "\n\n".join([heading, paragraph, rest])
    page.write_text(text, "utf-8")


def measure(say=print):
    """Rows of what was done, seconds for each time, and what we aim at."""
    rows = []

    def note(name, aim, both):
        times, processor_times = zip(*both, strict=True)
        rows.append({"name": name, "aim": aim, "seconds": times,
                     "median": statistics.median(times),
                     "processor": statistics.median(processor_times)})
        over = "over" if rows[-1]["median"] > aim else ""
        spread = f"{min(times):.2f}-{max(times):.2f}"
        say(f"{name:<42} {rows[-1]['median']:8.2f} s {spread:>14}"
            f"  {rows[-1]['processor']:7.2f} s of processor time"
            f"  aim {aim:g} s {over}")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_of(ROOT, folder)
        note("tangle --check", 0.3,
             [run(folder, "tangle", "--check") for _ in range(7)])
        note("the book from nothing", 180, [run(folder, "book")])
        note("nothing changed", 5, [run(folder, "book") for _ in range(3)])
        times = []
        for k in range(3):
            add_sentence(folder / CHANGED, k)
            times.append(run(folder, "book"))
        note("one changed sentence, the book", 5, times)
        times = []
        for k in range(3, 6):
            add_sentence(folder / CHANGED, k)
            times.append(run(folder, "book", "--page", CHANGED))
        note("one changed sentence, its page alone", 5, times)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    megabytes = usage / (2**20 if sys.platform == "darwin" else 2**10)
    say(f"{'largest process of the build':<42} {megabytes:8.0f} MB")
    rows.append({"name": "largest process", "megabytes": megabytes})
    return rows
