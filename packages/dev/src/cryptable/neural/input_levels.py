"""From raw features to the whole numbers that a client encrypts, and that a network is trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol import AffineEncoder

from cryptable.graphs.graph import FloatArray

_DEVIATIONS = 3.0
"""What lies further from the mean is cut off."""


@dataclass(frozen=True, eq=False)
class InputLevels:
    """level = clip(round((x - lower) / step), 0, 2^bits - 1), of each feature; arrays of shape (features,)."""

    lower: FloatArray
    step: FloatArray
    bits: int

    @classmethod
    def of(cls, rows: FloatArray, bits: int, *, together: bool = False) -> InputLevels:
        """For training rows of shape (rows, features).

        Args:
            rows: in their own units.
            bits: of a level.
            together: whether all features have one range, as pixels do.
        """
        top = (1 << bits) - 1
        seen = rows.reshape(-1, 1) if together else rows
        mean, deviation = seen.mean(axis=0), seen.std(axis=0)
        lower = np.maximum(seen.min(axis=0), mean - _DEVIATIONS * deviation)
        upper = np.minimum(seen.max(axis=0), mean + _DEVIATIONS * deviation)
        # A feature that never varied tells nothing, and must not become infinite.
        step = np.where(upper > lower, (upper - lower) / top, np.maximum(np.abs(lower), 1.0))
        features = rows.shape[1]
        return cls(np.broadcast_to(lower, features).copy(), np.broadcast_to(step, features).copy(), bits)

    def encoder(self, feature: int, name: str) -> AffineEncoder:
        """As the client has it."""
        return AffineEncoder(name, float(self.lower[feature]), float(self.step[feature]), 1 << self.bits)

    def levels(self, rows: FloatArray) -> FloatArray:
        """Whole numbers, shape (rows, features); those that the client's encoders make."""
        columns = [self.encoder(index, "x").encode(column)[:, 0] for index, column in enumerate(rows.T)]
        found: FloatArray = np.stack(columns, axis=1).astype(np.float64)
        return found
