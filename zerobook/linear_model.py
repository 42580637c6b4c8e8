# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Linear models: a weighted sum, and what is done with it."""

import numpy as np
from zerobook.base import BOOL, BaseEstimator, check_is_fitted
from zerobook.base import check_params, validate_data
from zerobook.metrics import RegressorMixin
from zerobook.activations import (
    sigmoid,
    sigmoid_backward,
    softmax,
    softmax_backward,
)
from zerobook.losses import (
    binary_cross_entropy,
    binary_cross_entropy_backward,
    cross_entropy,
    cross_entropy_backward,
)
from zerobook.metrics import ClassifierMixin
from zerobook.activations import log_softmax
from zerobook.base import BaseEstimator, check_is_fitted, validate_data
from zerobook.base import (
    BOOL,
    COUNT,
    NOT_NEGATIVE,
    ConvergenceWarning,
    Interval,
    check_classification_targets,
    check_params,
    warn,
)
from zerobook.base import BOOL, COUNT, NOT_NEGATIVE, check_params
from zerobook.base import (
    BOOL,
    COUNT,
    SEED,
    BaseEstimator,
    check_classification_targets,
    check_is_fitted,
    check_params,
    check_random_state,
    validate_data,
)


# %% 1.1.2 book/foundations/linear_models.md
class LinearRegression(RegressorMixin, BaseEstimator):
    """Least squares: the weighted sum of columns nearest to the target.

    Derived in section 1.1.2.

    Parameters
    ----------
    fit_intercept : bool, default True
        Whether to add a constant; without it the plane goes through zero.

    Attributes
    ----------
    coef_ : ndarray of shape (D,)
        Units of the target per unit of each feature; the smallest of the
        best weights where columns repeat each other.
    intercept_ : float
        Prediction where all features are zero.

    Examples
    --------
    >>> model = LinearRegression().fit([[1], [2], [3]], [1, 3, 2])
    >>> model.coef_.round(3).tolist(), round(model.intercept_, 3)
    ([0.5], 1.0)
    """

    def __init__(self, *, fit_intercept=True):
        self.fit_intercept = fit_intercept

    def fit(self, X, y):
        """Find the weights; returns self."""
        check_params(self, {"fit_intercept": BOOL})
        X, y = validate_data(self, X, y, numeric=True)
        x_mean, y_mean = np.zeros(X.shape[1]), 0.0
        if self.fit_intercept:
            x_mean, y_mean = X.mean(axis=0), y.mean()
        self.coef_ = np.linalg.lstsq(X - x_mean, y - y_mean)[0]  # (D,)
        self.intercept_ = float(y_mean - x_mean @ self.coef_)
        return self

    def predict(self, X):
        """Weighted sums plus intercept, shape (N,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return X @ self.coef_ + self.intercept_


# %% 1.1.2 book/foundations/several_classes.md
def _conjugate_gradient(product, b, inverse, rtol, max_iter=200):
    """Solve ``H x = b`` from products ``H v``; `inverse` is near H's own."""
    x, r = np.zeros_like(b), b
    z = d = inverse @ r
    rz = np.vdot(r, z)
    for _ in range(max_iter):
        q = product(d)
        curvature = np.vdot(d, q)
        if curvature <= 0:
            break
        x, r = x + rz / curvature * d, r - rz / curvature * q
        if np.linalg.norm(r) <= rtol * np.linalg.norm(b):
            break
        z = inverse @ r
        old, rz = rz, np.vdot(r, z)
        d = z + rz / old * d
    return x


