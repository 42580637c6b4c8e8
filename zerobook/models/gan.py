# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Generative adversarial networks: two nets, trained against each other."""

import numpy as np
from zerobook.functional import binary_cross_entropy
from zerobook.autograd import no_grad
from zerobook.nn.module import Module
from zerobook.optim import Adam
from zerobook.optim import LambdaLR
from zerobook.training import NotANumber
from zerobook import functional
from zerobook.autograd import Tensor
from zerobook.nn.linear import Linear, ReLU
from zerobook.autograd import concatenate
from zerobook.preprocessing import one_hot


# %% 3.1 book/generative/adversarial_game.md
def generator_loss(logits, saturating=False):
    """How badly the generator fools the discriminator.

    Parameters
    ----------
    logits : Tensor of shape (N,)
        The discriminator's, for generated examples.
    saturating : bool
        Minimise ``log(1 - D)``, the game as it was first written, whose
        slope vanishes where the generator is worst, instead of ``-log D``.

    Returns
    -------
    Tensor of shape ()
        In nats per example; ``log(2)`` where the discriminator cannot tell,
        ``-log(2)`` for the saturating form.

    Notes
    -----
    Derived in section 3.1; Goodfellow et al. (2014), section 3. The
    discriminator's own loss is `binary_cross_entropy` with the target 1 for
    real examples and 0 for generated ones.

    Examples
    --------
    >>> from zerobook.autograd import Tensor
    >>> round(generator_loss(Tensor(np.zeros(4))).item(), 4)
    0.6931
    """
    if saturating:
        return -binary_cross_entropy(logits, np.zeros(logits.shape))
    return binary_cross_entropy(logits, np.ones(logits.shape))


# %% 3.1 book/generative/breaking_a_gan.md
class GAN(Module):
    """A generator and a discriminator.

    Parameters
    ----------
    generator : Module
        Noise (N, latent_dim) -> examples (N, ...).
    discriminator : Module
        Examples -> logits, N numbers: positive for "real".
    latent_dim : int
        How many normal numbers an example is made of.

    Notes
    -----
    Section 3.1; Goodfellow et al. (2014). `fit_gan` trains it.

    Examples
    --------
    >>> from zerobook import nn
    >>> gan = GAN(nn.Linear(3, 2, rng=0), nn.Linear(2, 1, rng=1), 3)
    >>> gan.sample(5, rng=0).shape
    (5, 2)
    """

    def __init__(self, generator, discriminator, latent_dim):
        self.generator, self.discriminator = generator, discriminator
        self.latent_dim = latent_dim

    def generate(self, z, y=None):
        """Examples from noise of shape (N, latent_dim)."""
        return self.generator(z)

    def score(self, x, y=None):
        """Logit that each example is real, shape (N,)."""
        return self.discriminator(x).reshape(-1)

    def noise(self, n, rng):
        """Normal numbers for `n` examples, (n, latent_dim)."""
        shape = (n, self.latent_dim)
        return rng.standard_normal(shape, dtype=np.float32)

    def sample(self, n, y=None, *, rng=None):
        """Generate `n` examples: an ndarray, without a history.

        `y` holds their classes, (n,), if the GAN is conditional.
        """
        rng = np.random.default_rng(rng)
        with no_grad():
            return self.generate(self.noise(n, rng), y).data


