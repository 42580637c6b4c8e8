"""Convolution, pooling and batch norm: loops and torch as the oracles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook import functional as F
from zerobook import nn, optim
from zerobook.autograd import Tensor, no_grad
from zerobook.datasets import load_digits

torch = pytest.importorskip("torch")
CLOSE = {"float64": 1e-7, "float32": 1e-4}


def by_loops(x, weight, bias, stride, padding):
    """The definition, one sum a time; (N, C, H, W) and (kh, kw, C, O)."""
    (ph, pw), (sh, sw) = padding, stride
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    kh, kw, _, O = weight.shape
    y = np.zeros((len(x), O, (x.shape[2] - kh) // sh + 1,
                  (x.shape[3] - kw) // sw + 1))
    for n, o, i, j in np.ndindex(y.shape):
        window = x[n, :, sh * i : sh * i + kh, sw * j : sw * j + kw]
        y[n, o, i, j] = bias[o] + np.sum(
            window * weight[..., o].transpose(2, 0, 1)
        )
    return y


def close(ours, theirs, dtype):
    """Equal shapes, and equal up to the dtype's share of the largest."""
    theirs = theirs.detach().numpy() if torch.is_tensor(theirs) else theirs
    assert ours.shape == theirs.shape and ours.dtype == np.dtype(dtype)
    scale = max(1.0, np.abs(theirs).max(initial=0))
    assert np.abs(ours - theirs).max(initial=0) <= CLOSE[dtype] * scale


def agree(ours, theirs, arrays, turns, dtype, rng):
    """Values and gradients of two functions of the same arrays.

    `turns` holds for each array the axes that bring it to torch's order.
    """
    mine = [Tensor(a, True, dtype) for a in arrays]
    twin = [torch.tensor(np.ascontiguousarray(t.data.transpose(turn)),
                         requires_grad=True) for t, turn in zip(mine, turns)]
    y, y_torch = ours(*mine), theirs(*twin)
    close(y.data, y_torch, dtype)
    g = rng.normal(size=y.shape).astype(dtype)
    y.backward(g)
    y_torch.backward(torch.from_numpy(g))
    for a, b, turn in zip(mine, twin, turns):
        close(a.grad.transpose(turn), b.grad, dtype)


@st.composite
def geometry(draw, pool=False):
    """Shapes that fit: batches from none, one to three pixels a window."""
    kernel = draw(st.tuples(*[st.integers(1, 3)] * 2))
    room = [k // 2 if pool else 2 for k in kernel]
    padding = tuple(draw(st.integers(0, p)) for p in room)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 4))
            for k, p in zip(kernel, padding)]
    return {
        "N": draw(st.integers(0, 3)), "C": draw(st.integers(1, 3)),
        "O": draw(st.integers(1, 3)), "size": size, "kernel": kernel,
        "stride": draw(st.tuples(*[st.integers(1, 3)] * 2)),
        "padding": padding, "seed": draw(st.integers(0, 99)),
        "dtype": draw(st.sampled_from(["float64", "float32"])),
    }


IMAGE, FILTER, VECTOR = (0, 1, 2, 3), (3, 2, 0, 1), (0,)


@settings(deadline=None, max_examples=60)
@given(geometry())
def test_a_convolution_and_its_gradients_are_torchs(case):
    rng = np.random.default_rng(case["seed"])
    options = {"stride": case["stride"], "padding": case["padding"]}
    arrays = [rng.normal(size=s) for s in (
        (case["N"], case["C"], *case["size"]),
        (*case["kernel"], case["C"], case["O"]), (case["O"],),
    )]
    agree(lambda *a: F.conv2d(*a, **options),
          lambda *a: torch.nn.functional.conv2d(*a, **options),
          arrays, (IMAGE, FILTER, VECTOR), case["dtype"], rng)


@settings(deadline=None, max_examples=40)
@given(geometry())
def test_loops_and_the_matrix_product_meet(case):
    rng = np.random.default_rng(case["seed"])
    x = rng.normal(size=(case["N"], case["C"], *case["size"]))
    w = rng.normal(size=(*case["kernel"], case["C"], case["O"]))
    b = rng.normal(size=case["O"])
    y = F.conv2d(Tensor(x, dtype="float64"), Tensor(w, dtype="float64"),
                 Tensor(b, dtype="float64"), case["stride"], case["padding"])
    loops = by_loops(x, w, b, case["stride"], case["padding"])
    assert y.shape == loops.shape and np.allclose(y.data, loops)


