# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Where arrays lie: pieces that fit a cache, and where they begin."""

import math
import numpy as np


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
