"""``zerobook gpt``: train on any text, be killed, go on, write, complain."""

import errno
import fcntl
import io
import itertools
import json
import os
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time

import numpy as np
import pytest
from oracles import oracle

from zerobook import safetensors
from zerobook.cli import main
from zerobook.commands.gpt.run import Settings, alone, begin, go_on, in_words
from zerobook.commands.gpt.writing import whole_characters
from zerobook.interop.huggingface import load_gpt
from zerobook.metrics import bits_per_byte
from zerobook.models.gpt import token_losses
from zerobook.models.ngram import NGram

SMALL = ("--width 8 --heads 2 --layers 1 --context 8 --batch-size 2 "
         "--vocab-size 270 --steps 12 --every 4 --lr 0.01").split()
ENGLISH = "A path is a promise. A chapter explains it, a test proves it.\n" * 30
JAPANESE = (
    "機械は数えることから学びます。東京の朝は早く、電車は時間どおりに来ます。\n"
    "「春はあけぼの」と書いた人は、千年のちの読者を知りませんでした。\n"
) * 20


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(ENGLISH, "utf-8")
    return tmp_path


def train(*words, text="text.txt", out="out"):
    return main(["gpt", "train", "--text", text, "--out", out, *SMALL, *words])


def resume(*words, out="out"):
    return main(["gpt", "train", "--resume", "--out", out, *words])


def generate(*words, out="out"):
    return main(["gpt", "generate", out, *words])


def curve(out="out"):
    """Step and loss of each row, as they are written."""
    rows = open(f"{out}/training/curve.csv").read().splitlines()[1:]
    return [row.split(",")[:2] for row in rows]


def files(path):
    return {str(f.relative_to(path)): f.read_bytes()
            for f in path.rglob("*") if f.is_file()}


# ---- what a run says and leaves


def test_a_run_tells_the_bar_the_scores_samples_and_the_end(folder, capsys):
    assert train() == 0
    said = capsys.readouterr().out
    assert "the bar: " in said and "-grams of bytes" in said
    assert [f"step {k}: train " in said for k in (4, 8, 12)] == [True] * 3
    assert said.count("validation ") >= 3 and "tokens/s" in said
    assert "all 12 steps are done" in said
    assert "chosen: the model of step " in said
    assert "bytes on which nothing was chosen" in said
    assert "write with it: zerobook gpt generate out" in said


