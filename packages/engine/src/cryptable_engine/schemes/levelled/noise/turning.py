"""What the turns of tables add to an answer's noise: the same bound for every row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_engine.schemes.levelled.noise.variances import RowVariances
from cryptable_engine.schemes.levelled.plans.plan import Plan
from cryptable_engine.schemes.levelled.plans.turns import Turns

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Turning:
    """Of all turns of a plan.

    Attributes:
        gains: squared ones of products, by selector; shape (selectors,).
        products: what these add to a slot's variance, all bits being on.
        first: what first turns add, whose digits are known: linear forms of leaves.
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
    gains = np.zeros(len(plan.parameters.selectors))
    gains[turns.selector] = turns.gains
    each = variances.turn_keys + variances.turn_rounding + variances.product_left
    return Turning(gains, float(gains @ each), _first(turns, variances.any_coefficients), turns.first_left)


def _first(turns: Turns, prices: FloatArray) -> float:
    """Tables that begin with one bit read its leaves: the norm of a sum of polynomials is at most the sum of theirs."""
    norms = np.sqrt(np.sum(turns.first_digits**2, axis=2))
    together = np.zeros((len(norms), len(turns.selector)))
    for level, each in enumerate(norms):
        together[level] = np.bincount(turns.first, each, len(turns.selector))
    return float(np.sum(together**2 * prices[first_leaves(turns)]))


def first_leaves(turns: Turns) -> npt.NDArray[np.int64]:
    """Leaves that first turns by each bit read: shape (levels, bits)."""
    return np.arange(turns.gadget.levels)[:, None] + turns.selector * turns.gadget.levels
