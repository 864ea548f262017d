"""Default directions and sets of categories: the circuit is the naive evaluation of what was learned."""

from dataclasses import dataclass

import numpy as np
from cryptable.cost.prices import price_list
from cryptable.graphs.graph import LEAF, Tree
from cryptable.importers.reading.category_order import order_levels
from cryptable.importers.reading.learned_trees import (
    LEFT,
    MISSING,
    RIGHT,
    UNKNOWN,
    CategoryColumn,
    LearnedTree,
    assemble,
    restrict_missing,
)
from cryptable.planner.trees.plan import plan_trees
from cryptable_engine import interpret, verify
from cryptable_protocol import CategoricalEncoder, Link, Missing, ThermometerEncoder, encode_rows
from hypothesis import example, given, settings
from hypothesis import strategies as st

NUMBERS = (0, 1)
CATEGORIES = {2: CategoryColumn(("a", "b", "c", "d", "e"), True, True), 3: CategoryColumn((7, -2, 40), True, False)}
NAMES = ("x", "y", "site", "grade")
EDGES = (-1.0, 0.0, 2.0, float("inf"))


@dataclass(frozen=True)
class Split:
    """A test: of an edge, where a missing number goes left or right, or of the positions that go left."""

    feature: int
    edge: float
    missing: int
    left_set: frozenset
    low: object
    high: object


def splits(inner):
    number = st.builds(
        Split, st.sampled_from(NUMBERS), st.sampled_from(EDGES), st.sampled_from([LEFT, RIGHT]), st.just(frozenset()),
        inner, inner,
    )  # fmt: skip
    category = st.sampled_from(sorted(CATEGORIES)).flatmap(
        lambda feature: st.builds(
            Split, st.just(feature), st.just(0.0), st.just(RIGHT),
            st.frozensets(st.sampled_from(CATEGORIES[feature].positions)), inner, inner,
        )
    )  # fmt: skip
    return number | category


NESTED = st.recursive(st.integers(-20, 20).map(lambda value: value / 7), splits, max_leaves=10)


def learned(nested):
    """As an importer hands it over."""
    nodes, sets = [], {}

    def add(node):
        index = len(nodes)
        nodes.append(None)
        if not isinstance(node, Split):
            nodes[index] = (LEAF, 0.0, 0, 0, node, RIGHT)
            return index
        if node.feature in CATEGORIES:
            sets[index] = node.left_set
        nodes[index] = (node.feature, node.edge, add(node.low), add(node.high), 0.0, node.missing)
        return index

    add(nested)
    feature, edge, left, right, value, missing = (np.array(column) for column in zip(*nodes, strict=True))
    tree = Tree(feature, edge.astype(float), left, right, value.astype(float)[:, None])
    return LearnedTree(tree, missing.astype(np.int8), sets)


def position_of(feature, value):
    if value is None:
        return MISSING
    categories = CATEGORIES[feature].categories
    return categories.index(value) if value in categories else UNKNOWN


def naive(node, row):
    if not isinstance(node, Split):
        return node
    value = row[node.feature]
    if node.feature in CATEGORIES:
        goes_left = position_of(node.feature, value) in node.left_set
    elif value is None:
        goes_left = node.missing == LEFT
    else:
        goes_left = np.float32(value) < node.edge
    return naive(node.low if goes_left else node.high, row)


def random_rows(count, *, missing):
    generator = np.random.default_rng(0)
    values = [[-1.0, -1.0 - 1e-9, -1.1, 0.0, -1e-46, 1.0, 2.0, 1e38, -1e38, None]] * 2
    values += [["a", "b", "c", "d", "e", "stranger", None], [7, -2, 40, None]]
    rows = np.empty((count, len(values)), object)
    for column, choices in enumerate(values):
        allowed = choices if column in missing else choices[:-1]
        rows[:, column] = [allowed[index] for index in generator.integers(0, len(allowed), count)]
    return rows


def graph_of(trees):
    return assemble(
        [learned(tree) for tree in trees],
        feature_names=NAMES,
        base=np.zeros(1),
        link=Link.IDENTITY,
        labels=None,
        as_float32=True,
        columns=CATEGORIES,
    )


