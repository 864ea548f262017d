"""`edges=`: thresholds on a grid, of which the client is told all and the model nothing."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.planner.thresholds.grid import snap
from cryptable_engine import interpret
from cryptable_protocol import Link, ThermometerEncoder, encode_rows
from gap_data import NUMBERS, SCORE
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, :6]
FOREST = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0).fit(X, Y)


def scores(planned, rows):
    return planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


@pytest.mark.parametrize("edges", ["quantile", "uniform"])
def test_the_client_is_told_the_whole_grid_and_no_threshold(edges):
    planned = plan(FOREST, X, CompileSettings(edges=edges, bins=16))
    other = plan(
        RandomForestClassifier(n_estimators=2, max_depth=2, random_state=1).fit(X, Y),
        X,
        CompileSettings(edges=edges, bins=16),
    )
    for column, feature in enumerate(planned.features):
        if not feature.size:
            continue
        cuts = np.linspace(0, 1, 17)[1:-1]
        ends = X[:, column].min(), X[:, column].max()
        expected = np.quantile(X[:, column], cuts) if edges == "quantile" else ends[0] + np.diff(ends) * cuts
        np.testing.assert_allclose(feature.edges, expected, rtol=1e-6)
        assert other.features[column] == feature or not other.features[column].size
    assert planned.edges.kind == edges


def test_finer_grids_come_nearer_and_the_difference_is_stated():
    own = FOREST.predict_proba(X)[:, 1]
    off = []
    for bins in (4, 32, 256):
        planned = plan(FOREST, X, CompileSettings(edges="quantile", bins=bins))
        differences = np.abs(scores(planned, X) - own)
        assert differences.max() <= planned.edges.largest_difference + planned.error_bound + 1e-9
        assert abs(differences.mean() - planned.edges.mean_difference) <= planned.error_bound
        off.append(differences.mean())
    assert off[0] > off[1] > off[2]
    assert off[2] < 0.005


def test_a_public_grid_by_name_and_one_for_all():
    grid = {f"x{column}": np.linspace(*np.quantile(X[:, column], [0.05, 0.95]), 9) for column in range(6)}
    with pytest.warns(ct.AgreementWarning, match="edges='model' where thresholds were moved"):
        model = ct.compile(FOREST, X, edges=grid)
    for feature in model.artifact.client_spec.features:
        if feature.size:
            assert feature.edges == tuple(grid[feature.name].tolist())
    told = model.explain()
    assert told.edges.kind == "public"
    assert "the developer's own grid" in told.client_learns
    assert "scores move by" in str(told)
    assert told.to_dict()["edges"]["largest_difference"] > 0
    assert (model.predict(X) == FOREST.predict(X)).mean() > 0.9
    shared = plan(FOREST, X, CompileSettings(edges=[10.0, 20.0, 100.0, 500.0]))
    assert {feature.edges for feature in shared.features if feature.size} == {(10.0, 20.0, 100.0, 500.0)}


def test_a_grid_that_holds_every_threshold_changes_nothing():
    own = plan(FOREST, X)
    grid = {feature.name: [*feature.edges, 1e6] for feature in own.features if isinstance(feature, ThermometerEncoder)}
    told = plan(FOREST, X, CompileSettings(edges=grid))
    assert told.edges.largest_difference == 0.0
    assert (scores(told, X) == scores(own, X)).all()


def test_missing_values_keep_their_direction():
    estimator = HistGradientBoostingRegressor(max_iter=4, max_leaf_nodes=6, min_samples_leaf=4).fit(NUMBERS, SCORE)
    planned = plan(estimator, NUMBERS, CompileSettings(edges="quantile", bins=500))
    differences = np.abs(scores(planned, NUMBERS) - estimator.predict(NUMBERS))
    assert np.isnan(NUMBERS).any()
    assert np.quantile(differences, 0.9) <= planned.error_bound + 1e-9


def test_step_functions_and_pairs():
    random = np.random.default_rng(0)
    rows = random.normal(size=(400, 2))
    edges = np.sort(random.normal(size=7)), np.sort(random.normal(size=5))
    model = AdditiveModel(
        ("a", "b"),
        (StepFunction(0, edges[0], np.arange(8.0)[:, None]),),
        (PairFunction((0, 1), edges, random.normal(size=(8, 6, 1))),),
        np.zeros(1),
        Link.IDENTITY,
        None,
    )
    assert snap(model, rows, {"a": edges[0], "b": edges[1]}, bins=2).told.largest_difference == 0.0
    coarse = snap(model, rows, "quantile", bins=8)
    assert {*coarse.graph.functions[0].edges} <= {*coarse.grid[0]}
    assert coarse.told.mean_difference < 1.0
    assert (
        plan(BernoulliNB(binarize=15.0).fit(X, Y), X, CompileSettings(edges="uniform", bins=8)).edges.kind == "uniform"
    )


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ("public", "expected 'model', 'quantile', 'uniform', or a grid"),
        ({"x0": [1.0]}, r"no grid for feature 'x\d'.*it has some for: x0"),
        ([2.0, 1.0], "strictly increasing"),
        ([[1.0], [2.0]], "shape"),
        (["a"], "not of numbers"),
        (np.arange(2000.0), "at most 1023"),
    ],
)
def test_grids_that_cannot_be_taken(edges, message):
    with pytest.raises(ct.InvalidInputError, match=message):
        plan(FOREST, X, CompileSettings(edges=edges))


def test_models_without_thresholds_say_so():
    with pytest.raises(ct.InvalidInputError, match="thresholds; leave edges='model'"):
        plan(LogisticRegression(max_iter=5000).fit(X, Y), X, CompileSettings(edges="quantile"))
    with pytest.raises(ct.InvalidInputError, match="bins is 1"):
        plan(FOREST, X, CompileSettings(edges="quantile", bins=1))
