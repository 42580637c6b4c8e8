"""The estimator contract, held by four toys and judged by scikit-learn."""

import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks

from zerobook import base


class ToyClassifier(base.BaseEstimator):
    """Nearest class mean."""

    _estimator_type = "classifier"

    def fit(self, X, y):
        X, y = base.validate_data(self, X, y)
        base.check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.means_ = np.stack(
            [X[codes == k].mean(axis=0) for k in range(len(self.classes_))]
        )
        return self

    def predict(self, X):
        base.check_is_fitted(self)
        X = base.validate_data(self, X, reset=False)
        far = ((X[:, None] - self.means_) ** 2).sum(axis=-1)
        return self.classes_[far.argmin(axis=1)]

    def score(self, X, y):
        return np.mean(self.predict(X) == np.asarray(y))


class ToyRegressor(base.BaseEstimator):
    """Least squares with an intercept."""

    _estimator_type = "regressor"

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        X, y = base.validate_data(self, X, y, numeric=True)
        self.mean_ = X.mean(axis=0)
        self.intercept_ = y.mean() + self.shift
        self.coef_ = np.linalg.lstsq(X - self.mean_, y - y.mean())[0]
        return self

    def predict(self, X):
        base.check_is_fitted(self)
        X = base.validate_data(self, X, reset=False)
        return (X - self.mean_) @ self.coef_ + self.intercept_

    def score(self, X, y):
        y = np.asarray(y)
        return 1 - np.mean((self.predict(X) - y) ** 2) / np.var(y)


class ToyTransformer(base.TransformerMixin, base.BaseEstimator):
    """Take the mean away."""

    def fit(self, X, y=None):
        X = base.validate_data(self, X)
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        base.check_is_fitted(self)
        X = base.validate_data(self, X, reset=False)
        return X - self.mean_.astype(X.dtype)


class ToyClusterer(base.ClusterMixin, base.BaseEstimator):
    """A few rounds of k-means."""

    def __init__(self, n_clusters=3, random_state=None):
        self.n_clusters = n_clusters
        self.random_state = random_state

    def fit(self, X, y=None):
        X = base.validate_data(self, X)
        rng = base.check_random_state(self.random_state)
        k = min(self.n_clusters, len(X))
        centers = X[rng.permutation(len(X))[:k]]
        for _ in range(10):
            far = ((X[:, None] - centers) ** 2).sum(axis=-1)
            labels = far.argmin(axis=1)
            centers = np.stack(
                [
                    X[labels == j].mean(axis=0) if (labels == j).any() else c
                    for j, c in enumerate(centers)
                ]
            )
        self.labels_, self.cluster_centers_ = labels, centers
        return self

    def predict(self, X):
        base.check_is_fitted(self)
        X = base.validate_data(self, X, reset=False)
        far = ((X[:, None] - self.cluster_centers_) ** 2).sum(axis=-1)
        return far.argmin(axis=1)


@parametrize_with_checks(
    [ToyClassifier(), ToyRegressor(), ToyTransformer(), ToyClusterer()]
)
def test_four_toys_pass_every_check_of_scikit_learn(estimator, check):
    check(estimator)
