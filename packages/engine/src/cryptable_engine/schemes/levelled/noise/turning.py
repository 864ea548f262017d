"""What the turns of tables add to an answer's noise: the same bound for every row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_engine.schemes.levelled.noise.occurrences import begun_alike
from cryptable_engine.schemes.levelled.noise.variances import RowVariances, zero_noise
from cryptable_engine.schemes.levelled.plans.plan import Plan
from cryptable_engine.schemes.levelled.plans.turns import Turns

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Turning:
    """Of all turns of a plan.

    Attributes:
        gains: squared ones of products, by selector; shape (selectors,).
        products: what these add to a slot's variance, all bits being on.
        first: what first turns add, whose digits are known: linear forms of leaves; and encryptions of zero in their
            place.
        left: how far what the digits of first turns leave over moves a slot at most.
    """

    gains: FloatArray
    products: float
    first: float
    left: float


def turning(plan: Plan, variances: RowVariances) -> Turning | None:
    """The bound; None for a plan without turns."""
    turns = plan.turns
    if turns is None:
        return None
    gains = turns.gains(len(plan.parameters.selectors)) + begun_alike(plan)[1]
    each = variances.turn_keys + variances.turn_rounding + variances.product_left
    first = _first(turns, variances.any_coefficients) + turns.masked * zero_noise(variances.secret)
    return Turning(gains, float(gains @ each), first, turns.first_left)


def _first(turns: Turns, prices: FloatArray) -> float:
    """Tables that begin with one bit read its leaves: the norm of a sum of polynomials, however these are turned."""
    return float(np.sum(turns.first_squares * prices[first_leaves(turns)]))


def first_leaves(turns: Turns) -> npt.NDArray[np.int64]:
    """Leaves that first turns, or signs, by each bit read: shape (levels, bits)."""
    return np.arange(turns.gadget.levels)[:, None] + turns.selector * turns.gadget.levels
