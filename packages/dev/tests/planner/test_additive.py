"""Additive models: plans against naive evaluation, merged bins, pairs cut into tiles, and what is free."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.cost.prices import price_list
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.planner.additive import plan_additive
from cryptable.planner.coarsen import coarsen
from cryptable_engine import interpret, verify
from cryptable_protocol import Link, encode_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import LocalOutlierFactor
from xgboost import XGBClassifier

FEATURES = 4
NUMBERS = st.integers(-5, 5).map(float)


@st.composite
def edges(draw, most):
    return np.array(sorted(draw(st.sets(NUMBERS, min_size=1, max_size=most))))


@st.composite
def models(draw):
    outputs = draw(st.integers(1, 2))
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    functions, pairs = [], []
    for feature in draw(st.lists(st.integers(0, FEATURES - 1), max_size=5)):
        each = draw(edges(8))
        functions.append(StepFunction(feature, each, seed.normal(size=(len(each) + 1, outputs))))
    for first in draw(st.lists(st.integers(0, FEATURES - 2), max_size=3)):
        both = draw(edges(7)), draw(edges(7))
        values = seed.normal(size=(len(both[0]) + 1, len(both[1]) + 1, outputs)) * draw(st.sampled_from([0.1, 1.0]))
        pairs.append(PairFunction((first, draw(st.integers(first + 1, FEATURES - 1))), both, values))
    names = tuple(f"x{index}" for index in range(FEATURES))
    return AdditiveModel(names, tuple(functions), tuple(pairs), seed.normal(size=outputs), Link.IDENTITY, None)


def naive(model, row):
    total = model.base.copy()
    for each in model.functions:
        total += each.values[sum(row[each.feature] >= edge for edge in each.edges)]
    for each in model.pairs:
        first, second = (
            sum(row[feature] >= edge for edge in cuts) for feature, cuts in zip(each.features, each.edges, strict=True)
        )
        total += each.values[first, second]
    return total


@settings(deadline=None, max_examples=30)
@given(model=models(), tolerance=st.sampled_from([1e-3, 0.1, 0.5]), width=st.integers(2, 6), seed=st.integers(0, 99))
def test_plans_compute_the_model_within_the_stated_bound(model, tolerance, width, seed):
    rows = np.random.default_rng(seed).integers(-6, 7, (40, FEATURES)).astype(float)
    expected = np.array([naive(model, row) for row in rows])
    assert np.allclose(model.scores(rows), expected)
    small = coarsen(model, tolerance=tolerance)
    assert small.error.max() <= tolerance * (1 + 1e-9)
    assert (np.abs(small.graph.scores(rows) * small.step + small.base - expected) <= small.error + 1e-9).all()
    try:
        planned = plan_additive(model, tolerance=tolerance, prices=price_list(), widths=(width,))
    except ct.UnsupportedModelError:  # the same scores for every input
        assert np.ptp(expected, axis=0).max() <= 2 * tolerance
        return
    verify(planned.circuit)
    found = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))
    assert np.abs(found.reshape(expected.shape) - expected).max() <= planned.error_bound + 1e-9
    assert planned.error_bound <= tolerance * (1 + 1e-9)
    if not model.pairs:
        assert planned.circuit.lookups == 0


def test_a_pair_whose_first_feature_is_merged_away_keeps_what_it_adds():
    values = np.array([[[2.0], [-3.0]], [[2.01], [-3.01]]])  # hardly differs along the first feature, which has no bits
    pair = PairFunction((0, 1), (np.zeros(1), np.zeros(1)), values)
    function = StepFunction(1, np.arange(-1.0, 2.0), np.array([[1.0], [-2.0], [5.0], [0.5]]))
    model = AdditiveModel(("a", "b"), (function,), (pair,), np.zeros(1), Link.IDENTITY, None)
    planned = plan_additive(model, tolerance=0.5, prices=price_list(), widths=(4,))
    assert planned.circuit.lookups == 0
    rows = np.array([[first, second] for first in (-1.0, 1.0) for second in (-2.0, -0.5, 0.5, 2.0)])
    found = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))
    assert np.abs(found - model.scores(rows)[:, 0]).max() <= planned.error_bound + 1e-9


@pytest.mark.parametrize(("bits", "width", "lookups"), [(3, 4, 1), (7, 6, 1), (7, 4, 7), (4, 4, 2)])
def test_a_pair_takes_as_few_tables_as_its_tiles(bits, width, lookups):
    cuts = np.arange(float(bits))
    values = np.random.default_rng(0).normal(size=(bits + 1, bits + 1, 1))
    model = AdditiveModel(
        ("a", "b"), (), (PairFunction((0, 1), (cuts, cuts), values),), np.zeros(1), Link.IDENTITY, None
    )
    assert plan_additive(model, tolerance=1e-3, prices=price_list(), widths=(width,)).circuit.lookups == lookups


def test_a_pair_that_is_a_sum_is_free():
    cuts = np.arange(5.0)
    values = (np.arange(6)[:, None] ** 2 + 3 * np.arange(6))[:, :, None].astype(float)
    model = AdditiveModel(
        ("a", "b"), (), (PairFunction((0, 1), (cuts, cuts), values),), np.zeros(1), Link.IDENTITY, None
    )
    assert plan_additive(model, tolerance=1e-6, prices=price_list(), widths=(4,)).circuit.lookups == 0


def test_neighbouring_bins_that_differ_less_than_the_tolerance_are_one():
    steps = np.array([[0.0], [0.01], [0.02], [5.0], [5.01]])
    model = AdditiveModel(("a",), (StepFunction(0, np.arange(4.0), steps),), (), np.zeros(1), Link.IDENTITY, None)
    small = coarsen(model, tolerance=0.05)
    assert [each.edges.tolist() for each in small.graph.functions] == [[2.0]]


@pytest.mark.parametrize(
    "estimator",
    [
        XGBClassifier(n_estimators=30, max_depth=1, random_state=0),
        GradientBoostingClassifier(n_estimators=30, max_depth=1, random_state=0),
    ],
)
def test_boosted_stumps_need_no_lookup(estimator):
    rows, target = load_breast_cancer(return_X_y=True)
    model = ct.compile(estimator.fit(rows, target), rows)
    assert model.circuit.lookups == 0
    assert (model.predict(rows) == estimator.predict(rows)).mean() > 0.99


def test_what_no_circuit_is_good_for_says_what_to_do():
    rows, _ = load_breast_cancer(return_X_y=True)
    estimator = LocalOutlierFactor(novelty=True).fit(rows[:, :3])
    with pytest.raises(ct.UnsupportedModelError, match=r"LocalOutlierFactor cannot be compiled: .*; fit "):
        ct.compile(estimator, rows[:, :3])


@pytest.mark.encrypted
def test_quadratic_and_pairwise_scores_survive_encryption():
    rows, target = load_breast_cancer(return_X_y=True)
    rows = rows[:, :6]
    bayes = ct.compile(GaussianNB().fit(rows, target), rows)
    assert bayes.circuit.lookups == 0
    assert bayes.check(rows[:20], target[:20], encrypted_rows=3).passed
    boosting = pytest.importorskip("interpret.glassbox").ExplainableBoostingClassifier(
        interactions=[(0, 1), (2, 3)],
        max_interaction_bins=4,
        max_bins=32,
        outer_bags=1,
        max_rounds=50,
        n_jobs=1,
        random_state=0,
    )
    pairs = ct.compile(boosting.fit(rows, target), rows, scheme="bootstrapped")
    assert 0 < pairs.circuit.lookups <= 2
    assert pairs.check(rows[:20], target[:20], encrypted_rows=2).passed
    products = ct.compile(boosting, rows)
    assert (products.circuit.lookups, products.circuit.products > 0) == (0, True)
    assert products.check(rows[:20], target[:20], encrypted_rows=2).passed