def test_the_folder_keeps_model_curve_samples_and_options(folder):
    train()
    there = {f.name for f in (folder / "out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json",
            "training"} <= there
    kept = json.loads((folder / "out/training/run.json").read_text())
    assert kept["settings"]["width"] == 8
    assert kept["files"][0]["characters"] == len(ENGLISH)
    assert [int(step) for step, _ in curve()] == list(range(1, 13))
    samples = (folder / "out/training/samples.txt").read_text("utf-8")
    assert samples.count("step ") >= 3


def test_the_score_is_bits_of_all_held_out_tokens_over_their_bytes(folder):
    train()
    run = go_on("out")
    tenth = len(ENGLISH) // 10
    held = ENGLISH[-2 * tenth:-tenth]
    assert run.log.scores[-1][2] == pytest.approx(
        bits_of_text(run.model, run.tokenizer, held), abs=1e-6)


def bits_of_text(model, tokenizer, text):
    ids = np.array(tokenizer.encode(text))
    first = len(tokenizer.decode_bytes(ids[:1]))
    nats = token_losses(model, ids).sum()
    return bits_per_byte(nats, len(text.encode()) - first)


def test_the_figure_told_at_the_end_is_of_the_whole_untouched_third_part(
    folder, capsys
):
    """Kind: a score of what was chosen on the very text of the score."""
    rng = np.random.default_rng(0)
    words = np.array("one two three four five six".split())
    text = " ".join(rng.choice(words, 9000))
    (folder / "long.txt").write_text(text)
    assert train("--test", "0.5", "--validation", "0.1", text="long.txt") == 0
    said = capsys.readouterr().out
    test = text[-len(text) // 2:]
    assert len(test) > 20_000  # beyond the first of any excerpt
    model, tokenizer = load_gpt("out")
    told = json.loads((folder / "out/training/test.json").read_text())
    bits = bits_of_text(model, tokenizer, test)
    assert told["bits_per_byte"] == pytest.approx(bits, abs=1e-6)
    assert f"test: {bits:.3f} bits per byte" in said
    cut = len(text) - len(test) - int(len(text) * 0.1)
    validation = text[cut:-len(test)]
    first = len(tokenizer.decode_bytes(tokenizer.encode(test)[:1]))
    counted = {}
    for n in (2, 4, 6, 8):
        gram = NGram(n).fit(text[:cut])
        bits = -gram.log_prob(test)[first:].sum() / np.log(2)
        counted[gram.bits_per_byte(validation)] = bits / (len(test) - first)
    assert told["n_gram"] == pytest.approx(counted[min(counted)], abs=1e-6)


def test_the_third_part_is_not_read_before_the_end(folder, monkeypatch):
    """What stands in the test text moves no weight, score or choice."""
    train()
    (folder / "other.txt").write_text(
        ENGLISH[:-len(ENGLISH) // 10 + 1] + "z" * (len(ENGLISH) // 10 - 1))
    assert (folder / "other.txt").stat().st_size == len(ENGLISH)
    train(text="other.txt", out="other")
    assert curve() == curve("other")
    for name in ("model.safetensors", "training/samples.txt"):
        assert (folder / "out" / name).read_bytes() == (
            folder / "other" / name).read_bytes()
    bars = [json.loads((folder / out / "training/run.json").read_text())
            for out in ("out", "other")]
    assert bars[0]["n_gram"] == bars[1]["n_gram"]


def test_a_run_of_an_earlier_version_goes_on_without_a_third_part(
    folder, capsys
):
    train()
    training = folder / "out/training"
    kept = json.loads((training / "run.json").read_text())
    del kept["settings"]["test"], kept["n_gram_test"], kept["test_bytes"]
    del kept["characters"]
    kept["settings"]["validation"] = 0.1
    (training / "run.json").write_text(json.dumps(kept))
    ids = safetensors.load_file(training / "text.safetensors")
    del ids["test"]
    safetensors.save_file(ids, training / "text.safetensors")
    capsys.readouterr()
    assert resume("--steps", "16") == 0
    said = capsys.readouterr().out
    assert "chosen: the model of step" in said and "test: " not in said


def test_after_twenty_steps_there_is_an_estimate(folder, capsys):
    assert train("--steps", "25", "--every", "25") == 0
    said = capsys.readouterr().out
    assert said.count("after 20 steps: ") == 1 and " to go on this" in said


def test_the_estimate_counts_steps_and_scores():
    class Stub:
        settings = Settings(steps=100, every=10, batch_size=2, context=8)
        scored = range(30)
        ids = {"test": range(45)}
        log = type("", (), {"losses": [0.0] * 50})

    from zerobook.commands.gpt.run import Run
    # 50 steps of 16 tokens, 5 scores of 2 x 30 tokens and the last one of
    # 2 x 45, at a third of the work
    assert Run.seconds_left(Stub, 90.0) == pytest.approx(930 / 90)
    assert [in_words(s) for s in (1, 600, 36_000)] == ["1 s", "10 min",
                                                       "10.0 h"]


def test_a_terminal_sees_a_bar_and_a_file_does_not(folder, capsys,
                                                   monkeypatch):
    train()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(out="other")
    bar = capsys.readouterr().err
    assert "\r[" in bar and "bits per byte" in bar and "tokens/s" in bar
    assert " left" in bar


@pytest.mark.parametrize("columns", ["80", "40", "7", "1", "0", "wide"])
def test_the_bar_fits_into_the_terminal(folder, capsys, monkeypatch, columns):
    """Kind: a line that is drawn over must be shorter than the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("zerobook.commands.gpt.verbs.in_words",
                        lambda seconds: "1234567890 min")
    assert train() == 0
    lines = capsys.readouterr().err.split("\r")
    drawn = [line.removesuffix("\033[K") for line in lines]
    width = int(columns) if columns.isdigit() and int(columns) else 80
    assert len(drawn) > 1 and max(map(len, drawn)) < width


def test_the_width_is_the_terminals_when_nothing_is_set(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    pty = pytest.importorskip("pty")
    from zerobook.commands.gpt.verbs import columns_of
    inside, outside = pty.openpty()
    with open(outside, "w") as terminal:
        for width in (40, 132):
            fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                        struct.pack("HHHH", 24, width, 0, 0))
            assert columns_of(terminal) == width
    os.close(inside)
    with open("/dev/null") as no_terminal:
        assert columns_of(no_terminal) == 80


def test_a_model_that_gets_no_better_is_stopped_and_the_best_kept(
    folder, capsys
):
    assert train("--steps", "400", "--every", "2", "--patience", "2",
                 "--lr", "0.6") == 0
    assert "stopped early at step" in capsys.readouterr().out
    run = go_on("out")
    assert len(run.log.losses) < 400 and run.log.stale() == 2
    model, tokenizer = load_gpt("out")
    nats = token_losses(model, run.scored).sum()
    n_bytes = len(tokenizer.decode_bytes(run.scored[1:]))
    assert bits_per_byte(nats, n_bytes) == pytest.approx(run.log.best()[0])


def test_minutes_become_steps(folder, capsys):
    words = [w for w in SMALL if w not in ("--steps", "12", "--every", "4")]
    assert main(["gpt", "train", "--text", "text.txt", "--out", "out",
                 "--minutes", "0.004", *words]) == 0
    kept = json.loads((folder / "out/training/run.json").read_text())
    assert 1 <= kept["settings"]["steps"] < 2400


def test_two_cores_train_too(folder):
    assert train("--cores", "2", "--dropout", "0") == 0
    assert train("--dropout", "0", out="one") == 0
    two, one = ([float(loss) for _, loss in curve(o)] for o in ("out", "one"))
    assert np.allclose(two, one, atol=1e-4)


# ---- other languages and tokenizers


@pytest.mark.parametrize("tokenizer", ["bytes", "bpe"])
def test_a_japanese_text_is_learned_and_written(folder, capsys, tokenizer):
    (folder / "日本.txt").write_text(JAPANESE, "utf-8")
    assert train("--tokenizer", tokenizer, text="日本.txt") == 0
    capsys.readouterr()
    assert generate("--prompt", "東京", "--tokens", "40", "--seed", "0") == 0
    said = capsys.readouterr().out
    assert said.startswith("東京") and len(said) > 4
    said.encode()


def test_japanese_is_learned_better_than_by_chance(folder):
    (folder / "j.txt").write_text(JAPANESE, "utf-8")
    train("--steps", "60", "--every", "20", "--width", "16", "--context",
          "24", "--dropout", "0", text="j.txt")
    assert go_on("out").log.best()[0] < 3.0


def test_a_tokenizer_from_a_folder_is_taken(folder):
    train()
    assert train("--tokenizer", "out", out="second") == 0
    assert (folder / "out/tokenizer.json").read_bytes() == (
        folder / "second/tokenizer.json").read_bytes()


def test_several_files_are_joined_by_the_token_that_ends_a_text(folder):
    (folder / "b.txt").write_text("Another text. " * 40)
    assert main(["gpt", "train", "--text", "text.txt", "b.txt", "--out",
                 "out", *SMALL, "--validation", "0.2"]) == 0
    run = go_on("out")
    ids = np.concatenate([*run.ids.values()])
    assert (ids == run.tokenizer.eos_token_id).sum() == 1


# ---- killed, stopped, resumed


def heard():
    """Let a run hear the signals that whoever runs the tests ignores."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def start(root, out, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "zerobook", "gpt", "train", *words, "--out",
         out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(root)}, preexec_fn=heard)


def test_killed_at_any_moment_and_resumed_is_the_same_run(root, folder):
    words = ["--text", "text.txt", *SMALL, "--steps", "80", "--every", "4",
             "--patience", "1000"]
    assert main(["gpt", "train", *words, "--out", "quiet"]) == 0
    rng, lives = np.random.default_rng(0), 0
    process = start(root, "killed", *words)
    while lives < 3 and process.poll() is None:
        was = steps_on_disk("killed")
        while process.poll() is None and steps_on_disk("killed") < was + 12:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.wait()
        lives += 1
        process = start(root, "killed", "--resume")
    assert process.wait() == 0, process.stderr.read()
    assert lives == 3
    assert curve("killed") == curve("quiet")
    for name in ("model.safetensors", "training/samples.txt"):
        assert (folder / "killed" / name).read_bytes() == (
            folder / "quiet" / name).read_bytes()


def steps_on_disk(out):
    try:
        return len(curve(out))
    except FileNotFoundError:
        return 0


def test_ctrl_c_saves_and_says_how_to_go_on(root, folder):
    words = ["--text", "text.txt", *SMALL, "--every", "50", "--patience",
             "1000", "--steps", "100000"]
    process = start(root, "out", *words)
    while process.poll() is None and steps_on_disk("out") < 50:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert "all is saved" in said and "--resume --out out" in said
    step = len(go_on("out").log.losses)
    assert f"stopped at step {step:,}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_each_way_of_being_asked_to_stop_saves_the_last_step(
    root, folder, name
):
    """Kind: a signal that ends a program, in a run and before it."""
    words = ["--text", "text.txt", *SMALL, "--every", "50", "--patience",
             "1000", "--steps", "100000"]
    process = start(root, "out", *words)
    while process.poll() is None and steps_on_disk("out") < 50:
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    said = process.communicate()[1]
    assert process.returncode == 128 + getattr(signal, name)
    assert f"stopped at step {len(go_on('out').log.losses):,}" in said
    os.mkfifo("waiting")  # the run waits for its text
    process = start(root, "new", *words[:1], "waiting")
    while process.poll() is None and len(list(folder.glob(".*.part"))) < 1:
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    assert process.wait() == 130 and "Trace" not in process.stderr.read()
    assert not list(folder.glob(".*.part"))


def test_a_signal_that_nohup_ignores_stays_ignored():
    code = ("import signal; from zerobook.commands.gpt.run import gently\n"
            "with gently() as asked:\n"
            "    signal.raise_signal(signal.SIGHUP)\n"
            "    signal.raise_signal(signal.SIGTERM)\n"
            "print(asked)")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert done.stdout == f"[{signal.SIGTERM:d}]\n", done.stderr


def test_one_folder_has_one_run_at_a_time(root, folder, capsys):
    """Kind: two processes that write the same files. The dead hold nothing."""
    words = ["--text", "text.txt", *SMALL, "--every", "50", "--patience",
             "1000", "--steps", "100000"]
    process = start(root, "out", *words)
    while process.poll() is None and steps_on_disk("out") < 50:
        time.sleep(0.01)
    assert resume() == 2
    assert "another process trains in" in capsys.readouterr().err
    assert process.poll() is None
    process.kill()
    process.wait()
    step = len(go_on("out").log.losses)
    assert resume("--steps", str(step + 1)) == 0  # the lock died with it
    with alone(folder / "out"):
        assert resume("--steps", str(step + 2)) == 2
    assert resume("--steps", str(step + 2)) == 0


def test_a_run_at_its_end_goes_on_with_more_steps(folder, capsys):
    train()
    assert resume() == 0
    assert "all 12 steps are done" in capsys.readouterr().out
    assert resume("--steps", "16") == 0
    assert len(curve()) == 16


def test_a_run_goes_on_without_its_text(folder):
    train()
    os.remove("text.txt")
    assert resume("--steps", "14") == 0


# ---- the lines behind the command


@pytest.mark.parametrize("more", [
    [], ["--tokenizer", "bytes"],
    ["--steps", "60", "--every", "2", "--patience", "2", "--lr", "0.6"],
    ["--validation", "0.2", "--test", "0.3"],
])
def test_the_shown_lines_make_the_same_model_and_tell_the_same(
    folder, capsys, more
):
    train(*more)
    told = json.loads((folder / "out/training/test.json").read_text())
    capsys.readouterr()
    assert train(*more, "--show-code", out="lines") == 0
    code = capsys.readouterr().out
    assert not (folder / "lines").exists()
    exec(compile(code, "shown", "exec"), {})
    said = capsys.readouterr().out
    assert said.startswith(f"test: {told['bits_per_byte']:.3f} bits per byte")
    assert said.endswith(f"-gram {told['n_gram']:.3f}\n")
    one, two = files(folder / "out"), files(folder / "lines")
    assert {name: one[name] for name in two} == two


@pytest.mark.parametrize("prompt", ["A path", ""])
def test_the_shown_lines_write_the_same_text(folder, capsys, prompt):
    train()
    words = ["--prompt", prompt, "--tokens", "30", "--seed", "3", "--top-k",
             "20", "--top-p", "0.9"]
    capsys.readouterr()
    generate(*words)
    said = capsys.readouterr().out
    generate(*words, "--show-code")
    exec(compile(capsys.readouterr().out, "shown", "exec"), {})
    assert capsys.readouterr().out == said


# ---- writing


def test_bytes_wait_until_their_character_is_whole():
    text = "a本é😀"
    pieces = [bytes([b]) for b in text.encode()]
    assert list(whole_characters(pieces)) == list(text)
    assert list(whole_characters([b"\xe6", b"a"])) == ["\ufffda"]


def test_text_streams_token_by_token(folder, monkeypatch):
    train()
    written = []

    class Out(io.StringIO):
        def write(self, text):
            written.append(text)

    monkeypatch.setattr(sys, "stdout", Out())
    assert generate("--prompt", "A path", "--tokens", "20", "--seed", "1") == 0
    assert written[0] == "A path" and len(written) > 10


def test_output_that_nobody_reads_is_no_traceback(root, folder):
    train()
    done = subprocess.run(
        f"{sys.executable} -m zerobook gpt generate out --prompt A --tokens 999 | "
        "head -c 1", shell=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(root)})
    assert "Traceback" not in done.stderr and "Error" not in done.stderr