@pytest.mark.parametrize("side, C, O, stride", [
    (30, 16, 32, 1), (31, 16, 32, 1), (15, 64, 64, 1), (40, 1, 2, 1),
    (30, 16, 32, 2), (23, 3, 40, 3),
])
def test_bands_of_an_image_give_the_product_of_all_windows(side, C, O, stride):
    rng = np.random.default_rng(side)
    x, w = rng.normal(size=(3, side, side, C)), rng.normal(size=(3, 3, C, O))
    P = F.im2col(x, (3, 3), (stride, stride))
    y = P @ w.reshape(-1, O)
    g = rng.normal(size=y.shape)
    dw = P.reshape(-1, 9 * C).T @ g.reshape(-1, O)
    b = rng.normal(size=O)
    assert np.allclose(F.correlate(x, w, (stride, stride), b), y + b)
    found = F.correlate_weight(g, x, (3, 3), (stride, stride))
    assert np.allclose(found, dw.reshape(w.shape))
    dx = F.correlate_input(g, w, x.shape, (stride, stride))
    assert np.isclose((dx * x).sum(), (y * g).sum())


@settings(deadline=None, max_examples=60)
@given(geometry())
def test_one_reading_of_the_gradient_gives_what_two_give(case):
    rng, kernel = np.random.default_rng(case["seed"]), case["kernel"]
    padding = [min(p, k - 1) for p, k in zip(case["padding"], kernel)]
    x = rng.normal(size=(case["N"], *case["size"], case["C"]))
    w = rng.normal(size=(*kernel, case["C"], case["O"]))
    around = F.with_border(x, padding)
    if any(n < k for n, k in zip(around.shape[1:], kernel)):
        return
    g = rng.normal(size=F.correlate(x, w, (1, 1), None, padding).shape)
    dx, dw = F.correlate_backward(g, x, w, padding)
    apart = F.correlate_input(g, w, around.shape, (1, 1))
    assert np.allclose(dx, F.without_border(apart, padding))
    assert np.allclose(dw, F.correlate_weight(g, around, kernel, (1, 1)))


@pytest.mark.parametrize("frozen", ["x", "weight", "neither"])
@pytest.mark.parametrize("stride, padding", [(1, 1), (1, 4), (2, 1), (1, 0)])
def test_a_frozen_input_or_weight_changes_no_other_gradient(
    frozen, stride, padding
):
    rng, grads = np.random.default_rng(0), {}
    arrays = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=(3, 3, 3, 4))
    for which in ("neither", frozen):
        x, w = (Tensor(a, which != name, "float64")
                for a, name in zip(arrays, ("x", "weight")))
        (F.conv2d(x, w, None, stride, padding) ** 2).sum().backward()
        grads[which] = {"x": x.grad, "weight": w.grad}
    for name, whole in grads["neither"].items():
        found = grads[frozen][name]
        assert (found is None) == (name == frozen)
        assert found is None or np.allclose(found, whole)


def test_windows_of_a_view_are_the_windows_of_its_numbers():
    x = np.random.default_rng(0).normal(size=(2, 1, 5, 4))
    last = x.transpose(0, 2, 3, 1)[:, ::-1]  # one channel, rows backwards
    whole = np.lib.stride_tricks.sliding_window_view(last, (3, 2), (1, 2))
    found = F.im2col(last, (3, 2), (2, 1))
    assert np.array_equal(found, whole[:, ::2].reshape(2, 2, 3, 6))


@pytest.mark.parametrize("size", [6, 7])
def test_an_image_that_windows_do_not_cover_gets_zeros_at_its_edge(size):
    x = Tensor(np.arange(size * size).reshape(1, 1, size, size), True,
               "float64")
    F.max_pool2d(x, 2).sum().backward()
    wanted = np.zeros((size, size))
    wanted[1:6:2, 1:6:2] = 1
    assert np.array_equal(x.grad[0, 0], wanted)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 30_000))
def test_an_image_is_cut_into_equal_bands(height, width, weights):
    matrices, rows = F.cut(height, width, weights)
    assert matrices * rows == height * width and rows % width == 0
    small = rows * weights <= F.UNPACKED and rows >= 96
    assert small or matrices == 1


