"""Rows of a table as `predict` reads them: twice, and the same both times."""

import numpy as np
import pytest
from cryptable_client.commands.predict import _Rows
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, InvalidInputError, Link
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

SPEC = ClientSpec(
    "model",
    (AffineEncoder("age", 0.0, 1.0, 1 << 5),),
    BulkParameters(1, 1, 5, 65537, 2, 60_000, 28, 2.0**-128),
    Decoder(Link.IDENTITY, (0, 0), 1.0, (0.0, 0.0)),
)


def test_rows_come_in_chunks_as_often_as_they_are_asked_for(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("age\n1\n2\n3\n")
    rows = _Rows(str(path), SPEC, 2)
    assert rows.count == 3
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(rows)), [[1], [2], [3]])


@pytest.mark.parametrize("text", ["age\n1\n2\n", "age\n1\n2\n4\n", "age\n1\n2\n3\n4\n5\n"])
def test_a_table_that_changes_while_it_is_read_is_refused(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_text("age\n1\n2\n3\n")
    rows = _Rows(str(path), SPEC, 2)
    path.write_text(text)
    with pytest.raises(InvalidInputError, match="changed while it was read"):
        list(rows)


def test_a_bad_row_is_refused_before_any_other_is_taken(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("age\n1\n2\n3\nfour\n")
    with pytest.raises(InvalidInputError, match="row 4"):
        _Rows(str(path), SPEC, 2)
