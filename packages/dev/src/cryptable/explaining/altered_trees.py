"""Trees as other training options might have made them, from the model's own trees, without any data.

What they predict means nothing: they are drafted (`trees.draft_cost`) to tell about what such a model would cost.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from cryptable_protocol import CategoricalEncoder

from cryptable.graphs.graph import LEAF, MISSING_EDGE, FloatArray, Tree, TreeEnsemble

Question: TypeAlias = tuple[int, float]
"""Whether the feature's number is at least the edge."""


# -- what the trees are ------------------------------------------------------------------------------------------------


def depth_of(graph: TreeEnsemble) -> int:
    """Questions on the longest path, as libraries count them: one about a category or a missing value is one."""
    return max(max(_levels(tree, graph).values()) for tree in graph.trees)


def most_leaves(graph: TreeEnsemble) -> int:
    """Leaves of the tree that has the most."""
    return max(sum(int(tree.feature[node]) == LEAF for node in _ordered(tree)) for tree in graph.trees)


def _uses(graph: TreeEnsemble) -> dict[int, Counter[float]]:
    """How often each threshold of a column of numbers is asked for."""
    found: dict[int, Counter[float]] = {}
    for tree in graph.trees:
        for node in np.flatnonzero((tree.feature != LEAF) & (np.abs(tree.edge) < MISSING_EDGE)).tolist():
            feature = int(tree.feature[node])
            if not isinstance(graph.gaps.get(feature), CategoricalEncoder):
                found.setdefault(feature, Counter())[float(tree.edge[node])] += 1
    return found


def _ordered(tree: Tree) -> list[int]:
    """The nodes that the root leads to, each before its children; some children have several parents."""
    finished: dict[int, None] = {}
    waiting = [(0, False)]
    while waiting:
        node, is_done = waiting.pop()
        if is_done:
            finished.setdefault(node)
        elif node not in finished:
            waiting.append((node, True))
            if tree.feature[node] != LEAF:
                waiting += [(int(tree.left[node]), False), (int(tree.right[node]), False)]
    return list(reversed(finished))


def _levels(tree: Tree, graph: TreeEnsemble) -> dict[int, int]:
    """Questions before each node. Those that one split was written as are one, those that have one answer none."""
    levels = dict.fromkeys(_ordered(tree), 0)
    for node in levels:
        feature = int(tree.feature[node])
        if feature == LEAF:
            continue
        edge = float(tree.edge[node])
        goes_on = edge == MISSING_EDGE or isinstance(graph.gaps.get(feature), CategoricalEncoder)
        for child in (int(tree.left[node]), int(tree.right[node])):
            asked = not np.isinf(edge) and not (goes_on and int(tree.feature[child]) == feature)
            levels[child] = max(levels[child], levels[node] + asked)
    return levels


# -- what they might have been -----------------------------------------------------------------------------------------


def with_fewer_edges(graph: TreeEnsemble, allowed: int) -> TreeEnsemble:
    """Thresholds of each column of numbers as if they had been drawn from so many: neighbours become one.

    Of k thresholds, each drawn from n at random, n (1 - (1 - 1 / n)^k) are expected to be different.
    """
    nearest: dict[tuple[int, float], float] = {}
    for feature, uses in _uses(graph).items():
        most = max(1, round(allowed * (1 - (1 - 1 / allowed) ** len(uses))))
        parts = np.array_split(np.array(sorted(uses)), min(most, len(uses)))
        for part in parts:
            kept = max(part.tolist(), key=uses.__getitem__)
            nearest |= {(feature, edge): kept for edge in part.tolist()}
    trees = []
    for tree in graph.trees:
        pairs = zip(tree.feature.tolist(), tree.edge.tolist(), strict=True)
        edge = np.array([nearest.get(pair, pair[1]) for pair in pairs], np.float64)
        trees.append(replace(tree, edge=edge))
    return replace(graph, trees=tuple(trees))


def with_less_depth(graph: TreeEnsemble, most: int) -> TreeEnsemble:
    """At most so many questions on a path."""
    trees = []
    for tree in graph.trees:
        levels = _levels(tree, graph)
        trees.append(_cut(tree, [node for node, level in levels.items() if level >= most]))
    return replace(graph, trees=tuple(trees))


