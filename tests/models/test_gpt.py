"""GPT: Hugging Face's GPT-2 as oracle, the leak test, the cache, learning."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import oracle

from zerobook import functional
from zerobook.autograd import Tensor, no_grad
from zerobook.models.gpt import GPT, GPTConfig, KVCache, Reader, token_losses
from zerobook.optim import Adam

torch = oracle("torch")
transformers = oracle("transformers")


def stirred(rng=0, dtype="float32", **sizes):
    """A small GPT whose weights are far from those of a fresh one.

    Gains of 1 and biases of 0 would hide a norm that forgets them.
    """
    sizes = {"vocab_size": 23, "n_positions": 16, "n_embd": 24, "n_layer": 2,
             "n_head": 3} | sizes
    model, rng = GPT(GPTConfig(**sizes), rng=rng, dtype=dtype), 1
    rng = np.random.default_rng(rng)
    for p in model.parameters():
        p.data += rng.normal(0, 0.2, p.shape).astype(dtype)
    return model


def twin(model):
    """The same model in transformers, with the same weights."""
    c = model.config
    config = transformers.GPT2Config(
        **vars(c), bos_token_id=0, eos_token_id=0,
        attn_implementation="eager")
    dtype = torch.from_numpy(model.wte.weight.data[:1]).dtype
    theirs = transformers.GPT2LMHeadModel(config).to(dtype)
    state = {f"transformer.{k}": torch.from_numpy(v.copy())
             for k, v in model.state_dict().items() if "lm_head" not in k}
    state["lm_head.weight"] = torch.from_numpy(model.head_weight().data.T
                                               .copy())
    theirs.load_state_dict(state)
    return theirs


def tokens(*shape, V=23, rng=0):
    return np.random.default_rng(rng).integers(0, V, shape)


# ---- the fused attention


@settings(max_examples=25)
@given(N=st.integers(1, 3), h=st.integers(1, 3),
       T=st.integers(1, 7) | st.sampled_from([64, 65, 150]),
       d=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_fused_attention_is_the_causal_attention_of_2_2_3(N, T, h, d,
                                                              seed):
    rng = np.random.default_rng(seed)
    data, g = rng.normal(size=(N, T, 3 * h * d)), rng.normal(size=(N, T, h * d))

    def composed(x):
        parts = x.reshape(N, T, 3, h, d).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(*parts, is_causal=True)
        return y.permute(0, 2, 1, 3).reshape(N, T, h * d)

    roads = []
    for road in (composed, lambda x: functional.causal_self_attention(x, h)):
        x = Tensor(data, True, "float64")
        y = road(x)
        y.backward(g)
        roads.append((y.data, x.grad))
    for a, b in zip(*roads):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("T", [5, 64, 65, 150])
def test_dropout_in_the_fused_attention_has_the_right_gradient(T):
    # the same rng drops the same weights, so the loss is a plain function
    data = np.random.default_rng(0).normal(size=(2, T, 12))
    g = np.random.default_rng(1).normal(size=(2, T, 4))

    def value(x):
        return functional.causal_self_attention(x, 2, 0.4, rng=3)

    x = Tensor(data, True, "float64")
    value(x).backward(g)
    for at in ((0, 0, 0), (0, 3, 1), (1, 2, 6), (1, 1, 10), (0, T - 1, 5)):
        nudge = np.zeros_like(data)
        nudge[at] = 1e-6
        up, down = (value(Tensor(data + s * nudge, dtype="float64")).data
                    for s in (1, -1))
        slope = ((up - down) * g).sum() / 2e-6
        assert np.isclose(slope, x.grad[at], atol=1e-7)


def test_the_fused_attention_names_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(2, 5, 12\) for 3 heads"):
        functional.causal_self_attention(Tensor(np.zeros((2, 5, 12))), 3)


# ---- the model


@pytest.mark.parametrize("tied", [True, False])
def test_logits_and_one_training_step_are_those_of_transformers(tied):
    model = stirred(dtype="float64", tie_word_embeddings=tied)
    theirs, ids = twin(model), tokens(3, 13)
    x, y = ids[:, :-1], ids[:, 1:]
    logits = theirs(torch.from_numpy(x)).logits
    np.testing.assert_allclose(model(x).data, logits.detach().numpy(),
                               atol=1e-10)
    ours = Adam(model.parameters(), lr=0.01)
    other = torch.optim.Adam(theirs.parameters(), lr=0.01)
    functional.cross_entropy(model(x), y).backward()
    torch.nn.functional.cross_entropy(
        logits.reshape(-1, 23), torch.from_numpy(y).reshape(-1)).backward()
    ours.step()
    other.step()
    state = theirs.state_dict()
    for name, array in model.state_dict().items():
        same = name.startswith("lm_head")
        there = state[name if same else f"transformer.{name}"].numpy()
        np.testing.assert_allclose(array, there.T if same else there,
                                   atol=1e-8)


def test_float32_logits_are_those_of_transformers():
    model, ids = stirred(n_embd=48), tokens(2, 16)
    theirs = twin(model)(torch.from_numpy(ids)).logits.detach().numpy()
    assert np.abs(theirs).max() > 1
    np.testing.assert_allclose(model(ids).data, theirs, atol=1e-4)


def test_no_token_sees_those_after_it():
    model, ids = stirred(), tokens(2, 12)
    other = ids.copy()
    other[:, 7:] = (other[:, 7:] + 1) % 23
    assert (model(ids).data[:, :7] == model(other).data[:, :7]).all()
    assert (model(ids).data[:, 7:] != model(other).data[:, 7:]).any()


def test_a_tied_head_is_one_parameter_and_a_free_one_another():
    tied, free = stirred(), stirred(tie_word_embeddings=False)
    count = [sum(p.size for p in m.parameters()) for m in (tied, free)]
    assert count[1] - count[0] == 23 * 24
    assert not any("lm_head" in name for name in tied.state_dict())


def test_the_first_weights_have_the_spread_of_gpt_2():
    model = GPT(GPTConfig(300, n_embd=128, n_layer=8), rng=0)
    spread = {name: p.data.std() for name, p in model.named_parameters()}
    assert np.isclose(spread["h.3.attn.c_attn.weight"], 0.02, rtol=0.05)
    assert np.isclose(spread["h.3.mlp.c_proj.weight"], 0.02 / 4, rtol=0.05)
    assert np.isclose(spread["wte.weight"], 0.02, rtol=0.05)
    assert spread["h.0.ln_1.weight"] == spread["h.0.attn.c_attn.bias"] == 0


def test_a_fresh_model_knows_nothing():
    model, ids = GPT(GPTConfig(50), rng=0), tokens(4, 33, V=50)
    loss = functional.cross_entropy(model(ids[:, :-1]), ids[:, 1:]).item()
    assert abs(loss - np.log(50)) < 0.1


def test_a_model_memorises_one_batch():
    model, ids = GPT(GPTConfig(23, 16, 32, 2, 2), rng=0), tokens(4, 17)
    optimizer = Adam(model.parameters(), lr=0.01)
    for _ in range(120):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(ids[:, :-1]), ids[:, 1:])
        loss.backward()
        optimizer.step()
    # the first guess of a row has nothing to go by but one token
    assert loss.item() < 0.15


def test_dropout_acts_in_training_and_rests_in_evaluation():
    sizes = {"embd_pdrop": 0.3, "attn_pdrop": 0.3, "resid_pdrop": 0.3}
    model, plain, ids = stirred(**sizes), stirred(), tokens(2, 10)
    assert np.abs(model(ids).data - model(ids).data).max() > 0.01
    assert (model.eval()(ids).data == plain(ids).data).all()
    again = [stirred(**sizes)(ids).data for _ in range(2)]
    assert (again[0] == again[1]).all()  # the rng of the model decides


def test_a_model_that_is_not_drawn_holds_zeros_but_for_the_gains():
    model = GPT(GPTConfig(23), draw=False)
    names = [k for k, v in model.state_dict().items() if v.any()]
    assert all("ln_" in name and "weight" in name for name in names)


@pytest.mark.parametrize("wrong, named", [
    ({"n_head": 5}, "5 heads in a width of 24"),
    ({"n_layer": 0}, "n_layer must be 1 or more: 0"),
    ({"resid_pdrop": 1.0}, "resid_pdrop must be in 0 <= p < 1: 1.0"),
])
def test_a_config_that_makes_no_model_is_refused(wrong, named):
    with pytest.raises(ValueError, match=named):
        stirred(**wrong)


def test_bad_tokens_are_named():
    model = stirred()
    with pytest.raises(ValueError, match="n_positions = 16"):
        model(tokens(1, 17))
    with pytest.raises(ValueError, match=r"\(N, T\)"):
        model(tokens(5))
    with pytest.raises(IndexError, match="23 rows"):
        model(np.array([[1, 23]]))


# ---- losses of a long text


def test_losses_of_a_long_text_are_those_of_its_windows():
    model, ids = stirred(dtype="float64"), tokens(41)

    def nats(row):
        logits = model(row[None, :-1]).data[0]
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        return -np.log(p[np.arange(len(row) - 1), row[1:]])

    losses = token_losses(model, ids, stride=4)
    assert losses.shape == (40,)
    np.testing.assert_allclose(losses[:16], nats(ids[:17]))
    np.testing.assert_allclose(losses[16:20], nats(ids[4:21])[-4:])
    np.testing.assert_allclose(losses[-4:], nats(ids[-17:])[-4:])
    whole = token_losses(model, ids[:12])
    np.testing.assert_allclose(whole, nats(ids[:12]))


@pytest.mark.parametrize("ids, options, named", [
    (range(20), {"stride": 17}, r"stride must be in 1 \.\. 16, .*: 17"),
    (range(20), {"stride": 0}, "stride must be in"),
    (range(20), {"stride": -1}, "stride must be in"),
    (range(20), {"stride": 2.5}, "stride must be in"),
    (range(20), {"batch_size": 0}, "batch_size must be 1 or more: 0"),
    ([], {}, "not two or more whole numbers"),
    ([3], {}, "not two or more whole numbers"),
    ([[1, 2], [3, 4]], {}, r"shape \(2, 2\)"),
    ([0.0, 1.0], {}, "float64"),
    ([0, -1], {}, "token 1 is -1, none of 0 to"),
    ([10**6, 0], {}, "token 0 is 1000000, none of 0 to"),
])
def test_losses_name_the_argument_that_is_wrong(ids, options, named):
    model = stirred()
    model.train()
    with pytest.raises(ValueError, match=named):
        token_losses(model, np.array(ids), **options)
    assert model.training


# The kind: after an answer, also one that fails, a part of the model is in
# another mode than before. `evaluate` and `to_onnx` have tests of their own.
@pytest.mark.parametrize("fails", [False, True])
def test_losses_leave_every_part_in_the_mode_it_had(fails, monkeypatch):
    model = stirred()
    for k, part in enumerate(model.modules()):
        part.training = k % 3 != 1
    before = [part.training for part in model.modules()]
    if fails:
        def stop(*args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(GPT, "forward", stop)
        with pytest.raises(KeyboardInterrupt):
            token_losses(model, tokens(40))
    else:
        token_losses(model, tokens(40))
    assert [part.training for part in model.modules()] == before


@pytest.mark.parametrize("n", [2, 3, 16, 17, 18, 40])
@pytest.mark.parametrize("stride", [1, 5, 16, None])
def test_every_token_but_the_first_has_a_loss(n, stride):
    losses = token_losses(stirred(dtype="float64"), tokens(n), stride)
    assert losses.shape == (n - 1,) and (losses > 0).all()


# ---- the cache


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 15), max_size=5), N=st.integers(1, 3),
       tied=st.booleans())
def test_scores_with_a_cache_are_those_without(cuts, N, tied):
    model = stirred(tie_word_embeddings=tied)
    ids, edges = tokens(N, 16), sorted({0, *cuts, 16})
    with no_grad():
        cache = KVCache(model, N)
        parts = [model(ids[:, a:b], cache).data
                 for a, b in zip(edges, edges[1:])]
        whole = model(ids).data
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole,
                               atol=1e-5)


def test_a_cache_says_what_does_not_fit():
    model = stirred()
    cache = KVCache(model, 2)
    with pytest.raises(RuntimeError, match="no_grad"):
        model(tokens(2, 3), cache)
    with no_grad():
        model(tokens(2, 10), cache)
        with pytest.raises(ValueError, match="after 10 tokens of 2 texts; "
                                             "room for 16"):
            model(tokens(2, 7), cache)
        with pytest.raises(ValueError, match="of 2 texts"):
            model(tokens(1, 1), cache)
    assert cache.length == 10


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_a_reader_gives_what_the_model_gives_whatever_it_is_asked(seed):
    rng, model = np.random.default_rng(seed), stirred()
    reader, rows = Reader(model), tokens(2, 3, rng=seed)
    for _ in range(12):
        kind = rng.integers(5)
        if kind == 0:  # other texts altogether
            rows = rng.integers(0, 23, rng.integers(1, 4, 2) + [0, 1])
        elif kind == 1:  # one twice, another not at all, as beams do
            rows = rows[rng.integers(0, len(rows), len(rows))]
        new = rng.integers(0, 23, (len(rows), rng.integers(1, 4)))
        rows = np.concatenate([rows, new], axis=1)
        if rows.shape[1] > 16:
            rows = rows[:, :5]
        with no_grad():
            whole = model(rows).data[:, -1]
        np.testing.assert_allclose(reader(rows), whole, atol=1e-5)


def test_a_text_longer_than_the_context_is_read_from_a_later_beginning():
    model, ids = stirred(), tokens(40)
    reader = Reader(model)
    for t in range(1, 41):
        start = 8 * max(0, -(-(t - 16) // 8))
        with no_grad():
            there = model(ids[None, start:t]).data[0, -1]
        np.testing.assert_allclose(reader(ids[:t]), there, atol=1e-5)


def test_greedy_text_is_that_of_transformers():
    model, ids = stirred(), tokens(1, 4)
    theirs = twin(model).generate(
        torch.from_numpy(ids), max_new_tokens=12, do_sample=False,
        eos_token_id=None, pad_token_id=0).numpy()
    ours = list(model.generate(ids[0], 12, temperature=0))
    assert ours == theirs[0, 4:].tolist()


def test_a_model_can_be_copied_and_saved():
    model, other = stirred(), GPT(stirred().config, rng=5)
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    ids = tokens(2, 9)
    assert (model(ids).data == other(ids).data).all()
