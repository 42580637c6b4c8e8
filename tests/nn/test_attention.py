"""Attention: torch as oracle, the leak test, symmetry, padding, bad shapes."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook import functional, nn
from zerobook.autograd import Tensor, history
from zerobook.optim import Adam

torch = pytest.importorskip("torch")

TIGHT = {"float64": 1e-10, "float32": 1e-4}


def draw(rng, *shape, dtype="float64"):
    return rng.normal(size=shape).astype(dtype)


def tensors(arrays):
    return [Tensor(a, True, a.dtype) for a in arrays]


def run(f, arrays, g):
    """Values and gradients of a function of tensors."""
    inputs = tensors(arrays)
    y = f(*inputs)
    y.backward(g)
    return [y.data] + [x.grad for x in inputs]


def run_torch(f, arrays, g):
    inputs = [torch.from_numpy(a).requires_grad_() for a in arrays]
    y = f(*inputs)
    y.backward(torch.from_numpy(g))
    return [y.detach().numpy()] + [x.grad.numpy() for x in inputs]


def close(ours, theirs, tolerance):
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def masks(kind, T, S, rng):
    if kind == "bool":
        mask = rng.random((T, S)) < 0.6
        mask[:, 0] = True  # each query may look somewhere
        return mask
    if kind == "float":
        return rng.normal(size=(T, S))
    return None


def composed(q, k, v, mask=None, is_causal=False):
    return functional.attention_weights(q, k, mask, is_causal) @ v


# ---- the function


@pytest.mark.parametrize("kind", ["none", "bool", "float"])
@pytest.mark.parametrize("T, S", [(64, 64), (65, 65), (130, 130), (150, 70),
                                  (70, 150), (1, 200)])
def test_blocks_of_queries_agree_with_the_composed_road(T, S, kind):
    rng = np.random.default_rng(T)
    arrays = [draw(rng, 2, 3, *s) for s in ((T, 4), (S, 4), (S, 5))]
    g, mask = draw(rng, 2, 3, T, 5), masks(kind, T, S, rng)
    options = {"mask": mask, "is_causal": True}
    fused = partial(functional.scaled_dot_product_attention, **options)
    close(run(fused, arrays, g), run(partial(composed, **options), arrays, g),
          1e-10)


@pytest.mark.parametrize("shape", [(130,), (1, 130), (130, 1), (2, 1, 1, 130),
                                   (3, 130, 130)])
def test_a_mask_is_stretched_before_it_is_cut_into_blocks(shape):
    rng = np.random.default_rng(0)
    mask = rng.random(shape) < 0.7
    arrays = [draw(rng, 2, 3, 130, 4) for _ in range(3)]
    g, options = draw(rng, 2, 3, 130, 4), {"mask": mask, "is_causal": True}
    fused = partial(functional.scaled_dot_product_attention, **options)
    close(run(fused, arrays, g), run(partial(composed, **options), arrays, g),
          1e-10)


def test_queries_that_lie_crosswise_in_memory_give_the_same():
    rng = np.random.default_rng(0)
    wide = draw(rng, 2, 70, 3, 4, 5)  # (N, T, 3, h, d)
    crosswise = [wide[:, :, i].swapaxes(1, 2) for i in range(3)]
    attend = partial(functional.scaled_dot_product_attention, is_causal=True)
    g = draw(rng, 2, 4, 70, 5)
    close(run(attend, crosswise, g),
          run(attend, [a.copy() for a in crosswise], g), 1e-12)


@settings(max_examples=40)
@given(
    batch=st.sampled_from([(), (1,), (3,), (2, 4), (0,)]),
    T=st.integers(1, 6), S=st.integers(1, 6), d=st.integers(1, 5),
    d_v=st.integers(1, 4), kind=st.sampled_from(["none", "bool", "float"]),
    dtype=st.sampled_from(["float64", "float32"]), seed=st.integers(0, 99),
)
def test_both_roads_agree_with_torch(batch, T, S, d, d_v, kind, dtype, seed):
    rng = np.random.default_rng(seed)
    arrays = [draw(rng, *batch, *s, dtype=dtype)
              for s in ((T, d), (S, d), (S, d_v))]
    g = draw(rng, *batch, T, d_v, dtype=dtype)
    mask = masks(kind, T, S, rng)
    if kind == "float":
        mask = mask.astype(dtype)
    attn = None if mask is None else torch.from_numpy(mask)
    theirs = run_torch(
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=attn), arrays, g)
    for road in (functional.scaled_dot_product_attention, composed):
        ours = run(partial(road, mask=mask), arrays, g)
        close(ours, theirs, TIGHT[dtype])


@pytest.mark.parametrize("T, S", [(5, 5), (3, 6), (6, 3), (1, 4)])
def test_is_causal_means_what_torch_means_for_any_lengths(T, S):
    rng = np.random.default_rng(0)
    arrays = [draw(rng, 2, T, 4), draw(rng, 2, S, 4), draw(rng, 2, S, 3)]
    g = draw(rng, 2, T, 3)
    theirs = run_torch(
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True), arrays, g)
    for road in (functional.scaled_dot_product_attention, composed):
        close(run(partial(road, is_causal=True), arrays, g), theirs, 1e-10)


def test_batch_axes_broadcast_and_their_gradients_sum():
    # one key and value for four heads: what grouped queries will use
    rng = np.random.default_rng(1)
    arrays = [draw(rng, 2, 4, 5, 3), draw(rng, 2, 1, 6, 3), draw(rng, 6, 3)]
    g = draw(rng, 2, 4, 5, 3)
    ours = run(functional.scaled_dot_product_attention, arrays, g)
    wide = [np.broadcast_to(a, (2, 4, *a.shape[-2:])).copy() for a in arrays]
    q, k, v = run(functional.scaled_dot_product_attention, wide, g)[1:]
    close(ours[1:], [q, k.sum(1, keepdims=True), v.sum((0, 1))], 1e-10)


def test_strided_views_are_taken_as_they_are():
    rng = np.random.default_rng(2)
    whole = draw(rng, 2, 7, 3, 4, 5)  # (N, T, 3, h, d)
    views = [whole[:, :, i].swapaxes(1, 2) for i in range(3)]
    a = functional.scaled_dot_product_attention(*tensors(views)).data
    b = functional.scaled_dot_product_attention(
        *tensors([v.copy() for v in views])).data
    np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_query_that_may_look_nowhere_gets_zero_and_sends_zero_back():
    rng = np.random.default_rng(3)
    arrays = [draw(rng, 4, 3) for _ in range(3)]
    mask = np.ones((4, 4), bool)
    mask[2] = False
    for shut in (mask, np.where(mask, 0, -np.inf)):
        for road in (functional.scaled_dot_product_attention, composed):
            y, dq, *_ = run(partial(road, mask=shut), arrays,
                            np.ones((4, 3)))
            assert (y[2] == 0).all() and (dq[2] == 0).all()
            assert np.isfinite(y).all() and np.isfinite(dq).all()


def test_the_fused_road_is_one_node():
    q, k, v = tensors(np.ones((3, 4, 2)))
    y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert len(history(y)) == 1


def test_scores_of_a_thousand_overflow_nothing():
    x = Tensor(1000 * np.eye(4))
    y = functional.scaled_dot_product_attention(x, x, x, is_causal=True)
    np.testing.assert_allclose(y.data, x.data)


@pytest.mark.parametrize("shapes, words", [
    (((4, 3), (4, 2), (4, 2)), ["(4, 3)", "(4, 2)"]),
    (((4, 3), (5, 3), (6, 3)), ["(5, 3)", "(6, 3)"]),
    (((3,), (4, 3), (4, 3)), ["(3,)"]),
    (((2, 4, 3), (3, 4, 3), (3, 4, 3)), ["(2, 4, 3)", "in front"]),
])
def test_shapes_that_do_not_fit_are_named(shapes, words):
    with pytest.raises(ValueError) as error:
        functional.scaled_dot_product_attention(
            *[Tensor(np.zeros(s)) for s in shapes])
    assert all(word in str(error.value) for word in words)


def test_a_mask_of_another_shape_or_of_integers_is_refused():
    x = Tensor(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"mask \(3, 3\) for scores \(4, 4\)"):
        functional.scaled_dot_product_attention(x, x, x, np.ones((3, 3), bool))
    with pytest.raises(TypeError, match="int"):
        functional.scaled_dot_product_attention(x, x, x, np.ones((4, 4), int))


# ---- the leak test


@settings(max_examples=25)
@given(T=st.integers(2, 8), at=st.integers(1, 7), seed=st.integers(0, 99))
def test_the_past_does_not_move_when_the_future_changes(T, at, seed):
    at = min(at, T - 1)
    rng = np.random.default_rng(seed)
    layer = nn.MultiheadAttention(6, 2, rng=seed)
    x = draw(rng, 1, T, 6, dtype="float32")
    other = x.copy()
    other[:, at:] = draw(rng, 1, T - at, 6, dtype="float32")
    for weights in (False, True):
        a, b = (layer(*[Tensor(z)] * 3, need_weights=weights, is_causal=True)
                for z in (x, other))
        # equal to the last bit: what is shut has the weight 0, not a small one
        assert (a[0].data[:, :at] == b[0].data[:, :at]).all()


def test_no_gradient_flows_from_the_past_to_the_future():
    layer = nn.MultiheadAttention(6, 2, rng=0)
    x = Tensor(np.random.default_rng(0).normal(size=(1, 7, 6)), True)
    y = layer(x, x, x, need_weights=False, is_causal=True)[0]
    (y[:, :4] * y[:, :4]).sum().backward()
    assert (x.grad[:, 4:] == 0).all() and (x.grad[:, :4] != 0).all()


# ---- the layer and its twin


def twins(D, h, dtype="float64", **options):
    ours = nn.MultiheadAttention(D, h, rng=0, dtype=dtype, **options)
    rng = np.random.default_rng(1)
    for p in ours.parameters():  # biases that are not zero
        p.data[...] = rng.normal(size=p.shape) / 3
    theirs = torch.nn.MultiheadAttention(D, h, batch_first=True, **options)
    theirs = theirs.to(getattr(torch, dtype))
    theirs.load_state_dict({name: torch.from_numpy(a.T.copy())
                            for name, a in ours.state_dict().items()})
    return ours, theirs


def same_gradients(ours, theirs, tolerance):
    named = dict(ours.named_parameters())
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(named[name].grad.T, p.grad.numpy(),
                                   rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["self", "cross"])
@pytest.mark.parametrize("masked", ["no", "bool", "per head", "padding",
                                    "both", "float"])
def test_layer_and_torch_twin_agree(dtype, bias, kind, masked):
    N, T, S, D, h = 3, 5, 5 if kind == "self" else 4, 8, 2
    rng = np.random.default_rng(4)
    ours, theirs = twins(D, h, dtype, bias=bias)
    x, m = draw(rng, N, T, D, dtype=dtype), draw(rng, N, S, D, dtype=dtype)
    options = {}
    if masked in ("bool", "both"):
        options["attn_mask"] = ~masks("bool", T, S, rng)
    if masked == "per head":
        options["attn_mask"] = np.stack(
            [~masks("bool", T, S, rng) for _ in range(N * h)])
    if masked == "float":
        options["attn_mask"] = masks("float", T, S, rng).astype(dtype)
    if masked in ("padding", "both"):
        padding = np.zeros((N, S), bool)
        padding[1, 2:] = padding[2, 3:] = True
        options["key_padding_mask"] = padding
    as_torch = {k: torch.from_numpy(v) for k, v in options.items()}
    x_t, m_t = torch.from_numpy(x).requires_grad_(), torch.from_numpy(m)
    x_o, m_o = Tensor(x, True, dtype), Tensor(m, dtype=dtype)
    other_t, other_o = (x_t, x_o) if kind == "self" else (m_t, m_o)
    y_t, w_t = theirs(x_t, other_t, other_t, **as_torch)
    y_o, w_o = ours(x_o, other_o, other_o, **options)
    tolerance = TIGHT[dtype]
    close([y_o.data, w_o.data], [y_t.detach().numpy(), w_t.detach().numpy()],
          tolerance)
    fused, none = ours(x_o, other_o, other_o, need_weights=False, **options)
    assert none is None
    close([fused.data], [y_o.data], tolerance)
    g = draw(rng, N, T, D, dtype=dtype)
    y_t.backward(torch.from_numpy(g))
    fused.backward(g)
    close([x_o.grad], [x_t.grad.numpy()], tolerance)
    same_gradients(ours, theirs, tolerance)


def test_weights_of_each_head_are_there_for_the_asking():
    ours, theirs = twins(8, 4)
    x = draw(np.random.default_rng(5), 2, 6, 8)
    w = ours(*[Tensor(x, dtype="float64")] * 3, average_attn_weights=False)[1]
    w_t = theirs(*[torch.from_numpy(x)] * 3, average_attn_weights=False)[1]
    close([w.data], [w_t.detach().numpy()], 1e-10)


@settings(max_examples=20)
@given(T=st.integers(1, 9), h=st.sampled_from([1, 2, 4]), seed=st.integers(0, 99))
def test_shuffling_the_input_shuffles_the_output(T, h, seed):
    rng = np.random.default_rng(seed)
    layer = nn.MultiheadAttention(8, h, rng=seed, dtype="float64")
    x, order = draw(rng, 2, T, 8), rng.permutation(T)
    y = layer(*[Tensor(x, dtype="float64")] * 3)[0].data
    moved = layer(*[Tensor(x[:, order], dtype="float64")] * 3)[0].data
    np.testing.assert_allclose(y[:, order], moved, atol=1e-12)


def test_padding_changes_nothing_whatever_it_holds():
    rng = np.random.default_rng(6)
    layer = nn.MultiheadAttention(8, 2, rng=0, dtype="float64")
    x = draw(rng, 1, 6, 8)
    padding = np.arange(6)[None] >= 4
    alone = layer(*[Tensor(x[:, :4], dtype="float64")] * 3)[0].data
    for rubbish in (0.0, 1e6):
        x[:, 4:] = rubbish
        z = Tensor(x, dtype="float64")
        y, weights = layer(z, z, z, key_padding_mask=padding)
        np.testing.assert_allclose(y.data[:, :4], alone, atol=1e-12)
        assert (weights.data[..., 4:] == 0).all()


def test_dropout_thins_the_weights_in_training_and_only_then():
    layer = nn.MultiheadAttention(8, 2, dropout=0.5, rng=0)
    x = Tensor(np.random.default_rng(0).normal(size=(4, 16, 8)))
    weights = layer(x, x, x, average_attn_weights=False)[1].data
    assert 0.4 < (weights == 0).mean() < 0.6
    layer.eval()
    weights = layer(x, x, x)[1].data
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="3 heads in a width of 8"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(ValueError, match="batch_first"):
        nn.MultiheadAttention(8, 2, batch_first=False)
    layer = nn.MultiheadAttention(8, 2)
    x, m = Tensor(np.zeros((2, 5, 8))), Tensor(np.zeros((2, 4, 6)))
    with pytest.raises(ValueError, match=r"\(2, 4, 6\).*D = 8"):
        layer(x, m, m)
    with pytest.raises(ValueError, match=r"mask .* for scores \(2, 2, 5, 5\)"):
        layer(x, x, x, attn_mask=np.ones((3, 3), bool))
    with pytest.raises(TypeError, match="int64"):
        layer(x, x, x, attn_mask=np.ones((5, 5), np.int64))


def test_attention_memorises_one_batch():
    # random answers to random queries; answering zero costs half their
    # variance, 0.5
    rng = np.random.default_rng(0)
    layer = nn.MultiheadAttention(16, 2, rng=0)
    x, m = Tensor(rng.normal(size=(4, 6, 16))), Tensor(rng.normal(size=(4, 6, 16)))
    target = rng.normal(size=(4, 6, 16))
    optimizer, losses = Adam(layer.parameters(), lr=0.02), []
    for _ in range(400):
        loss = functional.squared_error(layer(x, m, m, need_weights=False)[0],
                                        target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert 0.3 < losses[0] < 0.9 and losses[-1] < 0.1
