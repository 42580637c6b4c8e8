"""GANs: the optimum of the game, torch as oracle, the slope of a slope."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook import functional, nn
from zerobook.activations import sigmoid
from zerobook.autograd import Tensor
from zerobook.models.gan import (
    GAN, GANTrainer, ConditionalGAN, fit_gan, generator_loss,
    gradient_penalty, input_gradient,
)
from zerobook.nn.module import Parameter
from zerobook.optim import Adam
from zerobook.probability import kl_divergence
from zerobook.training import AveragedModel, NotANumber

torch = pytest.importorskip("torch")
LOG2 = np.log(2)


def network(sizes, rng, act=nn.ReLU):
    layers = []
    for D_in, D_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(D_in, D_out, rng=rng), act()]
    return nn.Sequential(*layers[:-1])


def small_gan(seed=0, D=2):
    rng = np.random.default_rng(seed)
    return GAN(network((3, 16, D), rng), network((D, 16, 1), rng), 3)


def twin(net):
    layers = [torch.nn.Linear(*m.weight.shape) if isinstance(m, nn.Linear)
              else torch.nn.ReLU() for m in net]
    theirs = torch.nn.Sequential(*layers)
    theirs.load_state_dict({name: torch.tensor(a.T.copy())
                            for name, a in net.state_dict().items()})
    return theirs


# ---- the optimum


@pytest.mark.parametrize("seed", range(4))
def test_the_best_discriminator_is_p_over_p_plus_q_and_measures_js(seed):
    p, q = np.random.default_rng(seed).dirichlet(np.ones(4), 2)
    logits = Parameter(np.zeros(4), dtype="float64")
    optimizer = Adam([logits], lr=0.2)
    for _ in range(400):  # the loss over all outcomes, each by its weight
        D = functional.sigmoid(logits)
        loss = (D.log() * p + (1 - D).log() * q).sum() * -0.5
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    m = (p + q) / 2
    js = (kl_divergence(p, m) + kl_divergence(q, m)) / 2
    np.testing.assert_allclose(sigmoid(logits.data), p / (p + q), atol=0.01)
    assert abs(loss.item() - (LOG2 - js)) < 1e-3


# ---- losses and steps


@settings(max_examples=25)
@given(n=st.integers(1, 9), seed=st.integers(0, 99), saturating=st.booleans())
def test_generator_loss_and_torchs_agree(n, seed, saturating):
    s = np.random.default_rng(seed).normal(size=n) * 5
    ours = Tensor(s, True, "float64")
    theirs = torch.tensor(s, requires_grad=True)
    loss = generator_loss(ours, saturating)
    D = torch.sigmoid(theirs)
    loss_torch = (torch.log(1 - D) if saturating else -torch.log(D)).mean()
    loss.backward()
    loss_torch.backward()
    assert np.isclose(loss.item(), loss_torch.item())
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), atol=1e-12)


def test_one_round_of_turns_is_the_round_that_torch_would_make():
    gan = small_gan()
    G, D = twin(gan.generator), twin(gan.discriminator)
    trainer = GANTrainer(gan, lr=(0.01, 0.02), betas=(0.5, 0.99), rng=7)
    rng = np.random.default_rng(7)
    real = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    d_opt = torch.optim.Adam(D.parameters(), lr=0.01, betas=(0.5, 0.99))
    g_opt = torch.optim.Adam(G.parameters(), lr=0.02, betas=(0.5, 0.99))
    for _ in range(3):
        told = trainer.discriminator_step(real)
        fooled = trainer.generator_step(6)
        fake = G(torch.from_numpy(gan.noise(6, rng))).detach()
        x = torch.cat([torch.from_numpy(real), fake])
        loss = bce(D(x)[:, 0], torch.tensor([1.0] * 6 + [0.0] * 6))
        d_opt.zero_grad()
        loss.backward()
        d_opt.step()
        assert np.isclose(told, loss.item(), atol=1e-5)
        logits = D(G(torch.from_numpy(gan.noise(6, rng))))
        loss = bce(logits, torch.ones_like(logits))
        g_opt.zero_grad()
        loss.backward()
        g_opt.step()
        assert np.isclose(fooled, loss.item(), atol=1e-5)
    for ours, theirs in ((gan.generator, G), (gan.discriminator, D)):
        for p, p_torch in zip(ours.parameters(), theirs.parameters()):
            np.testing.assert_allclose(p.data, p_torch.detach().numpy().T,
                                       atol=1e-4)


def test_each_turn_moves_one_network_only():
    gan = small_gan()
    trainer = GANTrainer(gan, rng=0)

    def moved(turn):
        before = {n: a.copy() for n, a in gan.state_dict().items()}
        turn()
        return {n.split(".")[0] for n, a in gan.state_dict().items()
                if (a != before[n]).any()}

    real = np.zeros((4, 2), np.float32)
    assert moved(lambda: trainer.discriminator_step(real)) == {"discriminator"}
    assert moved(lambda: trainer.generator_step(4)) == {"generator"}


def test_a_seed_is_a_run_and_noise_is_gone_at_the_end():
    X = np.random.default_rng(0).normal(size=(50, 2))
    runs = [fit_gan(small_gan(), X, steps=5, noise=0.5, rng=3)
            for _ in range(2)]
    assert (runs[0] == runs[1]).all() and runs[0].shape == (5, 2)
    a, b = (small_gan().sample(4, rng=rng) for rng in (1, 1))
    assert (a == b).all() and a.dtype == np.float32
    trainer = GANTrainer(small_gan(), noise=0.0)
    x = np.ones((2, 2), np.float32)
    assert trainer.blur(x) is x


def test_a_loss_that_is_no_number_names_its_step():
    X = np.full((10, 2), np.nan)
    with np.errstate(invalid="ignore"):
        with pytest.raises(NotANumber, match="step 0"):
            fit_gan(small_gan(), X, steps=3, rng=0)


def test_classes_must_be_as_many_as_examples():
    with pytest.raises(ValueError, match="10 examples, 9 classes"):
        fit_gan(conditional(), np.zeros((10, 2)), np.zeros(9, int), steps=1)


def test_the_average_follows_the_game():
    gan = small_gan()
    average = AveragedModel(gan, 0.5)
    X = np.random.default_rng(0).normal(size=(50, 2))
    seen = []
    fit_gan(gan, X, steps=20, average=average, after_step=seen.append, rng=0)
    assert average.n_averaged == 20 and seen == list(range(1, 21))
    a, b = average.module.sample(50, rng=0), gan.sample(50, rng=0)
    assert 0 < np.abs(a - b).mean() < 0.5


# ---- the slope of a slope


@settings(max_examples=15)
@given(seed=st.integers(0, 999), width=st.integers(1, 8), N=st.integers(1, 5))
def test_gradient_penalty_and_torchs_second_backward_agree(seed, width, N):
    rng = np.random.default_rng(seed)
    net = network((3, width, width, 1), rng)
    theirs = twin(net)
    real, fake = (rng.normal(size=(N, 3)).astype("float32") for _ in range(2))
    loss = gradient_penalty(net, real, fake, rng=np.random.default_rng(5))
    share = np.random.default_rng(5).random((N, 1), dtype=np.float32)
    x = torch.tensor(share * real + (1 - share) * fake, requires_grad=True)
    slope, = torch.autograd.grad(theirs(x).sum(), x, create_graph=True)
    loss_torch = (((slope**2).sum(1) + 1e-12) ** 0.5 - 1).pow(2).mean()
    assert np.isclose(loss.item(), loss_torch.item(), rtol=1e-3, atol=1e-5)
    loss.backward()
    loss_torch.backward()
    for p, p_torch in zip(net.parameters(), theirs.parameters()):
        mine = np.zeros(p.shape) if p.grad is None else p.grad
        other = p_torch.grad
        other = np.zeros(p.shape) if other is None else other.numpy().T
        np.testing.assert_allclose(mine, other, rtol=1e-2, atol=1e-4)


def test_a_layer_whose_slope_is_not_known_is_named():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh())
    with pytest.raises(TypeError, match="Tanh"):
        input_gradient(net, np.zeros((1, 2), np.float32))


# ---- learning


def test_a_gan_learns_where_a_cloud_lies():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2)) * 0.3 + [3.0, -1.0]
    gan = small_gan()
    away = np.linalg.norm(gan.sample(500, rng=1).mean(axis=0) - [3, -1])
    average = AveragedModel(gan, 0.99)  # the game itself circles
    fit_gan(gan, X, steps=800, lr=5e-3, noise=0.3, average=average, rng=0)
    points = average.module.sample(500, rng=1)
    assert np.linalg.norm(points.mean(axis=0) - [3, -1]) < 0.25 * away


def conditional(K=3, D=2, seed=0):
    rng = np.random.default_rng(seed)
    return ConditionalGAN(network((3 + K, 24, D), rng),
                          network((D + K, 24, 1), rng), 3, K)


def test_a_conditional_gan_obeys():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    centres = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.5]])
    X = centres[y] + 0.3 * rng.normal(size=(900, 2))
    gan = conditional()
    fit_gan(gan, X, y, steps=600, lr=5e-3, noise=0.5, rng=0)
    asked = np.arange(300) % 3
    points = gan.sample(300, asked, rng=1)
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == asked).mean() > 0.9


@pytest.mark.parametrize("y, error, words", [
    (None, ValueError, "needs classes"),
    ([0, 1], ValueError, r"2 classes for 4"),
    ([0, 1, 2, 3], IndexError, r"0 \.\. 2"),
    ([0, 1, 2, -1], IndexError, r"0 \.\. 2"),
    ([0.0, 1.0, 2.0, 1.5], TypeError, "float64"),
])
def test_classes_that_do_not_fit_are_named(y, error, words):
    with pytest.raises(error, match=words):
        conditional().sample(4, y, rng=0)
