"""Positions, blocks, stacks: torch twins, the leak test, one batch by heart."""

from functools import partial

import numpy as np
import pytest

from zerobook import functional, nn
from zerobook.autograd import Tensor
from zerobook.nn.transformer import sinusoidal_positions
from zerobook.optim import Adam

torch = pytest.importorskip("torch")

TIGHT = {"float64": 1e-9, "float32": 2e-4}
D, HEADS, HIDDEN = 8, 2, 20


def draw(rng, *shape, dtype="float64"):
    return rng.normal(size=shape).astype(dtype)


def give(theirs, ours):
    """Our weights to the torch twin, transposed."""
    state = {k: torch.from_numpy(a.T.copy()) for k, a in ours.state_dict().items()}
    theirs.load_state_dict(state)


def scatter(module, seed=0):
    """Weights without zeros and ones in them, so that nothing hides."""
    rng = np.random.default_rng(seed)
    for p in module.parameters():
        p.data[...] = rng.normal(size=p.shape) / 2
    return module


def twins(name, *, dtype="float64", norm_first=True, activation="relu",
          layers=None):
    ours = getattr(nn, f"Transformer{name}Layer")(
        D, HEADS, HIDDEN, 0.0, activation, norm_first, rng=0, dtype=dtype)
    act = activation
    if activation == "gelu":
        act = partial(torch.nn.functional.gelu, approximate="tanh")
    theirs = getattr(torch.nn, f"Transformer{name}Layer")(
        D, HEADS, HIDDEN, 0.0, act, batch_first=True, norm_first=norm_first)
    if layers:
        ours = getattr(nn, f"Transformer{name}")(
            ours, layers, nn.LayerNorm(D, dtype=dtype), rng=1)
        theirs = getattr(torch.nn, f"Transformer{name}")(
            theirs, layers, torch.nn.LayerNorm(D))
    theirs = theirs.to(getattr(torch, dtype))
    give(theirs, scatter(ours))
    return ours, theirs


def compare(ours, theirs, arrays, options, dtype, flags=()):
    """Values, gradients of inputs and of parameters."""
    inputs = [Tensor(a, True, dtype) for a in arrays]
    inputs_t = [torch.from_numpy(a).requires_grad_() for a in arrays]
    y = ours(*inputs, **options)
    y_t = theirs(*inputs_t, **{k: torch.from_numpy(v) for k, v in options.items()})
    g = draw(np.random.default_rng(9), *y.shape, dtype=dtype)
    y.backward(g)
    y_t.backward(torch.from_numpy(g))
    tight = {"rtol": TIGHT[dtype], "atol": TIGHT[dtype] * 10}
    assert y.dtype == dtype
    np.testing.assert_allclose(y.data, y_t.detach().numpy(), **tight)
    for x, x_t in zip(inputs, inputs_t, strict=True):
        np.testing.assert_allclose(x.grad, x_t.grad.numpy(), **tight)
    named = dict(ours.named_parameters())
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(named[name].grad.T, p.grad.numpy(), **tight,
                                   err_msg=name)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer_and_torch_twin_agree(dtype, norm_first, activation):
    ours, theirs = twins("Encoder", dtype=dtype, norm_first=norm_first,
                         activation=activation)
    x = draw(np.random.default_rng(0), 3, 5, D, dtype=dtype)
    padding = np.arange(5)[None] >= np.array([[5], [3], [4]])
    compare(ours, theirs, [x], {"src_key_padding_mask": padding}, dtype)


@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder_layer_and_torch_twin_agree(norm_first):
    ours, theirs = twins("Decoder", norm_first=norm_first)
    rng = np.random.default_rng(1)
    arrays = [draw(rng, 3, 5, D), draw(rng, 3, 4, D)]
    options = {
        "tgt_mask": np.triu(np.ones((5, 5), bool), 1),
        "memory_key_padding_mask": np.arange(4)[None] >= np.array([[4], [2], [3]]),
    }
    compare(ours, theirs, arrays, options, "float64")


