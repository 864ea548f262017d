"""Budget: what one prediction may cost at most."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryptable_protocol import InvalidInputError

from cryptable.cost.prices import Cost

_MARGIN = 0.97


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one prediction may cost at most; each is optional, one is needed.

    Args:
        seconds: of CPU on the server, as `explain` predicts them: lookups, linear maps, and ciphertexts in and out.
        max_lookups: lookups.
        upload_bytes: of an encrypted row.
    """

    seconds: float | None = None
    max_lookups: int | None = None
    upload_bytes: int | None = None

    def __post_init__(self) -> None:
        limits = {name: value for name, value in vars(self).items() if value is not None}
        if not limits:
            raise InvalidInputError("the budget has no limit: give seconds=, max_lookups= or upload_bytes=")
        for name, value in limits.items():
            if not math.isfinite(value) or value < 0 or (value == 0 and name != "max_lookups"):
                raise InvalidInputError(f"the budget's {name} is {value}, expected a positive number")

    def allows(self, cost: Cost) -> bool:
        """Whether a prediction of that cost is within it."""
        spent = ((cost.seconds, self.seconds), (cost.lookups, self.max_lookups), (cost.upload_bytes, self.upload_bytes))
        return all(limit is None or value <= limit for value, limit in spent)

    def tightened(self, whole: Budget, cost: Cost) -> Budget:
        """Smaller, where a prediction that was planned within this budget costs more than the whole one allows."""

        def smaller(limit: float | None, allowed: float | None, spent: float) -> float | None:
            return limit if limit is None or allowed is None or spent <= allowed else limit * allowed / spent * _MARGIN

        lookups = smaller(self.max_lookups, whole.max_lookups, cost.lookups)
        size = smaller(self.upload_bytes, whole.upload_bytes, cost.upload_bytes)
        return Budget(
            seconds=smaller(self.seconds, whole.seconds, cost.seconds),
            max_lookups=None if lookups is None else int(lookups),
            upload_bytes=None if size is None else max(1, int(size)),
        )

    def __str__(self) -> str:
        seconds = None if self.seconds is None else f"{self.seconds:.3g} s of CPU"
        lookups = None if self.max_lookups is None else f"{self.max_lookups} lookups"
        size = None if self.upload_bytes is None else f"{self.upload_bytes} bytes up"
        return ", ".join(part for part in (seconds, lookups, size) if part)
