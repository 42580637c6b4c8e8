"""The bandit: means kept without a list, and exploring that pays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook.bandit import EpsilonGreedy, GaussianBandit


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50))
def test_the_running_mean_is_the_mean(rewards):
    player = EpsilonGreedy(2)
    for reward in rewards:
        player.update(1, reward)
    assert player.value[1] == pytest.approx(np.mean(rewards), abs=1e-9)
    assert player.count.tolist() == [0, len(rewards)]


def test_payments_have_the_mean_and_spread_that_were_asked_for():
    bandit = GaussianBandit([1.0, -2.0], scale=0.5, rng=0)
    paid = np.array([bandit.pull(1) for _ in range(4000)])
    # four standard errors
    assert abs(paid.mean() + 2) < 4 * 0.5 / np.sqrt(4000)
    assert abs(paid.std() - 0.5) < 0.03


def test_without_exploring_the_best_so_far_is_always_pulled():
    player = EpsilonGreedy(3, epsilon=0, rng=0)
    player.update(2, 1.0)
    assert {player.choose() for _ in range(100)} == {2}


def test_equal_arms_are_tried_in_turn_by_chance():
    player = EpsilonGreedy(4, epsilon=0, rng=0)
    assert {player.choose() for _ in range(200)} == {0, 1, 2, 3}


def test_exploring_all_the_time_pulls_every_arm_alike():
    player = EpsilonGreedy(4, epsilon=1, rng=0)
    player.update(0, 100.0)
    counts = np.bincount([player.choose() for _ in range(4000)])
    # a count of 1000 has a standard deviation of 27
    assert np.all(np.abs(counts - 1000) < 4 * 27)


def test_a_seed_repeats_the_game():
    def game(seed):
        bandit = GaussianBandit([0, 1], rng=seed)
        player = EpsilonGreedy(2, rng=seed)
        for _ in range(50):
            arm = player.choose()
            player.update(arm, bandit.pull(arm))
        return player.value.tolist()

    assert game(1) == game(1) != game(2)


def test_the_best_arm_is_found_far_more_often_than_by_chance():
    best = 0
    for seed in range(20):
        bandit = GaussianBandit([0, 0, 2, 0, 0], rng=seed)
        player = EpsilonGreedy(5, 0.1, rng=seed + 100)
        for _ in range(300):
            arm = player.choose()
            player.update(arm, bandit.pull(arm))
        best += int(player.count.argmax() == 2)
    assert best >= 18