def test_a_stack_of_encoder_layers_and_its_twin_agree():
    ours, theirs = twins("Encoder", layers=3)
    x = draw(np.random.default_rng(2), 2, 6, D)
    compare(ours, theirs, [x], {"mask": np.triu(np.ones((6, 6), bool), 1)},
            "float64")


def test_a_stack_of_decoder_layers_and_its_twin_agree():
    ours, theirs = twins("Decoder", layers=2)
    rng = np.random.default_rng(3)
    arrays = [draw(rng, 2, 6, D), draw(rng, 2, 3, D)]
    compare(ours, theirs, arrays, {"tgt_mask": np.triu(np.ones((6, 6), bool), 1)},
            "float64")


def test_is_causal_is_the_triangular_mask():
    ours, _ = twins("Encoder", layers=2)
    x = Tensor(draw(np.random.default_rng(4), 2, 6, D), dtype="float64")
    shut = np.triu(np.ones((6, 6), bool), 1)
    np.testing.assert_allclose(ours(x, is_causal=True).data, ours(x, shut).data,
                               atol=1e-12)


def test_a_training_step_is_torchs_training_step():
    ours, theirs = twins("Encoder", layers=2)
    rng = np.random.default_rng(5)
    optimizer = Adam(ours.parameters(), lr=0.01)
    optimizer_t = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(3):
        x, target = draw(rng, 4, 5, D), rng.integers(0, D, (4, 5))
        loss = functional.cross_entropy(ours(Tensor(x, dtype="float64")), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_t = torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(x)).reshape(-1, D),
            torch.from_numpy(target).reshape(-1))
        optimizer_t.zero_grad()
        loss_t.backward()
        optimizer_t.step()
        assert loss.item() == pytest.approx(loss_t.item(), rel=1e-7)
    state = theirs.state_dict()
    for name, array in ours.state_dict().items():
        # Adam divides by the gradient's size: where that is rounding noise
        # (a key's bias moves no softmax), the step is noise as well
        if name.endswith("in_proj_bias"):
            keep = np.r_[0:D, 2 * D : 3 * D]
            array, other = array[keep], state[name].numpy()[keep]
        else:
            other = state[name].numpy().T
        np.testing.assert_allclose(array, other, atol=1e-6, err_msg=name)


# ---- properties


def test_the_past_of_a_decoder_does_not_move_when_the_future_changes():
    ours = scatter(nn.TransformerDecoder(
        nn.TransformerDecoderLayer(D, HEADS, dropout=0.0, rng=0), 3,
        nn.LayerNorm(D), rng=0))
    rng = np.random.default_rng(6)
    x, memory = draw(rng, 2, 8, D), Tensor(draw(rng, 2, 3, D))
    other = x.copy()
    other[:, 5:] = draw(rng, 2, 3, D)
    a, b = (ours(Tensor(z), memory, tgt_is_causal=True).data for z in (x, other))
    assert (a[:, :5] == b[:, :5]).all() and (a[:, 5:] != b[:, 5:]).any()


def test_an_encoder_without_positions_is_permutation_equivariant():
    ours, _ = twins("Encoder", layers=2)
    rng = np.random.default_rng(7)
    x, order = draw(rng, 2, 7, D), rng.permutation(7)
    y = ours(Tensor(x, dtype="float64")).data
    moved = ours(Tensor(x[:, order], dtype="float64")).data
    np.testing.assert_allclose(y[:, order], moved, atol=1e-10)


def test_positions_break_that_symmetry():
    ours, _ = twins("Encoder")
    place = nn.PositionalEncoding(D, dtype="float64")
    x = draw(np.random.default_rng(8), 1, 7, D)
    y = ours(place(Tensor(x, dtype="float64"))).data
    moved = ours(place(Tensor(x[:, ::-1], dtype="float64"))).data
    assert np.abs(y[:, ::-1] - moved).max() > 0.01