@settings(deadline=None, max_examples=60)
@given(geometry(), st.data())
def test_a_transposed_convolution_and_its_gradients_are_torchs(case, data):
    rng = np.random.default_rng(case["seed"])
    extra = tuple(data.draw(st.integers(0, s - 1)) for s in case["stride"])
    out = [(n - 1) * s + k + e - 2 * p for n, s, k, e, p in zip(
        case["size"], case["stride"], case["kernel"], extra, case["padding"])]
    if min(out) < 1:
        return
    options = {"stride": case["stride"], "padding": case["padding"],
               "output_padding": extra}
    arrays = [rng.normal(size=s) for s in (
        (case["N"], case["C"], *case["size"]),
        (*case["kernel"], case["C"], case["O"]), (case["O"],),
    )]
    agree(lambda *a: F.conv_transpose2d(*a, **options),
          lambda *a: torch.nn.functional.conv_transpose2d(*a, **options),
          arrays, (IMAGE, (2, 3, 0, 1), VECTOR), case["dtype"], rng)


@settings(deadline=None, max_examples=60)
@given(geometry(pool=True), st.sampled_from(["max_pool2d", "avg_pool2d"]),
       st.booleans())
def test_pooling_and_its_gradient_are_torchs(case, name, ties):
    rng = np.random.default_rng(case["seed"])
    x = rng.normal(size=(case["N"], case["C"], *case["size"]))
    if ties:  # many zeros, as after a ReLU: the first of equals wins
        x = np.maximum(x.round(), 0)
    if case["N"] == 0:
        return  # torch refuses to pool nothing
    sizes = (case["kernel"], case["stride"], case["padding"])
    agree(lambda x: getattr(F, name)(x, *sizes),
          lambda x: getattr(torch.nn.functional, name)(x, *sizes),
          [x], (IMAGE,), case["dtype"], rng)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_an_empty_batch_is_pooled_to_an_empty_batch(name):
    x = Tensor(np.zeros((0, 2, 4, 4)), requires_grad=True)
    y = getattr(F, name)(x, 2)
    y.backward(np.zeros(y.shape, "float32"))
    assert y.shape == (0, 2, 2, 2) and x.grad.shape == x.shape


def test_the_transposed_convolution_is_the_transpose():
    rng = np.random.default_rng(0)
    w = Tensor(rng.normal(size=(3, 4, 2, 5)), dtype="float64")
    x = Tensor(rng.normal(size=(2, 2, 9, 10)), dtype="float64")
    y = F.conv2d(x, w, stride=2, padding=1)
    g = Tensor(rng.normal(size=y.shape), dtype="float64")
    back = F.conv_transpose2d(g, w.swapaxes(2, 3), stride=2, padding=1)
    assert back.shape == x.shape
    assert np.isclose((g * y).sum().item(), (back * x).sum().item())


def test_memory_order_does_not_matter():
    # a transposed view in, a view out: no layer may rely on contiguity
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 6, 3, 2)).astype("float32").transpose(3, 2, 1, 0)
    w = Tensor(rng.normal(size=(3, 3, 3, 4)))
    plain = F.conv2d(np.ascontiguousarray(x), w, padding=1)
    assert np.allclose(F.conv2d(x, w, padding=1).data, plain.data, atol=1e-5)
    assert np.allclose(F.max_pool2d(x, 2).data,
                       F.max_pool2d(np.ascontiguousarray(x), 2).data)


def test_chunks_do_not_change_the_result():
    # 40 images of this size need several chunks
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(40, 8, 12, 12)), True)
    w = Tensor(rng.normal(size=(3, 3, 8, 16)), True)
    y = F.conv2d(x, w, padding=1)
    g = rng.normal(size=y.shape).astype("float32")
    y.backward(g)
    for i in (0, 17, 39):
        one = Tensor(x.data[i : i + 1], True)
        z = F.conv2d(one, w, padding=1)
        z.backward(g[i : i + 1])
        assert np.allclose(z.data[0], y.data[i], atol=1e-4)
        assert np.allclose(one.grad[0], x.grad[i], atol=1e-3)


def test_no_gradient_is_computed_for_the_images_themselves():
    x, w = Tensor(np.ones((1, 1, 4, 4))), Tensor(np.ones((2, 2, 1, 1)), True)
    F.conv2d(x, w).sum().backward()
    assert x.grad is None and w.grad.ravel().tolist() == [9, 9, 9, 9]


