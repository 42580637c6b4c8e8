"""BERT: Hugging Face's BertModel as oracle, the reversed leak test, erf."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle

from zerobook import activations, functional
from zerobook.interop.huggingface import bert_views
from zerobook.models.bert import BERT, BertConfig, mask_tokens
from zerobook.optim import Adam

torch = oracle("torch")
transformers = oracle("transformers")
scipy_special = oracle("scipy.special")

SIZES = {"vocab_size": 23, "hidden_size": 24, "num_hidden_layers": 2,
         "num_attention_heads": 3, "intermediate_size": 40,
         "max_position_embeddings": 12}


def stirred(dtype="float64", **sizes):
    """A small BERT whose weights are far from those of a fresh one."""
    model = BERT(BertConfig(**SIZES | sizes), rng=0, dtype=dtype)
    rng = np.random.default_rng(1)
    for p in model.parameters():
        p.data += rng.normal(0, 0.2, p.shape).astype(dtype)
    return model


def twin(model):
    """The same model in transformers, with the same weights."""
    config = transformers.BertConfig(**vars(model.config))
    other = transformers.BertForPreTraining(config)
    state = {k: torch.from_numpy(np.array(v))
             for k, v in bert_views(model).items()}
    other = other.to(state["cls.predictions.bias"].dtype).eval()
    missing, more = other.load_state_dict(state, strict=False)
    assert not more and {k.split(".")[1] for k in missing} <= {
        "seq_relationship", "predictions"}
    other.tie_weights()
    return other


def tokens(*shape, V=23, rng=0):
    return np.random.default_rng(rng).integers(0, V, shape)


# ---- the exact GELU


def test_erf_is_scipys_to_a_hundred_billionth():
    x = np.linspace(-8, 8, 100_001)
    assert np.abs(activations.erf(x) - scipy_special.erf(x)).max() < 1e-11
    x = x.astype("float32")
    y = activations.erf(x)
    assert y.dtype == np.float32
    assert np.abs(y - scipy_special.erf(x)).max() < 2e-7


@given(st.floats(width=64))
def test_erf_is_pythons_for_any_number(x):
    y = activations.erf(np.array(x))
    assert np.isnan(y) if math.isnan(x) else abs(y - math.erf(x)) < 1e-11
    if not math.isnan(x):
        assert activations.erf(np.array(-x)) == -y


def test_exact_gelu_and_its_gradient_are_those_of_torch():
    x = np.linspace(-9, 9, 1001)
    there = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.gelu(there)
    y.sum().backward()
    np.testing.assert_allclose(activations.exact_gelu(x), y.detach(),
                               atol=1e-10)
    slope = activations.exact_gelu_backward(np.ones_like(x), x, None)
    np.testing.assert_allclose(slope, there.grad, atol=1e-10)


# ---- the model


@pytest.mark.parametrize("act", ["gelu", "gelu_new", "relu"])
def test_hidden_scores_and_pooled_are_those_of_transformers(act):
    model, ids = stirred(hidden_act=act), tokens(3, 12)
    mask = (np.arange(12) < [[12], [7], [3]]).astype(int)
    types = (np.arange(12) > 4) + np.zeros_like(ids)
    out = twin(model)(*map(torch.from_numpy, (ids, mask, types)),
                      output_hidden_states=True)
    hidden = model(ids, mask, types)
    there = out.hidden_states[-1].detach().numpy()
    np.testing.assert_allclose(hidden.data, there, atol=1e-10)
    assert np.abs(there).max() > 2
    np.testing.assert_allclose(
        model.score(hidden).data, out.prediction_logits.detach(), atol=1e-10)


def test_one_training_step_is_that_of_transformers():
    # without token 0: to transformers it is padding, and its row of the
    # table gets no gradient
    model, ids = stirred(), 1 + tokens(4, 9, V=22)
    other = twin(model)
    spoiled, chosen = mask_tokens(ids, 1, range(2, 23), p=0.4, rng=0)
    ours = Adam(model.parameters(), lr=0.01)
    theirs = torch.optim.Adam(other.parameters(), lr=0.01)
    rows = np.flatnonzero(chosen)
    hidden = functional.embedding(rows, model(spoiled).reshape(-1, 24))
    loss = functional.cross_entropy(model.score(hidden), ids[chosen])
    labels = np.where(chosen, ids, -100)
    logits = other(torch.from_numpy(spoiled)).prediction_logits
    there = torch.nn.functional.cross_entropy(
        logits.reshape(-1, 23), torch.from_numpy(labels).reshape(-1))
    assert abs(loss.item() - there.item()) < 1e-10
    loss.backward()
    there.backward()
    ours.step()
    theirs.step()
    after = other.state_dict()
    for name, array in bert_views(model).items():
        if "pooler" not in name and not name.endswith("key.bias"):
            # a key's bias moves all scores of a query alike: its gradient
            # is rounding, which Adam blows up to a whole step
            np.testing.assert_allclose(array, after[name].numpy(), atol=1e-7)


def test_what_fills_a_row_up_changes_nothing_before_it():
    model, ids = stirred(), tokens(2, 12)
    mask = np.ones((2, 12), int)
    mask[:, 8:] = 0
    other = np.where(mask, ids, (ids + 1) % 23)
    a, b, short = model(ids, mask), model(other, mask), model(ids[:, :8])
    np.testing.assert_array_equal(a.data[:, :8], b.data[:, :8])
    np.testing.assert_allclose(a.data[:, :8], short.data, atol=1e-12)


def test_a_token_moves_those_before_it_and_those_after_it():
    model, ids = stirred(), tokens(1, 12)
    other = ids.copy()
    other[0, 6] = (other[0, 6] + 1) % 23
    moved = np.abs(model(ids).data - model(other).data).max(axis=(0, 2))
    assert (moved > 1e-6).all()


@given(st.integers(0, 99))
def test_gaps_are_dealt_out_as_asked(seed):
    ids = tokens(200, 60, rng=seed)
    spoiled, chosen = mask_tokens(ids, 1, range(3, 23), p=0.2, rng=seed)
    assert (spoiled[~chosen] == ids[~chosen]).all()
    assert (ids[chosen] >= 3).all()
    share = chosen.sum() / (ids >= 3).sum()
    gap = (spoiled[chosen] == 1).mean()
    same = (spoiled[chosen] == ids[chosen]).mean()
    assert abs(share - 0.2) < 0.02 and abs(gap - 0.8) < 0.05
    assert abs(same - (0.1 + 0.1 / 20)) < 0.04


def test_it_learns_one_batch_by_heart():
    ids = tokens(4, 10, rng=3)
    model = BERT(BertConfig(**SIZES), rng=0)
    spoiled, chosen = mask_tokens(ids, 0, range(1, 23), p=0.3, rng=0)
    optimizer, rows = Adam(model.parameters(), 3e-3), np.flatnonzero(chosen)
    losses = []
    for _ in range(80):
        hidden = functional.embedding(rows, model(spoiled).reshape(-1, 24))
        loss = functional.cross_entropy(model.score(hidden), ids[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert abs(losses[0] - np.log(23)) < 0.5 and losses[-1] < 0.3


WRONG = {
    "vocab_size must be 1 or more: 0": {"vocab_size": 0},
    "5 heads in a width of 24": {"num_attention_heads": 5},
    "hidden_act 'swish' is none of gelu": {"hidden_act": "swish"},
    "hidden_dropout_prob must be in": {"hidden_dropout_prob": 1.0},
}


@pytest.mark.parametrize("message", WRONG)
def test_numbers_that_make_no_model_are_named(message):
    with pytest.raises(ValueError, match=message):
        BertConfig(**SIZES | WRONG[message])


def test_a_text_that_is_too_long_is_named():
    with pytest.raises(ValueError, match=r"\(1, 13\).*= 12"):
        stirred()(tokens(1, 13))


def test_dropout_draws_in_training_alone():
    model = BERT(BertConfig(**SIZES, hidden_dropout_prob=0.3,
                            attention_probs_dropout_prob=0.3), rng=0)
    ids = tokens(1, 8)
    assert not (model(ids).data == model(ids).data).all()
    model.eval()
    assert (model(ids).data == model(ids).data).all()
