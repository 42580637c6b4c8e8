"""Properties of every layer of nn, and what they share with PyTorch's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import torch

from zerobook import nn
from zerobook.autograd import Tensor
from zerobook.interop.torch import from_torch, to_torch

i3, i4 = np.int64(3), np.int64(4)
# name: layer of these sizes, shape of an input
LAYERS = {
    "Linear": (lambda n, **k: nn.Linear(n, n, **k), (2, 4)),
    "LayerNorm": (lambda n, **k: nn.LayerNorm(n), (2, 4)),
    "LayerNorm of two axes": (lambda n, **k: nn.LayerNorm((3, n)), (2, 3, 4)),
    "RMSNorm": (lambda n, **k: nn.RMSNorm(n), (2, 4)),
    "RMSNorm of two axes": (lambda n, **k: nn.RMSNorm((3, n)), (2, 3, 4)),
    "Dropout": (lambda n, **k: nn.Dropout(0.5, **k), (2, 4)),
    "Flatten": (lambda n, **k: nn.Flatten(), (2, 4, 3)),
    "ReLU": (lambda n, **k: nn.ReLU(), (2, 4)),
    "Tanh": (lambda n, **k: nn.Tanh(), (2, 4)),
    "Sigmoid": (lambda n, **k: nn.Sigmoid(), (2, 4)),
    "GELU": (lambda n, **k: nn.GELU(), (2, 4)),
    "SiLU": (lambda n, **k: nn.SiLU(), (2, 4)),
    "Identity": (lambda n, **k: nn.Identity(), (2, 4)),
    "Conv1d": (lambda n, **k: nn.Conv1d(n, n, n - 1, n - 3, n - 3, **k),
               (2, 4, 6)),
    "Conv2d": (lambda n, **k: nn.Conv2d(n, n, n - 1, n - 3, n - 3, **k),
               (2, 4, 6, 6)),
    "ConvTranspose2d": (lambda n, **k: nn.ConvTranspose2d(
        n, n, n - 1, n - 2, n - 3, n - 3, **k), (2, 4, 3, 3)),
    "MaxPool2d": (lambda n, **k: nn.MaxPool2d(n - 1), (2, 1, 6, 6)),
    "AvgPool2d": (lambda n, **k: nn.AvgPool2d(n - 1, n - 2, n - 3),
                  (2, 1, 6, 6)),
    "BatchNorm1d": (lambda n, **k: nn.BatchNorm1d(n), (5, 4)),
    "BatchNorm2d": (lambda n, **k: nn.BatchNorm2d(n), (2, 4, 3, 3)),
    "GroupNorm": (lambda n, **k: nn.GroupNorm(n - 2, n), (2, 4, 3)),
    "RNN": (lambda n, **k: nn.RNN(n, n, **k), (3, 2, 4)),
    "LSTM": (lambda n, **k: nn.LSTM(n, n, **k), (3, 2, 4)),
    "GRU": (lambda n, **k: nn.GRU(n, n, **k), (3, 2, 4)),
    "TransformerEncoderLayer": (
        lambda n, **k: nn.TransformerEncoderLayer(n, n - 2, n, 0.0, **k),
        (2, 3, 4)),
    "PositionalEncoding": (
        lambda n, **k: nn.PositionalEncoding(n, max_len=n), (2, 3, 4)),
    "SwiGLU": (lambda n, **k: nn.SwiGLU(n, n, **k), (2, 3, 4)),
    "GroupedQueryAttention": (
        lambda n, **k: nn.GroupedQueryAttention(n, n - 2, n - 3, **k),
        (2, 3, 4)),
    "ModernBlock": (
        lambda n, **k: nn.ModernBlock(n, n - 2, n - 3, n, **k), (2, 3, 4)),
}


def made(name, n=4):
    make, shape = LAYERS[name]
    wanted = name.split()[0] in (
        "Linear Dropout Conv1d Conv2d ConvTranspose2d RNN LSTM GRU SwiGLU "
        "TransformerEncoderLayer GroupedQueryAttention ModernBlock").split()
    return make(n, **({"rng": 0} if wanted else {})), shape


def first(output):
    return output[0] if isinstance(output, tuple) else output


# Kind: a layer takes an array wherever it takes a Tensor, of any type.
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8",
                                   "bool"])
def test_every_layer_takes_an_array_as_its_tensor(name, dtype):
    shape = LAYERS[name][1]
    x = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    outputs = [first(made(name)[0](given)) for given in (
        Tensor(x.astype("float32")), x, Tensor(x))]
    if name == "Identity":
        assert all(np.array_equal(y.data, x) for y in outputs)
        return
    for y in outputs:
        assert isinstance(y, Tensor) and y.dtype.kind == "f" or (
            name in ("Dropout", "Flatten", "ReLU", "PositionalEncoding"))
        np.testing.assert_allclose(y.data, outputs[0].data, atol=1e-6)


# Kind: sizes may be NumPy's whole numbers.
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_takes_numpys_whole_numbers(name):
    (one, shape), (two, _) = made(name), made(name, np.int64(4))
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    assert np.array_equal(first(one(x)).data, first(two(x)).data)
    assert repr(one) == repr(two)


# Kind: sizes that cannot be are refused when the layer is made, by name.
@pytest.mark.parametrize("make, word", [
    (lambda n: nn.Linear(n, 2), "in_features"),
    (lambda n: nn.Linear(2, n), "out_features"),
    (lambda n: nn.Embedding(n, 2), "num_embeddings"),
    (lambda n: nn.Embedding(2, n), "embedding_dim"),
    (lambda n: nn.LayerNorm((2, n)), "normalized_shape"),
    (lambda n: nn.RMSNorm(n), "normalized_shape"),
    (lambda n: nn.Conv1d(n, 1, 1), "in_channels"),
    (lambda n: nn.Conv1d(1, 1, n), "kernel_size"),
    (lambda n: nn.Conv2d(1, n, 1), "out_channels"),
    (lambda n: nn.Conv2d(1, 1, n), "kernel_size"),
    (lambda n: nn.Conv2d(1, 1, 1, n), "stride"),
    (lambda n: nn.Conv2d(1, 1, 1, 1, n), "padding"),
    (lambda n: nn.ConvTranspose2d(1, 1, 1, n), "stride"),
    (lambda n: nn.MaxPool2d(n), "kernel_size"),
    (lambda n: nn.AvgPool2d(2, n), "stride"),
    (lambda n: nn.MaxPool2d(2, 2, n), "padding"),
    (lambda n: nn.BatchNorm2d(n), "num_features"),
    (lambda n: nn.GroupNorm(n, 4), "num_groups"),
    (lambda n: nn.GroupNorm(1, n), "num_channels"),
    (lambda n: nn.LSTM(n, 2), "input_size"),
    (lambda n: nn.GRU(2, n), "hidden_size"),
    (lambda n: nn.MultiheadAttention(n, 2), "embed_dim"),
    (lambda n: nn.MultiheadAttention(4, n), "num_heads"),
    (lambda n: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2), n), "num_layers"),
    (lambda n: nn.PositionalEncoding(4, max_len=n), "max_len"),
])
@pytest.mark.parametrize("size", [-1, 2.5, "3"])
def test_sizes_that_cannot_be_are_refused_by_name(make, word, size):
    kind = ValueError if size == -1 else TypeError
    with pytest.raises(kind, match=f"{word} must be|cannot be interpreted"):
        make(size)


@pytest.mark.parametrize("p", [-0.1, 1.0, np.nan])
def test_a_share_to_drop_is_refused_when_the_layer_is_made(p):
    with pytest.raises(ValueError, match="0 <= p < 1"):
        nn.Dropout(p)


@pytest.mark.parametrize("make, wrong", [
    (lambda: nn.GroupNorm(3, 4), None),
    (lambda: nn.GroupNorm(2, 4), np.ones((2, 6, 3))),
    (lambda: nn.Conv1d(2, 3, 2), np.ones((2, 2))),
    (lambda: nn.LayerNorm((3, 4)), np.ones((2, 4, 3))),
    (lambda: nn.RMSNorm(4), np.ones((2, 3))),
    (lambda: nn.Conv2d(1, 2, (1, 2, 3)), None),
])
def test_shapes_that_do_not_fit_are_refused(make, wrong):
    with pytest.raises(ValueError, match=r"\(|groups"):
        make()(wrong)


def with_gradients(module, x, weights):
    y = module(x)
    (y * weights).sum().backward()
    return y


# Kind: a layer that PyTorch has answers as PyTorch's, gradients too.
@settings(deadline=None, max_examples=40)
@given(case=st.sampled_from([
    lambda: nn.LayerNorm((3, 4), dtype="float64"),
    lambda: nn.RMSNorm((3, 4), 0.1, dtype="float64"),
    lambda: nn.GroupNorm(1, 3, dtype="float64"),
    lambda: nn.GroupNorm(3, 3, 0.1, dtype="float64"),
    lambda: nn.GroupNorm(3, 3, affine=False),
    lambda: nn.Conv1d(3, 2, 3, 2, 1, rng=0, dtype="float64"),
    lambda: nn.Conv1d(3, 2, 4, bias=False, rng=0, dtype="float64"),
]), n=st.integers(1, 3))
def test_new_layers_are_torchs_with_their_gradients(case, n):
    rng, ours = np.random.default_rng(n), case()
    for p in ours.parameters():
        p.data = rng.normal(size=p.shape)
    theirs = to_torch(ours).double()
    x = rng.normal(size=(n, 3, 4))
    a, b = Tensor(x, True, "float64"), torch.tensor(x, requires_grad=True)
    w = rng.normal(size=theirs(b).shape)
    y = with_gradients(ours, a, w)
    z = with_gradients(theirs, b, torch.tensor(w))
    np.testing.assert_allclose(y.data, z.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(a.grad, b.grad.numpy(), atol=1e-9)
    again = to_torch(from_torch(theirs)).state_dict()
    for name, p in theirs.named_parameters():
        assert torch.equal(p, again[name])
    for p, q in zip(ours.parameters(), theirs.parameters()):
        g = q.grad.numpy()
        g = g.transpose(2, 1, 0) if g.ndim == 3 else g
        np.testing.assert_allclose(p.grad, g, atol=1e-9)


def test_frozen_weights_get_no_gradient():
    for name in LAYERS:
        layer, shape = made(name)
        layer.requires_grad_(False)
        x = Tensor(np.random.default_rng(0).normal(size=shape), True)
        first(layer(x)).sum().backward()
        assert all(p.grad is None for p in layer.parameters()), name
        assert x.grad.shape == x.shape


# Kind: the tree of a model is printed as PyTorch prints it.
@pytest.mark.parametrize("make", [
    lambda n: n.Linear(2, 3), lambda n: n.Linear(2, 3, bias=False),
    lambda n: n.Embedding(4, 3), lambda n: n.LayerNorm(3),
    lambda n: n.LayerNorm((3, 4)), lambda n: n.RMSNorm(3, 1e-6),
    lambda n: n.Dropout(0.2), lambda n: n.Flatten(), lambda n: n.Identity(),
    lambda n: n.ReLU(), lambda n: n.Tanh(), lambda n: n.SiLU(),
    lambda n: n.Conv1d(1, 2, 3), lambda n: n.Conv1d(1, 2, 3, 2, 1),
    lambda n: n.Conv2d(1, 2, 3), lambda n: n.Conv2d(1, 2, (3, 2), 2, (0, 1)),
    lambda n: n.ConvTranspose2d(1, 2, 3, 2, 1, 1, bias=False),
    lambda n: n.MaxPool2d(2), lambda n: n.MaxPool2d(3, 2, 1),
    lambda n: n.AvgPool2d(2), lambda n: n.AvgPool2d((2, 3), 1),
    lambda n: n.BatchNorm1d(4), lambda n: n.BatchNorm2d(4, affine=False),
    lambda n: n.GroupNorm(2, 4), lambda n: n.GroupNorm(2, 4, affine=False),
    lambda n: n.RNN(2, 3), lambda n: n.LSTM(2, 3, batch_first=True),
    lambda n: n.GRU(2, 3, bias=False), lambda n: n.Sequential(),
    lambda n: n.ModuleList(), lambda n: n.ModuleDict(),
    lambda n: n.ModuleList([n.ReLU(), n.ReLU(), n.Tanh(), n.ReLU()]),
    lambda n: n.ModuleDict({"a": n.ReLU(), "b": n.Sequential(n.Tanh())}),
    lambda n: n.Sequential(n.Linear(2, 2), n.Sequential(n.ReLU(), n.ReLU()),
                           n.ModuleList([n.Sequential(n.Tanh())] * 2)),
])
def test_a_model_is_shown_as_torch_shows_it(make):
    assert repr(make(nn)) == repr(make(torch.nn))


def test_a_model_is_turned_to_another_type_and_walked():
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3))
    x = np.random.default_rng(0).normal(size=(4, 2))
    single = net(x).data
    assert net.double() is net and net.to("cpu") is net
    assert net(Tensor(x, dtype="float64")).dtype == np.float64
    assert {b.dtype.name for b in net.buffers()} == {"float64", "int64"}
    np.testing.assert_allclose(net.eval().train()(x).data, single, atol=1e-6)
    assert net.float()[0].weight.dtype == np.float32
    with pytest.raises(TypeError, match="floats"):
        net.to("int64")
    seen, theirs = [], []
    net.apply(lambda m: seen.append(type(m).__name__))
    to_torch(net).apply(lambda m: theirs.append(type(m).__name__))
    assert seen == theirs
    assert net.get_submodule("0") is net[0] and net.get_submodule("") is net
    with pytest.raises(AttributeError, match="'7'"):
        net.get_submodule("7")
    with pytest.raises(TypeError, match="Parameter"):
        net.register_parameter("w", Tensor([1.0]))


# Kind: every schedule gives PyTorch's rates, and goes on from its state.
SCHEDULES = {
    "step": lambda s, o: s.StepLR(o, 3, 0.5),
    "default": lambda s, o: s.StepLR(o, 4),
    "milestones": lambda s, o: s.MultiStepLR(o, [2, 5, 5], 0.5),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 12),
    "floor": lambda s, o: s.CosineAnnealingLR(o, 12, eta_min=0.01),
    "lambda": lambda s, o: s.LambdaLR(o, lambda t: 1 / (1 + t)),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda t: 1.0, lambda t: 0.5**t]),
}


def ruled(library, parameter):
    groups = [{"params": [parameter()]}, {"params": [parameter()], "lr": 1.0}]
    return library.SGD(groups, lr=0.3)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_torchs_and_goes_on_from_its_state(name):
    from zerobook import optim
    mine = ruled(optim, lambda: nn.Parameter([0.0]))
    other = ruled(torch.optim, lambda: torch.zeros(1, requires_grad=True))
    ours = SCHEDULES[name](optim, mine)
    theirs = SCHEDULES[name](torch.optim.lr_scheduler, other)
    states = []
    for _ in range(11):
        rates = [g["lr"] for g in mine.param_groups]
        assert np.allclose(rates, [g["lr"] for g in other.param_groups])
        assert ours.get_last_lr() == rates
        states.append((ours.state_dict(), mine.state_dict(), rates))
        other.step()
        ours.step()
        theirs.step()
    assert isinstance(ours, optim.LambdaLR)
    for state, rule_state, rates in states:
        again = ruled(optim, lambda: nn.Parameter([0.0]))
        again.load_state_dict(rule_state)
        # built on rates that fell: its first rates are the optimizer's
        schedule = SCHEDULES[name](optim, again)
        assert schedule.base_lrs == [0.3, 1.0]
        schedule.load_state_dict(state)
        assert [g["lr"] for g in again.param_groups] == rates


@pytest.mark.parametrize("make", [
    lambda s, o: s.StepLR(o, 0), lambda s, o: s.CosineAnnealingLR(o, 0),
    lambda s, o: s.LambdaLR(o, [lambda t: 1.0]),
])
def test_schedules_that_cannot_be_are_refused(make):
    from zerobook import optim
    with pytest.raises(ValueError):
        make(optim, ruled(optim, lambda: nn.Parameter([0.0])))
