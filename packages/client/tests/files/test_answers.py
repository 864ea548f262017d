"""Answers that are kept as they come: a run goes on where it stopped, with the same model and rows alone."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptable_client.files.answers import AnswersFile, resumed
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


PARTS = ROWS[:4], ROWS[4:7], ROWS[7:]


def evaluate(rows):
    """The answers to these of ROWS."""
    return VALUES[rows[:, 0] // 3]


def keep(path, parts=PARTS[:2]):
    with AnswersFile(path, SPEC) as kept:
        for part in parts:
            kept.append(part, evaluate(part))


def goes_on(path, parts=PARTS):
    """All answers, and for which parts they had to be asked."""
    asked = []

    def ask(rows):
        asked.append(rows)
        return evaluate(rows)

    found = np.concatenate(list(resumed(parts, ask, SPEC, path)))
    np.testing.assert_array_equal(found, VALUES)
    return len(asked)


def test_a_run_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "kept"
    assert goes_on(None) == 3
    keep(path, ())
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keep(path)
    with AnswersFile(path, SPEC) as kept:
        assert kept.rows == 7
    assert goes_on(path) == 1
    assert goes_on(path) == 0
    with AnswersFile(path, SPEC) as kept:
        assert kept.rows == 10


def test_whoever_stops_asking_has_what_was_answered(tmp_path):
    answers = resumed(PARTS, evaluate, SPEC, tmp_path / "kept")
    next(answers)
    answers.close()
    assert goes_on(tmp_path / "kept") == 2


@pytest.mark.parametrize("damage", ["cut", "zeros", "head cut", "no number of bytes"])
def test_a_part_that_a_kill_or_a_power_cut_left_is_answered_again(tmp_path, damage):
    path = tmp_path / "kept"
    keep(path)
    size = path.stat().st_size
    if damage == "zeros":
        with path.open("r+b") as file:
            file.seek(size - 20)
            file.write(bytes(20))
    elif damage == "no number of bytes":
        with path.open("ab") as file:
            file.write(b"\xff" * 100)
    else:
        os.truncate(path, size - (1 if damage == "cut" else 3 * 16 + 5))
    assert goes_on(path) == (1 if damage == "no number of bytes" else 2)
    assert goes_on(path) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full, which Linux has")
def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path):
    path = tmp_path / "kept"
    keep(path)
    before = path.read_bytes()

    def goes_on_until_it_is_full():
        with AnswersFile(path, SPEC) as kept:
            file = kept._file

            def fills(rows):
                with Path("/dev/full").open("r+b", buffering=0) as full:
                    os.dup2(full.fileno(), file.fileno())
                return evaluate(rows)

            return list(kept.answered(PARTS, fills))

    with pytest.raises(OSError, match="No space left"):
        goes_on_until_it_is_full()
    assert path.read_bytes() == before
    assert goes_on(path) == 1


@pytest.mark.parametrize("what", ["model", "rows", "shape", "no answers", "header cut"])
def test_a_file_of_something_else_is_refused_and_left(tmp_path, what):
    path, spec, rows = tmp_path / "kept", SPEC, PARTS[0]
    keep(path)
    match what:
        case "model":
            spec = replace(SPEC, model_name="other")
        case "rows":
            rows = rows + (rows == 7)
        case "shape":
            rows = rows[:-1]
        case "no answers":
            path.write_bytes(b"name,age\nada,36\n")
        case _:
            os.truncate(path, 20)
    before = path.read_bytes()
    with pytest.raises(InvalidInputError, match="to other rows" if what in ("rows", "shape") else "of another model"):
        list(resumed([rows], evaluate, spec, path))
    assert path.read_bytes() == before
