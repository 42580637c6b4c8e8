"""A GRU over frames: its chances sum to one, and it learns a rule."""

import itertools

import numpy as np
import pytest

from zerobook.models.frame_gru import FrameGRU
from zerobook.optim import Adam


@pytest.fixture
def model():
    return FrameGRU(2, n_voices=2, hidden=6, width=5, rng=0)


def test_the_chances_of_all_next_frames_sum_to_one(model):
    """The loss of one frame is the mean of its voices' surprises."""
    before = [[2, 2], [0, 1]]
    total = 0
    for frame in itertools.product(range(3), repeat=2):
        longer = np.array([[*before, frame]])
        more = model.loss(longer).item() * 2 * 2
        less = model.loss(np.array([before])).item() * 2
        total += np.exp(-(more - less))
    assert total == pytest.approx(1, abs=1e-5)


def test_a_frame_does_not_see_what_comes_after_it(model):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 3, (1, 6, 2))
    other = frames.copy()
    other[:, 4:] = 2 - other[:, 4:]
    a, b = (model.read(x)[0].data for x in (frames, other))
    assert np.array_equal(a[:, :4], b[:, :4])
    assert not np.allclose(a[:, 4:], b[:, 4:])


def test_it_learns_from_a_know_nothing_loss():
    model = FrameGRU(6, n_voices=2, hidden=16, width=16, rng=0)
    rng = np.random.default_rng(0)
    upper = rng.integers(1, 6, (32, 6))
    batch = np.stack([upper, upper - 1], axis=2)
    assert model.loss(batch).item() == pytest.approx(np.log(7), abs=0.3)
    optimizer = Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1


def test_a_given_voice_is_not_drawn_and_draws_repeat(model):
    start, given = np.array([[2, 2]]), np.array([0, 1, 1, 0, 1])
    first, again = (model.sample(start, rng=3, given=given) for _ in "ab")
    assert (first[:, 0] == given).all() and (first == again).all()
    assert model.sample(start, 4, rng=0).shape == (4, 2)
    assert model.sample(start, 200, rng=0).max() < 2  # draws no start


@pytest.mark.parametrize("call, word", [
    (lambda m: m.loss(np.zeros((1, 3, 3), int)), "want whole numbers"),
    (lambda m: m.loss(np.zeros((1, 3, 2))), "want whole numbers"),
    (lambda m: m.loss(np.full((1, 3, 2), 3)), "do not lie in 0 .. 2"),
    (lambda m: m.loss(np.full((1, 3, 2), -1)), "do not lie in 0 .. 2"),
    (lambda m: m.sample([[2, 2]], 3, rng=0, temperature=0), "temperature"),
    (lambda m: m.sample([[2, 2]], rng=0), "length"),
    (lambda m: m.sample([[2, 2]], 3, rng=0, given=[0, 1]), "2 given"),
])
def test_what_does_not_fit_is_named(model, call, word):
    with pytest.raises(ValueError, match=word):
        call(model)
