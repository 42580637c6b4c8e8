"""Every writer of a file: whole or not at all, and readable by others."""

import builtins
import os
import stat

import numpy as np
import pytest

from zerobook import linear_model, nn, persistence, safetensors
from zerobook.interop import huggingface, onnx
from zerobook.models.gpt import GPT, GPTConfig
from zerobook.press import recording, writing
from zerobook.tokenizers import (
    BERT_SPECIALS, BPETokenizer, WordPieceTokenizer,
)
from zerobook.checkpoint import Checkpoint

CONFIG = GPTConfig(vocab_size=257, n_positions=4, n_embd=4, n_head=1,
                   n_layer=1)
WRITERS = {  # the kind: a function that puts its `n`th content into a folder
    "weights": lambda folder, n: safetensors.save_file(
        {"a": np.full(3, n)}, folder / "f"),
    "a checkpoint": lambda folder, n: Checkpoint(
        folder / "c", nn.Linear(2, 2, rng=n)).save(n),
    "a classic model": lambda folder, n: persistence.save(
        linear_model.Ridge(alpha=n), folder / "m.npz"),
    "byte pairs": lambda folder, n: BPETokenizer.train(
        "aa" * n, 258).save(folder, context=n),
    "ranks": lambda folder, n: BPETokenizer.train(
        "ab" * 9, 257 + n).save_tiktoken(folder / "t"),
    "word pieces": lambda folder, n: WordPieceTokenizer(
        [*BERT_SPECIALS, str(n)]).save(folder, context=n),
    "a gpt": lambda folder, n: huggingface.save_gpt(
        GPT(CONFIG, rng=n), None, folder),
    "onnx": lambda folder, n: onnx.save_onnx(
        nn.Sequential(nn.Linear(2, 2, rng=n)), folder / "o.onnx", (1, 2)),
    "a module": lambda folder, n: writing.replace(
        folder / "m.py", f"n = {n}\n"),
    "a record": lambda folder, n: recording.write_record(
        folder / "r.json", {"n": n}, {"n": n}, None),
}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_a_first_call_that_fails_leaves_the_old_files_and_no_others(
        name, failing, tmp_path, monkeypatch):
    write = WRITERS[name]
    write(tmp_path, 1)
    before = contents(tmp_path)

    def fail(*args, **options):
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(OSError, match="no room"):
            write(tmp_path, 2)
    assert contents(tmp_path) == before
    write(tmp_path, 2)
    after = contents(tmp_path)
    assert set(after) == set(before) and after != before


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_fills_up_leaves_each_file_old_or_new(
        name, tmp_path, monkeypatch):
    write = WRITERS[name]
    old, new, now = (tmp_path / part for part in ("old", "new", "now"))
    for folder, n in ((old, 1), (new, 2), (now, 1)):
        folder.mkdir()
        write(folder, n)
    room, true_fsync = [0], os.fsync

    def fsync(handle):
        room[0] -= 1
        if not room[0]:
            raise OSError("no room")
        return true_fsync(handle)

    for k in range(1, 9):
        room[0] = k
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            try:
                write(now, 2)
            except OSError:
                pass
        found, a, b = contents(now), contents(old), contents(new)
        assert set(found) == set(a)
        for file, data in found.items():
            assert data in (a[file], b[file])
    assert contents(now) == contents(new)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_has_the_rights_of_any_new_file(name, tmp_path):
    (tmp_path / "plain").write_text("")
    wanted = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    WRITERS[name](tmp_path, 1)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path.name


def test_a_file_beside_is_new_and_never_another_one(tmp_path, monkeypatch):
    modes, true = [], builtins.open

    def told(path, mode="r", *args, **options):
        modes.append(mode)
        return true(path, mode, *args, **options)

    monkeypatch.setattr(builtins, "open", told)
    for name in ("weights", "a classic model"):
        WRITERS[name](tmp_path, 1)
    assert modes.count("xb") == 2 and "wb" not in modes


def test_a_masked_array_is_no_part_of_a_model(tmp_path):
    model = linear_model.Ridge()
    model.coef_ = np.ma.masked_array([1.0, 2.0], [False, True])
    with pytest.raises(TypeError, match="cannot save"):
        persistence.save(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())
