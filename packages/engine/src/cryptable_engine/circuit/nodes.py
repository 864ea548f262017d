"""The nodes of a circuit: an input, linear maps, table lookups, and products of bits with linear forms."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptable_protocol.messages import circuit as pb

IntArray = npt.NDArray[np.int64]


class GroupKind(enum.Enum):
    """How the elements of an input group depend on each other."""

    THERMOMETER = pb.InputGroup.THERMOMETER
    """Bits that never increase: 1 1 1 0 0."""
    RANGE = pb.InputGroup.RANGE
    """Independent integers from 0 to `maximum`."""


@dataclass(frozen=True)
class InputGroup:
    """A run of `size` input elements, each at most `maximum`."""

    kind: GroupKind
    size: int
    maximum: int = 1


@dataclass(frozen=True)
class Input:
    """The encrypted vector that a client sends: the elements of its groups, in order."""

    groups: tuple[InputGroup, ...]

    @property
    def size(self) -> int:
        """Elements of the value."""
        return sum(group.size for group in self.groups)


@dataclass(frozen=True, eq=False)
class Term:
    """One source of a Linear: a sparse integer matrix of shape (source size, value size), by coordinates.

    `rows`, `columns` and `weights` have one entry for each non-zero, sorted by (row, column).
    """

    source: int
    rows: IntArray
    columns: IntArray
    weights: IntArray

    @classmethod
    def from_dense(cls, source: int, matrix: npt.ArrayLike) -> Term:
        """From a matrix of shape (source size, value size)."""
        dense = np.asarray(matrix, np.int64)
        rows, columns = np.nonzero(dense)
        return cls(source, rows.astype(np.int64), columns.astype(np.int64), dense[rows, columns])

    def to_dense(self, source_size: int, size: int) -> IntArray:
        """The matrix, shape (source size, value size)."""
        dense = np.zeros((source_size, size), np.int64)
        dense[self.rows, self.columns] = self.weights
        return dense


@dataclass(frozen=True, eq=False)
class Linear:
    """value = offset + the sum over terms of (source value) @ (term's matrix)."""

    terms: tuple[Term, ...]
    offset: IntArray

    @property
    def size(self) -> int:
        """Elements of the value."""
        return int(self.offset.shape[0])


@dataclass(frozen=True, eq=False)
class Lookup:
    """value[j] = tables[table_of[j], source[j]]; `tables` has shape (number of tables, 2^width).

    With `mirrors`, one even number a table, the position looked up is (source[j] + half) >> dropped_bits, which is the
    nearest, where half = 2^dropped_bits / 2. It wraps around: it is taken modulo 2^(width + 1), and a position p beyond
    the table reads mirror - tables[table_of[j], p - 2^width]. That is how a bootstrapping reads a torus, and so what it
    costs depends on the width alone. Under encryption such a lookup may take a neighbouring position, where its source
    lies within the noise of the border between them. Without mirrors no bit is dropped, and no source lies outside.
    """

    source: int
    tables: IntArray
    table_of: IntArray
    dropped_bits: int = 0
    mirrors: IntArray | None = None

    @property
    def width(self) -> int:
        """Bits of the looked-up value."""
        return int(self.tables.shape[1]).bit_length() - 1

    @property
    def size(self) -> int:
        """Elements of the value, one PBS each."""
        return int(self.table_of.shape[0])


@dataclass(frozen=True, eq=False)
class Product:
    """value[i * m + j] = input[bits[i]] * source[i * m + j], where m = source size / number of bits.

    A block of m elements is a vector with one element an output, which the scheme `levelled` multiplies at once.
    """

    source: int
    bits: IntArray
    size: int
    """Elements of the value: those of the source."""

    @property
    def block(self) -> int:
        """m: elements that each bit multiplies."""
        return self.size // len(self.bits)


Node = Input | Linear | Lookup | Product
