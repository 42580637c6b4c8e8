# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Learning from reward alone: a row of slot machines and a player."""

import numpy as np


# %% 1.1.1 book/foundations/learning_without_answers.md
class GaussianBandit:
    """Machines that pay a Gaussian reward around means of their own.

    Built in section 1.1.1.

    Parameters
    ----------
    means : array-like of shape (n_arms,)
        What each arm pays on average.
    scale : float
        Standard deviation of every payment.
    rng : numpy.random.Generator or int, optional
    """

    def __init__(self, means, scale=1.0, *, rng=None):
        self.means = np.asarray(means, dtype=float)
        self.scale = scale
        self.rng = np.random.default_rng(rng)

    def pull(self, arm):
        """Reward of one pull of `arm`."""
        return float(self.rng.normal(self.means[arm], self.scale))


# %% 1.1.1 book/foundations/learning_without_answers.md
class EpsilonGreedy:
    """Pull the best arm so far, and now and then any arm.

    Derived in section 1.1.1; Sutton and Barto (2018), section 2.4.

    Parameters
    ----------
    n_arms : int
    epsilon : float
        Chance of a random pull, in 0 .. 1.
    rng : numpy.random.Generator or int, optional

    Attributes
    ----------
    value : ndarray of shape (n_arms,)
        Mean reward of each arm so far; 0 for an arm not tried.
    count : ndarray of int, shape (n_arms,)
    """

    def __init__(self, n_arms, epsilon=0.1, *, rng=None):
        self.epsilon = epsilon
        self.value = np.zeros(n_arms)
        self.count = np.zeros(n_arms, dtype=int)
        self.rng = np.random.default_rng(rng)

    def choose(self):
        """Arm to pull next; ties are broken at random."""
        if self.rng.random() < self.epsilon:
            return int(self.rng.integers(len(self.value)))
        best = np.flatnonzero(self.value == self.value.max())
        return int(self.rng.choice(best))

    def update(self, arm, reward):
        """Move the arm's value towards `reward`, by 1/n of the gap."""
        self.count[arm] += 1
        self.value[arm] += (reward - self.value[arm]) / self.count[arm]
