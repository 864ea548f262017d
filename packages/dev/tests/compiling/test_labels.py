"""compile(answer="label") and compile(answer="threshold"): the side that the score is on, and nothing else of it."""

import cryptable as ct
import numpy as np
import pytest
from answering import answers_of
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable_engine import Rotation, interpret
from cryptable_protocol import InvalidInputError, encode_rows
from gap_data import BINARY, TRAINING
from keychain import keychain
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

CANCER, IS_BENIGN = load_breast_cancer(return_X_y=True)
FLOWERS, SPECIES = load_iris(return_X_y=True, as_frame=True)
NAMES = load_iris().target_names[SPECIES]
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
LABELS = CompileSettings(answer="label")


@pytest.fixture(scope="module")
def boosted():
    return XGBClassifier(n_estimators=100, max_depth=3, random_state=0).fit(CANCER[::2], IS_BENIGN[::2])


def answered(estimator, rows, settings, others=None):
    """In the clear, of rows that the model is planned on, or of others."""
    planned, values = answers_of(estimator, rows, settings, others)
    return planned, planned.decoder.predict(values)


def test_labels_of_boosted_trees_are_those_of_the_model_on_all_rows(boosted):
    planned, labels = answered(boosted, CANCER[::2], LABELS, CANCER[1::2])
    assert labels.tolist() == boosted.predict(CANCER[1::2]).tolist()
    assert planned.agreement.labels == 1.0
    assert planned.agreement.rms is None
    values = interpret(planned.circuit, encode_rows(planned.features, CANCER))
    assert set(values.ravel()) == {0, 2}  # nothing else of the score


def test_labels_of_a_forest_are_those_of_the_model_on_all_rows():
    forest = RandomForestClassifier(50, max_depth=5, random_state=0).fit(CANCER[::2], IS_BENIGN[::2])
    _, labels = answered(forest, CANCER[::2], LABELS, CANCER[1::2])
    assert labels.tolist() == forest.predict(CANCER[1::2]).tolist()


@pytest.mark.parametrize(
    "estimator",
    [
        XGBClassifier(n_estimators=10, max_depth=2, random_state=0),
        RandomForestClassifier(6, max_depth=4, random_state=0),
        DecisionTreeClassifier(max_depth=3),
        LogisticRegression(max_iter=1000),
        make_pipeline(StandardScaler(), LinearSVC()),
        make_pipeline(KBinsDiscretizer(5, encode="onehot-dense"), LogisticRegression(max_iter=1000)),
    ],
    ids=lambda estimator: type(estimator[-1] if hasattr(estimator, "steps") else estimator).__name__,
)
def test_of_several_classes_each_pair_is_compared(estimator):
    names = NAMES if not isinstance(estimator, XGBClassifier) else SPECIES
    planned, labels = answered(estimator.fit(FLOWERS, names), FLOWERS, LABELS)
    assert (labels == estimator.predict(FLOWERS)).mean() >= 0.99
    values = interpret(planned.circuit, encode_rows(planned.features, FLOWERS))
    assert {tuple(sorted(row)) for row in values.tolist()} == {(0, 2, 4)}  # the order of classes


@pytest.mark.parametrize(
    ("estimator", "threshold"),
    [
        (GradientBoostingRegressor(n_estimators=20, random_state=0), 150.0),
        (XGBRegressor(n_estimators=20, max_depth=2, objective="reg:gamma", random_state=0), 170.0),
        (Ridge(), 140.0),
        (PoissonRegressor(), 160.0),
    ],
)
def test_a_regression_answers_whether_it_is_above_a_threshold(estimator, threshold):
    estimator.fit(DIABETES, PROGRESS)
    planned, found = answered(estimator, DIABETES, CompileSettings(answer="threshold", threshold=threshold))
    assert planned.decoder.labels == (False, True)
    assert found.dtype == np.bool_
    assert (found == (estimator.predict(DIABETES) > threshold)).mean() >= 0.99


@pytest.mark.parametrize("threshold", [0.02, 0.3, 0.97])
def test_a_classifier_answers_whether_a_probability_is_above_a_threshold(boosted, threshold):
    _, found = answered(boosted, CANCER[::2], CompileSettings(answer="threshold", threshold=threshold), CANCER[1::2])
    assert found.tolist() == (boosted.predict_proba(CANCER[1::2])[:, 1] > threshold).astype(int).tolist()


def test_outliers_gaps_and_grids_are_as_with_scores():
    outliers = IsolationForest(n_estimators=20, random_state=0).fit(CANCER)
    planned, labels = answered(outliers, CANCER, LABELS)
    assert (labels == outliers.predict(CANCER)).mean() >= 0.99
    assert planned.decoder.labels == (-1, 1)
    gaps = LGBMClassifier(n_estimators=5, num_leaves=5, verbose=-1).fit(TRAINING, BINARY)
    assert (answered(gaps, TRAINING, LABELS)[1] == gaps.predict(TRAINING)).all()
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(CANCER, IS_BENIGN)
    snapped = CompileSettings(answer="label", edges="quantile", bins=16)
    planned, labels = answered(tree, CANCER, snapped)
    assert (labels == tree.predict(CANCER)).mean() > 0.9
    assert planned.edges.kind == "quantile"


