# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Variational autoencoders."""

import numpy as np
from zerobook import nn
from zerobook import functional
from zerobook.functional import binomial_nll, gaussian_kl
from zerobook.activations import sigmoid
from zerobook.autograd import Tensor, no_grad
from zerobook.optim import Adam, LambdaLR, warmup_cosine
from zerobook.functional import binomial_log_prob


# %% 3.2 book/generative/vae.md
class VAE(nn.Module):
    """Images out of a space of hidden choices, and the way back.

    Parameters
    ----------
    latent : int
        Entries Z of the hidden vector z.
    hidden : int
        Width of the two hidden layers of encoder and decoder.
    n_pixels, levels : int
        Pixels of an image, and the count of a fully inked one.
    rng : Generator or int, optional
        Draws the weights.

    Notes
    -----
    Section 3.2; Kingma and Welling (2014). Pixels are counts from 0 to
    `levels`, given as numbers from 0 to 1, with a binomial distribution.
    """

    def __init__(self, latent=16, hidden=128, *, n_pixels=64, levels=16,
                 rng=None):
        rng = np.random.default_rng(rng)
        self.latent, self.n_pixels, self.levels = latent, n_pixels, levels
        H = hidden
        self.encoder = nn.mlp([n_pixels, H, H, 2 * latent], rng=rng)
        self.decoder = nn.mlp([latent, H, H, n_pixels], rng=rng)

    def encode(self, x):
        """Mean and log variance of z for images (N, D), each (N, Z)."""
        x = functional.as_tensor(x)
        if x.ndim != 2 or x.shape[1] != self.n_pixels:
            raise ValueError(f"images {x.shape}: want (N, {self.n_pixels})")
        h = self.encoder(x)
        return h[:, : self.latent], h[:, self.latent :]

    def terms(self, x, noise):
        """Surprise at the images and length of the message, nats an image.

        Parameters
        ----------
        x : ndarray of shape (N, D)
            Pixels from 0 to 1.
        noise : ndarray of shape (N, Z)
            Drawn from N(0, 1) by the caller, so that it can be held still.

        Returns
        -------
        reconstruction, kl : Tensor of shape ()
            Their sum is the negative evidence lower bound.
        """
        mean, log_var = self.encode(x)
        z = mean + (log_var * 0.5).exp() * noise
        surprise = binomial_nll(self.decoder(z), x, self.levels)
        return surprise, gaussian_kl(mean, log_var)

    def decode(self, z):
        """Mean images from 0 to 1 for hidden vectors (N, Z), an ndarray."""
        with no_grad():
            return sigmoid(self.decoder(Tensor(z)).data)

    def sample(self, n, *, rng=None):
        """Draw n images: a hidden vector each, then each pixel's count."""
        rng = np.random.default_rng(rng)
        p = self.decode(rng.standard_normal((n, self.latent))).astype(float)
        return rng.binomial(self.levels, p) / self.levels  # (n, D)


# %% 3.2 book/generative/vae.md
def fit_vae(model, X, *, steps=3000, beta=1.0, lr=2e-3, batch_size=64,
            rng=None):
    """Train a VAE on the rows of X; returns (steps, 2), nats an image.

    Parameters
    ----------
    model : VAE
    X : ndarray of shape (N, D)
        Pixels from 0 to 1.
    steps, batch_size : int
    beta : float
        Weight of the message; 1 for the evidence lower bound.
    lr : float
    rng : Generator or int, optional
        Draws the batches and the noise.

    Returns
    -------
    ndarray of shape (steps, 2)
        Surprise and length of the message at each step.
    """
    rng, curve = np.random.default_rng(rng), np.empty((steps, 2))
    optimizer = Adam(model.parameters(), lr=lr)
    schedule = LambdaLR(optimizer, warmup_cosine(steps // 30, steps))
    X = np.asarray(X, dtype=np.float32)
    for step in range(steps):
        x = X[rng.integers(0, len(X), batch_size)]
        noise = rng.standard_normal((len(x), model.latent), np.float32)
        surprise, kl = model.terms(x, noise)
        optimizer.zero_grad()
        (surprise + kl * beta).backward()
        optimizer.step()
        schedule.step()
        curve[step] = surprise.item(), kl.item()
    return curve


# %% 3.2 book/generative/vae.md
def log_normal(z, mean=0.0, log_var=0.0):
    """Log density of a Gaussian with independent entries: (N, Z) -> (N,)."""
    parts = np.log(2 * np.pi) + log_var + (z - mean) ** 2 / np.exp(log_var)
    return -0.5 * parts.sum(axis=-1)


def importance_nats(model, X, draws=100, *, prior=log_normal, rng=None):
    """Importance-weighted bound on the surprise at images, nats, (N,).

    Section 3.2; Burda, Grosse and Salakhutdinov (2016). With
    one draw an estimate of the negative evidence lower bound, with many
    near ``-log p(x)``. `prior` takes codes (N, Z), gives log densities (N,).
    """
    rng, total = np.random.default_rng(rng), np.full(len(X), -np.inf)
    with no_grad():
        mean, log_var = (t.data.astype(float) for t in model.encode(X))
        for _ in range(draws):
            z = mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape)
            logits = model.decoder(Tensor(z.astype(np.float32))).data
            log_w = binomial_log_prob(logits, X, model.levels) + prior(z)
            log_w -= log_normal(z, mean, log_var)
            total = np.logaddexp(total, log_w)
    return np.log(draws) - total