# %% 1.1.2 book/foundations/several_classes.md
class _LogisticLoss:
    """Mean loss of a weight matrix plus penalty, with two derivatives."""

    def __init__(self, X, classes, n_classes, alpha):
        self.X, self.y, self.alpha = X, classes, alpha  # (N, D), (N,), (D, 1)
        self.shape = X.shape[1], n_classes
        self.loss, self.loss_backward = cross_entropy, cross_entropy_backward
        self.p, self.p_backward = softmax, softmax_backward
        if n_classes == 2:
            self.y, self.shape = classes[:, None], (X.shape[1], 1)
            self.loss = binary_cross_entropy
            self.loss_backward = binary_cross_entropy_backward
            self.p, self.p_backward = sigmoid, sigmoid_backward

    def value(self, weight, logits):
        penalty = 0.5 * np.sum(self.alpha * weight**2)
        return self.loss(logits, self.y) + penalty

    def gradient(self, weight, logits):
        g = self.loss_backward(1.0, logits, self.y)  # (N, K)
        return self.X.T @ g + self.alpha * weight  # (D, K)

    def curvature(self, logits, p):
        """Return the function that multiplies by the Hessian."""
        X = self.X

        def product(V):
            change = self.p_backward(X @ V, logits, p)  # (N, K)
            return X.T @ change / len(X) + self.alpha * V

        return product


# %% 1.1.2 book/foundations/several_classes.md
def _newton_direction(f, gram, gradient, logits):
    p = f.p(logits)
    H = np.mean(p * (1 - p)) * gram  # (D, D)
    diagonal = H.diagonal() * (1 + 1e-10) + f.alpha[:, 0]
    np.fill_diagonal(H, np.where(diagonal > 0, diagonal, 1.0))
    rtol = min(0.3, np.linalg.norm(gradient) ** 0.5)
    return _conjugate_gradient(
        f.curvature(logits, p), gradient, np.linalg.inv(H), rtol
    )


# %% 1.1.2 book/foundations/several_classes.md
def _newton(f, tol, max_iter):
    """Minimise `f`; return weights, number of steps, whether it arrived."""
    weight = np.zeros(f.shape)
    logits = f.X @ weight
    value = f.value(weight, logits)
    gram = f.X.T @ f.X / len(f.X)
    for n_iter in range(1, max_iter + 1):
        gradient = f.gradient(weight, logits)
        if np.abs(gradient).max() <= tol:
            return weight, n_iter, True
        d = _newton_direction(f, gram, gradient, logits)
        weight, logits, value = _step(f, weight, logits, value, d, gradient)
    return weight, max_iter, False


def _step(f, weight, logits, value, d, gradient):
    slope, move, rounding = np.vdot(gradient, d), f.X @ d, 1e-15 * value
    for t in 0.5 ** np.arange(30):
        new = weight - t * d, logits - t * move
        new_value = f.value(*new)
        if new_value <= value - 1e-4 * t * slope + rounding:
            break
    return *new, new_value


# %% 1.1.2 book/foundations/several_classes.md
class LinearClassifierMixin(ClassifierMixin):
    """Decisions of a classifier that has ``coef_`` and ``intercept_``."""

    def decision_function(self, X):
        """Score of the second of two classes, (N,), or of each, (N, K)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores.ravel() if len(self.classes_) == 2 else scores

    def predict(self, X):
        """The class with the highest score, for each row."""
        scores = self.decision_function(X)
        best = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[best.astype(int)]


# %% 1.1.2 book/foundations/several_classes.md
class LogisticRegression(LinearClassifierMixin, BaseEstimator):
    """Classes from weighted sums: sigmoid for two, softmax for more.

    Derived in section 1.1.2. ``coef_`` is (K, D), scikit-learn's way round.

    Parameters
    ----------
    C : float, default 1.0
        Weight of the data against the penalty; ``np.inf`` for no penalty.
    fit_intercept : bool, default True
        Whether to add a constant to each score.
    tol : float, default 1e-4
        Stop when no entry of the gradient of the mean loss is larger.
    max_iter : int, default 100
        The most Newton steps.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    coef_ : ndarray of shape (1, D) or (K, D)
        Change of log-odds per unit of each feature, in nats.
    intercept_ : ndarray of shape (1,) or (K,)
    n_iter_ : int

    Examples
    --------
    >>> model = LogisticRegression().fit([[0], [1], [2], [3]], [0, 0, 1, 1])
    >>> model.predict([[0.5], [2.5]]).tolist()
    [0, 1]
    """

    def __init__(self, C=1.0, *, fit_intercept=True, tol=1e-4, max_iter=100):
        self.C = C
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X, y):
        """Find the weights by Newton's method; returns self."""
        return _fit_logistic(self, X, y)

    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.column_stack([np.zeros(len(scores)), scores])
        return log_softmax(scores)

    def predict_proba(self, X):
        """Probability of each class, (N, K), columns as in `classes_`."""
        return np.exp(self.predict_log_proba(X))


