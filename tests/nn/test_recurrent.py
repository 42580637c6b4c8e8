"""Recurrent layers against torch, and the two roads against each other."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from zerobook import functional as F
from zerobook import nn
from zerobook.autograd import Tensor, no_grad, stack
from zerobook.optim import Adam

torch = pytest.importorskip("torch")

KINDS = pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
NAMES = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]


def twins(kind, D, H, dtype="float64", **options):
    """A layer of ours and torch's with the same weights."""
    ours = getattr(nn, kind)(D, H, rng=0, dtype=dtype, **options)
    theirs = getattr(torch.nn, kind)(D, H, dtype=getattr(torch, dtype),
                                     **options)
    state = {k: torch.tensor(np.ascontiguousarray(v.T))
             for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state)  # the names are torch's: strict
    return ours, theirs


def states(kind, N, H, rng, dtype="float64"):
    """First states (1, N, H) for both, or a pair of them for the LSTM."""
    arrays = [rng.normal(size=(1, N, H)).astype(dtype) for _ in range(2)]
    ours = [Tensor(a, True, dtype=dtype) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    if kind == "LSTM":
        return tuple(ours), tuple(theirs)
    return ours[0], theirs[0]


def flat(output, last):
    return [output, *(last if isinstance(last, tuple) else [last])]


def assert_twins(kind, T, N, D, H, *, dtype="float64", given_state=True,
                 rtol=1e-7, atol=1e-9, **options):
    """Values and all gradients, with a loss that looks at every output."""
    rng = np.random.default_rng(1)
    ours, theirs = twins(kind, D, H, dtype, **options)
    shape = (N, T, D) if options.get("batch_first") else (T, N, D)
    array = rng.normal(size=shape).astype(dtype)
    x, x_t = Tensor(array, True, dtype=dtype), torch.tensor(array)
    x_t.requires_grad_()
    s, s_t = states(kind, N, H, rng, dtype) if given_state else (None, None)
    out, out_t = flat(*ours(x, s)), flat(*theirs(x_t, s_t))
    for a, b in zip(out, out_t, strict=True):
        assert a.shape == tuple(b.shape) and str(a.dtype) == dtype
        np.testing.assert_allclose(a.data, b.detach(), rtol, atol)
    goals = [rng.normal(size=a.shape).astype(dtype) for a in out]
    total = sum((a * g).sum() for a, g in zip(out, goals))
    total.backward()
    sum((b * torch.tensor(g)).sum() for b, g in zip(out_t, goals)).backward()
    np.testing.assert_allclose(x.grad, x_t.grad, rtol, atol)
    for name in NAMES:
        if hasattr(ours, name):
            mine, other = getattr(ours, name).grad, getattr(theirs, name).grad
            other = other.numpy().T
            np.testing.assert_allclose(mine, other, rtol, atol)
    if given_state:
        for a, b in zip(flat(None, s)[1:], flat(None, s_t)[1:]):
            np.testing.assert_allclose(a.grad, b.grad, rtol, atol)


@KINDS
@given(T=st.integers(1, 6), N=st.integers(1, 3), D=st.integers(1, 4),
       H=st.integers(1, 5), first=st.booleans(), bias=st.booleans(),
       given_state=st.booleans())
def test_values_and_gradients_are_those_of_torch(kind, T, N, D, H, first,
                                                 bias, given_state):
    assert_twins(kind, T, N, D, H, batch_first=first, bias=bias,
                 given_state=given_state)


@KINDS
def test_single_precision_stays_single_and_agrees_with_torch(kind):
    assert_twins(kind, 20, 8, 16, 32, dtype="float32", rtol=1e-4, atol=1e-4)


@KINDS
def test_an_optimiser_step_ends_where_that_of_torch_ends(kind):
    ours, theirs = twins(kind, 3, 4)
    X = np.random.default_rng(2).normal(size=(5, 2, 3))
    mine = Adam(ours.parameters(), lr=0.01)
    other = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(3):
        mine.zero_grad(), other.zero_grad()
        y, _ = ours(Tensor(X, dtype="float64"))
        z, _ = theirs(torch.tensor(X))
        (y * y).sum().backward(), (z**2).sum().backward()
        mine.step(), other.step()
    for name in NAMES:
        np.testing.assert_allclose(getattr(ours, name).data,
                                   getattr(theirs, name).detach().T, 1e-7)


@KINDS
def test_a_sequence_in_two_halves_gives_what_it_gives_whole(kind):
    layer = getattr(nn, kind)(3, 4, rng=0, dtype="float64")
    X = np.random.default_rng(3).normal(size=(9, 2, 3))
    whole, last = layer(Tensor(X, dtype="float64"))
    first, state = layer(Tensor(X[:4], dtype="float64"))
    second, end = layer(Tensor(X[4:], dtype="float64"), state)
    np.testing.assert_allclose(
        np.concatenate([first.data, second.data]), whole.data, 1e-12
    )
    for a, b in zip(flat(whole, last)[1:], flat(second, end)[1:]):
        np.testing.assert_allclose(a.data, b.data, 1e-12)


def test_the_state_carries_a_gradient_from_one_piece_into_the_one_before():
    # c_n is a node of its own, whose gradient enters the loop of the first
    grads = []
    X = np.random.default_rng(4).normal(size=(6, 2, 3))
    for cuts in ([6], [3, 3], [1, 2, 3]):
        layer, state, at = nn.LSTM(3, 4, rng=0, dtype="float64"), None, 0
        for n in cuts:
            x = Tensor(X[at : at + n], dtype="float64")
            output, state = layer(x, state)
            at += n
        (output[-1] * output[-1]).sum().backward()
        grads.append(layer.weight_ih_l0.grad)
    np.testing.assert_allclose(grads[0], grads[1], 1e-10, 1e-14)
    np.testing.assert_allclose(grads[0], grads[2], 1e-10, 1e-14)


def composed_lstm(x, W, U, b, h, c):
    """The LSTM in the words of the tape, one step after the other."""
    H, outputs = U.shape[0], []
    for t in range(len(x)):
        s = x[t] @ W + h @ U + b
        i, f, o = (F.sigmoid(s[:, k * H : (k + 1) * H]) for k in (0, 1, 3))
        c = f * c + i * F.tanh(s[:, 2 * H : 3 * H])
        h = o * F.tanh(c)
        outputs.append(h)
    return stack(outputs), c


def composed_rnn(x, W, U, b, h):
    outputs = []
    for t in range(len(x)):
        h = F.tanh(x[t] @ W + h @ U + b)
        outputs.append(h)
    return stack(outputs)


@given(T=st.integers(1, 5), N=st.integers(1, 3), D=st.integers(1, 3),
       H=st.integers(1, 4))
def test_one_node_for_the_sequence_equals_the_steps_on_the_tape(T, N, D, H):
    rng = np.random.default_rng(5)
    for gates, fused, composed in (
        (1, F.rnn, composed_rnn),
        (4, lambda *a: F.lstm(*a[:4], a[4:]), composed_lstm),
    ):
        shapes = [(T, N, D), (D, gates * H), (H, gates * H), (gates * H,)]
        shapes += [(N, H)] * (1 if gates == 1 else 2)
        arrays = [rng.normal(size=s) for s in shapes]
        results = []
        for road in (fused, composed):
            leaves = [Tensor(a, True, dtype="float64") for a in arrays]
            out = road(*leaves)
            out = out if isinstance(out, tuple) else (out,)
            sum((y * y).sum() for y in out).backward()
            results.append([*(y.data for y in out), *(a.grad for a in leaves)])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, 1e-7, 1e-9)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_ten_thousand_steps_have_a_way_back(kind):
    # the GRU is stepped on the tape: 10,000 times a dozen nodes
    layer = getattr(nn, kind)(1, 2, rng=0)
    x = Tensor(np.ones((10_000, 1, 1)), requires_grad=True)
    output, _ = layer(x)
    output[-1].sum().backward()
    assert np.isfinite(x.grad).all() and abs(x.grad[-1]).sum() > 0


