"""k-means: rounds that only go down, starts that spread, scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook.cluster import KMeans, lloyd, plus_plus
from zerobook.datasets import load_digits, make_blobs
from zerobook.metrics import adjusted_rand_score


def cost(X, centres):
    gaps = X[:, None] - centres
    return np.sum(gaps**2, axis=2).min(axis=1).sum()


def test_the_pencil_example_ends_where_the_pencil_did():
    X = np.array([[1.0], [2.0], [9.0], [10.0]])
    centres, n_iter = lloyd(X, X[:2])
    assert centres.ravel().tolist() == [1.5, 9.5] and n_iter == 3


@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 10**6), st.data())
def test_no_round_raises_the_cost(N, D, seed, data):
    K = data.draw(st.integers(1, min(N, 6)))
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D))
    start = X[rng.choice(N, K, replace=False)]
    costs = [
        cost(X, lloyd(X, start, max_iter=rounds)[0] if rounds else start)
        for rounds in range(6)
    ]
    assert np.all(np.diff(costs) <= 1e-9 * costs[0])


@pytest.mark.parametrize("seed", range(3))
def test_from_the_same_start_scikit_learn_ends_in_the_same_place(seed):
    oracle = pytest.importorskip("sklearn.cluster").KMeans
    X, _ = load_digits()
    # a little noise, because whole numbers hold exact ties: there rounding
    # decides for scikit-learn, and the lower number for us
    X = X + 1e-3 * np.random.default_rng(0).normal(size=X.shape)
    start = plus_plus(X, 10, rng=seed)
    ours = KMeans(10, init=start, tol=0).fit(X)
    theirs = oracle(10, init=start, n_init=1, tol=0).fit(X)
    np.testing.assert_allclose(
        ours.cluster_centers_, theirs.cluster_centers_, atol=1e-8
    )
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-10)
    assert (ours.labels_ == theirs.labels_).all()
    assert ours.n_iter_ == theirs.n_iter_


def test_ten_starts_come_as_low_as_scikit_learns_ten():
    oracle = pytest.importorskip("sklearn.cluster").KMeans
    X, _ = load_digits()
    ours = [
        KMeans(10, n_init=10, random_state=s).fit(X).inertia_ for s in range(5)
    ]
    theirs = [
        oracle(10, n_init=10, random_state=s).fit(X).inertia_ for s in range(5)
    ]
    # both spread by about 1e-4 of the value over seeds
    assert np.mean(ours) < 1.002 * np.mean(theirs)


def test_labels_inertia_and_predict_agree():
    X, _ = make_blobs(200, centers=4, rng=1)
    model = KMeans(4, random_state=0).fit(X + 1000)
    assert (model.labels_ == model.predict(X + 1000)).all()
    assert model.inertia_ == pytest.approx(
        cost(X + 1000, model.cluster_centers_), rel=1e-9
    )
    assert (model.fit_predict(X) == model.labels_).all()


def test_a_spread_out_start_takes_one_case_from_each_distant_group():
    X, y = make_blobs(200, centers=np.eye(5) * 1000, rng=0)
    for seed in range(20):
        start = plus_plus(X, 5, rng=seed)
        assert len({int(row.argmax()) for row in start}) == 5


def test_a_start_beside_many_equal_rows_still_chooses_rows():
    X = np.vstack([np.zeros((50, 2)), np.ones((1, 2))])
    start = plus_plus(X, 3, rng=0)
    assert {tuple(row) for row in start} == {(0.0, 0.0), (1.0, 1.0)}
    assert KMeans(3, random_state=0).fit(X).inertia_ == pytest.approx(0)


def test_a_case_between_two_equal_centres_is_counted_once():
    X = np.array([[-1.0], [0.0], [1.0]])
    centres, _ = lloyd(X, np.array([[-1.0], [1.0]]))
    assert sorted(centres.ravel()) == [-0.5, 1.0]


def test_a_centre_without_cases_stays():
    X = np.array([[0.0], [1.0]])
    centres, _ = lloyd(X, np.array([[0.5], [99.0]]))
    assert centres.ravel().tolist() == [0.5, 99.0]


def test_digits_without_labels_agree_with_their_names_by_two_thirds():
    X, y = load_digits()
    labels = KMeans(10, n_init=10, random_state=0).fit(X).labels_
    # 20 seeds: 0.667, standard deviation 0.003
    assert adjusted_rand_score(y, labels) > 0.65


@pytest.mark.parametrize(
    "model, word",
    [
        (KMeans(9), "n_samples"),
        (KMeans(0), "n_clusters"),
        (KMeans(2, init="magic"), "magic"),
        (KMeans(2, init=np.zeros((3, 2))), "shape"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(model, word):
    with pytest.raises(ValueError, match=word):
        model.fit(np.random.default_rng(0).normal(size=(8, 2)))


def test_a_generator_as_random_state_is_drawn_from_once_per_fit():
    X, _ = make_blobs(100, centers=7, rng=0)
    one, two = (KMeans(7, random_state=5).fit(X) for _ in range(2))
    assert (one.cluster_centers_ == two.cluster_centers_).all()


@pytest.mark.parametrize("shift", [1e8, 1e10])
def test_two_far_groups_keep_their_digits(shift):
    # at 1e10, |c|² - 2 c·x has steps of 16,384: who is nearer is not in it
    rng = np.random.default_rng(0)
    near = np.concatenate([rng.normal(size=(20, 2)), rng.normal(9, 1, (20, 2))])
    X = np.concatenate([near, near + shift])
    model = KMeans(4, n_init=5, random_state=0).fit(X)
    far = ((X[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    assert (model.labels_ == far.argmin(axis=1)).all()
    # a centre at 1e10 has steps of 2e-6
    assert model.inertia_ == pytest.approx(far.min(axis=1).sum(), rel=1e-7)
    assert sorted(np.bincount(model.labels_)) == [20] * 4
