# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""What every classic model promises, and how bad data is refused."""

import inspect
import numbers
import sys
import warnings
import numpy as np


# %% book/given/estimators.md
def _arguments(kind):
    if kind.__init__ is object.__init__:
        return {}
    return inspect.signature(kind).parameters


# %% book/given/estimators.md
class BaseEstimator:
    """Arguments in, arguments out: the base of every classic model.

    A subclass lists its arguments in ``__init__`` and stores each under its
    own name. Derived in "The estimator contract".
    """

    def get_params(self, deep=True):
        """Arguments by name; those of inner models as ``model__alpha``."""
        names = sorted(_arguments(type(self)))
        params = {name: getattr(self, name) for name in names}
        if deep:
            params |= _inner_params(params)
        return params

    def set_params(self, **params):
        """Set arguments by name, ``model__alpha`` included; returns self."""
        return _set_params(self, params)

    def __repr__(self):
        return _describe(self)

    def __sklearn_tags__(self):
        return _sklearn_tags(self)


# %% book/given/estimators.md
def _inner_params(params):
    inner = {}
    for name, value in params.items():
        if hasattr(value, "get_params") and not isinstance(value, type):
            for key, deeper in value.get_params().items():
                inner[f"{name}__{key}"] = deeper
    return inner


# %% book/given/estimators.md
def _set_params(estimator, params):
    valid = estimator.get_params(deep=False)
    own, inner = {}, {}
    for key, value in params.items():
        name, _, rest = key.partition("__")
        if key in valid:
            own[key] = value
        elif rest and hasattr((valid | params).get(name), "set_params"):
            inner.setdefault(name, {})[rest] = value
        else:
            raise ValueError(
                f"Invalid parameter {key!r} for estimator {estimator}. "
                f"Valid parameters are: {sorted(valid)!r}."
            )
    for name, value in own.items():
        setattr(estimator, name, value)
    for name, deeper in inner.items():
        getattr(estimator, name).set_params(**deeper)
    return estimator


# %% book/given/estimators.md
def _describe(estimator):
    cls = type(estimator)
    defaults = _arguments(cls)
    changed = [
        f"{name}={value!r}"
        for name, value in estimator.get_params(deep=False).items()
        if repr(value) != repr(defaults[name].default)
    ]
    return f"{cls.__name__}({', '.join(changed)})"


# %% book/given/estimators.md
class TransformerMixin:
    """Adds ``fit_transform`` to a model that has ``fit`` and ``transform``."""

    def fit_transform(self, X, y=None):
        """Fit to `X`, then return `X` transformed."""
        return self.fit(X, y).transform(X)


class ClusterMixin:
    """Adds ``fit_predict`` to a model whose ``fit`` leaves ``labels_``."""

    _estimator_type = "clusterer"

    def fit_predict(self, X, y=None):
        """Fit to `X`, then return the cluster of each row."""
        return self.fit(X).labels_


# %% book/given/estimators.md
class NotFittedError(ValueError, AttributeError):
    """A model was asked to predict before it learned."""


class DataConversionWarning(UserWarning):
    """Data was taken in another shape or type than it came in."""


class ConvergenceWarning(UserWarning):
    """An iteration stopped before it reached its tolerance."""


def kind(own):
    """scikit-learn's class named like `own` where it is loaded, else `own`."""
    return getattr(sys.modules.get("sklearn.exceptions"), own.__name__, own)


def warn(message, category=UserWarning):
    """Warn with `category`, or with scikit-learn's class of that name."""
    warnings.warn(message, kind(category), stacklevel=3)


# %% book/given/estimators.md
def check_is_fitted(estimator):
    """Raise ``NotFittedError`` unless ``fit`` left something behind."""
    learned = [k for k in vars(estimator) if k.endswith("_") and k[0] != "_"]
    if not learned:
        raise kind(NotFittedError)(
            f"This {type(estimator).__name__} instance is not fitted yet. "
            "Call 'fit' with appropriate arguments before using this "
            "estimator."
        )


# %% book/given/estimators.md
class Interval:
    """Numbers of one kind between bounds: ``Interval(int, "[1, inf)")``."""

    def __init__(self, kind, bounds):
        self.kind, self.bounds = kind, bounds
        self.low, self.high = map(float, bounds[1:-1].split(","))

    def __contains__(self, value):
        kind = numbers.Integral if self.kind is int else numbers.Real
        if isinstance(value, bool | np.bool_) or not isinstance(value, kind):
            return False
        left = value == self.low and self.bounds[0] == "["
        right = value == self.high and self.bounds[-1] == "]"
        return bool(self.low < value < self.high or left or right)

    def __str__(self):
        kind = "an int" if self.kind is int else "a float"
        return f"{kind} in the range {self.bounds}"


# %% book/given/estimators.md
BOOL = [bool, np.bool_]
COUNT = [Interval(int, "[1, inf)")]
NOT_NEGATIVE = [Interval(float, "[0, inf)")]
POSITIVE = [Interval(float, "(0, inf)")]
SEED = [
    None, Interval(int, "[0, inf)"), np.random.Generator, np.random.RandomState
]