def test_hugging_face_reads_the_folder_and_writes_the_same(folder, capsys):
    torch, transformers = oracle("torch"), oracle("transformers")
    train("--steps", "30")
    capsys.readouterr()
    generate("--prompt", "A path", "--tokens", "2", "--top-k", "1")
    ours = capsys.readouterr().out[:-1]
    tokenizer = transformers.AutoTokenizer.from_pretrained("out")
    with torch.no_grad():  # without PyTorch, transformers has no models
        model = transformers.AutoModelForCausalLM.from_pretrained("out")
        ids = model.generate(
            **tokenizer("A path", return_tensors="pt"), max_new_tokens=2,
            do_sample=False, pad_token_id=0)
    assert tokenizer.decode(ids[0]) == ours


# ---- complaints

BAD_TRAINING = [
    (["--text", "blank.txt"], "blank.txt holds nothing but white space"),
    (["--text", "empty.txt"], "empty.txt is empty"),
    (["--text", "-", "-"], "standard input, -, can be read once"),
    (["--text", "text.txt", "-"], "- is empty"),
    (["--text", "."], ".: Is a directory"),
    (["--text", "text.txt", "--test", "0"], "--test is a share"),
    (["--text", "text.txt", "--test", "nan"], "--test is a share"),
    (["--text", "text.txt", "--test", "0.6", "--validation", "0.5"],
     "leave nothing to train on"),
    (["--text", "text.txt", "--test", "1e-9"], "a larger --test"),
    (["--text", "text.txt", "--validation", "1e-9"], "a larger --validation"),
    (["--text", "text.txt", "--width", "4000000000"], "GB or more"),
    (["--text", "text.txt", "--cores", "99"], "--cores 99 cannot share"),
    (["--text", "text.txt", "--steps", "9" * 99], "--steps must be 1"),
    (["--text", "text.txt", "--prompt", "\udce4"], "--prompt cannot be enc"),
    (["--text", "latin.txt"], "latin.txt is not UTF-8: byte 8, in line 2"),
    (["--text", "no.txt"], "no.txt: No such file"),
    (["--text", "short.txt"], "too short"),
    (["--text", "text.txt", "--context", "5000"], "smaller --context"),
    (["--text", "text.txt", "--width", "9"], "--width 9"),
    (["--text", "text.txt", "--lr", "-1"], "--lr must be above 0"),
    (["--text", "text.txt", "--steps", "0"], "--steps must be 1"),
    (["--text", "text.txt", "--every", "0"], "--every must be 1"),
    (["--text", "text.txt", "--lr", "nan"], "--lr must be above 0"),
    (["--text", "text.txt", "--dropout", "1"], "--dropout"),
    (["--text", "text.txt", "--validation", "1"], "--validation"),
    (["--text", "text.txt", "--seed", "-1"], "--seed"),
    (["--text", "text.txt", "--batch-size", "0"], "--batch-size must be 1"),
    (["--text", "text.txt", "--vocab-size", "100"], "--vocab-size"),
    (["--text", "text.txt", "--tokenizer", "nowhere"], "neither bytes nor"),
    (["--text", "text.txt", "--prompt", ""], "--prompt needs"),
    (["--text", "text.txt", "--minutes", "-1"], "--minutes must be above"),
    (["--text", "text.txt", "--minutes", "1", "--steps", "5"], "leave --st"),
    ([], "--text FILE"),
    (["--resume"], "holds no run"),
    (["--resume", "--text", "text.txt"], "leave --text"),
]


