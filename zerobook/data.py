# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Data sets, and loaders that hand them out in batches."""

import operator
import numpy as np
from zerobook.autograd import Tensor


# %% 2.1.2 book/deep_learning/training.md
def as_array(x, name):
    """A number, an array, a list or a Tensor as an array of one type."""
    try:
        array = np.asarray(x.data if isinstance(x, Tensor) else x)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if array.dtype.kind == "O":
        raise TypeError(f"{name} is of type {type(x).__name__}, no array")
    return array


# %% 2.1.2 book/deep_learning/training.md
def collate(rows, names=None):
    """Rows as one batch: tuples and dicts part by part, the rest stacked.

    Parameters
    ----------
    rows : list
        Rows of one form: tuples, dicts, or what can be an array.
    names : list of str, optional
        What error messages call them.

    Raises
    ------
    ValueError, TypeError
        Names the first row that does not fit row 0, or is no array.

    Notes
    -----
    Section 2.1.2.
    """
    names = names or [f"row {i}" for i in range(len(rows))]
    first = rows[0]
    if not isinstance(first, tuple | dict):
        arrays = [as_array(*pair) for pair in zip(rows, names)]
        for array, name in zip(arrays, names):
            if array.shape != arrays[0].shape:
                raise ValueError(f"{name} has shape {array.shape}, {names[0]} "
                                 f"has {arrays[0].shape}: see pad_rows")
        return np.stack(arrays)
    for row, name in zip(rows, names):
        if type(row) is not type(first) or len(row) != len(first):
            raise ValueError(f"{name} is no {type(first).__name__} of "
                             f"{len(first)} parts, as {names[0]} is")
    keys = first if isinstance(first, dict) else range(len(first))
    parts = {key: collate([row[key] for row in rows],
                          [f"{name}[{key!r}]" for name in names])
             for key in keys}
    return parts if isinstance(first, dict) else tuple(parts.values())


# %% 2.1.2 book/deep_learning/training.md
class Dataset:
    """A row at a time: subclasses write ``__len__`` and ``__getitem__``.

    Notes
    -----
    Section 2.1.2.
    """

    def __len__(self):
        raise NotImplementedError

    def __getitem__(self, i):
        raise NotImplementedError

    def __getitems__(self, rows):
        """Many rows at once, as one batch."""
        return stacked(self, rows)


def stacked(dataset, rows):
    """Rows of a data set, asked for one by one, as one batch."""
    found = [dataset[int(i)] for i in rows]
    found = [tuple(row) if isinstance(row, list) else row for row in found]
    return collate(found, [f"row {i}" for i in rows])


# %% 2.1.2 book/deep_learning/training.md
class TensorDataset(Dataset):
    """Arrays of equal length, a row of each at a time."""

    def __init__(self, *arrays):
        self.arrays = tuple(as_array(a, f"array {i}")
                            for i, a in enumerate(arrays))
        lengths = [len(a) if a.ndim else "none" for a in self.arrays]
        if len(set(lengths)) != 1 or "none" in lengths:
            raise ValueError(f"arrays of lengths {lengths}")

    def __len__(self):
        return len(self.arrays[0])

    def __getitem__(self, i):
        return tuple(a[i] for a in self.arrays)

    __getitems__ = __getitem__


# %% 2.1.2 book/deep_learning/training.md
def _with_rows(dataset):
    """The array of a Tensor, any other data set as it is."""
    if isinstance(dataset, Tensor):
        dataset = dataset.data
    if not hasattr(dataset, "__getitem__") or isinstance(dataset, dict):
        raise TypeError("a data set has a length and rows, "
                        f"{type(dataset).__name__} has not")
    return dataset


