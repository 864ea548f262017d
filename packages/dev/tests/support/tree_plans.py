"""Trees from nested tuples, and their plans compared with the trees."""

import numpy as np
from cryptable.cost.prices import price_list
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, Tree, TreeEnsemble
from cryptable.planner.trees.plan import plan_trees
from cryptable_engine import interpret, verify
from cryptable_protocol import Link, encode_rows
from hypothesis import strategies as st

FEATURES = 4
EDGES = (-1.0, 0.0, 0.5, 2.0, float("inf"))


def tree_of(nested, outputs=1):
    """A Tree from nested (feature, edge, low, high), a leaf being a number or a list of them."""
    nodes = []

    def add(node):
        index = len(nodes)
        nodes.append(None)
        if isinstance(node, tuple):
            feature, edge, low, high = node
            nodes[index] = (feature, edge, add(low), add(high), [0.0] * outputs)
        else:
            nodes[index] = (LEAF, 0.0, 0, 0, node if isinstance(node, list) else [float(node)])
        return index

    add(nested)
    feature, edge, left, right, values = (np.array(column) for column in zip(*nodes, strict=True))
    return Tree(feature, edge.astype(float), left, right, values.astype(float))


def graph_of(trees, outputs=1, features=FEATURES, link=Link.IDENTITY, labels=None):
    names = tuple(f"x{index}" for index in range(features))
    return TreeEnsemble(names, tuple(trees), np.arange(outputs) * 0.25, link, labels, as_float32=True)


def nested_trees(outputs):
    leaf = st.lists(st.integers(-20, 20).map(lambda value: value / 7), min_size=outputs, max_size=outputs)
    split = lambda inner: st.tuples(st.integers(0, FEATURES - 1), st.sampled_from(EDGES), inner, inner)  # noqa: E731
    return st.recursive(leaf, split, max_leaves=12)


def random_trees(count, depth, features, digits=9):
    """Trees of normal edges, of so many digits, and leaves; the same each time."""
    generator = np.random.default_rng(0)

    def grow(left):
        if not left or generator.random() < 0.1:
            return float(generator.normal())
        return (int(generator.integers(features)), round(generator.normal(), digits), grow(left - 1), grow(left - 1))

    return graph_of([tree_of(grow(depth)) for _ in range(count)], features=features)


def attempt(make):
    """What `make` returns, and the message of the UnsupportedModelError that it raises instead."""
    try:
        return make(), None
    except UnsupportedModelError as error:
        return None, str(error)


def check_plan(graph, tolerance, prices=None, **options):
    """Plan, verify, and compare on rows at, below and above every edge; returns the plan, or None for a constant."""
    generator = np.random.default_rng(0)
    values = np.array([-2.0, -1.0, np.nextafter(np.float32(0), np.float32(-1)), 0.0, 0.3, 0.5, 1.0, 2.0, 1e30])
    rows = generator.choice(values, (300, len(graph.feature_names)))
    expected = graph.scores(rows)
    planned, refusal = attempt(lambda: plan_trees(graph, tolerance=tolerance, prices=prices or price_list(), **options))
    if planned is None:
        assert "same scores for every input" in refusal
        assert np.ptp(expected, axis=0).max() <= 2 * tolerance + 1e-9
        return None
    verify(planned.circuit)
    scores = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))
    assert planned.error_bound <= tolerance
    assert np.abs(scores.reshape(expected.shape) - expected).max() <= planned.error_bound + 1e-9
    return planned
