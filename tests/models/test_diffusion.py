"""Diffusion: the chain against its closed form, two roads to a Gaussian,
guidance, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import torch

from zerobook.models.diffusion import (
    DDPM,
    add_noise,
    cosine_schedule,
    ddim_step,
    ddpm_step,
    posterior,
    remove_noise,
)
from zerobook.nn import ConditionalMLP
from zerobook.nn.conditional import guided, time_features, withhold
from zerobook.training import fit_by_loss

MEAN = np.array([1.0, -0.5])
COV = np.array([[0.8, 0.3], [0.3, 0.4]])


def exact_noise(T, mean=MEAN, cov=COV):
    """The best guess of the noise when the data are a Gaussian."""
    bars = cosine_schedule(T)

    def net(x, t, y=None):
        a = bars[round(t[0] * T)]
        total = a * cov + (1 - a) * np.eye(len(mean))
        gap = x - np.sqrt(a) * mean
        return np.sqrt(1 - a) * np.linalg.solve(total, gap.T).T

    return net


def flat(model):
    return np.concatenate([p.data.ravel() for p in model.parameters()])


# ---- noise


@settings(max_examples=20)
@given(T=st.integers(1, 300))
def test_the_schedule_falls_from_one_and_keeps_a_thousandth_a_step(T):
    bars = cosine_schedule(T)
    assert bars.shape == (T + 1,) and bars[0] == 1 and bars[-1] > 0
    kept = bars[1:] / bars[:-1]
    assert (kept < 1).all() and (kept >= 1e-3 - 1e-12).all()


def test_the_schedule_is_the_papers_but_for_the_cap():
    t = np.arange(999) / 1000  # beyond, the cap takes over
    paper = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(
        cosine_schedule(1000)[:999], paper / paper[0], rtol=1e-9)


def test_the_chain_ends_where_the_closed_form_says():
    bars, rng = cosine_schedule(30), np.random.default_rng(0)
    x = np.full(100_000, 1.7)
    for t in range(1, 21):
        x = add_noise(x, rng.standard_normal(x.shape), bars[t] / bars[t - 1])
    # the standard error of a mean over 1e5 draws is 0.003
    assert abs(x.mean() - 1.7 * np.sqrt(bars[20])) < 0.015
    assert abs(x.var() - (1 - bars[20])) < 0.02


@settings(max_examples=50)
@given(a=st.floats(1e-4, 0.9999), seed=st.integers(0, 99))
def test_noise_that_is_known_can_be_removed(a, seed):
    x0, noise = np.random.default_rng(seed).standard_normal((2, 3, 4))
    back = remove_noise(add_noise(x0, noise, a), noise, a)
    np.testing.assert_allclose(back, x0, atol=1e-10)


# ---- the way back


@settings(max_examples=50)
@given(a=st.floats(0.01, 0.98), b=st.floats(0.01, 0.98),
       seed=st.integers(0, 99))
def test_the_posterior_is_the_rule_of_bayes_on_a_grid(a, b, seed):
    abar_t, abar_s = sorted((a, b * 0.999 + 0.0005))
    if abar_s - abar_t < 0.005:
        return  # neighbours: the grid would be too coarse
    x0, x = np.random.default_rng(seed).standard_normal((2, 1))
    z = np.linspace(-9, 9, 40_001)
    alpha = abar_t / abar_s
    log = -((z - np.sqrt(abar_s) * x0) ** 2) / (2 * (1 - abar_s))
    log -= (x - np.sqrt(alpha) * z) ** 2 / (2 * (1 - alpha))
    p = np.exp(log - log.max())
    p /= p.sum()
    mean, variance = posterior(x, x0, abar_t, abar_s)
    assert abs(p @ z - mean[0]) < 1e-5
    assert abs(p @ (z - p @ z) ** 2 - variance) < 1e-5


@settings(max_examples=50)
@given(t=st.integers(2, 50), s=st.integers(1, 49), seed=st.integers(0, 99))
def test_ddim_with_all_of_the_chance_is_the_posterior(t, s, seed):
    bars = cosine_schedule(50)
    s = min(s, t - 1)
    x, x0 = np.random.default_rng(seed).standard_normal((2, 4, 3))
    steps = [
        step(x, x0, bars[t], bars[s], np.random.default_rng(seed), **way)
        for step, way in ((ddpm_step, {}), (ddim_step, {"eta": 1.0}))
    ]
    np.testing.assert_allclose(*steps, atol=1e-9)


def test_ddim_without_chance_keeps_the_noise():
    x0, noise = np.random.default_rng(0).standard_normal((2, 4, 3))
    x = add_noise(x0, noise, 0.2)
    np.testing.assert_allclose(
        ddim_step(x, x0, 0.2, 0.7), add_noise(x0, noise, 0.7), atol=1e-12)
    np.testing.assert_allclose(ddim_step(x, x0, 0.2, 1.0), x0, atol=1e-12)


def test_the_weights_of_the_bound_are_the_divergence_of_torchs_gaussians():
    Normal = torch.distributions.Normal
    bars, x, x0, guess = cosine_schedule(40), 0.3, np.array([0.9]), -0.2
    for t in (2, 20, 39):
        (m, v), (n, _) = (
            posterior(x, z, bars[t], bars[t - 1]) for z in (x0, guess))
        D = torch.distributions.kl_divergence(
            Normal(torch.tensor(m), v**0.5), Normal(torch.tensor(n), v**0.5))
        snr = bars / np.maximum(1 - bars, 1e-300)
        weight = (snr[t - 1] - snr[t]) / 2
        np.testing.assert_allclose(D, weight * (x0 - guess) ** 2, rtol=1e-9)


# ---- two roads: with the exact denoiser, samples are the Gaussian


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_the_exact_denoiser_of_a_gaussian_gives_the_gaussian(sampler):
    model = DDPM(exact_noise(200), 2, timesteps=200)
    x = model.sample(20_000, sampler=sampler, rng=0)
    # 200 steps are not infinitely many, and 20,000 draws neither
    np.testing.assert_allclose(x.mean(axis=0), MEAN, atol=0.04)
    np.testing.assert_allclose(np.cov(x.T), COV, atol=0.05)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_more_steps_come_closer_to_the_gaussian(sampler):
    model, wrong = DDPM(exact_noise(200), 2, timesteps=200), []
    for steps in (4, 15, 100):
        x = model.sample(20_000, sampler=sampler, steps=steps, rng=0)
        wrong.append(np.abs(np.cov(x.T) - COV).max())
    assert wrong[0] > wrong[1] > wrong[2]


# ---- classes and guidance


@pytest.fixture(scope="module")
def net():
    net = ConditionalMLP(3, 16, 1, n_classes=4, rng=0, dtype="float64")
    rng = np.random.default_rng(1)
    for p in net.outer.parameters():  # a fresh one answers 0
        p.data[...] = rng.standard_normal(p.shape)
    return net


def test_guidance_one_asks_and_guidance_zero_ignores(net):
    rng = np.random.default_rng(2)
    x, t, y = rng.standard_normal((5, 3)), rng.random(5), np.arange(5) % 4
    asked, free = net(x, t, y).data, net(x, t).data
    assert np.abs(asked - free).max() > 1e-3
    np.testing.assert_array_equal(guided(net, x, t, y, 1.0), asked)
    np.testing.assert_array_equal(guided(net, x, t, y, 0.0), free)
    np.testing.assert_array_equal(guided(net, x, t, None, 3.0), free)
    np.testing.assert_allclose(guided(net, x, t, y, 2.5),
                               2.5 * asked - 1.5 * free)


def test_samples_follow_the_same_identities(net):
    model = DDPM(net, 3, timesteps=8, bounds=(-2, 2))
    free = model.sample(6, rng=0)
    np.testing.assert_array_equal(
        model.sample(6, np.arange(6) % 4, guidance=0, rng=0), free)
    np.testing.assert_array_equal(
        model.sample(6, 2, rng=0), model.sample(6, [2] * 6, rng=0))
    assert np.abs(model.sample(6, 2, rng=0) - free).max() > 1e-3
    assert np.abs(free).max() <= 2


def test_the_last_row_of_the_table_says_no_class(net):
    x, t = np.ones((2, 3)), np.array([0.3, 0.6])
    np.testing.assert_array_equal(
        net(x, t, np.array([4, 4])).data, net(x, t).data)


def test_withholding_takes_the_share_and_no_more():
    y = np.arange(10_000) % 4
    kept = withhold(y, 0.1, 4, rng=np.random.default_rng(0))
    assert abs((kept == 4).mean() - 0.1) < 0.02
    assert (kept[kept < 4] == y[kept < 4]).all()
    assert withhold(None, 0.1, 4, rng=np.random.default_rng(0)) is None


def test_time_features_tell_neighbouring_times_apart():
    table = time_features(np.linspace(0, 1, 101))
    gaps = np.linalg.norm(table[:, None] - table, axis=-1)
    assert gaps[~np.eye(101, dtype=bool)].min() > 0.1


# ---- chance is the caller's


def test_one_seed_gives_one_sample_and_ddim_needs_no_more_than_its_start(net):
    model = DDPM(net, 3, timesteps=10, bounds=(-2, 2))
    np.testing.assert_array_equal(
        model.sample(4, rng=7), model.sample(4, rng=7))
    start = np.random.default_rng(0).standard_normal((4, 3))
    ends = [list(model.walk(start, sampler="ddim", rng=seed))[-1][1]
            for seed in (0, 1)]
    np.testing.assert_array_equal(*ends)
    ends = [list(model.walk(start, rng=seed))[-1][1] for seed in (0, 1)]
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


def test_a_walk_shows_each_of_its_steps(net):
    model = DDPM(net, 3, timesteps=10)
    walk = list(model.walk(np.zeros((2, 3)), steps=5, rng=0))
    assert [t for t, _, _ in walk] == [10, 8, 6, 4, 2, 0]
    _, x, x0 = walk[-1]
    np.testing.assert_array_equal(x, x0)


def test_no_rows_are_no_trouble(net):
    assert DDPM(net, 3, timesteps=4).sample(0, rng=0).shape == (0, 3)


# ---- learning


def test_a_network_that_knows_nothing_loses_one_half():
    model = DDPM(ConditionalMLP(5, 8, 1, rng=0), 5)
    x = np.random.default_rng(0).standard_normal((4000, 5))
    assert abs(model.loss(x, rng=1).item() - 0.5) < 0.02


def test_four_points_are_memorised():
    points = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=float)
    net = ConditionalMLP(2, 32, 2, n_classes=4, rng=0)
    model, curve = fit_by_loss(
        DDPM(net, 2, timesteps=30, bounds=(-1.2, 1.2)),
        np.repeat(points, 32, axis=0), np.repeat(np.arange(4), 32),
        epochs=400, lr=1e-2, decay=0.98, rng=0)
    assert np.mean(curve[-50:]) < 0.1 < 0.4 < np.mean(curve[:5])
    y = np.arange(4).repeat(5)
    for sampler in ("ddpm", "ddim"):
        drawn = model.sample(20, y, sampler=sampler, rng=0)
        assert np.abs(drawn - points[y]).max() < 0.3


def test_what_is_handed_back_is_the_mean_of_the_weights_not_the_last():
    model = DDPM(ConditionalMLP(2, 8, 1, rng=0), 2, timesteps=5)
    before = flat(model)
    X = np.random.default_rng(0).standard_normal((64, 2))
    averaged, curve = fit_by_loss(model, X, epochs=4, batch_size=16,
                                  decay=0.9, rng=0)
    assert len(curve) == 16
    moved = np.abs(flat(model) - before).sum()
    assert 0 < np.abs(flat(averaged) - before).sum() < moved


# ---- what is refused


@pytest.mark.parametrize("make, words", [
    (lambda: cosine_schedule(0), "timesteps must be 1 or more: 0"),
    (lambda: DDPM(None, 2, timesteps=-3), "-3"),
    (lambda: DDPM(None, 2, drop=1.5), "drop must lie in 0 .. 1: 1.5"),
    (lambda: DDPM(None, 2, bounds=(1, -1)), r"bounds must rise: \(1, -1\)"),
])
def test_a_wrong_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("options, words", [
    ({"steps": 0}, "steps must be 1 to 10: 0"),
    ({"steps": 11}, "steps must be 1 to 10: 11"),
    ({"sampler": "euler"}, "sampler must be one of .*'euler'"),
    ({"classes": 7}, "classes from 7 to 7: want 0 to 4"),
    ({"classes": -1}, "classes from -1"),
    ({"classes": [1, 2]}, r"classes \(2,\): want one, or 3"),
    ({"classes": 1.0}, "classes float64"),
])
def test_a_wrong_wish_is_named(net, options, words):
    with pytest.raises(ValueError, match=words):
        DDPM(net, 3, timesteps=10).sample(3, rng=0, **options)


def test_rows_of_another_width_and_classes_too_few_are_named(net):
    model = DDPM(net, 3, timesteps=10)
    with pytest.raises(ValueError, match=r"x \(4, 2\): want \(N, 3\)"):
        model.loss(np.zeros((4, 2)), rng=0)
    with pytest.raises(ValueError, match="want 4 ints"):
        model.loss(np.zeros((4, 3)), np.zeros(3, int), rng=0)
    with pytest.raises(ValueError, match=r"times \(3,\) for 4 rows"):
        net(np.zeros((4, 3)), np.zeros(3))
