"""Trees as products of bits: the circuit is the rounded trees, bit for bit, whatever their shape and the plan's."""

from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
from cryptable.cost.prices import price_list
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import MISSING_EDGE
from cryptable.planner.levelled.circuit import lay_out
from cryptable.planner.levelled.plan import plan_products
from cryptable.planner.levelled.search import find_plan
from cryptable.planner.levelled.trees import TreeReader, highest
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.thresholds.thermometers import encoder_of
from cryptable.planner.trees.round_leaves import round_leaves
from cryptable_engine import Linear, Product, interpret, verify
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_protocol import Link, Missing, encode_rows
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tree_plans import EDGES, attempt, graph_of, nested_trees, random_trees, tree_of

PRICES = price_list(2.0**-128, scheme="levelled")
Weights = namedtuple("Weights", ["selector", "product"])
VALUES = np.array([-2.0, -1.0, np.nextafter(np.float32(0), np.float32(-1)), 0.0, 0.3, 0.5, 1.0, 2.0, 1e30])


def sample(graph, count=300):
    return np.random.default_rng(0).choice(VALUES, (count, len(graph.feature_names)))


def check_plan(graph, tolerance, rows=None):
    """Plan, verify, and compare with the rounded trees; returns the plan, or None for a constant."""
    planned, refusal = attempt(lambda: plan_products(graph, tolerance=tolerance, prices=PRICES))
    rounded = round_leaves(graph, tolerance=tolerance)
    rows = sample(graph) if rows is None else rows
    expected = rounded.graph.scores(rows)
    if planned is None:
        assert "same scores for every input" in refusal
        assert not np.ptp(expected, axis=0).any()
        return None
    check_circuit(planned.circuit, interpret(planned.circuit, encode_rows(planned.features, rows)), expected)
    scores = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))
    assert planned.error_bound <= tolerance
    assert np.abs(scores.reshape(expected.shape) - graph.scores(rows)).max() <= planned.error_bound + 1e-9
    return planned


def check_circuit(circuit, found, expected):
    """That it is well formed, of the levelled shape, gives what is expected, and never more than it declares."""
    verify(circuit)
    assert (found == expected).all()
    assert found.max() <= highest_output(circuit, bounds(circuit))
    for node in circuit.nodes[1:-1]:
        if isinstance(node, Product):
            assert node.block == expected.shape[1]
        else:
            assert isinstance(node, Linear)
    seen = set()
    for index, node in enumerate(circuit.nodes):
        for term in node.terms if isinstance(node, Linear) else ():
            if term.source:
                assert set(term.weights.tolist()) <= {-1, 1}
        if isinstance(node, Product):
            for block, bit in enumerate(node.bits.tolist()):
                for sign in (1, -1):
                    key = (bit, *form_of(circuit, index, block, sign))
                    assert key not in seen
                    seen.add(key)


def form_of(circuit, index, block, sign):
    """What a block of a product's form reads, without its constant."""
    size = circuit.nodes[index].block
    for term in circuit.nodes[circuit.nodes[index].source].terms:
        inside = (term.columns // size) == block
        columns, weights = term.columns[inside] % size, sign * term.weights[inside]
        yield from zip([term.source] * inside.sum(), term.rows[inside], columns, weights, strict=True)


@settings(max_examples=80, deadline=None)
@given(st.lists(nested_trees(1), min_size=1, max_size=5), st.sampled_from([0.5, 0.05, 0.001]))
@example([(2, 0.5, [0.0], (0, -1.0, [0.0], [1 / 7])), (2, 0.5, (0, -1.0, [0.0], [1 / 7]), [0.0])], 0.05)
def test_random_ensembles_are_evaluated_exactly(trees, tolerance):
    check_plan(graph_of(map(tree_of, trees)), tolerance)


@settings(max_examples=30, deadline=None)
@given(st.lists(nested_trees(3), min_size=1, max_size=3))
def test_several_outputs_are_evaluated_exactly(trees):
    check_plan(graph_of([tree_of(tree, 3) for tree in trees], 3, link=Link.SOFTMAX, labels=(0, 1, 2)), 0.05)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(nested_trees(2), min_size=2, max_size=5),
    st.sampled_from([(1, 0), (0, 1), (1, 1), (1, 1000)]),
    st.sampled_from([0, 300, 3000]),
)
def test_whichever_trees_are_pooled_the_circuit_is_the_same_function(trees, prices, work):
    graph = round_leaves(graph_of([tree_of(tree, 2) for tree in trees], 2), tolerance=0.05).graph
    bits = Bits.of_trees(graph.trees, len(graph.feature_names))
    read = [TreeReader(bits).read(tree) for tree in graph.trees]
    found = find_plan(read, bits.feature_of, 2, Weights(*prices), work=work)
    laid_out, _ = attempt(lambda: lay_out(found, bits, max(highest(read, 2))))
    rows = sample(graph)
    if laid_out is None:
        assert not np.ptp(graph.scores(rows), axis=0).any()
        return
    features = [
        encoder_of(name, edges, as_float32=True, gaps=Missing.REFUSED)
        for name, edges in zip(graph.feature_names, laid_out.edges, strict=True)
    ]
    check_circuit(laid_out.circuit, interpret(laid_out.circuit, encode_rows(features, rows)), graph.scores(rows))


