"""One-node operations: against PyTorch, and against their spelled-out form."""

import inspect

import numpy as np
import pytest
from drawing import TOLERANCE, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles import torch

from zerobook import functional as F
from zerobook.autograd import Tensor, history, no_grad
from zerobook.gradcheck import gradcheck

shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
full = hnp.array_shapes(min_dims=1, max_dims=3, max_side=5)
seeds = st.integers(0, 99)
ENTRYWISE = {
    "relu": lambda x: torch.relu(x),
    "tanh": lambda x: torch.tanh(x),
    "sigmoid": lambda x: torch.sigmoid(x),
    "silu": lambda x: torch.nn.functional.silu(x),
    "gelu": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "identity": lambda x: x * 1,
}


def normal(shape, seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype(dtype)


def agree(ours, theirs, *arrays):
    """Value and gradients; integer arrays are handed through as they are."""
    dtype = next(str(a.dtype) for a in arrays if a.dtype.kind == "f")
    close = dict(rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    mine = [Tensor(a, True, dtype) if a.dtype.kind == "f" else a
            for a in arrays]
    twin = [torch.tensor(a, requires_grad=a.dtype.kind == "f")
            for a in arrays]
    y, z = ours(*mine), theirs(*twin)
    assert y.shape == tuple(z.shape) and str(y.dtype) == dtype
    g = normal(y.shape, 7, dtype)
    y.backward(g)
    z.backward(torch.tensor(g))
    np.testing.assert_allclose(y.data, z.detach().numpy(), **close)
    for a, b in zip(mine, twin):
        if isinstance(a, Tensor):
            assert a.grad.dtype == a.dtype
            np.testing.assert_allclose(a.grad, b.grad.numpy(), **close)


@pytest.mark.parametrize("name", ENTRYWISE)
@given(shape=shapes, seed=seeds, dtype=st.sampled_from(list(TOLERANCE)))
def test_an_activation_is_pytorchs(name, shape, seed, dtype):
    agree(getattr(F, name), ENTRYWISE[name], 3 * normal(shape, seed, dtype))


@given(n=st.integers(0, 1500), V=st.integers(1, 700), seed=seeds)
def test_sums_by_index_are_those_of_one_row_after_another(n, V, seed):
    rng = np.random.default_rng(seed)
    index = np.minimum(rng.zipf(1.2, size=n) - 1, V - 1)  # few words are most
    g, total = rng.normal(size=(n, 3)), np.zeros((V, 3))
    np.add.at(total, index, g)
    assert np.allclose(F.sum_by_index(g, index, V), total, atol=1e-12)
    small = F.sum_by_index(g, index.astype("uint16"), V)
    assert np.allclose(small, total, atol=1e-12)


@given(shape=full, seed=seeds)
def test_the_sum_of_rows_is_numpys(shape, seed):
    g = normal(shape, seed)
    assert np.allclose(F.sum_rows(g), g.reshape(-1, shape[-1]).sum(axis=0))


@given(shape=full, seed=seeds)
def test_softmax_and_its_logarithm_are_pytorchs(shape, seed):
    x = normal(shape, seed)
    agree(F.softmax, lambda x: torch.softmax(x, -1), x)
    agree(lambda x: F.softmax(x, axis=0), lambda x: torch.softmax(x, 0), x)
    agree(F.log_softmax, lambda x: torch.log_softmax(x, -1), x)


@given(batch=st.lists(st.integers(0, 3), max_size=3), bias=st.booleans(),
       sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)), seed=seeds,
       dtype=st.sampled_from(list(TOLERANCE)))
def test_linear_is_pytorchs_transposed(batch, bias, sizes, seed, dtype):
    x = normal((*batch, sizes[0]), seed, dtype)
    weight = normal(sizes, seed + 1, dtype)
    more = [normal(sizes[1], seed + 2, dtype)] if bias else []
    agree(F.linear, lambda x, w, *b: torch.nn.functional.linear(x, w.T, *b), x, weight, *more)


@given(batch=st.lists(st.integers(1, 3), max_size=2), D=st.integers(2, 6),
       seed=seeds, affine=st.booleans())
def test_layer_norm_is_pytorchs(batch, D, seed, affine):
    arrays = [normal((*batch, D), seed)]
    if affine:
        arrays += [normal(D, seed + 1), normal(D, seed + 2)]
    agree(F.layer_norm, lambda x, *wb: torch.nn.functional.layer_norm(x, (D,), *wb), *arrays)


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=2),
       K=st.integers(1, 5), seed=seeds)
