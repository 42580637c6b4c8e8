"""Weight files are data: ten thousand damaged ones, each a clear error.

A file either loads, and then is what it says, or raises a ValueError that
names it; never anything else, and never more memory than there is file.
"""

import contextlib
import json
import random
import re

import numpy as np
import pytest
from oracles import oracle

from zerobook import safetensors
from zerobook.interop.huggingface import load_gpt, save_gpt
from zerobook.models.gpt import GPT, GPTConfig
from zerobook.safetensors import load_file, save_file
from zerobook.tokenizers import BPETokenizer

reference = oracle("safetensors.numpy")

MEMORY = 200_000_000  # bytes above what the process has
NUMBERS = [b"-1", b"0", b"1", b"1000000000000", b"1e400", b"NaN", b"1.5",
           str(2**63).encode(), str(2**64 + 8).encode(), b"9" * 5000,
           b"true", b"null", b'"8"', b"[8]", b"{}", b"[" * 3000]
VALUES = [None, True, -1, 0, 1, 7, 10**12, 2**63, -(2**70), 1e300, 0.5,
          float("nan"), float("inf"), "", "F32", "BF16", "../x", "\ud800",
          "a" * 3000, [], [[]], [-1], [2**40, 2**40], [0] * 100, [1] * 100,
          [2**62, 0], {}, {"a": {}}, ["a"], [["a", "b", "c"]], ["a b c"]]
CLAIMS = [0, 1, 7, 10**8, 10**8 + 1, 10**12, 2**63, 2**64 - 1]


@contextlib.contextmanager
def bounded_memory():
    """Let a process that asks for much more memory than it has fail."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# ---- mutations


def flip(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5, 30])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def flip_early(data, rng):
    n = min(len(data), rng.choice([8, 16, 60]))
    return flip(data[:n], rng) + data[n:]


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def grow(data, rng):
    more = rng.choice([b"\0", b"}", b" " * 9, data, rng.randbytes(40)])
    place = rng.choice([0, len(data), rng.randrange(len(data))])
    return data[:place] + more + data[place:]


def swap(data, rng):
    a, b = sorted(rng.randrange(len(data)) for _ in range(2))
    n = rng.randrange(1, 30)
    return data[:a] + data[b : b + n] + data[a + n :]


def number(data, rng):
    found = list(re.finditer(rb"-?\d+", data))
    m = rng.choice(found)
    return data[: m.start()] + rng.choice(NUMBERS) + data[m.end() :]


BYTES = [flip, flip_early, cut, grow, swap, number]


def nodes(tree):
    """All places of a nest of tables and lists, as (holder, key)."""
    keys = tree if isinstance(tree, dict) else range(len(tree))
    for key in list(keys):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from nodes(tree[key])


def replant(tree, rng):
    """Another value, name or place for one node of a nest."""
    holder, key = rng.choice(list(nodes(tree)))
    how = rng.randrange(4)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[rng.choice(["a", "", "__metadata__", key + "x"])] = \
            holder.pop(key)
    elif how == 2:
        other, place = rng.choice(list(nodes(tree)))
        holder[key] = json.loads(json.dumps(other[place]))
    else:
        holder[key] = rng.choice(VALUES)
    return tree


def twice(text, rng):
    """One pair of the outermost table a second time, with any value."""
    key = rng.choice(list(json.loads(text)))
    value = json.dumps(rng.choice(VALUES))
    return text[:1] + f"{json.dumps(key)}: {value}, " + text[1:]


def damaged_json(data, rng):
    if rng.random() < 0.4:
        return rng.choice(BYTES)(data, rng)
    if rng.random() < 0.1:
        return twice(data.decode(), rng).encode()
    return json.dumps(replant(json.loads(data), rng)).encode()


def damaged_weights(data, rng):
    n = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + n], data[8 + n :]
    how = rng.random()
    if how < 0.3:
        return rng.choice(BYTES)(data, rng)
    if how < 0.4:
        return rng.choice(CLAIMS).to_bytes(8, "little") + data[8:]
    header = damaged_json(header.rstrip(), rng)
    if rng.random() < 0.2:
        body = rng.choice([cut, grow])(body, rng)
    return len(header).to_bytes(8, "little") + header + body


# ---- what is asked of each


def loads(load, path):
    """What `load` gives; None if it refuses with an error as it should."""
    try:
        return load()
    except (ValueError, FileNotFoundError) as error:
        assert str(path) in str(error), repr(error)
        return None


def arrays():
    rng = np.random.default_rng(0)
    return {"w": rng.normal(size=(3, 4)).astype("f"), "b": np.zeros(3),
            "n": np.arange(5), "mask": np.ones((2, 0), bool)}


def test_a_damaged_safetensors_file_is_refused_or_is_what_it_says(tmp_path):
    path, rng = tmp_path / "model.safetensors", random.Random(0)
    save_file(arrays(), path, {"format": "pt"})
    whole, loaded = path.read_bytes(), 0
    with bounded_memory():
        for _ in range(5000):
            data = damaged_weights(whole, rng)
            path.write_bytes(data)
            ours = loads(lambda: load_file(path), path)
            if ours is not None:
                loaded += 1
                begin = 8 + int.from_bytes(data[:8], "little")
                size = sum(a.nbytes for a in ours.values())
                assert begin + size == len(data)
                agree(ours, path)
            loads(lambda: safetensors.load_metadata(path), path)
    assert 20 < loaded < 2500  # many do harm, not all


def agree(ours, path):
    """The reference library refuses the file or reads the same."""
    try:
        theirs = reference.load_file(path)
    except Exception:
        return
    assert set(theirs) == set(ours)
    for name, a in ours.items():
        assert a.dtype == theirs[name].dtype and a.shape == theirs[name].shape
        assert a.tobytes() == theirs[name].tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small GPT in two shards, with its tokenizer."""
    out = tmp_path_factory.mktemp("fuzz") / "gpt"
    tokenizer = BPETokenizer.train("low lower lowest " * 3, 262)
    config = GPTConfig(tokenizer.vocab_size, n_positions=8, n_embd=8,
                       n_layer=1, n_head=2)
    save_gpt(GPT(config, rng=0), tokenizer, out)
    weights = load_file(out / "model.safetensors")
    names = {f"model-0000{i}-of-00002.safetensors": list(weights)[i - 1 :: 2]
             for i in (1, 2)}
    for name, keys in names.items():
        save_file({key: weights[key] for key in keys}, out / name)
    (out / "model.safetensors").unlink()
    (out / "model.safetensors.index.json").write_text(json.dumps({
        "metadata": {"total_size": 1}, "weight_map": {
            key: name for name, keys in names.items() for key in keys}}))
    return out


