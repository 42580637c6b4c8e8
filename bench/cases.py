"""What is measured: a model, its arguments, its data, and what we aim at."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    """One classic model on one set, beside scikit-learn's of the same name."""

    model: str  # module and class, the same in both packages
    data: str
    aim: float | None  # ratio to scikit-learn that we hope not to exceed
    both: dict = field(default_factory=dict)
    theirs: dict = field(default_factory=dict)


def digits():
    """scikit-learn's digits, scaled to 0 .. 1: 1,797 rows, 64 columns."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X / 16, y


def made(n_samples=20_000):
    """Two overlapping classes and a noisy line, 50 columns."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, 50))
    weight = rng.standard_normal(50) * (np.arange(50) < 20)
    return X, X @ weight + 2 * rng.standard_normal(n_samples)


def load(name, regression):
    """Inputs and targets of the set with this name."""
    if name == "digits":
        X, y = digits()
        return X, y.astype(float) if regression else y
    X, y = made(int(name.removeprefix("made ").replace(",", "")))
    return X, y if regression else (y > 0).astype(int)


def cases():
    """All of them, in the order of the book."""
    big, small = "made 20,000", "made 2,000"
    for data in ("digits", big):
        # both start from the same centres, so that both do the same rounds
        start = load(data, False)[0][:10]
        yield Case("neighbors.KNeighborsClassifier", data, 1.5)
        yield Case("neighbors.KNeighborsRegressor", data, 1.5)
        yield Case("cluster.KMeans", data, 1.5,
                   {"n_clusters": 10, "init": start, "n_init": 1})
        yield Case("decomposition.PCA", data, 1.5, {"n_components": 10})
        yield Case("linear_model.LinearRegression", data, 1.5)
        yield Case("linear_model.LogisticRegression", data, 1.5, {"C": 1.0},
                   {"max_iter": 1000})
        # the perceptron is a loop in Python on purpose: no aim
        yield Case("linear_model.Perceptron", data, None,
                   {"max_iter": 5, "random_state": 0}, {"tol": None})
        yield Case("preprocessing.StandardScaler", data, 1.5)
        yield Case("linear_model.Ridge", data, 1.5, {"alpha": 1.0})
        yield Case("linear_model.Lasso", data, 1.5, {"alpha": 0.01})
        yield Case("svm.LinearSVC", data, 5, {"C": 1.0}, {"max_iter": 10_000})
        # as many passes for both; what a pass costs is what is compared
        yield Case("neural_network.MLPClassifier", data, None,
                   {"max_iter": 5, "random_state": 0})
    for data in ("digits", small):
        yield Case("svm.SVC", data, 5, {"C": 1.0})
