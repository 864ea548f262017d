"""Nearest neighbours: comparisons that matter, votes, targets, and what is refused."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.importers import import_estimator
from cryptable_engine import interpret
from cryptable_engine.circuit.circuit import Lookup
from cryptable_protocol import encode_rows
from keychain import keychain
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsClassifier
from steady import steadiest

IRIS, SPECIES = load_iris(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(len(IRIS))
IRIS, SPECIES = IRIS[ORDER], SPECIES[ORDER]


def scores(planned, rows):
    return planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


def comparisons(planned):
    (first, *_) = (node for node in planned.circuit.nodes if isinstance(node, Lookup))
    return first.size


@pytest.mark.parametrize("k", [1, 4, 5])
@pytest.mark.parametrize("data", ["three classes", "two classes", "target"])
def test_votes_and_means_are_those_of_the_library(k, data):
    if data == "target":
        rows, target = load_diabetes(return_X_y=True)
        estimator = KNeighborsRegressor(k).fit(rows[:25], target[:25])
        own = estimator.predict(rows)
    else:
        rows, target = (IRIS, SPECIES) if data == "three classes" else load_breast_cancer(return_X_y=True)
        rows = rows[:, :6] / rows[:, :6].std(axis=0)
        estimator = KNeighborsClassifier(k).fit(rows[:30], target[:30])
        own = estimator.predict_proba(rows)
        own = own[:, 1] if own.shape[1] == 2 else own
    planned = plan(estimator, rows)
    off = planned.decoder.step * k if data == "target" else 0.01  # half a unit of a target; far less than a vote
    graph = import_estimator(estimator, tuple(f"x{i}" for i in range(rows.shape[1])))
    equal = np.abs(scores(planned, rows) - own).reshape(len(rows), -1).max(axis=1) <= off + 1e-9
    assert equal[~graph.ties(rows)].mean() > 0.97
    assert comparisons(planned) < 0.8 * 30 * 29 / 2


def test_comparisons_that_are_left_out_decide_nothing():
    """On a grid over the whole range, in two dimensions, where nearly all of the rows' borders are between few."""
    random = np.random.default_rng(3)
    rows, target = random.uniform(size=(40, 2)), random.integers(0, 2, 40)
    estimator = KNeighborsClassifier(3).fit(rows, target)
    planned = plan(estimator, rows)
    assert comparisons(planned) < 0.3 * 40 * 39 / 2
    grid = np.stack(
        np.meshgrid(*[np.linspace(low, high, 60) for low, high in zip(rows.min(0), rows.max(0), strict=True)])
    )
    grid = grid.reshape(2, -1).T
    assert (np.abs(scores(planned, grid) - estimator.predict_proba(grid)[:, 1]) < 1e-9).mean() > 0.98


def test_the_largest_class_needs_no_lookup_of_its_rows():
    target = np.where(SPECIES == 0, "rare", "usual")
    estimator = KNeighborsClassifier(3).fit(IRIS[:30], target[:30])
    planned = plan(estimator, IRIS)
    assert 0 < planned.circuit.lookups - comparisons(planned) <= (target[:30] == "rare").sum() < 15
    found = planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, IRIS)))
    assert (found == estimator.predict(IRIS)).mean() > 0.97
    assert set(found) == {"rare", "usual"}


@pytest.fixture(scope="module")
def model():
    with pytest.warns(ct.AgreementWarning, match=r"98\.7% of the labels"):  # of rows that are about equally near
        return ct.compile(KNeighborsClassifier(3).fit(IRIS[:12], SPECIES[:12]), IRIS)


@pytest.mark.encrypted
def test_encrypted_neighbours_are_the_clear_ones(model):
    row, margin = steadiest(model, IRIS)
    assert margin > 0.5
    rows = IRIS[row : row + 1]
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, rows))
    assert (keychain().evaluate(model, rows) == clear).all()


def test_noise_decides_between_rows_that_are_about_equally_near_only(model, tmp_path):
    report = model.check(IRIS, SPECIES, encrypted_rows=0)
    assert report["clear"].agreement > 0.98
    assert report["simulate"].agreement > 0.95
    told = model.explain()
    assert 0 < told.neighbour_rate < 0.1
    assert told.lookups_by_layer[0].name == "comparisons"
    assert "neighbouring entry" in str(told)
    model.save(tmp_path / "model")
    assert (ct.load(tmp_path / "model").predict(IRIS) == model.predict(IRIS)).all()


def test_equally_near_rows_are_no_mismatch():
    rows = np.array([[0.0, 1.0], [0.0, 1.0], [2.0, 1.0], [2.0, 3.0], [1.0, 2.0]])
    estimator = KNeighborsClassifier(1).fit(rows, [0, 1, 1, 0, 1])
    assert plan(estimator, rows).circuit.lookups


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (KNeighborsClassifier(3, metric="manhattan"), "metric 'manhattan' is not supported.*euclidean"),
        (KNeighborsClassifier(3, weights="distance"), "weights='distance' is not supported.*uniform"),
        (RadiusNeighborsClassifier(2.0), "KNeighborsClassifier"),
    ],
)
def test_what_cannot_be_taken(estimator, message):
    with pytest.raises(ct.UnsupportedModelError, match=message):
        plan(estimator.fit(IRIS[:20], SPECIES[:20]), IRIS)
    with pytest.raises(ct.UnsupportedModelError, match="2 targets"):
        plan(KNeighborsRegressor(2).fit(IRIS[:20], IRIS[:20, :2]), IRIS)
    with pytest.raises(ct.ConstantModelError, match="same scores for every input"):
        plan(KNeighborsClassifier(20).fit(IRIS[:20], SPECIES[:20]), IRIS)


def test_rows_that_no_search_has_seen_find_their_own_neighbours():
    """In thirty dimensions, where few points of their range come near to rows: 11.5 % of these found others once."""
    rows, target = load_breast_cancer(return_X_y=True)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    estimator = KNeighborsClassifier().fit(rows[:80], target[:80])
    planned = plan(estimator, rows[:80])
    unseen = rows[80:].clip(rows[:80].min(axis=0), rows[:80].max(axis=0))  # as encoders do
    near = np.abs(scores(planned, unseen) - estimator.predict_proba(unseen)[:, 1]) < 0.01
    assert near.mean() > 0.97


def test_a_regression_says_how_far_it_is_from_the_model_and_claims_no_bound():
    rows, target = load_diabetes(return_X_y=True)
    model = ct.compile(KNeighborsRegressor(3).fit(rows[:25], target[:25]), rows[:25])
    told = model.explain()
    assert told.score_error_bound is None
    assert model.agreement is not None
    assert model.agreement.mixed_rms > 0  # some have other neighbours than the model finds, so that means differ
    assert "columns are mixed at random" in str(told)
