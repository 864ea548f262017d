"""The three ways in which hummingbird-ml writes trees as tensors, read back node by node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, FloatArray, Tree

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Forest:
    """Trees as tables of splits, and the tensor that holds the leaves they lead to."""

    trees: tuple[Callable[[TreeBuilder], int], ...]
    leaves: FloatArray
    """Shape (trees, leaves of the largest, numbers of one leaf)."""
    output: str
    trees_first: bool
    """Whether the tensor is (trees, numbers, rows) and not (rows * trees, numbers)."""


class TreeBuilder:
    """Writes nodes down as arrays."""

    def __init__(self, leaf_values: FloatArray) -> None:
        self._leaf_values = leaf_values
        self._rows: list[tuple[int, float, int, int, int]] = []

    def root(self, build: Callable[[TreeBuilder], int]) -> None:
        """Let `build` write all nodes; its root, which it writes first, is node 0."""
        if build(self) != 0:
            raise UnsupportedModelError("a tree of the graph does not begin with its root")

    def leaf(self, leaf: int) -> int:
        """Index of a new leaf."""
        self._rows.append((LEAF, 0.0, 0, 0, leaf))
        return len(self._rows) - 1

    def split(self, feature: int, edge: float, low: Callable[[], int], high: Callable[[], int]) -> int:
        """Index of a new node: `high` writes what follows where x >= edge."""
        index = len(self._rows)
        self._rows.append((LEAF, 0.0, 0, 0, 0))
        left = low()
        right = high()
        self._rows[index] = (feature, edge, left, right, 0)
        return index

    def tree(self) -> Tree:
        """What has been written."""
        feature, edge, left, right, leaf = (np.array(column) for column in zip(*self._rows, strict=True))
        values = np.where((feature == LEAF)[:, None], self._leaf_values[leaf], 0.0)
        integers = [np.asarray(each, np.int64) for each in (feature, left, right)]
        return Tree(integers[0], edge.astype(np.float64), integers[1], integers[2], values)


# -- comparisons ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Comparison:
    """What the graph's comparisons ask of x and a threshold; every one in it asks the same."""

    strict: bool
    """x < t or x > t, not x <= t or x >= t."""
    holds_below: bool
    """x < t or x <= t."""
    kind: type[np.floating[Any]]
    """What x is: float32 or double."""

    def edge(self, threshold: float) -> float:
        """The least x on the upper side of the threshold."""
        nearest = self.kind(threshold)
        is_above = self.strict == self.holds_below  # x < t, or x >= t: t itself is above
        if nearest < threshold or (nearest == threshold and not is_above):
            nearest = np.nextafter(nearest, self.kind(np.inf))
        return float(nearest)


def _comparison(graph: onnx.GraphProto) -> _Comparison | None:
    """By the operators there are; None where they ask different things."""
    kinds = {node.op_type for node in graph.node} & {"Less", "LessOrEqual", "Greater", "GreaterOrEqual"}
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    compared = [node.output[0] for node in graph.node if node.op_type == kind]
    negated = {node.input[0] for node in graph.node if node.op_type == "Not"}
    if len(negated & set(compared)) not in (0, len(compared)):
        return None
    below, strict = kind.startswith("Less"), not kind.endswith("OrEqual")
    double = graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    number = np.float64 if double else np.float32
    return _Comparison(not strict, not below, number) if negated else _Comparison(strict, below, number)


def _named(constants: dict[str, Array], *names: str) -> list[Array] | None:
    """Initializers by the ends of their names, as hummingbird names them; None where one is missing."""
    found = []
    for name in names:
        matches = [value for key, value in constants.items() if key == name or key.endswith(f".{name}")]
        if len(matches) != 1:
            return None
        found.append(matches[0])
    return found


def _user_of(graph: onnx.GraphProto, name: str, operator: str) -> str | None:
    """What the one node of that operator makes that reads the initializer called `name`."""
    users = [
        node.output[0]
        for node in graph.node
        if node.op_type == operator and any(each == name or each.endswith(f".{name}") for each in node.input)
    ]
    return users[0] if len(users) == 1 else None


# -- the three ways in which hummingbird writes trees ------------------------------------------------------------------


def read_forest(graph: onnx.GraphProto) -> Forest | None:
    """The trees that a graph's constants hold, by their names and shapes; None where there are none."""
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    return _by_matrices(graph, constants) or _by_steps(graph, constants) or _by_levels(graph, constants)


def _by_matrices(graph: onnx.GraphProto, constants: dict[str, Array]) -> Forest | None:
    """GEMM: all comparisons at once, then which leaf's path agrees with them in all."""
    named = _named(constants, "weight_1", "bias_1", "weight_2", "bias_2", "weight_3")
    comparison, output = _comparison(graph), _user_of(graph, "weight_3", "MatMul")
    if named is None or comparison is None or output is None:
        return None
    chooses, thresholds, paths, counts, values = named
    count, leaves, splits = paths.shape
    chooses, thresholds = chooses.reshape(count, splits, -1), thresholds.reshape(count, splits)
    if not np.isin(paths, (-1, 0, 1)).all() or (np.count_nonzero(chooses, axis=2) > 1).any():
        return None
    if not (counts.reshape(count, leaves) == (paths == 1).sum(axis=2)).all():
        return None
    return Forest(
        tuple(
            _follow_paths(np.asarray(paths[tree]), chooses[tree].argmax(axis=1), thresholds[tree], comparison)
            for tree in range(count)
        ),
        np.swapaxes(values, 1, 2).astype(np.float64),
        output,
        trees_first=True,
    )


