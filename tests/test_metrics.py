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
