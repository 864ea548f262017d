"""Additive models as products of bits: polynomials that equal the model, one product for each outer bit."""

import numpy as np
import pytest
from cryptable.compiling.settings import CompileSettings
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.planner.additive import bits_of
from cryptable.planner.coarsen import coarsen
from cryptable.planner.levelled import additive
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.registry import Task
from cryptable_engine import Product, interpret
from cryptable_protocol import Link, encode_rows


def model(random, *, edges=4, pairs=((0, 1), (0, 2)), outputs=1):
    steps = [np.sort(random.normal(size=edges)) for _ in range(3)]
    return AdditiveModel(
        ("a", "b", "c"),
        tuple(StepFunction(feature, steps[feature], random.normal(size=(edges + 1, outputs))) for feature in range(3)),
        tuple(
            PairFunction(pair, (steps[pair[0]], steps[pair[1]]), random.normal(size=(edges + 1, edges + 1, outputs)))
            for pair in pairs
        ),
        np.zeros(outputs),
        Link.IDENTITY,
        None,
    )


def planned(graph, rows, tolerance=0.05, asked=None):
    settings = CompileSettings(scheme="levelled", tolerance=asked)
    return additive.plan(graph, Task(rows, graph.scores(rows), tolerance, settings.prices, settings))


@pytest.mark.parametrize("outputs", [1, 3])
def test_scores_are_the_models_own_within_the_bound(outputs):
    random = np.random.default_rng(outputs)
    graph, rows = model(random, outputs=outputs), random.normal(size=(300, 3))
    found = planned(graph, rows)
    values = interpret(found.circuit, encode_rows(found.features, rows))
    scores = values * found.decoder.step + np.array(found.decoder.base)
    assert np.abs(scores - graph.scores(rows)).max() <= found.error_bound <= 0.05


def test_pairs_with_a_feature_in_common_share_the_products_of_its_bits():
    """Two pairs of four bits by four: four products, not 32."""
    random = np.random.default_rng(1)
    found = planned(model(random), random.normal(size=(50, 3)))
    assert sum(len(node.bits) for node in found.circuit.nodes if isinstance(node, Product)) == 4


def test_without_pairs_there_are_no_products():
    random = np.random.default_rng(1)
    assert planned(model(random, pairs=()), random.normal(size=(50, 3))).circuit.products == 0


def test_a_tolerance_that_nobody_asked_for_grows_until_noise_bears_the_pairs(monkeypatch):
    random = np.random.default_rng(1)
    graph, rows = model(random), random.normal(size=(50, 3))
    tried = []

    def most_of_two(circuit, **options):
        tried.append(circuit)
        if len(tried) < 3:
            raise UnsupportedModelError("scheme 'levelled': noise")
        return choose_parameters(circuit, **options)

    monkeypatch.setattr(additive, "choose_parameters", most_of_two)
    monkeypatch.setattr(additive, "plan_turned_pairs", additive._as_products)
    assert 0.05 < planned(graph, rows).error_bound <= 0.05 * 1.3**2
    tried.clear()
    with pytest.raises(UnsupportedModelError, match="noise"):
        planned(graph, rows, asked=0.05)


def test_pairs_of_too_many_bins_are_refused_at_once(monkeypatch):
    graph = model(np.random.default_rng(1))
    monkeypatch.setattr(additive, "_MOST_TERMS", 20)
    with pytest.raises(UnsupportedModelError, match="products of two bits"):
        additive.polynomial_of(graph, bits_of(graph))


def test_large_pairs_stand_in_places_that_leaves_would_be_too_noisy_for():
    random = np.random.default_rng(2)
    cuts, walk = np.arange(40.0), random.normal(size=(6, 41, 41, 1)).cumsum(axis=1).cumsum(axis=2)
    pairs = [(first, second) for first in range(4) for second in range(first)]
    functions = tuple(PairFunction(pair, (cuts, cuts), walk[index]) for index, pair in enumerate(pairs))
    graph = AdditiveModel(tuple("abcd"), (), functions, np.zeros(1), Link.IDENTITY, None)
    rows, settings = random.uniform(0, 40, (50, 4)), CompileSettings(scheme="levelled", tolerance=0.5)
    task = Task(rows, graph.scores(rows), 0.5, settings.prices, settings)
    found, parameters = additive._as_products(graph, coarsen(graph, tolerance=0.5), task)
    assert found.circuit.products > 80
    assert parameters.placed
