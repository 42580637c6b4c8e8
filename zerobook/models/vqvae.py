# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Autoencoders whose hidden choice is a row of symbols."""

import numpy as np
from zerobook import nn
from zerobook.activations import sigmoid
from zerobook.autograd import Tensor, no_grad
from zerobook.functional import as_tensor, binomial_nll
from zerobook.optim import Adam, LambdaLR, warmup_cosine
from zerobook.functional import cross_entropy


# %% 3.2 book/generative/vq_vae.md
class Codebook(nn.Module):
    """A table of vectors for each place; the nearest one is taken.

    Parameters
    ----------
    places, n_codes, width : int
        Places M of an image, entries K of each table, length of an entry.
    decay : float
        Share of the running means that survives a step.
    rng : Generator or int, optional
        Draws the first entries, and new ones for those that nobody chooses.

    Notes
    -----
    Section 3.2; van den Oord, Vinyals and Kavukcuoglu (2017), appendix A.1.
    """

    def __init__(self, places, n_codes, width, decay=0.98, *, rng=None):
        self.rng, self.decay = np.random.default_rng(rng), decay
        shape = places, n_codes, width
        entries = 0.5 * self.rng.standard_normal(shape)
        self.register_buffer("entries", entries.astype(np.float32))
        self.register_buffer("size", np.ones(shape[:2], np.float32))
        self.register_buffer("total", self.entries.copy())

    def choose(self, h):
        """Number of the nearest entry for each place: (N, M, d) -> (N, M)."""
        gaps = ((h[:, :, None] - self.entries) ** 2).sum(axis=-1)  # (N, M, K)
        return gaps.argmin(axis=-1)

    def look_up(self, codes):
        """Entries for symbols: (N, M) -> (N, M, d)."""
        return self.entries[np.arange(self.entries.shape[0]), codes]

    def follow(self, h, codes):
        """Move each entry towards the vectors that chose it."""
        chosen = np.eye(self.size.shape[1], dtype=h.dtype)[codes]  # (N, M, K)
        keep = self.decay
        self.size *= keep
        self.size += (1 - keep) * chosen.sum(axis=0)
        self.total *= keep
        self.total += (1 - keep) * np.einsum("nmk,nmd->mkd", chosen, h)
        for m, k in zip(*np.nonzero(self.size < 0.05)):  # nobody chooses it
            self.total[m, k] = h[self.rng.integers(len(h)), m]
            self.size[m, k] = 1.0
        self.entries[...] = self.total / self.size[:, :, None]

    def forward(self, h):
        """Entries in place of vectors, gradients straight through.

        Parameters
        ----------
        h : Tensor of shape (N, M, d)

        Returns
        -------
        z : Tensor of shape (N, M, d)
        codes : ndarray of int, shape (N, M)
        commitment : Tensor of shape ()
            Squared distance of vectors to their entries, mean over rows.
        """
        codes = self.choose(h.data)
        gap = h - self.look_up(codes)
        z = h - gap.data
        commitment = (gap * gap).sum() * (1 / len(h))
        if self.training:
            self.follow(h.data, codes)
        return z, codes, commitment


