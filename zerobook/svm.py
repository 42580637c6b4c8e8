# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Support vector machines: the widest street, straight or through a kernel."""

import numpy as np
from zerobook.base import (
    BaseEstimator,
    ConvergenceWarning,
    check_classification_targets,
    validate_data,
    warn,
)
from zerobook.linear_model import LinearClassifierMixin
from zerobook.base import BOOL, COUNT, NOT_NEGATIVE, POSITIVE, check_params
from functools import lru_cache
from itertools import combinations
from zerobook.base import (
    COUNT,
    POSITIVE,
    Interval,
    check_is_fitted,
    check_params,
)
from zerobook.metrics import ClassifierMixin
from zerobook.neighbors import rounding, typical


# %% 1.1.4 book/foundations/support_vector_machine.md
def squared_hinge_step(A, y, C, w):
    """Loss, slope and Newton step of ``|w|^2 / 2 + C * squared hinges``."""
    lacking = np.maximum(1 - y * (A @ w), 0)  # (N,)
    loss = 0.5 * w @ w + C * lacking @ lacking
    slope = w - 2 * C * A.T @ (y * lacking)  # (D,)
    A = A[lacking > 0]  # (M, D)
    curvature = np.eye(len(w)) + 2 * C * A.T @ A  # (D, D)
    return loss, slope, -np.linalg.solve(curvature, slope)


# %% 1.1.4 book/foundations/support_vector_machine.md
def squared_hinge_newton(A, y, C, tol=1e-4, max_iter=1000):
    """Weights (D,) of the least loss, and the number of steps taken."""
    w = np.zeros(A.shape[1])
    loss, slope, step = squared_hinge_step(A, y, C, w)
    limit = tol * np.linalg.norm(slope)
    for n_iter in range(1, max_iter + 1):
        for shrink in 0.5 ** np.arange(40):
            new = squared_hinge_step(A, y, C, w + shrink * step)
            if new[0] <= loss + 1e-4 * shrink * slope @ step:
                break
        w = w + shrink * step
        loss, slope, step = new
        if np.linalg.norm(slope) <= limit:
            return w, n_iter
    warn(f"no convergence in {max_iter} Newton steps", ConvergenceWarning)
    return w, n_iter


# %% 1.1.4 book/foundations/support_vector_machine.md
class LinearSVC(LinearClassifierMixin, BaseEstimator):
    """Linear classifier of the squared hinge, one class against the rest.

    Derived in section 1.1.4.

    Parameters
    ----------
    C : float, default 1.0
        Price of a squared hinge, positive and finite; small means more
        regularisation.
    tol : float, default 1e-4
        Stop when the slope's length has fallen to this part of its start.
    fit_intercept : bool, default True
    intercept_scaling : float, default 1.0
        The constant beside the features. The intercept is penalised like a
        weight, as in LIBLINEAR; a large value lifts the penalty.
    max_iter : int, default 1000
        Most Newton steps for a class; about ten are the rule.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_
        `coef_` has shape (1, D) for two classes, (K, D) for more.

    Examples
    --------
    >>> model = LinearSVC(C=100).fit([[1], [2], [4], [7]], [0, 0, 1, 1])
    >>> model.predict([[2.5], [3.5]]).tolist()
    [0, 1]
    """

    def __init__(self, *, C=1.0, tol=1e-4, fit_intercept=True,
                 intercept_scaling=1.0, max_iter=1000):
        self.C, self.tol, self.max_iter = C, tol, max_iter
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling

    def fit(self, X, y):
        """Find one weight vector a class; returns self."""
        return _fit_linear_svc(self, X, y)


# %% 1.1.4 book/foundations/support_vector_machine.md
_LINEAR_SVC_RULES = {
    "C": POSITIVE,
    "tol": NOT_NEGATIVE,
    "fit_intercept": BOOL,
    "intercept_scaling": POSITIVE,
    "max_iter": COUNT,
}


