"""The rows of a long table, encoded part by part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from cryptable_protocol.encoding.encoders import FeatureEncoder, encode_rows
from cryptable_protocol.errors import InvalidInputError


def encoded_chunks(
    features: Sequence[FeatureEncoder], chunks: Iterable[npt.ArrayLike]
) -> Iterator[npt.NDArray[np.int64]]:
    """As `encode_rows` of each part; raises as it, with the row that a later part begins with."""
    first = 0
    for rows in chunks:
        try:
            encoded = encode_rows(features, rows)
        except InvalidInputError as error:
            if not first:
                raise
            raise InvalidInputError(f"in the part that begins with row {first}, counted from there: {error}") from None
        yield encoded
        first += len(encoded)