@pytest.mark.parametrize("words, sentence", BAD_TRAINING)
def test_a_bad_order_is_a_sentence_and_leaves_nothing(
    folder, capsys, request, words, sentence
):
    (folder / "empty.txt").write_text("")
    (folder / "blank.txt").write_text(" \n\u3000\n")
    kept, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    request.addfinalizer(lambda: os.dup2(kept, 0))
    (folder / "latin.txt").write_bytes("Zeile\nGrüße".encode("latin-1"))
    (folder / "short.txt").write_text("Short.")
    before = files(folder)
    assert main(["gpt", "train", *words, "--out", "new/er"]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert files(folder) == before and not (folder / "new").exists()


def test_a_folder_that_holds_something_else_is_left_alone(folder, capsys):
    (folder / "mine").mkdir()
    (folder / "mine/diary.txt").write_text("Dear diary")
    before = files(folder)
    assert train(out="mine") == 2 and train(out="text.txt") == 2
    assert "holds something else" in capsys.readouterr().err
    assert files(folder) == before
    (folder / "bare").mkdir()
    assert train(out="bare") == 0  # an empty one is welcome
    assert train(out="bare") == 2
    assert "--resume goes on" in capsys.readouterr().err


def test_what_makes_the_run_cannot_change_midway(folder, capsys):
    train()
    assert resume("--width", "16") == 2
    assert "--width cannot change" in capsys.readouterr().err


@pytest.mark.parametrize("name", [
    "training/run.json", "training/checkpoint.safetensors", "tokenizer.json",
    "training/text.safetensors",
])
def test_a_damaged_folder_is_told(folder, capsys, name):
    train()
    path = folder / "out" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert resume() == 2
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("words, sentence", [
    (["--temperature", "0"], "--temperature must be above 0"),
    (["--temperature", "-1"], "--temperature must be above 0"),
    (["--temperature", "nan"], "--temperature must be above 0"),
    (["--top-k", "0"], "--top-k must be 1"),
    (["--top-p", "0"], "--top-p must be in"),
    (["--top-p", "1.5"], "--top-p must be in"),
    (["--top-p", "nan"], "--top-p must be in"),
    (["--temperature", "1e-300"], "--temperature must be above 0"),
    (["--temperature", "inf"], "--temperature must be above 0"),
    (["--top-k", "9" * 30], "--top-k must be 1"),
    (["--tokens", "9" * 30], "--tokens must be 1"),
    (["--tokens", "0"], "--tokens must be 1"),
    (["--seed", "-2"], "--seed must be 0"),
    (["--prompt", "\udce4"], "--prompt cannot be encoded: character 0"),
])
def test_a_bad_wish_is_a_sentence_before_any_text(
    trained, capsys, words, sentence
):
    assert generate(*words, out=str(trained)) == 2
    said = capsys.readouterr()
    assert sentence in said.err and said.out == ""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(ENGLISH, "utf-8")
    assert train(text=str(folder / "text.txt"), out=str(folder / "out")) == 0
    return folder / "out"


def test_a_folder_without_a_gpt_is_a_sentence(folder, capsys):
    assert generate(out="nowhere") == 2
    assert "there is no folder nowhere" in capsys.readouterr().err
    (folder / "bare").mkdir()
    assert generate(out="bare") == 2
    (folder / "bare/config.json").write_text('{"model_type": "bert"}')
    assert generate(out="bare") == 2
    assert capsys.readouterr().err.count("is no GPT") == 2


def test_a_loss_without_bounds_is_told(folder, capsys):
    with np.errstate(all="ignore"):
        assert train("--lr", "1e30") == 1
    said = capsys.readouterr().err
    assert "the loss is" in said and "--resume" not in said
    assert "begin anew" in said and "--lr below 1e+30" in said
    assert resume() == 1  # it would not have helped
    assert "begin anew" in capsys.readouterr().err


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_never_the_best(
    folder, capsys, monkeypatch, score
):
    """Kind: what compares with nothing must not be compared."""
    import zerobook.commands.gpt.run as run
    real, calls = run.token_losses, itertools.count(1)
    monkeypatch.setattr(run, "token_losses", lambda model, ids: (
        real(model, ids) if next(calls) != 2 else np.array([score])))
    assert train() == 1
    said = capsys.readouterr()
    assert f"step 8: the validation score is {score}" in said.err
    assert "step 8" not in said.out
    assert go_on("out").log.best()[1] == 4
    assert all(np.isfinite(p.data).all()
               for p in load_gpt("out")[0].parameters())


def test_weights_that_are_no_numbers_are_not_saved(folder):
    train()
    run = go_on("out")
    before = files(folder / "out")
    next(iter(run.model.parameters())).data[0] = np.nan
    with pytest.raises(ArithmeticError, match="step 12: a weight is no"):
        run.save()
    assert files(folder / "out") == before


# ---- texts from pipes, terminals of all kinds, folders with any name


def run_in_shell(root, line, **environment):
    return subprocess.run(
        ["bash", "-c", line.replace("zerobook", f"{sys.executable} -m zerobook")],
        capture_output=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(root), **environment})


