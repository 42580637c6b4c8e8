# Generated from book/ by `zerobook tangle`. Edit the chapter, not this file.
"""Data sets: installed ones, made ones, and MNIST for whoever wants more."""

import numpy as np

# %% given book/given/datasets.md
def _sklearn_set(name, as_bunch):
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            f"load_{name} reads scikit-learn's copy: "
            "pip install 'zerobook[data]'"
        ) from error
    bunch = getattr(datasets, f"load_{name}")()
    return bunch if as_bunch else (bunch.data, bunch.target)


# %% given book/given/datasets.md
def load_digits(*, as_bunch=False):
    """1797 handwritten digits, 8x8 pixels with values 0 to 16, 10 classes.

    Rows come writer by writer: a split by file order is harder than a random
    one. Returns ``(X, y)``, shapes (1797, 64) and (1797,), or scikit-learn's
    bunch with names and a description. Guessing scores 0.10.
    """
    return _sklearn_set("digits", as_bunch)


def load_iris(*, as_bunch=False):
    """150 irises, four lengths in centimetres, three species.

    Returns ``(X, y)``, shapes (150, 4) and (150,). Guessing scores 0.33.
    """
    return _sklearn_set("iris", as_bunch)


def load_wine(*, as_bunch=False):
    """178 wines, 13 chemical measurements, three growers.

    Returns ``(X, y)``, shapes (178, 13) and (178,). The largest class scores
    0.40.
    """
    return _sklearn_set("wine", as_bunch)


# %% given book/given/datasets.md
def load_breast_cancer(*, as_bunch=False):
    """569 biopsies, 30 measurements of cell nuclei, 0 malignant, 1 benign.

    Returns ``(X, y)``, shapes (569, 30) and (569,). Always saying benign
    scores 0.63.
    """
    return _sklearn_set("breast_cancer", as_bunch)


def load_diabetes(*, as_bunch=False):
    """442 patients, ten measurements, progression of diabetes a year later.

    Returns ``(X, y)``, shapes (442, 10) and (442,). The columns of `X` are
    centred and have length one; `y` runs from 25 to 346. Predicting the mean
    has an R² of zero.
    """
    return _sklearn_set("diabetes", as_bunch)


# %% given book/given/datasets.md
def make_moons(n_samples=200, *, noise=0.1, rng=0):
    """Two half circles that interlock: no line separates them.

    Returns ``(X, y)``, shapes (N, 2) and (N,), classes 0 and 1, shuffled.
    """
    rng = np.random.default_rng(rng)
    y = _balanced(n_samples, 2, rng)
    t = rng.uniform(0, np.pi, n_samples)
    x1 = np.where(y == 0, np.cos(t), 1 - np.cos(t))
    x2 = np.where(y == 0, np.sin(t), 0.5 - np.sin(t))
    X = np.column_stack([x1, x2])
    return X + noise * rng.standard_normal(X.shape), y


def _balanced(n, n_classes, rng):
    return rng.permutation(np.arange(n) % n_classes)


# %% given book/given/datasets.md
def make_spirals(n_samples=300, *, n_classes=2, turns=1.0, noise=0.05, rng=0):
    """Spiral arms around the origin, one class each, radius up to one."""
    rng = np.random.default_rng(rng)
    y = _balanced(n_samples, n_classes, rng)
    r = np.sqrt(rng.uniform(0.02, 1, n_samples))
    angle = 2 * np.pi * (turns * r + y / n_classes)
    X = r[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + noise * rng.standard_normal((n_samples, 2)), y


def make_xor(n_samples=200, *, noise=0.15, rng=0):
    """Four clouds at the corners of a square; equal corners are class 0."""
    rng = np.random.default_rng(rng)
    corner = _balanced(n_samples, 4, rng)
    bits = np.column_stack([corner // 2, corner % 2])
    X = bits + noise * rng.standard_normal((n_samples, 2))
    return X, bits[:, 0] ^ bits[:, 1]


# %% given book/given/datasets.md
def make_blobs(
    n_samples=200, *, n_features=2, centers=3, cluster_std=1.0, rng=0
):
    """Round Gaussian clouds, as many as `centers`, one class each.

    Returns ``(X, y)``. The clouds' centres are uniform in a cube from -10 to
    10, or given: `centers` may be an array of shape (K, D).
    """
    rng = np.random.default_rng(rng)
    if np.ndim(centers) == 0:
        centers = rng.uniform(-10, 10, (centers, n_features))
    centers = np.asarray(centers, dtype=float)
    y = _balanced(n_samples, len(centers), rng)
    noise = rng.standard_normal((n_samples, centers.shape[1]))
    return centers[y] + cluster_std * noise, y


# %% given book/given/datasets.md
def make_regression(
    n_samples=200, *, n_features=5, n_informative=None, noise=1.0, coef=False, rng=0
):
    """A linear target with Gaussian noise, features standard normal.

    Returns ``(X, y)``, or ``(X, y, weight)`` with ``coef=True``: the first
    `n_informative` entries of `weight` (all by default) are drawn from a
    normal of deviation 10, the others are zero.
    """
    rng = np.random.default_rng(rng)
    weight = 10 * rng.standard_normal(n_features)
    weight[n_features if n_informative is None else n_informative :] = 0.0
    X = rng.standard_normal((n_samples, n_features))
    y = X @ weight + noise * rng.standard_normal(n_samples)
    return (X, y, weight) if coef else (X, y)


# %% given book/given/datasets.md
def flip_labels(y, rate, *, rng):
    """Give `rate` of the labels another class, each wrong class as likely.

    Exactly ``round(rate * len(y))`` labels change. Returns a new array.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must lie in 0 .. 1, got {rate}")
    rng = np.random.default_rng(rng)
    classes, codes = np.unique(y, return_inverse=True)
    hit = rng.choice(len(y), round(rate * len(y)), replace=False)
    codes[hit] += rng.integers(1, len(classes), len(hit))
    return classes[codes % len(classes)]


# %% given book/given/datasets.md
def shifted_digits(*, copies=1, canvas=16, rng=0):
    """The 8x8 digits, each at a random place on a larger canvas.

    Returns
    -------
    X : ndarray of shape (1797 * copies, canvas * canvas)
        Pixels from 0 to 16, rows writer by writer within each copy.
    y : ndarray of shape (1797 * copies,)
    """
    rng = np.random.default_rng(rng)
    X, y = load_digits()
    X, y = np.tile(X, (copies, 1)), np.tile(y, copies)
    out = np.zeros((len(X), canvas, canvas))
    rows, columns = rng.integers(0, canvas - 8 + 1, (2, len(X)))
    for image, pixels, i, j in zip(out, X, rows, columns):
        image[i : i + 8, j : j + 8] = pixels.reshape(8, 8)
    return out.reshape(len(X), -1), y
