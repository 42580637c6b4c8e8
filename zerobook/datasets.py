# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Data sets: installed ones, made ones, two texts, and MNIST on request."""

import numpy as np
import hashlib
import pathlib
from typing import NamedTuple
import gzip
import http.client
import os
import struct
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from zerobook.git_lfs import refuse_pointer
import importlib.util
import zipfile


# %% book/given/datasets.md
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


# %% book/given/datasets.md
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


# %% book/given/datasets.md
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


# %% book/given/datasets.md
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


# %% book/given/datasets.md
def make_spirals(n_samples=300, *, n_classes=2, turns=1.0, noise=0.05, rng=0):
    """Spiral arms around the origin, one class each, radius up to one."""
    rng = np.random.default_rng(rng)
    y = _balanced(n_samples, n_classes, rng)
    r = np.sqrt(rng.uniform(0.02, 1, n_samples))
    angle = 2 * np.pi * (turns * r + y / n_classes)
    X = r[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + noise * rng.standard_normal((n_samples, 2)), y


def make_xor(n_samples=200, *, noise=0.15, rng=0):
    """Four clouds at the corners of a square; equal corners are class 0.

    Examples
    --------
    >>> from zerobook.datasets import make_xor
    >>> X, y = make_xor(4, noise=0.0)
    >>> bool((y == (X[:, 0] != X[:, 1])).all())
    True
    """
    rng = np.random.default_rng(rng)
    corner = _balanced(n_samples, 4, rng)
    bits = np.column_stack([corner // 2, corner % 2])
    X = bits + noise * rng.standard_normal((n_samples, 2))
    return X, bits[:, 0] ^ bits[:, 1]


# %% book/given/datasets.md
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


# %% book/given/datasets.md
def make_regression(
    n_samples=200,
    *,
    n_features=5,
    n_informative=None,
    noise=1.0,
    coef=False,
    rng=0,
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


# %% book/given/datasets.md
def flip_labels(y, rate, *, rng):
    """Give `rate` of the labels another class, each wrong class as likely.

    Exactly ``round(rate * len(y))`` labels change. Returns a new array.

    Examples
    --------
    >>> import numpy as np
    >>> from zerobook.datasets import flip_labels
    >>> int((flip_labels(np.arange(10), 0.3, rng=0) != np.arange(10)).sum())
    3
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must lie in 0 .. 1, got {rate}")
    rng = np.random.default_rng(rng)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("a label can only flip where there are two classes")
    hit = rng.choice(len(y), round(rate * len(y)), replace=False)
    codes[hit] += rng.integers(1, len(classes), len(hit))
    return classes[codes % len(classes)]


# %% book/given/datasets.md
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


# %% book/given/datasets.md
BOOK_PROSE_SHA256 = (
    "6bf2d81d2462650f8309303d259a7a6ab17fe9fb9f7b9ac16aa5ef484e928cb5"
)
HELD_OUT = {
    "validation": (
        "book/foundations/calculus.md",
        "book/foundations/kernels.md",
        "book/deep_learning/recurrent.md",
        "book/press/judging.md",
    ),
    "test": (
        "book/foundations/momentum_and_adam.md",
        "book/foundations/overfitting.md",
        "book/deep_learning/attention.md",
        "book/deep_learning/batch_norm.md",
        "book/given/datasets.md",
        "book/press/assembling.md",
    ),
}


class Texts(NamedTuple):
    """A text in three parts that share no page."""

    train: str
    validation: str
    test: str


# %% book/given/datasets.md
def book_pages():
    """The frozen prose of each page of this book: path -> text.

    Raises
    ------
    FileNotFoundError
        If the snapshot is neither beside the package nor in it.
    ValueError
        If it is not the text whose SHA-256 stands in this module.
    """
    import zerobook

    package = pathlib.Path(zerobook.__file__).parent
    name = "book/_data/book_prose.txt"
    places = [folder / name for folder in (package.parent, package / "_book")]
    found = [place for place in places if place.is_file()]
    if not found:
        raise FileNotFoundError(f"no {places[0]} and no {places[1]}")
    text = found[0].read_text("utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest != BOOK_PROSE_SHA256:
        raise ValueError(f"{found[0]} is another text: SHA-256 {digest}")
    return dict(part.split("\n", 1) for part in text.split("\f")[1:])


# %% book/given/datasets.md
def load_book_prose():
    """The book's own prose, frozen, with whole pages held out.

    Returns
    -------
    Texts
        ``train``, ``validation`` and ``test``: plain English without code
        and formulas, CC BY-SA 4.0 as the book is. The pages of the last two
        are named in `HELD_OUT`.

    Raises
    ------
    ValueError
        If the file is not the text whose SHA-256 stands in this module.

    Notes
    -----
    A byte that is guessed blindly costs eight bits. `xz` needs three for a
    byte of the test part, and 2.3 once it has read the training part.

    Examples
    --------
    >>> from zerobook.datasets import load_book_prose
    >>> load_book_prose().test.splitlines()[0]
    'Momentum, Adam and mini-batches'
    """
    pages, held_out = book_pages(), sum(HELD_OUT.values(), ())
    parts = {"train": [name for name in pages if name not in held_out]}
    parts.update(HELD_OUT)
    return Texts(**{
        part: "\n".join(pages[name] for name in names)
        for part, names in parts.items()
    })


# %% book/given/datasets.md
def load_topics():
    """Python's help texts, every tenth topic held out.

    Returns
    -------
    Texts
        ``train``, ``validation`` and ``test``, from `pydoc_data.topics`: in
        the order of the alphabet the first topic, the eleventh and so on
        are the test, the eighth, the eighteenth and so on the validation.
        No paragraph stands in two parts. The text differs a little between
        versions of Python. PSF licence.
    """
    from pydoc_data.topics import topics

    names, seen, parts = sorted(topics), set(), {}
    test, validation = names[::10], names[7::10]
    train = [name for name in names if name not in {*test, *validation}]
    for part, chosen in zip(("test", "validation", "train"),
                            (test, validation, train)):
        paragraphs = "\n\n".join(topics[n] for n in chosen).split("\n\n")
        new = [p for p in dict.fromkeys(paragraphs) if p not in seen]
        seen.update(new)
        parts[part] = "\n\n".join(new)
    return Texts(**parts)


# %% book/given/datasets.md
MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


# %% book/given/datasets.md
# tensorflow/datasets, tensorflow_datasets/url_checksums/mnist.txt, 31f1255
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}


# %% book/given/datasets.md
IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path):
    """Read an array from an IDX file, gzipped or not.

    Raises
    ------
    ValueError
        If the file is no IDX file, or holds fewer or more numbers than its
        header promises.
    """
    refuse_pointer(path)
    raw = _uncompressed(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES:
        raise ValueError(f"{path}: not an IDX file")
    dtype, start = np.dtype(IDX_TYPES[raw[2]]), 4 + 4 * raw[3]
    if len(raw) < start:
        raise ValueError(f"{path}: cut short in the header")
    shape = struct.unpack(f">{raw[3]}I", raw[4:start])
    promised = start + dtype.itemsize * int(np.prod(shape, dtype=object))
    if len(raw) != promised:
        raise ValueError(f"{path}: {len(raw)} bytes, header says {promised}")
    flat = np.frombuffer(raw, dtype, offset=start)
    return flat.reshape(shape).astype(dtype.newbyteorder("="))


# %% book/given/datasets.md
def _uncompressed(path):
    raw = pathlib.Path(path).read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged or cut short ({error})") from None


# %% book/given/datasets.md
def data_home():
    """Folder of fetched files: ``ZEROBOOK_DATA``, or ``~/.cache/zerobook``."""
    chosen = os.environ.get("ZEROBOOK_DATA")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(chosen or os.path.join(cache, "zerobook")).expanduser()


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _UselessMirror(Exception):
    """Asking this mirror again would give the same answer."""


# %% book/given/datasets.md
def _download(url, target, sha256, timeout, progress):
    """One try: the whole file with the right sum at `target`, or an error."""
    handle, part = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            _receive(url, file, timeout, progress)
        if _sha256(part) != sha256:
            raise _UselessMirror("delivered a file with another SHA-256")
        os.replace(part, target)
    finally:
        pathlib.Path(part).unlink(missing_ok=True)


def _receive(url, file, timeout, progress):
    with urllib.request.urlopen(url, timeout=timeout) as reply:
        size = int(reply.headers.get("Content-Length") or 0)
        while chunk := reply.read(1 << 16):
            file.write(chunk)
            progress(file.tell(), size)
        if size and file.tell() != size:
            raise OSError(f"closed after {file.tell()} of {size} bytes")


# %% book/given/datasets.md
def _try_mirror(url, target, sha256, timeout, progress):
    """Return None on success, else (reason, whether to ask again later)."""
    try:
        _download(url, target, sha256, timeout, progress)
    except urllib.error.HTTPError as error:
        error.close()
        busy = error.code in (408, 429) or error.code >= 500
        return f"{url}: {error.code} {error.reason}", busy
    except _UselessMirror as error:
        return f"{url}: {error}", False
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {getattr(error, 'reason', error)}", True
    return None


# %% book/given/datasets.md
def fetch(name, mirrors, sha256, *, folder=None, tries=3, wait=1.0,
          timeout=30, progress=None):
    """Path of a file in the cache, fetched there if it is not.

    Parameters
    ----------
    name : str
        File name, appended to each mirror's address.
    mirrors : sequence of str
        Addresses that end in a slash, asked in this order.
    sha256 : str
        Expected sum in hexadecimal. There is no default: a file that nobody
        vouches for is not loaded.
    folder : path, optional
        Instead of `data_home()`.
    tries, wait : int, float
        Rounds over the mirrors, and seconds of pause after the first round;
        each later pause is twice as long.
    timeout : float
        Seconds without an answer before a try counts as failed.
    progress : callable, optional
        Called with bytes received and bytes expected (0 if unknown). By
        default a line on a terminal's stderr.

    Raises
    ------
    ValueError
        Without a `sha256`.
    RuntimeError
        If no mirror delivers; the message says which file to put where.
    """
    if not sha256:
        raise ValueError(f"{name}: give the sha256 it must have")
    target = pathlib.Path(folder or data_home()) / name
    if target.exists() and _sha256(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    job = (target, sha256, timeout, progress or _progress_line(name))
    reasons = _rounds([mirror + name for mirror in mirrors], job, tries, wait)
    if reasons is not None:
        raise RuntimeError(_put_it_there(target, sha256, reasons))
    return target


# %% book/given/datasets.md
def _rounds(urls, job, tries, wait):
    """Go round the mirrors; None if one delivered, else all the reasons."""
    reasons = []
    for k in range(tries):
        urls, failures = _one_round(urls, job)
        if failures is None:
            return None
        reasons += failures
        if not urls:
            break
        time.sleep(wait * 2**k if k + 1 < tries else 0)
    return reasons


def _one_round(urls, job):
    """Ask each mirror once: (those worth asking again, reasons or None)."""
    again, reasons = [], []
    for url in urls:
        failed = _try_mirror(url, *job)
        if failed is None:
            return [], None
        reasons.append(failed[0])
        again += [url] if failed[1] else []
    return again, reasons


# %% book/given/datasets.md
def _put_it_there(target, sha256, reasons):
    there = " is there but is another file, and" if target.exists() else ""
    tried = "".join(f"\n  {r}" for r in dict.fromkeys(reasons)) or " nothing"
    return (
        f"{target.name}{there} could not be fetched. Tried:{tried}\n"
        f"Get it on any machine and put it at\n  {target}\n"
        f"  sha256 {sha256}\n"
        "or set ZEROBOOK_DATA to a folder of your choice and put it there."
    )


def _progress_line(name):
    def show(done, size):
        if sys.stderr.isatty():
            part = f"{done / size:4.0%}" if size else f"{done} bytes"
            end = "\n" if done == size else ""
            print(f"\r{name} {part}", end=end, file=sys.stderr, flush=True)

    return show


# %% book/given/datasets.md
def mnist(
    subset="train", *, mirrors=MNIST_MIRRORS, sha256=MNIST_SHA256, **options
):
    """MNIST's digits, 28x28 pixels, from the cache or from a mirror.

    Parameters
    ----------
    subset : "train" or "test"
        60,000 or 10,000 images, by different writers.
    mirrors : sequence of str
        Where to fetch what the cache does not hold.
    sha256 : dict
        Expected sum of each file; a file that is not in it is refused.
    **options
        As in `fetch`: ``folder``, ``tries``, ``wait``, ``timeout``,
        ``progress``.

    Returns
    -------
    X : ndarray of uint8, shape (N, 784)
        Pixels from 0 (paper) to 255 (ink).
    y : ndarray of int, shape (N,)
        The digit; guessing scores 0.10.

    Raises
    ------
    RuntimeError
        Without the file and without a network; the message says which file
        to put where.
    """
    stems = {"train": "train", "test": "t10k"}
    if subset not in stems:
        raise ValueError(f"subset must be 'train' or 'test', got {subset!r}")
    ends = ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
    names = [f"{stems[subset]}-{end}" for end in ends]
    paths = [fetch(n, mirrors, sha256.get(n), **options) for n in names]
    images, labels = (read_idx(path) for path in paths)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(f"{labels.shape} labels do not fit {images.shape}")
    return images.reshape(len(images), -1), labels.astype(np.int64)


# %% book/given/datasets.md
class Chorales(NamedTuple):
    """Four-part chorales: `scores`, their `names`, and melody `groups`."""

    scores: list
    names: list
    groups: np.ndarray


def chorale_files(folder=None):
    """The chorale files of music21, which is found and not imported."""
    if folder is None:
        spec = importlib.util.find_spec("music21")
        if spec is None:
            raise FileNotFoundError(
                "load_chorales reads files of the package music21: "
                "pip install 'zerobook[music]', or give the folder"
            )
        folder = pathlib.Path(spec.submodule_search_locations[0],
                              "corpus", "bach")
    files = sorted(pathlib.Path(folder).glob("bwv*.mxl"))
    if not files:
        raise FileNotFoundError(f"no file bwv*.mxl in {folder}")
    return files


# %% book/given/datasets.md
def load_chorales(folder=None, *, cache=True):
    """Bach's four-part chorales on a grid of sixteenths.

    Parameters
    ----------
    folder : path, optional
        Where files ``bwv*.mxl`` lie, if not those of music21.
    cache : bool
        Keep what was read in `data_home()`, and read that the next time.

    Returns
    -------
    Chorales
        ``scores`` with four voices each, ``names``, and ``groups``, an array
        of int: pieces of one group begin with the same melody.

    Raises
    ------
    FileNotFoundError
        If music21 is not installed, or the folder holds no such file.

    Notes
    -----
    Section 4.1.3. Files with other than four parts, and those with notes
    off the grid, are left out. The encodings are not ours to pass on: they
    are read from your own copy of music21.
    """
    from zerobook.music import melody_key

    files = chorale_files(folder)
    sizes = [(path.name, path.stat().st_size) for path in files]
    digest = hashlib.sha256(repr(sizes).encode()).hexdigest()
    kept = data_home() / "chorales.npz"
    pieces = read_cache(kept, digest) if cache else None
    if pieces is None:
        pieces = read_chorales(files)
        if cache:
            write_cache(kept, digest, pieces)
    keys = [melody_key(score) for score in pieces.values()]
    numbers = {key: k for k, key in enumerate(dict.fromkeys(keys))}
    groups = np.array([numbers[key] for key in keys], int)
    return Chorales(list(pieces.values()), list(pieces), groups)


# %% book/given/datasets.md
def read_chorales(files):
    """The files with four voices on the grid: name -> Score."""
    from zerobook.music import read_mxl

    pieces = {}
    for path in files:
        try:
            score = read_mxl(path)
        except ValueError:
            continue
        if score.grid.shape[1] == 4:
            pieces[path.stem] = score
    return pieces


# %% book/given/datasets.md
def write_cache(path, digest, pieces):
    """Keep scores in an npz file, which appears whole or not at all."""
    arrays = {"digest": np.array(digest), "names": np.array(list(pieces))}
    for k, score in enumerate(pieces.values()):
        rest = [*score.metre, score.sharps, score.upbeat]
        arrays |= {f"grid{k}": score.grid, f"onset{k}": score.onset,
                   f"rest{k}": np.array(rest)}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(part, path)
    finally:
        pathlib.Path(part).unlink(missing_ok=True)


def read_cache(path, digest):
    """Scores of a cache file, None if it is missing, damaged or outdated."""
    from zerobook.music import Score

    try:
        with np.load(path) as arrays:
            if str(arrays["digest"]) != digest:
                return None
            pieces = {}
            for k, name in enumerate(arrays["names"]):
                beats, kind, sharps, upbeat = arrays[f"rest{k}"].tolist()
                pieces[str(name)] = Score(
                    arrays[f"grid{k}"], arrays[f"onset{k}"], (beats, kind),
                    sharps, upbeat)
            return pieces
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile,
            zlib.error):
        return None


# %% book/given/datasets.md
def split_groups(groups, shares, *, rng):
    """Rows of each part when whole groups are dealt out by lot.

    `shares` are of the rows, the last part takes what remains: with
    ``(0.8, 0.05)`` three parts come back, as arrays of row numbers. A group
    that does not fit into a part any more goes to the next. Section 4.1.3.

    Examples
    --------
    >>> first, second = split_groups([0, 0, 1, 2, 2, 3], (0.5,), rng=0)
    >>> sorted([*first.tolist(), *second.tolist()])
    [0, 1, 2, 3, 4, 5]
    """
    groups = np.asarray(groups)
    room = [share * len(groups) for share in shares] + [len(groups)]
    parts = [[] for _ in room]
    for group in np.random.default_rng(rng).permutation(np.unique(groups)):
        rows = np.flatnonzero(groups == group).tolist()
        k = next(k for k, part in enumerate(parts)
                 if len(part) + len(rows) <= room[k])
        parts[k] += rows
    return [np.array(sorted(part), int) for part in parts]
