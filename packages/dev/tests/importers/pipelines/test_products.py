"""PolynomialFeatures(degree=2) before linear models: quadratic forms, by the scheme squares."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.importers.registry import import_estimator
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

IRIS, DIABETES = load_iris(return_X_y=True), load_diabetes(return_X_y=True)


@pytest.mark.parametrize(
    ("steps", "model", "data"),
    [
        ([PolynomialFeatures(2)], Ridge(0.1), DIABETES),
        ([StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler()], Ridge(), DIABETES),
        ([PCA(3), PolynomialFeatures(2, include_bias=False), SelectKBest(k=6)], LogisticRegression(max_iter=500), IRIS),
        ([StandardScaler(), PolynomialFeatures(2, interaction_only=True), PCA(5)], LogisticRegression(), IRIS),
    ],
    ids=["alone", "between scalers", "of components", "mixed afterwards"],
)
def test_forms_are_the_pipelines_own_scores(steps, model, data):
    X, y = data
    pipeline = make_pipeline(*steps, model).fit(X, y)
    names = tuple(f"c{index}" for index in range(X.shape[1]))
    graph = import_estimator(pipeline, names, X, X)
    assert isinstance(graph, QuadraticForms)
    expected = pipeline.predict(X)[:, None] if data is DIABETES else pipeline.decision_function(X)
    np.testing.assert_allclose(graph.scores(X), expected, rtol=1e-9, atol=1e-9)


def test_a_pipeline_is_compiled_by_the_scheme_squares():
    X, y = IRIS
    pipeline = make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression()).fit(X, y)
    model = ct.compile(pipeline, X, show_progress=False)
    assert model.artifact.client_spec.scheme == "squares"
    assert model.circuit.squares <= 3 * X.shape[1]
    assert (model.predict(X) == pipeline.predict(X)).mean() >= 0.99


def test_products_of_one_column_stay_curves():
    rows = np.linspace(-3, 3, 200)[:, None]
    pipeline = make_pipeline(PolynomialFeatures(2), LinearRegression()).fit(rows, np.cos(rows[:, 0]))
    assert not isinstance(import_estimator(pipeline, ("x",), rows, rows), QuadraticForms)


@pytest.mark.parametrize(
    ("steps", "model", "message"),
    [
        (
            [StandardScaler(), PolynomialFeatures(3)],
            LogisticRegression(max_iter=900),
            r"multiplies columns.*: set degree=2",
        ),
        ([PolynomialFeatures(2)], DecisionTreeClassifier(max_depth=1), r"let linear models follow"),
        ([KBinsDiscretizer(3, encode="ordinal"), PolynomialFeatures(2)], LogisticRegression(), "no weighted sum"),
    ],
    ids=["of three", "before trees", "of steps"],
)
def test_what_is_no_form_says_what_to_do(steps, model, message):
    X, y = IRIS
    pipeline = make_pipeline(*steps, model).fit(X, y)
    with pytest.raises(ct.UnsupportedModelError, match=message):
        ct.compile(pipeline, X, show_progress=False)
