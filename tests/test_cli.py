"""The command line as a shell uses it: pipes that close, ports in use."""

import os
import socket
import subprocess
import sys

import pytest

from zerobook import cli
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
    assert done.returncode == 141
    assert not done.stderr, done.stderr


def gpt_folder(folder):
    from zerobook.interop.huggingface import save_gpt
    from zerobook.models.gpt import GPT, GPTConfig
    from zerobook.tokenizers import BPETokenizer

    config = GPTConfig(257, n_positions=4, n_embd=4, n_head=1, n_layer=1)
    save_gpt(GPT(config, rng=0), BPETokenizer(), folder / "gpt")
    (folder / "text.txt").write_text("abc " * 200)


SAYING = [  # verbs at work
    ["where", "losses.hinge"],
    ["gpt", "generate", "{}/gpt", "--prompt", "a", "--tokens", "3"],
    ["gpt", "generate", "{}/gpt", "--show-code"],
    ["gpt", "train", "--text", "{}/text.txt", "--out", "{}/new",
     "--show-code"],
    ["gpt", "train", "--text", "{}/text.txt", "--out", "{}/new", "--width",
     "4", "--heads", "1", "--layers", "1", "--context", "4", "--steps", "2"],
]


# The kind: a traceback, or an exit code of 0, although what was said is lost.
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize(
    "words", [["-h"], *([verb, "-h"] for verb in verbs()),
              ["gpt", "train", "-h"], ["gpt", "generate", "-h"], *SAYING,
              ["book", "--page", "no/such.md"]], ids=" ".join)
def test_a_verb_whose_output_is_lost_says_so_in_one_line(
        root, tmp_path, words):
    if words[0] == "gpt":
        gpt_folder(tmp_path)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zerobook",
             *(word.format(tmp_path) for word in words)], cwd=root,
            stdout=full, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(root)})
    assert done.returncode in (1, 2), done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr or words[0] == "book"


@pytest.mark.parametrize("words", SAYING, ids=" ".join)
def test_a_verb_at_work_ends_quietly_behind_a_closed_pipe(
        root, tmp_path, words):
    if words[0] == "gpt":
        gpt_folder(tmp_path)
    done = into_a_closed_pipe(root, *(w.format(tmp_path) for w in words))
    assert done.returncode in (1, 141) and not done.stderr, done.stderr


def test_an_error_of_a_file_is_no_lost_output(monkeypatch):
    def where(options):
        with open(os.path.join(os.devnull, "no")):
            pass

    monkeypatch.setattr(cli, "where", where)
    with pytest.raises(NotADirectoryError):
        main(["where", "losses.hinge"])


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
