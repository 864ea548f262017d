"""ct.compile: what it refuses, and what it says."""

import importlib

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.compiling.settings import CompileSettings
from cryptable.graphs.graph import LinearModel
from cryptable.importers.verification import verify_import
from cryptable.planner.registry import planners
from cryptable_protocol import Link
from sklearn.cluster import KMeans
from sklearn.covariance import EmpiricalCovariance
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

X, Y = load_diabetes(return_X_y=True)


def test_an_unfitted_estimator_is_told_to_be_fitted():
    for estimator in (XGBClassifier(), LinearRegression(), DecisionTreeClassifier()):
        with pytest.raises(ct.NotFittedError, match=rf"{type(estimator).__name__}.*fit"):
            ct.compile(estimator, X)


def test_an_unsupported_estimator_gets_the_list_of_supported_ones():
    with pytest.raises(ct.UnsupportedModelError, match=r"EmpiricalCovariance.*nearest names: \w+, \w+, \w+;"):
        ct.compile(EmpiricalCovariance().fit(X), X)
    with pytest.raises(ct.UnsupportedModelError, match=r"KMeans cannot be compiled: fit NearestCentroid on its labels"):
        ct.compile(KMeans(n_clusters=2, n_init=1).fit(X), X)
    with pytest.raises(ct.UnsupportedModelError, match="dict"):
        ct.compile({"a": "model"}, X)
    with pytest.raises(ct.InvalidInputError, match="a model: there is no such file"):
        ct.compile("a model", X)


def test_missing_values_in_the_calibration_data_name_the_column(frame):
    rows = X.copy()
    rows[3, 2] = np.nan
    with pytest.raises(ct.InvalidInputError, match=r"'x2' \(column 2\) is nan in row 3"):
        ct.compile(Ridge().fit(X, Y), rows)
    names = [f"measure {index}" for index in range(X.shape[1])]
    estimator = Ridge().fit(X, Y)
    estimator.feature_names_in_ = np.array(names, object)
    with pytest.raises(ct.InvalidInputError, match="'measure 2'"):
        ct.compile(estimator, frame(rows, names))


@pytest.mark.parametrize(
    "options",
    [
        {"tolerance": 0.0},
        {"tolerance": float("nan")},
        {"table_bits": 9},
        {"input_bits": 0},
        {"edges": "quantile"},
        {"p_error": 0.5},
    ],
)
def test_options_out_of_range_are_named(options):
    with pytest.raises(ct.InvalidInputError, match=next(iter(options))):
        ct.compile(Ridge().fit(X, Y), X, **options)


def test_wrong_shapes_are_refused():
    estimator = Ridge().fit(X, Y)
    for rows in (X[:, :3], X[0], X[:0], [["a"] * X.shape[1]]):
        with pytest.raises(ct.InvalidInputError, match="X_train"):
            ct.compile(estimator, rows)


def test_names_of_features_travel(frame):
    names = [f"measure {index}" for index in range(X.shape[1])]
    estimator = DecisionTreeRegressor(max_depth=2).fit(X, Y)
    estimator.feature_names_in_ = np.array(names, object)
    model = ct.compile(estimator, X, name="diabetes", version="7")
    assert model.artifact.client_spec.feature_names == tuple(names)
    shuffled = list(reversed(range(X.shape[1])))
    by_name = frame(X[:, shuffled], [names[index] for index in shuffled])
    assert (model.predict(by_name) == model.predict(X)).all()
    assert (ct.compile(estimator, by_name).predict(X) == model.predict(X)).all()
    with pytest.raises(ct.InvalidInputError, match="lacks 'measure 0', and has 'age' instead"):
        ct.compile(estimator, frame(X, ["age", *names[1:]]))
    assert (model.name, model.version) == ("diabetes", "7")
    assert "7" in repr(model)


def test_labels_may_be_strings():
    target = np.where(Y > 140, "high", "low")
    model = ct.compile(LogisticRegression(C=100).fit(X, target), X)
    assert set(model.predict(X)) == {"high", "low"}
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1)