# %% 1.1.2 book/foundations/several_classes.md
_LOGISTIC_RULES = {
    "C": [Interval(float, "(0, inf]")],
    "fit_intercept": BOOL,
    "tol": NOT_NEGATIVE,
    "max_iter": COUNT,
}


def _fit_logistic(model, X, y):
    check_params(model, _LOGISTIC_RULES)
    X, y = validate_data(model, X, y)
    check_classification_targets(y, at_least=2)
    model.classes_, codes = np.unique(y, return_inverse=True)
    N, D = X.shape
    alpha = np.full((D, 1), 1 / (model.C * N))
    if model.fit_intercept:
        X = np.column_stack([X, np.ones(N)])  # (N, D + 1)
        alpha = np.append(alpha, [[0.0]], axis=0)  # (D + 1, 1)
    f = _LogisticLoss(X, codes, len(model.classes_), alpha)
    weight, model.n_iter_, arrived = _newton(f, model.tol, model.max_iter)
    if not arrived:
        warn(
            f"no convergence in {model.max_iter} Newton steps: standardise "
            "the columns, lower C or raise max_iter",
            ConvergenceWarning,
        )
    model.coef_ = weight[:D].T  # (K, D)
    model.intercept_ = weight[D] if model.fit_intercept else 0 * weight[0]
    return model


# %% 1.1.4 book/foundations/regularisation.md
def ridge_weights(X, y, alpha):
    """Minimise ``|y - X w|^2 + alpha |w|^2``; X and y are centred."""
    N, D = X.shape
    if alpha <= 1e-10 * np.vdot(X, X):
        return _weights_by_svd(X, y, alpha)
    if D <= N:
        return np.linalg.solve(X.T @ X + alpha * np.eye(D), X.T @ y)
    return X.T @ np.linalg.solve(X @ X.T + alpha * np.eye(N), y)


def _weights_by_svd(X, y, alpha):
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    real = s > np.finfo(s.dtype).eps * max(X.shape) * s.max()
    shrink = s[real] / (s[real] ** 2 + alpha)
    return (Vt[real].T * shrink) @ (U[:, real].T @ y)


# %% 1.1.4 book/foundations/regularisation.md
class Ridge(LinearRegression):
    """Least squares with an L2 penalty: weights that must earn their size.

    Derived in section 1.1.4. Minimises the *sum* of squared residuals plus
    `alpha` times the sum of squared weights; the intercept is free.

    Parameters
    ----------
    alpha : float, default 1.0
        Penalty, 0 or more, against a sum over rows: the same belief about
        the weights has the same `alpha`, however many rows there are.
    fit_intercept : bool, default True

    Attributes
    ----------
    coef_ : ndarray of shape (D,)
    intercept_ : float

    Examples
    --------
    >>> model = Ridge(alpha=2).fit([[1], [2], [3]], [1, 3, 2])
    >>> model.coef_.tolist(), model.intercept_
    ([0.25], 1.5)
    """

    def __init__(self, alpha=1.0, *, fit_intercept=True):
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def fit(self, X, y):
        """Find the weights; returns self."""
        check_params(self, {"alpha": NOT_NEGATIVE, "fit_intercept": BOOL})
        X, y = validate_data(self, X, y, numeric=True)
        X, y, x_mean, y_mean = _centre(X, y, self.fit_intercept)
        self.coef_ = ridge_weights(X, y, self.alpha)  # (D,)
        self.intercept_ = float(y_mean - x_mean @ self.coef_)
        return self


