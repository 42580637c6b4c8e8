"""The estimator contract, held by four toys and judged by scikit-learn."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.base
import sklearn.exceptions
import sklearn.utils
from hypothesis import given
from hypothesis import strategies as st
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


def raised(call, *args, **kwargs):
    """The class and message that `call` raises, or None."""
    try:
        call(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)
    return None


BAD = {
    "a hole": [[1.0, np.nan]],
    "infinity": [[1.0, np.inf]],
    "minus infinity": [[1.0, -np.inf]],
    "holes that cancel in a sum": [[np.inf, -np.inf]],
    "a vector": [1.0, 2.0],
    "a scalar": 3.0,
    "three axes": np.ones((2, 2, 2)),
    "no rows": np.empty((0, 2)),
    "no columns": np.empty((2, 0)),
    "text": [["a", "b"]],
    "text among objects": np.array([["a", 1.0]], dtype=object),
    "complex": np.ones((2, 2), dtype=complex),
    "objects": np.array([[{}, 1.0]], dtype=object),
    "a missing object": np.array([[None, 1.0]], dtype=object),
    "sparse": scipy.sparse.eye_array(2).tocsr(),
    "a sparse matrix": scipy.sparse.csr_matrix(np.eye(2)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_gets_scikit_learns_kind_of_error(name):
    ours = raised(base.check_array, BAD[name])
    theirs = raised(sklearn.utils.check_array, BAD[name], dtype="float64")
    # a missing object is nan to scikit-learn (ValueError), no number to us
    kinds = {ours[0], theirs[0]}
    assert len(kinds) == 1 or name == "a missing object"


def test_dates_are_no_numbers():
    # scikit-learn would take them as nanoseconds since 1970
    with pytest.raises(ValueError, match="could not convert"):
        base.check_array(np.array([["2026-01-01"]], dtype="datetime64[D]"))


@pytest.mark.parametrize(
    "given, kept",
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("float16", "float64"),
        ("int32", "float64"),
        ("bool", "float64"),
        ("object", "float64"),
    ],
)
def test_single_precision_stays_and_the_rest_is_double(given, kept):
    assert base.check_array(np.ones((2, 2), dtype=given)).dtype == kept


def test_good_data_is_not_copied():
    X = np.ones((3, 2))
    assert base.check_array(X) is X


def test_a_sum_that_overflows_is_not_taken_for_infinity():
    X = np.full((4, 2), 3e38, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert base.check_array(X) is X


def test_too_few_rows_are_counted():
    with pytest.raises(ValueError, match="minimum of 2"):
        base.check_array(np.ones((1, 2)), min_samples=2)


def test_a_column_of_targets_is_flattened_with_a_warning():
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        y = base.check_target(np.ones((3, 1)))
    assert y.shape == (3,)


@pytest.mark.parametrize(
    "y, match",
    [
        ([1.0, np.nan], "Input y contains NaN"),
        ([1.0, np.inf], "Input y contains infinity"),
        (np.ones((2, 2)), "1d array"),
        (3.0, "1d array"),
        (None, "requires y"),
        ([1.0, 2.0, 3.0], r"inconsistent numbers of samples: \[2, 3\]"),
    ],
)
def test_bad_targets_are_named(y, match):
    with pytest.raises(ValueError, match=match):
        base.check_X_y(np.ones((2, 2)), y)


@pytest.mark.parametrize("y", [["a", "b"], [1j, 2j]])
def test_a_regression_target_must_be_a_number(y):
    with pytest.raises(ValueError):
        base.check_X_y(np.ones((2, 2)), y, numeric=True)


@pytest.mark.parametrize(
    "y, match",
    [
        (np.array([0.5, 1.0]), "Unknown label type: continuous"),
        (np.array([1, "a"], dtype=object), "Unknown label type: mixed"),
        (np.array([7, 7]), "only one class: .*7"),
    ],
)
def test_bad_classes_are_named(y, match):
    with pytest.raises(ValueError, match=match):
        base.check_classification_targets(y, at_least=2)


@pytest.mark.parametrize(
    "y", [[0, 1], [0.0, 1.0], ["a", "b"], [True, False]], ids=str
)
def test_good_classes_pass(y):
    base.check_classification_targets(np.array(y), at_least=2)


def test_named_columns_are_remembered_and_compared():
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
    model = ToyTransformer().fit(table)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="same order"):
        model.transform(table[["b", "a"]])
    with pytest.raises(ValueError, match="unseen at fit time:\nc\n"):
        model.transform(table.rename(columns={"b": "c"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.transform(table.to_numpy())
    model.fit(table.to_numpy())
    assert not hasattr(model, "feature_names_in_")
    with pytest.warns(UserWarning, match="has feature names"):
        model.transform(table)


def test_numbered_columns_are_no_names_and_mixed_ones_an_error():
    assert not hasattr(
        ToyTransformer().fit(pd.DataFrame([[1.0, 2.0]])), "feature_names_in_"
    )
    mixed = pd.DataFrame([[1.0, 2.0]], columns=["a", 0])
    with pytest.raises(TypeError, match="Feature names"):
        ToyTransformer().fit(mixed)


def test_another_number_of_columns_is_refused():
    model = ToyTransformer().fit(np.ones((3, 2)))
    with pytest.raises(ValueError, match="X has 3 features, but ToyTransf"):
        model.transform(np.ones((3, 3)))


def test_an_unfitted_model_says_so_in_scikit_learns_words():
    with pytest.raises(sklearn.exceptions.NotFittedError, match="not fitted"):
        ToyTransformer().transform(np.ones((2, 2)))


def test_without_scikit_learn_the_errors_are_our_own():
    code = (
        "import sys, numpy as np\n"
        "from zerobook import base\n"
        "assert 'sklearn' not in sys.modules\n"
        "try:\n"
        "    base.check_is_fitted(base.BaseEstimator())\n"
        "except base.NotFittedError as error:\n"
        "    assert isinstance(error, (ValueError, AttributeError))\n"
        "    print(type(error).__module__)\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "zerobook.base\n"


def test_arguments_of_an_inner_model_are_reached_by_two_underscores():
    class Outer(base.BaseEstimator):
        def __init__(self, inner, rounds=3):
            self.inner = inner
            self.rounds = rounds

    outer = Outer(ToyRegressor(shift=1.0))
    assert outer.get_params()["inner__shift"] == 1.0
    assert "inner__shift" not in outer.get_params(deep=False)
    assert outer.set_params(inner__shift=2.0, rounds=4) is outer
    assert (outer.inner.shift, outer.rounds) == (2.0, 4)
    assert repr(outer) == "Outer(inner=ToyRegressor(shift=2.0), rounds=4)"
    # an inner model is set before its arguments, whatever the order
    outer.set_params(inner__shift=5.0, inner=ToyRegressor())
    assert outer.inner.shift == 5.0
    twin = sklearn.base.clone(outer)
    assert twin.inner is not outer.inner and twin.inner.shift == 5.0


@pytest.mark.parametrize("name", ["shfit", "shift__deep", "nothing__shift"])
def test_an_unknown_argument_is_an_error_that_lists_the_known(name):
    with pytest.raises(ValueError, match="shift"):
        ToyRegressor().set_params(**{name: 1})


def test_setting_fails_as_a_whole():
    model = ToyRegressor()
    with pytest.raises(ValueError):
        model.set_params(shift=3.0, shfit=1.0)
    assert model.shift == 0.0


@given(st.integers(0, 2**63))
def test_an_int_seeds_a_generator_of_its_own(seed):
    first = base.check_random_state(seed).random(3)
    np.testing.assert_array_equal(first, np.random.default_rng(seed).random(3))


def test_a_generator_goes_on_and_a_random_state_is_drawn_from():
    rng = np.random.default_rng(0)
    assert base.check_random_state(rng) is rng
    old = np.random.RandomState(0)
    one, two = (base.check_random_state(old).random() for _ in range(2))
    assert one != two
    again = base.check_random_state(np.random.RandomState(0)).random()
    assert one == again


def test_no_seed_is_another_seed_each_time():
    one, two = (base.check_random_state(None).random(4) for _ in range(2))
    assert (one != two).any()


@pytest.mark.parametrize("seed", [-1, "zero", 0.5])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises((ValueError, TypeError)):
        base.check_random_state(seed)
