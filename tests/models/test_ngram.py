"""N-grams: sums to one, a slow twin, and compressors on the same text."""

import lzma
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook.datasets import load_book_prose, load_topics
from zerobook.metrics import bits_per_byte
from zerobook.models.ngram import NGram, count_ngrams, discounts
from zerobook.tokenizers import BPETokenizer

SMOOTHINGS = ["witten_bell", "kneser_ney"]
small = st.lists(st.integers(0, 3), min_size=6, max_size=60)
both = pytest.mark.parametrize("smoothing", SMOOTHINGS)


def slowly(text, order, V, smoothing):
    """p(x | context) by dictionaries, as the formulas say it."""
    counts = [defaultdict(Counter) for _ in range(order)]
    before = [defaultdict(lambda: defaultdict(set)) for _ in range(order)]
    for k in range(order):
        for t in range(k, len(text)):
            h = tuple(text[t - k : t])
            counts[k][h][text[t]] += 1
            before[k][h][text[t]].add(text[t - k - 1] if t > k else None)
    if smoothing == "kneser_ney":
        for k in range(order - 1):  # the longest keep their counts
            for h, kinds in before[k].items():
                for x, seen in kinds.items():
                    counts[k][h][x] = max(1, len(seen - {None}))
    taken = [
        discounts(np.array([c for table in level.values()
                            for c in table.values()]))
        for level in counts
    ]

    def p(x, h):
        chance = 1 / V
        for k in range(order):
            if k > len(h):
                break
            table = counts[k].get(tuple(h[len(h) - k :]))
            if not table:
                break
            if smoothing == "witten_bell":
                kept, rest = table[x], len(table)
                total = table.total() + rest
            else:
                d = [taken[k][min(c, 3)] for c in table.values()]
                kept = table[x] - taken[k][min(table[x], 3)]
                rest, total = sum(d), table.total()
            chance = (kept + rest * chance) / total
        return chance

    return p


@both
@given(text=small, new=small, order=st.integers(1, 4))
def test_sorted_numbers_and_dictionaries_agree(smoothing, text, new, order):
    model = NGram(order, 4, smoothing).fit(np.array(text))
    p = slowly(text, order, 4, smoothing)
    expected = [
        math.log(p(x, new[max(0, t - order + 1) : t]))
        for t, x in enumerate(new)
    ]
    assert np.allclose(model.log_prob(np.array(new)), expected)


@both
@given(text=small, context=st.lists(st.integers(0, 3), max_size=6),
       order=st.integers(1, 5))
def test_chances_are_positive_and_sum_to_one(smoothing, text, context, order):
    model = NGram(order, 5, smoothing).fit(np.array(text))
    p = model.predict_proba(np.array(context, int))
    assert p.shape == (5,) and p.min() > 0 and np.isclose(p.sum(), 1)
    for x in range(5):
        last = model.log_prob(np.array([*context, x]))[-1]
        assert np.isclose(np.exp(last), p[x])


@given(text=small, order=st.integers(1, 5))
def test_every_n_gram_is_counted_once(text, order):
    levels = count_ngrams(np.array(text), order, 4)
    for k, (keys, counts, before) in enumerate(levels, start=1):
        runs = Counter(tuple(text[i : i + k]) for i in range(len(text) - k + 1))
        assert sorted(counts) == sorted(runs.values())
        assert (np.diff(keys) > 0).all()
        if k < order:
            longer = {tuple(text[i : i + k + 1]) for i in range(len(text) - k)}
            contexts = Counter(run[1:] for run in longer)
            assert sum(before) == sum(max(1, contexts[run]) for run in runs)


def test_a_text_of_one_repeated_symbol_is_still_no_certainty():
    model = NGram(3).fit("aaaaaaaaaa")
    assert 0 < np.exp(model.log_prob("aaab")[-1]) < 0.1


def test_discounts_lie_between_nothing_and_the_count():
    for seed in range(20):
        counts = np.random.default_rng(seed).geometric(0.5, size=40)
        taken = discounts(counts)
        assert taken[0] == 0 and (taken[1:] > 0).all()
        assert (taken[1:] <= [1, 2, 3]).all()


# ---- learning: the bar of the chapter


@pytest.fixture(scope="module")
def prose():
    return load_book_prose()


def test_the_bar_lies_below_xz_that_has_read_the_same(prose):
    train, test = prose.train.encode(), prose.test.encode()
    both_of_them, alone = (
        len(lzma.compress(text, preset=9)) for text in (train + test, train)
    )
    xz = 8 * (both_of_them - alone) / len(test)
    model = NGram().fit(prose.train)
    assert model.bits_per_byte(prose.test) < xz - 0.3
    assert model.bits_per_byte(prose.test) < 1.95


