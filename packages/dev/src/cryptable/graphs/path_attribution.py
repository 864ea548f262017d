"""Path attribution: what each feature adds to a tree's value, by how the mean of what lies below moves at each split.

A node's value is the mean of its children's, weighted by how many training rows went to each; a split's share is the
value of the child that a row goes on to, less that of the node. Along a path they add up to the leaf, less the root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InternalError

from cryptable.graphs.graph import LEAF, FloatArray, IntArray, Tree, TreeEnsemble

_Path: TypeAlias = dict[int, tuple[float, ...]]
"""By group, what the splits so far have added to each output."""


@dataclass(frozen=True, eq=False)
class AttributedTree:
    """A tree each of whose leaves knows how it was come to.

    Attributes:
        tree: the same tests and leaves; a leaf that several paths led to is there once a path.
        origin: of each node, its index in the tree that this was made of.
        root: mean of the whole tree, shape (outputs,).
        added: of each node, what the splits above it add, shape (nodes, outputs, groups); read in leaves.
        is_asked: whether the splits above a node ask about a group, shape (nodes, groups).
    """

    tree: Tree
    origin: IntArray
    root: FloatArray
    added: FloatArray
    is_asked: npt.NDArray[np.bool_]


def counted(graph: TreeEnsemble, rows: npt.ArrayLike) -> TreeEnsemble:
    """The same trees, each of which knows the share of rows that go right at its nodes.

    Args:
        graph: its trees.
        rows: that are counted where the library counted none, as `graph.seen` takes them.
    """
    if all(tree.goes_right is not None for tree in graph.trees):
        return graph
    seen = graph.seen(rows)
    return replace(
        graph, trees=tuple(tree if tree.goes_right is not None else _count(tree, seen) for tree in graph.trees)
    )


def attribute(tree: Tree, group_of: Mapping[int, int]) -> AttributedTree:
    """Take a tree's values apart by path.

    Args:
        tree: it knows the shares of rows that go right.
        group_of: the group of each feature that it asks about.
    """
    means = node_means(tree)
    feature, edge = tree.feature.tolist(), tree.edge.tolist()
    sides = tree.left.tolist(), tree.right.tolist()
    origin: list[int] = []
    children: list[list[int]] = []
    paths: list[_Path] = []
    known: dict[tuple[object, ...], int] = {}
    waiting: list[tuple[int, _Path, int, int]] = [(0, {}, -1, 0)]
    while waiting:
        node, path, parent, side = waiting.pop()
        key = (node, *sorted(path.items()))
        place = known.get(key)
        if place is None:
            place = known[key] = len(origin)
            origin.append(node)
            children.append([0, 0])
            paths.append(path)
            if feature[node] != LEAF:
                for which in (0, 1):
                    child = sides[which][node]
                    waiting.append(
                        (child, _further(path, group_of[feature[node]], means[child] - means[node]), place, which)
                    )
        if parent >= 0:
            children[parent][side] = place
    nodes = np.array(origin, np.int64)
    links = np.array(children, np.int64)
    added = np.zeros((nodes.size, means.shape[1], max(group_of.values(), default=-1) + 1))
    is_asked = np.zeros((nodes.size, added.shape[2]), bool)
    for place, path in enumerate(paths):
        for group, steps in path.items():
            added[place, :, group] = steps
            is_asked[place, group] = True
    unfolded = Tree(tree.feature[nodes], np.array(edge)[nodes], links[:, 0], links[:, 1], tree.values[nodes])
    return AttributedTree(unfolded, nodes, means[0], added, is_asked)


def node_means(tree: Tree) -> FloatArray:
    """The value of each node, shape (nodes, outputs)."""
    if tree.goes_right is None:
        raise InternalError("no rows of this tree were counted")
    means = np.zeros_like(tree.values, dtype=np.float64)
    is_known = tree.feature == LEAF
    means[is_known] = tree.values[is_known]
    waiting = [0]
    while waiting:
        node = waiting[-1]
        children = int(tree.left[node]), int(tree.right[node])
        unknown = [child for child in children if not is_known[child]]
        if is_known[node] or not unknown:
            if not is_known[node]:
                right = float(tree.goes_right[node])
                means[node] = (1 - right) * means[children[0]] + right * means[children[1]]
                is_known[node] = True
            waiting.pop()
        else:
            waiting += unknown
    return means


def _further(path: _Path, group: int, step: FloatArray) -> _Path:
    before = path.get(group)
    after = step if before is None else step + np.array(before)
    return {**path, group: tuple(after.tolist())}


def _count(tree: Tree, seen: FloatArray) -> Tree:
    """One half where no row comes by."""
    went = np.zeros((tree.feature.size, 2))
    node = np.zeros(seen.shape[0], np.int64)
    while (inner := np.flatnonzero(tree.feature[node] != LEAF)).size:
        at = node[inner]
        right = seen[inner, tree.feature[at]] >= tree.edge[at]
        np.add.at(went, (at, right.astype(np.int64)), 1)
        node[inner] = np.where(right, tree.right[at], tree.left[at])
    total = went.sum(axis=1)
    share = np.divide(went[:, 1], total, out=np.full(total.shape, 0.5), where=total > 0)
    return replace(tree, goes_right=share)
