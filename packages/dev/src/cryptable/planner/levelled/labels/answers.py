"""Tables that answer comparisons: the circuit, and how many positions there is room for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine import Circuit, Input, InputGroup, Linear, Rotation, Term, TurningTree
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.levelled.parameters import MODULI

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import IntArray
from cryptable.planner.levelled.labels.question import Question


def positions_of(question: Question) -> int:
    """Of tables, as many as leave room for the residues of all answers, each of 0 .. 2 for every rise that may add."""
    answers = question.wins.shape[1]
    highest = 2 * question.rises * max(1, answers - 1)
    residues = next(count for count in (1, 2, 3) if math.prod(MODULI[-1 - 2 * i] for i in range(count)) > highest)
    return 1 << (RING_SIZE // (answers * residues)).bit_length() - 1


@dataclass(frozen=True, eq=False)
class Turned:
    """What turns tables: their start, bits of the input with exponents of any sign, and trees.

    Attributes:
        start: of each comparison, the steps above its table's first rise where all bits are off, in bits and trees.
        exponents: shape (bits, comparisons).
        trees: with exponents of any sign.
        rises: of each comparison, the steps above the first one; shape (comparisons, rises).
    """

    start: IntArray
    exponents: IntArray
    trees: tuple[TurningTree, ...]
    rises: IntArray

    def decided(self, always: IntArray) -> Turned:
        """With comparisons that every input wins, 1, or loses, −1, turned by nothing; shape (comparisons,)."""
        still = always != 0
        trees = (replace(tree, exponents=np.where(still, 0, tree.exponents)) for tree in self.trees)
        start = np.where(still, np.minimum(always, 0), self.start)
        return replace(self, start=start, exponents=np.where(still, 0, self.exponents), trees=tuple(trees))

    def without_constants(self) -> Turned:
        """With the exponents of trees, of tables that they turn by the same whatever they ask, in the start."""
        start, trees = self.start.copy(), []
        for tree in self.trees:
            alike = (tree.exponents == tree.exponents[0]).all(axis=0)
            start = start + np.where(alike, tree.exponents[0], 0)
            moved = replace(tree, exponents=np.where(alike, 0, tree.exponents))
            if moved.exponents.any():
                trees.append(moved)
        return replace(self, start=start, trees=tuple(trees))

    def tables(self, positions: int) -> IntArray:
        """Before the first rise less than 0, after the last one as much above; shape (comparisons, positions).

        Beyond their ends tables go on with the other sign, so that both ends may be reached from a whole table's length
        away: what is below the first rise is read from the far end.
        """
        place = (np.arange(positions) + self.start[:, None]) % (2 * positions)
        risen = (self.rises[:, None, :] <= (place % positions)[:, :, None]).sum(axis=2)
        found: IntArray = np.where(place < positions, 1, -1) * (2 * risen - self.rises.shape[1])
        return found


def circuit_of(question: Question, turned: Turned, groups: tuple[InputGroup, ...]) -> Circuit:
    """Comparisons of which one is turned by nothing have the same answer always.

    Raises:
        ConstantModelError: all have.
    """
    turned = turned.without_constants()
    answers = question.wins.shape[1]
    positions = positions_of(question)
    side = turned.tables(positions)
    moved = np.concatenate([turned.exponents, *(tree.exponents for tree in turned.trees)]).any(axis=0)
    if not moved.any():
        what = "label" if question.levels is None else "level"
        raise ConstantModelError(f"the model has the same {what} for every input: there is nothing to compute")
    constant = (np.where(moved, 0, side[:, 0])[:, None] * question.wins).sum(axis=0)
    kept = np.flatnonzero(turned.exponents[:, moved].any(axis=1))
    tables = side[moved][:, :, None] * question.wins[moved][:, None, :]
    trees = [replace(tree, exponents=tree.exponents[:, moved] % (2 * positions)) for tree in turned.trees]
    rotation = Rotation(kept, turned.exponents[kept][:, moved] % (2 * positions), tables, tuple(trees))
    rotation = _merged(rotation)
    offset = constant + turned.rises.shape[1] * max(1, answers - 1)
    answer = Linear((Term.from_dense(1, np.eye(answers, dtype=np.int64)),), offset.astype(np.int64))
    return Circuit((Input(groups), rotation, answer), 2)


def _merged(rotation: Rotation) -> Rotation:
    """Comparisons that turn alike are one table."""
    turns = np.concatenate([rotation.exponents, *(tree.exponents for tree in rotation.trees)])
    _, first, place = np.unique(turns, axis=1, return_index=True, return_inverse=True)
    if len(first) == rotation.neurons:
        return rotation
    tables = np.zeros((len(first), *rotation.tables.shape[1:]), np.int64)
    np.add.at(tables, place.ravel(), rotation.tables)
    trees = tuple(replace(tree, exponents=tree.exponents[:, first]) for tree in rotation.trees)
    return Rotation(rotation.bits, rotation.exponents[:, first], tables, trees)


def too_coarse(tolerance: float, error: float) -> UnsupportedModelError:
    """Where a tolerance that is asked for takes more positions than there is room for."""
    return UnsupportedModelError(
        f"tolerance is {tolerance:.3g}, but tables have room for scores within {error:.3g} only; raise tolerance=, "
        'leave it out, or leave answer="score"'
    )
