"""Gaussian mixtures, with scikit-learn and SciPy as judges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle

from zerobook.datasets import make_blobs
from zerobook import mixture
from zerobook.mixture import (
    CountGaussians,
    GaussianMixture,
    count_log_prob,
    draw_counts,
    expectation,
    fit_counts,
    log_gaussians,
    maximisation,
)

stats = oracle("scipy.stats")
theirs = oracle("sklearn.mixture")


def gaussians(rng, K, D):
    """Random weights, means and covariances of full rank."""
    A = rng.normal(size=(K, D, D))
    covariances = A @ A.swapaxes(1, 2) + 0.3 * np.eye(D)
    return rng.dirichlet(np.ones(K)), rng.normal(size=(K, D)), covariances


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5))
def test_log_densities_are_scipys(seed, K, D):
    rng = np.random.default_rng(seed)
    weights, means, covariances = gaussians(rng, K, D)
    X = rng.normal(size=(7, D))
    ours = log_gaussians(X, means, covariances)
    for k in range(K):
        normal = stats.multivariate_normal(means[k], covariances[k])
        assert np.allclose(ours[:, k], normal.logpdf(X))


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_responsibilities_are_bayes_rule_and_a_round_never_loses(seed, K, D):
    rng = np.random.default_rng(seed)
    parts = gaussians(rng, K, D)
    X = rng.normal(size=(40, D))
    R, log_p = expectation(X, *parts)
    joint = parts[0] * np.exp(log_gaussians(X, *parts[1:]))
    assert np.allclose(log_p, np.log(joint.sum(axis=1)))
    assert np.allclose(R, joint / joint.sum(axis=1, keepdims=True))
    # a round may lose only what the added variance costs
    after = maximisation(X, R, 1e-9)
    if np.linalg.cond(after[2]).max() < 1e6:
        assert expectation(X, *after)[1].mean() >= log_p.mean() - 1e-6


def test_rows_far_from_every_gaussian_have_finite_answers():
    model = GaussianMixture(2, random_state=0).fit([[0.0], [1], [8], [9]])
    R, far = model.predict_proba([[1e6]]), model.score_samples([[1e6]])
    assert np.isfinite(far).all() and np.isclose(R.sum(), 1)


def test_it_climbs_to_where_scikit_learn_climbs_from_the_same_start():
    X, _ = make_blobs(300, n_features=3, centers=4, rng=0)
    start = GaussianMixture(4, max_iter=1, tol=0, random_state=0)
    with pytest.warns(UserWarning, match="no convergence in max_iter=1"):
        start.fit(X)
    ours = GaussianMixture(4, tol=1e-9, max_iter=500, random_state=0).fit(X)
    other = theirs.GaussianMixture(
        4, tol=1e-9, max_iter=500, weights_init=start.weights_,
        means_init=start.means_,
        precisions_init=np.linalg.inv(start.covariances_),
    ).fit(X)
    assert np.allclose(ours.weights_, other.weights_, atol=1e-4)
    assert np.allclose(ours.means_, other.means_, atol=1e-3)
    assert np.allclose(ours.covariances_, other.covariances_, atol=1e-2)
    assert np.allclose(ours.score_samples(X), other.score_samples(X),
                       atol=1e-3)


@pytest.mark.filterwarnings("ignore:no convergence")
@pytest.mark.parametrize("tol", [{}, {"tol": 1e-4}, {"tol": 1e-5}], ids=str)
def test_it_stops_at_the_first_round_that_gains_less_than_tol(
        tol, monkeypatch):
    X, _ = make_blobs(300, n_features=3, centers=4, rng=0)
    X = X + np.random.default_rng(1).normal(0, 3, X.shape)  # slow to settle
    bounds, true = [], expectation

    def noted(*arguments):
        R, log_p = true(*arguments)
        bounds.append(log_p.mean())
        return R, log_p

    with monkeypatch.context() as patch:
        patch.setattr(mixture, "expectation", noted)
        GaussianMixture(4, tol=0, max_iter=300, random_state=0).fit(X)
    gains = np.diff(bounds)
    wanted = 2 + np.flatnonzero(gains < tol.get("tol", 1e-3))[0]
    model = GaussianMixture(4, max_iter=300, random_state=0, **tol).fit(X)
    assert model.converged_ and model.n_iter_ == wanted
    assert model.lower_bound_ == bounds[wanted - 1]
    for factor in 10, 0.1:  # so far apart that another tol is seen
        near = tol.get("tol", 1e-3) * factor
        assert 2 + np.flatnonzero(gains < near)[0] != wanted


def test_one_component_is_the_fit_of_one_gaussian():
    X = np.random.default_rng(0).normal(size=(50, 3)) @ np.diag([1, 2, 3])
    model = GaussianMixture(1, reg_covar=0).fit(X)
    assert np.allclose(model.means_[0], X.mean(axis=0))
    assert np.allclose(model.covariances_[0], np.cov(X.T, bias=True))


def test_samples_have_the_moments_of_the_story():
    X, _ = make_blobs(300, n_features=2, centers=3, rng=1)
    model = GaussianMixture(3, random_state=0).fit(X)
    made, y = model.sample(40_000, rng=0)
    share = np.bincount(y) / len(y)
    assert np.allclose(share, model.weights_, atol=0.02)
    for k in range(3):
        mine = made[y == k]
        assert np.allclose(mine.mean(0), model.means_[k], atol=0.1)
        assert np.allclose(np.cov(mine.T), model.covariances_[k], atol=0.15)
    again, _ = model.sample(5)
    assert np.array_equal(again, model.sample(5)[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_components": 0}, "'n_components' parameter"),
        ({"n_components": 9}, "n_components=9 must lie in 1 .. n_samples=4"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"n_init": 0}, "'n_init' parameter"),
        ({"reg_covar": -1}, "'reg_covar' parameter"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        GaussianMixture(**arguments).fit([[0.0], [1.0], [2.0], [5.0]])


def test_a_collapsed_gaussian_is_explained():
    X = np.repeat([[0.0, 0.0], [5.0, 5.0]], 5, axis=0)
    with pytest.raises(ValueError, match="raise reg_covar"):
        GaussianMixture(2, reg_covar=0, random_state=0).fit(X)


def test_no_rows_are_drawn_for_less_than_one():
    model = GaussianMixture(1).fit([[0.0], [1.0]])
    with pytest.raises(ValueError, match="n_samples=0"):
        model.sample(0)


# The kind: a generator whose nats and draws come from two models.


def every_row(D, levels):
    """All rows of D counts from 0 to `levels`."""
    sides = np.meshgrid(*D * [np.arange(levels + 1)], indexing="ij")
    return np.stack(sides, axis=-1).reshape(-1, D)


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3),
       st.integers(1, 5))
def test_probabilities_of_all_rows_of_counts_add_up_to_one(seed, K, D, levels):
    rng = np.random.default_rng(seed)
    _, means, covariances = gaussians(rng, K, D)
    rows = every_row(D, levels)
    log_p = count_log_prob(rows, levels * means, covariances, levels)
    assert np.allclose(np.exp(log_p).sum(axis=0), 1)


@given(st.floats(-30, 30), st.floats(0.1, 9), st.integers(1, 16))
def test_the_area_over_a_bin_is_scipys(mean, width, levels):
    counts = np.arange(levels + 1)
    edges = np.concatenate([[-np.inf], counts[:-1] + 0.5, [np.inf]])
    area = np.diff(stats.norm(mean, width).cdf(edges))
    ours = count_log_prob(counts[:, None], np.full((1, 1), mean),
                          np.full((1, 1, 1), width**2), levels, stray=0.01)
    theirs = 0.99 * area + 0.01 / (levels + 1)
    assert np.allclose(np.exp(ours[:, 0]), theirs, atol=1e-12)


@pytest.mark.parametrize("mean", [-2.0, 1.2, 5.0])  # clipped, or not
def test_counts_are_drawn_as_often_as_they_are_scored(mean):
    parts = (np.array([[mean, 1.0]]), np.array([[[1.5, 1.0], [1.0, 2.0]]]))
    rows, n = every_row(2, 3), 40_000
    p = np.exp(count_log_prob(rows, *parts, levels=3, stray=0.05)[:, 0])
    made = draw_counts(np.zeros(n, int), *parts, levels=3, stray=0.05,
                       rng=np.random.default_rng(0))
    seen = np.array([(made == row).all(axis=1).mean() for row in rows])
    assert (np.abs(seen - p) < 5 * np.sqrt(p / n) + 1e-4).all()


def test_shrinkage_is_chosen_by_rows_that_the_gaussians_have_not_seen():
    rng, asked = np.random.default_rng(0), []
    X = rng.integers(0, 17, (50, 3))

    def groups(rows):
        asked.append(rows)
        return np.eye(2)[rows % 2]

    model = fit_counts(X, groups, rng=0)
    assert [len(rows) for rows in asked] == [40, 50]
    assert model.keep in (0.25, 0.5, 0.75, 0.9)
    assert np.allclose(model.weights, 0.5)
    # more rows than parameters, and groups that differ in covariance alone
    z = rng.standard_normal((4000, 2))
    z[::2, 1] = z[::2, 0]
    wide = np.rint(8 + 3 * z).clip(0, 16)
    kept = fit_counts(wide, lambda rows: np.eye(2)[rows % 2],
                      keeps=(0.1, 1.0), rng=0).keep
    assert kept == 1.0


def test_a_group_that_is_not_told_is_summed_out():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 17, (60, 3))
    model = CountGaussians(X, np.eye(3)[np.arange(60) % 3])
    p = np.exp(model.log_prob(X)) @ model.weights
    assert np.allclose(model.nats(X), -np.log(p))
    made = model.sample(7, rng=0)
    assert made.shape == (7, 3) and set(np.unique(made)) <= set(range(17))