def test_padding_in_the_memory_is_not_read():
    ours, _ = twins("Decoder", layers=2)
    rng = np.random.default_rng(9)
    x, memory = Tensor(draw(rng, 1, 4, D), dtype="float64"), draw(rng, 1, 6, D)
    padding = np.arange(6)[None] >= 3
    short = ours(x, Tensor(memory[:, :3], dtype="float64")).data
    long = ours(x, Tensor(memory, dtype="float64"),
                memory_key_padding_mask=padding).data
    np.testing.assert_allclose(short, long, atol=1e-12)


def test_a_silent_pre_norm_stack_is_the_identity():
    layer = nn.TransformerEncoderLayer(D, HEADS, rng=0)
    stack = nn.TransformerEncoder(layer, 4, rng=0).eval()
    for block in stack.layers:
        for last in (block.self_attn.out_proj, block.linear2):
            last.weight.data[...] = last.bias.data[...] = 0
    x = Tensor(draw(np.random.default_rng(0), 1, 3, D))
    assert (stack(x).data == x.data).all()


def test_layers_of_a_stack_start_apart_and_repeatably():
    def build():
        return nn.TransformerEncoder(
            nn.TransformerEncoderLayer(D, HEADS, rng=3), 2, rng=4).state_dict()

    one, two = build(), build()
    assert all((one[k] == two[k]).all() for k in one)
    assert (one["layers.0.linear1.weight"] != one["layers.1.linear1.weight"]).any()


def test_dropout_stops_at_eval():
    layer = nn.TransformerEncoderLayer(D, HEADS, dropout=0.3, rng=0)
    x = Tensor(draw(np.random.default_rng(0), 2, 4, D))
    assert (layer(x).data != layer(x).data).any()
    layer.eval()
    assert (layer(x).data == layer(x).data).all()


def test_positions_are_the_formula_of_the_paper():
    P = sinusoidal_positions(30, 6)
    for t in (0, 1, 29):
        for i in range(3):
            angle = t / 10_000 ** (2 * i / 6)
            assert P[t, 2 * i] == pytest.approx(np.sin(angle), abs=1e-12)
            assert P[t, 2 * i + 1] == pytest.approx(np.cos(angle), abs=1e-12)
    assert sinusoidal_positions(4, 5).shape == (4, 5)


def test_a_sequence_too_long_or_of_another_width_is_named():
    place = nn.PositionalEncoding(D, max_len=4)
    with pytest.raises(ValueError, match=r"\(1, 5, 8\) for 4 positions"):
        place(Tensor(np.zeros((1, 5, D))))
    with pytest.raises(ValueError, match="width 8"):
        place(Tensor(np.zeros((1, 3, 6))))
    layer = nn.TransformerDecoderLayer(D, HEADS)
    with pytest.raises(ValueError, match=r"\(1, 2, 6\).*D = 8"):
        layer(Tensor(np.zeros((1, 3, D))), Tensor(np.zeros((1, 2, 6))))


def test_encoder_and_decoder_memorise_one_batch():
    # eight random answers to eight random questions; log(6) knows nothing
    rng = np.random.default_rng(0)
    question, answer = rng.integers(0, 6, (8, 5)), rng.integers(0, 6, (8, 5))
    before = np.concatenate([np.full((8, 1), 6), answer[:, :-1]], axis=1)
    options = {"dropout": 0.0, "rng": rng}
    table, place = nn.Embedding(7, 16, rng=rng), nn.PositionalEncoding(16)
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 2, **options), 1, nn.LayerNorm(16))
    decoder = nn.TransformerDecoder(
        nn.TransformerDecoderLayer(16, 2, **options), 1, nn.LayerNorm(16))
    head = nn.Linear(16, 6, rng=rng)
    model = nn.ModuleList([table, encoder, decoder, head])
    optimizer, losses = Adam(model.parameters(), lr=0.01), []
    for _ in range(150):
        memory = encoder(place(table(question)))
        x = decoder(place(table(before)), memory, tgt_is_causal=True)
        loss = functional.cross_entropy(head(x), answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert 1.4 < losses[0] < 3 and losses[-1] < 0.05