# %% 1.1.4 book/foundations/regularisation.md
def _centre(X, y, fit_intercept):
    """Columns and targets less their means, and the means."""
    if not fit_intercept:
        return X, y, np.zeros(X.shape[1]), 0.0
    x_mean, y_mean = X.mean(axis=0), y.mean()
    return X - x_mean, y - y_mean, x_mean, y_mean


# %% 1.1.4 book/foundations/regularisation.md
def soft_threshold(z, threshold):
    """Move `z` towards zero by `threshold`, and stop at zero."""
    return np.sign(z) * np.maximum(np.abs(z) - threshold, 0)


# %% 1.1.4 book/foundations/regularisation.md
def lasso_weights(gram, moment, alpha, limit, coef, max_iter=1000):
    """Minimise ``w G w / 2 - q w + alpha |w|_1``, one weight at a time.

    `gram` is G (D, D), `moment` is q (D,), `coef` the start (D,). Stops when
    no condition is broken by more than `limit` (D,). Returns weights, sweeps.
    """
    sizes, weight = gram.diagonal().tolist(), coef.tolist()
    pull = moment - gram @ coef  # (D,)
    moving = [j for j, size in enumerate(sizes) if size > 0]
    for n_iter in range(1, max_iter + 1):
        for j in moving:
            old, size = weight[j], sizes[j]
            z = pull.item(j) + size * old
            new = (z - alpha if z > alpha else min(z + alpha, 0.0)) / size
            if new != old:
                pull -= (new - old) * gram[j]
                weight[j] = new
        coef = np.array(weight)
        if np.all(lasso_violation(pull, coef, alpha) <= limit):
            return coef, n_iter
    warn(f"no convergence in {max_iter} sweeps", ConvergenceWarning)
    return coef, n_iter


# %% 1.1.4 book/foundations/regularisation.md
def lasso_violation(pull, coef, alpha):
    """By how much each weight breaks its condition; zero at the minimum."""
    at_zero = np.maximum(np.abs(pull) - alpha, 0)
    return np.where(coef == 0, at_zero, np.abs(pull - alpha * np.sign(coef)))


# %% 1.1.4 book/foundations/regularisation.md
class Lasso(LinearRegression):
    """Least squares with an L1 penalty: most weights are exactly zero.

    Derived in section 1.1.4. Minimises *half the mean* squared residual plus
    `alpha` times the sum of absolute weights; the intercept is free.

    Parameters
    ----------
    alpha : float, default 1.0
        Penalty, 0 or more, in units of the target times those of a feature;
        above the largest covariance of a column with `y` all weights are 0.
    fit_intercept : bool, default True
    max_iter : int, default 1000
        Most sweeps over the weights.
    tol : float, default 1e-4
        Largest correlation with `y` that the residuals may show too much.

    Attributes
    ----------
    coef_ : ndarray of shape (D,)
    intercept_ : float
    n_iter_ : int

    Examples
    --------
    >>> X = np.array([[1.0, 1.0], [2.0, -1.0], [3.0, -1.0], [4.0, 1.0]])
    >>> Lasso(alpha=0.5).fit(X, [1, 2, 3, 4]).coef_.round(3).tolist()
    [0.6, 0.0]
    """

    def __init__(
        self, alpha=1.0, *, fit_intercept=True, max_iter=1000, tol=1e-4
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X, y):
        """Find the weights; returns self."""
        return _fit_lasso(self, X, y)


# %% 1.1.4 book/foundations/regularisation.md
_LASSO_RULES = {
    "alpha": NOT_NEGATIVE,
    "fit_intercept": BOOL,
    "max_iter": COUNT,
    "tol": NOT_NEGATIVE,
}


