"""Trees through the planner: the circuit is the naive evaluation of the trees, whatever their shape."""

import numpy as np
import pytest
from cryptable.cost.prices import price_list
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF
from cryptable.planner.trees.plan import plan_trees
from cryptable_engine import interpret, verify
from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Lookup
from cryptable_protocol import Link, encode_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_plans import EDGES, FEATURES, attempt, check_plan, graph_of, nested_trees, tree_of


@settings(max_examples=60, deadline=None)
@given(st.lists(nested_trees(1), min_size=1, max_size=5), st.sampled_from([0.5, 0.05, 0.001]))
def test_random_ensembles_are_evaluated_exactly(trees, tolerance):
    check_plan(graph_of(map(tree_of, trees)), tolerance, rounds=3)


@settings(max_examples=25, deadline=None)
@given(st.lists(nested_trees(1), min_size=1, max_size=3), st.sampled_from([2, 3, 4, 5, 6]))
def test_every_width_that_can_count_the_paths_evaluates_exactly(trees, width):
    graph = graph_of(map(tree_of, trees))
    _, refusal = attempt(lambda: check_plan(graph, 0.01, widths=(width,), rounds=2))
    assert refusal is None or (width == 2 and "max_depth" in refusal)


@settings(max_examples=25, deadline=None)
@given(st.lists(nested_trees(3), min_size=1, max_size=3))
def test_several_outputs_are_evaluated_exactly(trees):
    graph = graph_of([tree_of(tree, 3) for tree in trees], 3, link=Link.SOFTMAX, labels=(0, 1, 2))
    check_plan(graph, 0.05, rounds=2)


def test_deep_trees_on_many_features_are_counted():
    generator = np.random.default_rng(1)

    def grow(depth, features):
        if depth == 0:
            return float(generator.normal())
        feature, *rest = features
        return (feature, float(generator.choice(EDGES[:-1])), grow(depth - 1, rest), grow(depth - 1, rest))

    graph = graph_of([tree_of(grow(7, list(generator.permutation(9)))) for _ in range(2)], features=9)
    planned = check_plan(graph, 0.05)
    assert planned.circuit.lookups > 20


def test_golden_plan():
    """x0 >= 1 decides whether x1 >= 2 or x2 >= 3 counts: two products of two bits, one table of 2 * 2 * 2 codes.

    What is a function of one feature stays outside: the table holds 0 or 4 at x0 & x1 and the rest where it is least.
    """
    graph = graph_of([tree_of((0, 1.0, (1, 2.0, 0.0, 4.0), (2, 3.0, 0.0, 8.0)))], features=3)
    planned = plan_trees(graph, tolerance=1e-6, prices=price_list())
    _, code, lookup, output = planned.circuit.nodes
    assert code.terms[0].to_dense(3, 1).tolist() == [[1], [2], [4]]
    assert (lookup.width, lookup.tables.shape) == (3, (1, 8))
    rows = np.array([[x, y, z] for x in (0, 1) for y in (0, 2) for z in (0, 3)], float)
    scores = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))
    assert np.allclose(scores, [0, 0, 4, 4, 0, 8, 0, 8], atol=1e-6)
    assert planned.circuit.lookups == 1
    assert output.size == 1


def test_functions_of_one_feature_need_no_lookup():
    trees = [tree_of((0, 1.0, 0.0, (0, 2.0, 1.0, 5.0))), tree_of((1, 0.5, 2.0, 3.0))]
    assert check_plan(graph_of(trees), 0.01).circuit.lookups == 0


def test_tables_of_different_trees_are_merged_and_cancelling_ones_vanish():
    first = (0, 1.0, (1, 2.0, 0.0, 4.0), 1.0)
    second = (1, 2.0, (0, 1.0, 0.0, 3.0), 7.0)
    assert check_plan(graph_of([tree_of(first), tree_of(second)]), 0.01).circuit.lookups == 1
    opposite = (0, 1.0, (1, 2.0, 0.0, -4.0), -1.0)
    with pytest.raises(UnsupportedModelError, match="same scores"):
        plan_trees(graph_of([tree_of(first), tree_of(opposite)]), tolerance=0.01, prices=price_list())


