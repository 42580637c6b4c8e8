# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Products, projections: linear algebra with nothing hidden."""

import numpy as np


# %% 1.0.1 book/foundations/linear_algebra.md
def matmul(A, B):
    """Product of two matrices, one multiplication at a time.

    Parameters
    ----------
    A : array_like of shape (N, K)
    B : array_like of shape (K, M)

    Returns
    -------
    ndarray of shape (N, M)

    Raises
    ------
    ValueError
        If the width of `A` is not the height of `B`.

    Notes
    -----
    For reading, not for speed: ``A @ B`` does the same thousands of times
    faster. Derived in section 1.0.1.

    Examples
    --------
    >>> matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]]).tolist()
    [[19, 22], [43, 50]]
    """
    A, B = np.asarray(A), np.asarray(B)
    (N, K), (height, M) = A.shape, B.shape
    if height != K:
        raise ValueError(f"shapes {A.shape} and {B.shape} do not meet")
    C = np.zeros((N, M), dtype=np.result_type(A, B))
    for i in range(N):
        for j in range(M):
            for k in range(K):
                C[i, j] += A[i, k] * B[k, j]
    return C


# %% 1.0.1 book/foundations/linear_algebra.md
def orthonormal_basis(X):
    """Orthonormal directions that span the same space as the columns of `X`.

    Gram and Schmidt's procedure; columns that the earlier ones already span
    are left out, so the result has as many columns as `X` has rank.

    Parameters
    ----------
    X : array_like of shape (N, D)

    Returns
    -------
    ndarray of shape (N, rank)
        ``Q`` with ``Q.T @ Q`` the identity. Derived in section 1.0.1.
    """
    X = np.asarray(X, dtype=float)
    Q = np.zeros((len(X), 0))
    for x in X.T:
        rest = x - Q @ (Q.T @ x)  # (N,)
        rest = rest - Q @ (Q.T @ rest)
        length = np.linalg.norm(rest)
        if length > 1e-12 * np.linalg.norm(x):
            Q = np.column_stack([Q, rest / length])
    return Q


# %% 1.0.1 book/foundations/linear_algebra.md
def project(X, y):
    """Point nearest to `y` among all mixtures of the columns of `X`.

    Parameters
    ----------
    X : array_like of shape (N, D)
    y : array_like of shape (N,) or (N, K)
        One vector, or `K` of them as columns.

    Returns
    -------
    ndarray, shape of `y`
        ``y - project(X, y)`` is orthogonal to every column of `X`.

    Notes
    -----
    The fitted values of linear regression (section 1.1.2) are this
    projection. Derived in section 1.0.1.

    Examples
    --------
    >>> project([[2.0], [1.0]], [1.0, 3.0]).round(6)
    array([2., 1.])
    """
    Q = orthonormal_basis(X)
    return Q @ (Q.T @ np.asarray(y, dtype=float))