def test_a_discount_beats_a_share_and_bears_long_contexts(prose):
    scores = {
        (smoothing, n): NGram(n, smoothing=smoothing)
        .fit(prose.train).bits_per_byte(prose.test)
        for smoothing in SMOOTHINGS for n in (5, 9)
    }
    assert scores["kneser_ney", 5] < scores["witten_bell", 5] - 0.05
    assert scores["witten_bell", 9] > scores["witten_bell", 5] + 0.2
    assert scores["kneser_ney", 9] < scores["kneser_ney", 5]


def test_tokens_and_bytes_are_compared_by_the_byte(prose):
    tokenizer = BPETokenizer.train(prose.train, 600)
    ids = np.array(tokenizer.encode(prose.test))
    model = NGram(4, tokenizer.vocab_size).fit(tokenizer.encode(prose.train))
    n = len(prose.test.encode())
    per_byte = model.bits_per_byte(ids, n)
    assert per_byte == bits_per_byte(-model.log_prob(ids).sum(), n)
    assert abs(per_byte - NGram(6).fit(prose.train).bits_per_byte(prose.test)
               ) < 0.1


def test_a_text_is_known_by_its_model(prose):
    sources = [prose, load_topics()]
    models = [NGram(5).fit(source.train) for source in sources]
    for k, source in enumerate(sources):
        bits = [model.bits_per_byte(source.test) for model in models]
        assert np.argmin(bits) == k and max(bits) > min(bits) + 0.3


# ---- writing


def test_the_same_seed_writes_the_same_text(prose):
    model = NGram(4).fit(prose.train)
    written = model.sample(60, rng=3, prompt="The ")
    assert written == model.sample(60, rng=np.random.default_rng(3),
                                   prompt="The ")
    assert written != model.sample(60, rng=4, prompt="The ")


def test_what_is_drawn_has_the_chances_that_are_told():
    model = NGram(2, 3).fit(np.array([0, 1, 0, 2, 0, 1, 0, 1, 1, 2, 0]))
    drawn = np.array([
        model.sample(1, rng=seed, prompt=np.array([0]))[0]
        for seed in range(3000)
    ])
    p = model.predict_proba(np.array([0]))
    assert np.allclose(np.bincount(drawn, minlength=3) / 3000, p, atol=0.04)


def test_a_low_temperature_takes_the_likeliest(prose):
    model = NGram(5).fit(prose.train)
    likeliest = model.predict_proba("The ").argmax()
    written = model.sample(1, rng=0, prompt="The ", temperature=0.01)
    assert written == chr(likeliest)


def test_tokens_are_written_as_tokens():
    model = NGram(2, 7).fit(np.arange(70) % 7)
    written = model.sample(5, rng=0, prompt=np.array([2, 3]))
    assert written.dtype == np.int64 and written.shape == (5,)


# ---- errors


@pytest.mark.parametrize("order", [0, -1, 4])
def test_an_order_that_no_text_has_is_refused(order):
    with pytest.raises(ValueError, match="order must lie in 1 .. 3"):
        NGram(order).fit("abc")


def test_an_empty_text_cannot_be_counted_but_can_be_scored():
    with pytest.raises(ValueError, match="the text's length"):
        NGram(1).fit("")
    assert NGram(1).fit("a").log_prob("").shape == (0,)


def test_a_symbol_outside_the_vocabulary_is_named():
    with pytest.raises(ValueError, match="symbol 1 is 9, outside 0 .. 3"):
        NGram(1, 4).fit([1, 9, 2])
    with pytest.raises(ValueError, match="symbol 0 is -1"):
        NGram(1, 4).fit([1, 2]).log_prob([-1])


@pytest.mark.parametrize("text", [[[1, 2]], [0.5], None, ["a"]])
def test_what_is_no_row_of_symbols_is_refused(text):
    with pytest.raises(ValueError, match="row of whole numbers"):
        NGram(1).fit(text)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="no smoothing 'laplace'"):
        NGram(2, smoothing="laplace").fit("abc")
    with pytest.raises(ValueError, match="temperature"):
        NGram(2).fit("abc").sample(1, rng=0, temperature=0.0)
    with pytest.raises(ValueError, match="n_bytes"):
        NGram(2, 9).fit([1, 2, 3]).bits_per_byte([1, 2])


def test_the_discounts_are_chen_and_goodmans():
    # n[c] n-grams were seen c times, one more of each so that none is zero:
    # n = 9, 5, 3, 2; Y = 9 / (9 + 2 * 5); D(c) = c - (c + 1) Y n[c+1] / n[c]
    counts = np.repeat([1, 2, 3, 4], [8, 4, 2, 1])
    Y = 9 / 19
    right = [0, 1 - 2 * Y * 5 / 9, 2 - 3 * Y * 3 / 5, 3 - 4 * Y * 2 / 3]
    np.testing.assert_allclose(discounts(counts), right)
