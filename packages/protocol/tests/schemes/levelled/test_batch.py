"""Rows together: what a BatchSpec may say, that bytes come back, and which tensors are accepted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, RING_SIZE, UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.layout import Run
from cryptable_protocol.schemes.levelled.parameters import GADGETS, ROW_WORD_BITS, LevelledParameters
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.scheme import read_batch

ALONE = LevelledParameters(UNIVERSAL, 6, (0, 3), (), (1, 2, 5), Gadget(2, 8), (7, 8, 9), 2, 400, 14, 2.0**-128)
ROW = replace(ALONE, leaves=(1, 2, 5), placed=(), gadget=Gadget(3, 6), moduli=(3, 4, 5, 7))
BATCH = LevelledBatch(ROW, 227)


def test_a_batch_comes_back_from_its_bytes() -> None:
    again = read_batch(ALONE, BATCH.to_bytes())
    assert again == BATCH
    assert again.digest == BATCH.digest
    assert BATCH.digest != LevelledBatch(ROW, 226).digest


def test_a_polynomial_is_filled_and_not_more() -> None:
    assert RING_SIZE // len(ROW.layout.leaf_bits) == 227
    with pytest.raises(MalformedMessageError, match="228 rows of 9 leaves together, a polynomial has 2048"):
        LevelledBatch(ROW, 228)


@pytest.mark.parametrize("most", [0, 1])
def test_one_row_is_no_batch(most: int) -> None:
    with pytest.raises(MalformedMessageError, match=f"{most} rows together, at least 2"):
        LevelledBatch(ROW, most)


@pytest.mark.parametrize("gadget", GADGETS)
def test_words_of_a_row_hold_leaves_of_the_deepest_tree(gadget: Gadget) -> None:
    assert gadget.levels * gadget.base_log + LOG2_RING_SIZE <= ROW_WORD_BITS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 7}, "batch of inputs 7, the model's is 6"),
        ({"outputs": 1}, "batch of outputs 1, the model's is 2"),
        ({"maximum": 399}, "batch of maximum 399, the model's is 400"),
        ({"leaves": (1, 2), "placed": (5,)}, "no places"),
    ],
)
def test_a_batch_of_another_model_is_refused(changes: dict[str, object], message: str) -> None:
    written = pb.ClientSpec()
    replace(ROW, **changes).write(written)  # type: ignore[arg-type]
    data = pb.BatchSpec(rows=5, levelled=written.levelled).SerializeToString(deterministic=True)
    with pytest.raises(MalformedMessageError, match=message):
        read_batch(ALONE, data)


@pytest.mark.parametrize("data", [b"", b"\x08\x05", b"\x08\x05\x12\x00", b"\xff", BATCH.to_bytes() + b"\x08\x01"])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        read_batch(ALONE, data)


def test_tensors_say_how_many_rows_they_hold() -> None:
    three = BATCH.of(3)
    assert (three.inputs, three.outputs, three.row_bytes) == (18, 6, 9216)
    assert three.answer_bytes == 3 * ROW.answer_bytes
    row = RingTensor(bytes(9216), bytes(16), rows=3)
    assert three.check_input(row.to_message()) == row.to_bytes()
    assert RingTensor.from_bytes(row.to_bytes()) == row
    assert len(row.to_bytes()) == three.row_message_bytes
    answer = RingTensor(bytes(three.answer_bytes), rows=3)
    three.check_output(answer.to_message())
    assert len(answer.to_bytes()) == three.answer_message_bytes
    for other in (0, 2, 4):
        with pytest.raises(MalformedMessageError, match=f"of {other} rows together, expected 3"):
            three.check_input(replace(row, rows=other).to_message())
        with pytest.raises(MalformedMessageError, match=f"of {other} rows together, expected 3"):
            three.check_output(replace(answer, rows=other).to_message())


PACKED = LevelledBatch(replace(ROW, answer_word_bits=14), 227, 16)


def test_packed_answers_share_masks() -> None:
    assert PACKED.row.slots == 8
    assert read_batch(ALONE, PACKED.to_bytes()) == PACKED
    assert PACKED.digest != BATCH.digest
    many = PACKED.of(35)
    assert many.rows_by_answer == (16, 16, 3)
    assert many.answer_bytes == 3 * 3584 + (16 + 16 + 3) * 8 * 14 // 8
    row = RingTensor(bytes(9216), bytes(16), rows=35, rows_per_answer=16)
    assert many.check_input(row.to_message()) == row.to_bytes()
    assert RingTensor.from_bytes(row.to_bytes()) == row
    assert len(row.to_bytes()) == many.row_message_bytes
    answer = RingTensor(bytes(many.answer_bytes), rows=35, rows_per_answer=16)
    many.check_output(answer.to_message())
    assert len(answer.to_bytes()) == many.answer_message_bytes
    for other in (0, 1, 15, 17):
        with pytest.raises(MalformedMessageError, match=f"{other} rows per answer, expected 16"):
            many.check_input(replace(row, rows_per_answer=other).to_message())
        with pytest.raises(MalformedMessageError, match=f"{other} rows per answer, expected 16"):
            many.check_output(replace(answer, rows_per_answer=other).to_message())
    with pytest.raises(MalformedMessageError, match="16 rows per answer, expected 0"):
        BATCH.of(35).check_output(answer.to_message())


@pytest.mark.parametrize(
    ("rows", "rows_per_answer", "message"),
    [
        (227, 1, "1 row per answer, which is said by leaving that out"),
        (15, 16, "16 rows per answer, of 15 rows together"),
        (227, 17, "136 slots in words of 14 bits, at most 128"),
        (227, 1 << 31, "2147483648 rows per answer, of 227 rows together"),
    ],
)
def test_answers_that_share_a_mask_in_another_way_are_refused(rows: int, rows_per_answer: int, message: str) -> None:
    with pytest.raises(MalformedMessageError, match=message):
        LevelledBatch(PACKED.row, rows, rows_per_answer)
    written = pb.ClientSpec()
    PACKED.row.write(written)
    data = pb.BatchSpec(rows=rows, levelled=written.levelled, rows_per_answer=rows_per_answer)
    with pytest.raises(MalformedMessageError, match=message):
        read_batch(ALONE, data.SerializeToString(deterministic=True))


def test_a_row_alone_says_nothing_of_others() -> None:
    row = RingTensor(bytes(ALONE.row_bytes), bytes(16), rows=1)
    with pytest.raises(MalformedMessageError, match="of 1 rows together, expected 0"):
        ALONE.check_input(row.to_message())


@pytest.mark.parametrize("rows", [0, 228, 1 << 31])
def test_more_rows_than_were_agreed_on_are_refused(rows: int) -> None:
    with pytest.raises(MalformedMessageError, match=f"{rows} rows together, 1 to 227 were agreed on"):
        BATCH.of(rows)


def test_leaves_of_rows_stand_one_row_after_the_other() -> None:
    run = BATCH.of(2).run
    assert (run.count, run.depth) == (18, 5)
    assert np.array_equal(run.doublings[:9], Run(0, 18).doublings[:9])
