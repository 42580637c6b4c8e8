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


REFUSED = {  # the kind: whatever is saved can be read, by us and by the library
    "complex": ({"z": np.ones(1, complex)}, None, "no code for complex128"),
    "objects": ({"z": np.array([None])}, None, "no code for object"),
    "text": ({"z": np.array(["a"])}, None, "no code for <U1"),
    "dates": ({"z": np.array(["2020"], "M8[s]")}, None, "no code for dat"),
    "records": ({"z": np.zeros(1, "i4,f4")}, None, "no code for"),
    "a mask": ({"z": np.ma.masked_array([1, 2], [0, 1])}, None, "mask"),
    "a number as name": ({3: np.ones(1)}, None, "name of an array is 3"),
    "None as name": ({None: np.ones(1)}, None, "name of an array is None"),
    "half a pair": ({"\ud800": np.ones(1)}, None, "not Unicode"),
    "their name": ({"__metadata__": np.ones(1)}, None, "__metadata__"),
    "33 axes": ({"z": np.ones((1,) * 32)[None]}, None, "z: 0 .. 8")
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else
    ({"z": 1j}, None, "no code"),
    "a number": ({}, {"epoch": 3}, r"metadata\['epoch'\] is 3, not a str"),
    "None": ({}, {"epoch": None}, r"metadata\['epoch'\] is None"),
    "bytes": ({}, {"epoch": b"3"}, "not a str"),
    "a list": ({}, {"epoch": ["3"]}, "not a str"),
    "a number as key": ({}, {3: "3"}, "key of metadata is 3, not a str"),
    "half a pair noted": ({}, {"a": "\udfff"}, "not Unicode"),
    "half a pair as key": ({}, {"\udfff": "a"}, "not Unicode"),
    "no dict": ({}, [("a", "b")], "metadata is"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_reader_takes_is_refused_and_nothing_is_written(
        name, tmp_path):
    arrays, metadata, words = REFUSED[name]
    save_file({"old": np.ones(2)}, tmp_path / "f")
    before = (tmp_path / "f").read_bytes()
    with pytest.raises((TypeError, ValueError), match=words):
        save_file(arrays, tmp_path / "f", metadata)
    assert (tmp_path / "f").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["f"]


LAYOUTS = {
    "as it is": lambda a: a,
    "turned": lambda a: a.T,
    "backwards": lambda a: a[..., ::-1] if a.ndim else a,
    "every second": lambda a: a[::2] if a.ndim else a,
    "by columns": np.asfortranarray,
    "one row many times": lambda a: np.broadcast_to(a, (3, *a.shape)),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
    "a matrix": lambda a: a if a.ndim != 2 else a.view(np.matrix),
}


@given(arrays=arrays, layout=st.sampled_from(sorted(LAYOUTS)),
       metadata=st.none() | st.dictionaries(
           st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_every_layout_and_name_is_saved_so_that_both_read_it(
        arrays, layout, metadata, tmp_path_factory):
    path = tmp_path_factory.mktemp("layouts") / "f"
    arrays = {name: LAYOUTS[layout](a) for name, a in arrays.items()}
    save_file(arrays, path, metadata)
    native = {name: np.array(a, a.dtype.newbyteorder("<"), order="C")
              for name, a in arrays.items()}
    same(native, safetensors.numpy.load_file(path))
    same(native, load_file(path))
    with safetensors.safe_open(path, "numpy") as file:
        assert (file.metadata() or {}) == (metadata or {})
    assert load_metadata(path) == (metadata or {})


def test_no_metadata_may_be_called_null_as_in_the_library(tmp_path):
    (tmp_path / "f").write_bytes(raw({"__metadata__": None, "a": entry()},
                                     b"1234"))
    same(load_file(tmp_path / "f"),
         safetensors.numpy.load_file(tmp_path / "f"))
    assert load_metadata(tmp_path / "f") == {}


HEADERS = {
    "brackets": '{"a":[' + ",".join(["[[[[[]]]]]"] * 9_000) + "]}",
    "tables": '{"a":[' + ",".join(['{"":{"":{}}}'] * 8_000) + "]}",
    "numbers": '{"a":[' + ",".join(["9.5"] * 25_000) + "]}",
    "notes": '{"__metadata__":{' + ",".join(
        f'"{i}":""' for i in range(10_000)) + "}}",
    "wide": '{"a":"' + "é" * 50_000 + '🙂"}',
    "no numbers": "{" + ",".join(
        f'"{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
        for i in range(2_000)) + "}",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_takes_at_most_what_the_docstring_says(name, tmp_path):
    text = HEADERS[name].encode()
    (tmp_path / "f").write_bytes(raw(text))
    tracemalloc.start()
    try:
        load_file(tmp_path / "f")
    except FormatError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 60 * len(text) + 50_000


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
    "metadata a list": raw({"__metadata__": ["a"]}),
    "metadata of numbers": raw({"__metadata__": {"a": 1}}),
    "metadata of null": raw({"__metadata__": {"a": None}}),
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
