"""Oblivious trees as tables that bits turn: the same function bit for bit, with fewer products, where they pay."""

from collections import namedtuple

import cryptable as ct
import numpy as np
import pytest
from cryptable.planner.levelled import tree_ensembles
from cryptable.planner.levelled.oblivious import divided
from cryptable.planner.levelled.plan import plan_products
from cryptable.planner.levelled.trees import Leaf, Split
from cryptable.planner.trees.round_leaves import round_leaves
from cryptable_engine import Rotation, interpret, verify
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_protocol import Link, encode_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_plans import EDGES, attempt, graph_of, nested_trees, tree_of

PRICES = namedtuple("Prices", ["selector", "product"])(1.0, 3.0)
"""So that products decide."""
VALUES = np.array([-2.0, -1.0, 0.0, 0.3, 0.5, 1.0, 2.0, 1e30])


def oblivious(random, tests, outputs=1):
    """A tree that asks the same test at each depth, with random leaves."""
    if not tests:
        return random.normal(size=outputs).tolist()
    feature, edge = tests[0]
    return (feature, edge, oblivious(random, tests[1:], outputs), oblivious(random, tests[1:], outputs))


def asked_tests(random, depth, features=4):
    """Distinct pairs of feature and edge."""
    pairs = [(feature, edge) for feature in range(features) for edge in EDGES[:-1]]
    return [pairs[index] for index in random.permutation(len(pairs))[:depth]]


def planned(graph, *, turns=True):
    """A plan that is well formed and gives the rounded trees' scores, and never more than it declares."""
    found, refusal = attempt(lambda: plan_products(graph, tolerance=0.05, prices=PRICES, turns=turns))
    if found is None:
        assert "same scores for every input" in refusal
        return None
    verify(found.circuit)
    rows = np.random.default_rng(1).choice(VALUES, (200, len(graph.feature_names)))
    answers = interpret(found.circuit, encode_rows(found.features, rows))
    assert (answers == round_leaves(graph, tolerance=0.05).graph.scores(rows)).all()
    assert answers.max() <= highest_output(found.circuit, bounds(found.circuit))
    return found


def rotation_of(plan):
    return next((node for node in plan.circuit.nodes if isinstance(node, Rotation)), None)


@pytest.mark.parametrize(("depth", "outputs"), [(4, 3), (6, 1)])
def test_oblivious_trees_take_one_product_a_level_but_the_first(depth, outputs):
    random = np.random.default_rng(depth)
    trees = [tree_of(oblivious(random, asked_tests(random, depth, 12), outputs), outputs) for _ in range(9)]
    softmax = {"link": Link.SOFTMAX, "labels": tuple(range(outputs))} if outputs > 1 else {}
    graph = graph_of(trees, outputs, 12, **softmax)
    turned, apart = planned(graph), planned(graph, turns=False)
    assert rotation_of(apart) is None
    rotation = rotation_of(turned)
    assert rotation.positions <= 1 << depth
    assert turned.circuit.products - rotation.neurons <= 9 * (depth - 1) < apart.circuit.products


@settings(max_examples=40, deadline=None)
@given(st.lists(nested_trees(2), min_size=1, max_size=3), st.integers(0, 1000), st.integers(3, 5))
def test_beside_trees_of_any_shape_they_are_the_same_function(trees, seed, depth):
    random = np.random.default_rng(seed)
    more = [oblivious(random, asked_tests(random, depth), 2) for _ in range(3)]
    planned(graph_of([tree_of(tree, 2) for tree in (*trees, *more)], 2))


def test_a_tree_whose_bits_another_table_has_is_added_to_it():
    leaf = [Leaf({0: value} if value else {}) for value in range(8)]
    pairs = [Split(0, leaf[2 * index], leaf[2 * index + 1]) for index in range(4)]
    three = Split(5, Split(2, pairs[0], pairs[1]), Split(2, pairs[2], pairs[3]))
    other = Split(5, Split(2, pairs[3], pairs[1]), Split(2, pairs[2], pairs[0]))
    tables, others = divided([three, Split(7, three, other), pairs[0]], 1)
    assert others == [pairs[0]]  # one split of leaves is a linear form
    assert tables.bits == ((0, 2, 5, 7),)
    assert tables.products == 3
    alone = np.arange(8)  # bits 0, 2, 5 as a binary number
    assert tables.values[0, :8, 0].tolist() == (2 * alone).tolist()
    assert tables.values[0, 8:, 0].tolist() == (alone + np.array([6, 7, 2, 3, 4, 5, 0, 1])).tolist()


def test_tables_without_room_for_all_outputs_are_not_made():
    random = np.random.default_rng(0)
    outputs = 40
    wide = tree_of(oblivious(random, asked_tests(random, 4), outputs), outputs)
    graph = graph_of([wide], outputs, link=Link.SOFTMAX, labels=tuple(range(outputs)))
    assert rotation_of(planned(graph)) is None


def test_where_no_parameters_suit_tables_trees_are_taken_apart(monkeypatch):
    from catboost import CatBoostClassifier

    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 6))
    model = CatBoostClassifier(iterations=12, depth=6, verbose=0, allow_writing_files=False, thread_count=1)
    model.fit(rows, rows[:, 0] * rows[:, 1] + rows[:, 2] > 0)
    choose = tree_ensembles.choose_parameters

    def refuses_tables(circuit, **options):
        if any(isinstance(node, Rotation) for node in circuit.nodes):
            raise ct.UnsupportedModelError("no room")
        return choose(circuit, **options)

    with monkeypatch.context() as patched:
        patched.setattr(tree_ensembles, "choose_parameters", refuses_tables)
        apart = ct.compile(model, rows, scheme="levelled", show_progress=False)
    assert not apart.explain().levelled.tables
    turned = ct.compile(model, rows, scheme="levelled", show_progress=False)
    facts = turned.explain().levelled
    assert facts.tables
    assert facts.turns - facts.tables <= 12 * 5
    assert "class labels" in str(turned.explain())  # and no word of comparisons
    assert (turned.decision_function(rows) == apart.decision_function(rows)).all()
    assert turned.check(rows[:20], encrypted_rows=2).results