# %% 3.1 book/generative/breaking_a_gan.md
class GANTrainer:
    """Two optimisers, a turn of one network at a time.

    Parameters
    ----------
    gan : GAN
    lr : float or pair of float
        Learning rate, or the discriminator's and the generator's.
    betas : pair of float
        Of both Adams; less memory than usual, for the opponent moves.
    noise : float
        Standard deviation of instance noise, in units of the data. May be
        changed between turns.
    saturating : bool
        See `generator_loss`.
    rng : Generator or int, optional

    Notes
    -----
    Section 3.1.
    """

    def __init__(self, gan, lr=1e-3, betas=(0.5, 0.99), noise=0.0,
                 saturating=False, rng=None):
        lr_d, lr_g = np.broadcast_to(lr, 2).tolist()
        nets = gan.discriminator, gan.generator
        self.optimizers = [
            Adam(net.parameters(), lr=rate, betas=betas)
            for net, rate in zip(nets, (lr_d, lr_g))
        ]
        self.gan, self.noise, self.saturating = gan, noise, saturating
        self.rng = np.random.default_rng(rng)

    def blur(self, x):
        """Instance noise added, if there is any."""
        if not self.noise:
            return x
        eps = self.rng.standard_normal(x.shape, dtype=np.float32)
        return x + self.noise * eps

    def descend(self, player, loss):
        """A step of one network, 0 or 1, down its loss; the loss."""
        self.optimizers[player].zero_grad()
        loss.backward()
        self.optimizers[player].step()
        return loss.item()

    def discriminator_step(self, real, y=None):
        """One step on `real` and as many generated examples; the loss.

        ``log(2)`` where it cannot tell, 0 where it is sure and right.
        """
        fake = self.gan.sample(len(real), y, rng=self.rng)
        x = np.concatenate([self.blur(real), self.blur(fake)])  # (2N, ...)
        is_real = np.repeat([1.0, 0.0], len(real))
        logits = self.gan.score(x, None if y is None else np.tile(y, 2))
        return self.descend(0, binary_cross_entropy(logits, is_real))

    def generator_step(self, n, y=None):
        """One step on `n` generated examples; the loss."""
        x = self.gan.generate(self.gan.noise(n, self.rng), y)
        logits = self.gan.score(self.blur(x), y)
        return self.descend(1, generator_loss(logits, self.saturating))

    def play(self, X, y=None, batch_size=64, turns=(1, 1)):
        """Turns of the discriminator, then of the generator; the last losses."""
        for _ in range(turns[0]):
            rows = self.rng.integers(len(X), size=batch_size)
            labels = None if y is None else y[rows]
            told = self.discriminator_step(X[rows], labels)
        for _ in range(turns[1]):
            fooled = self.generator_step(batch_size, labels)
        return told, fooled

    def falling_rates(self, steps):
        """Schedules for both optimisers: full for half, then down to 0."""
        return [LambdaLR(o, lambda step: min(1, 2 - 2 * step / steps))
                for o in self.optimizers]


# %% 3.1 book/generative/breaking_a_gan.md
def _examples(X, y):
    """Examples and classes as arrays of equal length."""
    X, y = np.asarray(X, np.float32), None if y is None else np.asarray(y)
    if y is not None and len(y) != len(X):
        raise ValueError(f"{len(X)} examples, {len(y)} classes")
    return X, y


# %% 3.1 book/generative/breaking_a_gan.md
def fit_gan(gan, X, y=None, *, steps, batch_size=64, turns=(1, 1), noise=0.0,
            average=None, after_step=None, rng=None, **options):
    """Train a GAN (section 3.1); both losses at every step, (steps, 2).

    Parameters
    ----------
    gan : GAN
    X, y : array_like of shape (N, ...) and (N,)
        Real examples; their classes, if the GAN is conditional.
    steps, batch_size : int
    turns : pair of int
        Turns of the discriminator and of the generator in a step.
    noise : float
        Instance noise at first, in units of `X`; falls to 0 in a line.
    average : AveragedModel, optional
        Of the `gan`; updated after every step.
    after_step : callable, optional
        Called as ``after_step(steps_done)``.
    **options
        Of `GANTrainer`: `lr`, `betas`, `saturating`. The rates fall to 0
        over the second half.

    Raises
    ------
    NotANumber
        Names the step at which a loss was no longer finite.
    """
    (X, y), losses = _examples(X, y), np.empty((steps, 2))
    trainer = GANTrainer(gan, rng=rng, **options)
    rates = trainer.falling_rates(steps)
    for step in range(steps):
        trainer.noise = noise * (1 - step / steps)
        losses[step] = trainer.play(X, y, batch_size, turns)
        if not np.isfinite(losses[step]).all():
            raise NotANumber(f"step {step}: losses {losses[step]}")
        for rate in rates:
            rate.step()
        if average is not None:
            average.update_parameters(gan)
        if after_step is not None:
            after_step(step + 1)
    return losses


