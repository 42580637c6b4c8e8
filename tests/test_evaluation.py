"""The judge of generated digits, and five ways to compare samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook.evaluation import (
    Judge, digit_judge, frechet_distance, nearest_distance, precision_recall,
    two_sample_accuracy,
)
from zerobook.linear_model import LogisticRegression
from zerobook.model_selection import train_test_split
from zerobook.neighbors import KNeighborsClassifier

linalg = pytest.importorskip("scipy.linalg")
pytest.importorskip("sklearn", reason="could not import sklearn")


def cloud(rng, N, D):
    """Points with a covariance that is not diagonal."""
    return rng.normal(size=(N, D)) @ rng.normal(size=(D, D)) + rng.normal(size=D)


# ---- the distance


@settings(max_examples=30)
@given(D=st.integers(1, 6), N=st.integers(8, 40), M=st.integers(8, 40),
       seed=st.integers(0, 999))
def test_frechet_distance_is_the_formula_with_scipys_square_root(D, N, M, seed):
    rng = np.random.default_rng(seed)
    a, b = cloud(rng, N, D), cloud(rng, M, D)
    A, B = (np.cov(x, rowvar=False).reshape(D, D) for x in (a, b))
    root = linalg.sqrtm(A @ B)
    expected = (((a.mean(0) - b.mean(0)) ** 2).sum()
                + np.trace(A + B - 2 * np.real(root)))
    assert np.isclose(frechet_distance(a, b), expected, rtol=1e-6, atol=1e-6)


@settings(max_examples=30)
@given(D=st.integers(1, 5), seed=st.integers(0, 999))
def test_frechet_distance_is_symmetric_and_blind_to_shifts_and_turns(D, seed):
    rng = np.random.default_rng(seed)
    a, b = cloud(rng, 30, D), cloud(rng, 20, D)
    d = frechet_distance(a, b)
    assert d > 0 and np.isclose(d, frechet_distance(b, a), rtol=1e-8)
    Q, _ = np.linalg.qr(rng.normal(size=(D, D)))
    shift = rng.normal(size=D)
    assert np.isclose(d, frechet_distance(a @ Q + shift, b @ Q + shift))
    assert np.isclose(4 * d, frechet_distance(2 * a, 2 * b))


@settings(max_examples=20)
@given(D=st.integers(1, 5), seed=st.integers(0, 999))
def test_a_shift_costs_its_squared_length_and_nothing_costs_nothing(D, seed):
    rng = np.random.default_rng(seed)
    a, shift = cloud(rng, 25, D), rng.normal(size=D)
    assert frechet_distance(a, a) < 1e-8
    assert np.isclose(frechet_distance(a, a + shift), shift @ shift)


def test_closed_form_where_the_covariances_commute():
    rng = np.random.default_rng(0)
    a = cloud(rng, 50, 3)
    mean, s = a.mean(0), np.array([0.5, 2.0, 3.0])
    variances, Q = np.linalg.eigh(np.cov(a, rowvar=False))
    b = mean + (a - mean) @ Q * s @ Q.T
    expected = ((1 - s) ** 2 * variances).sum()
    assert np.isclose(frechet_distance(a, b), expected)


def test_flat_clouds_have_a_distance_too():
    # fewer points than dimensions: both covariances are singular
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(4, 9)), rng.normal(size=(5, 9))
    assert np.isfinite(frechet_distance(a, b)) and frechet_distance(a, b) > 0
    assert np.isclose(frechet_distance(np.ones((3, 2)), np.zeros((3, 2))), 2)


def test_two_samples_of_one_distribution_are_apart_and_less_when_larger():
    rng = np.random.default_rng(2)
    small, large = (
        frechet_distance(rng.normal(size=(N, 16)), rng.normal(size=(N, 16)))
        for N in (60, 2000)
    )
    assert 0 < large < small / 10


@pytest.mark.parametrize("a, b, words", [
    (np.zeros(5), np.zeros((5, 1)), r"a of shape \(5,\)"),
    (np.zeros((5, 1)), np.zeros((1, 1)), r"b of shape \(1, 1\)"),
    (np.zeros((5, 2)), np.zeros((5, 3)), "a has 2 columns, b 3"),
    (np.zeros((5, 2)), np.full((5, 2), np.nan), "b holds"),
])
def test_samples_that_do_not_fit_are_named(a, b, words):
    with pytest.raises(ValueError, match=words):
        frechet_distance(a, b)


# ---- precision and recall


def by_loops(real, fake, k):
    """Precision and recall, point by point."""
    def share(points, queries):
        inside = 0
        for q in queries:
            for i, p in enumerate(points):
                others = np.delete(points, i, axis=0)
                radius = np.sort(np.linalg.norm(others - p, axis=1))[k - 1]
                if np.linalg.norm(q - p) <= radius * (1 + 1e-12):
                    inside += 1
                    break
        return inside / len(queries)

    return share(real, fake), share(fake, real)


@settings(max_examples=30, deadline=None)
@given(N=st.integers(5, 15), M=st.integers(5, 15), D=st.integers(1, 4),
       k=st.integers(1, 4), seed=st.integers(0, 999))
def test_precision_and_recall_are_those_of_the_loops(N, M, D, k, seed):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(N, D)), 1.5 * rng.normal(size=(M, D)) + 0.5
    assert np.allclose(precision_recall(real, fake, k), by_loops(real, fake, k))


@settings(max_examples=30, deadline=None)
@given(D=st.integers(1, 4), k=st.integers(1, 4), seed=st.integers(0, 999))
def test_exchanging_the_samples_exchanges_precision_and_recall(D, k, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(12, D)), rng.normal(size=(9, D)) + 1
    precision, recall = precision_recall(a, b, k)
    assert precision_recall(b, a, k) == (recall, precision)
    Q, _ = np.linalg.qr(rng.normal(size=(D, D)))
    turned = precision_recall(3 * a @ Q + 2, 3 * b @ Q + 2, k)
    assert np.allclose(turned, (precision, recall), atol=0.12)


def test_larger_balls_hold_no_less():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 1
    rates = np.array([precision_recall(a, b, k) for k in range(1, 8)])
    assert (np.diff(rates, axis=0) >= 0).all() and rates[0].min() < 1


def test_copies_score_one_and_strangers_nothing():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(50, 4))
    assert precision_recall(a, a[rng.permutation(50)]) == (1.0, 1.0)
    assert precision_recall(a, a + 100) == (0.0, 0.0)


def test_a_collapse_has_precision_and_no_recall_and_a_blur_the_reverse():
    rng = np.random.default_rng(2)
    real = rng.normal(size=(300, 2))
    narrow, wide = 0.1 * rng.normal(size=(300, 2)), 4 * rng.normal(size=(300, 2))
    precision, recall = precision_recall(real, narrow)
    assert precision > 0.95 and recall < 0.2
    precision, recall = precision_recall(real, wide)
    assert precision < 0.5 and recall > 0.8


# ---- the nearest training row


@settings(max_examples=30, deadline=None)
@given(D=st.integers(1, 5), seed=st.integers(0, 999))
def test_nearest_distance_is_a_ratio_of_two_medians(D, seed):
    rng = np.random.default_rng(seed)
    fake, train, test = (rng.normal(size=(n, D)) for n in (7, 20, 11))
    ours, theirs = (
        np.median([min(np.linalg.norm(row - other) for other in train)
                   for row in rows]) for rows in (fake, test))
    ratio = nearest_distance(fake, train, test)
    assert np.isclose(ratio, ours / theirs)
    assert np.isclose(ratio, nearest_distance(5 * fake, 5 * train, 5 * test))


def test_copies_are_at_zero_and_new_rows_at_one():
    rng = np.random.default_rng(0)
    train, test, new = (rng.normal(size=(400, 3)) for _ in range(3))
    assert nearest_distance(train[::3], train, test) == 0
    assert nearest_distance(test, train, test) == 1
    assert abs(nearest_distance(new, train, test) - 1) < 0.25
    assert nearest_distance(train + 0.01, train, test) < 0.3
    assert nearest_distance(new + 9, train, test) > 3


# ---- the classifier


def test_what_is_the_same_cannot_be_told_apart_and_what_is_not_can():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200, 5))
    accuracy, low, high = two_sample_accuracy(a, b, 0)
    assert low < 0.5 < high and low < accuracy < high
    accuracy, low, high = two_sample_accuracy(a, b + 6, 0)
    assert accuracy == 1 == high and low > 0.98


def test_the_accuracy_of_a_shift_is_that_of_the_best_border():
    # two Gaussians 2 apart: the best border tells norm.cdf(1) of them
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 1500, 1)) + [[[0.0]], [[2.0]]]
    found, low, high = two_sample_accuracy(
        a, b, 0, classifier=LogisticRegression())
    assert low < found < high and abs(found - 0.8413) < 0.03


def test_a_classifier_sees_what_it_can_see():
    # the same mean: a straight border is blind, neighbours are not
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 300, 2)) * [[[1.0]], [[4.0]]]
    blind, *_ = two_sample_accuracy(a, b, 0, classifier=LogisticRegression())
    sees, *_ = two_sample_accuracy(a, b, 0, classifier=KNeighborsClassifier(9))
    assert blind < 0.6 < 0.7 < sees


def test_a_row_is_never_judged_by_a_model_that_learned_from_it():
    # one neighbour would tell rows that it knows without a mistake
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 200, 3))
    found, *_ = two_sample_accuracy(a, b, 0, classifier=KNeighborsClassifier(1))
    assert 0.38 < found < 0.62


def test_of_the_larger_sample_as_many_are_asked_as_of_the_smaller():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(300, 2)), rng.normal(size=(100, 2))
    model = KNeighborsClassifier(5)
    found = two_sample_accuracy(a, b, 0, classifier=model)
    assert round(found[0] * 200, 6) == round(found[0] * 200)
    assert abs(found[0] - 0.5) < 0.15
    assert found == two_sample_accuracy(a, b, 0, classifier=model)


@pytest.mark.parametrize("measure", [precision_recall, two_sample_accuracy])
@pytest.mark.parametrize("real, fake, words", [
    (np.zeros(9), np.zeros((9, 1)), r"real of shape \(9,\)"),
    (np.zeros((9, 1)), np.zeros((2, 1)), r"fake of shape \(2, 1\): .* N >="),
    (np.zeros((9, 2)), np.zeros((9, 3)), "real has 2 columns, fake 3"),
    (np.zeros((9, 2)), np.full((9, 2), np.inf), "fake holds"),
])
def test_samples_that_cannot_be_compared_are_named(measure, real, fake, words):
    with pytest.raises(ValueError, match=words):
        measure(real, fake)


def test_what_cannot_be_measured_is_refused():
    a = np.arange(9.0)[:, None]
    with pytest.raises(ValueError, match="k=0"):
        precision_recall(a, a, k=0)
    with pytest.raises(ValueError, match="test of shape"):
        nearest_distance(a, a, a.ravel())
    with pytest.raises(ValueError, match="1, 1 and 2 columns"):
        nearest_distance(a, a, np.zeros((9, 2)))
    with pytest.raises(ValueError, match="half of the test rows"):
        nearest_distance(a, a, a)


# ---- the judge


@pytest.fixture(scope="module")
def judge():
    return digit_judge()


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=0.25, stratify=y, rng=0)


def test_the_judge_reads_digits_it_has_not_seen(judge, digits):
    _, X, _, y = digits
    assert (judge.predict(X) == y).mean() > 0.94
    p = judge.predict_proba(X)
    assert p.shape == (450, 10) and np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert judge.features(X).shape == (450, 64) and judge.features(X).min() >= 0


def test_a_seed_is_a_judge(judge, digits):
    again, other = digit_judge(0), digit_judge(1)
    mine, theirs = judge.state_dict(), again.state_dict()
    assert all((mine[name] == theirs[name]).all() for name in mine)
    assert (mine["hidden.weight"] != other.state_dict()["hidden.weight"]).any()


def test_the_head_reads_the_features(judge, digits):
    X = digits[1]
    logits = judge.features(X) @ judge.head.weight.data + judge.head.bias.data
    assert (logits.argmax(axis=1) == judge.predict(X)).all()


def test_images_of_any_shape_of_64_pixels_are_read(judge, digits):
    X = digits[1][:7]
    whole = judge.features(X)
    for shape in ((7, 8, 8), (7, 1, 8, 8)):
        assert (judge.features(X.reshape(shape)) == whole).all()
    assert judge.features(X[:0]).shape == (0, 64)
    assert judge.predict_proba(X[:0]).shape == (0, 10)


@pytest.mark.parametrize("X, words", [
    (np.zeros((2, 63)), r"\(2, 63\)"),
    (np.zeros(64), r"\(64,\)"),
    (np.full((1, 64), 16.0), "0 to 1"),
    (np.full((1, 64), -1.0), "-1 to -1"),
    (np.full((1, 64), np.nan), "nan"),
])
def test_what_is_no_image_is_refused(X, words):
    for see in (Judge(rng=0).features, Judge(rng=0).predict_proba):
        with pytest.raises(ValueError, match=words):
            see(X)


def test_real_digits_lie_nearer_to_real_digits_than_noise_or_one_gaussian(
    judge, digits
):
    X, X_test, _, _ = digits
    rng = np.random.default_rng(0)
    fake = rng.multivariate_normal(X.mean(0), np.cov(X.T), 450).clip(0, 1)
    real, gaussian, noise = (
        frechet_distance(judge.features(Z), judge.features(X_test))
        for Z in (X, fake, rng.random((450, 64)))
    )
    assert 4 * real < gaussian < noise / 10


def test_each_judge_of_copies_says_what_the_page_says(judge, digits):
    X, X_test, _, _ = digits
    copies = X[np.random.default_rng(0).permutation(len(X))[:450]]
    real = judge.features(X_test)
    assert min(precision_recall(real, judge.features(copies))) > 0.8
    _, low, high = two_sample_accuracy(X_test, copies, 0)
    assert low < 0.53 and high > 0.47
    assert nearest_distance(copies, X, X_test) == 0
