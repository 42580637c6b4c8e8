"""A Git LFS pointer in place of a file is called that, by every reader."""

import json

import numpy as np
import pytest

from zerobook import datasets, nn, persistence, runs, safetensors
from zerobook.commands.gpt import run
from zerobook.interop import huggingface
from zerobook.models.gpt import GPT, GPTConfig
from zerobook.tokenizers import (
    BERT_SPECIALS, BPETokenizer, WordPieceTokenizer,
)
from zerobook.checkpoint import Checkpoint

POINTER = ("version https://git-lfs.github.com/spec/v1\n"
           "oid sha256:0a\nsize 548105171\n")


def gpt_folder(folder):
    tokenizer = BPETokenizer.train("a b", 257)
    config = GPTConfig(vocab_size=257, n_positions=4, n_embd=4, n_head=1,
                       n_layer=1)
    huggingface.save_gpt(GPT(config, rng=0), tokenizer, folder)
    return lambda: huggingface.load_gpt(folder)


def sharded(folder):
    load = gpt_folder(folder)
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    names = safetensors.read_index(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"weight_map": dict.fromkeys(names, "model-1.safetensors")}))
    return load


def byte_pairs(folder):
    BPETokenizer.train("a b", 257).save(folder)
    (folder / "tokenizer.json").unlink()
    return lambda: BPETokenizer.load(folder)


def word_pieces(folder):
    WordPieceTokenizer([*BERT_SPECIALS, "a"]).save(folder)
    (folder / "tokenizer.json").unlink()
    return lambda: WordPieceTokenizer.load(folder)


def checkpoint(folder):
    made = Checkpoint(folder / "c", nn.Linear(1, 1, rng=0))
    made.save()
    return made.load


def text(folder):
    (folder / "t.txt").write_text("a b")
    return lambda: run.read_text(folder / "t.txt")


def gpt_run(folder):
    (folder / "t.txt").write_text("abc " * 99)
    run.begin([folder / "t.txt"], folder / "out", run.Settings(
        width=4, heads=1, layers=1, context=4, tokenizer="bytes"))
    return lambda: run.go_on(folder / "out")


def record(folder):
    (folder / "r.safetensors").write_bytes(b"")
    (folder / "r.json").write_text('{"results": {}, "arrays": "12"}')
    return lambda: runs.arrays("r", folder)


def weights(folder):
    safetensors.save_file({"a": np.ones(1)}, folder / "f")
    return lambda: safetensors.load_file(folder / "f")


READERS = {  # the kind: every file of ours that a clone may lack
    "weights": (weights, ["f"]),
    "a checkpoint": (checkpoint, ["c.safetensors"]),
    "a gpt": (gpt_folder, ["config.json", "model.safetensors",
                           "tokenizer.json"]),
    "shards": (sharded, ["model.safetensors.index.json",
                         "model-1.safetensors"]),
    "byte pairs": (byte_pairs, ["vocab.json", "merges.txt"]),
    "word pieces": (word_pieces, ["vocab.txt", "tokenizer_config.json"]),
    "a classic model": (
        lambda folder: lambda: persistence.load(folder / "m.npz"),
        ["m.npz"]),
    "an IDX file": (
        lambda folder: lambda: datasets.read_idx(folder / "i"), ["i"]),
    "a text": (text, ["t.txt"]),
    "a run of a gpt": (gpt_run, [
        "out/training/run.json", "out/training/text.safetensors",
        "out/training/checkpoint.safetensors", "out/tokenizer.json"]),
    "a record": (record, ["r.json", "r.safetensors"]),
}


@pytest.mark.parametrize("reader, name", [
    (reader, name) for reader, (_, names) in READERS.items()
    for name in names])
def test_a_pointer_is_called_one_and_the_remedy_is_named(
        reader, name, tmp_path):
    read = READERS[reader][0](tmp_path)
    (tmp_path / name).write_text(POINTER)
    with pytest.raises((ValueError, run.Complaint), match=f"{name}: a Git LFS pointer.* `git "
                       "lfs pull` fetches it"):
        read()
