"""Trees and forests of the libraries, fitted on random data of any shape: what is planned agrees with the library."""

import warnings

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.registry import reference_scores
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keychain import keychain
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

GRID = np.array([-2.5, -1.0, -0.1, 0.0, 0.1, 0.30000001, 1.0, 7.0])
"""Few values: thresholds are equal, features are asked again, and rows lie on edges."""
KINDS = {
    "tree": lambda depth, trees: DecisionTreeClassifier(max_depth=depth, random_state=0),
    "regression tree": lambda depth, trees: DecisionTreeRegressor(max_depth=depth, random_state=0),
    "forest": lambda depth, trees: RandomForestClassifier(trees, max_depth=depth, random_state=0),
    "regression forest": lambda depth, trees: RandomForestRegressor(trees, max_depth=depth, random_state=0),
    "extra trees": lambda depth, trees: ExtraTreesClassifier(trees, max_depth=depth, random_state=0),
    "boosting": lambda depth, trees: GradientBoostingRegressor(n_estimators=trees, max_depth=depth, random_state=0),
    "histogram boosting": lambda depth, trees: HistGradientBoostingClassifier(
        max_iter=trees, max_depth=depth, min_samples_leaf=1, random_state=0
    ),
}
WITHOUT_GAPS = ("boosting",)


def study(kind, seed, rows, features, depth, trees, holes):
    """A fitted estimator, its training rows, and rows on edges and next to them, with gaps where it has seen some."""
    random = np.random.default_rng(seed)
    data = random.choice(GRID, (rows, features))
    tried = random.choice(
        np.concatenate([GRID, np.nextafter(GRID, np.inf), np.nextafter(GRID, -np.inf)]), (60, features)
    )
    if holes and kind not in WITHOUT_GAPS:
        missing = random.random((rows, features)) < 0.3
        data[missing] = np.nan
        tried[(random.random(tried.shape) < 0.3) & missing.any(axis=0)] = np.nan
    target = random.integers(0, 3, rows)
    target[:2] = 0, 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return KINDS[kind](depth, trees).fit(data, target), data, tried


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(4, 60),
    features=st.integers(1, 4),
    depth=st.integers(1, 6),
    trees=st.integers(1, 4),
    holes=st.booleans(),
    tolerance=st.sampled_from([None, 0.1, 1e-3]),
)
@example(kind="forest", seed=0, rows=60, features=1, depth=6, trees=4, holes=True, tolerance=None)
@example(kind="histogram boosting", seed=1, rows=60, features=4, depth=6, trees=4, holes=True, tolerance=1e-3)
def test_plans_agree_with_the_library(kind, seed, rows, features, depth, trees, holes, tolerance):
    estimator, data, tried = study(kind, seed, rows, features, depth, trees, holes)
    try:
        planned = plan(estimator, data, CompileSettings(tolerance=tolerance, scheme="bootstrapped"))
    except ct.ConstantModelError:  # single leaves, or sums that cancel
        assert np.ptp(reference_scores(estimator, data), axis=0).max() <= 2 * (tolerance or 0.05)
        return
    for each in (data, tried):
        own = reference_scores(estimator, each)
        values = interpret(planned.circuit, encode_rows(planned.features, each))
        scores = planned.decoder.decision_function(values).reshape(own.shape)
        assert np.abs(scores - own).max() <= planned.error_bound + 1e-6 * (1 + np.abs(own).max())


@pytest.mark.encrypted
@pytest.mark.parametrize(("kind", "seed"), [("forest", 1), ("histogram boosting", 2), ("regression forest", 3)])
def test_a_sample_of_them_under_encryption(kind, seed):
    estimator, data, tried = study(kind, seed, rows=50, features=3, depth=3, trees=2, holes=True)
    model = ct.compile(estimator, data, scheme="bootstrapped")
    assert model.circuit.lookups
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, tried[:2]))
    assert np.isnan(tried[:2]).any()
    assert (keychain().evaluate(model, tried[:2]) == clear).all()
