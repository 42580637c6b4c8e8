"""To PyTorch and back: the same outputs, the same bits, and clear errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook import nn
from zerobook.autograd import Tensor
from zerobook.interop import torch as interop
from zerobook.interop.torch import (
    from_torch,
    load_torch_state_dict,
    state_dict_to_torch,
    to_torch,
)

torch = pytest.importorskip("torch")

# float64: rounding in sums of a few dozen terms. float32: the same, in
# single precision; outputs are of order one.
CLOSE = {"float64": 1e-12, "float32": 2e-6}
sizes = st.integers(1, 6)
dtypes = st.sampled_from(["float32", "float64"])


def outputs(y):
    """All arrays in a nest of tuples of tensors of either library."""
    if y is None:
        return []
    if isinstance(y, tuple):
        return [a for part in y for a in outputs(part)]
    return [y.detach().numpy() if isinstance(y, torch.Tensor) else y.data]


def same_outputs(ours, theirs, inputs, dtype, times=1):
    with torch.no_grad():
        wanted = outputs(theirs(*(torch.from_numpy(x) for x in inputs)))
    inputs = [x if x.dtype.kind == "i" else Tensor(x, dtype=x.dtype)
              for x in inputs]
    for a, b in zip(outputs(ours(*inputs)), wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=times * CLOSE[dtype])


def same_bits(a, b):
    a, b = a.state_dict(), b.state_dict()
    assert list(a) == list(b)
    for name in a:
        x, y = np.asarray(a[name]), np.asarray(b[name])
        assert x.dtype == y.dtype and x.tobytes() == y.tobytes(), name


def stir(model, rng):
    """Weights and buffers that are not what a new layer has."""
    for name, array in model.state_dict().items():
        if array.dtype.kind == "f":
            array[...] = rng.uniform(0.2, 1, array.shape)
            array[...] *= 1 if "var" in name else rng.choice([-1, 1])
        else:
            array[...] = 7


def there_and_back(model, inputs, dtype, times=1):
    """The whole promise, for one model."""
    theirs = to_torch(model)
    same_outputs(model, theirs, inputs, dtype, times)
    again = from_torch(theirs)
    same_bits(model, again)
    same_bits(theirs, to_torch(again))
    assert [type(m) for m in again.modules()] == [
        type(m) for m in model.modules()]
    return theirs


@given(n=sizes, m=sizes, bias=st.booleans(), dtype=dtypes,
       seed=st.integers(0, 9))
def test_linear_goes_there_and_back(n, m, bias, dtype, seed):
    rng = np.random.default_rng(seed)
    layer = nn.Linear(n, m, bias, rng=rng, dtype=dtype)
    there_and_back(layer, [rng.normal(size=(3, n)).astype(dtype)], dtype)


@given(rows=sizes, width=sizes, dtype=dtypes)
def test_embedding_goes_there_and_back(rows, width, dtype):
    layer = nn.Embedding(rows, width, rng=0, dtype=dtype)
    there_and_back(layer, [np.arange(rows)[::-1].copy()], dtype)


@given(kind=st.sampled_from(["LayerNorm", "RMSNorm"]), width=sizes,
       eps=st.sampled_from([1e-5, 0.1]), dtype=dtypes)
def test_norms_of_rows_go_there_and_back(kind, width, eps, dtype):
    rng = np.random.default_rng(0)
    layer = getattr(nn, kind)(width, eps, dtype=dtype)
    stir(layer, rng)
    there_and_back(layer, [rng.normal(size=(4, width)).astype(dtype)], dtype)


@given(C=sizes, affine=st.booleans(), images=st.booleans(), dtype=dtypes,
       momentum=st.sampled_from([0.1, 0.3]))
def test_batch_norm_takes_its_averages_along(C, affine, images, dtype,
                                             momentum):
    rng = np.random.default_rng(1)
    kind = nn.BatchNorm2d if images else nn.BatchNorm1d
    layer = kind(C, momentum=momentum, affine=affine, dtype=dtype)
    stir(layer, rng)
    shape = (5, C, 2, 3) if images else (5, C)
    x = rng.normal(size=shape).astype(dtype)
    layer.eval()
    theirs = there_and_back(layer, [x], dtype)
    # One batch in training: the running averages move alike.
    layer.train()
    theirs.train()
    same_outputs(layer, theirs, [x], dtype)
    for name, array in layer.state_dict().items():
        theirs_now = theirs.state_dict()[name].numpy()
        np.testing.assert_allclose(array, theirs_now, atol=CLOSE[dtype])
    assert layer.num_batches_tracked == theirs.num_batches_tracked == 8


@settings(max_examples=60)
@given(kind=st.sampled_from(["Conv2d", "ConvTranspose2d"]), C=sizes, O=sizes,
       kh=st.integers(1, 3), kw=st.integers(1, 3), stride=st.integers(1, 2),
       padding=st.sampled_from([0, 1, (0, 1)]), bias=st.booleans(),
       dtype=dtypes)
def test_convolutions_go_there_and_back(kind, C, O, kh, kw, stride, padding,
                                        bias, dtype):
    rng = np.random.default_rng(2)
    layer = getattr(nn, kind)(C, O, (kh, kw), stride, padding, bias=bias,
                              rng=rng, dtype=dtype)
    x = rng.normal(size=(2, C, 5, 4)).astype(dtype)
    there_and_back(layer, [x], dtype)


@pytest.mark.parametrize("kind", ["MaxPool2d", "AvgPool2d"])
@pytest.mark.parametrize("options", [
    {}, {"stride": 1}, {"padding": 1}, {"kernel_size": (2, 3)},
])
def test_pooling_goes_there_and_back(kind, options):
    x = np.random.default_rng(3).normal(size=(2, 3, 6, 7))
    layer = getattr(nn, kind)(**{"kernel_size": 2, **options})
    x = x.astype("float32")
    there_and_back(layer, [x], "float32")


@pytest.mark.parametrize("kind", [
    "ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "Identity", "Flatten",
])
def test_layers_without_weights_go_there_and_back(kind):
    x = np.random.default_rng(4).normal(size=(3, 2, 4)).astype("float32")
    there_and_back(getattr(nn, kind)(), [x], "float32")


@settings(max_examples=40)
@given(kind=st.sampled_from(["RNN", "LSTM", "GRU"]), D=sizes, H=sizes,
       bias=st.booleans(), batch_first=st.booleans(), dtype=dtypes)
def test_recurrent_layers_go_there_and_back(kind, D, H, bias, batch_first,
                                            dtype):
    rng = np.random.default_rng(5)
    layer = getattr(nn, kind)(D, H, bias=bias, batch_first=batch_first,
                              rng=rng, dtype=dtype)
    x = rng.normal(size=(3, 4, D)).astype(dtype)
    there_and_back(layer, [x], dtype)


@settings(max_examples=40)
@given(heads=st.integers(1, 3), d=st.integers(1, 4), bias=st.booleans(),
       dtype=dtypes)
def test_attention_goes_there_and_back(heads, d, bias, dtype):
    rng, D = np.random.default_rng(6), heads * d
    layer = nn.MultiheadAttention(D, heads, bias=bias, rng=rng, dtype=dtype)
    q, k, v = (rng.normal(size=(2, n, D)).astype(dtype) for n in (3, 4, 4))
    there_and_back(layer, [q, k, v], dtype)


@settings(max_examples=25, deadline=None)
@given(layers=st.integers(1, 3), bend=st.sampled_from(["relu", "gelu"]),
       first=st.booleans(), decoder=st.booleans(), norm=st.booleans(),
       dtype=dtypes)
def test_transformers_go_there_and_back(layers, bend, first, decoder, norm,
                                        dtype):
    rng, part = np.random.default_rng(7), "Decoder" if decoder else "Encoder"
    block = getattr(nn, f"Transformer{part}Layer")(
        4, 2, 6, 0.1, bend, first, rng=rng, dtype=dtype)
    end = nn.LayerNorm(4, dtype=dtype) if norm else None
    model = getattr(nn, f"Transformer{part}")(block, layers, end, rng=rng)
    stir(model, rng)
    model.eval()
    inputs = [rng.normal(size=(2, n, 4)).astype(dtype) for n in (3, 5)]
    # Three blocks with large weights pass rounding on and on.
    there_and_back(model, inputs[: 1 + decoder], dtype, times=20)


def small_net(rng=0):
    rng = np.random.default_rng(rng)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=rng), nn.BatchNorm2d(4), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3, rng=rng),
        nn.Sequential(nn.Linear(16, 8, rng=rng), nn.GELU()),
        nn.Linear(8, 3, rng=rng),
    )


def test_a_whole_network_goes_there_and_back_in_its_mode():
    net = small_net().eval()
    x = np.random.default_rng(8).normal(size=(2, 1, 4, 4)).astype("float32")
    theirs = there_and_back(net, [x], "float32")
    assert not any(m.training for m in theirs.modules())
    assert not any(m.training for m in from_torch(theirs).modules())
    net.train()
    net.children()[1].eval()  # a frozen batch norm
    theirs = to_torch(net)
    assert [m.training for m in theirs] == [m.training for m in net]


def test_what_torch_built_comes_here_and_goes_back():
    t = torch.nn
    module = t.Sequential(
        t.Linear(4, 8), t.GELU("tanh"), t.LayerNorm(8),
        t.TransformerEncoder(
            t.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2,
            enable_nested_tensor=False),
    ).eval()
    x = np.random.default_rng(9).normal(size=(2, 5, 4)).astype("float32")
    ours = from_torch(module)
    same_outputs(ours, module, [x], "float32")
    same_bits(module, to_torch(ours))


def test_names_given_in_torch_are_kept():
    module = torch.nn.Sequential()
    module.add_module("body", torch.nn.Linear(2, 3))
    module.add_module("head", torch.nn.Linear(3, 1))
    ours = from_torch(module)
    assert list(ours.state_dict()) == list(module.state_dict())
    x = np.ones((1, 2), "float32")
    same_outputs(ours, module, [x], "float32")


def test_an_rms_norm_without_eps_has_that_of_its_dtype():
    module = torch.nn.RMSNorm(3)
    ours = from_torch(module)
    same_outputs(ours, module, [np.full((1, 3), 1e-4, "float32")], "float32")
    assert ours.eps == np.finfo("float32").eps


def test_the_weights_are_copies_in_both_directions():
    net = nn.Linear(2, 2, rng=0)
    theirs = to_torch(net)
    before = net.weight.data.copy()
    with torch.no_grad():
        theirs.weight.zero_()
    assert (net.weight.data == before).all()
    again = from_torch(theirs)
    again.weight.data[...] = 5
    assert (theirs.weight == 0).all()


def test_a_training_step_there_is_a_training_step_here():
    from zerobook import functional, optim

    rng = np.random.default_rng(10)
    net = nn.Sequential(nn.Linear(4, 6, rng=rng, dtype="float64"), nn.Tanh(),
                        nn.Linear(6, 3, rng=rng, dtype="float64"))
    theirs = to_torch(net)
    X, y = rng.normal(size=(8, 4)), rng.integers(0, 3, 8)
    ours_rule = optim.Adam(net.parameters(), 0.01)
    their_rule = torch.optim.Adam(theirs.parameters(), 0.01)
    for _ in range(5):
        for rule in (ours_rule, their_rule):
            rule.zero_grad()
        functional.cross_entropy(net(X), y).backward()
        torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(X)), torch.from_numpy(y)).backward()
        for rule in (ours_rule, their_rule):
            rule.step()
    for name, array in state_dict_to_torch(net).items():
        assert torch.allclose(array, theirs.state_dict()[name], atol=1e-10)


# ---- shared and frozen weights


def test_a_layer_used_twice_is_one_layer_on_the_other_side():
    layer = nn.Linear(3, 3, rng=0)
    net = nn.Sequential(layer, nn.Tanh(), layer)
    theirs = to_torch(net)
    assert theirs[0] is theirs[2]
    again = from_torch(theirs)
    assert again[0] is again[2] and len(again.parameters()) == 2


def test_a_shared_weight_is_shared_on_the_other_side():
    net = nn.Sequential(nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1))
    net[1].weight = net[0].weight
    theirs = to_torch(net)
    assert theirs[1].weight is theirs[0].weight
    again = from_torch(theirs)
    assert again[1].weight is again[0].weight
    assert len(again.parameters()) == 3
    same_bits(net, again)


def test_a_weight_shared_in_two_orders_of_axes_is_refused_by_name():
    module = torch.nn.Sequential(torch.nn.Embedding(4, 4),
                                 torch.nn.Linear(4, 4, bias=False))
    module[1].weight = module[0].weight
    with pytest.raises(ValueError, match="0.weight and 1.weight"):
        from_torch(module)


def test_frozen_weights_stay_frozen():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1))
    net[0].weight.requires_grad = False
    theirs = to_torch(net)
    frozen = [not p.requires_grad for p in theirs.parameters()]
    assert frozen == [True, False, False, False]
    again = from_torch(theirs)
    assert [not p.requires_grad for p in again.parameters()] == frozen


# ---- weights alone, for models of one's own


class Own(nn.Module):
    def __init__(self, rng):
        rng = np.random.default_rng(rng)
        self.embed = nn.Embedding(7, 4, rng=rng)
        self.lstm = nn.LSTM(4, 5, batch_first=True, rng=rng)
        self.blocks = nn.ModuleList([nn.Linear(5, 5, rng=rng)])
        self.scale = nn.Parameter(np.arange(6.0).reshape(2, 3))
        self.register_buffer("seen", np.array(3))


class Twin(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(7, 4)
        self.lstm = torch.nn.LSTM(4, 5, batch_first=True)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(5, 5)])
        self.scale = torch.nn.Parameter(torch.zeros(2, 3))
        self.register_buffer("seen", torch.tensor(0))


def test_weights_of_a_model_of_ones_own_go_there_and_back():
    ours, theirs, again = Own(0), Twin(), Own(1)
    theirs.load_state_dict(state_dict_to_torch(ours))
    assert load_torch_state_dict(again, theirs.state_dict()) == ([], [])
    same_bits(ours, again)
    i = np.array([[1, 2, 3]])
    with torch.no_grad():
        wanted = theirs.lstm(theirs.embed(torch.from_numpy(i)))[0]
    assert np.allclose(ours.lstm(ours.embed(i))[0].data, wanted, atol=1e-6)
    assert (theirs.scale.detach().numpy() == ours.scale.data).all()


class Wide(nn.Linear):
    """A subclass: its weight turns like that of its parent."""


def test_a_subclass_turns_its_weights_like_its_parent():
    state = state_dict_to_torch(Wide(2, 3, rng=0))
    assert state["weight"].shape == (3, 2)


def test_a_stranger_that_is_called_like_a_layer_is_copied_as_it_is():
    class Linear(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(np.zeros((2, 3)))

    assert state_dict_to_torch(Linear())["weight"].shape == (2, 3)


def fails_and_changes_nothing(model, state, error, match):
    before = {k: a.copy() for k, a in model.state_dict().items()}
    with pytest.raises(error, match=match):
        load_torch_state_dict(model, state)
    for name, array in model.state_dict().items():
        assert (array == before[name]).all()


@settings(max_examples=30, deadline=None)
@given(wrong=st.sets(st.integers(0, 7), min_size=1))
def test_the_first_weight_that_does_not_fit_is_named(wrong):
    net = nn.Sequential(*(nn.Linear(i + 2, i + 3, rng=i) for i in range(4)))
    state = state_dict_to_torch(net)
    names = list(state)
    for i in wrong:
        state[names[i]] = torch.zeros(1, 1, 1)
    state = dict(reversed(state.items()))  # the model's order counts
    first = names[min(wrong)]
    fails_and_changes_nothing(net, state, ValueError, rf"^{first}: shape")


def test_the_error_gives_the_shape_on_both_sides():
    net = nn.Linear(2, 3, rng=0)
    state = {"weight": torch.zeros(2, 3), "bias": torch.zeros(3)}
    message = r"^weight: shape \(2, 3\) from PyTorch, not \(3, 2\), which is"
    fails_and_changes_nothing(net, state, ValueError, message)


def test_missing_and_unexpected_names_are_all_named():
    net = nn.Linear(2, 2, rng=0)
    state = state_dict_to_torch(net)
    state["scale"], state["shift"] = state.pop("bias"), torch.zeros(1)
    match = "missing: bias; unexpected: scale; unexpected: shift"
    fails_and_changes_nothing(net, state, ValueError, match)
    found = load_torch_state_dict(net, state, strict=False)
    assert found == (["bias"], ["scale", "shift"])


@pytest.mark.parametrize("value, what", [
    ("weights", "str is no tensor"),
    (torch.zeros(2, 2, dtype=torch.complex64), "complex64 for float32"),
])
def test_what_is_no_array_of_numbers_is_named(value, what):
    net = nn.Linear(2, 2, rng=0)
    state = {**state_dict_to_torch(net), "weight": value}
    fails_and_changes_nothing(net, state, TypeError, f"^weight: {what}")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened_without_loss(dtype):
    half = torch.randn(2, 2, generator=torch.manual_seed(0)).to(dtype)
    net = nn.Linear(2, 2, bias=False, rng=0)
    load_torch_state_dict(net, {"weight": half})
    assert (torch.from_numpy(net.weight.data.T.copy()).to(dtype) == half).all()
    assert net.weight.dtype == np.float32


def test_arrays_from_a_file_need_no_tensors_around_them():
    net = nn.Linear(2, 3, rng=0)
    weight = np.arange(6, dtype="float32").reshape(3, 2)
    load_torch_state_dict(net, {"weight": weight, "bias": np.ones(3)})
    assert (net.weight.data == weight.T).all()


# ---- what has no twin


class OwnLayer(nn.Module):
    pass


@pytest.mark.parametrize("model, match", [
    (nn.Sequential(nn.ReLU(), nn.PositionalEncoding(4)),
     r"^1: no twin for .*PositionalEncoding"),
    (nn.Sequential(nn.Sequential(nn.SwiGLU(4, rng=0))), r"^0\.0: no twin"),
    (OwnLayer(), "^the model: no twin for .*OwnLayer.*state_dict_to_torch"),
    (nn.Sequential(Wide(2, 2, rng=0)), "^0: no twin for .*Wide"),
])
def test_a_module_without_a_twin_in_torch_is_named(model, match):
    with pytest.raises(TypeError, match=match):
        to_torch(model)


T = torch.nn


@pytest.mark.parametrize("module, match", [
    (T.Sequential(T.ReLU(), T.PReLU()), r"^1: no twin for .*PReLU"),
    (Twin(), "^the model: no twin for .*Twin"),
    (T.LSTM(2, 2, num_layers=2), r"^the model \(LSTM\): num_layers=2"),
    (T.Sequential(T.GRU(2, 2, bidirectional=True)), r"^0 \(GRU\): bidirect"),
    (T.RNN(2, 2, nonlinearity="relu"), "nonlinearity='relu'"),
    (T.LSTM(2, 4, proj_size=2), "proj_size=2"),
    (T.Conv2d(2, 2, 3, dilation=2), "dilation="),
    (T.Conv2d(2, 2, 3, groups=2), "groups=2"),
    (T.Conv2d(2, 2, 3, padding="same"), "padding='same'"),
    (T.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), "padding_mode"),
    (T.MaxPool2d(2, ceil_mode=True), "ceil_mode"),
    (T.AvgPool2d(2, count_include_pad=False), "count_include_pad"),
    (T.Embedding(3, 2, padding_idx=0), "padding_idx=0"),
    (T.LayerNorm(3, elementwise_affine=False), "elementwise_affine"),
    (T.LayerNorm(3, bias=False), "missing: bias"),
    (T.BatchNorm1d(3, track_running_stats=False), "track_running_stats"),
    (T.BatchNorm1d(3, momentum=None), "momentum=None"),
    (T.GELU(), "approximate='none'"),
    (T.Flatten(0), "start_dim=0"),
    (T.MultiheadAttention(4, 2), "batch_first"),
    (T.MultiheadAttention(4, 2, batch_first=True, kdim=3), "_qkv_same"),
    (T.MultiheadAttention(4, 2, batch_first=True, add_bias_kv=True),
     "bias_k"),
    (T.MultiheadAttention(4, 2, batch_first=True, add_zero_attn=True),
     "add_zero_attn"),
    (T.TransformerEncoderLayer(4, 2, 8), "batch_first=False"),
    (T.TransformerEncoderLayer(4, 2, 8, activation="gelu", batch_first=True),
     "GELU"),
    (T.TransformerEncoderLayer(4, 2, 8, layer_norm_eps=1e-6,
                               batch_first=True), "layer_norm_eps"),
    (T.TransformerEncoderLayer(4, 2, 8, bias=False, batch_first=True),
     "missing: .*bias"),
    (T.TransformerEncoderLayer(4, 2, 8, activation=torch.sin,
                               batch_first=True), "activation sin"),
    (T.Linear(2, 2).to(torch.bfloat16), "bfloat16"),
    (T.utils.parametrizations.weight_norm(T.Linear(2, 2)), "no twin"),
])
def test_what_torch_can_and_we_cannot_is_refused_by_name(module, match):
    with pytest.raises((TypeError, ValueError), match=match):
        from_torch(module)


def of_torch():
    """One of each module that comes here, with an input."""
    t, row = torch.nn, torch.randn
    block = dict(d_model=4, nhead=2, dim_feedforward=6, dropout=0.0,
                 batch_first=True)
    encoder = t.TransformerEncoderLayer(**block)
    return {
        "Linear": (t.Linear(4, 3), row(5, 4)),
        "Embedding": (t.Embedding(6, 3), torch.arange(6)),
        "LayerNorm": (t.LayerNorm(4), row(5, 4)),
        "RMSNorm": (t.RMSNorm(4), row(5, 4)),
        "Dropout": (t.Dropout(0.5), row(5, 4)),
        "Flatten": (t.Flatten(), row(5, 4, 2)),
        "ReLU": (t.ReLU(), row(5, 4)), "Tanh": (t.Tanh(), row(5, 4)),
        "Sigmoid": (t.Sigmoid(), row(5, 4)), "SiLU": (t.SiLU(), row(5, 4)),
        "GELU": (t.GELU(approximate="tanh"), row(5, 4)),
        "Conv2d": (t.Conv2d(2, 3, 3, padding=1), row(2, 2, 7, 7)),
        "ConvTranspose2d": (t.ConvTranspose2d(2, 3, 3, stride=2),
                            row(2, 2, 7, 7)),
        "MaxPool2d": (t.MaxPool2d(2), row(2, 2, 7, 7)),
        "AvgPool2d": (t.AvgPool2d(2), row(2, 2, 7, 7)),
        "BatchNorm1d": (t.BatchNorm1d(4), row(5, 4)),
        "BatchNorm2d": (t.BatchNorm2d(2), row(2, 2, 7, 7)),
        "RNN": (t.RNN(4, 3, batch_first=True), row(2, 5, 4)),
        "LSTM": (t.LSTM(4, 3, batch_first=True), row(2, 5, 4)),
        "GRU": (t.GRU(4, 3, batch_first=True), row(2, 5, 4)),
        "TransformerEncoderLayer": (encoder, row(2, 5, 4)),
        "TransformerEncoder": (t.TransformerEncoder(
            encoder, 2, t.LayerNorm(4), enable_nested_tensor=False),
            row(2, 5, 4)),
        "Sequential": (t.Sequential(t.Linear(4, 4), t.Dropout(0.5),
                                    t.BatchNorm1d(4)), row(5, 4)),
    }


def others(value):
    """Other values that an option might have been given."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, 0]
    if isinstance(value, float):
        return [value + 0.25]
    if isinstance(value, str):
        return ["none", "relu", "zeros"]
    if isinstance(value, tuple) and value:
        return [(v, *value[1:]) for v in others(value[0])]
    return [1, 0.5] if value is None else []


