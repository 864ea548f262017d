"""Predictions have the shape that the estimator's users see: a column where its own are one."""

from __future__ import annotations

import cryptable as ct
import numpy as np
import pytest
from catboost import CatBoostClassifier
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.imported_model import import_model
from cryptable.neural import QuantNeuralNetRegressor
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import load_diabetes, load_iris
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, MultiTaskLasso, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

FLOWERS, KINDS = load_iris(return_X_y=True)
X, Y = load_diabetes(return_X_y=True)
X, Y = X[:60], Y[:60, None] / 50
COLUMNS = [
    LinearRegression(),
    MultiTaskLasso(alpha=0.01),
    PLSRegression(2),
    KNeighborsRegressor(3),
    KernelRidge(),
    MultiOutputRegressor(DecisionTreeRegressor(max_depth=2)),
    TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1),
    make_pipeline(StandardScaler(), LinearRegression()),
]


def planned_predictions(model, data, **options):
    planned = plan(model, data, CompileSettings(**options))
    return planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, data)))


@pytest.mark.parametrize("model", COLUMNS, ids=lambda model: type(model).__name__)
def test_of_one_target_in_a_column(model):
    model.fit(X, Y)
    imported = import_model(model, X)
    assert imported.predicts_column
    assert imported.predicted.shape == model.predict(X).shape == (60, 1)


def test_a_target_that_libraries_flatten_is_flat():
    assert planned_predictions(Ridge().fit(X, Y), X).shape == (60,)
    assert planned_predictions(Ridge().fit(X, np.hstack([Y, Y * Y])), X).shape == (60, 2)


def test_numbers_in_a_column_are_the_estimators_own():
    model = LinearRegression().fit(X, Y)
    planned = plan(model, X)
    predicted = planned_predictions(model, X)
    assert predicted.shape == (60, 1)
    assert np.abs(predicted - model.predict(X)).max() <= planned.error_bound


@pytest.mark.parametrize("options", [{}, {"answer": "label"}, {"explain": "contributions"}], ids=str)
def test_labels_of_catboost_are_a_column(options):
    model = CatBoostClassifier(iterations=3, depth=2, verbose=0, allow_writing_files=False).fit(FLOWERS, KINDS)
    settings = {"scheme": "levelled"} | options
    predicted = planned_predictions(model, FLOWERS, **settings)
    assert predicted.shape == model.predict(FLOWERS).shape == (150, 1)
    assert np.mean(predicted == model.predict(FLOWERS)) > 0.98


def test_a_compiled_column_as_it_is_used(tmp_path):
    """Saved and loaded, encrypted, scored and checked; two of its labels are text of unequal length."""
    text = np.array(["a", "versicolor", "b"])[KINDS]
    model = CatBoostClassifier(iterations=3, depth=2, verbose=0, allow_writing_files=False).fit(FLOWERS, text)
    compiled = ct.compile(model, FLOWERS)
    expected = model.predict(FLOWERS)
    report = compiled.check(FLOWERS, text, encrypted_rows=1)
    assert {result.mode for result in report.results} == {"float", "clear", "simulate", "encrypted"}
    assert all(result.agreement == 1.0 for result in report.results)
    assert compiled.score(FLOWERS, text) == np.mean(expected[:, 0] == text)
    compiled.save(tmp_path / "model")
    loaded = ct.load(tmp_path / "model")
    assert loaded.predict(FLOWERS[:2], mode="encrypted").tolist() == expected[:2].tolist()


def test_encrypted_classifiers_predict_vectors_as_scikit_learn_wants_them():
    model = CatBoostClassifier(iterations=3, depth=2, verbose=0, allow_writing_files=False)
    fitted = ct.EncryptedClassifier(model).fit(FLOWERS, KINDS)
    assert fitted.predict(FLOWERS).shape == (150,)
    assert fitted.score(FLOWERS, KINDS) > 0.9


def test_a_network_that_predicts_a_column():
    model = QuantNeuralNetRegressor((4,), max_epochs=2, random_state=0).fit(X, Y)
    assert model.predict(X).shape == planned_predictions(model, X).shape == (60, 1)
    assert planned_predictions(model.fit(X, Y[:, 0]), X).shape == (60,)
