"""One-node operations: against PyTorch, and against their spelled-out form."""

import numpy as np
import pytest
from drawing import TOLERANCE, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles import torch

from zerobook import functional as F
from zerobook.autograd import Tensor, history, no_grad

T = torch.nn.functional
shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
full = hnp.array_shapes(min_dims=1, max_dims=3, max_side=5)
seeds = st.integers(0, 99)
ENTRYWISE = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": T.silu,
    "gelu": lambda x: T.gelu(x, approximate="tanh"),
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
    agree(F.linear, lambda x, w, *b: T.linear(x, w.T, *b), x, weight, *more)


@given(batch=st.lists(st.integers(1, 3), max_size=2), D=st.integers(2, 6),
       seed=seeds, affine=st.booleans())
def test_layer_norm_is_pytorchs(batch, D, seed, affine):
    arrays = [normal((*batch, D), seed)]
    if affine:
        arrays += [normal(D, seed + 1), normal(D, seed + 2)]
    agree(F.layer_norm, lambda x, *wb: T.layer_norm(x, (D,), *wb), *arrays)


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=2),
       K=st.integers(1, 5), seed=seeds)
def test_cross_entropy_is_pytorchs(shape, K, seed):
    targets = np.random.default_rng(seed).integers(0, K, shape)
    agree(F.cross_entropy, lambda z, t: T.cross_entropy(
        z.reshape(-1, K), t.reshape(-1)), normal((*shape, K), seed), targets)


@given(shape=full, seed=seeds)
def test_the_other_losses_are_pytorchs(shape, seed):
    y_hat, y = normal(shape, seed), np.random.default_rng(1).random(shape)
    agree(lambda a: F.squared_error(a, y),
          lambda a: T.mse_loss(a, torch.tensor(y)) / 2, y_hat)
    agree(lambda a: F.binary_cross_entropy(a, y),
          lambda a: T.binary_cross_entropy_with_logits(a, torch.tensor(y)),
          y_hat)


@given(shape=shapes, V=st.integers(1, 6), D=st.integers(1, 4), seed=seeds)
def test_embedding_is_pytorchs(shape, V, D, seed):
    index = np.random.default_rng(seed).integers(0, V, shape)
    agree(F.embedding, T.embedding, index, normal((V, D), seed))


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