def test_boosted_stumps_are_bits_alone():
    stumps = XGBClassifier(n_estimators=40, max_depth=1, random_state=0).fit(CANCER, IS_BENIGN)
    planned, labels = answered(stumps, CANCER, LABELS)
    (rotation,) = (node for node in planned.circuit.nodes if isinstance(node, Rotation))
    assert not rotation.trees
    assert rotation.products <= 40
    assert (labels == stumps.predict(CANCER)).all()


@pytest.mark.encrypted
def test_encrypted_labels_are_exact_and_tell_of_themselves(tmp_path, boosted):
    model = ct.compile(boosted, CANCER[::2], answer="label", show_progress=False)
    rows = CANCER[1:12:2]
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, rows))
    assert (keychain().evaluate(model, rows) == clear).all()
    told = model.explain()
    assert told.to_dict()["levelled"]["log2_failure"] <= -128
    assert "the class labels, without scores" in told.client_learns
    assert "its scores" not in told.client_learns
    report = model.check(CANCER[1::2], IS_BENIGN[1::2], encrypted_rows=1)
    assert report.passed
    assert report["clear"].agreement == 1.0
    with pytest.raises(InvalidInputError, match="no probabilities"):
        model.predict_proba(rows)
    model.save(tmp_path / "labels.cryptable")
    loaded = ct.load(tmp_path / "labels.cryptable")
    assert (loaded.predict(rows) == model.predict(rows)).all()
    assert "without scores" in loaded.explain().client_learns


@pytest.mark.encrypted
def test_several_classes_are_exact_under_encryption():
    estimator = XGBClassifier(n_estimators=5, max_depth=2, random_state=0).fit(FLOWERS, SPECIES)
    model = ct.compile(estimator, FLOWERS, answer="label", show_progress=False)
    rows = FLOWERS.iloc[::40]
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, rows))
    assert (keychain().evaluate(model, rows) == clear).all()
    assert "the order of all" in model.explain().client_learns


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"answer": "class"}, "answer is 'class', expected 'score' or 'label' or 'threshold'"),
        ({"answer": "threshold"}, "threshold is None.*takes a number"),
        ({"threshold": 0.5}, "threshold is 0.5 with answer='score'"),
        ({"answer": "threshold", "threshold": float("nan")}, "expected a finite number"),
        ({"answer": "label", "explain": "contributions"}, "tells no scores"),
        ({"answer": "label", "budget": ct.Budget(seconds=1)}, "tells no scores"),
        ({"answer": "label", "scheme": "bootstrapped"}, "of scheme 'levelled'"),
        ({"answer": "label", "table_bits": 4}, "of scheme 'levelled'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        CompileSettings(**options)


@pytest.mark.parametrize(
    ("estimator", "options", "error", "message"),
    [
        (Ridge(), {"answer": "label"}, ct.UnsupportedModelError, "predicts a number, no label"),
        (
            KNeighborsClassifier(3),
            {"answer": "label"},
            ct.UnsupportedModelError,
            "not of a model of nearest neighbours",
        ),
        (
            VotingClassifier([("a", LogisticRegression(C=0.1)), ("b", LogisticRegression(C=0.01))], voting="soft"),
            {"answer": "label"},
            ct.UnsupportedModelError,
            "clients make its predictions",
        ),
        (LogisticRegression(), {"answer": "threshold", "threshold": 1.5}, InvalidInputError, "above 0 and below 1"),
        (PoissonRegressor(), {"answer": "threshold", "threshold": -1.0}, InvalidInputError, "are positive"),
        (
            DecisionTreeClassifier(max_depth=2),
            {"answer": "threshold", "threshold": 0.5},
            ct.UnsupportedModelError,
            "models with one score, this one has 3",
        ),
        (
            XGBRegressor(n_estimators=30, max_depth=3),
            {"answer": "threshold", "threshold": 1.0, "tolerance": 1e-6},
            ct.UnsupportedModelError,
            "tolerance is 1e-06, but tables have room",
        ),
        (
            DecisionTreeClassifier(max_depth=1),
            {"answer": "threshold", "threshold": 0.999},
            ct.ConstantModelError,
            "same label for every input",
        ),
    ],
)
def test_what_labels_cannot_be_of_is_refused_with_a_way_out(estimator, options, error, message):
    rows, target = FLOWERS.to_numpy(), SPECIES.to_numpy()
    if "max_depth=1" in repr(estimator) or isinstance(estimator, LogisticRegression | VotingClassifier):
        target = (target > 0) ^ (np.arange(len(target)) % 5 == 0)
    with pytest.raises(error, match=message):
        plan(estimator.fit(rows, target), rows, CompileSettings(**options))