# %% 3.1 book/generative/breaking_a_gan.md
def input_gradient(net, x):
    """Slope of a network of Linear and ReLU by its input, on the tape.

    Parameters
    ----------
    net : Sequential of Linear and ReLU
        With one output.
    x : ndarray of shape (N, D)

    Returns
    -------
    Tensor of shape (N, D)
        A function of the weights that `backward` can go through: exact, for
        a ReLU's slope is constant wherever it has one.

    Raises
    ------
    TypeError
        Names a layer that is neither Linear nor ReLU.

    Notes
    -----
    Section 3.1, for the penalty of Gulrajani et al. (2017).
    """
    inputs = []
    with no_grad():
        for layer in net:
            if not isinstance(layer, Linear | ReLU):
                raise TypeError(f"no slope known of {type(layer).__name__}")
            inputs.append(functional.as_tensor(x))
            x = layer(x)
    g = Tensor(np.ones(x.shape), dtype=x.dtype)
    for layer, seen in zip(reversed(list(net)), reversed(inputs)):
        if isinstance(layer, Linear):
            g = g @ layer.weight.T
        else:
            g = g * (seen.data > 0).astype(seen.dtype)
    return g


# %% 3.1 book/generative/breaking_a_gan.md
def gradient_penalty(net, real, fake, *, rng):
    """Mean square of (slope - 1), between real and fake examples (N, D).

    Section 3.1; Gulrajani et al. (2017), equation 3 without its factor.
    """
    share = rng.random((len(real), 1), dtype=np.float32)
    between = share * real + (1 - share) * fake  # (N, D)
    slope = input_gradient(net, between)
    length = ((slope * slope).sum(axis=1) + 1e-12) ** 0.5  # (N,)
    return ((length - 1) ** 2).mean()


# %% 3.1 book/generative/conditional_gan.md
class ConditionalGAN(GAN):
    """A GAN that is asked for a class.

    Parameters
    ----------
    generator : Module
        Noise and class, (N, latent_dim + num_classes) -> examples (N, D).
    discriminator : Module
        Example and class, (N, D + num_classes) -> logits (N, 1).
    latent_dim, num_classes : int

    Notes
    -----
    Section 3.1; Mirza and Osindero (2014). The class is a one-hot row behind
    the other inputs. ``fit_gan(gan, X, y, ...)`` trains it,
    ``gan.sample(n, y)`` asks it.

    Examples
    --------
    >>> from zerobook import nn
    >>> nets = nn.Linear(2 + 3, 4, rng=0), nn.Linear(4 + 3, 1, rng=1)
    >>> gan = ConditionalGAN(*nets, latent_dim=2, num_classes=3)
    >>> gan.sample(3, [0, 1, 2], rng=0).shape
    (3, 4)
    """

    def __init__(self, generator, discriminator, latent_dim, num_classes):
        super().__init__(generator, discriminator, latent_dim)
        self.num_classes = num_classes

    def generate(self, z, y=None):
        """Examples of the classes `y` from noise (N, latent_dim)."""
        return self.generator(self.beside(z, y))

    def score(self, x, y=None):
        """Logit that each example is a real one of its class, shape (N,)."""
        return self.discriminator(self.beside(x, y)).reshape(-1)

    def beside(self, x, y):
        """Rows of `x` with the one-hot rows of their classes behind them."""
        if y is None:
            raise ValueError("a conditional GAN needs classes")
        y, K = np.asarray(y), self.num_classes
        if y.dtype.kind not in "iu":
            raise TypeError(f"classes of {y.dtype}: give whole numbers")
        if y.shape != (len(x),):
            raise ValueError(f"{y.size} classes for {len(x)} examples")
        if y.size and not (y.min() >= 0 and y.max() < K):
            raise IndexError(f"classes {y.min()} to {y.max()}: want 0 .. {K - 1}")
        x = functional.as_tensor(x)
        return concatenate([x, Tensor(one_hot(y, K), dtype=x.dtype)], axis=1)
