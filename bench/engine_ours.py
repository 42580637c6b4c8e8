"""The cases in zerobook, written as a user of the package writes them."""

import numpy as np

from bench.engine_cases import sequential
from zerobook import functional as F
from zerobook import nn
from zerobook.autograd import no_grad
from zerobook.optim import Adam
from zerobook.training import train_step


class Letters(nn.Module):
    """An LSTM that guesses the next letter."""

    def __init__(self, V, D, **_):
        self.embedding, self.lstm = nn.Embedding(V, D), nn.LSTM(D, D)
        self.head = nn.Linear(D, V)

    def forward(self, X):
        """(N, T) -> (N, T, V)."""
        states, _ = self.lstm(self.embedding(X.T))  # (T, N, D)
        return self.head(states).swapaxes(0, 1)


class Block(nn.Module):
    """Attention and two linear maps, each added to what came in."""

    def __init__(self, D, heads):
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.up, self.down = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def attend(self, x, cache):
        """Causal attention; `cache` holds keys and values of the past."""
        N, T, D = x.shape
        qkv = self.qkv(x).reshape(N, T, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (N, h, T, d) each
        if cache is not None:
            (keys, values), t = cache
            keys[:, :, t : t + T], values[:, :, t : t + T] = k.data, v.data
            k, v = (F.as_tensor(a[:, :, : t + T]) for a in (keys, values))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        return self.out(y.permute(0, 2, 1, 3).reshape(N, T, D))

    def forward(self, x, cache=None):
        """(N, T, D) -> (N, T, D)."""
        x = x + self.attend(self.norm1(x), cache)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    """A small decoder-only Transformer."""

    def __init__(self, V, D, heads, layers, T, **_):
        self.token, self.place = nn.Embedding(V, D), nn.Embedding(T, D)
        self.blocks = nn.ModuleList(Block(D, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, V)

    def forward(self, X, caches=None, t=0):
        """(N, T) -> (N, T, V)."""
        x = self.token(X) + self.place(np.arange(t, t + X.shape[1]))
        for i, block in enumerate(self.blocks):
            x = block(x, caches and (caches[i], t))
        return self.head(self.norm(x))


def build(case):
    """The untrained model."""
    if case.kind in ("mlp", "cnn"):
        return sequential(nn, case)
    return {"lstm": Letters}.get(case.kind, GPT)(**case.sizes)


def loss(y_hat, y):
    """Cross-entropy of (N, K) or (N, T, V)."""
    return F.cross_entropy(y_hat.reshape(y.size, -1), y.reshape(-1))


def trainer(case, arrays, data, replicas=1, workers=None):
    """A function that takes step number k and returns its loss."""
    model = build(case)
    model.load_state_dict(arrays)
    if case.kind == "writer":
        return writer(case, model, data[0][0])
    if replicas > 1:
        from zerobook.training import DataParallel

        model = DataParallel(model, replicas, workers)
    optimizer = Adam(model.parameters())
    return lambda k: train_step(model, loss, data[k % len(data)], optimizer)


def writer(case, model, first):
    """As `trainer`; a step writes a text, its "loss" is the last score."""
    s, model = case.sizes, model.eval()
    shape = 2, 1, s["heads"], s["T"], s["D"] // s["heads"]
    caches = [np.empty(shape, np.float32) for _ in range(s["layers"])]

    def step(k):
        with no_grad():
            letter = first
            for t in range(s["T"]):
                scores = model(letter, caches, t).data[:, -1]
                letter = scores.argmax(axis=-1)[:, None]
        return float(scores.max())

    return step
