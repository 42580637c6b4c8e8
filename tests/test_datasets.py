"""Data sets, with MNIST's fetching tried on a server of our own."""

import gzip
import hashlib
import http.server
import re
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import datasets as oracle

from zerobook import datasets
from zerobook.press.prose import SNAPSHOT

ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def idx_bytes(a, compress=True):
    code = {
        np.dtype(v).newbyteorder("="): k for k, v in datasets.IDX_TYPES.items()
    }
    head = bytes([0, 0, code[a.dtype], a.ndim]) + struct.pack(
        f">{a.ndim}I", *a.shape
    )
    raw = head + a.astype(a.dtype.newbyteorder(">")).tobytes()
    return gzip.compress(raw, mtime=0) if compress else raw


@pytest.fixture(scope="module")
def small():
    """Fifty images in the train files and twenty in the test files."""
    rng = np.random.default_rng(0)
    files = {}
    for subset, n in (("train", 50), ("test", 20)):
        images = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
        labels = rng.integers(0, 10, n).astype(np.uint8)
        for name, a in zip(NAMES[subset], (images, labels)):
            files[name] = idx_bytes(a)
    return files


@pytest.fixture
def sums(small):
    return {k: hashlib.sha256(v).hexdigest() for k, v in small.items()}


class Server:
    """A loopback mirror. `answer(name, count)` returns (status, body, length)."""

    def __init__(self, answer):
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rpartition("/")[2]
                outer.seen.append(name)
                status, body, length = answer(name, outer.seen.count(name))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), Handler
        )
        self.url = f"http://127.0.0.1:{self.server.server_port}/mnist/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    servers = []

    def start(answer):
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def whole(files):
    return lambda name, count: (200, files[name], len(files[name]))


def refuse(name, count):
    return 404, b"", 0


@pytest.fixture
def get(tmp_path, sums):
    """Call mnist with a folder of its own and without long pauses."""

    def call(*servers, subset="train", **options):
        urls = [s if isinstance(s, str) else s.url for s in servers]
        options = {"sha256": sums, "wait": 0.01, "timeout": 5, **options}
        return datasets.mnist(subset, mirrors=urls, folder=tmp_path, **options)

    call.folder = tmp_path
    return call


# a port that nothing listens on: connecting is refused at once
NOWHERE = "http://127.0.0.1:9/"


@pytest.mark.parametrize(
    "name", ["digits", "iris", "wine", "breast_cancer", "diabetes"]
)
def test_installed_sets_are_scikit_learns(name):
    X, y = getattr(datasets, f"load_{name}")()
    ours = getattr(datasets, f"load_{name}")(as_bunch=True)
    theirs = getattr(oracle, f"load_{name}")()
    np.testing.assert_array_equal(X, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)
    assert list(ours.feature_names) == list(theirs.feature_names)


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"zerobook\[data\]"):
        datasets.load_iris()


@pytest.mark.parametrize(
    "make",
    [
        datasets.make_moons,
        datasets.make_spirals,
        datasets.make_xor,
        datasets.make_blobs,
        datasets.make_regression,
    ],
)
def test_a_made_set_depends_on_its_seed_alone(make):
    np.random.seed(0)
    X, y = make(60, rng=3)
    np.random.seed(1)
    same, same_y = make(60, rng=np.random.default_rng(3))
    other, _ = make(60, rng=4)
    assert len(X) == len(y) == 60
    np.testing.assert_array_equal(X, same)
    np.testing.assert_array_equal(y, same_y)
    assert not np.array_equal(X, other)