@pytest.mark.parametrize("line", [
    "cat text.txt | zerobook gpt train --text -",
    "cat text.txt | zerobook gpt train --text /dev/stdin",
    "zerobook gpt train --text <(cat text.txt)",
    "mkfifo fifo; cat text.txt > fifo & zerobook gpt train --text fifo",
])
def test_a_text_may_come_from_whatever_can_be_read_once(root, folder, line):
    """Kind: a file that is opened twice."""
    train()
    done = run_in_shell(root, f"{line} --out piped {' '.join(SMALL)}")
    assert done.returncode == 0, done.stderr
    assert curve() == curve("piped")
    assert resume("--steps", "14", out="piped") == 0  # without the pipe


def test_the_shown_lines_read_standard_input_too(root, folder):
    train()
    words = " ".join(SMALL)
    done = run_in_shell(
        root, f"zerobook gpt train --text - --out lines {words} --show-code "
        f"> lines.py; {sys.executable} lines.py < text.txt")
    assert done.returncode == 0, done.stderr
    one, two = files(folder / "out"), files(folder / "lines")
    assert {name: one[name] for name in two} == two


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "latin-1",
                                      "utf-8"])
def test_a_terminal_of_any_encoding_stops_nothing(root, folder, encoding):
    """Kind: a character that the reader's terminal does not have."""
    (folder / "東京.txt").write_text(JAPANESE + ENGLISH, "utf-8")
    said = {"PYTHONIOENCODING": encoding}
    for line in (f"train --text 東京.txt --out 日本 {' '.join(SMALL)}",
                 "train --text 無.txt --out x", "train --resume --out 無",
                 "generate 日本 --prompt 機械 --tokens 9 --seed 0",
                 "generate 無", "train --help"):
        done = run_in_shell(root, f"zerobook gpt {line}", **said)
        assert b"Traceback" not in done.stderr, done.stderr
        assert done.returncode == (2 if "無" in line else 0)
    for line in ("where 無", "tangle --root 無", "runs 無 --root 無"):
        done = run_in_shell(root, f"zerobook {line}", **said)
        assert b"UnicodeEncodeError" not in done.stderr, done.stderr


