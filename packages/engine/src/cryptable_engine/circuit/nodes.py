"""The nodes of a circuit: an input, linear maps, lookups, products of bits with forms, turned tables, squares."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from cryptable_protocol.messages import circuit as pb

from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.circuit.turning_tree import TurningTree

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


@dataclass(frozen=True, eq=False)
class Rotation:
    """value = the sum over neurons k of tables[k], read at the position that bits of the input move it to.

    That is position p = input[bits] @ exponents[:, k], taken modulo 2 P for tables of P positions; one p of P or more
    reads entry p - P, negated: tables repeat with the other sign, as a polynomial modulo X^N + 1 that is turned does.

    `bits` are increasing elements of the Input, `exponents` have shape (bits, neurons), in 0 .. 2 P - 1, and `tables`
    (neurons, P, outputs). `trees` turn tables besides, each by the exponents of one of its leaves.
    """

    bits: IntArray
    exponents: IntArray
    tables: IntArray
    trees: tuple[TurningTree, ...] = ()

    @property
    def neurons(self) -> int:
        """Tables."""
        return int(self.tables.shape[0])

    @property
    def positions(self) -> int:
        """P: entries of a table, after which they repeat with the other sign."""
        return int(self.tables.shape[1])

    @property
    def size(self) -> int:
        """Elements of the value: outputs."""
        return int(self.tables.shape[2])

    @property
    def signed_exponents(self) -> IntArray:
        """The same turns, as −P + 1 .. P."""
        return self.signed(self.exponents)

    def signed(self, exponents: IntArray) -> IntArray:
        """Exponents as −P + 1 .. P."""
        return np.where(exponents > self.positions, exponents - 2 * self.positions, exponents)

    @property
    def turning(self) -> IntArray:
        """Elements of the Input that turn tables, by themselves or in trees, increasing."""
        asked = [tree.bits[tree.moves] for tree in self.trees]
        found: IntArray = np.unique(np.concatenate([self.bits, *asked]))
        return found

    @property
    def is_turned(self) -> npt.NDArray[np.bool_]:
        """Which tables trees turn, shape (neurons,)."""
        found = np.zeros(self.neurons, np.bool_)
        for tree in self.trees:
            found[tree.neurons] = True
        return found

    @property
    def is_common(self) -> npt.NDArray[np.bool_]:
        """Which bits turn all of several neurons alike, so that the sum of them is turned at once; shape (bits,).

        Each neuron has a turn of its own: where one has none but by such bits, the first of these is not among them.
        """
        alike: npt.NDArray[np.bool_] = (self.exponents == self.exponents[:, :1]).all(axis=1) & (self.neurons > 1)
        if alike.any() and not (self.exponents[~alike].any(axis=0) | self.is_turned).all():
            alike[np.argmax(alike)] = False
        return alike

    @cached_property
    def signs(self) -> IntArray:
        """For each neuron, the index in `bits` of the only bit that turns it by P, which changes its sign, or −1.

        Not of neurons that trees turn, and not a bit that turns all alike; shape (neurons,).
        """
        is_half = (self.exponents == self.positions) & ~self.is_common[:, None] & ~self.is_turned
        if not is_half.size:
            return np.full(self.neurons, -1)
        found: IntArray = np.where(is_half.sum(axis=0) == 1, is_half.argmax(axis=0), -1)
        return found

    @cached_property
    def table_of(self) -> IntArray:
        """For each neuron, which table it is a part of, shape (neurons,), numbered as they first occur.

        Neurons that are turned alike but for a sign each are one: with these signs, which are linear forms of bits,
        they are added up, and turned at once.
        """
        signs, turns = self.signs, self.exponents.copy()
        signed = np.flatnonzero(signs >= 0)
        turns[signs[signed], signed] = 0
        turns = np.concatenate([turns, *(tree.exponents for tree in self.trees)])
        _, first, table = np.unique(turns, axis=1, return_index=True, return_inverse=True)
        found: IntArray = np.argsort(np.argsort(first))[table.ravel()]
        return found

    @property
    def turns(self) -> IntArray:
        """Products by each bit, shape (bits,): of neurons that are one table once, but for their signs."""
        signs = self.signs
        _, first = np.unique(self.table_of, return_index=True)
        found = np.count_nonzero(self.exponents[:, first], axis=1)
        others = np.delete(signs, first)
        signed = np.bincount(others[others >= 0], minlength=len(self.bits))
        turns: IntArray = np.where(self.is_common, 1, found + signed)
        return turns

    @property
    def read_signs(self) -> int:
        """Those of the products that are signs of neurons that are one table: linear forms."""
        _, table, count = np.unique(self.table_of, return_inverse=True, return_counts=True)
        return int(np.count_nonzero((self.signs >= 0) & (count[table] > 1)))

    @property
    def products(self) -> int:
        """External products: one for each exponent but 0, bit that turns all neurons alike, and split of a tree."""
        return int(self.turns.sum()) + sum(tree.products for tree in self.trees)


@dataclass(frozen=True, eq=False)
class Square:
    """value[j] = source[j] squared; the source is a Linear or Convolution."""

    source: int
    size: int
    """Elements of the value: those of the source."""


Node = Input | Linear | Convolution | Lookup | Product | Rotation | Square
