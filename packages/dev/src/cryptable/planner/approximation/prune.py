"""Cheaper approximations of trees, on calibration data: merged thresholds, pruned subtrees, leaves fitted again.

Pruning finds the trees with the least squared error, on the rows, plus a penalty for each leaf, by dynamic programming,
as in cost-complexity pruning (Breiman et al., 1984, chapter 10).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptable.graphs.graph import LEAF, FloatArray, IntArray, Tree, TreeEnsemble

_SWEEPS = 5
_SHRINKAGE = 1.0
"""Rows by which a leaf is drawn to the value that it had."""


def merge_edges(graph: TreeEnsemble, seen: FloatArray, *, rows: int) -> TreeEnsemble:
    """Thresholds of a column that at most `rows` rows lie between become one, the one that is used most.

    Args:
        graph: the trees.
        seen: what `graph.seen` gives for the calibration data.
        rows: 0 leaves the trees as they are.
    """
    if not rows:
        return graph
    mapping: dict[tuple[int, float], float] = {}
    for feature in range(len(graph.feature_names)):
        used = np.concatenate([tree.edge[(tree.feature == feature) & np.isfinite(tree.edge)] for tree in graph.trees])
        if feature in graph.gaps or not used.size:
            continue  # levels of categories, and edges that tell missing values apart, keep their meaning
        edges, uses = np.unique(used, return_counts=True)
        column = np.sort(seen[:, feature])
        below = [int(np.searchsorted(column, edge)) for edge in edges.tolist()]
        start = 0
        for end in range(1, edges.size + 1):
            if end == edges.size or below[end] - below[start] > rows:
                kept = float(edges[start + int(np.argmax(uses[start:end]))])
                mapping.update({(feature, float(edge)): kept for edge in edges[start:end]})
                start = end
    trees = []
    for tree in graph.trees:
        pairs = zip(tree.feature.tolist(), tree.edge.tolist(), strict=True)
        edge = np.array([mapping.get(pair, pair[1]) for pair in pairs], np.float64)
        trees.append(replace(tree, edge=edge))
    return replace(graph, trees=tuple(trees))


@dataclass(frozen=True, eq=False)
class _Pruned:
    """The best subtree at a node: its penalized error, its mean on the rows, and its split unless it is a leaf."""

    cost: float
    mean: FloatArray
    split: tuple[int, float, _Pruned, _Pruned] | None = None


def prune(graph: TreeEnsemble, seen: FloatArray, *, penalty: float) -> TreeEnsemble:
    """The trees with the least squared error plus penalty times leaves, each tree by itself.

    Args:
        graph: the trees.
        seen: what `graph.seen` gives for the calibration data.
        penalty: of a leaf, in squared scores, summed over rows.
    """
    everything = np.arange(seen.shape[0])
    trees = []
    for tree in graph.trees:
        values = tree.values[tree.leaf_of(seen)]
        trees.append(_to_tree(_best(tree, 0, seen, values, everything, penalty), graph.outputs))
    return replace(graph, trees=tuple(trees))


def _best(tree: Tree, node: int, seen: FloatArray, values: FloatArray, rows: IntArray, penalty: float) -> _Pruned:
    feature, edge = int(tree.feature[node]), float(tree.edge[node])
    if feature == LEAF:
        return _Pruned(penalty, tree.values[node])
    left, right = int(tree.left[node]), int(tree.right[node])
    if not np.isfinite(edge):  # one answer for every number
        return _best(tree, left if edge > 0 else right, seen, values, rows, penalty)
    goes_right = seen[rows, feature] >= edge
    low = _best(tree, left, seen, values, rows[~goes_right], penalty)
    high = _best(tree, right, seen, values, rows[goes_right], penalty)
    mean = values[rows].mean(axis=0) if rows.size else (low.mean + high.mean) / 2
    whole = penalty + float(((values[rows] - mean) ** 2).sum())
    if whole <= low.cost + high.cost:
        return _Pruned(whole, mean)
    return _Pruned(low.cost + high.cost, mean, (feature, edge, low, high))


def _to_tree(root: _Pruned, outputs: int) -> Tree:
    nodes: list[tuple[int, float, int, int, FloatArray]] = []

    def add(node: _Pruned) -> int:
        index = len(nodes)
        nodes.append((LEAF, 0.0, 0, 0, node.mean))
        if node.split is not None:
            feature, edge, low, high = node.split
            nodes[index] = (feature, edge, add(low), add(high), np.zeros(outputs))
        return index

    add(root)
    feature, edge, left, right, values = zip(*nodes, strict=True)
    return Tree(np.array(feature), np.array(edge), np.array(left), np.array(right), np.array(values, np.float64))


def refit(graph: TreeEnsemble, seen: FloatArray, scores: FloatArray) -> TreeEnsemble:
    """Leaves moved such that the sums of trees come as near to the scores as they can, tree after tree.

    Args:
        graph: the trees.
        seen: what `graph.seen` gives for the calibration data.
        scores: shape (rows, outputs).
    """
    leaf_of = [tree.leaf_of(seen) for tree in graph.trees]
    values = [tree.values.copy() for tree in graph.trees]
    adds = [np.any(tree.values != 0, axis=0) for tree in graph.trees]
    missing = scores - graph.base - sum(value[leaf] for value, leaf in zip(values, leaf_of, strict=True))
    for _ in range(_SWEEPS):
        for value, leaf, columns in zip(values, leaf_of, adds, strict=True):
            count = np.bincount(leaf, minlength=value.shape[0]) + _SHRINKAGE
            for column in np.flatnonzero(columns):
                step = np.bincount(leaf, missing[:, column], minlength=value.shape[0]) / count
                value[:, column] += step
                missing[:, column] -= step[leaf]
    return replace(graph, trees=_with_values(graph.trees, values))


def _with_values(trees: Sequence[Tree], values: Sequence[FloatArray]) -> tuple[Tree, ...]:
    return tuple(replace(tree, values=value) for tree, value in zip(trees, values, strict=True))


def collapse_one(graph: TreeEnsemble, seen: FloatArray) -> TreeEnsemble:
    """With the one split of two leaves made a leaf that adds the least squared error on the rows.

    Pruning by a penalty passes over some sizes: where two splits only pay together, they go together.
    """
    best: tuple[float, int, int, FloatArray] | None = None
    for index, tree in enumerate(graph.trees):
        leaf = tree.leaf_of(seen)
        counts = np.bincount(leaf, minlength=tree.feature.shape[0])
        for node in np.flatnonzero(tree.feature != LEAF).tolist():
            left, right = int(tree.left[node]), int(tree.right[node])
            if tree.feature[left] != LEAF or tree.feature[right] != LEAF:
                continue
            few, many = float(counts[left]), float(counts[right])
            rows = max(few + many, 1.0)
            error = few * many / rows * float(((tree.values[left] - tree.values[right]) ** 2).sum())
            if best is None or error < best[0]:
                weight = few / rows if few + many else 0.5
                best = error, index, node, weight * tree.values[left] + (1 - weight) * tree.values[right]
    if best is None:
        return graph
    _, index, node, value = best
    tree = graph.trees[index]
    feature, values = tree.feature.copy(), tree.values.copy()
    feature[node], values[node] = LEAF, value
    trees = (*graph.trees[:index], replace(tree, feature=feature, values=values), *graph.trees[index + 1 :])
    return replace(graph, trees=trees)
