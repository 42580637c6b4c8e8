"""Scores: scikit-learn is the oracle, chance and symmetry the properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook import metrics

oracle = pytest.importorskip("sklearn.metrics")

NAMES = [
    "accuracy_score",
    "confusion_matrix",
    "adjusted_rand_score",
]

pairs_of_labels = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        *[st.lists(st.integers(-2, 4), min_size=n, max_size=n)] * 2
    )
)


@pytest.mark.filterwarnings("ignore:A single label")
@pytest.mark.parametrize("name", NAMES)
@given(pairs_of_labels)
def test_scores_of_labels_equal_scikit_learns(name, pair):
    ours, theirs = getattr(metrics, name)(*pair), getattr(oracle, name)(*pair)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_labels_may_be_text(name):
    truth, answer = ["a", "b", "b", "c"], ["b", "b", "b", "a"]
    ours, theirs = (
        getattr(module, name)(truth, answer) for module in (metrics, oracle)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-15)


@pytest.mark.parametrize("name", ["mean_squared_error", "r2_score"])
@pytest.mark.parametrize("seed", range(5))
def test_scores_of_numbers_equal_scikit_learns(name, seed):
    y, y_hat = np.random.default_rng(seed).normal(5, 2, size=(2, 30))
    ours = getattr(metrics, name)(y, y_hat)
    assert ours == pytest.approx(getattr(oracle, name)(y, y_hat), rel=1e-12)


def test_r2_of_a_constant_truth_is_one_when_hit_and_zero_when_missed():
    for y_hat in ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]):
        ours = metrics.r2_score([2.0, 2.0, 2.0], y_hat)
        assert ours == oracle.r2_score([2.0, 2.0, 2.0], y_hat)


@given(pairs_of_labels)
def test_adjusted_rand_does_not_care_about_order_or_names(pair):
    a, b = map(np.array, pair)
    score = metrics.adjusted_rand_score(a, b)
    assert score == pytest.approx(metrics.adjusted_rand_score(b, a))
    assert score == pytest.approx(metrics.adjusted_rand_score(10 - a, b))


def test_adjusted_rand_is_zero_on_average_for_unrelated_groupings():
    rng = np.random.default_rng(0)
    scores = [
        metrics.adjusted_rand_score(*rng.integers(4, size=(2, 60)))
        for _ in range(300)
    ]
    # three standard errors of 300 runs whose spread is about 0.02
    assert abs(np.mean(scores)) < 3 * np.std(scores) / np.sqrt(300)


def test_adjusted_rand_counts_pairs_of_large_groups_without_overflow():
    a = np.zeros(200_000, dtype=np.int32)
    a[:100_000] = 1
    assert metrics.adjusted_rand_score(a, 1 - a) == 1.0


@pytest.mark.parametrize(
    "name", [*NAMES, "mean_squared_error", "r2_score"]
)
@pytest.mark.parametrize(
    "pair", [([1, 2], [1]), ([], []), ([1, 2], [[1], [2]])]
)
def test_shapes_that_would_broadcast_into_nonsense_are_refused(name, pair):
    # (N,) against (N, 1) would broadcast to (N, N) and score without a word
    with pytest.raises(ValueError):
        getattr(metrics, name)(*pair)


def test_the_mixins_score_by_accuracy_and_by_r2():
    class Echo:
        def predict(self, X):
            return np.asarray(X)

    classify = type("Classify", (metrics.ClassifierMixin, Echo), {})()
    regress = type("Regress", (metrics.RegressorMixin, Echo), {})()
    assert classify.score([1, 2, 2, 4], [1, 2, 3, 4]) == 0.75
    assert regress.score([1.0, 2.0, 2.0], [1.0, 2.0, 3.0]) == 0.5


# -- kind: the type of the numbers never changes a score --------------------

TYPES = [np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64, bool,
         np.float16, np.float32]  # fmt: skip
SCORES = [*NAMES, "mean_squared_error", "r2_score"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_right_for_every_type_of_number(name, dtype):
    # 0 less 100 wraps around in bytes, 100 ** 2 in int8 and in float16's 11
    # bits of precision; the right value is the one of float64
    y, y_hat = np.array([0, 100, 3, 100, 1]), np.array([100, 0, 3, 100, 100])
    y, y_hat = y.astype(dtype), y_hat.astype(dtype)
    score = getattr(metrics, name)
    wide = score(y.astype(float), y_hat.astype(float))
    np.testing.assert_array_equal(score(y, y_hat), wide)
    np.testing.assert_array_equal(score(y, y_hat.astype(float)), wide)


@pytest.mark.parametrize("name", ["accuracy_score", "confusion_matrix"])
@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (([[1, 0], [1, 1]], [[1, 0], [0, 1]]), "one entry a row"),
        (([1, 2], ["1", "2"]), "numbers as truth and text"),
        ((["1", "2"], [1, 2]), "text as truth and numbers"),
        (([0, 1], [0.2, 0.9]), "fraction"),
        (([0.0, np.nan], [0, 1]), "fraction or NaN"),
    ],
)
def test_what_is_no_pair_of_labels_is_refused(name, pair, words):
    with pytest.raises(ValueError, match=words):
        getattr(metrics, name)(*pair)


@pytest.mark.parametrize("name", ["mean_squared_error", "r2_score"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prediction_that_is_no_number_has_no_score(name, bad):
    with pytest.raises(ValueError):
        getattr(metrics, name)([1.0, 2.0], [1.0, bad])


def test_a_constant_truth_whose_mean_is_rounded_is_constant():
    # the mean of three times 0.1 is not 0.1
    assert metrics.r2_score([0.1] * 3, [0.2] * 3) == 0.0
    assert metrics.r2_score([0.1] * 3, [0.1] * 3) == 1.0