def test_ten_thousand_steps_unrolled_have_a_way_back():
    layer = nn.RNN(1, 2, rng=0)
    h = Tensor(np.zeros((1, 1, 2)))
    for _ in range(10_000):
        _, h = layer(np.ones((1, 1, 1), "float32"), h)
    h.sum().backward()
    assert np.isfinite(layer.weight_hh_l0.grad).all()


@KINDS
def test_a_kept_graph_gives_the_same_gradient_again(kind):
    layer = getattr(nn, kind)(2, 3, rng=0, dtype="float64")
    output, last = layer(np.ones((4, 2, 2)))
    total = sum((y * y).sum() for y in flat(output, last))
    total.backward(retain_graph=True)
    once = layer.weight_hh_l0.grad.copy()
    total.backward()
    np.testing.assert_allclose(layer.weight_hh_l0.grad, 2 * once, 1e-12)


@KINDS
def test_empty_sequences_and_empty_batches_pass_through(kind):
    layer = getattr(nn, kind)(2, 3, rng=0)
    for shape in ((0, 4, 2), (5, 0, 2)):
        output, last = layer(np.zeros(shape, "float32"))
        assert output.shape == (*shape[:2], 3)
        assert all(s.shape == (1, shape[1], 3) for s in flat(output, last)[1:])


