# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Augmentation: changes of an example that keep what it is."""

import numpy as np


# %% 4.1.3 book/practice/four_voices.md
def transpose(grid, semitones):
    """Move all pitches of a grid; silence, below zero, stays.

    Parameters
    ----------
    grid : ndarray of int
        MIDI pitches, of any shape.
    semitones : int
        Up, or down if it is negative.

    Returns
    -------
    ndarray
        Of the shape and dtype of `grid`.

    Raises
    ------
    ValueError
        If a pitch would leave 0 .. 127.

    Notes
    -----
    Section 4.1.3.

    Examples
    --------
    >>> transpose(np.array([60, 64, -1]), 2).tolist()
    [62, 66, -1]
    """
    grid = np.asarray(grid)
    moved = grid.astype(int) + semitones
    wrong = moved[(grid >= 0) & ((moved < 0) | (moved > 127))]
    if wrong.size:
        raise ValueError(f"{semitones} semitones bring a pitch to {wrong[0]}, "
                         "outside 0 .. 127")
    return np.where(grid < 0, grid, moved).astype(grid.dtype)
