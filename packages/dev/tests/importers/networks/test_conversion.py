"""What converters make of estimators: hummingbird's and skl2onnx' ONNX, in NumPy and as circuits."""

import warnings

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = IRIS.astype(np.float32)
NAMED = np.array(["setosa", "versicolor", "virginica"])[SPECIES]


def fitted(estimator, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        return estimator.fit(IRIS, y)


def perceptron(**options):
    return MLPClassifier((5,), max_iter=150, random_state=0, learning_rate_init=0.02, **options)


def predictions(planned):
    return planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, IRIS)))


@pytest.mark.parametrize(
    "estimator",
    [perceptron(), RandomForestClassifier(3, max_depth=3, random_state=0), LogisticRegression(max_iter=500)],
    ids=lambda each: type(each).__name__,
)
def test_what_hummingbird_makes_predicts_as_the_estimator(estimator):
    fitted(estimator, SPECIES)
    model = ct.convert_with_hummingbird(estimator, IRIS)
    scores = ct.numpy_forward(model)(IRIS)
    assert np.mean(scores.argmax(axis=1) == estimator.predict(IRIS)) > 0.98
    planned = plan(model, IRIS, CompileSettings(bits=7))
    assert np.mean(predictions(planned) == estimator.predict(IRIS)) > 0.96


def test_what_is_lost_on_the_way_is_told():
    lost = XGBClassifier(n_estimators=2, max_depth=2).fit(IRIS, SPECIES > 1)
    with pytest.raises(ct.ImportMismatchError, match=r"base_score of XGBoost.* Compile the estimator itself"):
        ct.convert_with_hummingbird(lost, IRIS)


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize(
    ("estimator", "y"),
    [(perceptron(), NAMED), (perceptron(), SPECIES > 0), (make_pipeline(StandardScaler(), perceptron()), SPECIES)],
    ids=["names", "two", "pipeline"],
)
def test_classifiers_of_skl2onnx_have_their_labels(estimator, y, zipmap):
    fitted(estimator, y)
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    model = to_onnx(estimator, IRIS[:1], options={id(last): {"zipmap": zipmap}}, target_opset=17)
    planned = plan(model, IRIS, CompileSettings(bits=7))
    assert set(planned.decoder.labels) == set(np.unique(y).tolist())
    assert np.mean(predictions(planned) == estimator.predict(IRIS)) > 0.96


def test_regressors_of_skl2onnx():
    estimator = fitted(MLPRegressor(hidden_layer_sizes=(5,), max_iter=150, random_state=0), SPECIES * 1.0)
    planned = plan(to_onnx(estimator, IRIS[:1], target_opset=17), IRIS, CompileSettings(bits=7))
    assert np.abs(predictions(planned) - estimator.predict(IRIS)).mean() < 0.05
