"""What a lookup costs: the prices that the planner plans by.

Those of circuits that Concrete compiles stand in a table, which tools/bench/cost_model.py measures; those of circuits
of one level are computed, as their crypto parameters are.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources

from cryptable_engine.schemes.bootstrapped.parameters.one_level import cheapest_keyset, complexity, typical_demands

P_ERROR = 2.0**-40
"""Of one lookup, where no other probability is asked for."""
_TABLE = "cost_table.json"
_TYPICAL_NOISE = 14.0
"""Of some dozens of lookups, summed to about 11 bits: see `noise_level`."""


def noise_level(lookups: int, output_bits: int) -> float:
    """How little noise a sum bears, in bits: each output bit halves it, and four times as many lookups do.

    Args:
        lookups: how many are summed, at least 1.
        output_bits: of the sum.
    """
    return output_bits + math.log2(lookups) / 2


def lookup_price(
    width: int, noise: float = _TYPICAL_NOISE, *, p_error: float = P_ERROR, one_level: bool = False
) -> float:
    """Optimizer complexity of one lookup.

    Args:
        width: in bits, 1 to 8.
        noise: as `noise_level` says, of the sum that bears least.
        p_error: of one lookup.
        one_level: whether the circuit is one of one level, where lookups cost less: see engine's `one_level`.

    Returns:
        The price; infinite where no parameters are exact enough.
    """
    if one_level:
        return _one_level_price(width, math.ceil(4 * noise) / 4, p_error)
    classes = _table()[width]
    eligible = [limit for limit in classes if limit <= p_error]
    steps = classes[max(eligible)] if eligible else classes[min(classes)]
    return next((price for limit, price in steps if noise <= limit), math.inf)


@cache
def _one_level_price(width: int, noise: float, p_error: float) -> float:
    keyset = cheapest_keyset(typical_demands(width, noise), p_error)
    return math.inf if keyset is None else complexity(keyset, 1)


def total_price(
    lookups: int, width: int, output_bits: int, *, p_error: float = P_ERROR, one_level: bool = False
) -> float:
    """Optimizer complexity of `lookups` lookups whose outputs are summed to `output_bits` bits.

    More output bits, or more noise summed, need bootstrap keys of more levels, at which all lookups cost more.

    Args:
        lookups: how many.
        width: in bits, 1 to 8.
        output_bits: of their sum.
        p_error: of one lookup.
        one_level: as `lookup_price` has it.
    """
    if not lookups:
        return 0.0
    return lookups * lookup_price(width, noise_level(lookups, output_bits), p_error=p_error, one_level=one_level)


@cache
def _table() -> dict[int, dict[float, list[tuple[float, float]]]]:
    """By width and p_error: up to which noise level which price holds, both ascending."""
    content = json.loads(resources.files("cryptable.cost").joinpath(_TABLE).read_text("utf-8"))
    table: dict[int, dict[float, list[tuple[float, float]]]] = {}
    for entry in content["prices"]:
        steps = [(float(limit), float(price)) for limit, price in entry["steps"]]
        table.setdefault(entry["width"], {})[2.0 ** entry["log2_p_error"]] = steps
    return table
