# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Diffusion: noise added in small steps, and a network that takes it away."""

import numpy as np
from zerobook.nn.conditional import check_options
from zerobook.nn.module import Module
from zerobook import functional
from zerobook.nn.conditional import check_rows, withhold
from zerobook.nn.conditional import guided, spread_classes


# %% 3.4 book/generative/diffusion.md
def add_noise(x0, noise, alpha_bar):
    """Where `x0` stands once a share `alpha_bar` of its variance is left."""
    return np.sqrt(alpha_bar) * x0 + np.sqrt(1 - alpha_bar) * noise


def remove_noise(x, noise, alpha_bar):
    """The clean point, if `noise` is what was added to get to `x`."""
    return (x - np.sqrt(1 - alpha_bar) * noise) / np.sqrt(alpha_bar)


# %% 3.4 book/generative/diffusion.md
def cosine_schedule(timesteps):
    """What share of the variance is still signal after 0 .. T noise steps.

    Derived in section 3.4; Nichol and Dhariwal (2021), equation 17.

    Parameters
    ----------
    timesteps : int
        T, at least 1.

    Returns
    -------
    ndarray of shape (T + 1,)
        Falls from 1; no step keeps less than a thousandth.

    Examples
    --------
    >>> cosine_schedule(4).round(3).tolist()
    [1.0, 0.847, 0.494, 0.144, 0.0]
    """
    if timesteps < 1:
        raise ValueError(f"timesteps must be 1 or more: {timesteps}")
    angle = (np.arange(timesteps + 1) / timesteps + 0.008) / 1.008
    left = np.cos(angle * np.pi / 2) ** 2  # (T + 1,)
    kept = np.maximum(left[1:] / left[:-1], 1e-3)
    return np.concatenate([[1.0], np.cumprod(kept)])


# %% 3.4 book/generative/diffusion.md
def posterior(x, x0, abar_t, abar_s):
    """Where `x` was at an earlier time, if it started at `x0`: a Gaussian.

    Derived in section 3.4; Ho, Jain and Abbeel (2020), equation 7, there
    for neighbouring times.

    Parameters
    ----------
    x, x0 : ndarray of shape (N, D)
        The point now, and the clean one.
    abar_t, abar_s : float
        Share of the variance that is signal, now and at the earlier time.

    Returns
    -------
    mean : ndarray of shape (N, D)
    variance : float
        The same in all directions.
    """
    alpha = abar_t / abar_s
    old, new = 1 - abar_s, 1 - abar_t
    start = np.sqrt(abar_s) * (1 - alpha) * x0
    mean = (start + np.sqrt(alpha) * old * x) / new
    return mean, (1 - alpha) * old / new