# %% 3.2 book/generative/vq_vae.md
class VQVAE(nn.Module):
    """Images as rows of symbols.

    Parameters
    ----------
    places, n_codes, width : int
        Symbols of an image, size of their alphabet, length of an entry.
    hidden : int
        Width of the hidden layers of encoder and decoder.
    n_pixels, levels : int
        As for `VAE`: pixels are counts from 0 to `levels`.
    rng : Generator or int, optional

    Notes
    -----
    Section 3.2; van den Oord, Vinyals and Kavukcuoglu (2017).
    """

    def __init__(self, places=8, n_codes=16, width=4, hidden=256, *,
                 n_pixels=64, levels=16, rng=None):
        rng, H = np.random.default_rng(rng), hidden
        self.places, self.n_codes, self.width = places, n_codes, width
        self.n_pixels, self.levels = n_pixels, levels
        flat = places * width
        self.encoder = nn.mlp([n_pixels, H, H, flat], rng=rng)
        self.decoder = nn.mlp([flat, H, H, n_pixels], rng=rng)
        self.codebook = Codebook(places, n_codes, width, rng=rng)

    def terms(self, x):
        """Surprise at images (N, D) in nats an image, and commitment."""
        h = self.encoder(as_tensor(x)).reshape(len(x), self.places, self.width)
        z, _, commitment = self.codebook(h)
        logits = self.decoder(z.reshape(len(x), -1))
        return binomial_nll(logits, x, self.levels), commitment

    def encode(self, x):
        """The symbols of images: (N, D) -> ndarray of int (N, M)."""
        x = np.asarray(x, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.n_pixels:
            raise ValueError(f"images {x.shape}: want (N, {self.n_pixels})")
        with no_grad():
            h = self.encoder(Tensor(x)).data
        return self.codebook.choose(h.reshape(len(x), self.places, self.width))

    def decode(self, codes):
        """Mean images from 0 to 1 for rows of symbols (N, M)."""
        z = self.codebook.look_up(np.asarray(codes)).reshape(len(codes), -1)
        with no_grad():
            return sigmoid(self.decoder(Tensor(z)).data)


# %% 3.2 book/generative/vq_vae.md
def fit_vqvae(model, X, *, steps=2000, commitment=5.0, lr=2e-3,
              batch_size=64, rng=None):
    """Train a VQ-VAE on the rows of X.

    Parameters
    ----------
    model : VQVAE
    X : ndarray of shape (N, D)
        Pixels from 0 to 1.
    steps, batch_size : int
    commitment : float
        Weight of the distance of vectors to their entries.
    lr : float
    rng : Generator or int, optional
        Draws the batches.

    Returns
    -------
    ndarray of shape (steps,)
        Surprise at each step, nats an image.
    """
    rng, curve = np.random.default_rng(rng), np.empty(steps)
    optimizer = Adam(model.parameters(), lr=lr)
    schedule = LambdaLR(optimizer, warmup_cosine(steps // 30, steps))
    X = np.asarray(X, dtype=np.float32)
    model.train()
    for step in range(steps):
        surprise, apart = model.terms(X[rng.integers(0, len(X), batch_size)])
        optimizer.zero_grad()
        (surprise + apart * commitment).backward()
        optimizer.step()
        schedule.step()
        curve[step] = surprise.item()
    model.eval()
    return curve


# %% 3.2 book/generative/vq_vae.md
class CodePrior(nn.Module):
    """Rows of symbols, each predicted from those before. Section 3.2.

    Parameters
    ----------
    places, n_codes : int
    hidden : int
        Units of the LSTM.
    rng : Generator or int, optional
    """

    def __init__(self, places=8, n_codes=16, hidden=96, *, rng=None):
        rng = np.random.default_rng(rng)
        self.places, self.n_codes = places, n_codes
        self.table = nn.Embedding(places * n_codes + 1, 32, rng=rng)
        self.lstm = nn.LSTM(32, hidden, batch_first=True, rng=rng)
        self.drop = nn.Dropout(0.3, rng=rng)
        self.heads = nn.Linear(hidden, places * n_codes, rng=rng)

    def forward(self, codes):
        """Scores (N, t + 1, K) of the next symbol after each of (N, t)."""
        (N, t), K = codes.shape, self.n_codes
        index = np.zeros((N, t + 1), int)  # 0: nothing written yet
        index[:, 1:] = codes + 1 + K * np.arange(t)
        h, _ = self.lstm(self.table(index))
        scores = self.heads(self.drop(h)).reshape(N, t + 1, -1, K)
        return scores[:, np.arange(t + 1), np.arange(t + 1)]

    def nats(self, codes):
        """Mean surprise at rows of symbols (N, M), nats an image, a Tensor."""
        return cross_entropy(self(codes[:, :-1]), codes) * float(self.places)

    def sample(self, n, *, rng=None):
        """Write n rows of symbols, (n, M)."""
        rng = np.random.default_rng(rng)
        codes = np.zeros((n, 0), int)
        with no_grad():
            for _ in range(self.places):
                scores = self(codes).data[:, -1]  # (n, K)
                noise = rng.gumbel(size=scores.shape)
                codes = np.column_stack([codes, (scores + noise).argmax(axis=1)])
        return codes
