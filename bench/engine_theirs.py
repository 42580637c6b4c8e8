"""The cases in PyTorch, written as its users write them."""

import torch
from torch import nn
from torch.nn import functional as F

from bench.engine_cases import sequential, signature


class Letters(nn.Module):
    """An LSTM that guesses the next letter."""

    def __init__(self, V, D, **_):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(V, D), nn.LSTM(D, D)
        self.head = nn.Linear(D, V)

    def forward(self, X):
        """(N, T) -> (N, T, V)."""
        states, _ = self.lstm(self.embedding(X.T))
        return self.head(states).transpose(0, 1)


class LookBack(nn.Module):
    """Causal attention; `cache` holds keys and values of the past."""

    def __init__(self, D, heads):
        super().__init__()
        self.heads = heads
        self.c_attn, self.c_proj = nn.Linear(D, 3 * D), nn.Linear(D, D)

    def forward(self, x, cache=None):
        """(N, T, D) -> (N, T, D)."""
        N, T, D = x.shape
        qkv = self.c_attn(x).view(N, T, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if cache is not None:
            (keys, values), t = cache
            keys[:, :, t : t + T], values[:, :, t : t + T] = k, v
            k, v = keys[:, :, : t + T], values[:, :, : t + T]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        return self.c_proj(y.transpose(1, 2).reshape(N, T, D))


class Think(nn.Module):
    """Two linear maps with a GELU between."""

    def __init__(self, D, gelu):
        super().__init__()
        self.gelu = gelu
        self.c_fc, self.c_proj = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def forward(self, x):
        """(N, T, D) -> (N, T, D)."""
        return self.c_proj(F.gelu(self.c_fc(x), approximate=self.gelu))


class Block(nn.Module):
    """Attention and two linear maps, each added to what came in."""

    def __init__(self, D, heads, gelu):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.attn, self.mlp = LookBack(D, heads), Think(D, gelu)

    def forward(self, x, cache=None):
        """(N, T, D) -> (N, T, D)."""
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """A small decoder-only Transformer, its parts named as GPT-2's."""

    def __init__(self, V, D, heads, layers, T, gelu="tanh", **_):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, D), nn.Embedding(T, D)
        self.h = nn.ModuleList(Block(D, heads, gelu) for _ in range(layers))
        self.ln_f = nn.LayerNorm(D)
        self.lm_head = nn.Linear(D, V, bias=False)

    def forward(self, X, caches=None, t=0):
        """(N, T) -> (N, T, V)."""
        x = self.wte(X) + self.wpe(torch.arange(t, t + X.shape[1]))
        for i, block in enumerate(self.h):
            x = block(x, caches and (caches[i], t))
        return self.lm_head(self.ln_f(x))


def build(case, gelu="tanh"):
    """The untrained model."""
    if case.kind in ("mlp", "cnn"):
        return sequential(nn, case)
    s = case.sizes
    return Letters(**s) if case.kind == "lstm" else GPT(gelu=gelu, **s)


def transposed(name, array):
    """An array of zerobook's as PyTorch stores it."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    table = name.startswith(("embedding", "wte", "wpe"))
    return array.T if array.ndim == 2 and not table else array


def loss(y_hat, y):
    """Cross-entropy of (N, K) or (N, T, V)."""
    return F.cross_entropy(y_hat.reshape(y.numel(), -1), y.reshape(-1))


def trainer(case, arrays, data, fused=False, gelu="tanh"):
    """A function that takes step number k and returns its loss."""
    model = build(case, gelu)
    model.load_state_dict({
        name: torch.tensor(transposed(name, array))
        for name, array in arrays.items()
    })
    if case.kind == "writer":
        return writer(case, model, torch.tensor(data[0][0]))
    data = [tuple(map(torch.tensor, batch)) for batch in data]
    optimizer = torch.optim.Adam(model.parameters(), fused=fused or None)

    def step(k):
        X, y = data[k % len(data)]
        optimizer.zero_grad()
        value = loss(model(X), y)
        value.backward()
        optimizer.step()
        return value.item()

    return step


def writer(case, model, first):
    """As `trainer`; a step writes a text, its "loss" tells texts apart."""
    s, model = case.sizes, model.eval()
    shape = 2, 1, s["heads"], s["T"], s["D"] // s["heads"]
    caches = [torch.empty(shape) for _ in range(s["layers"])]

    def step(k):
        with torch.no_grad():
            letter, text = first, []
            for t in range(s["T"]):
                scores = model(letter, caches, t)[:, -1]
                letter = scores.argmax(dim=-1)[:, None]
                text.append(letter.item())
        return signature(text)

    return step
