"""Leaves that hold contributions beside scores: by path, rounded such that they add up to the rounded score, exactly.

A leaf's rounded score, less a whole number that is the same for all leaves of its tree, is handed out to the features
that the path asks about: to each the whole steps below what it adds, and to those that lose most by it one more. Scores
are the same integers as without contributions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from cryptable_protocol import Decoder
from cryptable_protocol.schemes.levelled.answers import MAX_SLOTS

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.contributions import Contributions, features_asked
from cryptable.graphs.graph import LEAF, FloatArray, IntArray, Tree, TreeEnsemble
from cryptable.graphs.path_attribution import AttributedTree, attribute
from cryptable.planner.trees.round_leaves import RoundedTrees


@dataclass(frozen=True, eq=False)
class WithContributions:
    """Trees whose leaves hold integers: scores, then contributions score by score; none of them negative.

    `decoder` is theirs, and `error` the most that a contribution, or a base, is off by.
    """

    trees: tuple[Tree, ...]
    decoder: Decoder
    error: float


def with_contributions(graph: TreeEnsemble, rounded: RoundedTrees, told: Contributions) -> WithContributions:
    """The rounded trees with contributions beside their scores.

    Args:
        graph: trees that know how many rows went which way.
        rounded: the same.
        told: of `graph`.

    Raises:
        UnsupportedModelError: more scores and contributions than an answer of the scheme has room for.
    """
    scores, names = graph.outputs, len(told.names)
    check_room(scores, names)
    group_of = {feature: group for group, feature in enumerate(features_asked(graph))}
    trees: list[Tree] = []
    lowest = np.zeros((scores, names), np.int64)
    middle, error = np.zeros((2, scores, names))
    taken = np.zeros(scores, np.int64)
    for tree, integral in zip(graph.trees, rounded.graph.trees, strict=True):
        found = attribute(tree, group_of)
        whole: IntArray = np.rint(integral.values[found.origin]).astype(np.int64)
        steps, constant, centre, largest = _rounded(found, whole, rounded.step)
        leaves = found.tree.feature == LEAF
        least = steps[leaves].min(axis=0)
        lowest, taken = lowest + least, taken + constant
        middle, error = middle + centre, error + largest
        values = np.concatenate([whole, (steps - least).reshape(len(whole), -1)], axis=1)
        trees.append(replace(found.tree, values=np.where(leaves[:, None], values, 0).astype(np.float64)))
    # What is left of the middles of errors moves all answers of a contribution alike: whole steps of it, that is.
    moved = np.rint(middle).astype(np.int64)
    decoder = Decoder(
        graph.link,
        (*(0,) * scores, *(lowest + moved).reshape(-1).tolist()),
        rounded.step,
        tuple(rounded.base.tolist()),
        graph.labels,
        contributions=told.names,
        contribution_base=tuple((taken - moved.sum(axis=1)).tolist()),
    )
    off = rounded.step * float((error + np.abs(middle - moved)).max())
    return WithContributions(
        tuple(trees), decoder, max(off, float(np.abs(np.array(decoder.base_values) - told.base).max()))
    )


def check_room(scores: int, names: int) -> None:
    """Raise UnsupportedModelError where not even the smallest scores and contributions have room in an answer."""
    if scores * (1 + names) > MAX_SLOTS:
        raise UnsupportedModelError(
            f"explain='contributions': {scores} score(s) with {names} contributions each are {scores * (1 + names)} "
            f"values, an answer of scheme 'levelled' has room for {MAX_SLOTS}; fit with {MAX_SLOTS // scores - 1} "
            "features at most, or leave explain=None"
        )


def _rounded(found: AttributedTree, whole: IntArray, step: float) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Whole steps that each leaf's groups add, and what those of a score lack of its integer in every leaf.

    Args:
        found: of one tree.
        whole: the integers of its leaves, shape (nodes, scores).
        step: of an integer.

    Returns:
        Steps of shape (nodes, scores, groups), the number that is lacking, by score; and by score and group, the middle
        of what rounding leaves and how far it goes from there, in steps.
    """
    exact = found.added / step
    leaves = found.tree.feature == LEAF
    lacking = (whole - exact.sum(axis=2))[leaves]
    constant: IntArray = np.rint((lacking.max(axis=0) + lacking.min(axis=0)) / 2).astype(np.int64)
    steps: IntArray = np.floor(exact).astype(np.int64)
    left = whole - constant - steps.sum(axis=2)
    count = found.is_asked.sum(axis=1)
    each, more = np.divmod(left, np.maximum(count, 1)[:, None])
    lost = np.where(found.is_asked[:, None, :], exact - steps, -1.0)
    rank = np.argsort(np.argsort(-lost, axis=2, kind="stable"), axis=2, kind="stable")
    given = each[:, :, None] + (rank < more[:, :, None])
    steps += np.where(found.is_asked[:, None, :], given, 0)
    difference = (exact - steps)[leaves]
    low, high = difference.min(axis=0), difference.max(axis=0)
    return steps, constant, (low + high) / 2, (high - low) / 2
