"""A saved model comes back as it was, and a file is never believed."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zerobook import persistence
from zerobook.base import BaseEstimator


def same(a, b):
    """Equal in value, type and shape, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype.hasobject:
            return a.shape == b.shape and same(
                a.ravel().tolist(), b.ravel().tolist()
            )
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.random.Generator):
        return a.bit_generator.state == b.bit_generator.state
    if hasattr(a, "__dict__") and not callable(a):
        return same(vars(a), vars(b))
    return a is b or a == b or (a != a and b != b)


def model(**attributes):
    out = BaseEstimator()
    vars(out).update(attributes)
    return out


arrays = hnp.arrays(
    st.one_of(
        hnp.floating_dtypes(endianness="<"),
        hnp.integer_dtypes(endianness="<"),
        hnp.boolean_dtypes(),
        hnp.unicode_string_dtypes(endianness="<", max_len=5),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    # lone surrogates are no text: JSON cannot say them in UTF-8
    st.text(st.characters(exclude_categories=["Cs"])),
)
values = st.recursive(
    st.one_of(
        plain, arrays, st.floats(width=32).map(np.float32), st.booleans().map(np.bool_)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text("abc_ ", max_size=3), inner, max_size=3),
        st.dictionaries(
            st.tuples(st.integers(), st.booleans()), inner, max_size=2
        ),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,4}_?", fullmatch=True), values))
def test_whatever_a_model_holds_comes_back_as_it_was(
    tmp_path_factory, attributes
):
    path = tmp_path_factory.mktemp("models") / "m.npz"
    before = model(**attributes)
    persistence.save(before, path)
    assert same(vars(before), vars(persistence.load(path)))


def test_names_of_columns_come_back(tmp_path):
    names = np.array(["age", "身長", "bmi"], dtype=object)
    persistence.save(model(feature_names_in_=names), tmp_path / "m.npz")
    back = persistence.load(tmp_path / "m.npz").feature_names_in_
    assert back.dtype == object and back.tolist() == names.tolist()


def test_a_model_inside_a_model_comes_back(tmp_path):
    inner = model(alpha=0.5, coef_=np.arange(3.0))
    outer = model(estimator=inner, steps=[("a", inner), ("b", model())])
    persistence.save(outer, tmp_path / "m.npz")
    assert same(vars(outer), vars(persistence.load(tmp_path / "m.npz")))


def test_functions_come_back_by_name(tmp_path):
    activations = pytest.importorskip("zerobook.activations")
    before = model(activation=np.tanh, other=activations.sigmoid)
    persistence.save(before, tmp_path / "m.npz")
    after = persistence.load(tmp_path / "m.npz")
    assert after.activation is np.tanh and after.other is activations.sigmoid


def test_a_generator_goes_on_where_it_stood(tmp_path):
    rng = np.random.default_rng(3)
    rng.random(7)
    persistence.save(model(random_state=rng), tmp_path / "m.npz")
    back = persistence.load(tmp_path / "m.npz").random_state
    assert back.random(5).tolist() == rng.random(5).tolist()


@pytest.mark.parametrize(
    "value",
    [lambda x: x, object(), {1, 2}, os.system, np.random.RandomState(0)],
)
def test_what_is_no_data_is_refused_and_leaves_no_file(tmp_path, value):
    with pytest.raises(TypeError, match="cannot save"):
        persistence.save(model(thing=value), tmp_path / "m.npz")
    assert list(tmp_path.iterdir()) == []


def test_only_models_of_zerobook_are_saved(tmp_path):
    from sklearn.linear_model import Ridge

    for other in (Ridge(), 3, {"a": 1}):
        with pytest.raises(TypeError, match="model of zerobook"):
            persistence.save(other, tmp_path / "m.npz")


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    persistence.save(model(a=1), path)

    def full(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="disk full"):
        persistence.save(model(a=2), path)
    assert persistence.load(path).a == 1
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_saving_twice_gives_the_same_bytes(tmp_path):
    before = model(coef_=np.arange(5.0), alpha=1.0)
    for name in ("a.npz", "b.npz"):
        persistence.save(before, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (
        tmp_path / "b.npz"
    ).read_bytes()


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "m.npz"
    persistence.save(model(coef_=np.arange(50.0)), path)
    whole = path.read_bytes()
    for cut in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="m.npz"):
            persistence.load(path)


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(deadline=None, max_examples=200)
def test_a_flipped_byte_is_refused_or_harmless(tmp_path_factory, where, flip):
    path = tmp_path_factory.mktemp("models") / "m.npz"
    before = model(coef_=np.arange(20.0), alpha=0.5)
    persistence.save(before, path)
    raw = bytearray(path.read_bytes())
    raw[where % len(raw)] ^= flip
    path.write_bytes(raw)
    try:
        after = persistence.load(path)
    except ValueError:
        return
    assert same(vars(before), vars(after))  # a byte that zip does not read


def forge(path, tree=None, **header):
    """A file with a header of our choice."""
    header = {"format": "zerobook-model", "version": 1, "model": tree} | header
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(path, header=text)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "sklearn.linear_model.Ridge",
        "zerobook.persistence.os.system",
        "zerobook.persistence.np.ndarray",
        "zerobook.__main__.main",
        "zerobook.base.check_array",
        "zerobook.base.inspect",
        "zerobook.press.writing.Writer",
        "zerobook.base.NotFittedError",
        "zerobook.nothing.Model",
        "zerobook.base.Nothing",
        "Ridge",
        "",
    ],
)
def test_a_class_that_is_no_model_of_ours_is_refused(tmp_path, name):
    path = forge(tmp_path / "m.npz", ["model", [name, {}]])
    with pytest.raises(ValueError, match="m.npz"):
        persistence.load(path)


@pytest.mark.parametrize(
    "name", ["os.system", "numpy.load", "numpy.fromfile", "zerobook.base.warn"]
)
def test_a_function_outside_mathematics_is_refused(tmp_path, name):
    tree = [
        "model",
        ["zerobook.base.BaseEstimator", {"f": ["function", name]}],
    ]
    with pytest.raises(ValueError, match="not zerobook's"):
        persistence.load(forge(tmp_path / "m.npz", tree))


def test_another_format_or_version_is_said(tmp_path):
    with pytest.raises(ValueError, match="newer zerobook"):
        persistence.load(forge(tmp_path / "m.npz", version=99))
    with pytest.raises(ValueError, match="header"):
        persistence.load(forge(tmp_path / "m.npz", format="other"))
    with pytest.raises(ValueError, match="unknown kind"):
        persistence.load(forge(tmp_path / "m.npz", ["pickle", "x"]))
    with pytest.raises(ValueError, match="m.npz"):
        persistence.load(forge(tmp_path / "m.npz", ["array", 7]))


def test_pickles_are_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    with open(tmp_path / "m.npz", "wb") as file:
        pickle.dump(Trap(), file)
    np.savez(tmp_path / "n.npz", header=np.array([Trap()], dtype=object))
    for name in ("m.npz", "n.npz"):
        with pytest.raises(ValueError, match=name):
            persistence.load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_zip_or_an_array_of_others_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as file:
        file.writestr("hello.txt", "hello")
    np.save(tmp_path / "a.npy", np.arange(3))
    np.savez(tmp_path / "b.npz", x=np.arange(3))
    for name in ("z.npz", "a.npy", "b.npz"):
        with pytest.raises(ValueError, match=name):
            persistence.load(tmp_path / name)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        persistence.load(tmp_path / "m.npz")