def _follow_paths(
    paths: Array, features: Array, thresholds: Array, comparison: _Comparison
) -> Callable[[TreeBuilder], int]:
    """The tree whose leaf l is reached where comparison s holds, or not, for each s with paths[l, s] = 1, or -1."""

    def grow(builder: TreeBuilder, leaves: Array, asked: frozenset[int]) -> int:
        below = paths[leaves]
        open_splits = [split for split in np.flatnonzero((below != 0).all(axis=0)).tolist() if split not in asked]
        if leaves.size == 1 and not open_splits:
            return builder.leaf(int(leaves[0]))
        if not open_splits:
            raise UnsupportedModelError("the leaves of one of its trees are not those of a binary tree")
        split = open_splits[0]
        holds, fails = leaves[paths[leaves, split] == 1], leaves[paths[leaves, split] == -1]
        if not holds.size or not fails.size:
            raise UnsupportedModelError("the leaves of one of its trees are not those of a binary tree")
        low, high = (holds, fails) if comparison.holds_below else (fails, holds)
        known = asked | {split}
        return builder.split(
            int(features[split]),
            comparison.edge(float(thresholds[split])),
            lambda: grow(builder, low, known),
            lambda: grow(builder, high, known),
        )

    reached = np.flatnonzero((paths != 0).any(axis=1))  # the others fill up the matrix
    if not reached.size:
        return lambda builder: builder.leaf(0)
    return lambda builder: grow(builder, reached, frozenset())


def _by_levels(graph: onnx.GraphProto, constants: dict[str, Array]) -> Forest | None:
    """Perfect trees, traversed level by level: split i of a level leads to 2 i and 2 i + 1 of the next."""
    named = _named(constants, "root_nodes", "root_biases", "leaf_nodes")
    comparison, output = _comparison(graph), _user_of(graph, "leaf_nodes", "Gather")
    if named is None or comparison is None or output is None:
        return None
    roots, root_thresholds, leaves = named
    levels = [(roots, root_thresholds)]
    while (level := _named(constants, f"nodes.{len(levels) - 1}", f"biases.{len(levels) - 1}")) is not None:
        levels.append((level[0], level[1]))
    count = roots.shape[0]
    if any(nodes.shape[0] != count << depth for depth, (nodes, _) in enumerate(levels)):
        return None
    if leaves.shape[0] != count << len(levels):
        return None

    def grow(builder: TreeBuilder, depth: int, index: int) -> int:
        below = len(levels) - depth
        reached = leaves[index << below : (index + 1) << below]
        if (reached == reached[0]).all():  # a leaf further up, repeated to fill up the last level
            return builder.leaf((index << below) % (1 << len(levels)))
        features, thresholds = levels[depth]
        steps = (1, 0) if comparison.holds_below else (0, 1)
        low, high = (lambda step=step: grow(builder, depth + 1, 2 * index + step) for step in steps)
        return builder.split(int(features[index]), comparison.edge(float(thresholds[index])), low, high)

    def of_tree(tree: int) -> Callable[[TreeBuilder], int]:
        return lambda builder: grow(builder, 0, tree)

    values = leaves.reshape(count, 1 << len(levels), -1).astype(np.float64)
    return Forest(tuple(map(of_tree, range(count))), values, output, trees_first=False)


def _by_steps(graph: onnx.GraphProto, constants: dict[str, Array]) -> Forest | None:
    """Trees of any shape, traversed by indices of children; a leaf leads to itself."""
    named = _named(constants, "lefts", "rights", "features", "thresholds", "values", "nodes_offset")
    comparison, output = _comparison(graph), _user_of(graph, "values", "Gather")
    if named is None or comparison is None or output is None:
        return None
    lefts, rights, features, thresholds, values, _ = named
    count = named[5].size
    lefts, rights, features, thresholds = (each.reshape(count, -1) for each in (lefts, rights, features, thresholds))

    def of_tree(tree: int) -> Callable[[TreeBuilder], int]:
        def grow(builder: TreeBuilder, node: int) -> int:
            left, right = int(lefts[tree, node]), int(rights[tree, node])
            if left == right:
                return builder.leaf(node) if left == node else grow(builder, left)
            sides = (left, right) if comparison.holds_below else (right, left)
            low, high = (lambda side=side: grow(builder, side) for side in sides)
            edge = comparison.edge(float(thresholds[tree, node]))
            return builder.split(int(features[tree, node]), edge, low, high)

        return lambda builder: grow(builder, 0)

    leaves = values.reshape(count, lefts.shape[1], -1).astype(np.float64)
    return Forest(tuple(map(of_tree, range(count))), leaves, output, trees_first=False)
