"""Checkpoints: killed at any call, beside other files, with odd content."""

import builtins
import json
import os
import signal
import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zerobook import nn, optim, safetensors
from zerobook.checkpoint import MARK, REST, Checkpoint, split_state


def start(folder, name="c", seed=0):
    net = nn.Sequential(nn.Linear(3, 4, rng=seed), nn.Dropout(0.5, rng=seed))
    adam = optim.Adam(net.parameters(), lr=0.1)
    return Checkpoint(folder / name, net, optimizer=adam)


def set_to(checkpoint, n):
    """A state in which every number says that this is the `n`th."""
    for p in checkpoint.model.parameters():
        p.data[...] = n
    for memory in checkpoint.parts["optimizer"].state:
        for array in memory.values():
            array[...] = n
    checkpoint.model[1].rng = np.random.default_rng(n)


def reads_as(folder):
    """Which state the checkpoint in a folder holds, if it holds one whole."""
    new = start(folder)
    step, notes = new.load()
    n = notes["n"]
    mine = start(folder)
    set_to(mine, n)
    a, b = {}, {}
    assert split_state(new.state(), a) == split_state(
        mine.state(), b)
    assert all(np.array_equal(a[name], b[name]) for name in a)
    return n


class Killer:
    """Ends the process by SIGKILL at its `k`th call to the system."""

    def __init__(self, k):
        self.left = k

    def call(self, function, *before):
        def counted(*args, **options):
            self.left -= 1
            if not self.left:
                for act in before:
                    act(*args)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return counted

    def open(self, *args, **options):
        file = self.true_open(*args, **options)
        if "x" in args[1:2][0] or "w" in args[1:2][0]:
            return Written(file, self)
        return file

    def install(self):
        self.true_open = builtins.open
        builtins.open = self.call(self.open)
        for name in ("fsync", "replace", "open", "close", "unlink", "mkdir",
                     "rename", "rmdir"):
            setattr(os, name, self.call(getattr(os, name)))


class Written:
    """A file whose last write, before the kill, is cut in half."""

    def __init__(self, file, killer):
        def half(piece):
            file.write(bytes(piece)[: len(piece) // 2])
            file.flush()

        self.file = file
        self.write = killer.call(file.write, half)
        self.flush = killer.call(file.flush)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def fileno(self):
        return self.file.fileno()


def killed_at(k, work):
    """Whether `work` in a child was killed at its `k`th call."""
    pid = os.fork()
    if not pid:
        try:
            Killer(k).install()
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


NEIGHBOURS = ("c-small.safetensors", "c-0.safetensors", "c.json", "c",
              "c.safetensors.json", "c.part", "c.safetensors.part", "c*",
              "c.0.safetensors")


@pytest.mark.parametrize("step", [None, 7])
def test_a_kill_at_every_call_of_a_save_leaves_a_whole_checkpoint(
        tmp_path, step):
    # the kind: whatever the moment, the last whole state is read, and no
    # file of another's is touched; 100 kills for each way to number steps
    for name in NEIGHBOURS:
        (tmp_path / name).write_text(name)
    checkpoint, kills, last, ends = start(tmp_path), 0, None, set()
    while kills < 100:
        for k in range(1, 1000):
            n = 0 if last is None else last + 1
            set_to(checkpoint, n)
            numbers = {} if step is None else {"step": step + n}
            if not killed_at(k, partial(checkpoint.save, n=n, **numbers)):
                break
            kills += 1
            if last is not None or checkpoint.exists():
                found = reads_as(tmp_path)
                assert found in (last, n)
                ends.add(found == n)
                last = found
        last = reads_as(tmp_path)
    assert ends == {True, False} and k > 8
    for name in NEIGHBOURS:
        assert (tmp_path / name).read_text() == name


def test_a_kill_at_any_time_leaves_a_whole_checkpoint(tmp_path):
    rng, checkpoint, last = np.random.default_rng(0), start(tmp_path), 0
    set_to(checkpoint, 0)
    checkpoint.save(n=0)
    for _ in range(20):
        pid = os.fork()
        if not pid:
            for n in range(last + 1, last + 1000):
                set_to(checkpoint, n)
                checkpoint.save(n=n)
            os._exit(0)
        time.sleep(rng.uniform(0, 0.04))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        found = reads_as(tmp_path)
        assert found >= last
        last = found
    assert last > 0


def test_bytes_reach_the_disk_before_the_name_and_the_name_before_the_end(
        tmp_path, monkeypatch):
    seen = []

    def told(name):
        true = getattr(os, name)

        def call(*args, **options):
            seen.append(name)
            return true(*args, **options)

        monkeypatch.setattr(os, name, call)

    told("fsync"), told("replace")
    start(tmp_path).save()
    assert seen == ["fsync", "replace", "fsync"]


NAMES = ["lr0.1", "lr0.01", "lr0", "model", "model-small", "model-7", "a.json",
         "a", "a.safetensors", "[ab]", "b", "*", "?", "späße", "語", " x ", "x",
         ".hidden", "x.", "a.json.safetensors", "-", "{}", "%s", "a\nb"]


def test_checkpoints_of_any_names_live_in_one_folder(tmp_path):
    # the kind: a name is a name, no pattern, no suffix, no prefix
    for again in range(2):
        for n, name in enumerate(NAMES):
            checkpoint = start(tmp_path, name)
            set_to(checkpoint, n)
            checkpoint.save(again, n=n)
    assert len(list(tmp_path.iterdir())) == len(NAMES)
    for n, name in enumerate(NAMES):
        new = start(tmp_path, name, seed=9)
        assert new.exists() and new.load() == (1, {"n": n})
        assert (new.model[0].weight.data == n).all()


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="needs a name"):
        Checkpoint(name, nn.Linear(1, 1, rng=0))


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_file_that_no_checkpoint_wrote_is_not_replaced(tmp_path, content):
    file = tmp_path / "c.safetensors"
    if content is None:
        safetensors.save_file({"w": np.ones(3)}, file, {"format": "pt"})
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    with pytest.raises(FileExistsError, match="is no checkpoint"):
        start(tmp_path).save()
    assert file.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


keys = st.one_of(st.text(max_size=4), st.integers(), st.none(), st.booleans(),
                 st.floats(allow_nan=False), st.tuples(st.integers()),
                 st.sampled_from(["array", "$array", "$dict", "$tuple", "$",
                                  "state.json", "__metadata__", "a/b", "/"]))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4),
    st.sampled_from([np.float32(0.1), np.int64(-3), np.bool_(True), 2**200]),
    hnp.arrays(st.sampled_from(list(safetensors.TYPES.values()) + ["c16", "O",
                                                                  "M8[s]"]),
               hnp.array_shapes(min_dims=0, min_side=0, max_side=3)),
    st.sampled_from([{1, 2}, b"bytes", 1j, range(3), object, "\ud800",
                     np.ma.masked_array([1, 2], [0, 1])]),
)
states = st.recursive(leaves, lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3),
    st.tuples(inner, inner)), max_leaves=8)