@pytest.mark.parametrize(
    "make, classes",
    [
        (datasets.make_moons, 2),
        (datasets.make_spirals, 2),
        (datasets.make_xor, 2),
        (datasets.make_blobs, 3),
    ],
)
def test_made_classes_are_balanced_and_not_in_order(make, classes):
    _, y = make(120)
    assert np.bincount(y).tolist() == [120 // classes] * classes
    assert (np.diff(y) < 0).any()


def test_moons_without_noise_lie_on_half_circles():
    X, y = datasets.make_moons(100, noise=0.0)
    center = np.array([[0.0, 0.0], [1.0, 0.5]])[y]
    np.testing.assert_allclose(((X - center) ** 2).sum(axis=1), 1.0)


def test_regression_targets_follow_the_weights():
    X, y, weight = datasets.make_regression(
        50, n_features=4, n_informative=2, noise=0.0, coef=True
    )
    np.testing.assert_allclose(y, X @ weight)
    assert (weight[2:] == 0).all() and (weight[:2] != 0).all()


def test_blobs_stand_where_they_are_told():
    centers = np.array([[0.0, 0.0, 9.0], [5.0, 5.0, 5.0]])
    X, y = datasets.make_blobs(400, centers=centers, cluster_std=0.1)
    means = [X[y == k].mean(axis=0) for k in (0, 1)]
    np.testing.assert_allclose(means, centers, atol=0.05)


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=60).filter(
        lambda y: len(set(y)) > 1
    ),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_flipping_changes_exactly_the_rate_and_invents_no_class(y, rate, seed):
    y = np.array(y)
    before = y.copy()
    flipped = datasets.flip_labels(y, rate, rng=seed)
    assert (flipped != y).sum() == round(rate * len(y))
    assert set(flipped) <= set(y)
    np.testing.assert_array_equal(y, before)


def test_flipping_reaches_every_wrong_class_alike():
    y = np.zeros(3000, dtype=int)
    y[:3] = 1, 2, 3
    flipped = datasets.flip_labels(y, 0.9, rng=0)
    counts = np.bincount(flipped)[1:]
    # 2700 flips over three classes, standard deviation about 25
    assert abs(counts - 900).max() < 120


def test_flipping_needs_a_rate_and_a_second_class():
    with pytest.raises(ValueError, match="rate"):
        datasets.flip_labels(np.array([0, 1]), 1.5, rng=0)
    with pytest.raises(ValueError, match="two classes"):
        datasets.flip_labels(np.array([1, 1]), 0.5, rng=0)


def test_shifted_digits_keep_every_pixel():
    X, y = datasets.load_digits()
    moved, labels = datasets.shifted_digits(copies=2, rng=0)
    assert moved.shape == (2 * len(X), 256)
    np.testing.assert_array_equal(labels, np.tile(y, 2))
    np.testing.assert_array_equal(
        np.sort(moved, axis=1)[:, -64:], np.tile(np.sort(X, axis=1), (2, 1))
    )


def test_shifted_digits_visit_the_whole_canvas():
    moved, _ = datasets.shifted_digits(rng=0)
    inked = moved.reshape(-1, 16, 16).max(axis=0) > 0
    assert inked[:, 1:15].all()


@given(
    hnp.arrays(
        st.sampled_from(
            [np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64]
        ),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
        elements={"allow_nan": False},
    ),
    st.booleans(),
)
def test_idx_files_read_back_as_written(tmp_path_factory, a, compress):
    path = tmp_path_factory.mktemp("idx") / "a.idx"
    path.write_bytes(idx_bytes(a, compress))
    back = datasets.read_idx(path)
    assert back.dtype == a.dtype
    np.testing.assert_array_equal(back, a)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 9, 15, 40])
@pytest.mark.parametrize("compress", [False, True])
def test_an_idx_file_cut_anywhere_is_a_value_error(tmp_path, cut, compress):
    path = tmp_path / "cut.idx"
    whole = idx_bytes(np.arange(100, dtype=np.uint8).reshape(4, 25), compress)
    path.write_bytes(whole[:cut])
    with pytest.raises(ValueError, match="cut.idx"):
        datasets.read_idx(path)


def test_an_idx_file_with_too_much_is_a_value_error(tmp_path):
    path = tmp_path / "long.idx"
    path.write_bytes(idx_bytes(np.arange(6, dtype=np.uint8), False) + b"x")
    with pytest.raises(ValueError, match="header says"):
        datasets.read_idx(path)


