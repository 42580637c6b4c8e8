"""Draw the picture of the README: digits that no hand wrote.

They are drawn by the recorded flow (page 3.5, `runs/digit_generators`), each
column asked for one digit; none is picked.
Run it with `.venv/bin/python tools/readme_picture.py` after the record is renewed.
"""

from pathlib import Path

import matplotlib.image
import numpy as np

from zerobook import runs

FILE = Path(__file__).resolve().parent.parent / "book/_static/invented.png"
SCALE, GAP = 6, 2


def sheet():
    """Four draws of each digit, dark on light, (H, W, 3) of bytes."""
    images = runs.arrays("digit_generators")["flow matching, guided"]
    images = images.reshape(-1, 10, 8, 8)  # the digits asked for, in turn
    paper, size = 251, 8 * SCALE + 2 * GAP
    sheet = np.full((len(images) * size, 10 * size), paper, np.uint8)
    for k, digit in np.ndindex(images.shape[:2]):
        ink = (images[k, digit] / 16).repeat(SCALE, 0).repeat(SCALE, 1)
        top, left = k * size + GAP, digit * size + GAP
        place = slice(top, top + 8 * SCALE), slice(left, left + 8 * SCALE)
        sheet[place] = np.round(paper - ink * (paper - 20))
    return np.repeat(sheet[:, :, None], 3, axis=2)


if __name__ == "__main__":
    matplotlib.image.imsave(FILE, sheet())
