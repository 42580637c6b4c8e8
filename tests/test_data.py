"""Loaders: every row once, and an order that can be taken up again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook.autograd import Tensor
from zerobook.data import DataLoader, Dataset, TensorDataset, pad_rows


def passes(loader, n):
    return [[b.tolist() for (b,) in loader] for _ in range(n)]


@given(n=st.integers(0, 20), size=st.integers(1, 7), drop=st.booleans(),
       shuffle=st.booleans())
def test_every_row_is_dealt_once(n, size, drop, shuffle):
    loader = DataLoader(TensorDataset(np.arange(n)), size, shuffle, rng=0,
                        drop_last=drop)
    batches = passes(loader, 1)[0]
    assert len(batches) == len(loader)
    rows = [i for batch in batches for i in batch]
    assert len(set(rows)) == len(rows) == (n // size * size if drop else n)
    if not shuffle:
        assert rows == sorted(rows)


@given(dealt=st.integers(0, 9), shuffle=st.booleans())
def test_another_loader_goes_on_anywhere(dealt, shuffle):
    def fresh(rng):
        return DataLoader(TensorDataset(np.arange(10)), 4, shuffle, rng=rng)

    whole = [b for p in passes(fresh(1), 4) for b in p]
    loader, seen = fresh(1), []
    while len(seen) < dealt:
        for (batch,) in loader:
            seen.append(batch.tolist())
            if len(seen) == dealt:
                break
    state = loader.state_dict()  # after a break: the pass is unfinished
    other = fresh(2)
    other.load_state_dict(state)
    rest = [b for p in passes(other, 2) for b in p]
    assert (seen + rest)[: len(whole)] == whole[: len(seen + rest)]


def test_a_pass_that_was_broken_off_begins_anew():
    loader = DataLoader(TensorDataset(np.arange(10)), 4, True, rng=0)
    for _ in loader:
        break
    assert sum(len(b) for (b,) in loader) == 10


def test_the_order_does_not_depend_on_what_else_is_drawn():
    rng = np.random.default_rng(0)
    loader = DataLoader(TensorDataset(np.arange(10)), 4, True, rng=rng)
    rng.random(5)
    same = DataLoader(TensorDataset(np.arange(10)), 4, True,
                      rng=np.random.default_rng(0))
    assert passes(loader, 2) == passes(same, 2)


def test_a_dataset_of_single_rows_is_stacked():
    class Squares(Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return np.array([i, i * i]), i

    (X, y), _ = DataLoader(Squares(), 3)
    assert X.tolist() == [[0, 0], [1, 1], [2, 4]] and y.tolist() == [0, 1, 2]


def test_arrays_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        TensorDataset(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="batch_size"):
        DataLoader(TensorDataset(np.ones(2)), 0)


# Kind: anything with a length and rows, its rows of any form.
@pytest.mark.parametrize("rows, first", [
    (np.arange(6.0).reshape(3, 2), [[0, 1], [2, 3]]),
    (Tensor([[0.0, 1], [2, 3], [4, 5]]), [[0, 1], [2, 3]]),
    ([np.arange(2.0), np.arange(2.0) + 2], [[0, 1], [2, 3]]),
    ([Tensor([0.0, 1]), Tensor([2.0, 3])], [[0, 1], [2, 3]]),
    ([0, 1, 2], [0, 1]),
])
def test_rows_that_are_one_thing_become_one_array(rows, first):
    batch = next(iter(DataLoader(rows, 2)))
    assert isinstance(batch, np.ndarray) and batch.tolist() == first


def test_rows_of_parts_become_parts():
    pairs = [(Tensor([1.0, 2.0]), 0), (np.array([3.0, 4.0]), 1)]
    X, y = next(iter(DataLoader(pairs, 2)))
    assert X.tolist() == [[1, 2], [3, 4]] and y.tolist() == [0, 1]
    table = [{"x": [1, 2], "y": 0}, {"x": [3, 4], "y": 1}]
    batch = next(iter(DataLoader(table, 2, transform=lambda b: b["x"])))
    assert batch.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("rows, words", [
    ([([1, 2], 0), ([1], 1)], "row 1"), ([(1, 2), (1,)], "row 1"),
    ([None, 1], "row 0"), ([1, None], "row 1"), ([{"a": 1}, {}], "row 1"),
])
def test_a_row_that_does_not_fit_is_named(rows, words):
    with pytest.raises((ValueError, TypeError), match=words):
        next(iter(DataLoader(rows, 2)))


def test_short_rows_are_filled_up():
    ids, mask = pad_rows([[1, 2], [], np.array([3])], value=9, length=3)
    assert ids.tolist() == [[1, 2, 9], [9, 9, 9], [3, 9, 9]]
    assert mask.sum(axis=1).tolist() == [2, 0, 1] and ids.dtype.kind == "i"
    with pytest.raises(ValueError, match="row 1"):
        pad_rows([[1], [1, 2]], length=1)