def test_equal_tables_are_stored_once():
    trees = [tree_of((0, 1.0, 0.0, (1, 2.0, 0.0, 1.0))), tree_of((2, 1.0, 0.0, (3, 2.0, 0.0, 1.0)))]
    planned = check_plan(graph_of(trees), 0.01, widths=(2,))
    (lookup,) = (node for node in planned.circuit.nodes if isinstance(node, Lookup))
    assert (lookup.size, len(lookup.tables)) == (2, 1)


def test_the_plan_does_not_depend_on_the_run():
    generator = np.random.default_rng(2)
    trees = []
    for _ in range(6):
        f, g, h = map(int, generator.permutation(FEATURES)[:3])
        a, b, c, d = generator.normal(size=4).tolist()
        trees.append(tree_of((f, 0.0, (g, 0.5, a, b), (h, 2.0, c, d))))
    first, second = (plan_trees(graph_of(trees), tolerance=0.05, prices=price_list()) for _ in range(2))
    assert first.circuit.to_bytes() == second.circuit.to_bytes()


@settings(max_examples=40, deadline=None)
@given(st.lists(nested_trees(2), min_size=1, max_size=5), st.sampled_from([0.5, 0.05, 0.001]))
def test_scores_stay_within_the_sum_of_the_trees_ranges(trees, tolerance):
    """That is what the output's width is chosen for; the interpreter refuses what lies beyond, which checks rows."""
    graph = graph_of([tree_of(tree, 2) for tree in trees], 2, link=Link.SOFTMAX, labels=(0, 1))
    planned = check_plan(graph, tolerance, rounds=2)
    if planned is None:
        return
    spread = sum(np.ptp(tree.values[tree.feature == LEAF], axis=0) for tree in graph.trees).max()
    highest = highest_output(planned.circuit, verify(planned.circuit))
    assert highest <= (spread + 2 * planned.error_bound) / planned.decoder.step + 1


def test_a_forest_declares_less_than_the_bounds_of_its_tables():
    generator = np.random.default_rng(5)

    def grow(depth):
        if depth == 0:
            return float(generator.random())
        return (int(generator.integers(8)), float(generator.normal()), grow(depth - 1), grow(depth - 1))

    planned = check_plan(graph_of([tree_of(grow(4)) for _ in range(8)], features=8), 0.05, rounds=2)
    _, high = verify(planned.circuit)[-1]
    assert planned.circuit.output_maximum.bit_length() < int(high.max()).bit_length()


def test_a_condition_on_a_feature_that_the_subtree_asks_for_again_is_counted_where_that_is_shorter():
    # Three conditions and a bit are 4 * 2 codes; two conditions and both bits of x0 would be 3 * 3, more than 3 bits.
    tree = tree_of((0, -1.0, 0.0, (1, 0.0, 0.0, (2, 0.0, 0.0, (0, 2.0, 3.0, 5.0)))))
    assert check_plan(graph_of([tree]), 0.01, widths=(3,)).circuit.lookups == 1


def test_the_width_is_chosen_by_the_price_at_the_p_error_that_is_asked_for():
    """At 2^-128 a lookup of 5 bits costs 2.4 times one of 4 bits, at 2^-40 1.3 times; here it saves 2 of 8."""
    generator = np.random.default_rng(3)
    trees = []
    for _ in range(20):
        f, g, h, _ = map(int, generator.permutation(4))
        a, b, c, d = generator.normal(size=4).tolist()
        trees.append(tree_of((f, 0.0, (g, 0.5, (h, -1.0, a, b), c), d)))
    for p_error, width in ((2.0**-40, 5), (2.0**-128, 4)):
        planned = check_plan(graph_of(trees, features=4), 0.01, prices=price_list(p_error), rounds=2)
        (lookup,) = (node for node in planned.circuit.nodes if isinstance(node, Lookup))
        assert lookup.width == width


def test_what_rounding_leaves_of_one_feature_takes_no_table():
    """Leaves that are alike, to the tolerance, are one: the root's bit alone decides."""
    leaves = (1, 2.0, (2, 0.5, 1.0, 1.0001), (3, 0.0, 1.0002, 0.9999))
    planned = check_plan(graph_of([tree_of((0, 1.0, 0.0, leaves))]), 0.01, widths=(2,))
    assert planned.circuit.lookups == 0