def test_whole_numbers_become_floats_with_the_weight():
    x = np.arange(16, dtype="uint8").reshape(1, 1, 4, 4)
    y = F.conv2d(x, Tensor(np.ones((2, 2, 1, 1)), dtype="float64"))
    assert y.dtype == np.float64 and y.data[0, 0, 0, 0] == 10


@pytest.mark.parametrize("call, words", [
    (lambda x, w: F.conv2d(x[:, :1], w), ["(N, 2, H, W)", "(1, 1, 5, 5)"]),
    (lambda x, w: F.conv2d(x[0], w), ["(2, 5, 5)"]),
    (lambda x, w: F.conv2d(x[:, :, :2], w), ["(3, 3)", "(1, 2, 2, 5)"]),
    (lambda x, w: F.conv2d(x, w, stride=0), ["stride (0, 0)"]),
    (lambda x, w: F.conv2d(x, w, padding=-1), ["padding (-1, -1)"]),
    (lambda x, w: F.conv_transpose2d(x[:, :1], w), ["(1, 1, 5, 5)"]),
    (lambda x, w: F.conv_transpose2d(x, w, output_padding=1), ["stride 1"]),
    (lambda x, w: F.max_pool2d(x, 6), ["(6, 6)", "(1, 2, 5, 5)"]),
    (lambda x, w: F.max_pool2d(x, 2, padding=2), ["more than half"]),
    (lambda x, w: F.avg_pool2d(x[0], 2), ["(2, 5, 5)"]),
    (lambda x, w: nn.BatchNorm2d(3)(x), ["BatchNorm2d(3)", "(1, 2, 5, 5)"]),
    (lambda x, w: nn.BatchNorm1d(2)(x), ["BatchNorm1d(2)"]),
    (lambda x, w: nn.BatchNorm1d(2)(np.ones((1, 2))), ["(1, 2)"]),
])
def test_a_shape_that_does_not_fit_is_named(call, words):
    x, w = np.ones((1, 2, 5, 5), "float32"), Tensor(np.ones((3, 3, 2, 4)))
    with pytest.raises(ValueError) as error:
        call(x, w)
    assert all(word in str(error.value) for word in words), error.value


# ---- layers


def twin_state(ours, theirs):
    """Our state in the order of torch's axes."""
    state = {}
    for name, value in ours.state_dict().items():
        if value.ndim == 4:
            layer = dict(theirs.named_modules())[name.rpartition(".")[0]]
            turned = isinstance(layer, torch.nn.ConvTranspose2d)
            value = value.transpose((2, 3, 0, 1) if turned else FILTER)
        elif value.ndim == 2:
            value = value.T
        state[name] = torch.from_numpy(np.array(value, order="C"))
    return state


@pytest.mark.parametrize("ours, theirs", [
    (nn.Conv2d, torch.nn.Conv2d),
    (nn.ConvTranspose2d, torch.nn.ConvTranspose2d),
])
def test_layers_have_torchs_arguments_and_spread_of_weights(ours, theirs):
    mine, twin = ours(4, 9, (3, 2), 2, 1, rng=0), theirs(4, 9, (3, 2), 2, 1)
    pair = nn.Sequential(mine), torch.nn.Sequential(twin)
    pair[1].load_state_dict(twin_state(*pair))
    x = np.random.default_rng(0).normal(size=(2, 4, 7, 8)).astype("float32")
    close(mine(x).data, twin(torch.from_numpy(x)), "float32")
    twin.reset_parameters()
    bound = twin.weight.abs().max().item()
    assert np.isclose(np.abs(mine.weight.data).max(), bound, rtol=0.1)
    assert ours(1, 1, 3, bias=False).bias is None


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 99),
       st.sampled_from(["float64", "float32"]), st.sampled_from([2, 3, 4]))
