# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Make the book: check the package, run the pages, weave the site."""

import contextlib
import functools
import gc
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from zerobook.press.execute import execute
from zerobook.press.reading import read_book


# %% book/press/building.md
def weave(root, whole, digests=None):
    """Run Sphinx in this very process; return its exit code."""
    from jupyter_book.sphinx import build_sphinx

    gc.set_threshold(100_000, 20, 20)
    root = Path(root).resolve()
    settings = {
        "external_toc_path": str(root / "_toc.yml"),
        "latex_individualpages": False,
        "nitpicky": whole,
        "zerobook_digests": digests or {},
    }
    result = build_sphinx(
        root,
        root / "_build" / "html",
        noconfig=True,  # there is no conf.py
        path_config=root / "_config.yml",
        confoverrides=settings,
        warningiserror=whole,
        keep_going=whole,
        quiet=True,
    )
    return result if isinstance(result, int) else 1  # an exception, said


# %% book/press/building.md
def sphinx(root, whole, say=print, digests=None):
    """Run Sphinx; return its exit code and what it complained of."""
    start = "import json, sys; from zerobook.press.book import weave; "
    start += f"sys.exit(weave('.', {whole}, json.load(sys.stdin)))"
    folders = [str(Path(root).resolve()), os.environ.get("PYTHONPATH", "")]
    folders = os.pathsep.join(filter(None, folders))
    environment = dict(os.environ, PYTHONPATH=folders, NO_COLOR="1")
    with tempfile.TemporaryFile("w+") as complaints:
        run = subprocess.Popen(
            [sys.executable, "-c", start],
            cwd=root,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        with contextlib.suppress(BrokenPipeError):  # it says itself why
            with run.stdin:
                json.dump(digests, run.stdin)
        for line in run.stdout:
            if line.startswith(("reading ", "written ")):
                say(line.rstrip())
        run.wait()
        complaints.seek(0)
        return run.returncode, complaints.read()


# %% book/press/building.md
ERROR = re.compile(r"(^|: )(ERROR|CRITICAL|SEVERE): ")


def worth_saying(complaints, page=None, root=".", failed=False):
    """The lines that concern the author, without colours or long paths."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", complaints)
    plain = plain.replace(f"{Path(root).resolve()}{os.sep}", "")
    lines = [line for line in plain.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("[IPKernelApp]")]
    return [
        line for line in lines
        if page is None or page in line or ERROR.search(line)
        or failed and "WARNING: " not in line
    ]


# %% book/press/building.md
def build(root, page=None, say=print):
    """Run and render the book, or what `page` needs; return an exit code."""
    start = time.perf_counter()
    book = read_book(Path(root))
    pages = [p for p in book.pages if page in (None, p.path)]
    if not pages:
        say(f"{page}: no such page in _toc.yml")
        return 3
    report = execute(pages, root, say)
    if report["errors"]:
        say("\n" + "\n".join(report["errors"]))
        return 1
    say(f"ran {len(report['ran'])} of {len(pages)} pages, weaving")
    code, complaints = sphinx(root, page is None, say, report["digests"])
    lines = worth_saying(complaints, page, root, code != 0)
    for line in lines:
        say(line)
    if code or any(ERROR.search(line) for line in lines):
        if not (code and page):  # then Sphinx had gone before it could know
            pickle = Path(root, "_build/.doctrees/environment.pickle")
            pickle.unlink(missing_ok=True)  # or the next run would be silent
        return 1
    for path, seconds in report["seconds"].items():
        say(f"{seconds:7.1f} s  {path}")
    where = Path(root, "_build/html", page or "index").with_suffix(".html")
    say(f"{time.perf_counter() - start:7.1f} s  in all")
    say(where.resolve())
    return 0


# %% book/press/building.md
def no_port(port):
    """Why a site cannot be shown at a port, or None: asked before a build."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        return f"port {port}: {why}. Name another: make serve PORT=8001"
    return None


def serve(root, port=8000):
    """Show the finished site on this machine alone, until Ctrl-C."""
    folder = str(Path(root, "_build", "html"))
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=folder
    )
    here = "127.0.0.1", port  # this machine alone can ask
    with http.server.ThreadingHTTPServer(here, handler) as server:
        print(f"http://127.0.0.1:{port}/  (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
