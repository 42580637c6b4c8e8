# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Fitted models as data: arrays and JSON in one file, never pickle."""

import importlib
import inspect
import json
import os
import numpy as np
from zerobook.git_lfs import refuse_pointer


# %% book/given/estimators.md
FORMAT = "zerobook-model"
FORMAT_VERSION = 1
FUNCTION_MODULES = (
    "zerobook.activations",
    "zerobook.losses",
    "zerobook.metrics",
)


# %% book/given/estimators.md
PLAIN = (type(None), bool, int, float, str)


def _encode(value, arrays):
    if type(value) in PLAIN:
        return value
    for known, encode in _ENCODERS:
        if known(value):
            return encode(value, arrays)
    raise TypeError(
        f"cannot save {value!r}: a model holds numbers, text, arrays, lists, "
        "tuples, dicts, other models, and functions of zerobook or numpy"
    )


def _encode_array(value, arrays):
    if value.dtype.hasobject:
        items = [_encode(item, arrays) for item in value.ravel().tolist()]
        return ["objects", [list(value.shape), items]]
    arrays.append(value.copy(order="K"))  # rows or columns first, as it was
    return ["array", len(arrays) - 1]


def _encode_scalar(value, arrays):
    arrays.append(np.asarray(value))
    return ["scalar", len(arrays) - 1]


# %% book/given/estimators.md
def _encode_items(value, arrays):
    items = [_encode(item, arrays) for item in value]
    return [type(value).__name__, items]


def _encode_dict(value, arrays):
    flat = [_encode(item, arrays) for pair in value.items() for item in pair]
    return ["dict", flat]


def _encode_generator(value, arrays):
    return ["generator", _encode(value.bit_generator.state, arrays)]


def _encode_function(value, arrays):
    if isinstance(value, np.ufunc):
        return ["function", f"numpy.{value.__name__}"]
    return ["function", f"{value.__module__}.{value.__qualname__}"]


def _encode_model(value, arrays):
    cls = type(value)
    attributes = {k: _encode(v, arrays) for k, v in vars(value).items()}
    return ["model", [f"{cls.__module__}.{cls.__qualname__}", attributes]]


# %% book/given/estimators.md
def _is_pcg64(value):
    return isinstance(value, np.random.Generator) and isinstance(
        value.bit_generator, np.random.PCG64
    )


def _is_function(value):
    if isinstance(value, np.ufunc):
        return getattr(np, value.__name__, None) is value
    return inspect.isfunction(value) and value.__module__ in FUNCTION_MODULES


def _is_model(value):
    return _is_model_class(type(value)) and hasattr(value, "__dict__")


def _is_model_class(kind):
    module = getattr(kind, "__module__", "")
    return (
        inspect.isclass(kind)
        and module.startswith("zerobook.")
        and not module.startswith("zerobook.press")
    )


# %% book/given/estimators.md
_ENCODERS = (
    (lambda value: type(value) in (np.ndarray, np.memmap), _encode_array),
    (lambda value: isinstance(value, np.generic), _encode_scalar),
    (lambda value: type(value) in (list, tuple), _encode_items),
    (lambda value: type(value) is dict, _encode_dict),
    (_is_pcg64, _encode_generator),
    (_is_function, _encode_function),
    (_is_model, _encode_model),
)


# %% book/given/estimators.md
def _decode(value, arrays):
    if not isinstance(value, list):
        return value
    what, content = value
    if what not in _DECODERS:
        raise ValueError(f"holds an unknown kind of value, {what!r}")
    return _DECODERS[what](content, arrays)


def _decode_objects(content, arrays):
    shape, items = content
    out = np.empty(len(items), dtype=object)
    out[:] = [_decode(item, arrays) for item in items]
    return out.reshape(shape)


def _decode_generator(content, arrays):
    rng = np.random.Generator(np.random.PCG64())
    rng.bit_generator.state = _decode(content, arrays)
    return rng


def _decode_model(content, arrays):
    cls = _find(content[0], _is_model_class, "class")
    model = object.__new__(cls)
    for name, value in content[1].items():
        vars(model)[name] = _decode(value, arrays)
    return model


# %% book/given/estimators.md
def _find(path, allowed, what):
    module, _, name = path.rpartition(".")
    refused = ValueError(f"names the {what} {path!r}, which is not zerobook's")
    inside = module.startswith("zerobook.") and "__" not in module
    if not (inside or module == "numpy" and what == "function"):
        raise refused
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise ValueError(
            f"needs the {what} {path!r}, which this version does not have"
        ) from None
    if not allowed(found):
        raise refused
    return found


# %% book/given/estimators.md
_DECODERS = {
    "array": lambda k, arrays: arrays[k],
    "scalar": lambda k, arrays: arrays[k][()],
    "objects": _decode_objects,
    "list": lambda items, arrays: [_decode(i, arrays) for i in items],
    "tuple": lambda items, arrays: tuple(_decode(i, arrays) for i in items),
    "dict": lambda flat, arrays: {
        _decode(k, arrays): _decode(v, arrays)
        for k, v in zip(flat[::2], flat[1::2])
    },
    "generator": _decode_generator,
    "function": lambda path, arrays: _find(path, _is_function, "function"),
    "model": _decode_model,
}


# %% book/given/estimators.md
def save(model, path):
    """Write a model to one ``.npz`` file, without pickle.

    Parameters
    ----------
    model : an estimator of zerobook, fitted or not
    path : str or path
        Replaced in one step if it exists. Derived in "The estimator contract".

    Raises
    ------
    TypeError
        If the model holds something that is no data, a lambda for instance.
    """
    if not _is_model(model):
        raise TypeError(f"save takes a model of zerobook, got {model!r}")
    arrays = []
    tree = _encode(model, arrays)
    header = {"format": FORMAT, "version": FORMAT_VERSION, "model": tree}
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    named = {f"array{k}": a for k, a in enumerate(arrays)}
    _write(os.fspath(path), dict(named, header=text))


def _write(path, named):
    beside = f"{path}.{os.urandom(4).hex()}.part"
    with open(beside, "xb") as file:
        try:
            np.savez(file, **named)
            file.flush()
            os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise


# %% book/given/estimators.md
def load(path):
    """Read a model that `save` wrote.

    Raises
    ------
    ValueError
        If the file is no saved model, is cut short or damaged, was written by
        a newer format, or names a class outside zerobook. Nothing in the file
        is ever executed.
    """
    header, arrays = _read(path)
    try:
        _check_header(header)
        return _decode(header["model"], arrays)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{path}: not to be loaded: {error}") from error


# %% book/given/estimators.md
def _read(path):
    refuse_pointer(path)
    with open(path, "rb") as raw:
        try:
            with np.load(raw, allow_pickle=False) as file:
                header = json.loads(bytes(file["header"]))
                count = len(file.files) - 1
                return header, [file[f"array{k}"] for k in range(count)]
        except Exception as error:  # zip, gzip, numpy and JSON have their own
            raise ValueError(
                f"{path}: cut short, damaged or no saved model ({error})"
            ) from error


def _check_header(header):
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("the header is not a zerobook model's")
    if header.get("version") != FORMAT_VERSION:
        raise ValueError(
            f"format {header.get('version')!r} is unknown, this is "
            f"{FORMAT_VERSION}: a newer zerobook wrote it"
        )
