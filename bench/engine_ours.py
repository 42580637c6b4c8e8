"""The cases in zerobook, written as a user of the package writes them."""

from bench.engine_cases import sequential, signature
from zerobook import functional as F
from zerobook import nn
from zerobook.models.gpt import GPT, GPTConfig
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


def build(case):
    """The untrained model."""
    if case.kind in ("mlp", "cnn"):
        return sequential(nn, case)
    if case.kind == "lstm":
        return Letters(**case.sizes)
    s = case.sizes
    return GPT(GPTConfig(s["V"], s["T"], s["D"], s["layers"], s["heads"],
                         tie_word_embeddings=False))


def loss(y_hat, y):
    """Cross-entropy of (N, K) or (N, T, V)."""
    return F.cross_entropy(y_hat.reshape(y.size, -1), y.reshape(-1))


def trainer(case, arrays, data, replicas=1, workers=None):
    """A function that takes step number k and returns its loss."""
    model = build(case)
    model.load_state_dict(arrays)
    if case.kind == "writer":
        return writer(model, data[0][0][0], case.sizes["T"])
    if replicas > 1:
        from zerobook.parallel import DataParallel

        model = DataParallel(model, replicas, workers)
    optimizer = Adam(model.parameters())
    return lambda k: train_step(model, loss, data[k % len(data)], optimizer)


def writer(model, first, n_tokens):
    """As `trainer`; a step writes a text, its "loss" tells texts apart."""
    model.eval()

    def step(k):
        text = list(model.generate(first, n_tokens, temperature=0))
        return signature(text)

    return step
