# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""How good are generated digits? A judge, and distances between samples."""

import numpy as np
from zerobook import functional, nn
from zerobook.autograd import no_grad
from zerobook.data import DataLoader, TensorDataset
from zerobook.datasets import load_digits
from zerobook.model_selection import train_test_split
from zerobook.optim import AdamW
from zerobook.training import fit


# %% 3.1 book/generative/digit_gan.md
class Judge(nn.Module):
    """Reads 8x8 digits, so that generators can be scored by what it sees.

    An untrained one; `digit_judge` returns it trained.

    Notes
    -----
    Section 3.1. One hidden layer of 64 units, whose outputs are the features
    of the book's Fréchet distances.
    """

    def __init__(self, *, rng=None):
        rng = np.random.default_rng(rng)
        self.hidden = nn.Linear(64, 64, rng=rng)
        self.head = nn.Linear(64, 10, rng=rng)

    def forward(self, x):
        """(N, 64) -> logits (N, 10)."""
        return self.head(functional.relu(self.hidden(x)))


# %% 3.1 book/generative/digit_gan.md
def _pixels(X):
    """Images as rows of 64 numbers from 0 to 1, or an error that says why."""
    X = np.asarray(X, dtype=np.float32)
    if X.ndim < 2 or X[:1].size != 64 * len(X[:1]):
        raise ValueError(f"images of shape {X.shape}: want (N, 64)")
    low, high = (X.min(), X.max()) if X.size else (0.0, 1.0)
    if not (low >= -1e-4 and high <= 1 + 1e-4):  # NaN fails as well
        raise ValueError(f"pixels from {low:.4g} to {high:.4g}: want 0 to 1; "
                         "clip or scale them first")
    return X.reshape(len(X), 64)


def judge_features(self, X):
    """What the hidden layer makes of images: (N, 64) in 0..1 -> (N, 64)."""
    with no_grad():
        return functional.relu(self.hidden(_pixels(X))).data


def judge_predict_proba(self, X):
    """Probability of each digit for images in 0..1: (N, 64) -> (N, 10)."""
    with no_grad():
        return functional.softmax(self(_pixels(X))).data


def judge_predict(self, X):
    """The likeliest digit of each image: (N, 64) -> (N,)."""
    return self.predict_proba(X).argmax(axis=1)


Judge.features, Judge.predict_proba = judge_features, judge_predict_proba
Judge.predict = judge_predict


# %% 3.1 book/generative/digit_gan.md
def digit_judge(rng=0):
    """The judge of the book's generated digits, trained on real ones.

    Parameters
    ----------
    rng : Generator or int
        Distances are comparable between judges of the same seed only.

    Returns
    -------
    Judge
        With ``features(X)``, (N, 64); ``predict_proba(X)``, (N, 10); and
        ``predict(X)``, (N,). `X` holds 8x8 images as (N, 64), or any shape
        of 64 numbers a row, with pixels from 0 to 1.

    Notes
    -----
    Section 3.1. Trained for half a second on the 1347 training rows of
    ``train_test_split(X / 16, y, test_size=0.25, stratify=y, rng=0)`` of
    `load_digits`; reads about 97 % of the 450 others. Needs the extra
    ``data``.
    """
    X, y = load_digits()
    X, y = np.asarray(X / 16, dtype=np.float32), np.asarray(y)
    X, _, y, _ = train_test_split(X, y, test_size=0.25, stratify=y, rng=0)
    rng = np.random.default_rng(rng)
    judge = Judge(rng=rng)
    loader = DataLoader(TensorDataset(X, y), 32, shuffle=True, rng=rng)
    optimizer = AdamW(judge.parameters(), lr=3e-3)
    fit(judge, functional.cross_entropy, loader, optimizer, epochs=60)
    return judge


# %% 3.1 book/generative/digit_gan.md
def _moments(name, X):
    """Mean and covariance of the rows of an array."""
    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or len(X) < 2:
        raise ValueError(f"{name} of shape {X.shape}: want (N, D), N >= 2")
    if not np.isfinite(X).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return X.mean(axis=0), np.cov(X, rowvar=False).reshape(X.shape[1], -1)


def _root(A):
    """Symmetric square root of a covariance matrix."""
    values, Q = np.linalg.eigh(A)
    return (Q * np.sqrt(np.maximum(values, 0))) @ Q.T


# %% 3.1 book/generative/digit_gan.md
def frechet_distance(a, b):
    """How far apart two clouds of points lie, each taken for a Gaussian.

    Parameters
    ----------
    a, b : array_like of shape (N, D) and (M, D)
        Features of two samples, for digits those of `digit_judge`.

    Returns
    -------
    float
        In squared units of the features: 0 where means and covariances
        agree. Two finite samples of the *same* distribution are above 0,
        the more so the smaller they are, so a score needs real against real
        beside it.

    Raises
    ------
    ValueError
        If an array is not (N, D) with at least two rows of finite numbers,
        or the widths differ.

    Notes
    -----
    Derived in section 3.1; Heusel et al. (2017), equation 6, there with the
    features of an Inception network. Sees means and covariances, nothing
    else: not whether images were memorised, not whether they can be read.

    Examples
    --------
    >>> round(frechet_distance([[-1.0], [1.0]], [[2.0], [6.0]]), 6)
    18.0
    """
    (mean_a, cov_a), (mean_b, cov_b) = _moments("a", a), _moments("b", b)
    if len(mean_a) != len(mean_b):
        raise ValueError(f"a has {len(mean_a)} columns, b {len(mean_b)}")
    root = _root(cov_a)
    mixed = np.linalg.eigvalsh(root @ cov_b @ root)
    cross = np.sqrt(np.maximum(mixed, 0)).sum()
    gap = ((mean_a - mean_b) ** 2).sum()
    distance = gap + np.trace(cov_a) + np.trace(cov_b) - 2 * cross
    return float(max(distance, 0.0))
