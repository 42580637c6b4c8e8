"""Splitting: nothing lost, nothing twice, proportions kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook.model_selection import train_test_split


@given(st.integers(2, 60), st.integers(0, 10**6), st.data())
def test_every_row_lands_on_exactly_one_side(N, seed, data):
    size = data.draw(st.integers(1, N - 1))
    X, y = np.arange(2 * N).reshape(N, 2), np.arange(N)
    A, B, a, b = train_test_split(X, y, test_size=size, rng=seed)
    assert len(B) == len(b) == size
    assert sorted([*a, *b]) == list(range(N))
    assert (A[:, 0] == 2 * a).all() and (B[:, 0] == 2 * b).all()


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=5),
    st.floats(0.05, 0.95),
    st.integers(0, 10**6),
)
def test_a_stratified_part_holds_each_class_within_one_of_its_share(
    counts, share, seed
):
    y = np.repeat(np.arange(len(counts)), counts)
    size = int(np.ceil(share * len(y)))
    if size in (0, len(y)):
        return
    _, _, _, b = train_test_split(
        y, y, test_size=size, stratify=y, rng=seed
    )
    got = np.bincount(b, minlength=len(counts))
    assert np.all(np.abs(got - size / len(y) * np.array(counts)) <= 1 + 1e-9)


def test_sizes_are_rounded_as_scikit_learn_rounds_them():
    theirs = pytest.importorskip("sklearn.model_selection").train_test_split
    X = np.arange(13)
    for size in (0.25, 0.1, 0.5, 3):
        ours = train_test_split(X, X, test_size=size, rng=0)[1]
        assert len(ours) == len(theirs(X, test_size=size)[1])


def test_a_seed_fixes_the_split_and_a_generator_moves_on():
    X = np.arange(50)
    once, again = (train_test_split(X, X, rng=3)[1] for _ in range(2))
    assert (once == again).all()
    rng = np.random.default_rng(3)
    first, second = (train_test_split(X, X, rng=rng)[1] for _ in range(2))
    assert (first == once).all() and (first != second).any()


def test_a_random_split_is_spread_over_the_file():
    X = np.arange(1000)
    test = train_test_split(X, X, test_size=500, rng=0)[1]
    # the mean of 500 of 0..999 has a standard error of about 9
    assert abs(test.mean() - 499.5) < 30


@pytest.mark.parametrize("size", [0, 10, 11, 0.0, -1, -0.5])
def test_an_empty_part_is_refused_with_the_allowed_range(size):
    with pytest.raises(ValueError, match="1 .. 9"):
        train_test_split(np.arange(10), np.arange(10), test_size=size)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="lengths"):
        train_test_split(np.arange(10), np.arange(9))
    with pytest.raises(ValueError, match="lengths"):
        train_test_split(np.arange(9), np.arange(9), stratify=np.arange(8))