X_LEFT = Split(0, 0.0, LEFT, frozenset(), 1.0, 2.0)
X_RIGHT = Split(0, 2.0, RIGHT, frozenset(), 3.0, 5.0)
IS_MISSING = Split(1, float("inf"), RIGHT, frozenset(), 0.0, 1.0)
IN_SET = Split(2, 0.0, RIGHT, frozenset({0, 2, 4, MISSING}), X_LEFT, X_RIGHT)


@settings(max_examples=40, deadline=None)
@given(st.lists(NESTED, min_size=1, max_size=4), st.sets(st.integers(0, 3)))
@example([X_LEFT, X_RIGHT], {0})
@example([IS_MISSING, X_LEFT], {0, 1})
@example([IN_SET], {0, 1, 2, 3})
@example([IN_SET], set())
@example([Split(3, 0.0, RIGHT, frozenset({MISSING}), 0.0, 1.0)], set())
@example([Split(3, 0.0, RIGHT, frozenset({MISSING}), 0.0, X_LEFT), IN_SET], set())
def test_circuits_are_the_naive_evaluation(trees, missing):
    rows = random_rows(200, missing=missing)
    expected = np.array([sum(naive(tree, row) for tree in trees) for row in rows])
    everywhere = graph_of(trees)
    assert np.allclose(everywhere.scores(rows)[:, 0], expected)
    graph = restrict_missing(everywhere, missing)
    assert np.allclose(graph.scores(rows)[:, 0], expected)
    if np.ptp(expected) < 1e-9:
        return  # may be the same for every input, which is refused
    planned = plan_trees(graph, tolerance=0.01, prices=price_list(), rounds=2)
    verify(planned.circuit)
    scores = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))
    assert np.abs(scores - expected).max() <= planned.error_bound + 1e-9


def encoders_of(trees, missing=frozenset({0, 1, 2, 3})):
    return plan_trees(restrict_missing(graph_of(trees), missing), tolerance=0.01, prices=price_list()).features


def test_a_missing_value_costs_an_element_only_where_its_direction_changes():
    assert encoders_of([X_LEFT])[0] == ThermometerEncoder("x", (0.0,), True, Missing.LOWEST)
    assert encoders_of([X_RIGHT])[0] == ThermometerEncoder("x", (2.0,), True, Missing.HIGHEST)
    assert encoders_of([X_LEFT, X_RIGHT])[0] == ThermometerEncoder("x", (0.0, 2.0), True, Missing.OWN_ELEMENT)
    assert encoders_of([X_LEFT, X_RIGHT], frozenset())[0] == ThermometerEncoder("x", (0.0, 2.0), True)
    assert encoders_of([IS_MISSING])[1] == ThermometerEncoder("y", (), True, Missing.OWN_ELEMENT)


def test_categories_that_are_not_told_apart_share_a_level():
    encoder = encoders_of([IN_SET])[2]
    assert isinstance(encoder, CategoricalEncoder)
    assert encoder.size == 1
    in_set = encoder.levels[0]
    assert encoder.levels == (in_set, 1 - in_set, in_set, 1 - in_set, in_set)
    assert (encoder.missing, encoder.unknown) == (in_set, 1 - in_set)


def test_sets_become_few_intervals():
    """Nested sets are prefixes of one order, whatever their members are called."""
    members = [5, 2, 9, 0, 7, 3]
    sets = [frozenset(members[:count]) for count in range(1, 6)]
    levels = order_levels(sets, sorted(members))
    in_order = [levels[member] for member in members]
    assert in_order in (list(range(6)), list(range(5, -1, -1)))


@given(st.lists(st.frozensets(st.integers(0, 7)), max_size=6))
def test_levels_tell_apart_what_sets_do(sets):
    levels = order_levels(sets, range(8))
    for first in range(8):
        for second in range(8):
            alike = all((first in each) == (second in each) for each in sets)
            assert (levels[first] == levels[second]) == alike
    assert sorted(set(levels.values())) == list(range(max(levels.values()) + 1))