def test_a_program_without_stdout_and_stderr_trains(root, folder):
    words = " ".join(SMALL)
    done = run_in_shell(root, "zerobook gpt train --text text.txt --out out "
                        f"{words} >&- 2>&-")
    assert done.returncode == 0 and len(curve()) == 12


@pytest.mark.parametrize("name", ["with space", "it's", "-dash", "$HOME", "ö"])
def test_advice_can_be_pasted_into_a_shell(folder, capsys, name):
    """Kind: a name from the user in a line to be typed."""
    assert main(["gpt", "train", "--text", "text.txt", f"--out={name}",
                 *SMALL]) == 0
    said = capsys.readouterr().out
    for line in said.splitlines():
        if ": zerobook " in line:
            words = shlex.split(line.split(": zerobook ", 1)[1])
            if "N" in words:
                words[words.index("N")] = "14"
            assert main(words) == 0


def test_a_folder_that_cannot_be_replaced_is_filled(folder, monkeypatch):
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    before = os.stat(".").st_ino
    assert train(text="../text.txt", out=".") == 0
    assert os.stat(".").st_ino == before and resume(out=".") == 0
    assert not [f for f in os.listdir(".") if f.endswith(".part")]


@pytest.mark.parametrize("out", ["text.txt/in", "n" * 300, "/proc/none/out"])
def test_a_folder_that_cannot_be_made_is_a_sentence(folder, capsys, out):
    before = files(folder)
    assert train(out=out) == 1
    said = capsys.readouterr().err
    assert said.startswith("zerobook gpt: ") and said.count("\n") == 1
    assert files(folder) == before


