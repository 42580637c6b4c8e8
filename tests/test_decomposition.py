"""zerobook.decomposition: the two roads, and scikit-learn as the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook import decomposition
from zerobook.datasets import load_digits
from zerobook.decomposition import PCA


def draw(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return 3 + rng.normal(size=(n, d)) * np.arange(1, d + 1)


ATTRIBUTES = [
    "components_", "explained_variance_", "explained_variance_ratio_",
    "singular_values_", "mean_", "noise_variance_", "n_components_",
]


@pytest.mark.parametrize("shape", [(200, 6), (30, 6), (8, 20), (2, 3)])
@pytest.mark.parametrize("n_components", [None, 1, 2, 0.8])
def test_scikit_learn_finds_the_same(shape, n_components):
    theirs = pytest.importorskip("sklearn.decomposition").PCA
    X = draw(*shape)
    ours = PCA(n_components).fit(X)
    # "full" because their automatic choice is random for some shapes
    want = theirs(n_components, svd_solver="full").fit(X)
    last = min(shape) - 1 if shape[0] <= shape[1] else None
    for name in ATTRIBUTES:
        a, b = getattr(ours, name), getattr(want, name)
        if name == "components_":
            # N centred rows span N - 1 directions: the last axis is arbitrary
            a, b = a[:last], b[:last]
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7, err_msg=name)
    Z = ours.transform(X)
    np.testing.assert_allclose(
        Z[:, :last], want.transform(X)[:, :last], atol=1e-7
    )
    np.testing.assert_allclose(
        ours.inverse_transform(Z), want.inverse_transform(Z)
        if last is None else want.inverse_transform(want.transform(X)),
        atol=1e-7,
    )


def test_digits_fall_where_scikit_learn_puts_them():
    theirs = pytest.importorskip("sklearn.decomposition").PCA
    X, _ = load_digits()
    np.testing.assert_allclose(
        PCA(10).fit_transform(X), theirs(10).fit_transform(X), atol=1e-8
    )


@settings(deadline=None)
@given(st.integers(20, 60), st.integers(1, 6), st.integers(0, 10**6))
def test_both_roads_meet(n, d, seed):
    centred = draw(n, d, seed)
    centred -= centred.mean(axis=0)
    s, axes = decomposition.axes_by_svd(centred)
    s2, axes2 = decomposition.axes_by_covariance(centred)
    np.testing.assert_allclose(s, s2, rtol=1e-6)
    # axes are compared as what they span with their weights: single ones
    # turn freely where two singular values nearly agree
    np.testing.assert_allclose(
        (axes.T * s**2) @ axes, (axes2.T * s2**2) @ axes2, rtol=1e-7, atol=1e-7
    )


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(1, 8), st.integers(0, 10**6))
def test_all_components_rebuild_the_data(n, d, seed):
    X = draw(n, d, seed)
    pca = PCA().fit(X)
    np.testing.assert_allclose(
        pca.inverse_transform(pca.transform(X)), X, atol=1e-10
    )
    assert pca.explained_variance_ratio_.sum() == pytest.approx(1)
    K = pca.n_components_
    np.testing.assert_allclose(
        pca.components_ @ pca.components_.T, np.eye(K), atol=1e-10
    )


@given(st.integers(2, 40), st.integers(1, 8), st.integers(0, 10**6))
def test_axes_are_widest_first_and_their_largest_entry_is_positive(n, d, seed):
    pca = PCA().fit(draw(n, d, seed))
    assert (np.diff(pca.explained_variance_) <= 1e-12).all()
    rows = np.arange(pca.n_components_)
    largest = np.abs(pca.components_).argmax(axis=1)
    assert (pca.components_[rows, largest] > 0).all()


def test_a_mirror_image_of_the_data_has_the_same_axes():
    X = draw(100, 4)
    np.testing.assert_allclose(
        PCA().fit(X).components_, PCA().fit(-X).components_, atol=1e-12
    )


def test_coordinates_are_uncorrelated_with_the_explained_variances():
    X = draw(300, 5)
    pca = PCA(3).fit(X)
    np.testing.assert_allclose(
        np.cov(pca.transform(X).T), np.diag(pca.explained_variance_), atol=1e-9
    )


def test_a_far_mean_costs_no_digits_of_the_variance():
    # centring first: X.T @ X minus the mean's square would keep none of them
    X = draw(500, 3)
    far = PCA().fit(X + 1e8)
    np.testing.assert_allclose(
        far.explained_variance_, PCA().fit(X).explained_variance_, rtol=1e-6
    )


def test_constant_data_have_no_variance_and_no_complaint():
    pca = PCA().fit(np.ones((5, 2)))
    assert (pca.explained_variance_ == 0).all()
    assert (pca.explained_variance_ratio_ == 0).all()


def test_float32_stays_float32():
    X = draw(100, 4).astype(np.float32)
    pca = PCA(2).fit(X)
    assert pca.components_.dtype == np.float32
    assert pca.transform(X).dtype == np.float32
    assert pca.inverse_transform(pca.transform(X)).dtype == np.float32


@pytest.mark.parametrize("n_components", [-1, 5, 0.0, 1.5, "all"])
def test_an_impossible_number_of_components_is_refused(n_components):
    with pytest.raises((ValueError, TypeError), match="n_components"):
        PCA(n_components).fit(draw(30, 4))


def test_one_row_has_no_variance_to_speak_of():
    with pytest.raises(ValueError, match="minimum of 2"):
        PCA().fit(np.ones((1, 3)))


def test_transforming_before_fitting_is_an_error():
    with pytest.raises(ValueError, match="not fitted"):
        PCA().transform(np.ones((2, 2)))
    with pytest.raises(ValueError, match="not fitted"):
        PCA().inverse_transform(np.ones((2, 2)))


def test_a_fitted_pca_survives_its_file(tmp_path):
    persistence = pytest.importorskip("zerobook.persistence")
    X = draw(50, 4)
    pca = PCA(2).fit(X)
    persistence.save(pca, tmp_path / "pca.npz")
    again = persistence.load(tmp_path / "pca.npz")
    assert (again.transform(X) == pca.transform(X)).all()
