"""Answers to several rows: the noise of all of them adds up in each slot (docs/decisions/0060-packed-answers.md)."""

from __future__ import annotations

import math
from dataclasses import replace

from cryptable_engine.schemes.levelled.noise.variances import RowVariances
from cryptable_engine.schemes.levelled.noise.worst_row import WorstRow, WorstRows

_LEAST, _MOST = 1e-3, 1e3


def worst_answer(worst_rows: WorstRows, variances: RowVariances, rows: int) -> WorstRow:
    """The bound for the slots of each of `rows` rows whose answers are added up.

    Of other rows, slots read no constant coefficient of leaves: these are quiet. What leaves add to a slot is of one
    trace tree all the same, so deviations add up: (x + y)² ≤ (1 + q) x² + (1 + 1/q) y² for any q. Products of different
    rows have masks of their own, so variances of their noise add up, and so do the squares that it varies by.

    Args:
        worst_rows: of a plan without turns, whose answers are 0 but at the slots.
        variances: of rows that travel together.
        rows: that share an answer; 1 for a row with an answer of its own.
    """
    row = worst_rows.of(variances)
    if rows == 1:
        return row
    own, beside, others = variances.slot_coefficients, variances.of_rows_beside(rows), rows - 1
    other = worst_rows.of(variances, beside)
    x, y = row.variance - row.products, others * (other.variance - other.products)
    q = min(max(math.sqrt(y / x), _LEAST), _MOST) if x > 0 else 1.0
    other = worst_rows.of(variances, (1 + 1 / q) * beside)
    return replace(
        row,
        variance=worst_rows.of(variances, (1 + q) * own).variance + others * other.variance,
        products=rows * row.products,
        gain=rows * row.gain,
        squares=rows * row.squares,
    )