def _allows(rule, value):
    if isinstance(rule, Interval):
        return value in rule
    if isinstance(rule, type):
        return isinstance(value, rule)
    if rule is callable:
        return callable(value)
    return isinstance(value, type(rule)) and value == rule


def _in_words(rule):
    if isinstance(rule, type):
        return f"a {rule.__name__}"
    if rule is callable:
        return "a callable"
    return str(rule) if isinstance(rule, Interval) else repr(rule)


# %% book/given/estimators.md
def check_params(owner, rules, **values):
    """Refuse arguments that cannot be meant, by name.

    Parameters
    ----------
    owner : estimator, or name of a function
    rules : dict of str to list
        What each argument may be: an `Interval`, a class, ``callable``, or
        the value itself.
    **values
        The arguments of a function; those of an estimator are its own.

    Raises
    ------
    ValueError
        Naming the argument, what it may be, and what it was.
    """
    name = owner if isinstance(owner, str) else type(owner).__name__
    for key, allowed in rules.items():
        value = values[key] if values else getattr(owner, key)
        if not any(_allows(rule, value) for rule in allowed):
            wanted = " or ".join(map(_in_words, allowed))
            raise ValueError(
                f"The {key!r} parameter of {name} must be {wanted}. "
                f"Got {value!r} instead."
            )


# %% book/given/estimators.md
def check_array(X, *, name="X", min_samples=1, dtype=None):
    """Return `X` as a finite float matrix of shape (N, D).

    Parameters
    ----------
    X : array-like of shape (N, D)
        Numbers; ``float32`` stays, everything else becomes ``float64``.
    name : str
        What the error message calls it.
    min_samples : int
        The fewest rows that make sense.
    dtype : dtype, optional
        Convert to this type instead.

    Raises
    ------
    ValueError
        For NaN, infinity, complex numbers, text, a wrong number of axes, too
        few rows or no columns.
    TypeError
        For sparse matrices and for objects that are no numbers.
    """
    X = _as_float(X, name, dtype)
    if X.ndim != 2:
        raise ValueError(_wrong_ndim(X, name))
    _check_size(X, min_samples)
    _check_finite(X, name)
    return X


# %% book/given/estimators.md
def _as_float(X, name, dtype=None):
    if hasattr(X, "toarray") and not isinstance(X, np.ndarray):
        raise TypeError(
            f"Sparse data was passed for {name}, but dense data is required. "
            "Use '.toarray()' to convert to a dense numpy array."
        )
    X = np.asarray(X)
    if np.iscomplexobj(X):
        raise ValueError(f"Complex data not supported\n{X}\n")
    if X.dtype.kind not in "biufO":
        raise ValueError(f"could not convert {name} to float: {X.dtype!r}")
    if dtype is None:
        dtype = X.dtype if X.dtype == np.float32 else np.float64
    return X.astype(dtype, copy=False)


# %% book/given/estimators.md
def _wrong_ndim(X, name):
    return (
        f"Expected 2D array, got {X.ndim}D array instead for {name}, of shape "
        f"{X.shape}. Reshape your data either using array.reshape(-1, 1) if "
        "your data has a single feature or array.reshape(1, -1) if it "
        "contains a single sample."
    )


def _check_size(X, min_samples):
    wanted = (("sample", min_samples), ("feature", 1))
    for size, (what, least) in zip(X.shape, wanted):
        if size < least:
            raise ValueError(
                f"Found array with {size} {what}(s) (shape={X.shape}) while "
                f"a minimum of {least} is required."
            )


# %% book/given/estimators.md
def _check_finite(a, name):
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(a.sum()):
            return
    if np.isnan(a).any():
        raise ValueError(f"Input {name} contains NaN.")
    if np.isinf(a).any():
        raise ValueError(
            f"Input {name} contains infinity or a value too large for "
            f"{a.dtype!r}."
        )


# %% book/given/estimators.md
def as_numbers(a, name="the array"):
    """Return `a` in ``float64``, of any shape; refuse what `check_array` does.

    Raises
    ------
    ValueError
        For NaN, infinity, complex numbers and text.
    TypeError
        For sparse matrices.
    """
    a = _as_float(a, name, np.float64)
    _check_finite(a, name)
    return a


# %% book/given/estimators.md
COLUMN = (
    "A column-vector y was passed when a 1d array was expected. Please change "
    "the shape of y to (n_samples,), for example using ravel()."
)


def check_target(y, *, numeric=False):
    """Return `y` as a vector of shape (N,), finite where it is a number."""
    if hasattr(y, "toarray") and not isinstance(y, np.ndarray):
        raise TypeError("Sparse data was passed for y, dense is required.")
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        warn(COLUMN, DataConversionWarning)
        y = y.ravel()
    if y.ndim != 1:
        raise ValueError(f"y should be a 1d array, got shape {y.shape}.")
    if numeric:
        y = _as_float(y, "y")
    if y.dtype.kind == "f":
        _check_finite(y, "y")
    return y