def test_cross_entropy_is_pytorchs(shape, K, seed):
    targets = np.random.default_rng(seed).integers(0, K, shape)
    agree(F.cross_entropy, lambda z, t: torch.nn.functional.cross_entropy(
        z.reshape(-1, K), t.reshape(-1)), normal((*shape, K), seed), targets)


@given(shape=full, seed=seeds)
def test_the_other_losses_are_pytorchs(shape, seed):
    y_hat, y = normal(shape, seed), np.random.default_rng(1).random(shape)
    agree(lambda a: F.squared_error(a, y),
          lambda a: torch.nn.functional.mse_loss(a, torch.tensor(y)) / 2, y_hat)
    agree(lambda a: F.binary_cross_entropy(a, y),
          lambda a: torch.nn.functional.binary_cross_entropy_with_logits(a, torch.tensor(y)),
          y_hat)


@given(shape=shapes, V=st.integers(1, 6), D=st.integers(1, 4), seed=seeds)
def test_embedding_is_pytorchs(shape, V, D, seed):
    index = np.random.default_rng(seed).integers(0, V, shape)
    agree(F.embedding, torch.nn.functional.embedding, index, normal((V, D), seed))


def test_each_operation_is_one_node():
    x, w = Tensor(normal((4, 3), 0), True), Tensor(normal((3, 3), 1), True)
    b = Tensor(np.ones(3), True)
    for y in (F.linear(x, w, b), F.gelu(x), F.layer_norm(x, b, b),
              F.cross_entropy(x, np.zeros(4, int)), F.dropout(x, rng=0)):
        assert len(history(y)) == 1


def test_dropout_keeps_the_mean_and_sends_back_its_own_mask():
    x = Tensor(np.ones(100_000), True)
    y = F.dropout(x, 0.25, rng=0)
    assert abs(y.data.mean() - 1) < 0.01
    assert set(np.unique(y.data)) == {0, np.float32(4 / 3)}
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)
    assert F.dropout(x, 0.25, training=False) is x
    with pytest.raises(ValueError, match="0 <= p < 1"):
        F.dropout(x, 1.0)


def test_arrays_take_on_the_type_of_the_weight():
    weight = Tensor(np.eye(2), True, "float64")
    assert F.linear(np.ones((1, 2), np.uint8), weight).dtype == np.float64
    weight = Tensor(np.eye(2), True)
    assert F.linear(np.ones((1, 2)), weight).dtype == np.float32
    assert F.squared_error(weight, np.ones((2, 2))).dtype == np.float32


def test_nothing_is_recorded_without_gradients():
    x = Tensor(normal((2, 3), 0), True)
    with no_grad():
        assert not F.gelu(x).requires_grad
        assert not F.linear(x, Tensor(np.eye(3), True)).requires_grad


@pytest.mark.parametrize("wrong, error, words", [
    (lambda: F.linear(np.ones((2, 3)), Tensor(np.ones((2, 2)))), ValueError,
     r"\(2, 3\) for weight \(2, 2\)"),
    (lambda: F.squared_error(np.ones((3, 1)), np.ones(3)), ValueError,
     r"\(3,\) for prediction \(3, 1\)"),
    (lambda: F.cross_entropy(np.ones((3, 2)), np.ones(2, int)), ValueError,
     r"\(2,\) for logits \(3, 2\)"),
    (lambda: F.cross_entropy(np.ones((1, 2)), np.array([2])), IndexError,
     "2"),
    (lambda: F.embedding([5], Tensor(np.ones((5, 2)))), IndexError, "5 rows"),
    (lambda: F.embedding([0.5], Tensor(np.ones((5, 2)))), TypeError,
     "integer"),
    (lambda: F.squared_error(np.ones(2), Tensor(np.ones(2), True)),
     TypeError, "detach"),
])
def test_what_does_not_fit_is_named(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


@pytest.mark.parametrize("name", ENTRYWISE)
def test_a_gradient_survives_a_gradient_check_without_pytorch(name):
    f = getattr(F, name)

    def rule(g, x, y):
        tensor = Tensor(x, True, "float64")
        f(tensor).backward(g)
        return tensor.grad

    x = normal((3, 4), 3) + 0.05
    assert gradcheck(lambda x: f(Tensor(x, dtype="float64")).data, rule, x)


def test_the_signature_is_the_functions():
    assert str(inspect.signature(F.softmax)) == "(x, axis=-1)"
    assert list(inspect.signature(F.squared_error).parameters) == [
        "y_hat", "y"]


SPECIAL = {
    "plain": {}, "ignored": {"ignore_index": 2},
    "smoothed": {"label_smoothing": 0.1}, "weighted": {"weight": 1},
    "all": {"ignore_index": 1, "label_smoothing": 0.3, "weight": 1},
    "sum": {"reduction": "sum"}, "none": {"reduction": "none"},
    "all of each": {"ignore_index": 1, "label_smoothing": 0.3, "weight": 1,
                    "reduction": "none"},
    "all summed": {"label_smoothing": 0.3, "weight": 1, "reduction": "sum"},
}


@pytest.mark.parametrize("options", SPECIAL)
@pytest.mark.parametrize("target", ["classes", "some ignored", "soft"])
def test_cross_entropy_with_options_is_pytorchs(options, target):
    rng, options = np.random.default_rng(0), dict(SPECIAL[options])
    y = rng.integers(0, 4, 6)
    if target == "some ignored":
        y[1] = options.get("ignore_index", -100)
    if target == "soft":
        y = rng.dirichlet(np.ones(4), 6)
        options.pop("ignore_index", None)
    theirs = dict(options)
    if "weight" in options:
        options["weight"] = rng.uniform(0.5, 2, 4)
        theirs["weight"] = torch.tensor(options["weight"])
    agree(lambda a: F.cross_entropy(a, y, **options),
          lambda a: torch.nn.functional.cross_entropy(
              a, torch.tensor(y), **theirs), normal((6, 4), 0))


@pytest.mark.parametrize("y, error", [
    (np.array([True, False]), TypeError), ([0.0, 1.0], TypeError),
    ([[0], [1]], ValueError), ([0, 3], IndexError), ([0, -1], IndexError),
    (["a", "b"], TypeError), (None, TypeError),
])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}])
def test_cross_entropy_refuses_what_are_no_classes(y, error, options):
    with pytest.raises(error):
        F.cross_entropy(np.zeros((2, 3)), y, **options)


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="'average'"):
        F.cross_entropy(np.zeros((2, 3)), [0, 1], reduction="average")


