"""Tables of pairs: which feature's steps tell parts of a table apart, and all of them as one rotation.

What a pair adds is a table by the places of two features. One polynomial has room for a few rows of it: the outer
feature's lowest digits, and all digits of the inner one, turn it; and each step of the outer feature that leads to
further rows changes the sign of half of what they differ by, before all turns
(docs/decisions/0062-pairs-as-turned-tables.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptable.graphs.graph import IntArray


@dataclass(frozen=True, eq=False)
class Table:
    """What is added, by row and column.

    Attributes:
        outer: the feature whose places are rows.
        inner: the feature whose places are columns, or None where columns are what bins are within a place of `outer`.
        values: even numbers, shape (rows, columns, outputs).
    """

    outer: int
    inner: int | None
    values: IntArray


@dataclass(frozen=True, eq=False)
class Neuron:
    """A table as a Rotation has it: position by digits of places, and a step that changes its sign.

    Attributes:
        digits: exponents of the digits of `feature`'s code, shape (digits,), by feature.
        step: the feature and place whose step turns it by half; None where none does.
        entries: shape (positions, outputs).
    """

    digits: dict[int, IntArray]
    step: tuple[int, int] | None
    entries: IntArray


def outer_features(pairs: Sequence[tuple[int, int]]) -> set[int]:
    """Few features, one at least of each pair: those of most pairs that have none yet, one after the other."""
    left, found = list(pairs), set[int]()
    while left:
        count = Counter(feature for pair in left for feature in pair)
        feature = min(count, key=lambda each: (-count[each], each))
        found.add(feature)
        left = [pair for pair in left if feature not in pair]
    return found


def neurons_of(table: Table, upper: dict[int, int], lower: dict[int, int], positions: int) -> list[Neuron]:
    """A table as neurons that differ by signs alone.

    Args:
        table: with at most as many columns as positions.
        upper: digits of each feature's places.
        lower: digits of what bins are within these.
        positions: of a polynomial, a power of two.
    """
    outer, inner = table.outer, table.inner
    width = lower[outer] if inner is None else upper[inner]
    height = min(positions.bit_length() - 1 - width, upper[outer])
    rows, columns = 1 << height, 1 << width
    parts = -(-len(table.values) // rows)
    values = np.pad(
        table.values,
        ((0, parts * rows - len(table.values)), (0, columns - table.values.shape[1]), (0, 0)),
        mode="edge",
    ).reshape(parts, rows * columns, -1)
    halves = np.diff(values, axis=0) // 2
    exponents = {outer: np.zeros(lower[outer] + upper[outer], np.int64)}
    exponents[outer][lower[outer] : lower[outer] + height] = columns << np.arange(height)
    if inner is None:
        exponents[outer][:width] = 1 << np.arange(width)
    else:
        exponents[inner] = np.r_[np.zeros(lower[inner], np.int64), 1 << np.arange(width)]

    def neuron(step: int | None, entries: IntArray) -> Neuron:
        padded = np.pad(entries, ((0, positions - len(entries)), (0, 0)))
        return Neuron(exponents, None if step is None else (outer, step), padded)

    # first + Σ b · 2 half = first + Σ half − Σ (1 − 2 b) · half, b being the step's bit.
    found = [neuron(None, values[0] + halves.sum(axis=0))]
    found += [neuron((part + 1) * rows, -half) for part, half in enumerate(halves) if half.any()]
    return found
