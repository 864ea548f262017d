"""How rows of a model travel together: many in one polynomial, with answers as exact as those of rows alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.levelled.answers import most_slots
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, Gadget
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

from cryptable_engine.errors import CircuitError, ProgramMismatchError
from cryptable_engine.schemes.levelled.choice import ANSWER_BITS, sets_of_moduli
from cryptable_engine.schemes.levelled.noise.bound import PlanNoise
from cryptable_engine.schemes.levelled.plans.plan import Plan, plan_forms

_GADGETS = (Gadget(2, 8), Gadget(3, 6), Gadget(4, 5))
"""Of few bits a digit: a tree with the leaves of several rows is deep, and its leaves noisy."""
_DEARER = 2.0
"""Times the price of a row alone, at most, that a row among others may take: together they are to save bytes."""
_AS_FEW = 1.05
"""Times the fewest bytes a row, within which the cheapest packed way is taken."""


def choose_batch(alone: Plan, price: Callable[[Plan], float]) -> LevelledBatch | None:
    """The first of `choose_batches`; None where there is none."""
    return _Ways(alone, price).most_rows()


def choose_batches(alone: Plan, price: Callable[[Plan], float]) -> tuple[LevelledBatch, ...]:
    """How rows may travel together: with an answer each, and packed where that takes fewer bytes.

    With an answer each, the most rows in one polynomial whose noise fits p_error, for each row; of equals, the
    cheapest. Packed, of ways whose noise fits, that of the fewest bytes a row, up and down; of those nearly as good,
    the cheapest. Bits that forms read have leaves instead of places, and moduli are the set with the smallest greatest
    one.

    Args:
        alone: of a row that travels alone.
        price: of a row.

    Returns:
        None at all where no two rows fit, their noise is too great, or each has more than twice the price that it has
        alone. Answers of turned tables are not packed: they are not 0 beside their slots.
    """
    ways = _Ways(alone, price)
    batch = ways.most_rows()
    if batch is None:
        return ()
    packed = None if alone.turns is not None else ways.packed(batch)
    return (batch,) if packed is None else (batch, packed)


class _Ways:
    """Plans of rows that travel together, and their noise."""

    def __init__(self, alone: Plan, price: Callable[[Plan], float]) -> None:
        self._wanted, self._price, most_price = math.log2(alone.parameters.p_error), price, _DEARER * price(alone)
        plans = [plan for plan in (_planned(alone, gadget) for gadget in _GADGETS) if plan is not None]
        self._plans = [
            plan for plan in plans if plan.layout.runs and not plan.is_streamed and price(plan) <= most_price
        ]
        self._noise: dict[Gadget, PlanNoise] = {}

    def most_rows(self) -> LevelledBatch | None:
        """With an answer each."""
        for depth in range(LOG2_RING_SIZE, 0, -1):
            found = self._of_depth(depth)
            # Where products by the finest digits, of least noise, do not fit, leaves are too noisy in so deep a tree.
            if not found or not self._fits(*found[-1]):
                continue
            found.sort(key=lambda candidate: (-candidate[1], self._price(candidate[0])))
            return next(LevelledBatch(row.parameters, rows) for row, rows in found if self._fits(row, rows))
        return None

    def packed(self, batch: LevelledBatch) -> LevelledBatch | None:
        """Of fewer bytes than `batch`; None where there is none."""
        candidates = []
        for depth in range(LOG2_RING_SIZE, 0, -1):
            for row, rows in self._of_depth(depth):
                sizes = [(_bytes(each), each) for each in _packings(row.parameters, rows)]
                if sizes:
                    candidates.append((row, sizes))
        most, found = _bytes(batch), []
        for row, sizes in sorted(candidates, key=lambda candidate: candidate[1][0][0]):
            sizes = [(size, each) for size, each in sizes if size < most]
            low, high = 0, len(sizes)  # from the most rows in an answer, where noise is greatest, to the fewest
            while low < high:
                middle = (low + high) // 2
                each = sizes[middle][1]
                is_enough = self._fits(row, each.most_rows, each.rows_per_answer)
                low, high = (low, middle) if is_enough else (middle + 1, high)
            if low < len(sizes):
                found.append((*sizes[low], self._price(row)))
                most = min(most, _AS_FEW * sizes[low][0])
        return min(found, key=lambda each: (each[0] > most, each[2], each[0]), default=(0, None))[1]

    def _of_depth(self, depth: int) -> list[tuple[Plan, int]]:
        found = [(plan, (1 << depth) // len(plan.layout.leaf_bits)) for plan in self._plans]
        return [(plan, rows) for plan, rows in found if rows >= 2]

    def _fits(self, row: Plan, rows: int, rows_per_answer: int = 1) -> bool:
        gadget = row.parameters.gadget
        if gadget not in self._noise:
            self._noise[gadget] = PlanNoise(row)
        return self._noise[gadget].bound(rows, rows_per_answer).log2_failure <= self._wanted


def _packings(row: LevelledParameters, rows: int) -> Iterator[LevelledBatch]:
    """By the number of answers, from the fewest on: each to as many rows as the others, nearly."""
    answers, last = -(-rows // min(rows, most_slots(row.answer_word_bits) // row.slots)), 0
    for count in range(answers, rows):
        share = -(-rows // count)
        if share != last and share > 1:
            yield LevelledBatch(row, rows, share)
        last = share


def _bytes(batch: LevelledBatch) -> float:
    """Of a row, up and down, in a full tensor."""
    full = batch.of(batch.most_rows)
    return (full.row_bytes + full.answer_bytes) / full.rows


def _planned(alone: Plan, gadget: Gadget) -> Plan | None:
    """With all bits in leaves; None where no moduli and words suit."""
    parameters, forms = alone.parameters, alone.forms
    leaves = tuple(sorted({*parameters.leaves, *parameters.placed} - set(parameters.selectors)))
    for moduli in sets_of_moduli(parameters.maximum):
        for bits in ANSWER_BITS:
            try:
                row: LevelledParameters = replace(
                    parameters, leaves=leaves, placed=(), gadget=gadget, moduli=moduli, answer_word_bits=bits
                )
                return plan_forms(forms, row, parameters.maximum)
            except (MalformedMessageError, CircuitError, ProgramMismatchError):  # tables without room for residues, say
                continue
    return None