def test_deep_trees_are_taken_root_first_and_evaluated_exactly():
    graph = random_trees(3, 9, 6)
    rows = np.random.default_rng(1).normal(size=(200, 6))
    planned = check_plan(graph, 0.05, rows)
    assert len(planned.circuit.nodes) > 10


def test_a_plan_is_the_same_each_time():
    graph = random_trees(12, 3, 5)
    first, second = (plan_products(graph, tolerance=0.05, prices=PRICES) for _ in range(2))
    assert first.circuit.to_bytes() == second.circuit.to_bytes()


def test_progress_is_told_and_the_search_saves():
    graph = random_trees(20, 3, 5, digits=1)
    bits = Bits.of_trees(graph.trees, 5)
    rounded = round_leaves(graph, tolerance=0.05).graph
    reader = TreeReader(bits)
    trees = [reader.read(tree) for tree in rounded.trees]
    told = []

    def price(work):
        found = find_plan(trees, bits.feature_of, 1, PRICES, work=work, progress=told.append)
        reached = found.products.reached([found.scores])
        return 92 * len(reached) + 248 * len({found.products.selectors[number] for number in reached})

    assert price(30_000) < price(0)
    assert told == sorted(told)
    assert all(0 <= each < 1 for each in told)


def test_golden_plan():
    """x0 >= 1 decides whether x1 >= 2 or x2 >= 3 counts: 4 x1 - x0 (4 x1 - 8 x2), with one product."""
    graph = graph_of([tree_of((0, 1.0, (1, 2.0, 0.0, 4.0), (2, 3.0, 0.0, 8.0)))], features=3)
    planned = plan_products(graph, tolerance=0.5, prices=PRICES)
    _, form, product, output = planned.circuit.nodes
    assert product.bits.tolist() == [0]
    assert form.terms[0].to_dense(3, 1).tolist() == [[0], [4], [-8]]
    assert [term.to_dense(size, 1).tolist() for term, size in zip(output.terms, (3, 1), strict=True)] == [
        [[0], [4], [0]],
        [[-1]],
    ]


def test_stumps_and_functions_of_one_feature_need_no_product():
    trees = [tree_of((0, 1.0, 0.0, (0, 2.0, 1.0, 5.0))), tree_of((1, 0.5, 2.0, 3.0)), tree_of(7.0)]
    planned = check_plan(graph_of(trees), 0.01)
    assert planned.circuit.products == 0
    assert planned.circuit.output_maximum is None


def test_constants_are_refused_by_name():
    with pytest.raises(UnsupportedModelError, match="same scores"):
        plan_products(graph_of([tree_of(3.0)]), tolerance=0.1, prices=PRICES)


def test_missing_values_follow_their_branches():
    tree = tree_of((0, MISSING_EDGE, (0, 0.5, (1, 0.0, 1.0, 2.0), (1, 2.0, 5.0, 7.0)), (1, 0.0, 1.0, 2.0)))
    graph = replace(graph_of([tree], features=2), gaps={0: Missing.HIGHEST})
    rows = np.array([[x, y] for x in (np.nan, -1.0, 0.5, 3.0) for y in (-1.0, 0.0, 2.0)])
    check_plan(graph, 0.01, rows)


def test_oblivious_trees_read_each_bit_once_a_level():
    def level(depth, low):
        return float(low) if depth == 3 else (depth, EDGES[1], level(depth + 1, 2 * low), level(depth + 1, 2 * low + 1))

    values = np.random.default_rng(0).normal(size=8)
    tree = tree_of(level(0, 0))
    tree.values[:] = values[tree.values.astype(int) % 8]
    planned = check_plan(graph_of([tree]), 0.01)
    assert planned.circuit.products <= 3


def test_too_deep_a_path_is_refused_by_name():
    nested = 0.0
    for step in range(450):
        nested = (0, float(-step), 1.0, nested) if step % 2 else (1, float(-step), 2.0, nested)
    with pytest.raises(UnsupportedModelError, match="400 tests"):
        plan_products(graph_of([tree_of(nested)], features=2), tolerance=0.1, prices=PRICES)
