"""Turns: a rotation's tables as polynomials, and the products by selectors that turn them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, Gadget
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

from cryptable_engine.circuit.circuit import IntArray, Rotation
from cryptable_engine.circuit.turning_tree import TurningTree
from cryptable_engine.errors import ProgramMismatchError
from cryptable_engine.schemes.levelled.plans.digits import FloatArray, digits
from cryptable_engine.schemes.levelled.plans.torus import on_torus

BoolArray = npt.NDArray[np.bool_]
NO_BIT = -1
_AT_ONCE = 64
"""Forms whose digits are made at once, where they are only looked at."""
_ROUNDING = 1 + 1e-9
"""Of sums that transforms compute."""


def body_gadget(gadget: Gadget) -> Gadget:
    """Digits of a table's body: rows for bodies have so little noise that two small digits can be one large one."""
    return Gadget(2, 10) if gadget == Gadget(4, 5) else gadget


@dataclass(frozen=True, eq=False)
class Begun:
    """Linear forms of leaves that tables begin with: first turns, and signs of neurons that are one table.

    Form f adds bit_i · (X^(−power[f]) − 1) · polynomial[f] to table[f], i being bit[f]; sorted by table.
    """

    table: IntArray
    bit: IntArray
    power: IntArray
    polynomial: FloatArray
    """Shape (forms, N)."""

    @property
    def forms(self) -> int:
        """How many."""
        return len(self.table)

    def digits(self, gadget: Gadget, forms: slice | IntArray = slice(None)) -> FloatArray:
        """Of the differences of some forms, small ones: shape (levels, forms, N)."""
        differences = turned(self.polynomial[forms], self.power[forms]) - self.polynomial[forms]
        differences -= np.rint(differences)
        out = np.empty((gadget.levels, *differences.shape))
        digits(differences, gadget, out)
        return out

    def norms(self, gadget: Gadget) -> FloatArray:
        """Of digits, shape (levels, forms)."""
        parts = [
            np.sqrt(np.sum(self.digits(gadget, slice(start, start + _AT_ONCE)) ** 2, axis=2))
            for start in range(0, self.forms, _AT_ONCE)
        ]
        return np.concatenate([np.empty((gadget.levels, 0)), *parts], axis=1)

    def squares(self, gadget: Gadget, bits: int) -> FloatArray:
        """The greatest ‖·‖² of the digits of one bit's forms together, however each is turned: shape (levels, bits).

        ‖Σ_f X^(a_f) D_f‖² is the sum of inner products of two, of which none is more than their greatest correlation.
        """
        found = np.zeros((gadget.levels, bits))
        order = np.argsort(self.bit, kind="stable")
        for forms in np.split(order, np.flatnonzero(np.diff(self.bit[order])) + 1) if self.forms else ():
            for level, each in enumerate(self.digits(gadget, forms)):
                found[level, self.bit[forms[0]]] = _greatest_square(each)
        return found


@dataclass(frozen=True, eq=False)
class Turns:
    """What becomes of the tables of a Rotation: acc_k += bit_i · (X^(−powers[i, k]) − 1) · acc_k, bit after bit.

    A table begins as a ciphertext without a mask. Its first turn is by `first[k]`, and is a linear form of that
    selector's leaves, which gives it a mask; then come the other bits in their order, then trees, in theirs; then all
    tables are added up, and bits that turn all of them alike turn the sum. A table that trees alone turn has the mask
    of an encryption of zero instead of a first turn; and so has one of several neurons, besides a linear form for each
    one's sign.
    """

    selector: IntArray
    """For each bit, which of the parameters' selectors it is."""
    powers: IntArray
    """Shape (bits, neurons), 0 … 2N − 1."""
    tables: FloatArray
    """Polynomials, shape (neurons, N): residues r of position p at coefficient p · N / positions + r."""
    first: IntArray
    """Shape (neurons,): of each, the bit of its first turn, an index into `selector`; `NO_BIT` of one without."""
    begun: Begun
    common: BoolArray
    """Shape (bits,): which turn the sum of all."""
    gadget: Gadget
    stride: int
    """Coefficients of a position."""
    trees: tuple[TurningTree, ...] = ()
    asked: tuple[IntArray, ...] = ()
    """For each node of each tree, which of the parameters' selectors it multiplies by; any for leaves."""

    @property
    def neurons(self) -> int:
        """Tables."""
        return len(self.tables)

    @cached_property
    def own(self) -> BoolArray:
        """Products of single tables: shape (bits, neurons)."""
        found: BoolArray = (self.powers != 0) & ~self.common[:, None]
        begun = np.flatnonzero(self.first != NO_BIT)
        found[self.first[begun], begun] = False
        return found

    @property
    def multiplying(self) -> IntArray:
        """The parameters' selectors that some table is multiplied by: those of more than first turns."""
        asked = [each[tree.moves] for tree, each in zip(self.trees, self.asked, strict=True)]
        return np.concatenate([self.selector[self.own.any(axis=1) | self.common], *asked])

    @cached_property
    def correlated(self) -> IntArray:
        """For each table, how many have their first turn by the same bit, itself among them: shape (neurons,).

        Their masks are multiples of the same polynomials, so that digits of one may be those of another.
        """
        begun = self.first != NO_BIT
        found = np.ones(self.neurons, np.int64)
        found[begun] = np.bincount(self.first[begun], minlength=len(self.selector))[self.first[begun]]
        return found

    @property
    def masked(self) -> int:
        """Tables that begin with an encryption of zero: by no bit, or by the signs of several neurons."""
        return int((self.first == NO_BIT).sum())

    def gains(self, selectors: int) -> FloatArray:
        """Squared gains of all products of each selector but first turns: shape (selectors,).

        To turn is no change of norm, so each product's noise enters once; that of correlated ones is counted as if it
        were one and the same: (x + … + y)² ≤ n (x² + … + y²). Of a tree only one path enters; all of it is counted.
        """
        found = np.zeros(selectors)
        found[self.selector] = self.own @ self.correlated + self.common
        for tree, asked in zip(self.trees, self.asked, strict=True):
            np.add.at(found, asked[tree.moves], float(self.correlated[tree.neurons].sum()))
        return found

    @property
    def products(self) -> int:
        """External products, first ones included."""
        by_trees = sum(tree.products for tree in self.trees)
        return int(self.own.sum()) + self.begun.forms + int(self.common.sum()) + by_trees

    @property
    def depth(self) -> int:
        """Of the deepest tree."""
        return max((tree.depth for tree in self.trees), default=0)

    @cached_property
    def first_norms(self) -> FloatArray:
        """Of the digits of `begun`, shape (levels, forms)."""
        return self.begun.norms(self.gadget)

    @cached_property
    def first_squares(self) -> FloatArray:
        """Of the digits of `begun`, of each bit's forms together: shape (levels, bits)."""
        return self.begun.squares(self.gadget, len(self.selector))

    @property
    def first_left(self) -> float:
        """How far what the digits of first turns and signs leave over moves a slot at most."""
        return self.begun.forms * 2.0 ** (-self.gadget.levels * self.gadget.base_log - 1)


