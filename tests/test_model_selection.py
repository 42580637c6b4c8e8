"""Splits and folds: nothing lost, nothing twice, scores as scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import model_selection as oracle

from zerobook.base import BaseEstimator
from zerobook.datasets import load_diabetes, load_iris
from zerobook.linear_model import LinearRegression, LogisticRegression
from zerobook.model_selection import (
    KFold,
    check_cv,
    clone,
    cross_val_score,
    train_test_split,
)


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
def test_a_stratified_part_rounds_the_share_of_each_class_down_or_up(
    counts, share, seed
):
    y = np.repeat(np.arange(len(counts)), counts)
    size = int(np.ceil(share * len(y)))
    if size in (0, len(y)):
        return
    A, B, _, b = train_test_split(
        np.arange(len(y)), y, test_size=size, stratify=y, rng=seed
    )
    got, counts = np.bincount(b, minlength=len(counts)), np.array(counts)
    assert sorted([*A, *B]) == list(range(len(y))) and len(B) == size
    assert (got >= size * counts // len(y)).all()
    assert (got <= -(-size * counts // len(y))).all()


def test_the_rows_left_over_go_to_the_largest_remainders():
    y = np.repeat([0, 1, 2, 3], [11, 5, 3, 1])
    # of 6 rows the shares are 3.3, 1.5, 0.9 and 0.3
    for seed in range(20):
        b = train_test_split(y, y, test_size=6, stratify=y, rng=seed)[3]
        assert np.bincount(b, minlength=4).tolist() == [3, 2, 1, 0]


def test_equal_remainders_are_drawn_by_lot():
    y = np.repeat([0, 1, 2], 5)
    drawn = [
        train_test_split(y, y, test_size=4, stratify=y, rng=seed)[3]
        for seed in range(60)
    ]
    bonus = np.sum([np.bincount(b, minlength=3) == 2 for b in drawn], axis=0)
    # sixty fair draws among three: twenty each, give or take 3.7
    assert bonus.sum() == 60 and bonus.min() > 5


def test_a_stratified_part_is_as_large_in_each_class_as_scikit_learns():
    theirs = pytest.importorskip("sklearn.model_selection").train_test_split
    y = np.repeat([0, 1, 2, 3], [101, 57, 23, 7])  # no two remainders agree
    for size in (10, 50, 100):
        ours = train_test_split(y, y, test_size=size, stratify=y, rng=0)[3]
        other = theirs(y, test_size=size, stratify=y, random_state=0)[1]
        assert (np.bincount(ours) == np.bincount(other)).all()


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


@pytest.mark.parametrize(
    "size",
    [0, 10, 11, 0.0, 1.0, 2.7, -1, -0.5, 0.95, np.nan, np.inf, "x", True],
)
def test_an_empty_part_is_refused_with_the_allowed_range(size):
    # the share or the count is named, or the counts that are possible
    with pytest.raises(ValueError, match="test_size.*(1 .. 9|instead)"):
        train_test_split(np.arange(10), np.arange(10), test_size=size)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="lengths"):
        train_test_split(np.arange(10), np.arange(9))
    with pytest.raises(ValueError, match="lengths"):
        train_test_split(np.arange(9), np.arange(9), stratify=np.arange(8))


@given(st.integers(2, 40), st.integers(2, 12))
def test_folds_in_file_order_are_scikit_learns(n, k):
    k = min(n, k)
    X = np.zeros((n, 1))
    ours = list(KFold(k).split(X))
    for mine, theirs in zip(ours, oracle.KFold(k).split(X), strict=True):
        assert np.array_equal(mine[0], theirs[0])
        assert np.array_equal(mine[1], theirs[1])


@given(st.integers(2, 40), st.integers(2, 12), st.integers(0, 99))
def test_every_row_is_tested_once_and_never_trained_on(n, k, seed):
    k = min(n, k)
    folds = KFold(k, shuffle=True, random_state=seed)
    tests = []
    for train, test in folds.split(np.zeros((n, 1))):
        assert not set(train) & set(test)
        assert len(train) + len(test) == n
        tests.append(test)
    assert sorted(np.concatenate(tests)) == list(range(n))
    sizes = [len(test) for test in tests]
    assert max(sizes) - min(sizes) <= 1


def test_the_seed_fixes_the_mix():
    X = np.zeros((30, 1))
    mixed = [
        [test.tolist() for _, test in KFold(3, shuffle=True, random_state=s).split(X)]
        for s in (0, 0, 1)
    ]
    assert mixed[0] == mixed[1] != mixed[2]


@pytest.mark.parametrize("k", [0, 1, 6])
def test_more_folds_than_rows_or_fewer_than_two_are_refused(k):
    with pytest.raises(ValueError, match="n_splits"):
        list(KFold(k).split(np.zeros((5, 1))))


@pytest.mark.parametrize("model, load", [
    (LinearRegression(), load_diabetes),
    (LogisticRegression(tol=1e-6), load_iris),
])
def test_scores_are_those_of_scikit_learn_on_the_same_folds(model, load):
    X, y = load()
    folds = KFold(5, shuffle=True, random_state=3)
    ours = cross_val_score(model, X, y, cv=folds)
    theirs = oracle.cross_val_score(model, X, y, cv=folds)
    np.testing.assert_allclose(ours, theirs)
    assert not hasattr(model, "coef_")  # the model given stays untouched


def test_a_number_of_folds_means_shuffled_ones():
    # iris lies sorted by species: unshuffled thirds would score zero
    X, y = load_iris()
    model = LogisticRegression()
    assert cross_val_score(model, X, y, cv=KFold(3)).mean() < 0.1
    assert cross_val_score(model, X, y, cv=3).mean() > 0.9
    assert np.array_equal(
        cross_val_score(model, X, y, cv=3), cross_val_score(model, X, y, cv=3)
    )
    splitter = oracle.KFold(4)
    assert check_cv(splitter) is splitter


def test_clone_copies_arguments_and_forgets_what_was_learned():
    class Outer(BaseEstimator):
        def __init__(self, inner=None, grid=None):
            self.inner, self.grid = inner, grid

    fitted = LinearRegression(fit_intercept=False).fit([[1.0], [2.0]], [1, 2])
    outer = Outer(fitted, grid=[1, 2])
    copy = clone(outer)
    assert copy.inner is not fitted and not hasattr(copy.inner, "coef_")
    assert copy.inner.fit_intercept is False
    assert copy.grid == [1, 2] and copy.grid is not outer.grid