# %% book/given/estimators.md
def check_X_y(X, y, *, numeric=False, min_samples=1):
    """Check a matrix and its target together: one target for each row."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    X = check_array(X, min_samples=min_samples)
    y = check_target(y, numeric=numeric)
    if len(X) != len(y):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"[{len(X)}, {len(y)}]"
        )
    return X, y


# %% book/given/estimators.md
def check_classification_targets(y, *, at_least=1):
    """Refuse targets that are measurements, or too few classes.

    Parameters
    ----------
    y : ndarray of shape (N,)
        Labels: integers, text, booleans, or floats without fractions.
    at_least : int
        The fewest classes that the model can tell apart.
    """
    if y.dtype.kind == "f" and np.any(y != np.floor(y)):
        raise ValueError(
            "Unknown label type: continuous. Maybe you are trying to fit a "
            "classifier, which expects discrete classes on a regression "
            "target with continuous values."
        )
    try:
        classes = np.unique(y)
    except TypeError as error:
        raise ValueError(f"Unknown label type: mixed ({error})") from None
    if len(classes) < at_least:
        raise ValueError(
            f"This model needs samples of at least {at_least} classes in the "
            f"data, but the data contains only one class: {classes[0]!r}"
        )


# %% book/given/estimators.md
def validate_data(
    estimator, X, y="no target", *, reset=True, numeric=False, min_samples=1
):
    """Check data on its way into `estimator`.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array-like or DataFrame of shape (N, D)
    y : array-like of shape (N,), optional
        Left out by ``predict`` and ``transform``; `None` is an error.
    reset : bool
        True in ``fit``: remember the columns. False later: compare them.
    numeric : bool
        True for regression: `y` must be numbers.
    min_samples : int
        The fewest rows that make sense.

    Returns
    -------
    ndarray, or a pair of them when `y` is given
    """
    _check_feature_names(estimator, X, reset=reset)
    if isinstance(y, str) and y == "no target":
        X = out = check_array(X, min_samples=min_samples)
    else:
        X, y = out = check_X_y(X, y, numeric=numeric, min_samples=min_samples)
    _check_n_features(estimator, X, reset=reset)
    return out


# %% book/given/estimators.md
def _check_n_features(estimator, X, reset):
    if reset:
        estimator.n_features_in_ = X.shape[1]
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is "
            f"expecting {estimator.n_features_in_} features as input."
        )


def _feature_names(X):
    columns = getattr(X, "columns", None)
    if columns is None or not hasattr(X, "iloc"):
        return None
    names = np.asarray(columns, dtype=object)
    text = [isinstance(name, str) for name in names]
    if any(text) and not all(text):
        raise TypeError("Feature names are only supported if all are strings")
    return names if len(names) and all(text) else None


# %% book/given/estimators.md
def _check_feature_names(estimator, X, reset):
    names = _feature_names(X)
    if reset:
        vars(estimator).pop("feature_names_in_", None)
        if names is not None:
            estimator.feature_names_in_ = names
        return
    known = getattr(estimator, "feature_names_in_", None)
    me = type(estimator).__name__
    if known is None and names is not None:
        warn(f"X has feature names, but {me} was fitted without feature names")
    elif known is not None and names is None:
        warn(
            "X does not have valid feature names, but "
            f"{me} was fitted with feature names"
        )
    elif known is not None and list(known) != list(names):
        raise ValueError(_names_differ(list(known), list(names)))


# %% book/given/estimators.md
def _names_differ(known, names):
    unseen = sorted(set(names) - set(known))
    missing = sorted(set(known) - set(names))
    lines = [
        "The feature names should match those that were passed during fit."
    ]
    if unseen:
        lines += ["Feature names unseen at fit time:", *unseen]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *missing]
    if not unseen and not missing:
        lines += [
            "Feature names must be in the same order as they were in fit."
        ]
    return "\n".join(lines) + "\n"


# %% book/given/estimators.md
def check_random_state(seed):
    """Return a ``numpy.random.Generator``.

    Parameters
    ----------
    seed : None, int, Generator or RandomState
        A Generator is returned as it is, so drawing from it goes on.

    Examples
    --------
    >>> from zerobook.base import check_random_state
    >>> int(check_random_state(0).integers(100))
    85
    """
    if isinstance(seed, np.random.RandomState):
        seed = seed.randint(2**31)
    return np.random.default_rng(seed)


# %% book/given/estimators.md
def _sklearn_tags(estimator):
    from sklearn.utils import (
        ClassifierTags,
        RegressorTags,
        Tags,
        TargetTags,
        TransformerTags,
    )

    role = getattr(estimator, "_estimator_type", None)
    supervised = role in ("classifier", "regressor")
    poor = getattr(estimator, "_poor_score", False)
    target = TargetTags(required=supervised)
    tags = Tags(estimator_type=role, target_tags=target)
    if role == "classifier":
        tags.classifier_tags = ClassifierTags(poor_score=poor)
    if role == "regressor":
        tags.regressor_tags = RegressorTags(poor_score=poor)
    if hasattr(estimator, "transform"):
        kept = ["float64", "float32"]
        tags.transformer_tags = TransformerTags(preserves_dtype=kept)
    return tags
