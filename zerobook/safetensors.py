# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Arrays on disk in the safetensors format: numbers, never code."""

import itertools
import json
import os
from pathlib import Path
import numpy as np
from zerobook.git_lfs import refuse_pointer
import io


# %% 2.1.2 book/deep_learning/safetensors.md
TYPES = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"), "U64": np.dtype("<u8"), "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"), "U8": np.dtype("u1"), "BOOL": np.dtype("?"),
}
HALVED = {"BF16": np.dtype("<f4")}  # types of which the upper half is stored
LONGEST_HEADER = 100_000_000  # bytes, as in the reference implementation


class FormatError(ValueError):
    """A file that is not what it says, with the reason."""


# %% 2.1.2 book/deep_learning/safetensors.md
def read_header(file, size):
    """Arrays and notes in the header of a file, and where data begins."""
    first = file.read(8)
    if len(first) < 8:
        raise FormatError(f"{size} bytes are too few for a header")
    n = int.from_bytes(first, "little")
    if n > min(size - 8, LONGEST_HEADER):
        raise FormatError(f"a header of {n} bytes in a file of {size}")
    try:
        header = json.loads(file.read(n).decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header is no JSON: {error}") from None
    if type(header) is not dict:
        raise FormatError("the header is no table of names")
    notes = header.pop("__metadata__", None) or {}
    if type(notes) is not dict or any(
        type(note) is not str for note in notes.values()
    ):
        raise FormatError("__metadata__ is no table of texts")
    return header, notes, 8 + n


def once(pairs):
    """The table of these names and values; none may stand twice."""
    table = dict(pairs)
    if len(table) < len(pairs):
        seen = set()
        twice = next(n for n, _ in pairs if n in seen or seen.add(n))
        raise ValueError(f"{twice!r:.80} stands in a table twice")
    return table


# %% 2.1.2 book/deep_learning/safetensors.md
def check_entry(name, entry, room):
    """The type, shape and place of one array; FormatError if they lie."""
    try:
        half = entry["dtype"] in HALVED
        dtype = (HALVED if half else TYPES)[entry["dtype"]]
        shape, (start, stop) = entry["shape"], entry["data_offsets"]
        whole = [type(n) is int and 0 <= n < 1 << 48
                 for n in (*shape, start, stop)]
    except (KeyError, TypeError, ValueError):
        raise FormatError(f"{name}: cannot be read: {entry!r:.80}") from None
    count = 1
    for n in shape if all(whole) else ():
        count *= n  # a Python integer: it cannot overflow
    if not all(whole) or len(shape) > 32 or not start <= stop <= room:
        raise FormatError(f"{name}: {start} .. {stop} of {room} bytes")
    if count * dtype.itemsize != (stop - start) * (1 + half):
        raise FormatError(f"{name}: shape {shape} in {stop - start} bytes")
    return dtype, tuple(shape), start, stop


# %% 2.1.2 book/deep_learning/safetensors.md
def check_header(header, begin, size):
    """Type, shape and place in the file of each array, in file order."""
    entries = {
        name: check_entry(name, entry, size - begin)
        for name, entry in header.items()
    }
    places, end = {}, 0
    for name, entry in sorted(entries.items(), key=lambda e: e[1][2:]):
        dtype, shape, start, stop = entry
        if start != end:
            raise FormatError(f"{name}: begins at {start}, not at {end}")
        places[name] = dtype, shape, begin + start, begin + stop
        end = stop
    if end != size - begin:
        raise FormatError(f"{size - begin - end} bytes belong to no array")
    return {name: places[name] for name in entries}


def look_into(path, look):
    """``look(file, size)`` of a file; its FormatError, with its name."""
    refuse_pointer(path, FormatError)
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        try:
            return look(file, size)
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None


def read_index(path):
    """Type, shape and place of each array of a file, before any is read.

    Section 2.1.2.  A FormatError names the file and what is wrong with it.
    """
    return look_into(path, places_in)


def places_in(file, size):
    """The same of an open file of `size` bytes."""
    header, _, begin = read_header(file, size)
    return check_header(header, begin, size)


# %% 2.1.2 book/deep_learning/safetensors.md
def read_array(file, place, out=None):
    """Read one array of an open file, into `out` if that is given.

    Parameters
    ----------
    file : binary file
    place : tuple
        Type, shape, beginning and end, as `read_index` gives them.
    out : ndarray, optional
        Contiguous, of this type and shape.
    """
    dtype, shape, start, stop = place
    out = np.empty(shape, dtype) if out is None else out
    flat, half = out.reshape(-1), stop - start < out.nbytes
    stored = np.empty(out.size, "<u2") if half else flat
    file.seek(start)
    if file.readinto(stored.view(np.uint8)) != stored.nbytes:
        raise FormatError(f"{file.name}: the file ended early")
    if half:
        np.left_shift(stored, 16, out=flat.view("<u4"), dtype=np.uint32)
    return out


# %% 2.1.2 book/deep_learning/safetensors.md
def load_file(path):
    """Read all arrays of a safetensors file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ndarray
        Brain floats (``BF16``) as float32, of the same values.

    Raises
    ------
    FormatError
        If the file is not a whole safetensors file.

    Notes
    -----
    Section 2.1.2. The arrays take the bytes that they have in the file,
    twice as many for brain floats. Reading the header, of at most 100 MB,
    takes up to 60 times its length for a moment.
    """
    index = read_index(path)
    with open(path, "rb") as file:
        return {name: read_array(file, index[name]) for name in index}


# %% 2.1.2 book/deep_learning/safetensors.md
def load_metadata(path):
    """The strings stored beside the arrays, as a dict."""
    return look_into(path, read_header)[1]


# %% 2.1.2 book/deep_learning/safetensors.md
def write_whole(path, pieces):
    """Write bytes to `path` so that it is the old file or the whole new one.

    Parameters
    ----------
    path : str or Path
    pieces : iterable of bytes-like

    Notes
    -----
    Section 2.1.2. If this returns, the new file is on the disk. A kill may
    leave a file whose name ends in ``.part``; nobody reads it.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name}.{os.urandom(4).hex()}.part")
    with open(beside, "xb") as file:  # x: never a file that is there
        try:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


# %% 2.1.2 book/deep_learning/safetensors.md
def sync_folder(folder):
    """Bring the names in a folder to the disk, on systems that can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# %% 2.1.2 book/deep_learning/safetensors.md
def check_text(what, text):
    """TypeError or ValueError unless a header can hold this text."""
    if not isinstance(text, str):
        raise TypeError(f"{what} is {text!r:.80}, not a str")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is {text!a:.80}, not Unicode") from None


def header_of(entries, metadata):
    """The bytes of a file before its arrays; refused if we cannot read it."""
    for name in entries:
        check_text("the name of an array", name)
    for key, value in metadata.items():
        check_text("a key of metadata", key)
        check_text(f"metadata[{key!r:.80}]", value)
    if "__metadata__" in entries:
        raise ValueError("no array can be called __metadata__")
    table = {"__metadata__": metadata, **entries} if metadata else entries
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    size = len(head) + max([e["data_offsets"][1] for e in entries.values()],
                           default=0)
    places_in(io.BytesIO(head), size)
    return head


# %% 2.1.2 book/deep_learning/safetensors.md
def save_file(arrays, path, metadata=None):
    """Write arrays to a safetensors file, whole or not at all.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Of numbers or truth values, in any layout and byte order.
    path : str or Path
    metadata : dict of str to str, optional

    Raises
    ------
    TypeError
        For a type that the format does not know, a name or metadata that
        is no text.
    ValueError
        For what no reader would take: an array named ``__metadata__``,
        more than 32 axes, half of a surrogate pair.

    Notes
    -----
    Section 2.1.2.
    """
    if not isinstance(metadata, dict | None):
        raise TypeError(f"metadata is {metadata!r:.80}, not a dict")
    arrays = {name: as_stored(name, a) for name, a in arrays.items()}
    arrays = dict(sorted(arrays.items(), key=lambda e: -e[1].itemsize))
    entries, end = {}, 0
    for name, array in arrays.items():
        place = [end, end := end + array.nbytes]
        entries[name] = {"dtype": CODES[array.dtype],
                         "shape": list(array.shape), "data_offsets": place}
    head = header_of(entries, metadata or {})
    data = (np.ascontiguousarray(a).tobytes() for a in arrays.values())
    write_whole(path, itertools.chain([head], data))


# %% 2.1.2 book/deep_learning/safetensors.md
CODES = {dtype: code for code, dtype in TYPES.items()}


def as_stored(name, array):
    """An array whose type has a code, smallest byte first."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name}: no place for the mask of an array")
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder("<")
    if dtype not in CODES:
        raise TypeError(f"{name}: no code for {array.dtype}")
    return array.astype(dtype, copy=False)
