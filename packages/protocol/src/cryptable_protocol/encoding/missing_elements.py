"""What encoders of levels send for a missing value: numbers fixed beforehand, and no trace of which row missed one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cryptable_protocol.errors import MalformedMessageError

MissingElements = tuple[int, ...]
"""The elements of a missing value; empty where a row with one is refused. Of one more than the encoder has otherwise,
the last is an element that is 0 for every number."""


def check_missing(name: str, missing: MissingElements, *, elements: int, levels: int) -> None:
    """Refuse another number of elements, or one that no element can be.

    Raises:
        MalformedMessageError: names the feature.
    """
    if len(missing) not in (0, elements, elements + 1):
        raise MalformedMessageError(
            f"feature {name!r}: {len(missing)} elements of a missing value, expected none, {elements} or {elements + 1}"
        )
    if not all(0 <= each < levels for each in missing):
        raise MalformedMessageError(f"feature {name!r}: elements of a missing value must be in 0 .. {levels - 1}")


def with_missing(
    encoded: npt.NDArray[np.int64], column: npt.NDArray[np.float64], missing: MissingElements
) -> npt.NDArray[np.int64]:
    """The elements of a column, shape (rows, elements), with those of missing values in their place."""
    if not missing:
        return encoded
    further: npt.NDArray[np.int64] = np.zeros((encoded.shape[0], len(missing) - encoded.shape[1]), np.int64)
    result: npt.NDArray[np.int64] = np.concatenate([encoded, further], axis=1)
    result[np.isnan(column)] = missing
    return result