def differs(module, x):
    """None if refused or equal, else what came out."""
    with torch.no_grad():
        state = {k: v.clone() for k, v in module.state_dict().items()}
        try:
            ours = from_torch(module, rng=0)
        except (TypeError, ValueError):
            return None
        try:
            wanted = outputs(module(x.clone()))
        except Exception:  # a module that PyTorch itself cannot run
            return None
        module.load_state_dict(state)
    x = x.numpy()
    found = outputs(ours(x if x.dtype.kind == "i" else Tensor(x)))
    pairs = list(zip(found, wanted, strict=True))
    if all(a.shape == b.shape and np.allclose(a, b, atol=1e-5)
           for a, b in pairs):
        return None
    return pairs


@pytest.mark.parametrize("name", of_torch())
def test_an_option_changed_afterwards_is_carried_or_refused(name):
    # the kind: any attribute of any part, changed after the module was made
    torch.manual_seed(0)
    module, x = of_torch()[name]
    module.eval()
    stir_torch(module)
    assert differs(module, x) is None and from_torch(module) is not None
    for path, part in module.named_modules():
        for attribute, value in list(vars(part).items()):
            if attribute.startswith("_") or attribute == "training":
                continue
            for other in others(value):
                setattr(part, attribute, other)
                assert differs(module, x) is None, (path, attribute, other)
            setattr(part, attribute, value)
    assert from_torch(module) is not None


