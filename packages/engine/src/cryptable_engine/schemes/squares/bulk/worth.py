"""From how many rows on a tensor of them is less work, for server and client together, than so many rows alone."""

from __future__ import annotations

import math

from cryptable_protocol import ClientSpec
from cryptable_protocol.schemes.scheme import SQUARES
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_engine.kernel import kernel_state

ENCRYPTION_PRICE = 0.27
"""Microseconds that a client takes for a byte of a row of polynomials (tools/bench/bulk.py)."""
_PACES = {"avx512": 0.18, "avx2": 0.24, "base": 0.76}
"""By path through the kernel, its share of the microseconds of NumPy, which single rows are priced in (decision 47)."""


def least_rows(spec: ClientSpec, alone: float, parameters: BulkParameters, price: float) -> int | None:
    """From how many on; None where not even a full tensor is less work.

    Args:
        spec: of the model whose rows are alone.
        alone: price of such a row, its program's.
        parameters: of rows in bulk.
        price: microseconds of a tensor of these, its program's.
    """
    work = price + ENCRYPTION_PRICE * parameters.row_bytes
    if spec.scheme == SQUARES:
        alone += ENCRYPTION_PRICE * spec.parameters.row_bytes
    else:  # what clients do for a single row of the scheme levelled is little
        alone *= _PACES.get(kernel_state().path, 1.0)
    rows = max(1, math.ceil(work / alone))
    return rows if rows <= parameters.rows else None
