"""In which order to put the categories of a column, so that the sets that trees ask for become few intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cryptable.graphs.graph import IntArray

_MOST_IMPROVED = 128
"""Levels up to which an order is improved further; above, it is what nearest neighbours make it."""


def order_levels(sets: Sequence[frozenset[int]], positions: Sequence[int]) -> dict[int, int]:
    """Levels of categories: those that no set tells apart share one, and neighbours are told apart by few sets.

    The number of interval ends of all sets is the length of a path through the levels, where two are as far apart as
    there are sets that hold only one of them. A short path is found from nearest neighbours, then 2-opt (Croes, 1958).

    Args:
        sets: of positions, one a test of a tree.
        positions: all that there are.

    Returns:
        The level of each position.
    """
    distinct = sorted(set(sets), key=sorted)
    members = np.array([[position in each for each in distinct] for position in positions], np.int64)
    members = members.reshape(len(positions), len(distinct))
    signatures, signature_of = np.unique(members, axis=0, return_inverse=True)
    weights = np.array([sum(each == other for other in sets) for each in distinct], np.int64)
    differs = signatures[:, None, :] != signatures[None, :, :]
    path = _short_path((differs * weights).sum(axis=2))
    level_of = np.argsort(path)
    return {
        position: int(level_of[signature])
        for position, signature in zip(positions, signature_of.reshape(-1).tolist(), strict=True)
    }


def _short_path(distance: IntArray) -> IntArray:
    count = distance.shape[0]
    start = int(distance.sum(axis=1).argmax())
    path, left = [start], set(range(count)) - {start}
    while left:
        nearest = min(left, key=lambda each: (distance[path[-1], each], each))
        path.append(nearest)
        left.remove(nearest)
    order: IntArray = np.array(path, np.int64)
    improved = 2 < count <= _MOST_IMPROVED
    while improved:
        improved = False
        for first in range(count - 1):
            for last in range(first + 1, count):
                if _gain(distance, order, first, last) > 0:
                    order[first : last + 1] = order[first : last + 1][::-1]
                    improved = True
    return order


def _gain(distance: IntArray, order: IntArray, first: int, last: int) -> int:
    """By how much the path gets shorter if the stretch from `first` to `last` is turned round."""
    gain = 0
    if first > 0:
        before = order[first - 1]
        gain += int(distance[before, order[first]] - distance[before, order[last]])
    if last + 1 < order.shape[0]:
        after = order[last + 1]
        gain += int(distance[order[last], after] - distance[order[first], after])
    return gain
