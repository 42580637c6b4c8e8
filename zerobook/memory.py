# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Where arrays lie: pieces that fit a cache, and where they begin."""

import math
import numpy as np
import ctypes


# %% 2.1.1 book/deep_learning/fused.md
def chunks(n, size=1, room=1 << 18):
    """Cut `n` rows of `size` numbers into slices of about `room` numbers."""
    step = max(1, room // max(size, 1))
    return [slice(i, i + step) for i in range(0, n, step)]


# %% 2.1.1 book/deep_learning/fused.md
def aligned_empty(shape, dtype=np.float32, line=64):
    """As `np.empty`, but the array begins where a cache line begins."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    room = np.empty(size + line, np.uint8)
    start = -room.ctypes.data % line
    return room[start : start + size].view(dtype).reshape(shape)


def aligned_zeros(shape, dtype=np.float32):
    """As `np.zeros`, but the array begins where a cache line begins."""
    array = aligned_empty(shape, dtype)
    array.fill(0)
    return array


# %% 2.1.2 book/deep_learning/modules.md
def fitting(name, value, like):
    """A copy of `value` in the type of the array `like`, if it fits.

    Raises
    ------
    ValueError
        If it has another shape, or no numbers that this type can hold.
    """
    try:
        tensor = hasattr(value, "requires_grad")
        value = np.asarray(value.data if tensor else value)
    except ValueError:
        raise ValueError(f"{name}: rows of different lengths") from None
    if value.shape != like.shape:
        raise ValueError(f"{name}: shape {value.shape} for {like.shape}")
    kind = value.dtype.kind
    with np.errstate(all="ignore"):
        new = value.astype(like.dtype) if kind in "biuf" else None
    if new is None or not (
        np.array_equal(new, value) if like.dtype.kind in "biu"
        else np.array_equal(np.isfinite(new), np.isfinite(value))
    ):
        raise ValueError(f"{name}: {value.dtype} does not fit {like.dtype}")
    return new


# %% 2.1.2 book/deep_learning/two_cores.md
def keep_heap():
    """Keep freed memory for the next step, for as long as the program runs.

    Worth a call before a long training: arrays of more than 128 kB are
    otherwise handed back to the system and asked for anew.

    Returns
    -------
    bool
        Whether it could be done; glibc on Linux is the library that can.

    Notes
    -----
    Section 2.1.2. The process keeps its largest size, so a program that
    needs much memory once and little of it later should not call this.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
    return all(
        [mallopt(M_MMAP_THRESHOLD, 1 << 30),
         mallopt(M_TRIM_THRESHOLD, 1 << 30),
         mallopt(M_ARENA_MAX, 1)]
    )
