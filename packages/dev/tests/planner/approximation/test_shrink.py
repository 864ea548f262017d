"""Cutting huge trees down: as pruning node by node, in a fraction of the time."""

import numpy as np
import pytest
from cryptable.graphs.graph import LEAF
from cryptable.importers.reading.learned_trees import restrict_missing
from cryptable.importers.registry import import_estimator
from cryptable.planner.approximation.approximations import MOST_LEAVES, cut_down
from cryptable.planner.approximation.prune import prune
from cryptable.planner.approximation.shrink import shrink
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import ExtraTreesClassifier, RandomForestRegressor


def leaves(graph):
    return sum(int((tree.feature == LEAF).sum()) for tree in graph.trees)


@pytest.fixture(scope="module")
def forest():
    rows, target = load_diabetes(return_X_y=True)
    graph = import_estimator(
        RandomForestRegressor(8, random_state=0).fit(rows, target), tuple(f"x{index}" for index in range(10))
    )
    return restrict_missing(graph, ()), rows


@pytest.mark.parametrize("wanted", [1500, 400, 100, 20])
def test_trees_are_cut_to_as_many_leaves_as_wanted(forest, wanted):
    graph, rows = forest
    assert leaves(graph) > 2000
    small = shrink(graph, graph.seen(rows), leaves=wanted)
    assert 0.9 * wanted - 5 <= leaves(small) <= wanted
    assert all(tree.left.max() < tree.feature.size and tree.right.max() < tree.feature.size for tree in small.trees)


def test_it_is_the_pruning_that_has_as_many_leaves(forest):
    graph, rows = forest
    seen = graph.seen(rows)
    by_penalty = prune(graph, seen, penalty=500.0)
    small = shrink(graph, seen, leaves=leaves(by_penalty))
    assert leaves(small) == leaves(by_penalty)
    assert np.abs(small.scores(rows) - by_penalty.scores(rows)).max() < 1e-9


def test_only_trees_that_are_too_large_are_cut(forest):
    graph, rows = forest
    assert cut_down(graph, rows) is graph
    rows, target = make_classification(3000, 8, n_informative=6, n_classes=3, flip_y=0.5, random_state=0)
    grown = ExtraTreesClassifier(6, random_state=0).fit(rows, target)
    large = import_estimator(grown, tuple(f"x{index}" for index in range(8)))
    small = cut_down(large, rows)
    assert MOST_LEAVES / 2 < leaves(small) * 3 <= MOST_LEAVES < leaves(large) * 3
    assert np.mean(small.scores(rows).argmax(axis=1) == large.scores(rows).argmax(axis=1)) > 0.5
