# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Weights as whole numbers of a few bits, and back."""

from dataclasses import dataclass
import numpy as np


# %% 4.2.1 book/practice/forgetting_and_size.md
@dataclass
class Quantized:
    """Codes and scales of an array, as `quantize` makes them.

    Section 4.2.1.  ``codes * scale`` is the array again, in blocks if
    there are blocks; `shape` is that of the array.
    """

    codes: np.ndarray
    scale: np.ndarray
    shape: tuple
    bits: int

    @property
    def nbytes(self):
        """Bytes that a file would need: `bits` a code, 4 bytes a scale."""
        return self.codes.size * self.bits / 8 + 4 * self.scale.size


# %% 4.2.1 book/practice/forgetting_and_size.md
def quantize(W, bits=8, *, axis=None, block=None):
    """Round an array to whole numbers and the scales that they share.

    Parameters
    ----------
    W : array_like of floats
    bits : int
        2 to 8; the codes are within ``±(2 ** (bits - 1) - 1)``.
    axis : int, optional
        The axis along which numbers share a scale: of a matrix 0 gives
        each column a scale, 1 each row.  One scale for all by default.
    block : int, optional
        Instead: runs of so many numbers along the last axis share one.

    Returns
    -------
    Quantized
        No number is moved by more than half its scale.

    Raises
    ------
    ValueError
        For another number of bits, numbers that are not finite, or an
        axis that does not exist or is not divided by `block`.

    Notes
    -----
    Section 4.2.1.

    Examples
    --------
    >>> few = quantize([0.6, -0.2, 0.11], bits=3)
    >>> few.codes.tolist(), dequantize(few).round(2).tolist()
    ([3, -1, 1], [0.6, -0.2, 0.2])
    """
    W = checked_floats(W, bits, axis, block)
    rows = W
    if block is not None:
        n = W.shape[-1] // block
        rows, axis = W.reshape(*W.shape[:-1], n, block), -1
    top = 2 ** (bits - 1) - 1
    scale = np.abs(rows).max(axis=axis, keepdims=True, initial=0) / top
    scale = np.where(scale == 0, 1, scale)  # nothing but zeros
    codes = np.rint(rows / scale).clip(-top, top).astype(np.int8)
    return Quantized(codes, scale.astype(W.dtype), W.shape, bits)


def dequantize(q):
    """The array that a `Quantized` stands for.  Section 4.2.1."""
    return (q.codes * q.scale).reshape(q.shape)


# %% 4.2.1 book/practice/forgetting_and_size.md
def checked_floats(W, bits, axis, block):
    """`W` as an array of floats; ValueError for what cannot be rounded."""
    W = np.asarray(W)
    if W.dtype.kind != "f":
        W = W.astype(np.float64)
    if bits not in range(2, 9):
        raise ValueError(f"bits must be a whole number from 2 to 8: {bits}")
    wrong = np.argwhere(~np.isfinite(W))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise ValueError(f"W{list(place)} is {W[place]}, not finite")
    if axis is not None and block is not None:
        raise ValueError("give axis or block, not both")
    if axis is not None and axis not in range(-W.ndim, W.ndim):
        raise ValueError(f"axis {axis} of an array {W.shape}")
    if block is not None and (block < 1 or not W.ndim or W.shape[-1] % block):
        raise ValueError(f"block {block} does not divide the last axis of "
                         f"an array {W.shape}")
    return W
