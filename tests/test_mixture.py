"""Gaussian mixtures, with scikit-learn and SciPy as judges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle

from zerobook.datasets import make_blobs
from zerobook.mixture import (
    GaussianMixture,
    expectation,
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
