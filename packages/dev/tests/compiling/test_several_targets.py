"""Regressions of several targets in units of their own: each is as near as a lone one is, or `compile` warns of it."""

import warnings

import cryptable as ct
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from sklearn.tree import DecisionTreeRegressor

UNITS = np.array([1000.0, 1.0, 0.5])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6)).astype(np.float32)
    return X, (X @ rng.normal(size=(6, 3)) + np.abs(X[:, :3])) * UNITS


def off(model, compiled, X):
    """Root mean square of what each target is off by, beside its deviation."""
    wanted = model.predict(X)
    return np.sqrt(np.square(compiled.predict(X) - wanted).mean(axis=0)) / wanted.std(axis=0)


@pytest.mark.parametrize(
    "model",
    [LinearRegression(), DecisionTreeRegressor(max_depth=4), RandomForestRegressor(5, max_depth=3, random_state=0)],
    ids=lambda model: type(model).__name__,
)
def test_each_target_is_near(model, data):
    X, targets = data
    model.fit(X, targets)
    assert (off(model, ct.compile(model, X), X) < 0.03).all()


def test_a_target_that_is_lost_is_warned_of(data):
    X, targets = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=50, random_state=0).fit(X, targets)
    with pytest.warns(ct.AgreementWarning, match=r"scores differ by .*; several targets share one step: fit on each"):
        compiled = ct.compile(model, X, scheme="bootstrapped")
    assert compiled.agreement.rms == pytest.approx(off(model, compiled, X).max(), rel=1e-3)
    assert compiled.agreement.rms > 0.15


def test_a_target_beyond_what_plans_can_is_warned_of(data):
    """The others are answered, as finely as they need."""
    X, targets = data
    model = LinearRegression().fit(X, targets * [1e9, 1.0, 1.0])
    with pytest.warns(ct.AgreementWarning, match="several targets share one step"):
        compiled = ct.compile(model, X)
    assert off(model, compiled, X)[0] < 0.03


def test_a_target_that_never_varies_is_no_target_to_be_near(data):
    X, targets = data
    model = LinearRegression().fit(X, targets * [1.0, 0.0, 0.0] + [0.0, 3.0, 0.0])
    assert np.abs(ct.compile(model, X).predict(X)[:, 1:] - [3.0, 0.0]).max() < 1e-6
