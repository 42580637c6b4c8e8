"""The VQ-VAE: its choice against plain search, its update against k-means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import torch

from zerobook.autograd import Tensor
from zerobook.models.vqvae import VQVAE, Codebook, CodePrior, fit_vqvae


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 6),
       st.integers(1, 3))
def test_the_nearest_entry_is_taken_and_the_gradient_goes_past(
        seed, M, K, d):
    book = Codebook(M, K, d, rng=seed).eval()
    rng = np.random.default_rng(seed)
    h = Tensor(rng.normal(size=(5, M, d)), requires_grad=True)
    z, codes, commitment = book(h)
    for n in range(5):
        for m in range(M):
            gaps = np.linalg.norm(book.entries[m] - h.data[n, m], axis=1)
            assert gaps[codes[n, m]] <= gaps.min() + 1e-6
    assert np.allclose(z.data, book.look_up(codes), atol=1e-6)
    weight = rng.normal(size=h.shape).astype(np.float32)
    (z * weight).sum().backward()
    assert np.allclose(h.grad, weight)
    gaps = ((h.data - book.look_up(codes)) ** 2).sum() / 5
    assert np.isclose(commitment.item(), gaps, rtol=1e-4)


def test_commitment_pulls_the_vectors_as_torch_says():
    book = Codebook(2, 4, 3, rng=0).eval()
    h = np.random.default_rng(1).normal(size=(6, 2, 3))
    ours = Tensor(h, True, dtype="float64")
    _, codes, commitment = book(ours)
    commitment.backward()
    theirs = torch.tensor(h, requires_grad=True)
    entries = torch.tensor(book.look_up(codes))
    ((theirs - entries) ** 2).sum((1, 2)).mean().backward()
    assert np.allclose(ours.grad, theirs.grad)


def test_the_entries_go_where_k_means_would_put_them():
    rng = np.random.default_rng(0)
    centres = np.array([[-4.0, 0], [4, 0], [0, 4]])
    points = centres[rng.integers(0, 3, 600)] + 0.1 * rng.normal(size=(600, 2))
    book = Codebook(1, 3, 2, decay=0.9, rng=0)
    book.entries[...] = book.total[...] = [[[-1, 0], [1, 0], [0, 1]]]
    for _ in range(200):
        h = points[rng.integers(0, 600, 64)].astype(np.float32)[:, None]
        book.follow(h, book.choose(h))
    found = book.entries[0][np.argsort(book.entries[0][:, 0])]
    assert np.allclose(found, centres[[0, 2, 1]], atol=0.1)


def test_an_entry_that_nobody_chooses_comes_back():
    book = Codebook(1, 2, 1, decay=0.5, rng=0)
    book.entries[...] = book.total[...] = [[[0.0], [1000.0]]]
    for _ in range(8):
        h = np.linspace(-1, 1, 20, dtype=np.float32).reshape(-1, 1, 1)
        book.follow(h, book.choose(h))
    assert np.abs(book.entries).max() <= 1
    assert len(np.unique(book.choose(h))) == 2


def test_it_memorises_a_few_images_and_spells_them_apart():
    x = np.random.default_rng(0).integers(0, 2, (6, 64)).astype(float)
    model = VQVAE(4, 8, 2, 64, rng=0)
    curve = fit_vqvae(model, x, steps=500, rng=0)
    # an inked cell or none at an even chance costs 16 log 2 a pixel
    assert curve[0] > 500 > 50 > curve[-20:].mean()
    codes = model.encode(x)
    assert len(np.unique(codes, axis=0)) == 6
    assert np.abs(model.decode(codes) - x).mean() < 0.05


def test_state_carries_the_codebook():
    model = VQVAE(2, 4, 2, 8, rng=0)
    other = VQVAE(2, 4, 2, 8, rng=1)
    other.load_state_dict(model.state_dict())
    x = np.random.default_rng(0).random((3, 64))
    assert np.array_equal(model.encode(x), other.encode(x))


def test_the_prior_sums_to_one_and_learns_a_spelling():
    rng = np.random.default_rng(0)
    words = np.repeat([[0, 1, 2], [2, 1, 0]], 20, axis=0)
    prior = CodePrior(3, 3, 16, rng=0).eval()
    every = np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(-1, 3)
    nats = [prior.nats(word[None]).item() for word in every]
    assert np.isclose(np.exp(-np.array(nats)).sum(), 1, atol=1e-5)
    from zerobook.optim import Adam
    optimizer = Adam(prior.parameters(), lr=1e-2)
    for _ in range(200):
        loss = prior.nats(words[rng.integers(0, 40, 16)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(prior.nats(words).item() - np.log(2)) < 0.05
    made = prior.sample(200, rng=0)
    told = {tuple(w) for w in words}
    assert np.mean([tuple(w) in told for w in made]) > 0.9


def test_images_of_another_size_are_named():
    with pytest.raises(ValueError, match=r"\(5, 63\): want \(N, 64\)"):
        VQVAE(rng=0).encode(np.zeros((5, 63)))
