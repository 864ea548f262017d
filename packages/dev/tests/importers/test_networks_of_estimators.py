"""Estimators that are networks: alone, behind preprocessing, in EncryptedClassifier and in searches."""

import warnings

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, MinMaxScaler, StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn

CANCER, ILL = load_breast_cancer(return_X_y=True)
IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
NAMED = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
SMALL = {"hidden_layer_sizes": (6,), "max_iter": 120, "learning_rate_init": 0.02, "random_state": 0}
SEVEN = CompileSettings(bits=7)


def fitted(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def net(kind, outputs, features=4, *, tail=None, **options):
    torch.manual_seed(0)
    layers = [nn.Linear(features, 6), nn.Tanh(), nn.Linear(6, outputs), *([tail] if tail else [])]
    return kind(nn.Sequential(*layers), max_epochs=15, lr=0.1, train_split=None, verbose=0, **options)


def predictions(planned, X):
    return planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, X)))


to_float32 = FunctionTransformer(lambda rows: np.asarray(rows, np.float32))


@pytest.mark.parametrize(
    ("estimator", "X", "y"),
    [
        (MLPClassifier(**SMALL), IRIS, NAMED),
        (MLPClassifier(**SMALL, activation="tanh"), IRIS, SPECIES > 0),
        (MLPClassifier(**{**SMALL, "hidden_layer_sizes": (5, 4)}, activation="logistic"), IRIS, SPECIES),
        (MLPClassifier(**SMALL, activation="identity"), IRIS, SPECIES),
        (make_pipeline(StandardScaler(), MLPClassifier(**SMALL)), CANCER, ILL),
        (make_pipeline(MinMaxScaler(), PCA(5), MLPClassifier(**SMALL)), CANCER, ILL),
        (
            make_pipeline(
                make_column_transformer((StandardScaler(), [0, 3]), ("passthrough", [2])), MLPClassifier(**SMALL)
            ),
            IRIS,
            NAMED,
        ),
        (net(NeuralNetClassifier, 3, criterion=nn.CrossEntropyLoss), IRIS.astype(np.float32), SPECIES),
        (net(NeuralNetClassifier, 3, tail=nn.Softmax(dim=-1)), IRIS.astype(np.float32), SPECIES),
        (
            net(NeuralNetBinaryClassifier, 1, tail=nn.Flatten(0)),
            IRIS.astype(np.float32),
            (SPECIES > 0).astype(np.float32),
        ),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
def test_labels_are_the_estimators(estimator, X, y):
    fitted(estimator, X, y)
    planned = plan(estimator, X, SEVEN)
    expected = estimator.predict(X)
    assert np.mean(predictions(planned, X) == expected) > 0.96
    assert planned.agreement.labels > 0.96


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), MLPRegressor(**{**SMALL, "max_iter": 600})),
        make_pipeline(StandardScaler(), to_float32, net(NeuralNetRegressor, 1, 10)),
    ],
    ids=["perceptron", "skorch"],
)
def test_regressions_are_near_the_estimators(estimator):
    target = ((PROGRESSION - 150) / 77).astype(np.float32)
    target = target[:, None] if "neuralnet" in str(estimator.steps[-1][0]) else target
    fitted(estimator, DIABETES, target)
    planned = plan(estimator, DIABETES, SEVEN)
    expected = estimator.predict(DIABETES)
    assert np.sqrt(np.mean((predictions(planned, DIABETES) - expected) ** 2)) < 0.1 * expected.std()


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler((-1, 1))])
def test_a_network_of_integers_computes_them_behind_a_scaler(scaler):
    estimator = make_pipeline(
        scaler, ct.neural.QuantNeuralNetClassifier(hidden_layer_sizes=(6,), max_epochs=3, random_state=0)
    ).fit(CANCER, ILL)
    planned = plan(estimator, CANCER, CompileSettings())
    np.testing.assert_array_equal(predictions(planned, CANCER), estimator.predict(CANCER))
    scores = estimator[-1].decision_function(estimator[:-1].transform(CANCER))
    found = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, CANCER)))
    np.testing.assert_allclose(found, scores, atol=1e-4)


def test_a_step_that_is_no_weighted_sum_is_named():
    estimator = fitted(make_pipeline(KBinsDiscretizer(3, encode="ordinal"), MLPClassifier(**SMALL)), IRIS, SPECIES)
    with pytest.raises(ct.UnsupportedModelError, match=r"KBinsDiscretizer.* is no weighted sum of columns"):
        plan(estimator, IRIS, CompileSettings())


def test_searches_and_encrypted_classifiers_take_networks():
    inner = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    search = GridSearchCV(ct.EncryptedClassifier(inner, bits=5), {"bits": [2, 6]}, cv=2)
    order = np.random.default_rng(0).permutation(len(IRIS))
    fitted(search, IRIS[order], NAMED[order])
    assert search.best_score_ > 0.8
    assert set(search.predict(IRIS)) == set(NAMED)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()


def test_skorch_is_asked_whether_it_is_fitted():
    with pytest.raises(ct.NotFittedError, match="this NeuralNetClassifier is not fitted"):
        ct.compile(net(NeuralNetClassifier, 3), IRIS)
    binary = net(NeuralNetBinaryClassifier, 1, tail=nn.Flatten(0), threshold=0.3)
    binary.fit(IRIS.astype(np.float32), (SPECIES > 0).astype(np.float32))
    with pytest.raises(ct.UnsupportedModelError, match=r"has threshold=0\.3, expected 0\.5"):
        ct.compile(binary, IRIS.astype(np.float32))
