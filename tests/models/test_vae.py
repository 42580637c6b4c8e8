"""The variational autoencoder: torch's distributions are the judges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import torch

from zerobook.autograd import Tensor
from zerobook.functional import binomial_log_prob, binomial_nll, gaussian_kl
from zerobook.models.vae import VAE, fit_vae, importance_nats, log_normal


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6),
       st.integers(1, 20))
def test_the_surprise_is_torchs_binomial(seed, N, D, levels):
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(N, D))
    x = rng.integers(0, levels + 1, (N, D)) / levels
    ours = Tensor(logits, True, dtype="float64")
    nll = binomial_nll(ours, x, levels)
    nll.backward()
    other = torch.tensor(logits, requires_grad=True)
    dist = torch.distributions.Binomial(levels, logits=other)
    theirs = -dist.log_prob(torch.tensor(np.rint(x * levels))).sum(1).mean()
    theirs.backward()
    assert np.isclose(nll.item(), theirs.item(), rtol=1e-7, atol=1e-7)
    assert np.allclose(ours.grad, other.grad, atol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6))
def test_the_message_is_torchs_divergence_of_gaussians(seed, N, Z):
    rng = np.random.default_rng(seed)
    arrays = rng.normal(size=(2, N, Z))
    mean, log_var = (Tensor(a, True, dtype="float64") for a in arrays)
    kl = gaussian_kl(mean, log_var)
    kl.backward()
    m, v = (torch.tensor(a, requires_grad=True) for a in arrays)
    q = torch.distributions.Normal(m, (v / 2).exp())
    theirs = torch.distributions.kl_divergence(
        q, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    theirs.backward()
    assert np.isclose(kl.item(), theirs.item())
    assert np.allclose(mean.grad, m.grad) and np.allclose(log_var.grad, v.grad)


def test_the_bound_lies_below_the_likelihood():
    # with one hidden entry the integral can be done on a grid
    model = VAE(1, 4, n_pixels=3, levels=4, rng=0)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (6, 3)) / 4
    grid = np.linspace(-6, 6, 2001)[:, None]
    p = model.decode(grid).astype(float)  # (G, 3)
    counts = np.rint(x * 4)[:, None]  # (6, 1, 3)
    log_p = torch.distributions.Binomial(
        4, probs=torch.tensor(p)).log_prob(torch.tensor(counts))
    prior = np.exp(-0.5 * grid[:, 0] ** 2) / np.sqrt(2 * np.pi)
    likelihood = np.trapezoid(
        np.exp(log_p.sum(-1).numpy()) * prior, grid[:, 0], axis=1)
    bounds = [sum(t.item() for t in model.terms(
        np.repeat(x, 300, axis=0), rng.standard_normal((1800, 1))))]
    assert np.mean(bounds) >= -np.log(likelihood).mean() - 1e-3


def test_a_small_set_is_learned_by_heart():
    x = np.random.default_rng(0).integers(0, 17, (4, 64)) / 16
    model = VAE(8, 64, rng=0)
    curve = fit_vae(model, x, steps=400, lr=5e-3, rng=0)
    # from about what a coin for each cell costs
    assert curve[0].sum() > 300 > 200 > curve[-1].sum()
    again = fit_vae(VAE(8, 64, rng=0), x, steps=3, lr=5e-3, rng=0)
    assert np.array_equal(
        again, fit_vae(VAE(8, 64, rng=0), x, steps=3, lr=5e-3, rng=0))


def test_samples_are_counts_and_follow_the_seed():
    model = VAE(2, 8, rng=0)
    made = model.sample(50, rng=3)
    assert made.shape == (50, 64)
    assert np.array_equal(made * 16, np.rint(made * 16))
    assert made.min() >= 0 and made.max() <= 1
    assert np.array_equal(made, model.sample(50, rng=3))


def test_images_of_another_size_are_named():
    with pytest.raises(ValueError, match=r"\(5, 63\): want \(N, 64\)"):
        VAE(2, 8).encode(np.zeros((5, 63)))


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6),
       st.integers(1, 20))
def test_log_probabilities_of_images_are_torchs_binomial(seed, N, D, levels):
    rng = np.random.default_rng(seed)
    logits = 30 * rng.normal(size=(N, D))
    x = rng.integers(0, levels + 1, (N, D)) / levels
    dist = torch.distributions.Binomial(levels, logits=torch.tensor(logits))
    theirs = dist.log_prob(torch.tensor(np.rint(x * levels))).sum(1)
    assert np.allclose(binomial_log_prob(logits, x, levels), theirs)


@pytest.fixture(scope="module")
def narrow():
    """A VAE with one hidden number, and images of four pixels."""
    rng = np.random.default_rng(0)
    X = rng.binomial(4, np.where(rng.random((200, 1)) < 0.5, 0.2, 0.8),
                     (200, 4)) / 4
    model = VAE(1, 8, n_pixels=4, levels=4, rng=0)
    fit_vae(model, X, steps=200, rng=0)
    return model, X[:20]


def test_many_draws_reach_the_likelihood_that_a_grid_gives(narrow):
    model, X = narrow
    z = np.linspace(-8, 8, 4001)
    log_p = binomial_log_prob(
        model.decoder(Tensor(z[:, None].astype("float32"))).data[:, None],
        X, 4) + log_normal(z[:, None])[:, None]  # (grid, N)
    exact = -np.logaddexp.reduce(log_p + np.log(z[1] - z[0]), axis=0)
    ours = importance_nats(model, X, 4000, rng=0)
    assert np.abs(ours - exact).max() < 0.05
    once = np.mean([importance_nats(model, X, 1, rng=k) for k in range(400)])
    few = np.mean([importance_nats(model, X, 5, rng=k) for k in range(200)])
    assert once > few + 0.005 > exact.mean() + 0.005


def test_one_draw_is_the_plain_bound_and_a_prior_may_be_given(narrow):
    model, X = narrow
    noise = np.random.default_rng(0).standard_normal((5000, 1), np.float32)
    rows = np.repeat(X[:1], 5000, axis=0)
    plain = sum(term.item() for term in model.terms(rows, noise))
    once = importance_nats(model, rows, 1, rng=1).mean()
    assert abs(plain - once) < 0.1
    lower = importance_nats(model, X, 3, rng=0,
                            prior=lambda z: log_normal(z) - 1.0)
    assert np.allclose(lower, importance_nats(model, X, 3, rng=0) + 1)
