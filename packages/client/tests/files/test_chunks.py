"""Encoded parts of a long table: what is wrong in a later one is found in the whole."""

import numpy as np
import pytest
from cryptable_client.files.chunks import encoded_chunks
from cryptable_protocol import AffineEncoder, InvalidInputError, encode_rows

FEATURES = [AffineEncoder("age", 0.0, 1.0, 100)]
ROWS = np.arange(10.0)[:, None]


def test_parts_are_encoded_as_the_whole():
    parts = list(encoded_chunks(FEATURES, (ROWS[:4], ROWS[4:])))
    np.testing.assert_array_equal(np.concatenate(parts), encode_rows(FEATURES, ROWS))


@pytest.mark.parametrize(
    ("row", "said"), [(1, r"^feature 'age' .* in row 1;"), (7, r"begins with row 4, .* 'age' .* in row 3;")]
)
def test_a_bad_row_is_told_with_the_part_that_it_is_in(row, said):
    rows = ROWS.copy()
    rows[row] = np.nan
    with pytest.raises(InvalidInputError, match=said):
        list(encoded_chunks(FEATURES, (rows[:4], rows[4:])))
