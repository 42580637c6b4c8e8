"""Modules and optimisers: the names, the state, and PyTorch's steps."""

import copy

import numpy as np
import pytest
from drawing import given
from hypothesis import strategies as st
from oracles import torch

from zerobook import functional as F
from zerobook import nn, optim
from zerobook.autograd import Tensor
from zerobook.nn import init

rng = np.random.default_rng(0)
X, y = rng.normal(size=(12, 5)), rng.integers(0, 3, 12)


def twins(dtype=torch.float64):
    """One model twice, ours and PyTorch's, with the same weights."""
    kind = "float64" if dtype is torch.float64 else "float32"
    ours = nn.Sequential(
        nn.Linear(5, 8, rng=0, dtype=kind), nn.LayerNorm(8, dtype=kind),
        nn.GELU(), nn.Linear(8, 3, bias=False, rng=1, dtype=kind),
    )
    theirs = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.LayerNorm(8),
        torch.nn.GELU(approximate="tanh"), torch.nn.Linear(8, 3, bias=False),
    ).to(dtype)
    theirs.load_state_dict(
        {k: torch.tensor(v.T) for k, v in ours.state_dict().items()}
    )
    return ours, theirs


RULES = {
    "SGD": dict(lr=0.1),
    "SGD momentum": dict(lr=0.1, momentum=0.9),
    "SGD decay": dict(lr=0.1, momentum=0.5, weight_decay=0.1),
    "Adam": dict(lr=0.01),
    "Adam decay": dict(lr=0.01, betas=(0.8, 0.9), weight_decay=0.1),
    "AdamW": dict(lr=0.01),
    "AdamW eps": dict(lr=0.01, eps=1e-3, weight_decay=0.3),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ten_training_steps_are_pytorchs(name, dtype):
    ours, theirs = twins(dtype)
    kind = name.split()[0]
    mine = getattr(optim, kind)(ours.parameters(), **RULES[name])
    other = getattr(torch.optim, kind)(theirs.parameters(), **RULES[name])
    for _ in range(10):
        mine.zero_grad()
        other.zero_grad()
        data = Tensor(X, dtype=ours[0].weight.dtype)
        F.cross_entropy(ours(data), y).backward()
        z = theirs(torch.tensor(X, dtype=dtype))
        torch.nn.functional.cross_entropy(z, torch.tensor(y)).backward()
        a = optim.clip_grad_norm_(ours.parameters(), 0.5)
        b = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        close = 1e-7 if dtype is torch.float64 else 1e-4
        assert np.isclose(a, b.item(), rtol=10 * close)
        mine.step()
        other.step()
    for k, v in ours.state_dict().items():
        np.testing.assert_allclose(
            v.T, theirs.state_dict()[k].numpy(), rtol=close, atol=close
        )


def test_names_and_their_order_are_pytorchs():
    ours, theirs = twins()
    assert [k for k, _ in ours.named_parameters()] == [
        k for k, _ in theirs.named_parameters()
    ]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert len(ours.modules()) == len(list(theirs.modules()))
    assert len(ours.children()) == 4


def test_a_shared_weight_is_counted_once_and_saved_under_both_names():
    a, b = nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)
    b.weight = a.weight
    net = nn.Sequential(a, b)
    assert len(net.parameters()) == 3 and len(net.state_dict()) == 4
    optim.SGD(net.parameters(), lr=1.0)
    assert net[0].weight is net[1].weight


def test_a_module_in_two_places_is_listed_once_as_pytorch_does():
    for library in (nn, torch.nn):
        layer = library.Linear(2, 2)
        inner = library.Sequential(layer, library.ReLU())
        net = library.Sequential(layer, inner, inner, layer)
        assert [name for name, _ in net.named_modules()] == [
            "", "0", "1", "1.1"]
        assert [name for name, _ in net.named_children()] == ["0", "1"]
        every = net.named_modules(prefix="a", remove_duplicate=False)
        assert [name for name, _ in every] == [
            "a", "a.0", "a.1", "a.1.0", "a.1.1", "a.2", "a.2.0", "a.2.1",
            "a.3"]
        assert len(list(net.modules())) == 4 and len(net) == 4
        assert len(list(net.parameters())) == 2
        assert len(net.state_dict()) == 8
        assert net.get_submodule("2.1") is inner[1]
        assert repr(net).count("Linear") == 4
        seen = []
        net.apply(seen.append)
        assert len(seen) == 5  # the layer once in each container


# ---- kind: a list of modules changes as PyTorch's does


