"""Pieces of rows, and arrays that begin where a cache line begins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from zerobook.autograd import Tensor
from zerobook.memory import aligned_empty, aligned_zeros, chunks
from zerobook.nn import Linear
from zerobook.optim import Adam


@given(st.integers(0, 500), st.integers(0, 60), st.integers(1, 900))
def test_chunks_hold_every_row_once_and_no_more_than_there_is_room_for(
    n, size, room
):
    rows, pieces = np.arange(n), chunks(n, size, room)
    assert [*rows[:0], *(i for p in pieces for i in rows[p])] == [*rows]
    for piece in pieces:
        assert len(rows[piece]) * size <= room or len(rows[piece]) == 1


@given(array_shapes(min_dims=1, max_dims=4, max_side=9),
       st.sampled_from(["float32", "float64", "int8", "complex128"]))
def test_an_aligned_array_is_an_array_like_any_other(shape, dtype):
    array, zeros = aligned_empty(shape, dtype), aligned_zeros(shape, dtype)
    for a in (array, zeros):
        assert a.shape == shape and a.dtype == dtype
        assert a.flags.c_contiguous and a.flags.writeable
        assert a.ctypes.data % 64 == 0
    assert not zeros.any() and not np.may_share_memory(array, zeros)
    array[...] = 3
    assert (array + zeros == 3).all()


def test_an_empty_shape_and_another_line():
    assert aligned_empty((3, 0)).shape == (3, 0)
    assert aligned_empty(()).shape == ()
    assert aligned_empty((5,), line=4096).ctypes.data % 4096 == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_long_arrays_of_an_optimiser_begin_at_a_line(dtype):
    net = Linear(7, 3, rng=0, dtype=dtype)
    optimizer = Adam(net.parameters())
    flat = optimizer.flat[0]
    long = flat.data, flat.grad, flat.scratch, *optimizer.state[0].values()
    assert len(long) == 5
    assert all(a.ctypes.data % 64 == 0 for a in long)
    assert np.shares_memory(net.weight.data, flat.data)


def test_a_parameter_that_left_the_row_is_fetched_back():
    net = Linear(2, 2, rng=0)
    optimizer = Adam(net.parameters(), lr=0.5)
    net.weight.data = np.ones((2, 2), np.float32)
    (net(Tensor(np.ones((1, 2)))) * 1.0).sum().backward()
    optimizer.step()
    assert np.allclose(net.weight.data, 0.5)
    assert np.shares_memory(net.weight.data, optimizer.flat[0].data)
