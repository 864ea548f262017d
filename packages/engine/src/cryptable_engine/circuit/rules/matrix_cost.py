"""What multiplying an encrypted vector by a sparse matrix costs: the measure that the verifier limits circuits by."""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.circuit import Term

GATHERED_ENTRY_CELLS = 16
"""Cells of a dense matrix that cost as much as an entry whose row is gathered for it, its share of padding included."""


def priced_cells(term: Term, source_size: int, size: int) -> int:
    """In cells of a dense matrix; a column of few entries costs what gathering them does.

    Args:
        term: of shape (source size, size).
        source_size: rows of the matrix.
        size: columns of the matrix.
    """
    entries = np.maximum(np.bincount(term.columns, minlength=size), 1)
    return int(np.minimum(GATHERED_ENTRY_CELLS * entries, source_size).sum())
