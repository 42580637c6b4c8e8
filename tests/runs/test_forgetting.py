"""The fine-tuning of the recorded GPT: what is frozen, mixed in, counted."""

import numpy as np
import pytest

from zerobook.models.gpt import GPT, GPTConfig
from zerobook.runs import forgetting

CONFIG = GPTConfig(50, n_positions=8, n_embd=8, n_layer=2, n_head=2)
IDS = {"old": {"train": np.arange(20)}, "new": {"train": np.arange(30, 50)}}


@pytest.mark.parametrize("way", forgetting.WAYS)
def test_a_copy_begins_where_the_model_was_and_leaves_it_alone(way):
    start = GPT(CONFIG, rng=0).eval()
    before = {n: a.copy() for n, a in start.state_dict().items()}
    x = np.arange(8)[None]
    y = start(x).data
    model = forgetting.prepared(way, start, np.random.default_rng(1))
    same = np.allclose(model.eval()(x).data, y, atol=1e-6)
    assert same == (way != "from random weights")
    draw = forgetting.batches(way, IDS, 8, 4, 0.5, np.random.default_rng(2))
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    old = {n: p.data.copy() for n, p in model.named_parameters()}
    steps = list(forgetting.train(model, draw, 2, 0.01))
    assert [step for step, _ in steps] == [1, 2]
    moved = {n for n, p in model.named_parameters()
             if not np.array_equal(p.data, old[n])}
    assert moved == trained
    assert all(np.array_equal(a, before[n])
               for n, a in start.state_dict().items())


@pytest.mark.parametrize(("way", "old"), [("full", 0), ("replay", 3)])
def test_replay_and_nothing_else_mixes_old_rows_in(way, old):
    draw = forgetting.batches(way, IDS, 8, 10, 0.3, np.random.default_rng(0))
    rows = draw()
    assert rows.shape == (10, 9)
    assert (rows < 20).all(axis=1).sum() == old
    assert (rows >= 30).all(axis=1).sum() == 10 - old


def test_a_teacher_gives_probabilities_for_every_place():
    teacher = GPT(CONFIG, rng=0).eval()
    rows = np.arange(18).reshape(2, 9)
    p = forgetting.taught_by(teacher)(rows)
    assert p.shape == (2, 8, 50) and p.dtype == np.float32
    assert np.allclose(p.sum(axis=-1), 1, atol=1e-5)
    z = teacher(rows[:, :-1]).data
    assert (p.argmax(axis=-1) == z.argmax(axis=-1)).all()


def test_the_work_of_a_token_is_that_of_the_matrices_it_meets():
    sizes = {n: a.size for n, a in GPT(CONFIG, rng=0).state_dict().items()
             if a.ndim == 2}
    assert forgetting.work(CONFIG) == sum(sizes.values())
