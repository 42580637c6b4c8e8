"""Neighbours: the shortcut against the long way, and scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook.datasets import load_diabetes, load_digits, load_iris
from zerobook.model_selection import train_test_split
from zerobook.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    nearest,
)


@given(
    st.integers(1, 80),
    st.integers(1, 6),
    st.integers(1, 20),
    st.integers(0, 10**6),
    st.data(),
)
def test_groups_of_sixteen_lose_no_neighbour(N, D, M, seed, data):
    k = data.draw(st.integers(1, N))
    rng = np.random.default_rng(seed)
    X, queries = rng.normal(size=(N, D)), rng.normal(size=(M, D))
    far = np.linalg.norm(queries[:, None] - X, axis=2)
    distances, rows = nearest(X, queries, k)
    np.testing.assert_allclose(
        distances, np.sort(far, axis=1)[:, :k], atol=1e-9
    )
    np.testing.assert_allclose(
        distances, np.take_along_axis(far, rows, axis=1), atol=1e-12
    )
    assert all(len(set(row)) == k for row in rows)


def test_many_blocks_and_many_groups_find_what_scikit_learn_finds():
    oracle = pytest.importorskip("sklearn.neighbors").NearestNeighbors
    rng = np.random.default_rng(0)
    X, queries = rng.normal(size=(5000, 8)), rng.normal(size=(900, 8))
    distances, rows = nearest(X, queries, 7)
    theirs = oracle(n_neighbors=7).fit(X).kneighbors(queries)
    np.testing.assert_allclose(distances, theirs[0], rtol=1e-10)
    assert (rows == theirs[1]).all()


def test_a_last_block_that_is_not_full_holds_nothing_of_the_one_before():
    X = np.random.default_rng(0).normal(size=(300, 3))
    for M in (1, 127, 128, 129, 257):
        assert (nearest(X, X[:M], 1)[1][:, 0] == np.arange(M)).all()


def test_far_from_the_origin_no_digits_are_lost():
    # |x|² - 2qx would cancel to noise at 1e8 if the mean stayed in
    X = np.arange(40.0)[:, None] + 1e8
    _, rows = nearest(X, X + 0.2, 2)
    assert (rows[1:-1, 0] == np.arange(40)[1:-1]).all()
    assert (rows[1:-1, 1] == np.arange(40)[2:]).all()


def test_equally_near_rows_come_in_the_order_of_the_file():
    X = np.zeros((10, 2))
    assert nearest(X, X[:1], 10)[1].tolist() == [list(range(10))]


@pytest.mark.parametrize("k", [1, 5, 12])
def test_a_classifier_votes_as_scikit_learns_does(k):
    oracle = pytest.importorskip("sklearn.neighbors").KNeighborsClassifier
    X, y = load_digits()
    # a little noise, because digits hold exact ties, where any choice is right
    X = X + 1e-3 * np.random.default_rng(0).normal(size=X.shape)
    A, B, a, _ = train_test_split(X, y, rng=0)
    ours, theirs = KNeighborsClassifier(k).fit(A, a), oracle(k).fit(A, a)
    np.testing.assert_allclose(ours.predict_proba(B), theirs.predict_proba(B))
    assert (ours.predict(B) == theirs.predict(B)).all()


@pytest.mark.parametrize("k", [1, 5, 40])
def test_a_regressor_averages_as_scikit_learns_does(k):
    oracle = pytest.importorskip("sklearn.neighbors").KNeighborsRegressor
    X, y = load_diabetes()
    A, B, a, _ = train_test_split(X, y, rng=0)
    ours = KNeighborsRegressor(k).fit(A, a).predict(B)
    np.testing.assert_allclose(ours, oracle(k).fit(A, a).predict(B))


def test_labels_may_be_text_and_ties_go_to_the_first_class():
    model = KNeighborsClassifier(2).fit([[0.0], [1.0]], ["wren", "auk"])
    assert model.predict([[0.0]]).tolist() == ["auk"]
    assert model.predict_proba([[0.0]]).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("k", [0, 4])
def test_a_number_of_neighbours_that_cannot_be_is_refused(k):
    with pytest.raises(ValueError, match="1 .. 3|'n_neighbors' parameter"):
        KNeighborsClassifier(k).fit(np.eye(3), [0, 1, 1]).predict(np.eye(3))


def test_iris_is_learned_far_above_the_baseline():
    X, y = load_iris()
    A, B, a, b = train_test_split(X, y, test_size=45, stratify=y, rng=0)
    assert KNeighborsClassifier().fit(A, a).score(B, b) > 0.9


# -- kind: distances keep their digits, wherever the data lie ----------------

PLACES = {
    "around zero": lambda X: X,
    "far from zero": lambda X: X + 1e8,
    "one outlier": lambda X: np.where(np.arange(len(X)) == 0, 1e9, X.T).T,
    "two far groups": lambda X: X + 1e9 * (np.arange(len(X)) % 2)[:, None],
    "whole numbers": np.round,
    "all equal": lambda X: np.ones_like(X),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("k", [1, 4, 60])
def test_the_long_way_finds_the_same_rows_in_the_same_order(place, k):
    rng = np.random.default_rng(k)
    X = PLACES[place](rng.normal(size=(60, 3)))
    far = ((X[:, None] - X) ** 2).sum(axis=2)
    numbers = np.broadcast_to(np.arange(60), far.shape)
    order = np.lexsort((numbers, far), axis=1)[:, :k]
    distances, rows = nearest(X, X, k)
    np.testing.assert_array_equal(rows, order)
    right = np.sqrt(np.take_along_axis(far, order, axis=1))
    np.testing.assert_allclose(distances, right, rtol=1e-14)
