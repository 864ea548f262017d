"""LevelledBatch: how several rows of a model travel in one polynomial (SPEC-LEVELLED.md, "Rows together")."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from cryptable_protocol import limits
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.levelled.answers import check_slots, require
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, LevelledKeyset
from cryptable_protocol.schemes.levelled.layout import Run
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import ROW_WORD_BITS, LevelledParameters
from cryptable_protocol.schemes.packing import packed_bytes
from cryptable_protocol.schemes.ring_tensor import RingMessages
from cryptable_protocol.schemes.scheme import LEVELLED, batch_reader
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes


@dataclass(frozen=True)
class RowsTogether(RingMessages):
    """Parameters of a tensor with several rows: their inputs one row after the other, and their outputs likewise.

    Attributes:
        row: layout, moduli and words of each row.
        rows: how many.
        rows_per_answer: whose slots share an answer, at most; 0 where each row has an answer of its own.
    """

    row: LevelledParameters
    rows: int
    rows_per_answer: int = 0

    scheme: ClassVar[str] = LEVELLED
    input_bits: ClassVar[int] = 1
    most_further_bits: ClassVar[int] = 0

    def __post_init__(self) -> None:
        require(not self.row.placed, "rows together have no places")
        leaves = len(self.row.layout.leaf_bits)
        require(
            self.rows > 0 and 0 < self.rows * leaves <= RING_SIZE,
            f"{self.rows} rows of {leaves} leaves together, a polynomial has {RING_SIZE}",
        )
        require(self.rows_per_answer != 1, "1 row per answer, which is said by leaving that out")
        check_slots(max(1, self.rows_per_answer) * self.row.slots, self.row.answer_word_bits)

    @cached_property
    def rows_by_answer(self) -> tuple[int, ...]:
        """How many rows each answer is to."""
        most = self.rows_per_answer or 1
        return tuple(min(most, self.rows - first) for first in range(0, self.rows, most))

    def bytes_of_answer(self, rows: int) -> int:
        """A packed mask, and the body at the slots of so many rows."""
        bits = self.row.answer_word_bits
        return packed_bytes(RING_SIZE, bits) + packed_bytes(rows * self.row.slots, bits)

    @cached_property
    def run(self) -> Run:
        """The leaves of all rows."""
        return Run(0, self.rows * len(self.row.layout.leaf_bits))

    @property
    def keyset(self) -> LevelledKeyset:
        """Of each row."""
        return self.row.keyset

    @property
    def p_error(self) -> float:
        """Of each row's answer."""
        return self.row.p_error

    @property
    def key_memory_bytes(self) -> int:
        """Of a client's keys in a worker."""
        return self.row.key_memory_bytes

    @property
    def inputs(self) -> int:
        """Bits of all rows."""
        return self.rows * self.row.inputs

    @property
    def outputs(self) -> int:
        """Of all rows."""
        return self.rows * self.row.outputs

    @property
    def output_bits(self) -> int:
        """Bits of each output."""
        return self.row.output_bits

    @property
    def rows_together(self) -> int:
        """See RingMessages."""
        return self.rows

    @property
    def row_bytes(self) -> int:
        """The packed body of one polynomial, however many rows it holds."""
        return packed_bytes(RING_SIZE, ROW_WORD_BITS)

    @property
    def answer_bytes(self) -> int:
        """Of all answers."""
        return sum(map(self.bytes_of_answer, self.rows_by_answer))

    def pinned_facts(self) -> Mapping[str, object]:
        """Those of a row, which is what a user pins."""
        return self.row.pinned_facts()

    def write(self, message: pb.ClientSpec) -> None:
        """A client specification has the fields of a row."""
        self.row.write(message)

    @classmethod
    def read(cls, message: pb.ClientSpec) -> None:  # noqa: ARG003  (no specification is of several rows)
        """None: a client specification is of single rows."""
        return


@dataclass(frozen=True)
class LevelledBatch:
    """Up to `most_rows` rows in a tensor, each laid out by `row`.

    Attributes:
        row: parameters of each row, without places; gadget and moduli may be others than those of a row alone.
        most_rows: in a tensor.
        rows_per_answer: as of `RowsTogether`.
    """

    row: LevelledParameters
    most_rows: int
    rows_per_answer: int = 0

    def __post_init__(self) -> None:
        require(self.most_rows >= 2, f"{self.most_rows} rows together, at least 2")
        require(
            self.rows_per_answer <= self.most_rows,
            f"{self.rows_per_answer} rows per answer, of {self.most_rows} rows together",
        )
        self.of(self.most_rows)

    def of(self, rows: int) -> RowsTogether:
        """See `Batch`."""
        require(1 <= rows <= self.most_rows, f"{rows} rows together, 1 to {self.most_rows} were agreed on")
        return RowsTogether(self.row, rows, self.rows_per_answer)

    def to_bytes(self) -> bytes:
        """Canonical bytes of a BatchSpec."""
        message = pb.ClientSpec()
        self.row.write(message)
        return to_canonical_bytes(
            pb.BatchSpec(rows=self.most_rows, levelled=message.levelled, rows_per_answer=self.rows_per_answer)
        )

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes."""
        return hashlib.sha256(self.to_bytes()).digest()


@batch_reader(LEVELLED)
def read_levelled_batch(alone: LevelledParameters | LinearParameters, data: bytes) -> LevelledBatch:
    """From a server's canonical BatchSpec, for a model whose rows have the parameters `alone`.

    Raises:
        MalformedMessageError: it is damaged, or not of this model: what a client has pinned, and what an answer means,
            are the same for rows together.
    """
    message = from_canonical_bytes(pb.BatchSpec, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what="batch")
    require(message.HasField("levelled"), "a batch without them")
    if message.levelled.HasField("linear") or not isinstance(alone, LevelledParameters):
        raise MalformedMessageError("levelled parameters: a batch of a linear model, whose rows travel alone")
    row = LevelledParameters.of_message(message.levelled, alone.p_error)
    for what in ("keyset", "inputs", "outputs", "maximum"):
        got, expected = getattr(row, what), getattr(alone, what)
        require(got == expected, f"a batch of {what} {got}, the model's is {expected}")
    return LevelledBatch(row, message.rows, message.rows_per_answer)
