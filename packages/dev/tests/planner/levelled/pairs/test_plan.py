"""Additive models with pairs of many bins: circuits of turned tables that equal the model, and their bytes."""

from dataclasses import replace

import numpy as np
import pytest
from cryptable.compiling.settings import CompileSettings
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.planner.coarsen import coarsen
from cryptable.planner.levelled import additive
from cryptable.planner.levelled.pairs.plan import plan_turned_pairs
from cryptable.planner.registry import Task
from cryptable_engine import Rotation, interpret
from cryptable_protocol import Link, encode_rows

NAMES = tuple("abcd")


def model(random, *, edges=40, outputs=1, functions=4):
    """All pairs of four features, of 41 bins each, and functions of more; one pair has one bin of a feature."""
    cuts = np.arange(float(edges))
    walk = random.normal(size=(6, edges + 1, edges + 1, outputs)).cumsum(axis=1).cumsum(axis=2) / edges
    pairs = [(first, second) for first in range(4) for second in range(first)]
    found = [PairFunction(pair, (cuts, cuts), walk[index]) for index, pair in enumerate(pairs)]
    found[0] = PairFunction(pairs[0], (cuts[:0], cuts), walk[0][:1])
    fine = np.arange(0.0, edges, 0.25)
    steps = [StepFunction(f, fine, random.normal(size=(len(fine) + 1, outputs))) for f in range(functions)]
    return AdditiveModel(NAMES, tuple(steps), tuple(found), np.zeros(outputs), Link.IDENTITY, None)


def task(graph, rows, tolerance):
    settings = CompileSettings(scheme="levelled", tolerance=tolerance)
    return Task(rows, graph.scores(rows), tolerance, settings.prices, settings)


@pytest.mark.parametrize(("outputs", "functions"), [(1, 4), (1, 0), (2, 2)])
def test_scores_are_the_models_own_within_the_bound(outputs, functions):
    random = np.random.default_rng(outputs + functions)
    graph, rows = model(random, outputs=outputs, functions=functions), random.uniform(-1, 41, (200, 4))
    asked = task(graph, rows, 0.5)
    found, parameters = plan_turned_pairs(graph, coarsen(graph, tolerance=0.5), asked)
    values = interpret(found.circuit, encode_rows(found.features, rows))
    scores = values * found.decoder.step + np.array(found.decoder.base)
    assert np.abs(scores - graph.scores(rows)).max() <= found.error_bound <= 0.5
    assert values.min() >= 0
    assert values.max() <= parameters.maximum
    assert not parameters.placed
    (rotation,) = (node for node in found.circuit.nodes if isinstance(node, Rotation))
    tables = len(set(rotation.table_of.tolist()))
    # Five pairs of two features each, and what the four have by themselves, or the one of the sixth pair has.
    assert tables == 5 + (functions or 1)
    assert rotation.neurons > tables


def test_pairs_of_many_bins_are_tables_and_take_fewer_bytes():
    random = np.random.default_rng(2)
    graph, rows = model(random), random.uniform(0, 40, (50, 4))
    asked = task(graph, rows, 0.5)
    _, products = additive._as_products(graph, coarsen(graph, tolerance=0.5), asked)
    found = additive.plan(graph, asked)
    assert any(isinstance(node, Rotation) for node in found.circuit.nodes)
    _, tables = plan_turned_pairs(graph, coarsen(graph, tolerance=0.5), asked)
    assert tables.row_bytes == 9216 < products.row_bytes


def test_numbers_that_are_rounded_first_stay_with_products():
    random = np.random.default_rng(3)
    graph = replace(model(random), as_float32=True)
    with pytest.raises(UnsupportedModelError, match="float32"):
        plan_turned_pairs(graph, coarsen(graph, tolerance=0.5), task(graph, random.uniform(0, 40, (50, 4)), 0.5))


def test_features_of_more_bins_than_positions_are_refused_by_name():
    cuts = np.arange(600.0)
    values = np.random.default_rng(4).normal(size=(601, 601, 1))
    graph = AdditiveModel(
        NAMES[:2], (), (PairFunction((0, 1), (cuts, cuts), values),), np.zeros(1), Link.IDENTITY, None
    )
    rows = np.random.default_rng(4).uniform(0, 600, (20, 2))
    with pytest.raises(UnsupportedModelError, match=r"1024 bins in pairs.*max_interaction_bins"):
        plan_turned_pairs(graph, coarsen(graph, tolerance=0.1), task(graph, rows, 0.1))
