"""zerobook.linear_algebra: loops against BLAS, shadows against lstsq."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook.linear_algebra import matmul, orthonormal_basis, project


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


sizes = st.integers(0, 5)


@settings(deadline=None)
@given(sizes, sizes, sizes, st.integers(0, 10**6))
def test_three_loops_make_the_product_that_blas_makes(n, k, m, seed):
    A, B = draw(n, k, seed=seed), draw(k, m, seed=seed + 1)
    np.testing.assert_allclose(matmul(A, B), A @ B, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_product_keeps_the_type_of_its_factors(dtype):
    A = np.ones((2, 2), dtype)
    assert matmul(A, A).dtype == dtype


def test_factors_that_do_not_meet_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3\)"):
        matmul(draw(2, 3), draw(2, 3))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_a_basis_is_orthonormal_and_spans_what_it_was_made_of(n, d, seed):
    X = draw(n, d, seed=seed)
    Q = orthonormal_basis(X)
    assert Q.shape == (n, min(n, d))
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), atol=1e-12)
    np.testing.assert_allclose(Q @ (Q.T @ X), X, atol=1e-11)


def test_columns_already_spanned_are_left_out():
    X = draw(9, 3)
    wide = np.column_stack([X, X @ draw(3, 4)])
    assert orthonormal_basis(wide).shape == (9, 3)
    assert orthonormal_basis(np.zeros((4, 2))).shape == (4, 0)


def test_directions_stay_orthogonal_where_columns_are_nearly_parallel():
    # Hilbert's matrix: one subtraction alone leaves dot products of 0.1
    i = np.arange(8)
    hilbert = 1.0 / (i[:, None] + i + 1)
    Q = orthonormal_basis(hilbert)
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), atol=1e-12)


@given(st.integers(2, 15), st.integers(1, 6), st.integers(0, 10**6))
def test_the_shadow_is_what_least_squares_fits(n, d, seed):
    X, y = draw(n, d, seed=seed), draw(n, seed=seed + 1)
    fitted = X @ np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(project(X, y), fitted, atol=1e-9)


@given(st.integers(2, 15), st.integers(1, 6), st.integers(0, 10**6))
def test_the_residual_is_orthogonal_and_the_shadow_stays_put(n, d, seed):
    X, Y = draw(n, d, seed=seed), draw(n, 2, seed=seed + 1)
    shadow = project(X, Y)
    np.testing.assert_allclose(X.T @ (Y - shadow), 0, atol=1e-11)
    np.testing.assert_allclose(project(X, shadow), shadow, atol=1e-11)


def test_dependent_columns_cast_the_same_shadow():
    X, y = draw(9, 2), draw(9)
    doubled = np.column_stack([X, X, X.sum(axis=1)])
    np.testing.assert_allclose(project(doubled, y), project(X, y), atol=1e-12)
