# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Layers that read a sequence one step at a time."""

import numpy as np
from zerobook import functional
from zerobook.nn import init
from zerobook.nn.module import Module, Parameter, check_sizes
from zerobook.autograd import stack


# %% 2.2.2 book/deep_learning/recurrent.md
class Recurrent(Module):
    """What RNN, LSTM and GRU share: weights, layout, state. One layer.

    Subclasses say how many `gates` they have and write ``run(x, state)``.
    """

    gates = 1

    def __init__(self, input_size, hidden_size, *, bias=True,
                 batch_first=False, rng=None, dtype=np.float32):
        check_sizes(self, input_size=input_size, hidden_size=hidden_size)
        rng, a = np.random.default_rng(rng), hidden_size ** -0.5
        self.input_size, self.hidden_size = input_size, hidden_size
        self.bias, self.batch_first = bias, batch_first
        columns = self.gates * hidden_size
        shapes = {"weight_ih_l0": (input_size, columns),
                  "weight_hh_l0": (hidden_size, columns)}
        if bias:
            shapes |= {"bias_ih_l0": (columns,), "bias_hh_l0": (columns,)}
        for name, shape in shapes.items():
            weight = Parameter(np.empty(shape, dtype), dtype=dtype)
            setattr(self, name, init.uniform_(weight, -a, a, rng=rng))

    def forward(self, x, state=None):
        """Read a sequence; give the states of all steps, and the last."""
        x = functional.as_tensor(x, self.weight_ih_l0)
        if x.ndim != 3 or x.shape[2] != self.input_size:
            axes = "(N, T, {})" if self.batch_first else "(T, N, {})"
            raise ValueError(f"{type(self).__name__} wants a sequence "
                             f"{axes.format(self.input_size)}, not {x.shape}")
        output, last = self.run(x.swapaxes(0, 1) if self.batch_first else x,
                                state)
        return output.swapaxes(0, 1) if self.batch_first else output, last

    def extra_repr(self):
        """The sizes, and what is not as usual."""
        text = f"{self.input_size}, {self.hidden_size}"
        text += "" if self.bias else ", bias=False"
        return text + ", batch_first=True" * self.batch_first

    def summed_bias(self):
        """The two biases as one, zeros if there are none."""
        if self.bias:
            return self.bias_ih_l0 + self.bias_hh_l0
        zeros = np.zeros(self.weight_hh_l0.shape[1], self.weight_hh_l0.dtype)
        return functional.as_tensor(zeros, self.weight_hh_l0)

    def first_state(self, state, x):
        """A state (1, N, H) without its first axis; zeros if there is none."""
        if state is None:
            state = np.zeros((1, x.shape[1], self.hidden_size), x.dtype)
        state = functional.as_tensor(state, x)
        if state.shape != (1, x.shape[1], self.hidden_size):
            raise ValueError(f"state {state.shape} for {x.shape[1]} sequences, "
                             f"not (1, {x.shape[1]}, {self.hidden_size})")
        return state.reshape(state.shape[1:])


# %% 2.2.2 book/deep_learning/recurrent.md
class RNN(Recurrent):
    """`functional.rnn` with its weights.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    batch_first : bool
        Whether sequences are (N, T, D) instead of (T, N, D).
    rng : Generator or int, optional
        Draws the weights, evenly within ``1 / sqrt(hidden_size)``.
    dtype : dtype

    Notes
    -----
    Section 2.2.2. Called as ``output, h_n = rnn(x, h_0)``; states have the
    shape (1, N, H). `weight_ih_l0` is (in, H), PyTorch's is (H, in).

    Examples
    --------
    >>> output, h_n = RNN(2, 5, rng=0)(np.zeros((7, 3, 2)))
    >>> output.shape, h_n.shape
    ((7, 3, 5), (1, 3, 5))
    """

    def run(self, x, state):
        """All states of a sequence (T, N, D), and the last."""
        h0 = self.first_state(state, x)
        output = functional.rnn(x, self.weight_ih_l0, self.weight_hh_l0,
                                self.summed_bias(), h0)
        return output, output[-1:] if len(x) else h0.reshape(1, *h0.shape)


# %% 2.2.2 book/deep_learning/lstm.md
class LSTM(Recurrent):
    """`functional.lstm` with its weights.

    Parameters
    ----------
    input_size, hidden_size, bias, batch_first, rng, dtype
        As in `RNN`.

    Notes
    -----
    Section 2.2.2. Called as ``output, (h_n, c_n) = lstm(x, (h_0, c_0))``;
    states have the shape (1, N, H). One layer, one direction.

    Examples
    --------
    >>> output, (h_n, c_n) = LSTM(2, 5, rng=0)(np.zeros((7, 3, 2)))
    >>> output.shape, c_n.shape
    ((7, 3, 5), (1, 3, 5))
    """

    gates = 4

    def run(self, x, state):
        """All states of a sequence (T, N, D), and the last two."""
        h0, c0 = (self.first_state(s, x) for s in state or (None, None))
        output, c_n = functional.lstm(
            x, self.weight_ih_l0, self.weight_hh_l0, self.summed_bias(),
            (h0, c0),
        )
        h_n = output[-1] if len(x) else h0
        return output, tuple(s.reshape(1, *s.shape) for s in (h_n, c_n))


# %% 2.2.2 book/deep_learning/lstm.md
class GRU(Recurrent):
    """A gated recurrent unit, stepped on the tape by `functional.gru_step`.

    Arguments, layout and states are those of `RNN`, the weights have three
    blocks of columns. Section 2.2.2; Cho et al. (2014), in PyTorch's form.
    """

    gates = 3

    def run(self, x, state):
        """All states of a sequence (T, N, D), and the last."""
        h, outputs = self.first_state(state, x), []
        weights = self.weight_ih_l0, self.weight_hh_l0
        biases = (self.bias_ih_l0, self.bias_hh_l0) if self.bias else ()
        for t in range(len(x)):
            h = functional.gru_step(x[t], h, *weights, *biases)
            outputs.append(h)
        empty = np.empty((0, *h.shape), h.dtype)
        output = stack(outputs) if outputs else functional.as_tensor(empty, h)
        return output, h.reshape(1, *h.shape)
