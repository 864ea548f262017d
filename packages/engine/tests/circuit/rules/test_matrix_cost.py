"""What a matrix counts as, by the entries of its columns."""

from __future__ import annotations

import numpy as np
import pytest
from cryptable_engine import Term
from cryptable_engine.circuit.rules.matrix_cost import priced_cells


@pytest.mark.parametrize(("source_size", "expected"), [(10, 30), (16, 48), (40, 16 + 16 + 40), (1000, 16 + 16 + 80)])
def test_priced_cells(source_size, expected):
    """Columns of 0, 1 and 5 entries."""
    term = Term(0, np.array([0, 1, 2, 3, 4, 5]), np.array([1, 2, 2, 2, 2, 2]), np.ones(6, np.int64))
    assert priced_cells(term, source_size, 3) == expected
