"""Parameters of levelled circuits: exact enough, of few seconds or of few bytes, or refused by name."""

import math

import numpy as np
import pytest
from cryptable.cost.levelled import seconds_of, selectors_of
from cryptable.cost.prices import price_list
from cryptable.errors import UnsupportedModelError
from cryptable.planner.levelled import parameters as chosen
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.levelled.plan import plan_products
from cryptable.planner.thresholds.whole_grid import disclose_whole_grid
from cryptable_engine import CompilationError, interpret, verify
from cryptable_engine.schemes.levelled.noise.bound import fits
from cryptable_protocol import Link, encode_rows
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from tree_plans import graph_of, random_trees, tree_of

P_ERROR = 2.0**-128
PRICES = price_list(P_ERROR, scheme="levelled")


def planned(graph, tolerance=0.05):
    return plan_products(graph, tolerance=tolerance, prices=PRICES)


def test_every_bit_has_a_place_and_the_noise_fits():
    circuit = planned(random_trees(10, 3, 5)).circuit
    parameters = choose_parameters(circuit, p_error=P_ERROR)
    assert parameters.selectors == selectors_of(circuit)
    read = {row for node in circuit.nodes[1:] for term in getattr(node, "terms", ()) for row in term.rows.tolist()}
    assert {*parameters.selectors, *parameters.placed} >= read
    assert parameters.modulus > parameters.maximum == circuit.output_maximum
    assert fits(circuit, parameters)


def test_a_small_upload_has_fewer_bytes_and_takes_longer():
    circuit = planned(random_trees(10, 3, 5)).circuit
    fast, small = (choose_parameters(circuit, p_error=P_ERROR, upload=upload) for upload in ("fast", "small"))
    assert small.row_bytes < fast.row_bytes
    assert seconds_of(small, circuit.products) > seconds_of(fast, circuit.products)
    assert not small.placed
    assert fits(circuit, small)


def test_functions_of_one_feature_are_linear_and_flooded():
    circuit = planned(graph_of([tree_of((0, 1.0, 0.0, 5.0)), tree_of((1, 0.5, 2.0, 3.0))])).circuit
    parameters = choose_parameters(circuit, p_error=P_ERROR)
    assert isinstance(parameters, LinearParameters)
    assert (parameters.inputs, parameters.input_bits) == (2, 1)


def test_sums_of_bits_that_cannot_be_flooded_travel_in_places(monkeypatch):
    def refuse(*_):
        raise CompilationError("none")

    monkeypatch.setattr(chosen, "choose_linear_parameters", refuse)
    circuit = planned(graph_of([tree_of((0, 1.0, 0.0, 5.0)), tree_of((1, 0.5, 2.0, 3.0))])).circuit
    parameters = choose_parameters(circuit, p_error=P_ERROR)
    assert (parameters.selectors, parameters.leaves, parameters.placed) == ((), (), (0, 1))
    assert fits(circuit, parameters)


def test_scores_that_moduli_cannot_tell_apart_are_refused_by_name():
    graph = graph_of([tree_of((0, 1.0, (2, 0.0, 0.0, (3, 0.5, 2.0, 1.0)), 1.0)), tree_of((1, 0.5, 0.0, math.pi))])
    with pytest.raises(UnsupportedModelError, match=r"moduli tell 720720 apart; raise tolerance="):
        choose_parameters(planned(graph, 1e-7).circuit, p_error=P_ERROR)


def test_more_scores_than_an_answer_has_slots_are_refused_by_name():
    values = np.random.default_rng(0).normal(size=(2, 60)).tolist()
    graph = graph_of([tree_of((0, 1.0, values[0], (1, 0.0, values[1], (2, 0.0, *values))), 60)], 60, link=Link.IDENTITY)
    with pytest.raises(UnsupportedModelError, match="slots, an answer has 128"):
        choose_parameters(planned(graph, 1e-3).circuit, p_error=P_ERROR)


def test_prices_of_a_circuit_count_selectors_and_products():
    circuit = planned(random_trees(10, 3, 5)).circuit
    expected = PRICES.selector * len(selectors_of(circuit)) + PRICES.product * (circuit.products + 1)
    assert PRICES.circuit(circuit) == pytest.approx(expected + 1000)


def test_a_whole_grid_moves_the_bits_of_products_too():
    graph = random_trees(3, 3, 4, digits=0)
    whole = planned(graph)
    told = disclose_whole_grid(whole, {feature: np.arange(-6.0, 7.0) for feature in range(4)})
    verify(told.circuit)
    rows = np.random.default_rng(0).normal(0.0, 2.0, (300, 4))
    assert told.circuit.input.size == 4 * 13
    expected = interpret(whole.circuit, encode_rows(whole.features, rows))
    assert (interpret(told.circuit, encode_rows(told.features, rows)) == expected).all()
