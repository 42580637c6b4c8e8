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
from zerobook.neighbors import nearest
from zerobook.model_selection import KFold, clone
from zerobook.neural_network import MLPClassifier
from zerobook.probability import accuracy_interval


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

    def features(self, X):
        """What the hidden layer makes of images: (N, 64) in 0..1 -> (N, 64)."""
        with no_grad():
            return functional.relu(self.hidden(_pixels(X))).data

    def predict_proba(self, X):
        """Probability of each digit for images in 0..1: (N, 64) -> (N, 10)."""
        with no_grad():
            return functional.softmax(self(_pixels(X))).data

    def predict(self, X):
        """The likeliest digit of each image: (N, 64) -> (N,)."""
        return self.predict_proba(X).argmax(axis=1)


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
def _rows(name, X, least=2):
    """A sample as floats, or an error that says why it is none."""
    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or len(X) < least:
        raise ValueError(
            f"{name} of shape {X.shape}: want (N, D), N >= {least}")
    if not np.isfinite(X).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return X


def _moments(name, X):
    """Mean and covariance of the rows of an array."""
    X = _rows(name, X)
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


# %% 3.6 book/generative/evaluating_generators.md
def _radii(X, k):
    """Distance of each row to the k-th nearest of the others."""
    return nearest(X, X, k + 1)[0][:, -1]  # itself is the nearest


def _covered(X, radii, queries):
    """Share of the queries inside the ball of some row of X."""
    inside = 0
    for row in queries:
        gaps = ((X - row) ** 2).sum(axis=1)
        inside += (gaps <= radii**2).any()
    return float(inside / len(queries))


# %% 3.6 book/generative/evaluating_generators.md
def _pair(real, fake, least=2):
    """Two samples of one width as floats, or an error that says why."""
    real, fake = _rows("real", real, least), _rows("fake", fake, least)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real has {real.shape[1]} columns, fake {fake.shape[1]}")
    return real, fake


# %% 3.6 book/generative/evaluating_generators.md
def precision_recall(real, fake, k=3):
    """Share of fakes that look real, and of reals that could be drawn.

    Parameters
    ----------
    real, fake : array_like of shape (N, D) and (M, D)
        Features of two samples, best of one size: balls shrink as a sample
        grows.
    k : int
        A ball around a row reaches to its k-th nearest companion.

    Returns
    -------
    precision, recall : float
        In 0 .. 1; both 0 for samples far apart. Two samples of the *same*
        distribution do not reach 1, so real against real belongs beside
        them.

    Raises
    ------
    ValueError
        If an array is not (N, D) with more than `k` rows of finite numbers,
        `k` is less than 1, or the widths differ.

    Notes
    -----
    Section 3.6; Kynkäänniemi et al. (2019), equations 1 and 2. A single
    outlier has a large ball, which forgives much; copies of the real rows
    score 1 and 1.

    Examples
    --------
    >>> precision_recall([[0.], [1.], [5.]], [[1.5], [2.], [9.]], k=1)
    (1.0, 0.6666666666666666)
    """
    if k < 1:
        raise ValueError(f"k={k}: 1 or more")
    real, fake = _pair(real, fake, k + 1)
    return (_covered(real, _radii(real, k), fake),
            _covered(fake, _radii(fake, k), real))


# %% 3.6 book/generative/evaluating_generators.md
def nearest_distance(fake, train, test):
    """How near generated rows lie to training rows; new ones score 1.

    Parameters
    ----------
    fake, train, test : array_like of shape (M, D), (N, D) and (L, D)
        Generated rows, those that the generator has learned from, and real
        ones that it has not.

    Returns
    -------
    float
        Median distance of a generated row to the nearest training row, in
        units of the same median for the test rows: 0 for copies, well below
        1 where rows were learned by heart, about 1 for real new rows, above
        it for rows that are new because they are unlike anything.

    Raises
    ------
    ValueError
        If an array is not (N, D) with finite numbers, widths differ, or half
        of the test rows are training rows.

    Notes
    -----
    Section 3.6. A median: it does not see that fewer than half were copied.

    Examples
    --------
    >>> train, test = [[0.0], [10.0]], [[1.0], [12.0], [8.0]]
    >>> nearest_distance([[3.0], [11.0], [10.0]], train, test)
    0.5
    """
    named = {"fake": fake, "train": train, "test": test}
    fake, train, test = (_rows(name, X, 1) for name, X in named.items())
    widths = [X.shape[1] for X in (fake, train, test)]
    if len(set(widths)) > 1:
        raise ValueError("fake, train and test have {}, {} and {} columns"
                         .format(*widths))
    ours, theirs = (np.median(nearest(train, rows, 1)[0])
                    for rows in (fake, test))
    if theirs == 0:
        raise ValueError("half of the test rows stand in train as well")
    return float(ours / theirs)


# %% 3.6 book/generative/evaluating_generators.md
def _told(real, fake, classifier, folds):
    """Rows told rightly out of 2 N, by models that had not seen them."""
    X = np.stack([real, fake], axis=1).reshape(2 * len(real), -1)
    X = (X - X.mean(axis=0)) / (X.std() or 1.0)
    label, right = np.tile([1, 0], len(real)), 0
    for train, test in KFold(folds).split(X):
        model = clone(classifier).fit(X[train], label[train])
        right += int((model.predict(X[test]) == label[test]).sum())
    return right, len(X)


# %% 3.6 book/generative/evaluating_generators.md
def two_sample_accuracy(real, fake, rng=None, *, classifier=None, folds=5):
    """How often a classifier tells generated rows from real ones.

    Parameters
    ----------
    real, fake : array_like of shape (N, D) and (M, D)
        Of the larger sample as many rows are used as the smaller has.
    rng : Generator or int, optional
    classifier : estimator, optional
        `MLPClassifier` with 64 units and early stopping by default.
    folds : int
        Parts, each judged by a model of the others; at least 2.

    Returns
    -------
    accuracy, low, high : float
        Share of rows told rightly and its 95 % interval: 1/2 where nothing
        could be told, 1 where every row was.

    Raises
    ------
    ValueError
        If an array is not (N, D) with `folds` or more rows of finite
        numbers, or the widths differ.

    Notes
    -----
    Section 3.6; Lopez-Paz and Oquab (2017). As sharp as its classifier.
    """
    real, fake = _pair(real, fake, folds)
    rng, n = np.random.default_rng(rng), min(len(real), len(fake))
    if classifier is None:
        classifier = MLPClassifier(
            64, learning_rate_init=0.005, batch_size=32, max_iter=60,
            early_stopping=True, random_state=int(rng.integers(2**31)))
    real, fake = (X[rng.permutation(len(X))[:n]] for X in (real, fake))
    right, asked = _told(real, fake, classifier, folds)
    return right / asked, *accuracy_interval(right, asked)