def test_a_tensor_of_targets_is_taken():
    scores = normal((3, 4), 0)
    one = F.cross_entropy(scores, np.array([0, 1, 3]))
    assert one == F.cross_entropy(scores, Tensor([0, 1, 3]))
    assert F.squared_error(Tensor(np.uint8([0])), np.uint8([16])).item() == 128


# ---- kind: an array does where a tensor does, in every place


def calls():
    a = lambda *shape: normal(shape, sum(shape), "float32")  # noqa: E731
    return {
        "linear": (F.linear, a(3, 4), a(4, 2), a(2)),
        "layer_norm": (F.layer_norm, a(3, 4), a(4), a(4)),
        "rms_norm": (F.rms_norm, a(3, 4), a(4)),
        "conv2d": (F.conv2d, a(2, 3, 5, 5), a(2, 2, 3, 4), a(4)),
        "conv_transpose2d": (F.conv_transpose2d, a(2, 3, 5, 5),
                             a(2, 2, 3, 4), a(4)),
        "batch_norm": (lambda x, w, b: F.batch_norm(
            x, weight=w, bias=b, training=True), a(5, 3), a(3), a(3)),
        "rnn": (F.rnn, a(5, 2, 3), a(3, 4), a(4, 4), a(4)),
        "lstm": (lambda *x: F.lstm(*x)[0], a(5, 2, 3), a(3, 16), a(4, 16),
                 a(16)),
        "attention": (F.scaled_dot_product_attention, a(2, 3, 4),
                      a(2, 3, 4), a(2, 3, 4)),
        "attention_weights": (F.attention_weights, a(2, 3, 4), a(2, 3, 4)),
        "rotary": (F.rotary, a(2, 3, 4)), "dropout": (
            lambda x: F.dropout(x, 0.5, rng=0), a(3, 4)),
        "max_pool2d": (lambda x: F.max_pool2d(x, 2), a(1, 2, 4, 4)),
        "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), a(1, 2, 4, 4)),
        "softmax": (F.softmax, a(3, 4)), "gelu": (F.gelu, a(3, 4)),
        "embedding": (lambda w: F.embedding([1, 0, 1], w), a(2, 3)),
    }


@pytest.mark.parametrize("name", calls())
def test_an_array_does_what_a_tensor_does(name):
    f, *arrays = calls()[name]
    expected = f(*[Tensor(x) for x in arrays])
    np.testing.assert_array_equal(f(*arrays).data, expected.data)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", calls())
def test_a_leafs_gradient_has_its_shape_and_type(name, dtype):
    f, *arrays = calls()[name]
    leaves = [Tensor(x, True, dtype) for x in arrays]
    f(*leaves).sum().backward()
    for leaf in leaves:
        assert isinstance(leaf.grad, np.ndarray)
        assert leaf.grad.shape == leaf.shape and leaf.grad.dtype == dtype
