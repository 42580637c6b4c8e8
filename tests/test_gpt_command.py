"""``zerobook gpt``: train on any text, be killed, go on, write, complain."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from oracles import oracle

from zerobook import safetensors
from zerobook.cli import main
from zerobook.gpt_command.run import Settings, begin, go_on, in_words
from zerobook.gpt_command.writing import whole_characters
from zerobook.metrics import bits_per_byte
from zerobook.models.gpt import token_losses

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
    assert said.count("held out ") >= 3 and "tokens/s" in said
    assert "all 12 steps are done" in said
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
    held = ENGLISH[int(len(ENGLISH) * 0.9):]
    ids = np.array(run.tokenizer.encode(held))
    first = len(run.tokenizer.decode_bytes(ids[:1]))
    nats = token_losses(run.model, ids).sum()
    bits = bits_per_byte(nats, len(held.encode()) - first)
    assert run.log.scores[-1][2] == pytest.approx(bits, abs=1e-6)


def test_after_twenty_steps_there_is_an_estimate(folder, capsys):
    assert train("--steps", "25", "--every", "25") == 0
    said = capsys.readouterr().out
    assert said.count("after 20 steps: ") == 1 and " to go on this" in said


def test_the_estimate_counts_steps_and_scores():
    class Stub:
        settings = Settings(steps=100, every=10, batch_size=2, context=8)
        scored = range(30)
        log = type("", (), {"losses": [0.0] * 50})

    from zerobook.gpt_command.run import Run
    # 50 steps of 16 tokens, 5 scores of 2 x 30 tokens at a third of the work
    assert Run.seconds_left(Stub, 90.0) == pytest.approx(900 / 90)
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


def test_a_model_that_gets_no_better_is_stopped_and_the_best_kept(
    folder, capsys
):
    assert train("--steps", "400", "--every", "2", "--patience", "2",
                 "--lr", "0.6") == 0
    assert "stopped early at step" in capsys.readouterr().out
    run = go_on("out")
    assert len(run.log.losses) < 400 and run.log.stale() == 2
    from zerobook.interop.huggingface import load_gpt
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
    ids = np.concatenate([run.ids["train"], run.ids["validation"]])
    assert (ids == run.tokenizer.eos_token_id).sum() == 1


# ---- killed, stopped, resumed


def start(root, out, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "zerobook", "gpt", "train", *words, "--out",
         out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(root)})


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
])
def test_the_shown_lines_make_the_same_model(folder, capsys, more):
    train(*more)
    capsys.readouterr()
    assert train(*more, "--show-code", out="lines") == 0
    code = capsys.readouterr().out
    assert not (folder / "lines").exists()
    exec(compile(code, "shown", "exec"), {})
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
    (["--text", "empty.txt"], "empty.txt is empty"),
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
    folder, capsys, words, sentence
):
    (folder / "empty.txt").write_text(" \n")
    (folder / "latin.txt").write_bytes("Zeile\nGrüße".encode("latin-1"))
    (folder / "short.txt").write_text("Short.")
    before = files(folder)
    assert main(["gpt", "train", *words, "--out", "new"]) == 2
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
    assert "the loss is" in said and "--resume" in said


# ---- a disk that fills up


def full_after(monkeypatch, n):
    """Let the disk be full after `n` files."""
    whole, left = safetensors.write_whole, [n]

    def filling_up(path, pieces):
        left[0] -= 1
        if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        whole(path, pieces)

    import zerobook.gpt_command.run as run
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
