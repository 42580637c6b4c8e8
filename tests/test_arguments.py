"""Kind: an argument or a table that cannot be meant is refused by name.

Every argument of every estimator meets each value of `SENSELESS`; what is not
refused must stand in `FINE`.
"""

import inspect
import warnings

import numpy as np
import pytest
import scipy.sparse
import sklearn.base
from test_estimators import ESTIMATORS, ids, role

from zerobook.base import Interval, check_params
from zerobook.cluster import lloyd
from zerobook.model_selection import (
    GridSearchCV,
    KFold,
    check_cv,
    parameter_grid,
)
from zerobook.linear_model import Ridge
from zerobook.neighbors import nearest

SENSELESS = [
    0, -1, -1.5, 2.7, np.nan, np.inf, -np.inf, "x", None, True, [], {}, object(),
]
# argument: the senseless values that are fine for it, by their repr
FINE = {
    "C": {"2.7"},
    "LogisticRegression.C": {"2.7", "inf"},  # no penalty
    "alpha": {"0", "2.7"},
    "coef0": {"0", "-1", "-1.5", "2.7"},
    "cache_size": {"2.7"},
    "degree": {"0"},
    "dropout": {"0"},
    "gamma": {"2.7"},
    "hidden_layer_sizes": {"[]"},
    "intercept_scaling": {"2.7"},
    "learning_rate_init": {"2.7"},
    "SVC.max_iter": {"-1"},  # no limit
    "PCA.n_components": {"0", "None"},  # none, and all
    "param_grid": {"{}"},  # the one combination that changes nothing
    "n_iter_no_change": {"inf"},
    "random_state": {"0", "None"},
    "reg_covar": {"0", "2.7"},
    "scoring": {"None"},
    "tol": {"0", "2.7"},
    "fit_intercept": {"True"}, "shuffle": {"True"}, "refit": {"True"},
    "early_stopping": {"True"}, "with_mean": {"True"}, "with_std": {"True"},
}  # fmt: skip
PAIRS = [(e, name) for e in ESTIMATORS for name in e.get_params(deep=False)]
NAMES = [f"{ids(e)}-{name}" for e, name in PAIRS]


def data(estimator):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 2))
    if role(estimator) == "regressor":
        return X, X @ [1.0, 2.0]
    return X, (X[:, 0] > 0).astype(int)


def refusal(estimator, name, value):
    """What `fit` says of this value, or None where it takes it."""
    model = sklearn.base.clone(estimator)
    try:
        model.set_params(**{name: value})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(*data(estimator))
    except (ValueError, TypeError) as error:
        return str(error)
    return None


@pytest.mark.parametrize(("estimator", "name"), PAIRS, ids=NAMES)
def test_a_senseless_argument_is_refused_by_its_name(estimator, name):
    fine = FINE.get(f"{ids(estimator)}.{name}", FINE.get(name, ()))
    for value in SENSELESS:
        said = refusal(estimator, name, value)
        if said is None:
            assert repr(value) in fine, (name, value)
        else:
            assert name in said, (value, said)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_no_argument_of_any_estimator_is_without_a_rule(estimator):
    # the default of each argument is fine, and so is what clone carries over
    defaults = {
        name: p.default
        for name, p in inspect.signature(type(estimator)).parameters.items()
        if p.default is not p.empty
    }
    for name, value in defaults.items():
        assert refusal(estimator, name, value) is None, name


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ("[1, inf)", [1, 2.5, 1e300], [0.999, np.inf, np.nan, -1]),
        ("(0, 1)", [0.5, np.float32(0.5)], [0, 1, 0.0, 1.0, "0.5", None]),
        ("[0, 1]", [0, 1, np.int8(1)], [-1e-300, 1.0000001, True, np.True_]),
        ("(-inf, inf)", [0, -1e300], [np.inf, -np.inf, 1j]),
    ],
)
def test_an_interval_holds_what_its_brackets_say(bounds, inside, outside):
    rule = Interval(float, bounds)
    assert all(value in rule for value in inside)
    assert not any(value in rule for value in outside)
    assert 1.0 not in Interval(int, "[0, inf)")
    assert str(rule) == f"a float in the range {bounds}"


