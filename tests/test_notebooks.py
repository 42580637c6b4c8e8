"""The notebooks that the site offers run on the wheel and its notebook extra.

`make check` runs this after `make book`; `make test` leaves it out. The clean
environment holds what a reader gets from `pip install "zerobook[notebook]"`:
no PyTorch, which the extra does not ask for, because on Linux it would bring
gigabytes for a few folded cells, no ONNX and no transformers. The cells that
want them say on their own that they may fail (the tag `raises-exception`,
which Jupyter's "run all" heeds), and here they may fail for want of those, or
of what such a cell would have made, and for nothing else.
That they agree with ours is proved by `make book`, where both are there.
"""

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import of_this_third

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
ALL = sorted(SITE.rglob("*.ipynb"))
# A page with solutions is run with them; tests/house asks that what is left
# without them needs nothing of theirs.
NOTEBOOKS = [p for p in ALL if not p.with_suffix(".solved.ipynb").exists()]
NAMES = [str(path.relative_to(SITE)) for path in NOTEBOOKS]
RUN_NOW = of_this_third(NAMES)

OUTSIDE = re.compile("torch|onnx|transformers|tokenizers")

# Runs in the clean environment; prints the errors of the cells as JSON.
RUN = """
import json, sys
import nbformat
from nbclient import NotebookClient

path, folder = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
client = NotebookClient(
    notebook, timeout=300, kernel_name="python3",
    resources={"metadata": {"path": folder}},
)
client.execute()
print("\\n" + json.dumps([
    [cell.source, output.ename, output.evalue,
     cell.metadata.get("tags", [])]
    for cell in notebook.cells if cell.cell_type == "code"
    for output in cell.outputs if output.output_type == "error"
]))
"""


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    """A new environment with the wheel, two of its extras, nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    pins = ROOT / "constraints" / "py{}{}.txt".format(*sys.version_info)
    python = folder / "venv" / "bin" / "python"
    print("\nnotebooks: a clean environment with the wheel", flush=True)
    for command in (
        [sys.executable, "-m", "venv", folder / "venv"],
        [python, "-m", "pip", "install", "-q", "-c", pins,
         f"zerobook[notebook,music] @ {wheel.as_uri()}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True,
                              env=outside())
        assert done.returncode == 0, done.stderr[-3000:]
    return python


def outside():
    """An environment that does not lead back to this repository."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "JUPYTER_PATH", "JUPYTER_DATA_DIR")
    rest = {k: v for k, v in os.environ.items() if k not in ours}
    return {**rest, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}


def run(python, path, folder):
    """Run one notebook as a reader's Jupyter would; what went wrong in it."""
    folder.mkdir()
    start = time.monotonic()
    for _ in range(3):
        done = subprocess.run(
            [python, "-c", RUN, path, folder],
            capture_output=True, text=True, cwd=folder, env=outside(),
        )
        # Jupyter picks ports before it binds them, so two kernels that start
        # at one moment can pick the same (nteract/papermill, issue 511).
        if "Address already in use" not in done.stderr:
            break
    seconds = time.monotonic() - start
    print(f"{seconds:7.1f} s  {path.relative_to(SITE)}", flush=True)
    if done.returncode:
        return done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def results(clean, tmp_path_factory):
    """Outcome of every notebook, run two at a time."""
    folder = tmp_path_factory.mktemp("reader")
    with ThreadPoolExecutor(2) as pool:
        jobs = {
            name: pool.submit(run, clean, SITE / name, folder / str(k))
            for k, name in enumerate(RUN_NOW)
        }
        return {name: job.result() for name, job in jobs.items()}


def test_every_page_with_code_can_be_downloaded():
    assert SITE.is_dir(), "`make book` comes first"
    toc = (ROOT / "_toc.yml").read_text("utf-8")
    with_code = {
        Path(name).name for name in re.findall(r"(?:root|file): *(\S+)", toc)
        if "{code-cell}" in (ROOT / f"{name}.md").read_text("utf-8")
    }
    names = {path.stem for path in ALL}
    assert with_code <= names
    solved = {name for name in names if name.endswith(".solved")}
    assert {name.removesuffix(".solved") for name in solved} < names
    assert len(solved) > len(with_code) / 2


def test_the_clean_environment_is_clean(clean):
    said = subprocess.run(
        [clean, "-c", "import sys, zerobook; print(zerobook.__file__);"
         "print(*sys.path)"],
        capture_output=True, text=True, cwd=clean.parent, env=outside(),
    ).stdout
    assert "site-packages" in said and str(ROOT) not in said


@pytest.mark.parametrize("name", RUN_NOW)
def test_a_notebook_runs_on_the_wheel(results, name):
    errors = results[name]
    assert not isinstance(errors, str), errors
    for number, (source, kind, message, tags) in enumerate(errors):
        assert "raises-exception" in tags, message
        missing = kind in ("ModuleNotFoundError", "ImportError")
        if missing:
            assert OUTSIDE.search(message), message
        else:  # what an earlier cell would have made or written
            later = ("NameError", "FileNotFoundError")
            assert number and kind in later, message