@KINDS
def test_nothing_is_recorded_inside_no_grad(kind):
    with no_grad():
        output, last = getattr(nn, kind)(2, 3, rng=0)(np.ones((4, 1, 2)))
    assert not any(y.requires_grad for y in flat(output, last))


@KINDS
def test_a_shape_that_does_not_fit_is_named(kind):
    layer = getattr(nn, kind)(3, 4, rng=0)
    with pytest.raises(ValueError, match=r"\(T, N, 3\).*\(5, 2, 7\)"):
        layer(np.zeros((5, 2, 7)))
    with pytest.raises(ValueError, match=r"\(T, N, 3\).*\(5, 3\)"):
        layer(np.zeros((5, 3)))
    bad = Tensor(np.zeros((1, 9, 4)))
    with pytest.raises(ValueError, match=r"\(1, 9, 4\).*\(1, 2, 4\)"):
        layer(np.zeros((5, 2, 3)), (bad, bad) if kind == "LSTM" else bad)


def test_weights_that_do_not_fit_each_other_are_named():
    x, W = np.zeros((5, 2, 3)), Tensor(np.zeros((3, 16)))
    U, b = Tensor(np.zeros((4, 12))), Tensor(np.zeros(16))
    with pytest.raises(ValueError, match=r"\(3, 16\).*\(4, 12\).*\(4, 16\)"):
        F.lstm(x, W, U, b)
    with pytest.raises(ValueError, match=r"rnn: weights \(3, 16\)"):
        F.rnn(x, W, U, b)


@KINDS
def test_a_batch_is_learned_by_heart(kind):
    rng = np.random.default_rng(6)
    index = rng.integers(0, 8, size=(12, 4))
    X, y = np.eye(8, dtype="float32")[index[:-1]], index[1:].ravel()
    layer, head = getattr(nn, kind)(8, 48, rng=0), nn.Linear(48, 8, rng=0)
    both = layer.parameters() + head.parameters()
    optimizer = Adam(both, lr=0.02)
    for step in range(150):
        loss = F.cross_entropy(head(layer(X)[0]).reshape(-1, 8), y)
        if step == 0:  # knows nothing: log 8 nats
            assert abs(loss.item() - np.log(8)) < 0.3
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@KINDS
def test_a_coarser_input_does_not_make_a_layer_coarser(kind):
    layer = getattr(nn, kind)(3, 5, rng=0, dtype="float64")
    x = Tensor(np.random.default_rng(0).normal(size=(4, 2, 3)))
    assert x.dtype == np.float32
    output, _ = layer(x)
    fine, _ = layer(Tensor(x.data, dtype="float64"))
    assert output.dtype == np.float64
    assert np.allclose(output.data, fine.data, atol=1e-12)
