"""How rows of a model travel together: the most in one polynomial whose answers are as exact as those of rows alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from cryptable_protocol import MalformedMessageError
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


def choose_batch(alone: Plan, price: Callable[[Plan], float]) -> LevelledBatch | None:
    """The most rows in one polynomial whose noise fits p_error, for each row; of equals, the cheapest.

    Bits that forms read have leaves instead of places, and moduli are the set with the smallest greatest one.

    Args:
        alone: of a row that travels alone.
        price: of a row.

    Returns:
        None where no two rows fit, their noise is too great, or each has more than twice the price that it has alone.
    """
    wanted, most_price = math.log2(alone.parameters.p_error), _DEARER * price(alone)
    plans = [plan for plan in (_planned(alone, gadget) for gadget in _GADGETS) if plan is not None]
    plans = [plan for plan in plans if plan.layout.runs and not plan.is_streamed and price(plan) <= most_price]
    noise: dict[Gadget, PlanNoise] = {}

    def fits(row: Plan, rows: int) -> bool:
        gadget = row.parameters.gadget
        if gadget not in noise:
            noise[gadget] = PlanNoise(row)
        return noise[gadget].bound(rows).log2_failure <= wanted

    for depth in range(LOG2_RING_SIZE, 0, -1):
        found = [(plan, (1 << depth) // len(plan.layout.leaf_bits)) for plan in plans]
        found = [(plan, rows) for plan, rows in found if rows >= 2]
        # Where products by the finest digits, of least noise, do not fit, leaves are too noisy in so deep a tree.
        if not found or not fits(*found[-1]):
            continue
        found.sort(key=lambda candidate: (-candidate[1], price(candidate[0])))
        return next(LevelledBatch(row.parameters, rows) for row, rows in found if fits(row, rows))
    return None


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
