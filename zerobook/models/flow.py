# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Flow matching: a velocity learned from straight lines, and followed."""

import numpy as np
from zerobook import functional
from zerobook.nn.conditional import check_options, check_rows, withhold
from zerobook.nn.module import Module
from zerobook.nn.conditional import guided, spread_classes


# %% 3.5 book/generative/flow_matching.md
def euler_step(velocity, x, t, h):
    """Along the velocity here; error of a whole walk about ``h``."""
    return x + h * velocity(x, t)


def heun_step(velocity, x, t, h):
    """Along the mean of the velocities here and there: about ``h**2``."""
    here = velocity(x, t)
    there = velocity(x + h * here, t + h)
    return x + h / 2 * (here + there)


def rk4_step(velocity, x, t, h):
    """Four looks, the two in the middle count double: about ``h**4``."""
    a = velocity(x, t)
    b = velocity(x + h / 2 * a, t + h / 2)
    c = velocity(x + h / 2 * b, t + h / 2)
    d = velocity(x + h * c, t + h)
    return x + h / 6 * (a + 2 * b + 2 * c + d)


SOLVERS = {"euler": euler_step, "heun": heun_step, "rk4": rk4_step}


# %% 3.5 book/generative/flow_matching.md
class FlowMatching(Module):
    """A flow from noise at time 0 to data at time 1.

    Parameters
    ----------
    net : Module or callable
        ``net(x, t, y)`` guesses the velocity at `x`, (N, D), and the times
        `t`, (N,), in 0 .. 1; for instance `nn.ConditionalMLP`.
    features : int
        D.
    bounds : pair of float, optional
        Least and largest value of data, to which samples are clipped.
    drop : float
        Share of the classes that the loss withholds.

    Raises
    ------
    ValueError
        If `drop` lies outside 0 .. 1 or `bounds` do not rise.

    Notes
    -----
    Section 3.5; Lipman et al. (2023), with the straight lines of Liu, Gong
    and Liu (2023). Data should have mean and variance near 0 and 1.
    """

    def __init__(self, net, features, *, bounds=None, drop=0.1):
        check_options(bounds, drop)
        self.net, self.features = net, features
        self.bounds, self.drop = bounds, drop

    def loss(self, x, y=None, *, rng=None):
        """Half the mean squared error of the guessed velocity.

        Parameters
        ----------
        x : ndarray of shape (N, D)
            Data.
        y : ndarray of int, shape (N,), optional
            Classes.
        rng : Generator or int, optional
            Draws the times, the noise, and which classes are withheld.

        Returns
        -------
        Tensor of shape ()
            Per number; for a network that always says 0 half of 1 plus the
            mean square of the data.
        """
        x, rng = check_rows(x, self.features), np.random.default_rng(rng)
        noise = rng.standard_normal(x.shape)
        t = rng.random(len(x))
        x_t = (1 - t[:, None]) * noise + t[:, None] * x
        if y is not None:
            y = withhold(y, self.drop, self.net.n_classes, rng=rng)
        return functional.squared_error(self.net(x_t, t, y), x - noise)

    def walk(self, x, classes=None, *, guidance=1.0, steps=25,
                  solver="heun"):
        """From the noise `x` to data; yields ``(t, x)`` from t = 0 to 1.

        Arguments are those of `sample`, with an array of classes.
        """
        if steps < 1:
            raise ValueError(f"steps must be 1 or more: {steps}")
        if solver not in SOLVERS:
            raise ValueError(f"solver must be one of {list(SOLVERS)}: {solver!r}")

        def velocity(x, t):
            times = np.full(len(x), t)
            return guided(self.net, x, times, classes, guidance)

        for k in range(steps):
            yield k / steps, x
            x = SOLVERS[solver](velocity, x, k / steps, 1 / steps)
        yield 1.0, x if self.bounds is None else x.clip(*self.bounds)

    def sample(self, n, classes=None, *, guidance=1.0, steps=25,
                    solver="heun", rng=None):
        """Draw rows that look like the data.

        Parameters
        ----------
        n : int
            How many.
        classes : int or array of int, shape (n,), optional
            What is asked for.
        guidance : float
            0 ignores the classes, 1 asks for them, more exaggerates.
        steps : int
            Each costs one call of the network with "euler", two with "heun",
            four with "rk4"; twice that with guidance other than 0 and 1.
        solver : {"euler", "heun", "rk4"}
        rng : Generator or int, optional
            Draws the noise; all else is certain.

        Returns
        -------
        ndarray of shape (n, D)

        Raises
        ------
        ValueError
            If an argument is out of its range; names it.
        """
        if classes is not None:
            classes = spread_classes(classes, n)
        noise = np.random.default_rng(rng).standard_normal((n, self.features))
        for _, x in self.walk(noise, classes, guidance=guidance, steps=steps,
                              solver=solver):
            pass
        return x