def _fit_lasso(model, X, y):
    check_params(model, _LASSO_RULES)
    X, y = validate_data(model, X, y, numeric=True)
    X, y, x_mean, y_mean = _centre(X, y, model.fit_intercept)
    gram, moment = X.T @ X / len(X), X.T @ y / len(X)  # (D, D), (D,)
    flat = gram.diagonal() <= (len(X) * np.finfo(float).eps * x_mean) ** 2
    gram[flat], gram[:, flat], moment[flat] = 0, 0, 0  # constant columns
    limit = model.tol * np.sqrt(gram.diagonal() * np.mean(y**2))  # (D,)
    start = np.zeros(X.shape[1])
    model.coef_, model.n_iter_ = lasso_weights(
        gram, moment, model.alpha, limit, start, model.max_iter
    )
    model.intercept_ = float(y_mean - x_mean @ model.coef_)
    return model


# %% 1.2.1 book/foundations/neural_networks.md
def perceptron_pass(X, signs, order, weight, bias):
    """Show each row once, correct `weight` and `bias` in place, count.

    Parameters
    ----------
    X : ndarray of shape (N, D)
    signs : ndarray of shape (N, K)
        +1 where the row belongs to the class of the column, else -1.
    order : sequence of int
        Rows in the order in which they are shown.
    weight : ndarray of shape (D, K)
    bias : ndarray of shape (K,)

    Returns
    -------
    int
        Corrections made in this pass.
    """
    mistakes = 0
    for n in order:
        wrong = signs[n] * (X[n] @ weight + bias) <= 0  # (K,)
        if wrong.any():
            correction = np.where(wrong, signs[n], 0.0)  # (K,)
            weight += np.outer(X[n], correction)
            bias += correction
            mistakes += int(wrong.sum())
    return mistakes


# %% 1.2.1 book/foundations/neural_networks.md
class Perceptron(ClassifierMixin, BaseEstimator):
    """Linear classifier that learns from its mistakes only.

    Parameters
    ----------
    max_iter : int, default=100
        Largest number of passes over the data.
    shuffle : bool, default=True
        Draw a new order of the rows before each pass.
    random_state : int, Generator or None, default=None
        Source of the orders.

    Attributes
    ----------
    coef_ : ndarray of shape (1, D), or (K, D) for K > 2 classes
        One row of weights per "this class or another?" question.
    intercept_ : ndarray of shape (1,) or (K,)
    mistakes_ : ndarray of int, shape (n_iter_,)
        Corrections made in each pass; a last 0 says that the classes
        were separated.
    n_iter_ : int
        Passes made.
    classes_ : ndarray of shape (K,)

    Notes
    -----
    Section 1.2.1; Rosenblatt (1958), with Novikoff's bound (1962) on the
    number of mistakes for separable data.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [3.0], [4.0]], [0, 0, 1, 1]
    >>> Perceptron(shuffle=False).fit(X, y).predict([[0.5], [3.5]])
    array([0, 1])
    """

    def __init__(self, max_iter=100, shuffle=True, random_state=None):
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state

    def fit(self, X, y):
        """Correct mistakes, pass after pass, until none is left; return self."""
        check_params(
            self, {"max_iter": COUNT, "shuffle": BOOL, "random_state": SEED}
        )
        X, y = validate_data(self, X, y)
        check_classification_targets(y, at_least=2)
        self.classes_, targets = np.unique(y, return_inverse=True)
        K = len(self.classes_)
        signs = np.where(targets[:, None] == np.arange(K), 1.0, -1.0)
        signs = signs[:, 1:] if K == 2 else signs  # (N, 1) or (N, K)
        rng = check_random_state(self.random_state)
        weight = np.zeros((X.shape[1], signs.shape[1]))
        bias = np.zeros(signs.shape[1])
        counts = []
        while len(counts) < self.max_iter and (not counts or counts[-1]):
            N = len(X)
            order = rng.permutation(N) if self.shuffle else range(N)
            counts.append(perceptron_pass(X, signs, order, weight, bias))
        self.coef_, self.intercept_ = weight.T, bias
        self.mistakes_, self.n_iter_ = np.array(counts), len(counts)
        return self

    def decision_function(self, X):
        """Sums of the units, (N,) for two classes, else (N, K)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        """Class of each row, the one with the largest sum."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(int)]
        return self.classes_[scores.argmax(axis=1)]
