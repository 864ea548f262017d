"""How finely scores are told apart beside positions: products of moduli that slots and noise leave room for."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations

from cryptable_engine.schemes.levelled.noise.variances import GREATEST, RowVariances
from cryptable_protocol.schemes.levelled.answers import MAX_SLOTS
from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, RING_SIZE
from cryptable_protocol.schemes.levelled.layout import Layout
from cryptable_protocol.schemes.levelled.parameters import MAX_MODULI, MODULI

from cryptable.cost.levelled import TURNING
from cryptable.planner.levelled.one_layer.turned_network import TurnedNetwork

_INFLATED, _SLACK_BITS = 1.3, 10
"""Variance of turns, for what else there is and how it varies; and bits of p_error, for all slots. The bound itself is
computed when parameters are chosen."""


def modulus(wanted: float, network: TurnedNetwork, products: int, p_error: float) -> float:
    """The least product of moduli that reaches what is wanted, or else the greatest that has room; 0 without any.

    Args:
        wanted: values of a score; infinite for as many as there is room for.
        network: whose scores they are.
        products: of it, counted.
        p_error: probability with which an answer may be wrong.
    """
    outputs = network.lines.shape[1]
    stride = RING_SIZE // network.tables.shape[1]
    count = min(MAX_MODULI, stride // outputs, MAX_SLOTS // outputs)
    # Half a step of the greatest modulus is to be as many deviations as p_error asks for.
    deviations = 2 * math.log(2) * (_SLACK_BITS - math.log2(p_error))
    turn = _turn_variance(max(1, network.turning * TURNING.levels - 1).bit_length())
    greatest = 0.5 / math.sqrt(deviations * _INFLATED * turn * max(1, products))
    found = _products(count, max((p for p in MODULI if p <= greatest), default=0))
    return next((product for product in found if product > wanted), found[-1] if found else 0)


@cache
def _turn_variance(depth: int) -> float:
    """Of a product that turns a table, with as many leaves as an expansion of this depth makes."""
    count = max(1, 2 ** min(depth, LOG2_RING_SIZE) // TURNING.levels)
    variances = RowVariances(Layout(tuple(range(count)), (), (), TURNING, 1), GREATEST)
    return float(variances.turn_keys.mean()) + variances.turn_rounding + variances.product_left


@cache
def _products(count: int, greatest: int) -> tuple[int, ...]:
    """Of up to so many moduli, none above the greatest; increasing."""
    known = [p for p in MODULI if p <= greatest]
    sets = (some for size in range(1, count + 1) for some in combinations(known, size))
    return tuple(sorted(math.prod(some) for some in sets if math.lcm(*some) == math.prod(some)))