@pytest.mark.parametrize("name", of_torch())
def test_the_mode_of_each_part_is_carried_or_refused(name):
    for k in range(len(list(of_torch()[name][0].modules()))):
        module, _ = of_torch()[name]
        module.train()
        list(module.modules())[k].eval()
        try:
            again = to_torch(from_torch(module))
        except TypeError:
            assert k and "Transformer" in name
            continue
        assert [m.training for m in again.modules()] == [
            m.training for m in module.modules()]


def stir_torch(module):
    """Weights that are not what a new layer has, so that each one counts."""
    with torch.no_grad():
        for p in module.parameters():
            p += 0.3 * torch.randn(p.shape)


def double(*args):
    """A hook that changes what goes through it."""
    return args[-1] * 2 if torch.is_tensor(args[-1]) else tuple(
        a * 2 for a in args[-1])


CHANGES = {
    "forward hook": lambda m: m.register_forward_hook(double),
    "pre-hook": lambda m: m.register_forward_pre_hook(double),
    "backward hook": lambda m: m.register_full_backward_hook(double),
    "backward pre-hook": lambda m: m.register_full_backward_pre_hook(double),
    "forward": lambda m: setattr(m, "forward", lambda *a, **k: a[0]),
    "parametrization": lambda m: torch.nn.utils.parametrizations.weight_norm(
        m, next(n for n, _ in m.named_parameters(recurse=False))),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["Linear", "LayerNorm", "LSTM", "Sequential",
                                  "TransformerEncoderLayer"])
