"""The format: the reference library both ways, and files that lie."""

import json
import tracemalloc

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zerobook.safetensors import (
    TYPES,
    FormatError,
    load_file,
    load_metadata,
    read_array,
    read_index,
    save_file,
    write_whole,
)

arrays = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(
        lambda s: s != "__metadata__"
        and not any("\ud800" <= c <= "\udfff" for c in s)
    ),
    st.sampled_from(list(TYPES.values())).flatmap(
        lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0))
    ),
    max_size=4,
)


def same(ours, theirs):
    assert set(ours) == set(theirs)
    for name, a in ours.items():
        b = theirs[name]
        assert a.dtype == b.dtype and a.shape == b.shape
        assert a.tobytes() == b.tobytes()  # bits: a nan equals itself


@given(arrays=arrays)
def test_the_library_reads_our_files_and_we_read_its(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    save_file(arrays, folder / "ours")
    same(arrays, safetensors.numpy.load_file(folder / "ours"))
    safetensors.numpy.save_file(
        {k: np.array(a, order="C") for k, a in arrays.items()},
        folder / "theirs",
    )
    same(arrays, load_file(folder / "theirs"))
    same(arrays, load_file(folder / "ours"))


@given(bits=hnp.arrays("u2", hnp.array_shapes(min_dims=0, min_side=0)))
def test_brain_floats_are_widened_to_the_same_values(bits, tmp_path_factory):
    torch = pytest.importorskip("torch")
    theirs = torch.from_numpy(bits.copy().view("i2")).view(torch.bfloat16)
    path = tmp_path_factory.mktemp("brain") / "f"
    reference = pytest.importorskip("safetensors.torch")
    reference.save_file({"a": theirs, "b": torch.ones(3)}, path)
    ours = load_file(path)
    same(ours, {"a": theirs.float().numpy(), "b": np.ones(3, "f4")})
    with open(path, "rb") as file:
        place = read_index(path)["a"]
        out = np.full(bits.shape, 7, np.float32)
        assert read_array(file, place, out) is out
    assert out.tobytes() == ours["a"].tobytes()


def test_a_brain_float_has_two_bytes(tmp_path):
    header = json.dumps({"a": {"dtype": "BF16", "shape": [3],
                               "data_offsets": [0, 12]}}).encode()
    (tmp_path / "f").write_bytes(len(header).to_bytes(8, "little") + header
                                 + bytes(12))
    with pytest.raises(FormatError, match=r"a: shape \[3\] in 12 bytes"):
        load_file(tmp_path / "f")


def test_views_and_big_endian_numbers_are_stored_as_they_read(tmp_path):
    a = np.arange(12, dtype=">f4").reshape(3, 4).T[::2]
    save_file({"a": a}, tmp_path / "f", metadata={"step": "7"})
    loaded = load_file(tmp_path / "f")["a"]
    assert np.array_equal(loaded, a) and loaded.flags.writeable
    assert load_metadata(tmp_path / "f") == {"step": "7"}
    with safetensors.safe_open(tmp_path / "f", "numpy") as file:
        assert file.metadata() == {"step": "7"}


def test_what_has_no_code_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match="no code for complex128"):
        save_file({"z": np.ones(1, complex)}, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def raw(header, data=b"", n=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    n = len(text) if n is None else n
    return n.to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape),
            "data_offsets": list(offsets)}


LIES = {
    "empty": b"",
    "seven bytes": b"1234567",
    "a picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "all ones": b"\xff" * 64,
    "longer than the file": raw(b"{}", n=3),
    "no json": raw(b"{,}"),
    "no utf-8": raw(b"\xff\xfe"),
    "deep": raw(b"[" * 100_000),
    "a list": raw(b"[]"),
    "no entry": raw({"w": 3}),
    "no dtype": raw({"w": {"shape": [1], "data_offsets": [0, 4]}}, b"1234"),
    "unknown dtype": raw({"w": entry("F31")}, b"1234"),
    "dtype a list": raw({"w": entry(["F32"])}, b"1234"),
    "negative shape": raw({"w": entry(shape=(-1,))}, b"1234"),
    "boolean shape": raw({"w": entry(shape=(True,))}, b"1234"),
    "broken shape": raw({"w": entry(shape=(0.5,))}, b"1234"),
    "text shape": raw({"w": entry() | {"shape": "1"}}, b"1234"),
    "no shape": raw({"w": entry() | {"shape": None}}, b"1234"),
    "three offsets": raw({"w": entry(offsets=(0, 2, 4))}, b"1234"),
    "beyond the end": raw({"w": entry(shape=(2,), offsets=(0, 8))}, b"1234"),
    "backwards": raw({"w": entry(offsets=(4, 0))}, b"1234"),
    "too large a shape": raw({"w": entry(shape=(2**62, 4))}, b"1234"),
    "overlap": raw({"a": entry(), "b": entry()}, b"1234"),
    "hole": raw({"w": entry(offsets=(4, 8))}, b"12345678"),
    "tail": raw({"w": entry()}, b"12345"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_is_refused_without_asking_for_memory(name, tmp_path):
    (tmp_path / "f").write_bytes(LIES[name])
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            load_file(tmp_path / "f")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(safetensors.SafetensorError):
        safetensors.numpy.load_file(tmp_path / "f")


@given(cut=st.integers(0, 200))
def test_a_file_cut_short_anywhere_is_refused(cut, tmp_path_factory):
    path = tmp_path_factory.mktemp("cut") / "f"
    save_file({"a": np.arange(6.0), "b": np.ones((2, 2))}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(FormatError):
        load_file(path)


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "f"
    save_file({"a": np.ones(3)}, path)
    before = path.read_bytes()

    def pieces():
        yield b"half"
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        write_whole(path, pieces())
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
