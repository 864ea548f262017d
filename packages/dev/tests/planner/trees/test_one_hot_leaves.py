"""Leaves of several scores: looked up once each where that is cheaper than a table for each score."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.cost.prices import price_list
from cryptable.graphs.graph import TreeEnsemble
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.trees import plan as tree_planner
from cryptable.planner.trees.one_hot_leaves import one_hot_leaves
from cryptable.planner.trees.plan import cheapest_draft, plan_trees
from cryptable.planner.trees.tree_polynomials import Alphabet
from cryptable_engine import interpret, verify
from cryptable_engine.circuit.circuit import Lookup
from cryptable_protocol import Link, encode_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from tree_plans import attempt, check_plan, graph_of, nested_trees, tree_of

OUTPUTS = 8
LABELS = tuple(range(OUTPUTS))


def vector(generator):
    return generator.normal(size=OUTPUTS).tolist()


def bushy_graph(outputs_used=OUTPUTS):
    """Two trees of depth 3, each of whose nodes asks about a feature of its own."""
    generator = np.random.default_rng(0)
    features = iter(range(14))

    def grow(depth):
        if depth == 0:
            return [*generator.normal(size=outputs_used).tolist(), *[0.0] * (OUTPUTS - outputs_used)]
        return (next(features), 0.5, grow(depth - 1), grow(depth - 1))

    trees = [tree_of(grow(3), OUTPUTS) for _ in range(2)]
    return graph_of(trees, OUTPUTS, features=14, link=Link.SOFTMAX, labels=LABELS)


def test_one_lookup_a_leaf_but_one_and_none_for_what_one_feature_decides():
    """x0 >= 1 alone leads to the third leaf, which is free; of the two others one is what is left."""
    first, second, third = (np.eye(OUTPUTS)[index].tolist() for index in range(3))
    graph = graph_of([tree_of((0, 1.0, (1, 2.0, first, second), third), OUTPUTS)], OUTPUTS)
    leaves = one_hot_leaves(graph, Alphabet(Bits.of_trees(graph.trees, 4)), (2, 3, 4))
    assert (len(leaves.by_group), len(leaves.by_bit), leaves.width) == (1, 1, 2)


def test_it_is_taken_where_scores_are_many_and_left_where_they_are_few():
    planned = check_plan(bushy_graph(), 0.01)
    (lookup,) = (node for node in planned.circuit.nodes if isinstance(node, Lookup))
    assert (lookup.size, lookup.width, len(lookup.tables)) == (14, 2, 1)  # 7 leaves a tree, one table for all
    assert cheapest_draft(bushy_graph(), (2, 3, 4), price_list()).lookups == 14
    assert check_plan(bushy_graph(outputs_used=1), 0.01).circuit.lookups == 4  # two tables a tree


@pytest.mark.parametrize("depth", [3, 5])
def test_widths_that_are_not_drafted_would_not_have_been_chosen(depth, monkeypatch):
    X, y = load_digits(return_X_y=True)
    forest = RandomForestClassifier(6, max_depth=depth, random_state=0).fit(X, y)
    drafted = []
    real = tree_planner.drafts

    def counted(graph, *given, **wanted):
        drafted.append(graph.outputs)
        return real(graph, *given, **wanted)

    monkeypatch.setattr(tree_planner, "drafts", counted)
    by_lookups = CompileSettings(scheme="bootstrapped")
    planned = plan(forest, X[:200], by_lookups)
    few = drafted.count(10)
    monkeypatch.setattr(tree_planner, "_HARDLY_LESS", np.inf)
    monkeypatch.setattr(tree_planner, "_CLEARLY_LESS", 0.0)
    assert plan(forest, X[:200], by_lookups).circuit.to_bytes() == planned.circuit.to_bytes()
    assert few < drafted.count(10) - few


@settings(max_examples=40, deadline=None)
@given(st.lists(nested_trees(OUTPUTS), min_size=1, max_size=4), st.sampled_from([0.5, 0.05, 0.001]))
def test_random_trees_of_many_scores_are_evaluated_exactly(trees, tolerance):
    graph = graph_of([tree_of(tree, OUTPUTS) for tree in trees], OUTPUTS, link=Link.SOFTMAX, labels=LABELS)
    check_plan(graph, tolerance, rounds=2)


def test_equal_leaves_of_different_trees_are_one_lookup():
    generator = np.random.default_rng(1)
    leaves = [vector(generator) for _ in range(8)]
    one, other = ((0, 1.0, (1, 2.0, *leaves[i : i + 2]), (2, 0.5, *leaves[i + 2 : i + 4])) for i in (0, 4))
    graph = graph_of([tree_of(one, OUTPUTS), tree_of(other, OUTPUTS)], OUTPUTS)
    found = one_hot_leaves(graph, Alphabet(Bits.of_trees(graph.trees, 4)), (2, 3))
    assert len(found.by_group) == 3


def test_no_width_counts_the_path():
    names = tuple(f"x{index}" for index in range(9))
    nested = [1.0, 0.0]
    for feature in range(9):
        nested = (feature, 0.5, [float(feature), 1.0], nested)
    graph = TreeEnsemble(names, (tree_of(nested, 2),), np.zeros(2), Link.IDENTITY, None, True)
    assert one_hot_leaves(graph, Alphabet(Bits.of_trees(graph.trees, 9)), (2, 3)) is None
    assert attempt(lambda: plan_trees(graph, tolerance=0.1, prices=price_list(), widths=(3,)))[0] is None


@pytest.mark.encrypted
def test_a_forest_of_ten_classes_is_exact_under_encryption():
    X, y = load_digits(return_X_y=True)
    estimator = RandomForestClassifier(3, max_depth=3, random_state=0).fit(X, y)
    with pytest.warns(ct.AgreementWarning, match="98.3% of the labels"):  # a forest of close calls
        model = ct.compile(estimator, X[:300], scheme="bootstrapped")
    leaves = sum(tree.tree_.n_leaves for tree in estimator.estimators_)
    assert 0 < model.circuit.lookups < leaves  # ten times as many, were each class looked up
    verify(model.circuit, model.artifact.client_spec)
    values = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, X))
    assert (model.artifact.client_spec.decoder.predict(values) == estimator.predict(X)).mean() > 0.98
    assert model.check(X, y, encrypted_rows=2).passed
