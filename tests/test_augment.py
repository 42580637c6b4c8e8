"""Augmentation: what is changed, and what must stay."""

import numpy as np
import pytest

from zerobook.augment import transpose


@pytest.mark.parametrize("semitones", [-7, 0, 12])
def test_transposing_there_and_back_changes_nothing(semitones):
    rng = np.random.default_rng(0)
    grid = rng.integers(-1, 100, (50, 4)).astype(np.int16)
    grid[(grid >= 0) & (grid < 12)] = 12
    moved = transpose(grid, semitones)
    assert moved.dtype == grid.dtype
    assert ((moved == -1) == (grid == -1)).all()
    assert (transpose(moved, -semitones) == grid).all()


@pytest.mark.parametrize("pitch, semitones", [(127, 1), (0, -1), (60, 90)])
def test_a_pitch_that_would_leave_the_range_is_named(pitch, semitones):
    with pytest.raises(ValueError, match=str(pitch + semitones)):
        transpose(np.array([-1, pitch], np.int8), semitones)
