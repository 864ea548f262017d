"""Rows and answers of ring ciphertexts as they travel (SPEC-LEVELLED.md and SPEC-SQUARES.md, "A row", "An answer")."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from cryptable_protocol import limits
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

SEED_BYTES = 16


@dataclass(frozen=True)
class RingTensor:
    """Packed words of ring elements: of a row, with the `seed` of its masks; of an answer, without.

    `rows` is how many travel together, 0 for one that travels alone; `rows_per_answer`, how many share an answer at
    most, 0 where each has its own.
    How long `polynomials` is follows from the scheme's parameters, whose `check_input` and `check_output` compare it.
    """

    polynomials: bytes
    seed: bytes | None = None
    rows: int = 0
    rows_per_answer: int = 0

    def __post_init__(self) -> None:
        if self.seed is not None and len(self.seed) != SEED_BYTES:
            raise MalformedMessageError(f"encrypted tensor: a seed of {len(self.seed)} bytes, expected {SEED_BYTES}")
        if not self.polynomials:
            raise MalformedMessageError("encrypted tensor: no polynomials")

    def to_message(self) -> tensor_pb.EncryptedTensor:
        """As protobuf."""
        message = tensor_pb.EncryptedTensor(
            polynomials=self.polynomials, rows=self.rows, rows_per_answer=self.rows_per_answer
        )
        if self.seed is not None:
            message.seed = self.seed
        return message

    @classmethod
    def from_message(cls, message: tensor_pb.EncryptedTensor) -> RingTensor:
        """From protobuf; MalformedMessageError where it is a tensor of another scheme."""
        form = message.WhichOneof("masks")
        if form not in (None, "seed") or message.bodies or message.word_bits:
            raise MalformedMessageError("encrypted tensor: of another scheme, expected polynomials alone")
        return cls(message.polynomials, message.seed if form else None, message.rows, message.rows_per_answer)

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return to_canonical_bytes(self.to_message())

    @classmethod
    def from_bytes(cls, data: bytes) -> RingTensor:
        """From canonical bytes; raises MalformedMessageError on all others."""
        message = from_canonical_bytes(
            tensor_pb.EncryptedTensor, data, limit=limits.MAX_MESSAGE_BYTES, what="encrypted tensor"
        )
        return cls.from_message(message)


class RingMessages(ABC):
    """What parameters of ring schemes say of a row's and an answer's messages, whose packed words they count."""

    @property
    @abstractmethod
    def row_bytes(self) -> int:
        """Packed words of a row."""

    @property
    @abstractmethod
    def answer_bytes(self) -> int:
        """Packed words of an answer."""

    @property
    def rows_together(self) -> int:
        """Of a tensor: 0 where each row travels alone."""
        return 0

    @property
    def rows_per_answer(self) -> int:
        """Of packed answers, at most: 0 where each row has its own."""
        return 0

    @property
    def row_message_bytes(self) -> int:
        """With the seed, framed."""
        tensor = RingTensor(bytes(self.row_bytes), bytes(SEED_BYTES), self.rows_together, self.rows_per_answer)
        return len(tensor.to_bytes())

    @property
    def answer_message_bytes(self) -> int:
        """Framed."""
        tensor = RingTensor(bytes(self.answer_bytes), rows=self.rows_together, rows_per_answer=self.rows_per_answer)
        return len(tensor.to_bytes())

    def check_input(self, message: tensor_pb.EncryptedTensor) -> bytes:
        """A row's canonical bytes, if it has a seed and exactly the packed words."""
        return check_row(message, self.row_bytes, self.rows_together, self.rows_per_answer)

    def check_output(self, message: tensor_pb.EncryptedTensor) -> None:
        """Whether an answer has exactly the packed words, and no seed."""
        check_answer(message, self.answer_bytes, self.rows_together, self.rows_per_answer)


class RingParameters(RingMessages):
    """What parameters of ring schemes say of their outputs, which are residues put together: 0 to `maximum`."""

    maximum: int

    @property
    def output_bits(self) -> int:
        """Bits of the highest value of an output."""
        return max(1, self.maximum.bit_length())

    @property
    def most_further_bits(self) -> int:
        """None: residues have no lower bits."""
        return 0


def check_row(message: tensor_pb.EncryptedTensor, size: int, rows: int = 0, rows_per_answer: int = 0) -> bytes:
    """The canonical bytes of a row, or of so many together, if it has a seed and exactly `size` packed bytes."""
    _check_form(message, "seed", rows, rows_per_answer)
    if len(message.seed) != SEED_BYTES:
        raise MalformedMessageError(f"row: a seed of {len(message.seed)} bytes, expected {SEED_BYTES}")
    _check_size(message, "row", size)
    return to_canonical_bytes(message)


def check_answer(message: tensor_pb.EncryptedTensor, size: int, rows: int = 0, rows_per_answer: int = 0) -> None:
    """Whether an answer, to one row or so many together, has exactly `size` packed bytes, and no seed."""
    _check_form(message, None, rows, rows_per_answer)
    _check_size(message, "answer", size)


def _check_form(message: tensor_pb.EncryptedTensor, form: str | None, rows: int, rows_per_answer: int) -> None:
    if message.WhichOneof("masks") != form or message.bodies or message.word_bits:
        raise MalformedMessageError(
            f"encrypted tensor: a row of another scheme, expected {'a seed and ' if form else ''}polynomials alone"
        )
    if message.rows != rows:
        raise MalformedMessageError(f"encrypted tensor: of {message.rows} rows together, expected {rows}")
    if message.rows_per_answer != rows_per_answer:
        raise MalformedMessageError(
            f"encrypted tensor: {message.rows_per_answer} rows per answer, expected {rows_per_answer}"
        )


def _check_size(message: tensor_pb.EncryptedTensor, what: str, size: int) -> None:
    if len(message.polynomials) != size:
        raise MalformedMessageError(f"{what}: polynomials of {len(message.polynomials)} bytes, expected {size}")
