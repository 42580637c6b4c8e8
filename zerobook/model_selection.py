# Generated from book/ by `zerobook tangle`. Edit the chapter, not this file.
"""Honest scores: split the data before anything looks at it."""

import math
import numpy as np

# %% 1.1.1 book/foundations/machine_learning.md
def _test_rows(test_size, N):
    size = math.ceil(test_size * N) if test_size < 1 else int(test_size)
    if not 0 < size < N:
        raise ValueError(
            f"test_size={test_size} leaves an empty part of {N} rows; give a "
            f"fraction between 0 and 1 or a count in 1 .. {N - 1}"
        )
    return size


# %% 1.1.1 book/foundations/machine_learning.md
def train_test_split(X, y, *, test_size=0.25, stratify=None, rng=None):
    """Split rows at random into a part to learn from and a part to test on."""
    X, y = np.asarray(X), np.asarray(y)
    N = len(y)
    if len(X) != N:
        raise ValueError(f"X has {len(X)} rows and y has {N}")
    size = _test_rows(test_size, N)
    order = np.random.default_rng(rng).permutation(N)
    if stratify is not None:
        order = order[_spread_classes(np.asarray(stratify)[order])]
    test, train = order[:size], order[size:]
    return X[train], X[test], y[train], y[test]


# %% 1.1.1 book/foundations/machine_learning.md
def _spread_classes(labels):
    """Order rows so that any beginning holds each class in proportion."""
    place = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.argsort(place, kind="stable")
