"""The command line as a shell uses it: pipes that close, ports in use."""

import os
import socket
import subprocess
import sys

import pytest

from zerobook.cli import main, parser


def verbs():
    (choices,) = [a.choices for a in parser()._actions if a.choices]
    return sorted(choices)


def into_a_closed_pipe(root, *words):
    """Run a verb whose reader has gone, as behind `| head -0`."""
    end, start = os.pipe()
    os.close(end)
    try:
        return subprocess.run(
            [sys.executable, "-m", "zerobook", *words], cwd=root,
            stdout=start, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
    finally:
        os.close(start)


# The kind: a verb that ends with a traceback because its reader has read
# enough. Every verb says something with -h; two say it while they work.
@pytest.mark.parametrize(
    "words", [["-h"], *([verb, "-h"] for verb in verbs()),
              ["where", "losses.hinge"], ["book", "--page", "no/such.md"]],
    ids=" ".join)
def test_a_verb_ends_quietly_when_its_reader_has_gone(root, words):
    done = into_a_closed_pipe(root, *words)
    assert done.returncode == 141 or "-h" in words and not done.returncode
    assert not done.stderr, done.stderr


def test_a_port_in_use_is_told_before_the_book_is_built(
    monkeypatch, capsys
):
    from zerobook.press import book

    monkeypatch.setattr(book, "build", lambda *rest: pytest.fail("built"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["book", "--serve", "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert f"port {port}" in said and "PORT=" in said
    assert main(["book", "--serve", "--port", "99999"]) == 1
    assert "port 99999" in capsys.readouterr().err


def test_a_free_port_is_no_complaint():
    from zerobook.press.book import no_port

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        assert no_port(port)
    assert no_port(port) is None