CHANGES = st.lists(st.tuples(st.sampled_from(
    ["append", "insert", "set", "delete", "delete slice", "pop", "extend"]),
    st.integers(0, 3)), max_size=6)


@given(changes=CHANGES, kind=st.sampled_from(["ModuleList", "Sequential"]))
def test_a_list_of_modules_changes_as_pytorchs_does(changes, kind):
    nets = []
    for library in (nn, torch.nn):
        first = [library.Linear(2, k + 1) for k in range(4)]
        net = getattr(library, kind)()
        for layer in first:
            net.append(layer)
        for k, (change, i) in enumerate(changes):
            new = library.Linear(2, k + 5)
            if change == "append":
                net.append(new)
            elif change == "extend":
                net.extend([new, library.ReLU()])
            elif change == "insert":
                net.insert(min(i, len(net)), new)
            elif i < len(net) and change == "set":
                net[i] = new
            elif i < len(net) and change == "delete":
                del net[i - len(net)]
            elif i < len(net) and change == "pop":
                assert isinstance(net.pop(i), library.Module)
            elif change == "delete slice":
                del net[i:]
        nets.append(net)
    ours, theirs = nets
    assert len(ours) == len(theirs) and repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("change, error", [
    (lambda net: net.__setitem__(0, np.tanh), TypeError),
    (lambda net: net.__setitem__(2, nn.ReLU()), IndexError),
    (lambda net: net.__delitem__(2), IndexError),
    (lambda net: net.insert(0, None), TypeError),
    (lambda net: net.pop(5), IndexError),
])
def test_a_list_that_refuses_a_change_is_as_it_was(change, error):
    net = nn.ModuleList([nn.Linear(2, 2, rng=0), nn.ReLU()])
    before = list(net.named_modules())
    with pytest.raises(error):
        change(net)
    assert list(net.named_modules()) == before


# ---- kind: a gradient that somebody holds stays as it was


PIECES = {
    "whole": lambda g: g, "row": lambda g: g[0], "slice": lambda g: g[:, 1:],
    "turned": lambda g: g.T, "flat": lambda g: g.reshape(-1),
    "piece of a piece": lambda g: g.T[1:][0],
}


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("when", ["before the step", "after it"])
def test_a_kept_piece_of_a_gradient_stays_as_it_was(piece, when):
    layer = nn.Linear(3, 2, rng=0)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    kept = []
    for k in range(4):
        optimizer.zero_grad()
        (layer(np.ones((1, 3))).sum() * (k + 1)).backward()
        if when == "after it":
            optimizer.step()
        kept.append(PIECES[piece](layer.weight.grad))
        if when == "before the step":
            optimizer.step()
    assert [np.unique(g).tolist() for g in kept] == [[1], [2], [3], [4]]
    places = {id(layer.weight.grad)}
    del kept
    for _ in range(3):
        optimizer.zero_grad()
        layer(np.ones((1, 3))).sum().backward()
        optimizer.step()
        places.add(layer.weight.grad.ctypes.data)
    assert len(places) == 2  # what is not kept is written over


def test_train_and_eval_reach_every_part():
    net = nn.Sequential(nn.Sequential(nn.Dropout(0.5, rng=0)))
    ones = np.ones((4, 4))
    assert (net(ones).data == 0).any()
    assert net.eval() is net and (net(ones).data == 1).all()
    assert net.train() is net and net[0][0].training


def test_a_buffer_is_state_but_no_parameter():
    class Counter(nn.Module):
        def __init__(self):
            self.register_buffer("count", np.zeros(1))

    a, b = Counter(), Counter()
    a.count += 3
    assert a.parameters() == [] and list(a.state_dict()) == ["count"]
    b.load_state_dict(a.state_dict())
    assert b.count.tolist() == [3.0] and Counter().count.tolist() == [0.0]


def test_loading_names_all_that_does_not_fit_and_changes_nothing():
    net, _ = twins()
    before = copy.deepcopy(net.state_dict())
    state = {k: v * 2 for k, v in before.items()}
    state["3.weight"] = np.ones((3, 8))
    state["4.weight"] = state.pop("0.bias")
    with pytest.raises(ValueError) as caught:
        net.load_state_dict(state)
    for words in ("3.weight: shape (3, 8) for (8, 3)", "missing: 0.bias",
                  "unexpected: 4.weight"):
        assert words in str(caught.value)
    for k, v in net.state_dict().items():
        np.testing.assert_array_equal(v, before[k])
    del state["3.weight"]
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert missing == ["0.bias", "3.weight"] and unexpected == ["4.weight"]


