# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Data sets, and loaders that hand them out in batches."""

import numpy as np


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
        """Many rows at once, column by column."""
        columns = zip(*(self[int(i)] for i in rows))
        return tuple(np.stack(column) for column in columns)


class TensorDataset(Dataset):
    """Arrays of equal length, a row of each at a time."""

    def __init__(self, *arrays):
        self.arrays = tuple(getattr(a, "data", a) if not isinstance(
            a, np.ndarray) else a for a in arrays)
        lengths = [len(a) for a in self.arrays]
        if len(set(lengths)) != 1:
            raise ValueError(f"arrays of lengths {lengths}")

    def __len__(self):
        return len(self.arrays[0])

    def __getitem__(self, i):
        return tuple(a[i] for a in self.arrays)

    __getitems__ = __getitem__


# %% 2.1.2 book/deep_learning/training.md
class DataLoader:
    """Batches of a data set, for ``for X, y in loader``.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int
    shuffle : bool
        A new order in each pass.
    rng : Generator or int, optional
        Seeds the loader's own generator.
    drop_last : bool
        Leave out a last batch that is not full.

    Notes
    -----
    Section 2.1.2.
    """

    def __init__(self, dataset, batch_size=1, shuffle=False, *, rng=None,
                 drop_last=False):
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more: {batch_size}")
        if isinstance(rng, np.random.Generator):
            rng = int(rng.integers(2**63))
        self.dataset, self.batch_size = dataset, batch_size
        self.shuffle, self.drop_last = shuffle, drop_last
        self.rng = np.random.default_rng(rng)
        self.start, self.batch = self.rng.bit_generator.state, 0
        self.skip = 0

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
            yield self.dataset.__getitems__(rows)
        self.start, self.batch = self.rng.bit_generator.state, 0


# %% 2.1.2 book/deep_learning/training.md
def loader_state_dict(self):
    """Where the loader stands: its generator, and batches handed out."""
    return {"rng": self.start, "batch": self.batch}


def loader_load_state_dict(self, state):
    """Go on with the batch after the one where another loader stood."""
    self.start, self.batch = state["rng"], state["batch"]
    self.rng.bit_generator.state = self.start
    self.skip = self.batch


DataLoader.state_dict = loader_state_dict
DataLoader.load_state_dict = loader_load_state_dict


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