def equal(a, b):
    if isinstance(a, np.ndarray):
        return (isinstance(b, np.ndarray) and a.dtype == b.dtype
                and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, list | tuple):
        return (type(a) is type(b) and len(a) == len(b)
                and all(map(equal, a, b)))
    if isinstance(a, dict):
        return (list(a) == list(b) and list(map(type, a)) == list(map(type, b))
                and all(equal(a[k], b[k]) for k in a))
    return a == b or (a != a and b != b)


@given(notes=st.dictionaries(st.text(min_size=1, max_size=5).filter(
    lambda name: name not in ("self", "step")), states, max_size=3))
def test_notes_come_back_equal_or_are_refused_before_anything_is_written(
        notes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notes")
    checkpoint = start(folder)
    checkpoint.save(1, n="old")
    before = checkpoint.file.read_bytes()
    try:
        checkpoint.save(2, **notes)
    except (TypeError, ValueError):
        assert checkpoint.file.read_bytes() == before
        assert checkpoint.load() == (1, {"n": "old"})
    else:
        step, back = checkpoint.load()
        assert step == 2 and equal(notes, back)
    assert list(folder.iterdir()) == [checkpoint.file]


@pytest.mark.parametrize("note", [
    {1, 2}, b"b", 1j, nn.Linear(1, 1, rng=0), np.ones(1, complex),
    np.array(["a"]), [[np.datetime64("2020")]], 10**5000,
], ids=range(8))
def test_a_note_that_cannot_be_kept_is_named(note, tmp_path):
    with pytest.raises((TypeError, ValueError), match="notes/late|digits"):
        start(tmp_path).save(late=note)
    assert not list(tmp_path.iterdir())


def test_a_note_without_an_end_is_refused(tmp_path):
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="too deep"):
        start(tmp_path).save(endless=endless)


@pytest.mark.parametrize("stop", [ValueError("no"), KeyboardInterrupt()])
def test_a_load_that_fails_anywhere_changes_nothing(tmp_path, stop):
    class Last:
        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            if state:
                raise stop

    start(tmp_path).save()
    old = start(tmp_path, seed=5)
    arrays = safetensors.load_file(old.file)
    rest = json.loads(arrays[REST].tobytes())
    rest["parts"]["last"] = {"n": 1}
    arrays[REST] = np.frombuffer(json.dumps(rest).encode(), np.uint8)
    safetensors.save_file(arrays, old.file, MARK)
    new = Checkpoint(old.path, old.model, optimizer=old.parts["optimizer"],
                     last=Last())
    before = {}
    rest = split_state(old.state(), before)
    before = {name: array.copy() for name, array in before.items()}
    with pytest.raises(type(stop)):
        new.load()
    after = {}
    assert split_state(old.state(), after) == rest
    assert all(np.array_equal(before[k], after[k]) for k in before)


def two_files(checkpoint, step, **notes):
    """Save as the first versions did."""

    def split(state, path=""):
        if isinstance(state, np.ndarray):
            arrays[path] = state
            return {"array": path}
        if isinstance(state, dict):
            return {str(k): split(v, f"{path}/{k}".lstrip("/"))
                    for k, v in state.items()}
        if isinstance(state, list | tuple):
            return [split(v, f"{path}/{i}") for i, v in enumerate(state)]
        return state

    arrays = {}
    rest = split({**checkpoint.state(), "step": step, "notes": notes})
    name = f"{checkpoint.path.name}-{step}.safetensors"
    safetensors.save_file(arrays, checkpoint.path.parent / name)
    checkpoint.path.with_suffix(".json").write_text(
        json.dumps({"arrays": name, **rest}))


def test_checkpoints_of_the_first_versions_are_read(tmp_path):
    old = start(tmp_path)
    set_to(old, 4)
    two_files(old, 3, n=4)
    new = start(tmp_path)
    assert new.exists() and new.load() == (3, {"n": 4})
    assert (new.model[0].weight.data == 4).all()
    assert (new.parts["optimizer"].state[0]["m"] == 4).all()
    set_to(old, 5)
    old.save(4, n=5)
    assert reads_as(tmp_path) == 5


def test_the_first_versions_files_of_another_name_are_not_ours(tmp_path):
    two_files(start(tmp_path, "lr0.01"), 3)
    assert not start(tmp_path, "lr0.1").exists()
    assert start(tmp_path, "lr0.01").exists()
