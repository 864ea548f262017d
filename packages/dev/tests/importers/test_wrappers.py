"""What predicts by one estimator: frozen ones, thresholds of decisions, calibration by temperature."""

from __future__ import annotations

import cryptable as ct
import numpy as np
import pandas as pd
import pytest
from cryptable.compiling.plan import plan
from cryptable.importers.imported_model import import_model
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, :6]
TEXT = np.where(Y == 1, "benign", "malign")
FLOWERS, KINDS = load_iris(return_X_y=True)
LINEAR = make_pipeline(StandardScaler(), LogisticRegression())
FOREST = RandomForestClassifier(5, max_depth=3, random_state=0)


def predictions(model, rows):
    planned = plan(model, rows)
    return planned, planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, rows)))


def test_a_frozen_estimator_is_the_one_inside():
    for model, rows, target in ((LINEAR, X, TEXT), (FOREST, FLOWERS, KINDS), (LinearRegression(), X, Y)):
        model.fit(rows, target)
        imported = import_model(FrozenEstimator(model), rows)
        assert np.array_equal(imported.graph.scores(rows), import_model(model, rows).graph.scores(rows))
    gaps = pd.DataFrame({"a": np.where(X[:, 0] > 20, np.nan, X[:, 0]), "unread": "text"})
    filled = make_pipeline(SimpleImputer(), LogisticRegression()).fit(gaps[["a"]], Y)
    assert import_model(FrozenEstimator(filled), gaps[["a"]]).graph.feature_names == ("a",)


@pytest.mark.parametrize(
    ("inner", "options"),
    [
        (LINEAR, {"threshold": 0.2}),
        (LINEAR, {"threshold": 0.9, "pos_label": "benign"}),
        (LINEAR, {"threshold": -1.5, "response_method": "decision_function", "pos_label": "malign"}),
        (LINEAR, {"threshold": -1.5, "response_method": "decision_function", "pos_label": "benign"}),
        (make_pipeline(StandardScaler(), LinearSVC()), {"threshold": 0.4}),
        (FOREST, {"threshold": 0.3}),
        (FOREST, {"threshold": 0.3, "pos_label": "benign"}),
        (DecisionTreeClassifier(max_leaf_nodes=4, random_state=0), {}),
        (LGBMClassifier(n_estimators=4, num_leaves=4, verbose=-1), {"threshold": 0.65}),
        (GaussianNB(), {"threshold": 0.05}),
    ],
    ids=lambda value: getattr(type(value), "__name__", None) if not isinstance(value, dict) else str(value),
)
def test_labels_change_at_the_threshold(inner, options):
    labelled = options.get("pos_label")
    target = TEXT if labelled else Y
    model = FixedThresholdClassifier(inner, **options).fit(X, target)
    expected = model.predict(X)
    planned, predicted = predictions(model, X)
    assert 0.97 < np.mean(predicted == expected) <= 1.0
    assert planned.agreement.labels == np.mean(predicted == expected)
    assert len(set(expected)) == 2
    with pytest.raises(ct.InvalidInputError, match="no probabilities"):
        planned.decoder.require_probabilities()


def test_a_probability_at_the_threshold_is_the_label_that_is_looked_for():
    """Leaves of 0, 1/3 and 1, and the threshold 1/3: scikit-learn predicts from it on."""
    rows = np.repeat([[0.0], [1.0], [2.0]], 3, axis=0)
    truth = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    tree = DecisionTreeClassifier().fit(rows, truth)
    for positive, expected in ((1, [0, 0, 0, 1, 1, 1, 1, 1, 1]), (0, [0, 0, 0, 0, 0, 0, 1, 1, 1])):
        threshold = tree.predict_proba(rows)[3, positive]
        model = FixedThresholdClassifier(FrozenEstimator(tree), threshold=threshold, pos_label=positive)
        model.fit(rows, truth)
        assert predictions(model, rows)[1].tolist() == model.predict(rows).tolist() == expected


def test_a_tuned_threshold():
    model = TunedThresholdClassifierCV(LINEAR, scoring="balanced_accuracy").fit(X, Y)
    assert model.best_threshold_ != 0.5
    compiled = ct.compile(model, X)
    assert np.mean(compiled.predict(X) == model.predict(X)) > 0.99
    assert compiled.predict(X[:2], mode="encrypted").tolist() == model.predict(X[:2]).tolist()


def test_thresholds_that_are_refused_say_why():
    everything = FixedThresholdClassifier(LINEAR, threshold=0.0).fit(X, Y)
    with pytest.raises(ct.UnsupportedModelError, match="every row or none"):
        import_model(everything, X)
    mixed = CalibratedClassifierCV(LINEAR, ensemble=False).fit(X, Y)
    with pytest.raises(ct.UnsupportedModelError, match="compile its estimator_ alone, and let clients compare"):
        import_model(FixedThresholdClassifier(FrozenEstimator(mixed)).fit(X, Y), X)


@pytest.mark.parametrize(
    ("inner", "rows", "target"),
    [
        (LINEAR, X, TEXT),
        (LINEAR, FLOWERS, KINDS),
        (make_pipeline(StandardScaler(), LinearSVC()), FLOWERS, KINDS),
        (GradientBoostingClassifier(n_estimators=3, max_depth=2), X, Y),
        (LGBMClassifier(n_estimators=4, num_leaves=4, verbose=-1), X, Y),
        (LGBMClassifier(n_estimators=4, num_leaves=4, verbose=-1), FLOWERS, KINDS),
    ],
    ids=["linear", "logits", "margins", "log-odds", "probability", "probabilities"],
)
def test_calibration_by_temperature(inner, rows, target):
    model = CalibratedClassifierCV(inner, method="temperature", cv=2).fit(rows, target)
    planned = plan(model, rows)
    made = planned.decoder.predict_proba(interpret(planned.circuit, encode_rows(planned.features, rows)))
    assert np.abs(made - model.predict_proba(rows)).max() <= planned.error_bound