def test_a_constant_model_is_refused():
    for estimator in (DecisionTreeRegressor().fit(X, np.ones(len(X))), Ridge().fit(np.zeros_like(X), Y)):
        with pytest.raises(ct.UnsupportedModelError, match="nothing to compute"):
            ct.compile(estimator, X)


def test_a_tighter_tolerance_is_kept():
    estimator = DecisionTreeRegressor(max_depth=3).fit(X, Y)
    model = ct.compile(estimator, X, tolerance=1e-3)
    assert np.abs(model.predict(X) - estimator.predict(X)).max() <= model.error_bound + 1e-9
    assert model.error_bound <= 1e-3


def test_an_import_that_differs_is_an_error_that_says_where():
    graph = LinearModel(("x0",), np.array([[2.0]]), np.array([1.0]), Link.IDENTITY, None)
    rows = np.array([[0.0], [1.0], [2.0]])
    assert verify_import(graph, rows, graph.scores(rows), what="Model") == 0.0
    wrong = graph.scores(rows)
    wrong[1, 0] += 0.5
    with pytest.raises(ct.ImportMismatchError, match=r"row 1.*score 0 is 3\.5.*gives 3"):
        verify_import(graph, rows, wrong, what="Model")
    wrong[1, 0] = np.nan
    with pytest.raises(ct.ImportMismatchError, match="row 1"):
        verify_import(graph, rows, wrong, what="Model")
    with pytest.raises(ct.ImportMismatchError, match="shape"):
        verify_import(graph, rows, np.zeros((3, 2)), what="Model")


def test_an_expensive_model_compiles_with_a_warning_that_says_what_it_costs(monkeypatch):
    module = importlib.import_module("cryptable.compiling.compile")
    estimator = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, Y)
    assert ct.compile(estimator, X).circuit.products  # without a warning, which would be an error here
    monkeypatch.setattr(module, "EXPENSIVE_SECONDS", 1e-6)
    for scheme, operations in (("levelled", "products of bits"), ("bootstrapped", r"lookups of \d bits")):
        with pytest.warns(ct.CostWarning, match=rf"takes about \d+ s of CPU, for \d+ {operations}"):
            ct.compile(estimator, X, scheme=scheme)


@pytest.mark.filterwarnings("ignore::cryptable.AgreementWarning")  # of a network that is not trained
@pytest.mark.parametrize(
    ("estimator", "advice"),
    [
        (KNeighborsRegressor(2), "comparisons grow faster than training rows: fit on fewer"),
        (None, "fewer neurons, and fewer input_bits="),
    ],
)
def test_the_warning_speaks_of_the_kind_of_model(estimator, advice, monkeypatch):
    module = importlib.import_module("cryptable.compiling.compile")
    monkeypatch.setattr(module, "EXPENSIVE_SECONDS", 1e-6)
    torch.manual_seed(0)  # of some networks, no neuron bends on these rows: they have no lookup
    layers = torch.nn.Linear(X.shape[1], 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)
    model = torch.nn.Sequential(*layers) if estimator is None else estimator.fit(X[:12], Y[:12])
    with pytest.warns(ct.CostWarning, match=advice) as warned:
        ct.compile(model, X)
    assert "tree" not in str(warned[0].message)


def test_every_planner_says_what_its_models_are_and_what_makes_them_cheaper():
    found = [(planner.graph.__name__, planner) for planner in planners()]
    names = {name for name, _ in found}
    assert {"TreeEnsemble", "LinearModel", "SegmentedNetwork", "QuantizedNetwork", "TrainedIntegers"} <= names
    for name, planner in found:
        assert planner.kind.startswith(("a ", "an ")), name
        assert "less" in planner.cheaper or "no lookup" in planner.cheaper, name
        assert "tree" not in planner.cheaper or name in ("TreeEnsemble", "SumOfKinds"), name
    kinds = {(planner.kind, planner.scheme) for _, planner in found}
    assert len(kinds) == len(found)


@pytest.mark.parametrize("option", [{"ranges": "wide"}, {"rounding": "up"}, {"bits": "few"}, {"table_bits": 7}])
def test_options_are_checked_before_a_model_is_looked_at(option):
    with pytest.raises(ct.InvalidInputError, match=next(iter(option))):
        CompileSettings(**option)
