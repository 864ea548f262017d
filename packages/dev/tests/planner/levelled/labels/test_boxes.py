"""Pairs as trees of boxes: within the error that is told, and of far fewer leaves than bins."""

import numpy as np
import pytest
from cryptable.compiling.settings import CompileSettings
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.planner.levelled.labels import boxes
from cryptable.planner.levelled.labels.boxes import steps_alike, tree_of_boxes
from cryptable.planner.levelled.labels.trees import plan_additive
from cryptable.planner.registry import Task
from cryptable_engine import interpret
from cryptable_protocol import Link, encode_rows


def pair_of(random, rows=30, columns=20, outputs=1):
    values = random.normal(size=(rows, columns, outputs)).cumsum(axis=0).cumsum(axis=1) / 20
    return PairFunction((0, 1), (np.arange(1.0, rows), np.arange(1.0, columns)), values)


@pytest.mark.parametrize(("outputs", "deepest"), [(1, 40), (2, 40), (1, 3)])
def test_leaves_are_as_near_as_is_told(monkeypatch, outputs, deepest):
    monkeypatch.setattr(boxes, "_DEEPEST", deepest)
    random = np.random.default_rng(outputs)
    pair = pair_of(random, outputs=outputs)
    tree, error = tree_of_boxes(pair, 0.1)
    rows = np.stack(np.meshgrid(np.arange(30.0), np.arange(20.0), indexing="ij"), axis=-1).reshape(-1, 2)
    found = tree.values[tree.leaf_of(rows)].reshape(30, 20, outputs)
    assert np.abs(found - pair.values).max(axis=(0, 1)) == pytest.approx(error)
    assert error.max() <= 0.1
    assert tree.leaves < 300


def test_without_an_error_every_bin_is_itself():
    pair = pair_of(np.random.default_rng(3), 5, 7)
    tree, error = tree_of_boxes(pair, 0.0)
    assert error.tolist() == [0.0]
    assert tree.leaves == 35


@pytest.mark.parametrize("allowed", [0.0, 0.3, 10.0])
def test_steps_are_few_and_as_near_as_is_told(allowed):
    random = np.random.default_rng(5)
    edges = np.arange(1.0, 40.0)
    function = StepFunction(0, edges, random.normal(size=(40, 2)).cumsum(axis=0) / 4)
    found, error = steps_alike(function, allowed)
    at = np.searchsorted(found.edges, np.arange(40.0), side="right")
    assert np.abs(found.values[at] - function.values).max(axis=0) == pytest.approx(error)
    assert error.max() <= allowed
    assert len(found.edges) == {0.0: 39, 0.3: len(found.edges), 10.0: 0}[allowed]
    assert allowed != 0.3 or 0 < len(found.edges) < 30


def labelled(random, asked):
    pair = pair_of(random)
    one = StepFunction(2, np.arange(3.0), random.normal(size=(4, 1)))
    graph = AdditiveModel(tuple("abc"), (one,), (pair,), -pair.values.mean((0, 1)), Link.SIGMOID, (0, 1))
    rows = random.uniform(0, [30, 20, 4], (400, 3))
    settings = CompileSettings(scheme="levelled", answer="label", tolerance=asked)
    return graph, rows, Task(rows, graph.scores(rows), asked or 0.05, settings.prices, settings)


def test_labels_are_the_models_own_but_where_scores_are_next_to_the_threshold():
    graph, rows, task = labelled(np.random.default_rng(4), None)
    planned = plan_additive(graph, task)
    values = interpret(planned.circuit, encode_rows(planned.features, rows))
    far = np.abs(graph.scores(rows)[:, 0]) > 0.02
    assert far.sum() > 300
    assert (planned.decoder.predict(values) == (graph.scores(rows)[:, 0] > 0))[far].all()
    assert planned.circuit.products < 599  # splits of all bins


def test_a_tolerance_that_boxes_and_positions_are_too_coarse_for_is_refused():
    graph, _, task = labelled(np.random.default_rng(4), 1e-5)
    with pytest.raises(UnsupportedModelError, match="tolerance"):
        plan_additive(graph, task)
