"""Labels of rows whose scores tie, and of close calls, are the model's own."""

from __future__ import annotations

from dataclasses import replace

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import imported_for, plan_imported
from cryptable.compiling.settings import CompileSettings
from cryptable.planner.ties import on_grid
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from random_classifiers import random_classifiers
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

SCHEMES = ["levelled", "bootstrapped"]


def planned_of(model, rows, scheme, **settings):
    asked = CompileSettings(scheme=scheme, **settings)
    return plan_imported(*imported_for(model, rows, asked), asked)


def labels_of(planned, rows):
    return planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, rows)))


def scores_of(planned, rows):
    return planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_leaf_of_two_classes_alike_is_the_first(scheme):
    rows = np.array([[0.0]] * 7 + [[1.0]] * 4 + [[2.0]] * 7)
    truth = np.array([0] * 6 + [1] + [0, 0, 1, 1] + [1] * 6 + [0])
    model = DecisionTreeClassifier(max_leaf_nodes=3).fit(rows, truth)
    assert model.predict_proba([[1.0]]).tolist() == [[0.5, 0.5]]
    planned = planned_of(model, rows, scheme)
    assert labels_of(planned, [[0.0], [1.0], [2.0]]).tolist() == [0, 0, 1]
    assert scores_of(planned, [[1.0]]).tolist() == [0.5]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_several_classes_alike_have_equal_scores(scheme):
    rows = np.repeat([[0.0], [1.0], [2.0]], 6, axis=0)
    truth = np.array([0, 0, 0, 0, 1, 2, 1, 1, 2, 2, 0, 1, 1, 2, 2, 0, 0, 1])
    model = DecisionTreeClassifier().fit(rows, truth)
    planned = planned_of(model, rows, scheme)
    assert np.array_equal(labels_of(planned, rows), model.predict(rows))
    scores = scores_of(planned, [[1.0], [2.0]])
    assert scores[1, 0] == scores[1, 1] == scores[1, 2]


def test_sums_that_tie_by_coincidence():
    """Leaves whose sums are equal, though they are neither equal nor opposite: later labels are lowered."""
    generator = np.random.default_rng(43)
    rows = generator.integers(0, 4, (40, 3)).astype(float)
    model = RandomForestClassifier(3, max_depth=3, random_state=0).fit(rows, generator.integers(0, 3, 40))
    everywhere = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
    tied = tied_rows(model, everywhere)
    assert tied.any()
    planned = planned_of(model, rows, "levelled", tolerance=0.2)
    assert np.array_equal(labels_of(planned, everywhere[tied]), model.predict(everywhere[tied]))
    assert 0.1 < planned.error_bound <= 0.2


def test_gradient_boosting_predicts_the_second_label_at_zero():
    rows, truth = np.array([[0.0], [0.0], [1.0], [1.0], [2.0], [2.0]]), [0, 1, 0, 0, 1, 1]
    model = GradientBoostingClassifier(n_estimators=2, max_depth=2).fit(rows, truth)
    assert abs(model.decision_function([[0.0]])[0]) < 1e-12
    planned = planned_of(model, rows, "levelled")
    if model.decision_function([[0.0]])[0] == 0:
        assert model.predict([[0.0]])[0] == 1
    assert labels_of(planned, [[0.0], [1.0], [2.0]]).tolist() == [1, 0, 1]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_row_at_the_threshold_of_contamination_is_an_inlier(scheme):
    """offset_ is a percentile of the scores, so one row's score may be it."""
    rows = np.random.default_rng(2).normal(size=(101, 3))
    model = IsolationForest(n_estimators=12, max_samples=32, contamination=0.1, random_state=2).fit(rows)
    at_threshold = model.decision_function(rows) == 0
    assert at_threshold.any()
    planned = planned_of(model, rows, scheme)
    assert (labels_of(planned, rows)[at_threshold] == 1).all()
    assert np.array_equal(labels_of(planned, rows), model.predict(rows))


@pytest.mark.parametrize("seed", range(4))
def test_labels_of_random_classifiers(seed):
    for model, rows, everywhere in random_classifiers(seed):
        planned = planned_of(model, rows, "levelled")
        labels, own = labels_of(planned, everywhere), model.predict(everywhere)
        tied = tied_rows(model, everywhere)
        assert np.array_equal(labels[tied], own[tied]), model
        assert planned.agreement.labels == np.mean(labels_of(planned, rows) == model.predict(rows))


def tied_rows(model, rows):
    """By the library's own scores."""
    options = {"output_margin": True} if type(model).__name__ == "XGBClassifier" else {}
    probabilities = np.asarray(model.predict(rows, **options) if options else model.predict_proba(rows))
    if probabilities.ndim == 1:
        return probabilities == 0
    highest = np.sort(probabilities, axis=1)
    return highest[:, -1] == highest[:, -2]


def test_bases_are_put_on_the_grid_of_the_steps():
    rows, truth = load_iris(return_X_y=True)
    planned = planned_of(DecisionTreeClassifier(max_depth=2).fit(rows, truth), rows, "levelled")
    step = planned.decoder.step
    shifted = replace(planned.decoder, base=(0.3 * step, -0.7 * step * (1 - 1e-12), 7.0 * step))
    again = on_grid(replace(planned, decoder=shifted))
    assert again.decoder.base[0] == again.decoder.base[1] != again.decoder.base[2] == 0
    assert again.decoder.offset == (0, -1, 7)


def test_compile_warns_of_labels_that_are_not_the_models_own():
    generator = np.random.default_rng(0)
    rows, truth = generator.normal(size=(200, 4)), generator.integers(0, 3, 200)
    model = RandomForestClassifier(10, max_depth=3, random_state=0).fit(rows, truth)
    compiled = ct.compile(model, rows, scheme="levelled", show_progress=False)
    assert compiled.explain().agreement.labels >= 0.99
    assert "of the labels are the model's own" in str(compiled.explain())
    with pytest.warns(ct.AgreementWarning, match=r"\d+\.\d% of the labels are the model's own.*lower tolerance="):
        rough = ct.compile(model, rows, tolerance=0.1, scheme="levelled", show_progress=False)
    share = np.mean(rough.predict(rows) == model.predict(rows))
    assert rough.explain().to_dict()["agreement"]["labels"] == share < 0.99


def test_scores_that_a_tolerance_makes_one_are_not_called_constant():
    rows, truth = load_iris(return_X_y=True)
    model = GradientBoostingClassifier(n_estimators=1, max_depth=1, learning_rate=0.015).fit(rows, truth == 2)
    planned = planned_of(model, rows, "levelled")
    assert np.array_equal(labels_of(planned, rows), model.predict(rows))
    assert np.unique(scores_of(planned, rows)).size == 2
    with pytest.raises(ct.ConstantModelError, match=r"range from -0\.7\d+ to -0\.6\d+ .* tolerance of 0\.5 does not"):
        planned_of(model, rows, "levelled", tolerance=0.5)