def test_a_prompt_that_ends_in_a_space_is_warned_of(folder, capsys):
    (folder / "j.txt").write_text("a b c d e f g h " * 99, "utf-8")
    train("--prompt", "a ", text="j.txt")
    assert "--prompt ends in a space" in capsys.readouterr().err
    generate("--prompt", "a ", "--tokens", "1")
    assert "--prompt ends in a space" in capsys.readouterr().err
    generate("--prompt", "a", "--tokens", "1")
    train("--tokenizer", "bytes", "--prompt", "a ", text="j.txt", out="bytes")
    assert capsys.readouterr().err == ""


# ---- any combination of options

VALUES = {
    "--tokenizer": ["bytes", "bpe", "out", "text.txt"],
    "--vocab-size": ["0", "256", "257", "300", "10000000"],
    "--validation": ["0", "0.001", "0.4", "nan", "inf"],
    "--test": ["-1", "0.001", "0.4", "1e-300"],
    "--layers": ["0", "1", "100000000"],
    "--heads": ["-2", "1", "3", "4"],
    "--width": ["0", "1", "12", "100000000000"],
    "--context": ["1", "2", "1700", "1000000"],
    "--dropout": ["0", "0.999999999", "1", "-0.1"],
    "--batch-size": ["1", "3", "100", "10000000000"],
    "--steps": ["1", "3", "0"],
    "--lr": ["1e-300", "0.1", "1e30", "nan", "-1"],
    "--every": ["1", "2", "1000000", "-1"],
    "--patience": ["1", "1000000", "0"],
    "--prompt": [" ", "é ", "\udce4", "\x00", "日本" * 99],
    "--cores": ["1", "0", "1000"],
    "--seed": ["0", "-1", str(2**70)],
    "--minutes": ["1e-9", "nan", "1e308", "-1"],
    "--text": ["text.txt", "blank", "missing", ".", "one", "crlf", "utf16"],
    "--out": ["new", "out", ".", "text.txt", "text.txt/x", ""],
}


