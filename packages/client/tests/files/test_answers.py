"""Answers that are kept as they come: a run goes on where it stopped, with the same model and rows alone."""

import os
import stat
from dataclasses import replace

import numpy as np
import pytest
from cryptable_client.files.answers import AnswersFile
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, InvalidInputError, Link
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

ROWS = np.arange(30).reshape(10, 3)
SPEC = ClientSpec(
    "model",
    tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 1 << 5) for index in range(3)),
    BulkParameters(1, 3, 5, 65537, 2, 60_000, 28, 2.0**-128),
    Decoder(Link.IDENTITY, (0, 0), 1.0, (0.0, 0.0)),
)
VALUES = np.arange(20).reshape(10, 2)


def test_a_run_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "kept"
    with AnswersFile(path, SPEC, ROWS) as kept:
        assert (kept.rows, kept.read().shape) == (0, (0, 2))
        kept.append(VALUES[:4])
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with AnswersFile(path, SPEC, ROWS) as kept:
        assert kept.rows == 4
        kept.append(VALUES[4:])
        np.testing.assert_array_equal(kept.read(), VALUES)


@pytest.mark.parametrize("damage", ["cut", "zeros", "head cut"])
def test_a_part_that_a_kill_or_a_power_cut_left_is_answered_again(tmp_path, damage):
    path = tmp_path / "kept"
    with AnswersFile(path, SPEC, ROWS) as kept:
        kept.append(VALUES[:4])
        kept.append(VALUES[4:7])
    size = path.stat().st_size
    if damage == "zeros":
        with path.open("r+b") as file:
            file.seek(size - 20)
            file.write(bytes(20))
    else:
        os.truncate(path, size - (1 if damage == "cut" else 3 * 16 + 5))
    with AnswersFile(path, SPEC, ROWS) as kept:
        assert kept.rows == 4
        kept.append(VALUES[4:])
    with AnswersFile(path, SPEC, ROWS) as kept:
        np.testing.assert_array_equal(kept.read(), VALUES)


@pytest.mark.parametrize("what", ["model", "rows", "shape", "no answers", "header cut"])
def test_a_file_of_something_else_is_refused_and_left(tmp_path, what):
    path = tmp_path / "kept"
    with AnswersFile(path, SPEC, ROWS) as kept:
        kept.append(VALUES[:4])
    spec, rows = SPEC, ROWS
    match what:
        case "model":
            spec = replace(SPEC, model_name="other")
        case "rows":
            rows = ROWS + (ROWS == 7)
        case "shape":
            rows = ROWS[:-1]
        case "no answers":
            path.write_bytes(b"name,age\nada,36\n")
        case _:
            os.truncate(path, 20)
    before = path.read_bytes()
    with pytest.raises(InvalidInputError, match="another model, or to other rows"):
        AnswersFile(path, spec, rows)
    assert path.read_bytes() == before
