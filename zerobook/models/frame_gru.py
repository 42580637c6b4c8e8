# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""A recurrent network over frames: several voices at each step."""

import numpy as np
from zerobook import functional
from zerobook.nn import GRU, Embedding, Linear, Module, ModuleList
from zerobook.autograd import no_grad
from zerobook.activations import softmax


# %% 4.1.3 book/practice/four_voices.md
class FrameGRU(Module):
    """A GRU over frames, with a head for each voice that sees those above.

    Parameters
    ----------
    n_symbols : int
        Symbols of a voice; `n_symbols` itself may stand in what is read, as
        a start.
    n_voices, hidden, width : int
        Voices of a frame; sizes of the state and of the heads' layer.
    rng : Generator or int, optional

    Notes
    -----
    Section 4.1.3. A know-nothing model loses ``log(n_symbols + 1)`` nats on
    each voice.

    Examples
    --------
    >>> model = FrameGRU(5, n_voices=2, hidden=8, width=8, rng=0)
    >>> model.loss(np.ones((3, 4, 2), int)).shape
    ()
    """

    def __init__(self, n_symbols, n_voices=4, *, hidden=192, width=96,
                 rng=None):
        rng = np.random.default_rng(rng)
        self.n_symbols, self.n_voices = n_symbols, n_voices
        V = n_symbols + 1
        self.table = Embedding(n_voices * V, width, rng=rng)
        self.gru = GRU(width, hidden, batch_first=True, rng=rng)
        self.heads = ModuleList(Linear(hidden, width, rng=rng)
                                for _ in range(n_voices))
        self.above = ModuleList(Embedding(v * V, width, rng=rng)
                                for v in range(1, n_voices))
        self.outputs = ModuleList(Linear(width, V, rng=rng)
                                  for _ in range(n_voices))

    def read(self, frames, state=None):
        """States after each frame, and the last: (N, T, V) -> (N, T, H)."""
        index = self.checked(frames) + self.offsets(self.n_voices)
        return self.gru(self.table(index).sum(axis=2), state)

    def offsets(self, n):
        """Where the rows of each of `n` voices begin in a table."""
        return np.arange(n) * (self.n_symbols + 1)

    def checked(self, frames):
        """Frames as an array of int; ValueError for what does not fit."""
        frames = np.asarray(frames)
        if (frames.ndim != 3 or frames.shape[2] != self.n_voices
                or frames.dtype.kind not in "iu"):
            raise ValueError(f"frames {frames.dtype} of shape {frames.shape}: "
                             f"want whole numbers (N, T, {self.n_voices})")
        if frames.size and not 0 <= frames.min() <= frames.max() <= self.n_symbols:
            raise ValueError(f"symbols {frames.min()} .. {frames.max()} do not "
                             f"lie in 0 .. {self.n_symbols}")
        return frames

    def logits(self, h, above, v):
        """Scores of voice `v` from states and the voices above it.

        `h` is (..., H), `above` an array of int (..., v).
        """
        z = self.heads[v](h)
        if v:
            z = z + self.above[v - 1](above + self.offsets(v)).sum(axis=-2)
        return self.outputs[v](functional.tanh(z))

    def loss(self, frames):
        """Mean surprise at the voices of all frames but the first, in nats."""
        h, _ = self.read(frames[:, :-1])
        next_frames, total = frames[:, 1:], 0.0
        for v in range(self.n_voices):
            z = self.logits(h, next_frames[..., :v], v)
            z = z.reshape(-1, self.n_symbols + 1)
            y = next_frames[..., v].reshape(-1)
            total = total + functional.cross_entropy(z, y)
        return total * (1 / self.n_voices)

    def sample(self, start, length=None, *, rng, given=None, temperature=1.0):
        """Draw frames one after the other, without those of `start`.

        Parameters
        ----------
        start : ndarray of int, shape (T0, V)
            Frames to go on from, at least one.
        length : int, optional
            Frames to draw; that of `given` if it is left out.
        given : ndarray of int, shape (length,), optional
            Symbols of the first voice, which is then not drawn.
        temperature : float
            Below 1 the likely becomes likelier.

        Returns
        -------
        ndarray of int, shape (length, V)
        """
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        if given is not None and length not in (None, len(given)):
            raise ValueError(f"length {length}, but {len(given)} given symbols")
        length = len(given) if given is not None else length
        if length is None:
            raise ValueError("say a length, or give the first voice")
        rng, drawn = np.random.default_rng(rng), []
        with no_grad():
            h, state = self.read(np.asarray(start)[None])
            for t in range(length):
                frame = [] if given is None else [int(given[t])]
                for v in range(len(frame), self.n_voices):
                    z = self.logits(h[:, -1], np.array([frame], int), v).data[0]
                    p = softmax(z[:-1].astype(float) / temperature)
                    frame.append(int(rng.choice(len(p), p=p)))
                drawn.append(frame)
                h, state = self.read(np.array([[frame]]), state)
        return np.array(drawn, int).reshape(-1, self.n_voices)