def with_fewer_leaves(graph: TreeEnsemble, most: int) -> TreeEnsemble:
    """At most so many leaves a tree: splits near the leaves go first, and those whose leaves are alike."""
    return replace(graph, trees=tuple(_with_fewer_leaves(tree, graph, most) for tree in graph.trees))


def _with_fewer_leaves(tree: Tree, graph: TreeEnsemble, most: int) -> Tree:
    before = tree.feature.shape[0] + 1
    while True:
        levels = _levels(tree, graph)
        leaves = [node for node in levels if tree.feature[node] == LEAF]
        if len(leaves) <= most or len(leaves) >= before:
            return tree
        before = len(leaves)
        below: dict[int, int] = {node: 1 << index for index, node in enumerate(leaves)}
        for node in reversed(levels):
            if node not in below:
                below[node] = below[int(tree.left[node])] | below[int(tree.right[node])]
        topmost: dict[int, int] = {}
        for node in levels:  # one split may be several questions: the first of them stands for it
            if below[node].bit_count() == 2:
                topmost.setdefault(below[node], node)
        weights = []
        for mask, node in topmost.items():
            one, other = (leaves[bit] for bit in (mask.bit_length() - 1, (mask & -mask).bit_length() - 1))
            difference = float(((tree.values[one] - tree.values[other]) ** 2).sum())
            weights.append((difference * 2.0 ** -levels[node], node))
        at_once = min(len(leaves) - most, max(1, len(weights) // 4))
        tree = _cut(tree, [node for _, node in sorted(weights)[:at_once]])


def _cut(tree: Tree, nodes: list[int]) -> Tree:
    """The tree with leaves at these nodes, whose values lie amid those below."""
    values = tree.values.copy()
    order = _ordered(tree)
    for node in reversed(order):
        if tree.feature[node] != LEAF:
            values[node] = (values[tree.left[node]] + values[tree.right[node]]) / 2
    feature = tree.feature.copy()
    feature[nodes] = LEAF
    kept = _ordered(replace(tree, feature=feature))
    position = np.zeros(tree.feature.shape[0], np.int64)
    position[kept] = np.arange(len(kept))
    inner = feature[kept] != LEAF
    return Tree(
        feature[kept],
        tree.edge[kept],
        np.where(inner, position[tree.left[kept]], 0),
        np.where(inner, position[tree.right[kept]], 0),
        values[kept],
    )


def made_oblivious(graph: TreeEnsemble, depth: int) -> TreeEnsemble:
    """Each tree asks the same on all nodes of a level: its own first questions, then those of others."""
    chance = np.random.default_rng(0)
    own = [_questions(tree, graph) for tree in graph.trees]
    others = list(dict.fromkeys(question for questions in own for question in questions))
    trees = []
    for tree, questions in zip(graph.trees, own, strict=True):
        drawn = [others[index] for index in chance.permutation(len(others))[: 2 * depth].tolist()]
        asked = list(dict.fromkeys([*questions, *drawn]))[:depth]
        adds = np.any(tree.values != 0, axis=0)
        trees.append(_grown(asked, chance.normal(size=(1 << len(asked), graph.outputs)) * adds))
    return replace(graph, trees=tuple(trees))


def _questions(tree: Tree, graph: TreeEnsemble) -> list[Question]:
    """Those that have two answers, level by level."""
    levels = _levels(tree, graph)
    asking = [node for node in levels if tree.feature[node] != LEAF and np.isfinite(tree.edge[node])]
    asking.sort(key=lambda node: levels[node])
    return list(dict.fromkeys((int(tree.feature[node]), float(tree.edge[node])) for node in asking))


def _grown(questions: list[Question], leaves: FloatArray) -> Tree:
    """One question a level; the children of node i are 2 i + 1 and 2 i + 2."""
    inner, total = len(leaves) - 1, 2 * len(leaves) - 1
    level = np.log2(np.arange(1, inner + 1)).astype(np.int64)
    feature, edge = np.full(total, LEAF, np.int64), np.zeros(total)
    feature[:inner] = np.array([feature for feature, _ in questions], np.int64)[level]
    edge[:inner] = np.array([edge for _, edge in questions])[level]
    left = np.where(feature == LEAF, 0, 2 * np.arange(total) + 1)
    values = np.concatenate([np.zeros((inner, leaves.shape[1])), leaves])
    return Tree(feature, edge, left, np.where(feature == LEAF, 0, left + 1), values)