def _greatest_square(polynomials: FloatArray) -> float:
    """Of the sum of polynomials times any powers of X and −X: at most this; shape (count, N)."""
    twist = np.exp(-1j * np.pi * np.arange(RING_SIZE) / RING_SIZE)
    spectra = np.fft.fft(polynomials * twist)
    total = float(np.sum(polynomials**2))
    for index in range(len(polynomials) - 1):
        correlations = np.fft.ifft(spectra[index + 1 :] * spectra[index].conj())
        total += 2 * float(np.abs(correlations).max(axis=1).sum())
    return total * _ROUNDING


def turned(polynomials: FloatArray, powers: IntArray) -> FloatArray:
    """Polynomial k times X^(−powers[k]), for powers of 0 … 2N − 1: shape (count, N)."""
    source = np.arange(RING_SIZE) + powers[:, None]
    sign = np.where(source // RING_SIZE % 2, -1.0, 1.0)
    found: FloatArray = np.take_along_axis(polynomials, source % RING_SIZE, axis=1) * sign
    return found


def plan_turns(rotation: Rotation, parameters: LevelledParameters) -> Turns:
    """The turns of a circuit's rotation.

    Raises:
        ProgramMismatchError: a table's positions leave no room for the residues of all outputs.
    """
    stride, slots = RING_SIZE // rotation.positions, parameters.slots
    if slots > stride:
        raise ProgramMismatchError(
            f"program: {slots} slots, but tables of {rotation.positions} positions leave {stride} for each; compile "
            "the model again with this version"
        )
    held = np.zeros((rotation.neurons, rotation.positions, stride))
    entries = on_torus(rotation.tables.reshape(-1, rotation.size), parameters.moduli)
    held[:, :, :slots] = entries.reshape(rotation.neurons, rotation.positions, slots)
    polynomials = held.reshape(rotation.neurons, RING_SIZE)
    table_of, signs = rotation.table_of, rotation.signs
    _, chosen, count = np.unique(table_of, return_index=True, return_counts=True)
    is_one = count[table_of] > 1
    signed = np.flatnonzero(is_one & (signs != NO_BIT))
    exponents = rotation.exponents.copy()
    exponents[signs[signed], signed] = 0
    powers = exponents[:, chosen] * stride
    tables = polynomials[chosen]
    if len(tables) < len(polynomials):
        tables = np.zeros((len(chosen), RING_SIZE))
        np.add.at(tables, table_of, polynomials)
        tables -= np.rint(tables)
    first = _first_turns((powers != 0) & ~rotation.is_common[:, None] & (count == 1))
    own = np.flatnonzero(first != NO_BIT)
    table = np.concatenate([own, table_of[signed]])
    order = np.argsort(table, kind="stable")
    begun = Begun(
        table[order],
        np.concatenate([first[own], signs[signed]])[order],
        np.concatenate([powers[first[own], own], np.full(len(signed), RING_SIZE)])[order],
        np.concatenate([tables[own], polynomials[signed]])[order],
    )
    selectors = np.array(parameters.selectors, np.int64)
    return Turns(
        selector=np.searchsorted(selectors, rotation.bits),
        powers=powers,
        tables=tables,
        first=first,
        begun=begun,
        common=rotation.is_common,
        gadget=parameters.gadget,
        stride=stride,
        trees=tuple(TurningTree(tree.bits, tree.exponents[:, chosen]) for tree in rotation.trees),
        asked=tuple(np.searchsorted(selectors, tree.bits) for tree in rotation.trees),
    )


def _first_turns(turning: BoolArray) -> IntArray:
    """For each neuron a bit that turns it, if possible none that another one begins with: shape (neurons,).

    `NO_BIT` for those that none does. Neurons with the fewest bits choose first, and each takes the bit that fewest
    have taken.
    """
    taken, turned_by = np.zeros(len(turning), np.int64), turning.sum(axis=1)
    first = np.full(turning.shape[1], NO_BIT)
    for neuron in np.argsort(turning.sum(axis=0), kind="stable").tolist():
        bits = np.flatnonzero(turning[:, neuron])
        if not bits.size:
            continue
        first[neuron] = bits[np.lexsort((turned_by[bits], taken[bits]))[0]]
        taken[first[neuron]] += 1
    return first
