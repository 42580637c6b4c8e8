"""What cannot be meant is refused, and a load changes all or nothing."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import torch

from zerobook import functional as F
from zerobook import nn, optim
from zerobook.autograd import Tensor
from zerobook.data import DataLoader
from zerobook.parallel import DataParallel
from zerobook.training import AveragedModel


def lines(rng=0):
    return nn.Linear(2, 2, rng=rng)


# Kind: whatever holds modules refuses what is none, and names it.
HOLDERS = {
    "Sequential": lambda m: nn.Sequential(lines(), m),
    "ModuleList": lambda m: nn.ModuleList([lines(), m]),
    "append": lambda m: nn.ModuleList().append(m),
    "extend": lambda m: nn.ModuleList().extend([m]),
    "ModuleDict": lambda m: nn.ModuleDict({"a": m}),
    "setitem": lambda m: nn.ModuleDict().__setitem__("a", m),
    "add_module": lambda m: nn.Module().add_module("a", m),
    "attribute": lambda m: setattr(nn.Sequential(lines()), "0", m),
    "TransformerEncoder": lambda m: nn.TransformerEncoder(m, 2),
    "TransformerDecoder": lambda m: nn.TransformerDecoder(m, 2),
    "norm": lambda m: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, rng=0), 1, m),
    "DataParallel": DataParallel,
    "AveragedModel": AveragedModel,
}
NO_MODULES = {
    "ReLU": nn.ReLU, "relu": F.relu, "None": None, "list": [lines()],
    "Tensor": Tensor([1.0]), "str": "relu",
}


@pytest.mark.parametrize("word", NO_MODULES)
@pytest.mark.parametrize("holder", HOLDERS)
def test_every_holder_names_what_is_no_module(holder, word):
    if word == "None" and holder in ("norm", "attribute"):
        HOLDERS[holder](None)  # takes the part away, as in PyTorch
        return
    with pytest.raises(TypeError, match=f"Module.*{word}"):
        HOLDERS[holder](NO_MODULES[word])


@pytest.mark.parametrize("name", ["", "a.b", "train", "forward", "keys"])
def test_a_module_gets_no_name_that_is_taken(name):
    with pytest.raises(KeyError, match=repr(name)):
        nn.ModuleDict({name: lines()})


@pytest.mark.parametrize("name, value", [
    ("weight", Tensor(np.ones((2, 2)))), ("weight", np.ones((2, 2))),
    ("weight", 1.0), ("bias", lines()),
])
def test_an_attribute_that_was_a_parameter_stays_one(name, value):
    layer = lines()
    with pytest.raises(TypeError, match=f"Linear.{name} must be a Parameter"):
        setattr(layer, name, value)
    assert len(layer.parameters()) == 2
    layer.bias = None
    layer.weight = nn.Parameter(np.zeros((2, 2)))
    assert [n for n, _ in layer.named_parameters()] == ["weight"]


def test_a_buffer_stays_an_array():
    norm = nn.BatchNorm1d(2)
    with pytest.raises(TypeError, match="running_mean must be a ndarray"):
        norm.running_mean = 0.0
    norm.running_mean = np.ones(2, "float32")
    assert norm.state_dict()["running_mean"].tolist() == [1, 1]


# Kind: an optimizer refuses what it cannot train, before it lays it in rows.
BAD_PARAMS = {
    "one parameter": lambda p: p, "a string": lambda p: "weight",
    "a dict": lambda p: {"params": [p]}, "an array": lambda p: [p.data],
    "names": lambda p: [("w", p)], "computed": lambda p: [p * 2],
    "whole numbers": lambda p: [Tensor([1, 2])], "a module": lambda p: lines(),
    "numbers": lambda p: np.ones(3), "an unknown option": lambda p: [
        {"params": [p], "weightdecay": 1.0}],
    "no params": lambda p: [{"lr": 1.0}],
    "a string in a group": lambda p: [{"params": "p"}],
}


@pytest.mark.parametrize("rule", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("case", BAD_PARAMS)
def test_every_optimizer_refuses_what_is_no_list_of_parameters(rule, case):
    p = nn.Parameter([1.0, 2.0])
    before = p.data
    with pytest.raises(TypeError):
        getattr(optim, rule)(BAD_PARAMS[case](p))
    assert p.data is before


@pytest.mark.parametrize("params", [
    lambda p: [], lambda p: [{"params": []}], lambda p: [p, p],
    lambda p: [{"params": [p]}, {"params": [p]}],
])
def test_none_and_twice_are_refused(params):
    with pytest.raises(ValueError, match="at least one|twice"):
        optim.SGD(params(nn.Parameter([1.0])))


@pytest.mark.parametrize("rule, options", [
    (rule, {name: value})
    for rule in ("SGD", "Adam", "AdamW")
    for name, values in {
        "lr": [-1e-3, math.nan, math.inf, "0.1", None, [0.1, 0.2]],
        "weight_decay": [-1.0, math.nan],
        **({"momentum": [-0.1, math.nan]} if rule == "SGD" else
           {"betas": [(0.9, 1.0), (-0.1, 0.9), 0.9, (0.9,), (0.9, math.nan)],
            "eps": [-1e-8, math.nan]}),
    }.items() for value in values
])
def test_options_out_of_range_are_refused_by_name(rule, options):
    p = nn.Parameter([1.0])
    (name, value), = options.items()
    for make in (lambda: getattr(optim, rule)([p], **options),
                 lambda: getattr(optim, rule)([{"params": [p], **options}])):
        with pytest.raises(ValueError, match=name):
            make()


def test_a_group_may_hold_one_parameter_or_a_generator():
    a, b = nn.Parameter([0.0]), nn.Parameter([0.0])
    rule = optim.SGD([{"params": iter([a])}, {"params": [b], "lr": 1.0}], 0.1)
    a.grad = b.grad = np.ones(1, "float32")
    rule.step()
    assert np.allclose([a.item(), b.item()], [-0.1, -1.0])


# Kind: a load that fails leaves the object as it was.
def poisons(state):
    """States that do not fit, each with one thing wrong, the last part."""
    path = list(paths(state))
    for where in (path[0], path[len(path) // 2], path[-1]):
        for bad in ("x", None, np.ones((7, 7)), [[1.0], [1.0, 2.0]], -3,
                    {"a": 1}, np.array(["x"]), 1j, "gone"):
            other = copy.deepcopy(state)
            holder = other
            for key in where[:-1]:
                holder = holder[key]
            if bad is None or not isinstance(bad, str) or bad != "gone":
                holder[where[-1]] = bad
            elif isinstance(holder, dict):
                del holder[where[-1]]
            else:
                continue
            yield other


def paths(state, path=()):
    if isinstance(state, dict | list) and len(state):
        keys = state if isinstance(state, dict) else range(len(state))
        for key in keys:
            yield from paths(state[key], (*path, key))
    else:
        yield path


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b)


def stepped(rule):
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3))
    rule = rule(net.parameters())
    for p in net.parameters():
        p.grad = np.ones_like(p.data)
    rule.step()
    return rule


def dealt():
    loader = DataLoader(np.arange(10), 3, True, rng=0)
    next(iter(loader))
    return loader


LOADABLE = {
    "model": lambda: nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3)),
    "SGD": lambda: stepped(optim.SGD),
    "momentum": lambda: stepped(lambda p: optim.SGD(p, momentum=0.9)),
    "Adam": lambda: stepped(optim.Adam),
    "schedule": lambda: optim.StepLR(stepped(optim.SGD), 3),
    "cosine": lambda: optim.CosineAnnealingLR(stepped(optim.SGD), 3),
    "loader": dealt,
}


@pytest.mark.parametrize("kind", LOADABLE)
def test_a_load_that_fails_changes_nothing(kind):
    thing = LOADABLE[kind]()
    before = copy.deepcopy(thing.state_dict())
    failed = 0
    for state in poisons(before):
        try:
            thing.load_state_dict(state)
        except (ValueError, TypeError, LookupError, AttributeError):
            failed += 1
            assert same(thing.state_dict(), before)
        else:
            thing.load_state_dict(copy.deepcopy(before))
    assert failed > 10
    thing.load_state_dict(copy.deepcopy(before))
    assert same(thing.state_dict(), before)


@pytest.mark.parametrize("value", [
    np.array(["x"] * 3), [1j] * 3, [None] * 3, [1e300] * 3,
    np.ones((3, 1)), 1.0,
])
def test_no_load_makes_numbers_of_what_is_none(value):
    layer = nn.Linear(2, 3, rng=0)
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match="bias: "):
        layer.load_state_dict({"weight": np.ones((2, 3)), "bias": value})
    assert same(layer.state_dict(), before)


def test_two_layers_change_places_by_their_state():
    net = nn.Sequential(lines(0), lines(1))
    old = copy.deepcopy(net.state_dict())
    s = net.state_dict()
    net.load_state_dict({"0.weight": s["1.weight"], "1.weight": s["0.weight"],
                         "0.bias": s["1.bias"], "1.bias": s["0.bias"]})
    assert np.array_equal(net[0].weight.data, old["1.weight"])
    assert np.array_equal(net[1].weight.data, old["0.weight"])


# Kind: the row of an optimizer follows its parameters wherever they go.
@settings(deadline=None, max_examples=40)
@given(st.permutations(range(3)))
def test_parameters_whose_arrays_changed_places_are_followed(order):
    params = [nn.Parameter(np.full(2, float(i))) for i in range(3)]
    rule = optim.SGD(params, lr=1.0)
    arrays = [p.data for p in params]
    for p, i in zip(params, order):
        p.data = arrays[i]
    for p in params:
        p.grad = np.ones(2, "float32")
    rule.step()
    assert [p.data.tolist() for p in params] == [[i - 1.0] * 2 for i in order]


def test_parameters_with_one_array_are_refused():
    a, b = nn.Parameter([1.0]), nn.Parameter([2.0])
    rule = optim.SGD([a, b], lr=1.0)
    b.data = a.data
    a.grad = b.grad = np.ones(1, "float32")
    with pytest.raises(ValueError, match="one Parameter"):
        rule.step()


@pytest.mark.parametrize("other", [
    np.zeros(3, "float32"), np.zeros(2), np.zeros((1, 2), "float32")])
def test_another_shape_or_type_under_an_optimizer_is_refused(other):
    p = nn.Parameter([1.0, 2.0])
    rule = optim.SGD([p], lr=1.0)
    p.data, p.grad = other, np.ones_like(other)
    with pytest.raises(ValueError, match="make a new optimizer"):
        rule.step()


# Kind: a step of a parameter does not depend on its neighbours' steps.
@pytest.mark.parametrize("rule, options", [
    ("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("Adam", {"lr": 0.1}), ("Adam", {"lr": 0.1, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
])
@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1,
                max_size=8))
def test_parameters_that_sit_out_steps_go_as_in_torch(rule, options, plan):
    ours = [nn.Parameter(np.ones(2), dtype="float64") for _ in range(3)]
    theirs = [torch.nn.Parameter(torch.ones(2).double()) for _ in range(3)]
    a = getattr(optim, rule)(ours, **options)
    b = getattr(torch.optim, rule)(theirs, **options)
    for t, wanted in enumerate(plan):
        for i, (p, q, w) in enumerate(zip(ours, theirs, wanted)):
            g = np.sin(np.array([t + i, t - i], float) + 1)
            p.grad, q.grad = (g, torch.tensor(g)) if w else (None, None)
        a.step()
        b.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), atol=1e-12)


def test_a_state_goes_on_where_the_counts_differ():
    def begun():
        params = [nn.Parameter(np.ones(2)) for _ in range(2)]
        return params, optim.Adam(params, lr=0.1)

    def go(params, rule, steps):
        for t in steps:
            params[0].grad = np.full(2, 1.0, "float32")
            late = np.full(2, 2.0, "float32")
            params[1].grad = late if t > 2 else None
            rule.step()

    (one, whole), (two, first) = begun(), begun()
    go(one, whole, range(8))
    go(two, first, range(5))
    (three, second) = begun()
    for p, q in zip(three, two):
        p.data[...] = q.data
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    go(three, second, range(5, 8))
    for p, q in zip(one, three):
        assert np.array_equal(p.data, q.data)
    old = copy.deepcopy(first.state_dict())
    del old["param_groups"][0]["steps"]  # as older checkpoints have it
    second.load_state_dict(old)
    assert second.steps == [[5, 5]]


def test_momentum_that_is_set_later_is_used():
    p, q = nn.Parameter([0.0]), torch.nn.Parameter(torch.zeros(1))
    a, b = optim.SGD([p], 0.1), torch.optim.SGD([q], 0.1)
    for t in range(4):
        if t == 1:
            a.param_groups[0]["momentum"] = 0.9
            b.param_groups[0]["momentum"] = 0.9
        p.grad, q.grad = np.ones(1, "float32"), torch.ones(1)
        a.step()
        b.step()
    assert np.isclose(p.item(), q.item())


def test_a_gradient_that_is_kept_stays_as_it_was():
    w, u = nn.Parameter([1.0]), nn.Parameter([1.0])
    rule, kept = optim.SGD([w, u], lr=0.0), []
    for k in (1.0, 2.0, 3.0, 4.0):
        rule.zero_grad()
        (w * k + u * (10 * k)).sum().backward()
        if k != 2:
            kept.append((w.grad, u.grad))
        rule.step()
        assert u.grad.item() == 10 * k
    assert [[g.item() for g in pair] for pair in kept] == [
        [1, 10], [3, 30], [4, 40]]


# Kind: clipping against PyTorch's, on both sides of the limit.
@settings(deadline=None, max_examples=40)
@given(scale=st.floats(0.01, 100), limit=st.floats(0.1, 10),
       many=st.booleans())
def test_clipping_is_torchs(scale, limit, many):
    rng = np.random.default_rng(0)
    grads = [scale * rng.normal(size=s) for s in ((3,), (2, 2))[: 1 + many]]
    ours = [nn.Parameter(np.zeros(g.shape), dtype="float64") for g in grads]
    theirs = [torch.zeros(g.shape).double().requires_grad_() for g in grads]
    for p, q, g in zip(ours, theirs, grads):
        p.grad, q.grad = g.copy(), torch.tensor(g)
    a = optim.clip_grad_norm_(ours, limit)
    b = torch.nn.utils.clip_grad_norm_(theirs, limit)
    assert np.isclose(a, b.item())
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_clipping_leaves_gradients_alone_whose_length_is_no_number(bad):
    p, q = nn.Parameter([0.0, 0.0]), nn.Parameter([0.0])
    p.grad, q.grad = np.float32([bad, 3]), np.float32([2])
    assert not math.isfinite(optim.clip_grad_norm_([p, q], 1.0))
    assert p.grad[1] == 3 and q.grad[0] == 2
    p.grad = np.float32([3e25, 4e25])  # its square is too large for float32
    q.grad = None
    assert np.isclose(optim.clip_grad_norm_(p, 1.0), 5e25)
    assert np.allclose(p.grad, [0.6, 0.8])
    with pytest.raises(ValueError, match="max_norm"):
        optim.clip_grad_norm_([p], math.nan)