# %% 2.1.2 book/deep_learning/training.md
class DataLoader:
    """Batches of a data set (2.1.2), for ``for X, y in loader``.

    Parameters
    ----------
    dataset : Dataset, ndarray, Tensor, or anything with length and rows
    batch_size : int
    shuffle : bool, a new order in each pass
    rng : Generator or int, optional
        Seeds the loader's own generator.
    drop_last : bool, leave out a last batch that is not full
    collate_fn : callable, optional
        Makes a batch of a list of rows, instead of `collate`.
    transform : callable, optional
        Gets every batch; what it returns is handed out instead.
    """

    def __init__(self, dataset, batch_size=1, shuffle=False, *, rng=None,
                 drop_last=False, collate_fn=None, transform=None):
        if operator.index(batch_size) < 1:
            raise ValueError(f"batch_size must be 1 or more: {batch_size}")
        if isinstance(rng, np.random.Generator):
            rng = int(rng.integers(2**63))
        self.dataset, self.batch_size = _with_rows(dataset), batch_size
        self.collate_fn, self.transform = collate_fn, transform
        self.shuffle, self.drop_last = shuffle, drop_last
        self.rng = np.random.default_rng(rng)
        self.start = self.rng.bit_generator.state
        self.batch = self.skip = 0

    def __len__(self):
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self):
        first, self.skip = self.skip, 0
        self.start = self.rng.bit_generator.state
        n = len(self.dataset)
        order = self.rng.permutation(n) if self.shuffle else np.arange(n)
        for k in range(first, len(self)):
            self.batch = k + 1
            rows = order[k * self.batch_size : (k + 1) * self.batch_size]
            batch = self.batch_of(rows)
            yield self.transform(batch) if self.transform else batch
        self.start, self.batch = self.rng.bit_generator.state, 0

    def batch_of(self, rows):
        """The rows with these numbers, as one batch."""
        if self.collate_fn:
            return self.collate_fn([self.dataset[int(i)] for i in rows])
        if isinstance(self.dataset, np.ndarray):
            return self.dataset[rows]
        many = getattr(self.dataset, "__getitems__", None)
        return many(rows) if many else stacked(self.dataset, rows)

    def state_dict(self):
        """Where the loader stands: its generator, and batches handed out."""
        return {"rng": self.start, "batch": self.batch}

    def load_state_dict(self, state):
        """Go on with the batch after the one where another loader stood."""
        rng, batch = np.random.default_rng(), operator.index(state["batch"])
        rng.bit_generator.state = state["rng"]  # refuses what is none
        if not 0 <= batch <= len(self):
            raise ValueError(f"batch {batch} of a loader with {len(self)}")
        self.rng, self.start = rng, state["rng"]
        self.batch = self.skip = batch


# %% 2.1.2 book/deep_learning/training.md
def pad_rows(rows, value=0, length=None):
    """Rows of several lengths as one array, filled up at their ends.

    Parameters
    ----------
    rows : list of array_like of shape (T_i,)
        Tokens, for instance.
    value : number
        What stands after a row's end.
    length : int, optional
        Columns T; by default those of the longest row.

    Returns
    -------
    padded : ndarray of shape (N, T)
    mask : ndarray of bool, shape (N, T)
        True where a row's own entries stand (BERT's `attention_mask`; turn
        it round for a `key_padding_mask`).

    Notes
    -----
    Section 2.1.2.

    Examples
    --------
    >>> ids, mask = pad_rows([[5, 6, 7], [8]])
    >>> ids.tolist(), mask.astype(int).tolist()
    ([[5, 6, 7], [8, 0, 0]], [[1, 1, 1], [1, 0, 0]])
    """
    arrays = [as_array(row, f"row {i}") for i, row in enumerate(rows)]
    sizes = np.array([a.size for a in arrays], int)
    longest = sizes.max(initial=0) if length is None else length
    for i, a in enumerate(arrays):
        if a.ndim != 1 or a.size > longest:
            raise ValueError(f"row {i} of shape {a.shape}: rows have one axis "
                             f"and at most {longest} entries")
    mask = np.arange(longest) < sizes[:, None]  # (N, T)
    filled = [a for a in arrays if a.size]
    out = np.full(mask.shape, value, np.result_type(*filled, type(value)))
    out[mask] = np.concatenate([*filled, []]) if filled else []
    return out, mask


# %% 3.3 book/generative/gpt.md
class TextWindows(Dataset):
    """Pieces of a long text, and the same pieces one token later.

    Parameters
    ----------
    ids : ndarray of int, shape (n,)
        The text as tokens.
    length : int
        Tokens T of a piece.
    stride : int
        Tokens from one beginning to the next; every place by default.

    Raises
    ------
    ValueError
        If the text is shorter than one piece and its next token.

    Notes
    -----
    Section 3.3.

    Examples
    --------
    >>> windows = TextWindows(np.array([3, 1, 4, 1, 5]), 3)
    >>> x, y = windows[np.array([0, 1])]
    >>> x.tolist(), y.tolist()
    ([[3, 1, 4], [1, 4, 1]], [[1, 4, 1], [4, 1, 5]])
    """

    def __init__(self, ids, length, stride=1):
        self.ids, self.length, self.stride = np.asarray(ids), length, stride
        if len(self.ids) <= length:
            raise ValueError(f"a text of {len(self.ids)} tokens; a piece and "
                             f"the token after it need {length + 1}")

    def __len__(self):
        return (len(self.ids) - self.length - 1) // self.stride + 1

    def __getitem__(self, rows):
        starts = np.asarray(rows)[..., None] * self.stride
        piece = self.ids[starts + np.arange(self.length + 1)]
        return piece[..., :-1], piece[..., 1:]

    __getitems__ = __getitem__