def test_what_was_put_into_a_part_afterwards_is_refused_by_name(name, change):
    for k in range(len(list(of_torch()[name][0].modules()))):
        module, _ = of_torch()[name]
        path, part = list(module.named_modules())[k]
        if change == "parametrization" and not any(
                p.ndim > 1 for p in part.parameters(recurse=False)):
            continue
        CHANGES[change](part)
        with pytest.raises((TypeError, ValueError),
                           match=path or "the model|missing|no twin"):
            from_torch(module)


@pytest.mark.parametrize("path, other", [
    ("norm2", lambda: torch.nn.Identity()),
    ("norm1", lambda: torch.nn.RMSNorm(4)),
    ("dropout1", lambda: torch.nn.Dropout(0.3)),
    ("linear1", lambda: torch.nn.Linear(4, 6, bias=False)),
    ("activation", lambda: lambda x: x),
    ("activation", lambda: torch.nn.Softsign()),
])
def test_a_part_that_was_exchanged_is_refused(path, other):
    module, _ = of_torch()["TransformerEncoderLayer"]
    setattr(module, path, other())
    with pytest.raises((TypeError, ValueError)):
        from_torch(module)


def test_nothing_is_drawn_from_torchs_generator():
    module, _ = of_torch()["TransformerEncoder"]
    before = torch.random.get_rng_state()
    from_torch(module)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_every_layer_of_ours_has_a_twin_or_is_known_to_have_none():
    alone = {"Module", "Parameter", "PositionalEncoding", "ModernBlock",
             "GroupedQueryAttention", "SwiGLU", "ConditionalMLP"}
    names = {name for name, kind in vars(nn).items()
             if isinstance(kind, type) and name not in alone}
    assert names == set(interop.MAKERS)


def test_without_torch_the_error_names_the_extra():
    code = ("import sys; sys.modules['torch'] = None\n"
            "from zerobook import nn\n"
            "from zerobook.interop.torch import to_torch\n"
            "to_torch(nn.Linear(1, 1))")
    done = subprocess.run([sys.executable, "-c", code], text=True,
                          capture_output=True,
                          cwd=Path(__file__).parents[2])
    assert "ImportError" in done.stderr and "zerobook[interop]" in done.stderr
