# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Learning from rewards alone: a row of slot machines."""

import numpy as np


# %% 1.1.1 book/foundations/machine_learning.md
class GaussianBandit:
    """Arms that pay a Gaussian reward around a mean of their own."""

    def __init__(self, means, scale=1.0, *, rng=None):
        self.means = np.asarray(means, dtype=float)
        self.scale = scale
        self.rng = np.random.default_rng(rng)

    def pull(self, arm):
        """Reward of one pull."""
        return self.rng.normal(self.means[arm], self.scale)


# %% 1.1.1 book/foundations/machine_learning.md
class EpsilonGreedy:
    """Pull the best arm so far, and now and then any arm."""

    def __init__(self, n_arms, epsilon=0.1, *, rng=None):
        self.epsilon = epsilon
        self.value = np.zeros(n_arms)
        self.count = np.zeros(n_arms, dtype=int)
        self.rng = np.random.default_rng(rng)

    def choose(self):
        """Arm to pull next."""
        if self.rng.random() < self.epsilon:
            return int(self.rng.integers(len(self.value)))
        best = np.flatnonzero(self.value == self.value.max())
        return int(self.rng.choice(best))

    def update(self, arm, reward):
        """Move the arm's value towards the reward, by 1/n of the gap."""
        self.count[arm] += 1
        self.value[arm] += (reward - self.value[arm]) / self.count[arm]
