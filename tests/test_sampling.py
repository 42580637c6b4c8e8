"""Sampling: Hugging Face's warpers as oracle, frequencies, exhaustive beams."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import oracle

from zerobook import sampling
from zerobook.activations import log_softmax, softmax

torch = oracle("torch")
process = oracle("transformers.generation.logits_process")


def logits(*shape, rng=0, scale=2.0):
    return np.random.default_rng(rng).normal(0, scale, shape)


@settings(max_examples=60, deadline=None)
@given(V=st.integers(1, 30), temperature=st.floats(0.1, 5),
       k=st.none() | st.integers(1, 40), p=st.none() | st.floats(0.01, 0.99),
       seed=st.integers(0, 999))
def test_warped_scores_are_those_of_transformers(V, temperature, k, p, seed):
    x = logits(3, V, rng=seed)
    theirs = [process.TemperatureLogitsWarper(temperature)]
    if k is not None:
        theirs.append(process.TopKLogitsWarper(k))
    if p is not None:
        theirs.append(process.TopPLogitsWarper(p))
    scores = torch.from_numpy(x)
    for warper in theirs:
        scores = warper(None, scores)
    ours = sampling.warp(x, temperature=temperature, k=k, p=p)
    np.testing.assert_allclose(ours, scores.numpy(), rtol=1e-12)


def test_equal_scores_at_the_border_all_stay_as_in_transformers():
    x = np.array([[1.0, 3.0, 2.0, 2.0, 0.0]])
    theirs = process.TopKLogitsWarper(2)(None, torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(sampling.top_k(x, 2), theirs)
    assert np.isfinite(theirs).sum() == 3


@given(st.floats(0.001, 1.0), st.integers(0, 99))
def test_top_p_keeps_the_smallest_set_that_is_probable_enough(p, seed):
    x = logits(9, rng=seed)
    share = softmax(x)[np.isfinite(sampling.top_p(x, p))]
    assert share.sum() >= p - 1e-9
    assert share.sum() - share.min() <= p + 1e-9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shares, p, kept", [
    ([0.5, 0.3, 0.2], 0.8, 2), ([0.5, 0.3, 0.2], 0.5, 1),
    ([0.1] * 10, 0.3, 3), ([0.1] * 10, 0.7, 7), ([0.25] * 4, 0.5, 2),
    ([0.4, 0.3, 0.2, 0.1], 0.9, 3), ([0.9, 1e-9], 1.0, 2),
])
def test_top_p_keeps_no_token_too_many_when_the_sum_is_p_itself(
        shares, p, kept, dtype):
    x = np.log(np.array(shares, dtype))
    assert np.isfinite(sampling.top_p(x, p)).sum() == kept


BAD = {
    "there is a NaN": [0.0, np.nan, 1.0], "all are -inf": [-np.inf] * 3,
    "one is infinite": [0.0, np.inf, -np.inf],
}
USERS = {  # the kind: whoever is given scores judges them
    "greedy": sampling.greedy,
    "top_k": lambda x: sampling.top_k(x, 2),
    "top_p": lambda x: sampling.top_p(x, 0.9),
    "warp": sampling.warp,
    "sample": lambda x: sampling.sample(x, rng=0),
    "sample, cold": lambda x: sampling.sample(x, temperature=0),
    "sample, cut": lambda x: sampling.sample(x, top_k=2, top_p=0.5, rng=0),
    "generate": lambda x: list(sampling.generate(
        lambda ids: x, np.zeros((len(x), 1), int), 2, rng=0)),
    "beam_search": lambda x: sampling.beam_search(lambda ids: x[-1:], [0], 2),
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_that_say_nothing_are_refused_by_name(user, what, dtype):
    x = np.array([[0.0, 1.0, 2.0], BAD[what]], dtype)
    with pytest.raises(ValueError, match=f"scores.*: {what}"):
        USERS[user](x)
    if user not in ("generate", "beam_search"):
        USERS[user](np.array([0.0, -np.inf, 1.0], dtype))
        with pytest.raises(ValueError, match=f"scores: {what}"):
            USERS[user](x[1])


@pytest.mark.parametrize("x", [np.zeros((2, 0)), np.float64(1), ["a"],
                               np.array([True, False]), [1j]])
def test_what_are_no_scores_is_refused(x):
    for user in ("greedy", "top_k", "top_p", "sample"):
        with pytest.raises(ValueError, match="scores of shape"):
            USERS[user](x)


@pytest.mark.parametrize("p", [[0.0, 0.0], [0.5, np.nan], [1.5, -0.5],
                               [np.inf, 1.0]])
def test_what_are_no_probabilities_is_not_drawn_from(p):
    with pytest.raises(ValueError, match="probabilities must be 0 or more"):
        sampling.draw(np.array([[0.5, 0.5], p]), rng=0)


def test_draws_come_as_often_as_they_are_probable():
    p = np.array([[0.0, 0.5, 0.2, 0.3, 0.0], [0.1, 0.0, 0.0, 0.0, 0.9]])
    rng, n = np.random.default_rng(0), 20_000
    drawn = sampling.draw(np.repeat(p[:, None], n, axis=1), rng=rng)
    counts = np.array([np.bincount(row, minlength=5) for row in drawn]) / n
    assert (counts[p == 0] == 0).all()
    assert np.abs(counts - p).max() < 4 * np.sqrt(0.25 / n)


def test_a_temperature_of_zero_is_greedy_and_a_low_one_nearly():
    x = logits(200, 12)
    best = sampling.greedy(x)
    assert (sampling.sample(x, temperature=0) == best).all()
    assert (sampling.sample(x, temperature=1e-4, rng=0) == best).mean() > 0.99
    assert (sampling.sample(x, top_k=1, rng=0) == best).all()
    assert (sampling.sample(x, top_p=1e-9, rng=0) == best).all()


@pytest.mark.parametrize("options, named", [
    ({"temperature": -1.0}, "temperature must be above 0: -1.0"),
    ({"top_k": 0}, "top_k must be 1 or more: 0"),
    ({"top_p": 0.0}, "top_p must be in 0 < p <= 1: 0.0"),
    ({"top_p": 1.5}, "top_p must be in 0 < p <= 1: 1.5"),
])
def test_an_option_out_of_its_range_is_named(options, named):
    with pytest.raises(ValueError, match=named):
        sampling.sample(logits(3), **options)


# ---- texts


def chain(V=3, rng=0):
    """Scores that depend on the last two tokens: a model with a memory."""
    table = logits(V, V, V, rng=rng, scale=1.5)
    return lambda ids: table[ids[:, -2], ids[:, -1]]


def test_a_text_goes_on_token_by_token():
    model = chain()
    one = list(sampling.generate(model, [0, 1], 20, rng=0))
    assert len(one) == 20 and all(isinstance(token, int) for token in one)
    assert one == list(sampling.generate(model, [0, 1], 20, rng=0))
    many = np.array(list(sampling.generate(model, [[0, 1], [2, 2]], 5, rng=0)))
    assert many.shape == (5, 2)
    endless = sampling.generate(model, [0, 1], temperature=0)
    path, ids = list(itertools.islice(endless, 6)), [0, 1]
    for token in path:
        assert token == model(np.array([ids])).argmax()
        ids.append(token)


def test_a_text_ends_at_the_stop_token_and_waits_for_its_neighbours():
    def count(ids):  # each text counts up, and 5 follows 4
        return np.eye(6)[np.minimum(ids[:, -1] + 1, 5)] * 50

    assert list(sampling.generate(count, [2], 9, stop=5)) == [3, 4, 5]
    rows = np.array(list(sampling.generate(count, [[0], [3]], 9, stop=5)))
    assert rows.T.tolist() == [[1, 2, 3, 4, 5], [4, 5, 5, 5, 5]]


def test_a_text_needs_something_to_go_on_from():
    with pytest.raises(ValueError, match="nothing to go on from"):
        next(sampling.generate(chain(), [], 3))


def log_p(model, ids, start):
    return sum(log_softmax(model(ids[None, :t]))[0, ids[t]]
               for t in range(start, len(ids)))


@pytest.mark.parametrize("seed", range(5))
def test_enough_beams_find_the_best_of_all_texts(seed):
    model, n = chain(rng=seed), 4
    every = [np.array([0, 1, *tail])
             for tail in itertools.product(range(3), repeat=n)]
    scores = [log_p(model, ids, 2) for ids in every]
    beams, found = sampling.beam_search(model, [0, 1], n, num_beams=27)
    assert beams[0].tolist() == every[int(np.argmax(scores))].tolist()
    np.testing.assert_allclose(found, np.sort(scores)[::-1][:27])


def test_one_beam_is_greedy_and_more_are_never_worse_here():
    for seed in range(20):
        model = chain(rng=seed)
        greedy = list(sampling.generate(model, [0, 1], 8, temperature=0))
        one, low = sampling.beam_search(model, [0, 1], 8, num_beams=1)
        assert one[0, 2:].tolist() == greedy
        assert np.isclose(low[0], log_p(model, one[0], 2))
        assert sampling.beam_search(model, [0, 1], 8, 27)[1][0] >= low - 1e-12


def test_a_beam_that_has_ended_keeps_its_score():
    table = np.log(np.array([[0.4, 0.6], [0.5, 0.5]]))
    beams, scores = sampling.beam_search(
        lambda ids: table[ids[:, -1]], [0], 3, num_beams=4, stop=1)
    rows = {tuple(b): s for b, s in zip(beams.tolist(), scores)}
    assert np.isclose(rows[0, 1, 1, 1], np.log(0.6))
    assert np.isclose(rows[0, 0, 1, 1], np.log(0.24))
    assert len(rows) == 4 and np.isclose(np.exp(scores).sum(), 1)


def test_no_beam_is_an_error():
    with pytest.raises(ValueError, match="num_beams must be 1 or more: 0"):
        sampling.beam_search(chain(), [0, 1], 3, num_beams=0)


def test_a_token_of_probability_zero_is_never_drawn_not_even_at_zero():
    class Zero(np.random.Generator):
        def random(self, shape):
            return np.zeros(shape)

    rng = Zero(np.random.PCG64(0))
    assert sampling.draw([0.0, 0.4, 0.6], rng=rng) == 1


def test_a_text_that_has_ended_gets_its_stop_again():
    def scores(rows):  # the first text counts on, the second ends later
        return 9.0 * np.eye(8)[(rows[:, -1] + 1) % 8]

    new = [*sampling.generate(scores, [[2], [0]], stop=3, temperature=0)]
    assert np.stack(new, axis=1).tolist() == [[3, 3, 3], [1, 2, 3]]


def test_beams_that_cannot_be_are_left_out():
    def scores(rows):
        return np.where(np.arange(5) == 2, 0.0, -np.inf) + 0 * rows[:, :1]

    beams, log_p = sampling.beam_search(scores, [0], 2, 4)
    assert beams.tolist() == [[0, 2, 2]] and log_p.tolist() == [0.0]
