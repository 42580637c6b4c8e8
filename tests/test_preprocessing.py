"""StandardScaler against scikit-learn's, and what must come back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import preprocessing as oracle
from sklearn.pipeline import make_pipeline

from zerobook.datasets import load_breast_cancer, load_digits
from zerobook.linear_model import LinearRegression
from zerobook.preprocessing import StandardScaler


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
@pytest.mark.parametrize("with_mean", [True, False])
@pytest.mark.parametrize("with_std", [True, False])
def test_standard_scaler_is_scikit_learns(load, with_mean, with_std):
    X, _ = load()  # the digits have pixels that are never inked
    kwargs = dict(with_mean=with_mean, with_std=with_std)
    ours = StandardScaler(**kwargs).fit(X)
    theirs = oracle.StandardScaler(**kwargs).fit(X)
    np.testing.assert_allclose(
        ours.transform(X), theirs.transform(X), rtol=1e-10, atol=1e-10
    )


@given(arrays(float, (6, 3), elements=st.floats(-1e3, 1e3)))
def test_inverse_transform_undoes_transform(X):
    scaler = StandardScaler().fit(X)
    assert np.allclose(scaler.inverse_transform(scaler.transform(X)), X)


@given(st.floats(-1e6, 1e6))
def test_a_column_that_never_changes_becomes_zero(value):
    X = np.full((7, 1), value)
    assert np.abs(StandardScaler().fit_transform(X)).max() <= 1e-8


def test_the_scale_comes_from_the_rows_of_fit_alone():
    train, new = np.array([[0.0], [2.0]]), np.array([[4.0]])
    assert StandardScaler().fit(train).transform(new).tolist() == [[3.0]]


def test_float32_stays_float32():
    X = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert StandardScaler().fit_transform(X).dtype == np.float32


def test_it_stands_in_scikit_learns_pipeline():
    X, y = load_digits()
    pipe = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    plain = LinearRegression().fit(X, y)  # least squares ignores the scale
    assert np.allclose(pipe.predict(X), plain.predict(X))


@pytest.mark.parametrize("N", [2, 3, 10, 1000, 5000])
@pytest.mark.parametrize("value", [0.1, -7.3, 1e8 / 3, 1e-30])
def test_rounding_of_the_mean_is_no_spread_however_many_rows(N, value):
    X = np.column_stack([np.full(N, value), np.arange(N)])
    ours, theirs = StandardScaler().fit(X), oracle.StandardScaler().fit(X)
    assert ours.scale_[0] == theirs.scale_[0] == 1.0
    np.testing.assert_allclose(ours.scale_[1], theirs.scale_[1])
