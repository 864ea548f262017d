"""Additive models as products of bits: polynomials that equal the model, one product for each outer bit."""

import numpy as np
import pytest
from cryptable.compiling.settings import CompileSettings
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.planner.additive import bits_of
from cryptable.planner.levelled import additive
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


def planned(graph, rows, tolerance=0.05):
    settings = CompileSettings(scheme="levelled")
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


def test_what_noise_does_not_bear_is_refused_at_once(monkeypatch):
    random = np.random.default_rng(1)
    graph = model(random)
    monkeypatch.setattr(additive, "_MOST_READS", 20)
    with pytest.raises(UnsupportedModelError, match="fewer pairs"):
        planned(graph, random.normal(size=(50, 3)))
    monkeypatch.setattr(additive, "_MOST_TERMS", 20)
    with pytest.raises(UnsupportedModelError, match="products of two bits"):
        additive.polynomial_of(graph, bits_of(graph))