# %% 3.4 book/generative/denoising.md
class DDPM(Module):
    """A denoising diffusion probabilistic model of vectors.

    Parameters
    ----------
    net : Module or callable
        ``net(x, t, y)`` guesses the noise in `x`, (N, D), at the times `t`,
        (N,), in 0 .. 1; for instance `nn.ConditionalMLP`.
    features : int
        D.
    timesteps : int
        T, steps of noise in the cosine schedule.
    bounds : pair of float, optional
        Least and largest value of clean data, to which guesses are clipped.
    drop : float
        Share of the classes that the loss withholds.

    Raises
    ------
    ValueError
        If an argument is out of its range; names it.

    Notes
    -----
    Section 3.4; Ho, Jain and Abbeel (2020). Data should have mean and
    variance near 0 and 1.
    """

    def __init__(self, net, features, *, timesteps=100, bounds=None,
                 drop=0.1):
        check_options(bounds, drop)
        self.net, self.features, self.timesteps = net, features, timesteps
        self.bounds, self.drop = bounds, drop
        self.alpha_bar = cosine_schedule(timesteps)  # (T + 1,)

    def loss(self, x, y=None, *, rng=None):
        """Half the mean squared error of the guessed noise.

        Parameters
        ----------
        x : ndarray of shape (N, D)
            Clean data.
        y : ndarray of int, shape (N,), optional
            Classes.
        rng : Generator or int, optional
            Draws the times, the noise, and which classes are withheld.

        Returns
        -------
        Tensor of shape ()
            Per number; 0.5 for a network that always says 0.
        """
        x, rng = check_rows(x, self.features), np.random.default_rng(rng)
        t = rng.integers(1, self.timesteps + 1, len(x))
        noise = rng.standard_normal(x.shape)
        x_t = add_noise(x, noise, self.alpha_bar[t, None])
        if y is not None:
            y = withhold(y, self.drop, self.net.n_classes, rng=rng)
        guess = self.net(x_t, t / self.timesteps, y)
        return functional.squared_error(guess, noise)

    # %% 3.4 book/generative/digit_diffusion.md
    def walk(self, x, classes=None, *, guidance=1.0, steps=None,
                  sampler="ddpm", rng=None):
        """The way back from the noise `x`, step by step.

        Arguments are those of `sample`, with an array of classes.

        Yields
        ------
        t : int
        x, x0 : ndarray of shape (N, D)
            Where the walk stands at `t`, and what the network takes to be
            behind the noise. At the end ``t`` is 0 and both are the sample.
        """
        T = self.timesteps
        steps = T if steps is None else steps
        if not 1 <= steps <= T:
            raise ValueError(f"steps must be 1 to {T}: {steps}")
        if sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {list(SAMPLERS)}: "
                             f"{sampler!r}")
        rng, bars = np.random.default_rng(rng), self.alpha_bar
        times = np.linspace(T, 0, steps + 1).round().astype(int)
        for t, s in zip(times, times[1:]):
            share = np.full(len(x), t / T)
            noise = guided(self.net, x, share, classes, guidance)
            x0 = remove_noise(x, noise, bars[t])
            x0 = x0 if self.bounds is None else x0.clip(*self.bounds)
            yield int(t), x, x0
            x = SAMPLERS[sampler](x, x0, bars[t], bars[s], rng)
        yield 0, x, x

    def sample(self, n, classes=None, *, guidance=1.0, steps=None,
                    sampler="ddpm", rng=None):
        """Draw rows that look like the data.

        Parameters
        ----------
        n : int
            How many.
        classes : int or array of int, shape (n,), optional
            What is asked for.
        guidance : float
            0 ignores the classes, 1 asks for them, more exaggerates.
        steps : int, optional
            Calls of the network, 1 to T (the default).
        sampler : {"ddpm", "ddim"}
            With fresh noise at each step, or without.
        rng : Generator or int, optional

        Returns
        -------
        ndarray of shape (n, D)

        Raises
        ------
        ValueError
            If an argument is out of its range; names it.
        """
        rng = np.random.default_rng(rng)
        if classes is not None:
            classes = spread_classes(classes, n)
        noise = rng.standard_normal((n, self.features))
        walk = self.walk(noise, classes, guidance=guidance, steps=steps,
                         sampler=sampler, rng=rng)
        for _, x, _ in walk:
            pass
        return x


# %% 3.4 book/generative/digit_diffusion.md
def ddpm_step(x, x0, abar_t, abar_s, rng):
    """Draw where `x` was at an earlier time from `posterior`."""
    mean, variance = posterior(x, x0, abar_t, abar_s)
    return mean + np.sqrt(variance) * rng.standard_normal(x.shape)


def ddim_step(x, x0, abar_t, abar_s, rng=None, eta=0.0):
    """Where `x` was at an earlier time, with the same noise or a part of it.

    Section 3.4; Song, Meng and Ermon (2021), equation 12. With ``eta`` 1
    the same Gaussian as in `ddpm_step`, with 0 no chance at all.
    """
    noise = (x - np.sqrt(abar_t) * x0) / np.sqrt(1 - abar_t)
    if not eta:
        return add_noise(x0, noise, abar_s)
    _, variance = posterior(x, x0, abar_t, abar_s)
    fresh = eta**2 * variance
    kept = np.sqrt(np.maximum(1 - abar_s - fresh, 0)) * noise
    drawn = np.sqrt(fresh) * rng.standard_normal(x.shape)
    return np.sqrt(abar_s) * x0 + kept + drawn


# %% 3.4 book/generative/digit_diffusion.md
SAMPLERS = {"ddpm": ddpm_step, "ddim": ddim_step}