def test_the_refusal_is_scikit_learns_sentence():
    # sklearn.cluster.KMeans(max_iter=0) says the same
    with pytest.raises(ValueError) as refused:
        rules = {"max_iter": [Interval(int, "[1, inf)"), "auto", None]}
        check_params("KMeans", rules, max_iter=0)
    assert str(refused.value) == (
        "The 'max_iter' parameter of KMeans must be an int in the range "
        "[1, inf) or 'auto' or None. Got 0 instead."
    )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: lloyd(np.eye(3), np.eye(3), max_iter=0), "max_iter"),
        (lambda: nearest(np.eye(3), np.eye(3), 0), "k=0"),
        (lambda: nearest(np.eye(3), np.eye(3), 4), "k=4"),
        (lambda: check_cv(1), "cv"),
        (lambda: check_cv("x"), "cv"),
        (lambda: check_cv(2.7), "cv"),
        (lambda: next(KFold(2.7).split(np.eye(4))), "n_splits"),
        (lambda: next(KFold(2, shuffle="x").split(np.eye(4))), "shuffle"),
        (lambda: parameter_grid({"alpha": 1}), "param_grid"),
        (lambda: parameter_grid({"alpha": []}), "param_grid"),
        (lambda: parameter_grid(3), "param_grid"),
        (lambda: GridSearchCV(3, {"a": [1]}).fit(*data(Ridge())), "estimator"),
    ],
)
def test_functions_refuse_by_name_too(call, name):
    with pytest.raises((ValueError, TypeError), match=name):
        call()


# -- tables ----------------------------------------------------------------

SUPERVISED = [e for e in ESTIMATORS if role(e) in ("classifier", "regressor")]
BAD_TABLES = {
    "NaN": (lambda X: np.where(X == X[3, 1], np.nan, X), "NaN"),
    "infinity": (lambda X: np.where(X == X[3, 1], np.inf, X), "infinity"),
    "one axis": (lambda X: X[:, 0], "2D array"),
    "three axes": (lambda X: X[None], "2D array"),
    "no rows": (lambda X: X[:0], "sample"),
    "no columns": (lambda X: X[:, :0], "feature"),
    "sparse": (scipy.sparse.csr_array, "[Ss]parse"),
    "text": (lambda X: X.astype(str), "could not convert"),
    "complex": (lambda X: X + 1j, "[Cc]omplex"),
}


def ask(model, X):
    return getattr(model, "predict", getattr(model, "transform", None))(X)


@pytest.mark.parametrize("kind", BAD_TABLES)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_a_bad_table_is_refused_when_fitted_and_when_asked(estimator, kind):
    spoil, words = BAD_TABLES[kind]
    X, y = data(estimator)
    bad = spoil(X)
    with pytest.raises((ValueError, TypeError), match=words):
        sklearn.base.clone(estimator).fit(bad, y[: bad.shape[0]])
    model = sklearn.base.clone(estimator).fit(X, y)
    with pytest.raises((ValueError, TypeError), match=words):
        ask(model, bad)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_another_number_of_columns_is_refused(estimator):
    X, y = data(estimator)
    model = sklearn.base.clone(estimator).fit(X, y)
    with pytest.raises(ValueError, match="3 features"):
        ask(model, np.ones((5, 3)))


@pytest.mark.parametrize("estimator", SUPERVISED, ids=ids)
def test_targets_that_do_not_fit_the_rows_are_refused(estimator):
    X, y = data(estimator)
    model = sklearn.base.clone(estimator).fit(X, y)
    for call in (sklearn.base.clone(estimator).fit, model.score):
        with pytest.raises(ValueError):
            call(X, y[:-1])
        with pytest.raises(ValueError):
            call(X, np.column_stack([y, y]))
        with pytest.raises(ValueError):
            call(X, None)


@pytest.mark.parametrize("estimator", SUPERVISED, ids=ids)
def test_fit_and_score_take_a_column_of_targets_with_a_warning(estimator):
    X, y = data(estimator)
    model = sklearn.base.clone(estimator)
    with pytest.warns(UserWarning, match="column-vector"):
        model.fit(X, y[:, None])
    with pytest.warns(UserWarning, match="column-vector"):
        score = model.score(X, y[:, None])
    assert score == model.score(X, y)


@pytest.mark.parametrize(
    "estimator", [e for e in SUPERVISED if role(e) == "classifier"], ids=ids
)
def test_a_classifier_takes_labels_of_any_type_or_one_class_clearly(estimator):
    X, y = data(estimator)
    plain = sklearn.base.clone(estimator).fit(X, y).predict(X)
    for names in (["no", "yes"], [False, True], [-1.0, 1.0], [7, 250]):
        labels = np.array(names)
        small = labels.astype(np.uint8) if names[0] == 7 else labels
        model = sklearn.base.clone(estimator).fit(X, small[y])
        assert (model.predict(X) == small[plain]).all()
        assert model.score(X, small[y]) == np.mean(plain == y)
    single = sklearn.base.clone(estimator)
    try:
        single.fit(X, np.full(len(X), "one"))
    except ValueError as error:
        assert "class" in str(error)
    else:
        assert (single.predict(X) == "one").all()
