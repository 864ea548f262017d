"""How many training rows went which way at each node of a tree, as its library counted them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cryptable.graphs.graph import FloatArray, IntArray


def share_right(left: IntArray, right: IntArray, cover: npt.ArrayLike) -> FloatArray:
    """The share of a node's rows that went right, shape (nodes,); one half where there were none, and in leaves.

    Args:
        left: children of each node; those of leaves are not read.
        right: the same.
        cover: rows of each node, or the sum of their weights.
    """
    counted = np.asarray(cover, np.float64)
    low, high = counted[left], counted[right]
    share: FloatArray = np.full(counted.shape, 0.5)
    return np.divide(high, low + high, out=share, where=(low + high > 0) & (left != right))


def summed_cover(left: IntArray, right: IntArray, inner: npt.NDArray[np.bool_], of_leaves: npt.ArrayLike) -> FloatArray:
    """The cover of each node, from that of leaves; children stand after their parents."""
    cover = np.array(of_leaves, np.float64)
    for node in np.flatnonzero(inner)[::-1]:
        cover[node] = cover[left[node]] + cover[right[node]]
    return cover


def side_weights(goes_left: Sequence[bool], goes_right: float) -> list[float]:
    """Of intervals that a test is taken apart into: those of one side share what went there in equal parts."""
    lefts = sum(goes_left)
    of_left = (1 - goes_right) / max(1, lefts)
    of_right = goes_right / max(1, len(goes_left) - lefts)
    return [of_left if is_left else of_right for is_left in goes_left]


def part_of(some: Sequence[float], all_of_them: Sequence[float]) -> float:
    """Some weights as a share of all; one half where those are 0."""
    total = sum(all_of_them)
    return sum(some) / total if total else 0.5