def test_loading_goes_on_under_an_optimiser():
    # the parameters are views of its row: copying in keeps them so
    net, _ = twins()
    rule = optim.SGD(net.parameters(), lr=1.0)
    net.load_state_dict({k: v * 0 for k, v in net.state_dict().items()})
    for p in net.parameters():
        p.grad = np.ones_like(p.data)
    rule.step()
    assert all((p.data == -1).all() for p in net.parameters())


def test_a_parameter_without_gradient_is_left_alone():
    net, _ = twins()
    rule = optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.5)
    frozen = copy.deepcopy(net[1].state_dict())
    for _ in range(3):
        rule.zero_grad()
        for p in (net[0].weight, net[3].weight):
            p.grad = np.ones_like(p.data)
        rule.step()
    for k, v in net[1].state_dict().items():
        np.testing.assert_array_equal(v, frozen[k])


def test_two_optimisers_may_share_a_parameter():
    w = nn.Parameter(np.zeros(2))
    first, second = (optim.SGD([w], lr=1.0) for _ in range(2))
    for rule in (first, second, first):
        w.grad = np.ones(2, np.float32)
        rule.step()
    assert w.data.tolist() == [-3.0, -3.0]


def test_an_update_does_not_depend_on_the_blocks(monkeypatch):
    results = []
    for size in (7, 1 << 16):
        monkeypatch.setattr(optim, "BLOCK", size)
        monkeypatch.setattr(optim.blocks, "__defaults__", (size,))
        net, _ = twins()
        rule = optim.Adam(net.parameters(), lr=0.1)
        for p in net.parameters():
            p.grad = np.ones_like(p.data)
        rule.step()
        results.append(np.concatenate([p.data.ravel()
                                       for p in net.parameters()]))
    np.testing.assert_array_equal(*results)


def test_schedules_are_pytorchs():
    w = nn.Parameter([0.0])
    t = torch.nn.Parameter(torch.zeros(1))
    for ours, theirs in (
        (lambda o: optim.StepLR(o, 3, 0.5),
         lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)),
        (lambda o: optim.CosineAnnealingLR(o, 10),
         lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10)),
    ):
        a, b = optim.SGD([w], lr=0.3), torch.optim.SGD([t], lr=0.3)
        s, z = ours(a), theirs(b)
        for _ in range(10):
            assert np.isclose(a.param_groups[0]["lr"], b.param_groups[0]["lr"])
            b.step()
            s.step()
            z.step()


def test_groups_have_rates_of_their_own():
    a, b = nn.Parameter([0.0]), nn.Parameter([0.0])
    rule = optim.SGD([{"params": [a], "lr": 1.0}, {"params": [b]}], lr=0.1)
    a.grad = b.grad = np.ones(1, np.float32)
    rule.step()
    assert np.allclose([a.data[0], b.data[0]], [-1.0, -0.1])


@pytest.mark.parametrize("fill, variance", [
    (init.kaiming_normal_, 2 / 300), (init.kaiming_uniform_, 2 / 300),
    (init.xavier_normal_, 2 / 500), (init.xavier_uniform_, 2 / 500),
])
def test_first_weights_have_the_variance_that_they_promise(fill, variance):
    p = nn.Parameter(np.zeros((300, 200)))
    assert fill(p, rng=0) is p
    assert abs(p.data.var() / variance - 1) < 0.05 and p.data.mean() < 1e-2
    first = p.data.copy()
    np.testing.assert_array_equal(fill(p, rng=0).data, first)


def test_one_batch_is_memorised():
    net = nn.Sequential(nn.Linear(5, 32, rng=0), nn.Tanh(),
                        nn.Linear(32, 3, rng=1))
    rule = optim.Adam(net.parameters(), lr=0.02)
    for step in range(300):
        rule.zero_grad()
        loss = F.cross_entropy(net(X), y)
        if step == 0:
            assert abs(loss.item() - np.log(3)) < 0.3
        loss.backward()
        rule.step()
    assert loss.item() < 0.02


@pytest.mark.parametrize("kind", [nn.ModuleList, lambda m: nn.Sequential(*m)])
def test_a_slice_of_a_list_is_a_list_of_the_same_modules(kind):
    whole = kind([nn.ReLU(), nn.Linear(2, 2, rng=0), nn.Tanh()])
    part = whole[1:]
    assert type(part) is type(whole) and list(part) == list(whole)[1:]
    assert whole[-1] is part[1] and len(part.parameters()) == 2
