"""SchemeParameters: what a client specification says of keys and ciphertexts, and where the schemes are found.

A scheme is a name and one folder in each of four packages: here its parameters, in the client its keys and encryption,
in the engine its evaluation, in dev its prices. Everything outside those folders works with the Protocols below.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from cryptable_protocol.errors import InternalError, MalformedMessageError
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.messages import tensor as tensor_pb

LEVELLED = "levelled"
SQUARES = "squares"
BATCH_FILE = "batch.bin"
"""In a program's folder: the canonical BatchSpec, where rows travel together."""
PACKED_FILE = "packed.bin"
"""Likewise, the one whose answers are packed."""
BOOTSTRAPPED = "bootstrapped"
"""The scheme of a specification that names no other, and of every artifact made before there were several."""


class Keyset(Protocol):
    """The parameters of a client's keys: models with keysets of one name work with the same keys."""

    scheme: ClassVar[str]
    is_universal: ClassVar[bool]
    """Whether one keyset serves every model of every server, so that keys found by it alone would link their owner."""

    @property
    def name(self) -> bytes:
        """SHA-256 of the canonical parameters, 32 bytes."""

    @property
    def evaluation_keys_bytes(self) -> int:
        """Exact length of the evaluation keys on the wire; 0 where none are needed."""


class Tensor(Protocol):
    """A row or an answer, encrypted."""

    def to_message(self) -> tensor_pb.EncryptedTensor:
        """As protobuf."""

    def to_bytes(self) -> bytes:
        """Canonical bytes."""


class Batch(Protocol):
    """How several rows of one model travel in one tensor."""

    @property
    def most_rows(self) -> int:
        """In a tensor; at least 2."""

    @property
    def rows_per_answer(self) -> int:
        """Rows that share an answer, at most; 0 where each has one of its own."""

    def to_bytes(self) -> bytes:
        """Canonical bytes of a BatchSpec."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of them."""

    def of(self, rows: int) -> SchemeParameters:
        """Parameters of a tensor with so many rows, one after the other: of their inputs, and of their outputs.

        Raises:
            MalformedMessageError: 0 rows, or more than there may be.
        """


class SchemeParameters(Protocol):
    """Parameters of keys, rows and answers of one model. Every size is known before a byte is read."""

    scheme: ClassVar[str]

    @property
    def keyset(self) -> Keyset:
        """Of the keys that a client needs."""

    @property
    def p_error(self) -> float:
        """Probability that one operation, or the reading of the answer, fails."""

    @property
    def key_memory_bytes(self) -> int:
        """Estimate of the memory that a client's evaluation keys take once they are made ready."""

    @property
    def inputs(self) -> int:
        """Integers of a row."""

    @property
    def input_bits(self) -> int:
        """Bits of each: 0 .. 2^input_bits - 1."""

    @property
    def outputs(self) -> int:
        """Integers of an answer."""

    @property
    def output_bits(self) -> int:
        """Bits of each."""

    @property
    def most_further_bits(self) -> int:
        """Noisy bits below an output's that may be read (approximate readout); 0 where the scheme knows none."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one encrypted row, without the few of its framing."""

    @property
    def answer_bytes(self) -> int:
        """Bytes of one answer, without the few of its framing."""

    @property
    def row_message_bytes(self) -> int:
        """Exact length of a row's canonical bytes."""

    @property
    def answer_message_bytes(self) -> int:
        """Exact length of an answer's canonical bytes."""

    def check_input(self, message: tensor_pb.EncryptedTensor) -> bytes:
        """A row's canonical bytes; MalformedMessageError says what was got and what was expected."""

    def check_output(self, message: tensor_pb.EncryptedTensor) -> None:
        """MalformedMessageError where an answer has not exactly the form that these parameters fix."""

    def pinned_facts(self) -> Mapping[str, object]:
        """What decides over a user's keys and the meaning of an answer, under names for people, as JSON can hold it."""

    def write(self, message: pb.ClientSpec) -> None:
        """Fill the scheme's own fields of a client specification."""

    @classmethod
    def read(cls, message: pb.ClientSpec) -> SchemeParameters | None:
        """From a client specification, None where it is of another scheme; MalformedMessageError where damaged."""


Kind = TypeVar("Kind", bound=type[SchemeParameters])

ReadBatch = Callable[[Any, bytes], Batch]
Reader = TypeVar("Reader", bound=ReadBatch)

_KINDS: dict[str, type[SchemeParameters]] = {}
_BATCHES: dict[str, ReadBatch] = {}


def scheme_parameters(kind: Kind) -> Kind:
    """Decorator: the parameters of the scheme that `kind.scheme` names.

    Raises:
        ValueError: there is one of that name already.
    """
    if _KINDS.setdefault(kind.scheme, kind) is not kind:
        raise ValueError(f"two kinds of parameters of scheme {kind.scheme!r}")
    return kind


def read_parameters(message: pb.ClientSpec) -> SchemeParameters:
    """The parameters of the scheme that a client specification is of.

    Raises:
        MalformedMessageError: they are missing, damaged, or those of several schemes.
    """
    _discover()
    for kind in sorted(_KINDS.values(), key=lambda kind: kind.scheme == BOOTSTRAPPED):
        parameters = kind.read(message)
        if parameters is not None:
            return parameters
    raise InternalError("the bootstrapped scheme reads what no other does")


def batch_reader(scheme: str) -> Callable[[Reader], Reader]:
    """Decorator, in a module `batch` of the scheme's folder: reads a BatchSpec of a model of given parameters."""

    def registered(reader: Reader) -> Reader:
        _BATCHES[scheme] = reader
        return reader

    return registered


def read_batch(parameters: SchemeParameters, data: bytes) -> Batch:
    """How rows of a model travel together, from a server's canonical BatchSpec.

    Args:
        parameters: of a row that travels alone, from the client specification.
        data: the server's.

    Raises:
        MalformedMessageError: it is damaged, or not of this model; or rows of this scheme always travel alone.
    """
    _discover()
    if parameters.scheme not in _BATCHES:
        raise MalformedMessageError(f"batch: rows of the scheme {parameters.scheme} travel alone")
    return _BATCHES[parameters.scheme](parameters, data)


@cache
def _discover() -> None:
    package = importlib.import_module("cryptable_protocol.schemes")
    for folder in pkgutil.iter_modules(package.__path__):
        if not folder.ispkg:
            continue
        inside = importlib.import_module(f"{package.__name__}.{folder.name}")
        for module in pkgutil.iter_modules(inside.__path__):
            if module.name in ("parameters", "batch"):
                importlib.import_module(f"{inside.__name__}.{module.name}")
