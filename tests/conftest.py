"""What all tests share: one thread each, no deadline, no silent skip in CI."""

import os

# Before NumPy is imported: on a shared machine one thread is the fast way,
# and sums come out in the same order everywhere.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import re  # noqa: E402  (the threads must be set first)
import subprocess  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent

# A slow neighbour must not fail a property; in CI the examples are the same
# on every run, so that a red build is red again when it is looked into.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
hypothesis.settings.load_profile("ci" if IN_CI else "local")

# The words by which pytest and scikit-learn say that a library is not there.
MISSING = re.compile(r"could not import|no module named|not installed|needs ", re.I)


def refuse_skip(report):
    """In CI a test that skips for want of its oracle has failed."""
    if not (IN_CI and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[-1] if isinstance(report.longrepr, tuple)
                 else report.longrepr)
    if MISSING.search(reason):
        report.outcome = "failed"
        report.longrepr = f"no oracle may be missing in CI: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A skip inside a test."""
    outcome = yield
    refuse_skip(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """A skip of a whole file."""
    outcome = yield
    refuse_skip(outcome.get_result())


# Fixtures that build a whole site or the distributions: `make builds` runs
# what stands on them, `make test` leaves it out.
BUILDS = {"site_of", "dist"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what builds."""
    for item in items:
        if BUILDS & set(getattr(item, "fixturenames", ())):
            item.add_marker("build")


# A long check may be made in thirds (the Makefile says when).
THIRD = os.environ.get("THIRD", "")


def of_this_third(names, always=()):
    """Every third name, and those that must always be there; all without."""
    if not THIRD:
        return list(names)
    return [name for number, name in enumerate(names)
            if number % 3 == int(THIRD) or name in always]


def changed_pages():
    """Pages (without .md) that the last commit changed."""
    done = subprocess.run(
        ["git", "diff", "--name-only", "HEAD~1", "--", "book"],
        cwd=ROOT, capture_output=True, text=True)
    return {line.removesuffix(".md") for line in done.stdout.split()}


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """The wheel and the source archive, built from a copy of the repository.

    A copy, because setuptools leaves build/ and *.egg-info behind, and a file
    lingering in build/ would ship.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode().split("\0")
    copy = tmp_path_factory.mktemp("source")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "-o", out, copy],
        capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


@pytest.fixture(scope="session")
def wheel(dist):
    """The built wheel."""
    (path,) = dist.glob("*.whl")
    return path