def test_batch_norm_trains_and_evaluates_as_torch_does(N, C, seed, dtype, dim):
    rng = np.random.default_rng(seed)
    shape = (N, C, 3, 2)[:dim]
    kind = "BatchNorm2d" if dim == 4 else "BatchNorm1d"
    ours = getattr(nn, kind)(C, dtype=dtype)
    theirs = getattr(torch.nn, kind)(C, dtype=getattr(torch, dtype))
    ours.weight.data[...] = rng.normal(size=C)
    ours.bias.data[...] = rng.normal(size=C)
    theirs.load_state_dict(
        {k: torch.from_numpy(np.array(v)) for k, v in
         ours.state_dict().items()}
    )
    for _ in range(3):
        x = Tensor(rng.normal(1, 2, shape), True, dtype)
        x_torch = torch.tensor(x.data, requires_grad=True)
        g = rng.normal(size=shape).astype(dtype)
        ours.zero_grad()
        theirs.zero_grad()
        y, y_torch = ours(x), theirs(x_torch)
        close(y.data, y_torch, dtype)
        y.backward(g)
        y_torch.backward(torch.from_numpy(g))
        # two rows can lie so close that 1 / deviation magnifies float32
        loose = {"float32": 50, "float64": 1}[dtype]
        for a, b in ((x.grad, x_torch.grad), (ours.weight.grad,
                     theirs.weight.grad), (ours.bias.grad, theirs.bias.grad)):
            scale = max(1, b.abs().max().item()) * loose
            assert np.abs(a - b.numpy()).max() < CLOSE[dtype] * scale
    for name, value in theirs.state_dict().items():
        assert np.allclose(ours.state_dict()[name], value, atol=1e-5)
    ours.eval(), theirs.eval()
    close(ours(x).data, theirs(x_torch), dtype)
    assert ours.num_batches_tracked == 3


def test_batch_norm_in_evaluation_passes_torchs_gradients():
    rng = np.random.default_rng(0)
    ours, theirs = nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2)
    ours.running_var[...] = [0.5, 2]
    ours.running_mean[...] = [1, -1]
    theirs.load_state_dict(
        {k: torch.from_numpy(np.array(v)) for k, v in
         ours.state_dict().items()}
    )
    ours.eval(), theirs.eval()
    agree(ours, theirs, [rng.normal(size=(3, 2, 4, 4))], (IMAGE,), "float32",
          rng)
    assert ours.num_batches_tracked == 0


def test_batch_norm_is_layer_norm_with_the_table_turned():
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(6, 4)), dtype="float64")
    columns = F.batch_norm(x, training=True).data
    assert np.allclose(columns, F.layer_norm(x.T).data.T)


def small_net(rng=0):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=rng), nn.BatchNorm2d(4), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, 2, 1, rng=rng), nn.ReLU(),
        nn.ConvTranspose2d(6, 3, 2, 2, rng=rng), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(12, 10, rng=rng),
    )


def twin_net():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(4, 6, 3, 2, 1), torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(6, 3, 2, 2), torch.nn.AvgPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(12, 10),
    )


def test_a_training_step_is_torchs():
    X, y = load_digits()
    X = (X[:32] / 16).reshape(-1, 1, 8, 8).astype("float32")
    ours, theirs = small_net(), twin_net()
    theirs.load_state_dict(twin_state(ours, theirs))
    mine = optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    twin = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        mine.zero_grad(), twin.zero_grad()
        loss = F.cross_entropy(ours(X), y[:32])
        loss_torch = torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(X)), torch.from_numpy(y[:32])
        )
        assert abs(loss.item() - loss_torch.item()) < 1e-4
        loss.backward(), loss_torch.backward()
        mine.step(), twin.step()
    after = twin_state(ours, theirs)
    for name, value in theirs.state_dict().items():
        assert torch.allclose(after[name], value, atol=1e-4), name


def test_the_keys_of_the_state_are_torchs():
    assert list(small_net().state_dict()) == list(twin_net().state_dict())


def test_a_small_network_memorises_one_batch():
    X, y = load_digits()
    X, y = (X[:20] / 16).reshape(-1, 1, 8, 8).astype("float32"), y[:20]
    net = small_net()
    optimizer = optim.Adam(net.parameters(), lr=0.02)
    first = F.cross_entropy(net(X), y).item()
    assert abs(first - np.log(10)) < 0.5  # knows nothing yet
    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(net(X), y).backward()
        optimizer.step()
    with no_grad():
        assert F.cross_entropy(net(X), y).item() < 0.05


def test_the_strips_of_all_kernel_rows_are_views_of_one_copy():
    x = np.arange(2 * 5 * 6 * 3, dtype="float32").reshape(2, 5, 6, 3)
    strips = list(F.bands(x, (3, 3), (1, 1), (1, 12)))
    windows = F.im2col(x, (3, 3), (1, 1)).reshape(2, 1, 12, 27)
    assert np.array_equal(np.concatenate(strips, axis=-1), windows)
    assert all(np.may_share_memory(strips[0], s) for s in strips)
    assert not np.may_share_memory(strips[0], x)
