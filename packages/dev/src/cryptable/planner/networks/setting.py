"""Setting: one way to compile a network, what it costs and how it scores. Loads nothing, so it can be exported."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryptable_protocol.model.client_spec import DEFAULT_P_ERROR

from cryptable.planner.settings import RangeChoice, Rounding


@dataclass(frozen=True)
class Setting:
    """One way to compile the network that was tried.

    `price` is the optimizer's complexity of one row, as the cost table has it; `score` the mean accuracy (or R²) with
    as much noise as p_error allows.
    """

    bits: dict[str, int]
    ranges: RangeChoice
    lookups: int
    price: float
    score: float
    rounding: Rounding = "approximate"
    p_error: float = DEFAULT_P_ERROR

    def __str__(self) -> str:
        return (
            f"{self.price:10.3g}  {self.score:.4f}  {self.lookups} lookups  {self.bits} {self.ranges} {self.rounding} "
            f"2^{math.log2(self.p_error):.0f}"
        )