def _fit_linear_svc(model, X, y):
    check_params(model, _LINEAR_SVC_RULES)
    X, y = validate_data(model, X, y)
    check_classification_targets(y, at_least=2)
    model.classes_ = classes = np.unique(y)
    constant = model.intercept_scaling if model.fit_intercept else 0.0
    A = np.column_stack([X, np.full(len(X), constant)])  # (N, D + 1)
    weights, steps = [], []
    for c in classes[1:] if len(classes) == 2 else classes:
        side = np.where(y == c, 1.0, -1.0)
        w, n_iter = squared_hinge_newton(
            A, side, model.C, model.tol, model.max_iter
        )
        weights.append(w)
        steps.append(n_iter)
    model.coef_ = np.array(weights)[:, :-1]  # (K, D)
    model.intercept_ = np.array(weights)[:, -1] * constant
    model.n_iter_ = max(steps)
    return model


# %% 1.1.4 book/foundations/support_vector_machine.md
def smo(row, diagonal, y, C, tol=1e-3, max_iter=-1):
    """Solve the dual of the support vector machine, two entries at a time.

    Derived in section 1.1.4.

    Parameters
    ----------
    row : callable
        ``row(i)`` is row i of the kernel matrix, shape (N,).
    diagonal : ndarray of shape (N,)
        The kernel matrix's diagonal.
    y : ndarray of float, shape (N,)
        -1 or +1.
    C : float
        Price of a hinge: each ``y * beta`` stays in ``0 .. C``.
    tol : float, default 1e-3
        Largest gap left, in units of the score (the kerbs are 2 apart).
    max_iter : int, default -1
        Most steps; -1 for no limit.

    Returns
    -------
    beta : ndarray of shape (N,)
    intercept : float
    n_iter : int
    """
    low, high = np.minimum(C * y, 0), np.maximum(C * y, 0)  # (N,)
    beta, F, n_iter = np.zeros(len(y)), np.array(y, float), 0
    up = np.where(y > 0, 0.0, -np.inf)  # -inf where beta cannot rise
    down = np.where(y < 0, 0.0, -np.inf)  # -inf where it cannot fall
    while n_iter != max_iter:
        i = (F + up).argmax()
        gap = F[i] - F + down
        if gap.max() < tol:
            break
        _move_pair(i, gap, row, diagonal, beta, F, low, high, up, down)
        n_iter += 1
    free = np.isfinite(up + down)
    middle = ((F + up).max() + (F - down).min()) / 2
    return beta, float(F[free].mean() if free.any() else middle), n_iter


# %% 1.1.4 book/foundations/support_vector_machine.md
def _move_pair(i, gap, row, diagonal, beta, F, low, high, up, down):
    """One step of `smo`: choose the partner of i, move both, in place."""
    near = row(i)
    distance = diagonal[i] + diagonal - 2 * near  # squared, (N,)
    np.maximum(distance, 1e-12, out=distance)
    gain = np.maximum(gap, 0)
    j = (gain * gain / distance).argmax()
    step = min(gap[j] / distance[j], high[i] - beta[i], beta[j] - low[j])
    beta[i] += step
    beta[j] -= step
    F -= step * (near - row(j))
    hair = 1e-12 * (high[i] - low[i])
    up[i] = 0.0 if beta[i] < high[i] - hair else -np.inf
    down[j] = 0.0 if beta[j] > low[j] + hair else -np.inf
    down[i] = up[j] = 0.0


# %% 1.1.4 book/foundations/kernels.md
def linear_kernel(A, B):
    """Inner products of the rows of A (N, D) and B (M, D): (N, M)."""
    return np.asarray(A, float) @ np.asarray(B, float).T


def polynomial_kernel(A, B, gamma=1.0, degree=3, coef0=0.0):
    """``(gamma a.b + coef0) ** degree`` for all rows of A and B: (N, M)."""
    return (gamma * linear_kernel(A, B) + coef0) ** degree


def rbf_kernel(A, B, gamma=1.0):
    """``exp(-gamma |a - b|^2)`` for all rows of A and B: (N, M)."""
    centre = typical(np.asarray(B))
    A, B = (np.subtract(M, centre, dtype=float) for M in (A, B))
    a, b = (gamma * np.sum(M * M, axis=1) for M in (A, B))  # (N,), (M,)
    K = A @ B.T
    K *= 2 * gamma
    K -= a[:, None]
    K -= b
    lost = 1e-9 / rounding(A.shape[1])
    for j in np.flatnonzero(b > lost):
        K[:, j] = -gamma * np.sum((A - B[j]) ** 2, axis=1)
    return np.exp(np.minimum(K, 0, out=K), out=K)