def test_mnist_comes_once_and_then_from_the_cache(serve, small, get):
    mirror = serve(whole(small))
    X, y = get(mirror)
    assert X.shape == (50, 784) and X.dtype == np.uint8
    assert y.shape == (50,) and y.dtype == np.int64
    again, _ = get(mirror)
    np.testing.assert_array_equal(X, again)
    assert sorted(mirror.seen) == sorted(NAMES["train"])
    assert get(mirror, subset="test")[0].shape == (20, 784)


def test_a_bad_mirror_gives_way_to_the_next(serve, small, get):
    bad, good = serve(refuse), serve(whole(small))
    X, _ = get(bad, good)
    assert len(X) == 50
    assert len(bad.seen) == len(good.seen) == 2


def test_a_missing_file_is_not_asked_for_twice(serve, get):
    bad = serve(refuse)
    with pytest.raises(RuntimeError, match="404"):
        get(bad)
    assert len(bad.seen) == 1


def test_a_busy_server_is_asked_again(serve, small, get):
    def busy_once(name, count):
        return (503, b"", 0) if count == 1 else whole(small)(name, count)

    mirror = serve(busy_once)
    X, _ = get(mirror)
    assert len(X) == 50 and len(mirror.seen) == 4


def test_a_server_that_stays_busy_is_given_up(serve, get):
    mirror = serve(lambda name, count: (503, b"", 0))
    with pytest.raises(RuntimeError, match="503"):
        get(mirror, tries=3)
    assert len(mirror.seen) == 3