@pytest.mark.parametrize("seed", range(60))
def test_no_combination_of_options_ends_in_a_traceback(
    trained, folder, capsys, seed
):
    """Kind: values that nobody thought of together."""
    rng = np.random.default_rng(seed)
    (folder / "out").symlink_to(trained)
    (folder / "blank").write_text("\n \n")
    (folder / "one").write_text("x")
    (folder / "crlf").write_bytes(b"\r\n a b\r\n" * 200)
    (folder / "utf16").write_text("text" * 99, "utf-16")
    wish = {"--text": "text.txt", "--out": "new", "--steps": "2",
            "--width": "4", "--layers": "1", "--heads": "2",
            "--vocab-size": "270", "--context": "8", "--batch-size": "2"}
    for option in rng.choice(list(VALUES), rng.integers(1, 4), False):
        wish[str(option)] = str(rng.choice(VALUES[str(option)]))
    if "--minutes" in wish:
        del wish["--steps"]
    code = main(["gpt", "train", *(f"{k}={v}" for k, v in wish.items())])
    said = capsys.readouterr()
    assert code in (0, 1, 2), wish
    if code:
        assert said.err.count("\n") <= 2, wish
        assert said.err.splitlines()[-1].startswith("zerobook gpt: "), wish
    assert not list(folder.glob(".*.part"))


@pytest.mark.parametrize("name", [
    "config.json", "model.safetensors", "tokenizer.json",
    "training/run.json", "training/checkpoint.safetensors",
    "training/text.safetensors",
])
def test_no_damage_to_a_folder_ends_in_a_traceback(folder, capsys, name):
    """Kind: a file that is missing, empty, cut short, or of another kind."""
    train()
    path = folder / "out" / name
    whole = path.read_bytes()
    for harm in (b"", b"{}", b"[]", b"null", b"\xff" * 99, whole[:-1],
                 whole[: len(whole) // 2], whole.replace(b"8", b"9", 1),
                 whole.replace(b"1", b'"a"', 1), None):
        path.unlink()
        if harm is not None:
            path.write_bytes(harm)
        codes = resume(), generate("--tokens", "2", "--seed", "0")
        said = capsys.readouterr().err
        assert set(codes) <= {0, 1, 2} and said.count("\n") <= 3
        path.unlink(missing_ok=True)
        path.write_bytes(whole)


# ---- a disk that fills up


def full_after(monkeypatch, n):
    """Let the disk be full after `n` files."""
    whole, left = safetensors.write_whole, [n]

    def filling_up(path, pieces):
        left[0] -= 1
        if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        whole(path, pieces)

    import zerobook.commands.gpt.run as run
    for module in (safetensors, run):
        monkeypatch.setattr(module, "write_whole", filling_up)


def test_a_disk_full_at_the_start_leaves_nothing(folder, capsys, monkeypatch):
    before = files(folder)
    for n in range(3):
        with monkeypatch.context() as patch:
            full_after(patch, n)
            assert train() == 1
        assert "No space left" in capsys.readouterr().err
        assert files(folder) == before and len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("n", range(0, 8))
def test_a_disk_full_later_costs_no_checkpoint(folder, capsys, monkeypatch,
                                               trained, n):
    begin(["text.txt"], "out", Settings(
        width=8, heads=2, layers=1, context=8, batch_size=2, vocab_size=270,
        steps=12, every=4, lr=0.01))
    with monkeypatch.context() as patch:
        full_after(patch, n)
        assert resume() == 1
    said = capsys.readouterr().err
    assert "No space left" in said and "--resume goes on" in said
    assert generate("--tokens", "2") == 0  # the best model is whole
    assert resume() == 0
    truth = files(trained.parent)["out/training/curve.csv"]
    assert files(folder / "out")["training/curve.csv"] == truth


def test_a_real_full_disk_is_a_sentence(folder, capsys):
    small = folder / "disk"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)],
        capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        assert train(out="disk/out") == 1
        assert "No space left" in capsys.readouterr().err
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