# %% 1.1.4 book/foundations/kernels.md
class SVC(ClassifierMixin, BaseEstimator):
    """Support vector classifier with a kernel; one machine a pair of classes.

    Derived in section 1.1.4.

    Parameters
    ----------
    C : float, default 1.0
        Price of a hinge, positive; small means more regularisation.
    kernel : {"rbf", "linear", "poly"} or callable (N, D), (M, D) -> (N, M)
    degree, coef0 : of the polynomial, ``(gamma a.b + coef0) ** degree``
    gamma : {"scale", "auto"} or float, default "scale"
        ``1 / (D * X.var())``, ``1 / D``, or a positive number.
    tol, max_iter : float, int, defaults 1e-3 and 100,000
        As in `smo`, for each pair of classes; -1 for no limit. A solver that
        is cut off warns: most often the columns are not scaled.
    decision_function_shape : {"ovr", "ovo"}, default "ovr"
        Scores for each class, or for each pair of classes.
    cache_size : float, default 200
        Megabytes for rows of the kernel matrix.

    Attributes
    ----------
    classes_, support_, support_vectors_, n_support_, intercept_, n_iter_
    dual_coef_ : ndarray of shape (P, number of support vectors)
        Row p belongs to pair p; scikit-learn packs them into K - 1 rows.

    Examples
    --------
    >>> xor = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    >>> SVC(C=10).fit(xor, [0, 0, 1, 1]).predict(xor).tolist()
    [0, 0, 1, 1]
    """

    def __init__(self, *, C=1.0, kernel="rbf", degree=3, gamma="scale",
                 coef0=0.0, tol=1e-3, max_iter=100_000,
                 decision_function_shape="ovr", cache_size=200):
        self.C, self.kernel, self.degree = C, kernel, degree
        self.gamma, self.coef0 = gamma, coef0
        self.tol, self.max_iter = tol, max_iter
        self.decision_function_shape = decision_function_shape
        self.cache_size = cache_size

    def fit(self, X, y):
        """Learn from X (N, D) and labels y (N,), pair by pair; returns self."""
        check_params(self, _SVC_RULES)
        X, y = validate_data(self, X, y)
        check_classification_targets(y, at_least=2)
        X = X.astype(np.float64, copy=False)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self.gamma_ = _gamma(self.gamma, X)
        kernel_row, diagonal = kernel_rows(
            lambda A, B: _kernel(self, A, B), X, self.cache_size
        )
        pairs = list(combinations(range(len(self.classes_)), 2))
        solved = []
        for pair in pairs:
            rows = np.flatnonzero(np.isin(labels, pair))
            yes = pair[1] if len(pairs) == 1 else pair[0]
            side = np.where(labels[rows] == yes, 1.0, -1.0)
            row = _restrict(kernel_row, rows, len(X))
            part = smo(row, diagonal[rows], side, self.C, self.tol, self.max_iter)
            solved.append((rows, *part))
        return _keep_support(self, X, labels, solved)

    def decision_function(self, X):
        """Scores (N,) for two classes; else (N, K), or (N, P) for "ovo"."""
        scores = _pair_scores(self, X)
        if len(self.classes_) == 2:
            return scores.ravel()
        if self.decision_function_shape == "ovo":
            return scores
        votes, sums = _votes(scores, len(self.classes_))
        return votes + sums / (3 * (np.abs(sums) + 1))

    def predict(self, X):
        """The class that wins most pairs, for each row; the first of a tie."""
        scores = _pair_scores(self, X)
        if len(self.classes_) == 2:
            return self.classes_[(scores[:, 0] > 0).astype(int)]
        return self.classes_[_votes(scores, len(self.classes_))[0].argmax(axis=1)]


