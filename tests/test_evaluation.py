"""The judge of generated digits, and the Fréchet distance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook.evaluation import Judge, digit_judge, frechet_distance
from zerobook.model_selection import train_test_split

linalg = pytest.importorskip("scipy.linalg")
pytest.importorskip("sklearn", reason="could not import sklearn")


def cloud(rng, N, D):
    """Points with a covariance that is not diagonal."""
    return rng.normal(size=(N, D)) @ rng.normal(size=(D, D)) + rng.normal(size=D)


# ---- the distance


@settings(max_examples=30)
@given(D=st.integers(1, 6), N=st.integers(8, 40), M=st.integers(8, 40),
       seed=st.integers(0, 999))
def test_frechet_distance_is_the_formula_with_scipys_square_root(D, N, M, seed):
    rng = np.random.default_rng(seed)
    a, b = cloud(rng, N, D), cloud(rng, M, D)
    A, B = (np.cov(x, rowvar=False).reshape(D, D) for x in (a, b))
    root = linalg.sqrtm(A @ B)
    expected = (((a.mean(0) - b.mean(0)) ** 2).sum()
                + np.trace(A + B - 2 * np.real(root)))
    assert np.isclose(frechet_distance(a, b), expected, rtol=1e-6, atol=1e-6)


@settings(max_examples=30)
@given(D=st.integers(1, 5), seed=st.integers(0, 999))
def test_frechet_distance_is_symmetric_and_blind_to_shifts_and_turns(D, seed):
    rng = np.random.default_rng(seed)
    a, b = cloud(rng, 30, D), cloud(rng, 20, D)
    d = frechet_distance(a, b)
    assert d > 0 and np.isclose(d, frechet_distance(b, a), rtol=1e-8)
    Q, _ = np.linalg.qr(rng.normal(size=(D, D)))
    shift = rng.normal(size=D)
    assert np.isclose(d, frechet_distance(a @ Q + shift, b @ Q + shift))
    assert np.isclose(4 * d, frechet_distance(2 * a, 2 * b))


@settings(max_examples=20)
@given(D=st.integers(1, 5), seed=st.integers(0, 999))
def test_a_shift_costs_its_squared_length_and_nothing_costs_nothing(D, seed):
    rng = np.random.default_rng(seed)
    a, shift = cloud(rng, 25, D), rng.normal(size=D)
    assert frechet_distance(a, a) < 1e-8
    assert np.isclose(frechet_distance(a, a + shift), shift @ shift)


def test_closed_form_where_the_covariances_commute():
    rng = np.random.default_rng(0)
    a = cloud(rng, 50, 3)
    mean, s = a.mean(0), np.array([0.5, 2.0, 3.0])
    variances, Q = np.linalg.eigh(np.cov(a, rowvar=False))
    b = mean + (a - mean) @ Q * s @ Q.T
    expected = ((1 - s) ** 2 * variances).sum()
    assert np.isclose(frechet_distance(a, b), expected)


def test_flat_clouds_have_a_distance_too():
    # fewer points than dimensions: both covariances are singular
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(4, 9)), rng.normal(size=(5, 9))
    assert np.isfinite(frechet_distance(a, b)) and frechet_distance(a, b) > 0
    assert np.isclose(frechet_distance(np.ones((3, 2)), np.zeros((3, 2))), 2)


def test_two_samples_of_one_distribution_are_apart_and_less_when_larger():
    rng = np.random.default_rng(2)
    small, large = (
        frechet_distance(rng.normal(size=(N, 16)), rng.normal(size=(N, 16)))
        for N in (60, 2000)
    )
    assert 0 < large < small / 10


@pytest.mark.parametrize("a, b, words", [
    (np.zeros(5), np.zeros((5, 1)), r"a of shape \(5,\)"),
    (np.zeros((5, 1)), np.zeros((1, 1)), r"b of shape \(1, 1\)"),
    (np.zeros((5, 2)), np.zeros((5, 3)), "a has 2 columns, b 3"),
    (np.zeros((5, 2)), np.full((5, 2), np.nan), "b holds"),
])
def test_samples_that_do_not_fit_are_named(a, b, words):
    with pytest.raises(ValueError, match=words):
        frechet_distance(a, b)


# ---- the judge


@pytest.fixture(scope="module")
def judge():
    return digit_judge()


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=0.25, stratify=y, rng=0)


def test_the_judge_reads_digits_it_has_not_seen(judge, digits):
    _, X, _, y = digits
    assert (judge.predict(X) == y).mean() > 0.94
    p = judge.predict_proba(X)
    assert p.shape == (450, 10) and np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert judge.features(X).shape == (450, 64) and judge.features(X).min() >= 0


def test_a_seed_is_a_judge(judge, digits):
    again, other = digit_judge(0), digit_judge(1)
    mine, theirs = judge.state_dict(), again.state_dict()
    assert all((mine[name] == theirs[name]).all() for name in mine)
    assert (mine["hidden.weight"] != other.state_dict()["hidden.weight"]).any()


def test_the_head_reads_the_features(judge, digits):
    X = digits[1]
    logits = judge.features(X) @ judge.head.weight.data + judge.head.bias.data
    assert (logits.argmax(axis=1) == judge.predict(X)).all()


def test_images_of_any_shape_of_64_pixels_are_read(judge, digits):
    X = digits[1][:7]
    whole = judge.features(X)
    for shape in ((7, 8, 8), (7, 1, 8, 8)):
        assert (judge.features(X.reshape(shape)) == whole).all()
    assert judge.features(X[:0]).shape == (0, 64)
    assert judge.predict_proba(X[:0]).shape == (0, 10)


@pytest.mark.parametrize("X, words", [
    (np.zeros((2, 63)), r"\(2, 63\)"),
    (np.zeros(64), r"\(64,\)"),
    (np.full((1, 64), 16.0), "0 to 1"),
    (np.full((1, 64), -1.0), "-1 to -1"),
    (np.full((1, 64), np.nan), "nan"),
])
def test_what_is_no_image_is_refused(X, words):
    for see in (Judge(rng=0).features, Judge(rng=0).predict_proba):
        with pytest.raises(ValueError, match=words):
            see(X)


def test_real_digits_lie_nearer_to_real_digits_than_noise_or_one_gaussian(
    judge, digits
):
    X, X_test, _, _ = digits
    rng = np.random.default_rng(0)
    fake = rng.multivariate_normal(X.mean(0), np.cov(X.T), 450).clip(0, 1)
    real, gaussian, noise = (
        frechet_distance(judge.features(Z), judge.features(X_test))
        for Z in (X, fake, rng.random((450, 64)))
    )
    assert 4 * real < gaussian < noise / 10
