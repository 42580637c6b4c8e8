"""zerobook.probability: SciPy as the oracle, and promises kept."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook import probability
from zerobook.gradcheck import numerical_gradient
from zerobook.probability import (
    accuracy_interval,
    entropy,
    fit_gaussian,
    gaussian_log_likelihood,
    kl_divergence,
    mean_interval,
)

finite = st.floats(-100, 100)
seeds = st.integers(0, 10**6)


@given(st.lists(finite, min_size=1, max_size=9), finite, st.floats(0.1, 50))
def test_the_log_likelihood_is_scipys(x, mean, std):
    stats = pytest.importorskip("scipy.stats")
    want = stats.norm(mean, std).logpdf(x).sum()
    assert gaussian_log_likelihood(x, mean, std) == pytest.approx(want)


def test_each_observation_may_have_a_mean_of_its_own():
    one = gaussian_log_likelihood([1.0, 2.0], [1.0, 2.0], 1.0)
    assert one == pytest.approx(-math.log(2 * math.pi))


@given(seeds)
def test_no_other_gaussian_makes_the_data_likelier(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, size=20)
    best = fit_gaussian(x)
    top = gaussian_log_likelihood(x, *best)
    assert gaussian_log_likelihood(x, *best + rng.normal(0, 0.1, 2)) < top
    slope = numerical_gradient(lambda p: gaussian_log_likelihood(x, *p), best)
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def draw_pair(seed, shape=5):
    return np.random.default_rng(seed).dirichlet(np.ones(shape), size=2)


@given(seeds)
def test_entropy_and_divergence_are_scipys(seed):
    stats = pytest.importorskip("scipy.stats")
    p, q = draw_pair(seed)
    assert entropy(p) == pytest.approx(stats.entropy(p))
    assert kl_divergence(p, q) == pytest.approx(stats.entropy(p, q))


@given(seeds, st.integers(2, 9))
def test_entropy_lies_between_certainty_and_equal_chances(seed, k):
    p, _ = draw_pair(seed, k)
    assert 0 <= entropy(p) <= math.log(k) + 1e-12
    assert entropy(np.eye(k)).tolist() == [0.0] * k
    assert entropy(np.full(k, 1 / k)) == pytest.approx(math.log(k))


@given(seeds)
def test_divergence_is_zero_only_where_beliefs_agree(seed):
    p, q = draw_pair(seed)
    assert kl_divergence(p, q) > 0 == kl_divergence(p, p)


def test_ruling_out_what_happens_costs_without_limit():
    assert kl_divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(math.log(2))
    assert kl_divergence([1.0, 0.0], [1.0, 0.0]) == 0


def test_rows_are_judged_one_by_one():
    P = np.array([[0.5, 0.5], [0.1, 0.9]])
    assert entropy(P).shape == kl_divergence(P, [0.5, 0.5]).shape == (2,)


@pytest.mark.parametrize("p", [[0.5, 0.6], [-0.1, 1.1], [3.0, 4.0]])
def test_what_is_no_distribution_is_refused(p):
    with pytest.raises(ValueError, match="sum to one"):
        entropy(p)
    with pytest.raises(ValueError, match="sum to one"):
        kl_divergence([0.5, 0.5], p)


@given(st.integers(1, 3000), st.floats(0, 1), st.floats(0.5, 0.999))
def test_the_accuracy_interval_is_scipys_wilson(n, rate, confidence):
    stats = pytest.importorskip("scipy.stats")
    k = round(rate * n)
    want = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    got = accuracy_interval(k, n, confidence=confidence)
    assert got == pytest.approx((want.low, want.high), abs=1e-12)


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_accuracy_interval_holds_the_accuracy_and_has_a_mirror(n, rate):
    k = round(rate * n)
    low, high = accuracy_interval(k, n)
    assert 0 <= low <= k / n <= high <= 1 and low < high
    mirrored = accuracy_interval(n - k, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize("k, n", [(0.98, 450), (451, 450), (-1, 9), (0, 0)])
def test_a_rate_or_an_impossible_count_is_refused(k, n):
    with pytest.raises(ValueError, match="whole number"):
        accuracy_interval(k, n)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, math.nan])
def test_confidence_is_a_share(confidence):
    with pytest.raises(ValueError, match="confidence"):
        accuracy_interval(1, 2, confidence=confidence)
    with pytest.raises(ValueError, match="confidence"):
        mean_interval([1.0, 2.0], confidence=confidence)


@settings(deadline=None)
@given(
    st.lists(finite, min_size=2, max_size=30), st.floats(0.01, 0.9999)
)
def test_the_interval_over_seeds_is_scipys_student(scores, confidence):
    stats = pytest.importorskip("scipy.stats")
    low, high = mean_interval(scores, confidence=confidence)
    error = np.std(scores, ddof=1) / math.sqrt(len(scores))
    factor = stats.t.ppf(0.5 + confidence / 2, len(scores) - 1)
    half = factor * error
    assert high - low == pytest.approx(2 * half, rel=1e-6, abs=1e-9)
    assert low + high == pytest.approx(2 * np.mean(scores), abs=1e-6)


def test_with_very_many_runs_the_factor_is_the_gaussian_one():
    # the logarithms of two huge gamma functions cancel: eight digits are left
    x = np.random.default_rng(0).normal(size=200_001)
    low, high = mean_interval(x)
    error = x.std(ddof=1) / math.sqrt(len(x))
    assert (high - low) / (2 * error) == pytest.approx(1.959972, abs=1e-5)


def test_equal_runs_have_an_interval_of_no_width():
    assert mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)


@pytest.mark.parametrize("scores", [[], [0.9]])
def test_one_run_says_nothing_about_others(scores):
    with pytest.raises(ValueError, match="at least two"):
        mean_interval(scores)


def test_both_intervals_hold_the_truth_as_often_as_they_promise():
    # three deviations of a share of 95 % over 1,000 tries are 2 points, and
    # counts are coarse: Wilson's own coverage swings by 1.5 points more
    rng = np.random.default_rng(0)
    counts = rng.binomial(450, 0.97, size=1000)
    ends = [accuracy_interval(int(k), 450) for k in counts]
    assert np.mean([a <= 0.97 <= b for a, b in ends]) == pytest.approx(
        0.95, abs=0.035
    )
    ends = [mean_interval(run) for run in rng.normal(size=(1000, 4))]
    assert np.mean([a <= 0 <= b for a, b in ends]) == pytest.approx(
        0.95, abs=0.021
    )


# -- kind: the type of the numbers never changes the answer ------------------


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.float16])
def test_small_types_do_not_wrap_around(kind):
    # 2 * 250 and 250 ** 2 do not fit into a byte
    ours = probability.accuracy_interval(kind(200), kind(250))
    assert ours == probability.accuracy_interval(200, 250)
    x, mean, std = [1, 2, 6], 3, 2
    ours = probability.gaussian_log_likelihood(
        np.array(x, kind), kind(mean), kind(std)
    )
    assert ours == probability.gaussian_log_likelihood(x, mean, std)
    x = np.array([0, 250, 100])
    assert probability.fit_gaussian(x.astype(kind)) == (
        probability.fit_gaussian(x.astype(float))
    )


@pytest.mark.parametrize("std", [0, -1.0, np.nan, [1.0, 0.0]])
def test_a_deviation_that_is_not_positive_is_refused(std):
    with pytest.raises(ValueError, match="std must be positive"):
        probability.gaussian_log_likelihood([1.0, 2.0], 0.0, std)