# %% 1.1.4 book/foundations/kernels.md
def _gamma(gamma, X):
    """The width that `gamma` asks for, as a number."""
    if not isinstance(gamma, str):
        return float(gamma)
    spread = X.var() if gamma == "scale" else 1.0
    return 1.0 / (X.shape[1] * spread) if spread > 0 else 1.0


def _kernel(model, A, B):
    """The kernel of `model` between the rows of A and B: (N, M)."""
    if callable(model.kernel):
        return model.kernel(A, B)
    if model.kernel == "linear":
        return linear_kernel(A, B)
    if model.kernel == "rbf":
        return rbf_kernel(A, B, model.gamma_)
    return polynomial_kernel(A, B, model.gamma_, model.degree, model.coef0)


# %% 1.1.4 book/foundations/kernels.md
def kernel_rows(kernel, X, megabytes=200):
    """The function i -> row i of the kernel matrix of X; the diagonal."""
    N, room = len(X), int(megabytes * 2**17)  # room: numbers of eight bytes
    if N * N <= room:
        K = kernel(X, X)  # (N, N)
        return K.__getitem__, K.diagonal()
    blocks = [X[i : i + 64] for i in range(0, N, 64)]
    diagonal = np.concatenate([kernel(B, B).diagonal() for B in blocks])
    remember = lru_cache(max(2, room // N))
    return remember(lambda i: kernel(X[i : i + 1], X)[0]), diagonal


# %% 1.1.4 book/foundations/kernels.md
_SVC_RULES = {
    "C": POSITIVE,
    "kernel": ["rbf", "linear", "poly", callable],
    "degree": [Interval(int, "[0, inf)")],
    "gamma": ["scale", "auto", *POSITIVE],
    "coef0": [Interval(float, "(-inf, inf)")],
    "tol": POSITIVE,
    "max_iter": [*COUNT, -1],
    "decision_function_shape": ["ovr", "ovo"],
    "cache_size": POSITIVE,
}


def _restrict(kernel_row, rows, N):
    """Rows of the kernel matrix among the points `rows` alone."""
    if len(rows) == N:
        return kernel_row
    return lambda i: kernel_row(rows[i])[rows]


# %% 1.1.4 book/foundations/kernels.md
def _keep_support(model, X, labels, solved):
    """Remember the points that some pair leans on, class by class."""
    beta = np.zeros((len(solved), len(X)))  # (P, N)
    for p, (rows, pair_beta, _, _) in enumerate(solved):
        beta[p, rows] = pair_beta
    model.intercept_ = np.array([b for _, _, b, _ in solved])  # (P,)
    model.n_iter_ = np.array([n_iter for *_, n_iter in solved])  # (P,)
    used = np.flatnonzero(beta.any(axis=0))
    used = used[np.argsort(labels[used], kind="stable")]
    model.support_, model.support_vectors_ = used, X[used]
    model.dual_coef_ = beta[:, used]  # (P, number of support vectors)
    model.n_support_ = np.bincount(labels[used], minlength=len(model.classes_))
    if np.any(model.n_iter_ == model.max_iter):
        warn(
            f"smo stopped after {model.max_iter} steps: put a StandardScaler "
            "in front, lower C or raise max_iter",
            ConvergenceWarning,
        )
    return model


# %% 1.1.4 book/foundations/kernels.md
def _pair_scores(model, X):
    """Score of each pair of classes for each row of X: (N, P)."""
    check_is_fitted(model)
    X = validate_data(model, X, reset=False).astype(np.float64, copy=False)
    size = max(1, 2**22 // max(1, len(model.support_)))
    scores = [
        _kernel(model, X[i : i + size], model.support_vectors_)
        @ model.dual_coef_.T
        for i in range(0, len(X), size)
    ]
    return np.concatenate(scores) + model.intercept_


def _votes(scores, n_classes):
    """Votes of the pairs and their summed scores, both (N, K)."""
    votes, sums = np.zeros((2, len(scores), n_classes))
    for p, (i, j) in enumerate(combinations(range(n_classes), 2)):
        votes[:, i] += scores[:, p] > 0
        votes[:, j] += scores[:, p] <= 0
        sums[:, i] += scores[:, p]
        sums[:, j] -= scores[:, p]
    return votes, sums
