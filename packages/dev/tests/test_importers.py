"""One contract for every supported estimator class: a new importer is under it as soon as it is registered."""

import importlib
import importlib.util
import warnings
from dataclasses import dataclass
from functools import cache

import cryptable as ct
import numpy as np
import pytest
from cryptable.importers.registry import importer, reference_scores
from cryptable_protocol import AffineEncoder, QuadraticEncoder
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

SMALL_TREES = {"n_estimators": 5, "max_depth": 3, "random_state": 0}
SETTINGS = {
    "DecisionTreeClassifier": {"max_depth": 4, "random_state": 0},
    "DecisionTreeRegressor": {"max_depth": 4, "random_state": 0},
    **{
        f"{family}{kind}": SMALL_TREES
        for family in ("RandomForest", "ExtraTrees", "GradientBoosting", "XGB", "XGBRF")
        for kind in ("Classifier", "Regressor")
    },
    **{
        f"CatBoost{kind}": {"iterations": 5, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
        for kind in ("Classifier", "Regressor")
    },
    **{f"HistGradientBoosting{kind}": {"max_iter": 5, "max_leaf_nodes": 6} for kind in ("Classifier", "Regressor")},
    **{
        f"LGBM{kind}": {"n_estimators": 5, "num_leaves": 6, "verbose": -1, "n_jobs": 1}
        for kind in ("Classifier", "Regressor")
    },
    "IsolationForest": {"n_estimators": 5, "max_samples": 16, "random_state": 0},
    "LogisticRegression": {"max_iter": 5000},
    "QuantileRegressor": {"alpha": 0.01},
    "CCA": {"n_components": 1},
    "PLSCanonical": {"n_components": 1},
    "Pipeline": {
        "steps": [("scaler", StandardScaler()), ("tree", DecisionTreeClassifier(max_depth=4, random_state=0))],
    },
    "PoissonRegressor": {"alpha": 0.01},
    "RANSACRegressor": {"random_state": 0},
    **{
        f"ExplainableBoosting{kind}": {
            "interactions": pairs,
            "max_interaction_bins": 4,
            "outer_bags": 1,
            "max_rounds": 50,
            "n_jobs": 1,
            "random_state": 0,
        }
        for kind, pairs in (("Classifier", [(0, 1), (2, 3)]), ("Regressor", 0))
    },
}
MULTICLASS = (
    "CatBoostClassifier",
    "DecisionTreeClassifier",
    "GaussianNB",
    "GradientBoostingClassifier",
    "HistGradientBoostingClassifier",
    "LGBMClassifier",
    "LinearDiscriminantAnalysis",
    "LogisticRegression",
    "LinearSVC",
    "NearestCentroid",
    "XGBClassifier",
)


COUNTS = ("CategoricalNB", "ComplementNB", "MultinomialNB")
"""Take small integers."""


@dataclass
class Study:
    """A fitted estimator and its data."""

    estimator: object
    training_rows: np.ndarray
    test_rows: np.ndarray


@cache
def fitted(class_name, multiclass=False):
    """A small estimator of a class, by its public name."""
    module, _, name = class_name.rpartition(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = getattr(importlib.import_module(module), name)(**SETTINGS.get(name, {}))
    if multiclass:
        rows, target = load_iris(return_X_y=True)
    elif hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function"):
        rows, target = load_breast_cancer(return_X_y=True)
        rows = (rows[:, :8] - rows[:, :8].mean(axis=0)) / rows[:, :8].std(axis=0)
    else:
        rows, target = load_diabetes(return_X_y=True)
        target = np.stack([target, -target], axis=1) if name.startswith("MultiTask") else target
    if name in COUNTS:
        rows = np.rint(np.clip(2 * rows, -4, 4)) + 4
    order = np.random.default_rng(0).permutation(len(rows))
    rows, target = rows[order], target[order]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(rows[40:], target[40:])
    return Study(estimator, rows[40:], rows[:40])


@cache
def compiled(class_name, multiclass=False):
    """The same, compiled."""
    study = fitted(class_name, multiclass)
    return ct.compile(study.estimator, study.training_rows)


INSTALLED = [name for name in ct.supported_estimators() if importlib.util.find_spec(name.partition(".")[0])]
CASES = [(name, False) for name in INSTALLED]
CASES += [(name, True) for name in INSTALLED if name.rpartition(".")[2] in MULTICLASS]


def case_id(case):
    return case[0].rpartition(".")[2] + ("-multiclass" if case[1] else "")


@pytest.fixture(params=CASES, ids=case_id)
def case(request):
    return fitted(*request.param), compiled(*request.param)


def _inside_ranges(model, rows):
    inside = np.ones(len(rows), bool)
    for index, feature in enumerate(model.artifact.client_spec.features):
        if isinstance(feature, (AffineEncoder, QuadraticEncoder)):
            top = feature.lower + feature.step * (feature.levels - 1)
            inside &= (rows[:, index] >= feature.lower) & (rows[:, index] <= top)
    return inside


def test_clear_evaluation_is_the_estimator_within_the_stated_bound(case):
    study, model = case
    rows = np.concatenate([study.training_rows, study.test_rows])
    rows = rows[_inside_ranges(model, rows)]
    assert len(rows) > 100
    own = reference_scores(study.estimator, rows)
    ours = model.decision_function(rows).reshape(own.shape)
    rounding_in_float32 = 1e-6 * (1 + np.abs(own).max())
    assert np.abs(ours - own).max() <= model.error_bound + rounding_in_float32


def test_predictions_agree_where_the_margin_is_larger_than_the_bound(case):
    study, model = case
    decoder = model.artifact.client_spec.decoder
    rows = study.test_rows[_inside_ranges(model, study.test_rows)]
    own = reference_scores(study.estimator, rows)
    if not decoder.is_classifier:
        ours = model.predict(rows).reshape(own.shape)
        if decoder.link.name == "EXPONENTIAL":
            assert np.allclose(ours, np.asarray(study.estimator.predict(rows)).reshape(own.shape), rtol=0.05)
            ours = np.log(ours)
        assert np.allclose(ours, own, atol=model.error_bound + 1e-3)
        return
    if own.shape[1] == 1:
        margin = np.abs(own[:, 0] - (0.5 if decoder.link.name == "PROBABILITY" else 0.0))
    else:
        ordered = np.sort(own, axis=1)
        margin = (ordered[:, -1] - ordered[:, -2]) / 2
    sure = margin > model.error_bound + 1e-5
    assert sure.sum() > len(rows) // 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(study.estimator.predict(rows)).reshape(-1)
    assert (model.predict(rows)[sure] == expected[sure]).all()


def test_a_saved_model_predicts_the_same(case, tmp_path):
    study, model = case
    model.save(tmp_path / "model.cryptable")
    loaded = ct.load(tmp_path / "model.cryptable")
    assert (loaded.decision_function(study.test_rows) == model.decision_function(study.test_rows)).all()
    assert loaded.name == model.name == type(study.estimator).__name__.lower()


def test_explain_adds_up(case):
    _, model = case
    facts = model.explain().to_dict()
    spec = model.artifact.client_spec
    assert facts["lookups"] == model.circuit.lookups == sum(layer["lookups"] for layer in facts["lookups_by_layer"])
    assert facts["table_bits"] == max((layer["table_bits"] for layer in facts["lookups_by_layer"]), default=0)
    assert (facts["bytes"]["evaluation_keys"] > 0) == (facts["lookups"] > 0)
    assert facts["bytes"]["evaluation_keys"] == spec.keyset.evaluation_keys_bytes
    assert facts["bytes"]["input_row"] > 8 * spec.input.size
    assert facts["price"] > 0
    assert facts["cpu_seconds_predicted"] > 0
    assert facts["p_error"] == 2**-40
    assert facts["security_bits"] == 128
    assert str(model.explain()).count("\n") > 8


def test_bad_input_is_refused(case, frame):
    study, model = case
    rows = study.test_rows[:2].copy()
    with pytest.raises(ct.InvalidInputError, match="shape"):
        model.predict(rows[:, :-1])
    with pytest.raises(ct.InvalidInputError, match="two dimensions"):
        model.predict(rows[0])
    with pytest.raises(ct.InvalidInputError, match="numbers"):
        model.predict([["a"] * rows.shape[1]])
    names = [*model.artifact.client_spec.feature_names[:-1], "stranger"]
    if names[0] != "x0":
        with pytest.raises(ct.InvalidInputError, match="stranger"):
            model.predict(frame(rows, names))
    used = next(i for i, feature in enumerate(model.artifact.client_spec.features) if feature.size)
    rows[1, used] = np.nan
    with pytest.raises(ct.InvalidInputError, match=f"column {used}.*row 1"):
        model.predict(rows)
    with pytest.raises(ct.InvalidInputError, match="mode"):
        model.predict(study.test_rows, mode="secret")


def test_a_second_importer_for_a_class_is_refused():
    with pytest.raises(ValueError, match="two importers"):
        importer("sklearn.linear_model.Ridge", reference=lambda estimator, rows: rows)(lambda estimator, names: None)