def damage(folder, name, n, load, seed=0):
    """`n` mutations of one file of a folder; how many of them load."""
    path, rng, loaded = folder / name, random.Random(seed), 0
    whole = path.read_bytes()
    try:
        with bounded_memory():
            for _ in range(n):
                path.write_bytes(damaged_json(whole, rng))
                loaded += loads(load, folder) is not None
    finally:
        path.write_bytes(whole)
    return loaded


def bare(folder):
    """The same folder without the tokenizer, which takes most of the time."""
    names = ("tokenizer.json", "vocab.json")
    hidden = [folder / name for name in names]
    for path in hidden:
        path.rename(path.with_suffix(".away"))
    return hidden


@pytest.mark.parametrize("name, n", [("config.json", 2200),
                                     ("model.safetensors.index.json", 800)])
def test_a_damaged_config_or_index_is_refused_or_makes_a_model(folder, name,
                                                               n):
    ids, hidden = np.array([[1, 2, 3]]), bare(folder)

    def load():
        model, _ = load_gpt(folder)
        return model.config.n_head and model.read(ids)

    try:
        assert damage(folder, name, n, load) < 0.9 * n
    finally:
        for path in hidden:
            path.with_suffix(".away").rename(path)


@pytest.mark.parametrize("name, n", [("tokenizer.json", 1200),
                                     ("vocab.json", 800)])
def test_a_damaged_tokenizer_is_refused_or_goes_there_and_back(folder, name,
                                                               n):
    away = folder / "tokenizer.away"

    def load():
        tokenizer = BPETokenizer.load(folder)
        text = "low lower, 損失"
        assert tokenizer.decode(tokenizer.encode(text, False)) == text
        return tokenizer

    if name == "vocab.json":
        (folder / "tokenizer.json").rename(away)
    try:
        assert damage(folder, name, n, load) < 0.9 * n
    finally:
        if away.exists():
            away.rename(folder / "tokenizer.json")


def test_a_header_that_claims_a_million_million_bytes_costs_nothing(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes((10**12).to_bytes(8, "little") + b"{}" * 50)
    with bounded_memory(), pytest.raises(ValueError, match="1000000000000"):
        load_file(path)