def test_a_file_cut_short_is_fetched_again_from_the_start(serve, small, get):
    def cut_once(name, count):
        body = small[name]
        return 200, body[: len(body) // 2] if count == 1 else body, len(body)

    X, _ = get(serve(cut_once))
    assert len(X) == 50
    assert sorted(p.name for p in get.folder.iterdir()) == sorted(
        NAMES["train"]
    )


def test_a_wrong_hash_is_refused_and_leaves_nothing(serve, small, get):
    hotel = serve(lambda name, count: (200, b"<html>please log in", 19))
    with pytest.raises(RuntimeError, match="another SHA-256"):
        get(hotel)
    assert list(get.folder.iterdir()) == []
    assert len(hotel.seen) == 1
    assert len(get(hotel, serve(whole(small)))[0]) == 50


def test_a_damaged_cache_heals(serve, small, get):
    (get.folder / NAMES["train"][0]).write_bytes(b"rotten")
    mirror = serve(whole(small))
    assert len(get(mirror)[0]) == 50


def test_a_damaged_cache_without_network_is_said(get):
    (get.folder / NAMES["train"][0]).write_bytes(b"rotten")
    with pytest.raises(RuntimeError, match="is there but is another file"):
        get(NOWHERE)
    assert (get.folder / NAMES["train"][0]).read_bytes() == b"rotten"


def test_without_network_the_message_says_which_file_goes_where(get, sums):
    name = NAMES["train"][0]
    with pytest.raises(RuntimeError) as caught:
        get(NOWHERE, tries=2)
    message = str(caught.value)
    for part in (str(get.folder / name), sums[name], "ZEROBOOK_DATA", NOWHERE):
        assert part in message


def test_a_file_put_there_by_hand_needs_no_network(get, small):
    for name in NAMES["test"]:
        (get.folder / name).write_bytes(small[name])
    assert len(get(NOWHERE, subset="test")[1]) == 20


def test_a_file_without_a_known_hash_is_refused(serve, small, get):
    mirror = serve(whole(small))
    with pytest.raises(ValueError, match="give the sha256"):
        get(mirror, sha256={})
    assert mirror.seen == []


def test_progress_is_told_in_bytes(serve, small, get):
    told = []
    get(
        serve(whole(small)),
        progress=lambda done, size: told.append((done, size)),
    )
    assert told[-1][0] == told[-1][1] == len(small[NAMES["train"][1]])


def test_images_and_labels_of_different_length_are_refused(serve, small, get):
    mixed = dict(small)
    mixed[NAMES["train"][1]] = small[NAMES["test"][1]]
    sums = {k: hashlib.sha256(v).hexdigest() for k, v in mixed.items()}
    with pytest.raises(ValueError, match="do not fit"):
        get(serve(whole(mixed)), sha256=sums)


def test_only_two_subsets_exist(get):
    with pytest.raises(ValueError, match="'train' or 'test'"):
        get(NOWHERE, subset="validation")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ZEROBOOK_DATA", str(tmp_path / "mine"))
    assert datasets.data_home() == tmp_path / "mine"
    monkeypatch.delenv("ZEROBOOK_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert datasets.data_home() == tmp_path / "zerobook"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.data_home() == tmp_path / ".cache" / "zerobook"


def test_the_published_sums_look_like_sums():
    assert set(datasets.MNIST_SHA256) == {*NAMES["train"], *NAMES["test"]}
    for value in datasets.MNIST_SHA256.values():
        assert len(value) == 64 and int(value, 16)


# ---- texts


def test_the_prose_is_the_text_that_was_frozen():
    text = (ROOT / SNAPSHOT).read_bytes()
    assert hashlib.sha256(text).hexdigest() == datasets.BOOK_PROSE_SHA256
    assert b"CC BY-SA" in text.split(b"\f")[0]


def test_pages_are_held_out_whole_and_by_name():
    pages, texts = datasets.book_pages(), datasets.load_book_prose()
    held_out = {name for names in datasets.HELD_OUT.values() for name in names}
    assert held_out < set(pages)
    assert len(held_out) == sum(map(len, datasets.HELD_OUT.values()))
    for part, names in datasets.HELD_OUT.items():
        for name in names:
            assert pages[name] in getattr(texts, part)
            assert pages[name] not in texts.train
    kept = [text for name, text in pages.items() if name not in held_out]
    assert texts.train == "\n".join(kept)


def test_no_sentence_of_any_length_is_in_two_parts():
    for texts in (datasets.load_book_prose(), datasets.load_topics()):
        parts = [
            {s for s in re.split(r"(?<=[.:?]) |\n\n", part) if len(s) > 60}
            for part in texts
        ]
        shared = parts[0] & (parts[1] | parts[2]) | parts[1] & parts[2]
        held_out = len(parts[1] | parts[2])
        assert len(shared) <= 0.03 * held_out, sorted(shared)[:3]


def test_the_parts_have_their_sizes():
    for texts in (datasets.load_book_prose(), datasets.load_topics()):
        total = sum(map(len, texts))
        assert 300_000 < total < 500_000
        assert 0.05 < len(texts.validation) / total < 0.1
        assert 0.05 < len(texts.test) / total < 0.15


def test_another_text_in_the_snapshots_place_is_refused(monkeypatch):
    monkeypatch.setattr(datasets, "BOOK_PROSE_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="book_prose.txt is another text"):
        datasets.load_book_prose()


def test_a_missing_snapshot_is_told_by_its_two_places(monkeypatch, tmp_path):
    import zerobook

    here = tmp_path / "zerobook" / "__init__.py"
    monkeypatch.setattr(zerobook, "__file__", str(here))
    with pytest.raises(FileNotFoundError, match="_book/book/_data"):
        datasets.load_book_prose()


def test_windows_line_ends_are_the_same_text(monkeypatch, tmp_path):
    import zerobook

    copy = tmp_path / SNAPSHOT
    copy.parent.mkdir(parents=True)
    text = (ROOT / SNAPSHOT).read_bytes()
    copy.write_bytes(text.replace(b"\n", b"\r\n"))
    before = datasets.load_book_prose()
    monkeypatch.setattr(zerobook, "__file__",
                        str(tmp_path / "zerobook" / "__init__.py"))
    assert datasets.load_book_prose() == before
