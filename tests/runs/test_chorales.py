"""The run of the chorales: its parts count what they say."""

import numpy as np
import pytest

from zerobook.music import Score
from zerobook.runs import chorales
from zerobook.runs.chorales import START, SYMBOLS


def piece(seed, T=40):
    """Frames of a made piece: a walk in each of four voices."""
    rng = np.random.default_rng(seed)
    walk = rng.integers(-2, 3, (T, 4)).cumsum(axis=0)
    frames = (np.array([40, 33, 26, 19]) + walk).clip(8, 50)
    return np.concatenate([np.full((1, 4), START), frames])


PIECES = {"train": [piece(k) for k in range(6)],
          "validation": [piece(7)], "test": [piece(8), piece(9, 70)]}


def test_the_program_runs_and_repeats_itself():
    ends = []
    for _ in range(2):
        out = chorales.run(
            say=lambda line: None, pieces=PIECES, orders=(2, 3), seeds=2,
            gru_steps=5, gpt_steps=5,
            sizes={"frame GRU": (8,), "GPT": (8, 1)})
        assert out["tokens"] == [160, 280]
        for model in out["models"].values():
            assert np.isfinite(model["nats"]).all()
            assert np.shape(model["nats"])[1] == 2
        ends.append(out)
    first, second = ({name: model["nats"] for name, model in
                      out["models"].items()} for out in ends)
    assert first == second


def test_beats_become_symbols_after_a_start_frame():
    grid = np.array([[60, -1, 48, 36]] * 4 + [[62, 55, 48, 86]] * 4)
    frames = chorales.frames_of(Score(grid, np.zeros(grid.shape, bool)))
    assert frames.tolist() == [[START] * 4, [31, 0, 19, 7],
                               [33, 26, 19, 57]]


@pytest.mark.parametrize("semitones", range(-6, 6))
def test_a_key_moves_pitches_and_nothing_else(semitones):
    frames = np.array([[START, 0, 20, 40]])
    moved = chorales.in_key(frames, semitones)
    assert moved.tolist() == [[START, 0, 20 + semitones, 40 + semitones]]


def test_each_voice_has_tokens_of_its_own():
    every = [chorales.tokens_of(np.full((1, 4), k)) for k in (0, START)]
    assert np.ravel(every).tolist() == sorted(
        np.arange(4) * (SYMBOLS + 1)) + sorted(
        np.arange(4) * (SYMBOLS + 1) + START)


@pytest.mark.parametrize("T", [3, 32, 33, 60, 100])
def test_the_windows_of_the_gpt_count_each_note_once(T):
    """A GPT of zeros says log V everywhere, so the sum tells the count."""
    model = chorales.small_gpt(0, 8, 1).eval()
    for weight in model.parameters():
        weight.data[...] = 0
    [nats] = chorales.gpt_nats(model, [piece(0, T)])
    V = model.config.vocab_size
    assert nats == pytest.approx(4 * T * np.log(V), rel=1e-5)


def test_a_short_piece_is_scored_by_the_gpt_in_one_window():
    model = chorales.small_gpt(0, 8, 1).eval()
    frames = piece(1, 20)
    ids = chorales.tokens_of(frames)
    z = model(ids[None]).data[0].astype(float)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    wanted = -log_p[np.arange(3, len(ids) - 1), ids[4:]].sum()
    assert chorales.gpt_nats(model, [frames])[0] == pytest.approx(wanted,
                                                                  rel=1e-5)
