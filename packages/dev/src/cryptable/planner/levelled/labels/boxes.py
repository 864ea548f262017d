"""Functions of two features as trees of few leaves, boxes of bins in which values are alike; of one, as few steps."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.additive import PairFunction, StepFunction
from cryptable.graphs.graph import LEAF, FloatArray, Tree

_DEEPEST = 40
"""Splits of a path, after which boxes are halved: 24 more divide any box of a pair that is planned."""


def tree_of_boxes(pair: PairFunction, allowed: float) -> tuple[Tree, FloatArray]:
    """A tree whose leaves differ from the values of their boxes by so much at most, and by how much, for each output.

    A box is divided where that takes most from the variance of its values.
    """
    features, values = pair.features, pair.values
    nodes: list[tuple[int, float, FloatArray]] = []
    children: list[list[int]] = [[], []]
    error = np.zeros(values.shape[2])
    waiting: list[tuple[tuple[slice, slice], int, tuple[int, int] | None]] = [
        ((slice(0, values.shape[0]), slice(0, values.shape[1])), 0, None)
    ]
    while waiting:
        box, depth, above = waiting.pop()
        node, inside = len(nodes), values[box]
        if above is not None:
            children[above[0]][above[1]] = node
        low, high = inside.min(axis=(0, 1)), inside.max(axis=(0, 1))
        for each in children:
            each.append(LEAF)
        if ((high - low) / 2 <= allowed).all():
            error = np.maximum(error, (high - low) / 2)
            nodes.append((LEAF, 0.0, (low + high) / 2))
            continue
        axis, size = _division(inside, is_halved=depth >= _DEEPEST)
        first = box[axis].start + size
        nodes.append((features[axis], float(pair.edges[axis][first - 1]), low))
        for side, part in enumerate((slice(box[axis].start, first), slice(first, box[axis].stop))):
            smaller = (part, box[1]) if axis == 0 else (box[0], part)
            waiting.append((smaller, depth + 1, (side, node)))
    feature, edge, added = zip(*nodes, strict=True)
    left, right = (np.array(each) for each in children)
    return Tree(np.array(feature), np.array(edge), left, right, np.array(added)), error


def steps_alike(function: StepFunction, allowed: float) -> tuple[StepFunction, FloatArray]:
    """As few steps as can be that differ from a function by so much at most, and by how much, for each output."""
    values, starts, ends = function.values, [0], list[int]()
    low = high = values[0]
    for index, each in enumerate(values[1:], 1):
        low, high = np.minimum(low, each), np.maximum(high, each)
        if ((high - low) / 2 > allowed).any():
            ends.append(index)
            starts.append(index)
            low = high = each
    parts = [values[start:end] for start, end in zip(starts, [*ends, len(values)], strict=True)]
    lows, highs = (np.array([bound(part, axis=0) for part in parts]) for bound in (np.min, np.max))
    edges = function.edges[np.array(starts[1:], np.int64) - 1]
    return StepFunction(function.feature, edges, (lows + highs) / 2), ((highs - lows) / 2).max(axis=0)


def _division(values: FloatArray, *, is_halved: bool) -> tuple[int, int]:
    """An axis, and how many bins of it are in the first part: of a box of several bins."""
    if is_halved:
        axis = int(np.argmax(values.shape[:2]))
        return axis, values.shape[axis] // 2
    best = (-np.inf, 0, 0)
    for axis in (0, 1):
        count = values.shape[axis]
        if count < 2:
            continue
        sums = values.sum(axis=1 - axis)
        first = np.cumsum(sums, axis=0)[:-1]
        sizes = np.arange(1, count)[:, None]
        gains = (first**2 / sizes + (sums.sum(axis=0) - first) ** 2 / (count - sizes)).sum(axis=1)
        place = int(gains.argmax())
        best = max(best, (float(gains[place]) / values.shape[1 - axis], axis, place + 1))
    return best[1], best[2]
