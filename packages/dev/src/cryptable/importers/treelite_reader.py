"""From a treelite model to trees: the one reader that all tree families share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.model_graph import LEAF, FloatArray, IntArray, Tree

if TYPE_CHECKING:
    import treelite


def read_trees(
    model: treelite.Model, *, outputs: int, what: str, as_float32: bool
) -> tuple[tuple[Tree, ...], FloatArray]:
    """Trees and base scores of a treelite model.

    Args:
        model: the model, as treelite's own frontend made it.
        outputs: scores a row that the caller expects.
        what: the estimator, for messages.
        as_float32: whether the library compares in float32.

    Returns:
        The trees, with `values` of shape (nodes, outputs) already divided where the library averages its trees, and the
        base scores, shape (outputs,).

    Raises:
        UnsupportedModelError: categorical splits, or scores laid out in a way that is not known.
    """
    dump = json.loads(model.dump_as_json())
    scale = 1.0 / len(dump["trees"]) if dump["average_tree_output"] else 1.0
    base = np.asarray(dump["base_scores"], np.float64)
    if base.shape != (outputs,):
        raise UnsupportedModelError(f"{what}: {base.shape[0]} base scores, expected {outputs}")
    trees = []
    for index, (tree, class_id) in enumerate(zip(dump["trees"], dump["class_id"], strict=True)):
        if tree["has_categorical_split"]:
            raise UnsupportedModelError(
                f"{what}: tree {index} splits on a category; categorical features are not supported yet: "
                "encode them as numbers before fitting"
            )
        trees.append(_read_tree(tree["nodes"], outputs, class_id, scale, as_float32))
    return tuple(trees), base


def _read_tree(nodes: list[dict[str, Any]], outputs: int, class_id: int, scale: float, as_float32: bool) -> Tree:
    position = {node["node_id"]: index for index, node in enumerate(nodes)}
    count = len(nodes)
    feature: IntArray = np.full(count, LEAF, np.int64)
    edge: FloatArray = np.zeros(count)
    left: IntArray = np.zeros(count, np.int64)
    right: IntArray = np.zeros(count, np.int64)
    values: FloatArray = np.zeros((count, outputs))
    for index, node in enumerate(nodes):
        if "leaf_value" in node:
            leaf = np.asarray(node["leaf_value"], np.float64) * scale
            if leaf.ndim == 0:
                values[index, max(class_id, 0)] = leaf
            else:
                values[index] = leaf
            continue
        low, high = position[node["left_child"]], position[node["right_child"]]
        feature[index] = node["split_feature_id"]
        edge[index], swapped = _edge(node["comparison_op"], float(node["threshold"]), as_float32)
        left[index], right[index] = (high, low) if swapped else (low, high)
    return Tree(feature, edge, left, right, values)


def _edge(operator: str, threshold: float, as_float32: bool) -> tuple[float, bool]:
    """The edge e such that the test is x < e, or, where the second value is true, x >= e.

    x <= t is x < the next number above t, in the precision in which the library compares.
    """
    match operator:
        case "<" | ">=":
            edge = _at_least(threshold, as_float32)
        case "<=" | ">":
            edge = _above(threshold, as_float32)
        case _:
            raise UnsupportedModelError(f"a tree compares with {operator!r}")
    return edge, operator in (">=", ">")


def _at_least(threshold: float, as_float32: bool) -> float:
    """The least representable number that is not below `threshold`."""
    if not as_float32:
        return threshold
    rounded = np.float32(threshold)
    return float(rounded if rounded >= threshold else np.nextafter(rounded, np.float32(np.inf)))


def _above(threshold: float, as_float32: bool) -> float:
    """The least representable number above `threshold`."""
    if not as_float32:
        return float(np.nextafter(threshold, np.inf))
    rounded = np.float32(threshold)
    return float(rounded if rounded > threshold else np.nextafter(rounded, np.float32(np.inf)))
