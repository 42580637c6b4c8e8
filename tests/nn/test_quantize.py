"""Quantisation: bounds on the error, for any array; PyTorch's rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import oracle

from zerobook.nn.quantize import dequantize, quantize

torch = oracle("torch")

FLOATS = st.floats(-1e6, 1e6, allow_subnormal=False)
MATRICES = arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(1, 3)
                  .map(lambda n: 4 * n)), elements=FLOATS)
WAYS = [{}, {"axis": 0}, {"axis": 1}, {"axis": -1}, {"block": 4},
        {"block": 1}]
EACH = pytest.mark.parametrize("way", WAYS, ids=str)
BITS = st.integers(2, 8)


@EACH
@given(W=MATRICES, bits=BITS)
def test_no_number_moves_by_more_than_half_its_scale(way, W, bits):
    q = quantize(W, bits, **way)
    back, top = dequantize(q), 2 ** (bits - 1) - 1
    assert back.shape == W.shape and q.codes.dtype == np.int8
    assert (np.abs(q.codes.astype(int)) <= top).all()
    moved = np.abs(back - W).reshape(q.codes.shape)
    assert (moved <= q.scale * (0.5 + 1e-9)).all()


@EACH
@given(W=MATRICES, bits=BITS)
def test_the_largest_number_of_a_scale_comes_back(way, W, bits):
    q = quantize(W, bits, **way)
    old, new = W.reshape(q.codes.shape), dequantize(q).reshape(q.codes.shape)
    if W.size:
        axis = None if q.scale.size == 1 else next(
            k for k, n in enumerate(q.scale.shape) if n != old.shape[k]
        ) if q.scale.shape != old.shape else ()
        for x in (old, new):
            assert np.allclose(np.abs(x).max(axis=axis, keepdims=True),
                               np.abs(old).max(axis=axis, keepdims=True))


@given(W=MATRICES, bits=BITS, seed=st.integers(0, 9))
def test_what_was_rounded_once_is_not_rounded_again(W, bits, seed):
    way = WAYS[seed % len(WAYS)]
    once = dequantize(quantize(W, bits, **way))
    assert np.allclose(dequantize(quantize(once, bits, **way)), once,
                       rtol=1e-12, atol=0)


@given(W=MATRICES, bits=BITS)
def test_a_turned_array_has_turned_codes_and_the_opposite_its_opposite(
        W, bits):
    q, turned = quantize(W, bits, axis=0), quantize(W.T, bits, axis=1)
    assert np.array_equal(q.codes, turned.codes.T)
    assert np.array_equal(quantize(-W, bits, axis=0).codes, -q.codes)


@pytest.mark.filterwarnings("ignore:torch.quantize_per")
def test_codes_are_those_of_pytorch_with_the_same_scales():
    W = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    for axis in (0, 1):
        q = quantize(W, 8, axis=axis)
        scales = torch.from_numpy(q.scale.reshape(-1).astype("float64"))
        theirs = torch.quantize_per_channel(
            torch.from_numpy(W), scales, torch.zeros(len(scales)), 1 - axis,
            torch.qint8)
        assert np.array_equal(q.codes, theirs.int_repr().numpy())
        assert np.allclose(dequantize(q), theirs.dequantize().numpy())


def test_a_scale_belongs_to_a_column_a_row_or_a_block():
    W = np.array([[1.0, 100.0, 3.0, 4.0], [2.0, 50.0, 6.0, 8.0]])
    assert quantize(W, 8).scale.shape == (1, 1)
    assert (quantize(W, 8, axis=0).scale * 127).tolist() == [[2, 100, 6, 8]]
    assert (quantize(W, 8, axis=1).scale * 127).ravel().tolist() == [100, 50]
    assert (quantize(W, 8, block=2).scale * 127).ravel().tolist() == [
        100, 4, 50, 8]


def test_the_bytes_are_those_of_codes_and_scales():
    W = np.ones((8, 64), "float32")
    assert quantize(W, 8).nbytes == 512 + 4
    assert quantize(W, 4, axis=1).nbytes == 256 + 4 * 8
    assert quantize(W, 4, block=32).nbytes == 256 + 4 * 16


def test_zeros_stay_zeros_and_the_type_stays():
    for dtype in ("float32", "float64"):
        back = dequantize(quantize(np.zeros((2, 4), dtype), 4, axis=0))
        assert back.dtype == dtype and not back.any()
    assert dequantize(quantize([[1, -1]], 2)).tolist() == [[1.0, -1.0]]
    assert dequantize(quantize(np.float64(3.0), 2)) == 3.0


@pytest.mark.parametrize(("W", "options", "said"), [
    ([1.0], {"bits": 1}, "from 2 to 8: 1"),
    ([1.0], {"bits": 9}, "from 2 to 8: 9"),
    ([1.0], {"bits": 4.5}, "from 2 to 8: 4.5"),
    ([[1.0, np.nan]], {}, r"W\[0, 1\] is nan"),
    ([[1.0], [-np.inf]], {}, r"W\[1, 0\] is -inf"),
    ([1.0], {"axis": 1}, r"axis 1 of an array \(1,\)"),
    (np.ones((2, 6)), {"block": 4}, "block 4 does not divide"),
    (np.ones((2, 6)), {"block": 0}, "block 0"),
    (1.0, {"block": 1}, "block 1"),
    (np.ones((2, 6)), {"block": 3, "axis": 0}, "not both"),
])
def test_what_cannot_be_rounded_is_named(W, options, said):
    with pytest.raises(ValueError, match=said):
        quantize(W, **options)
