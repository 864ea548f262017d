"""From tables, exponents and digits to a circuit of integers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Rotation, Term
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.circuit.circuit import Node

from cryptable.errors import ConstantModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.levelled.one_layer.exponents import rounded_exponents
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.input_digits import InputDigits
from cryptable.planner.levelled.one_layer.tables import Tables

_ROUNDS = 3
"""In which the unit of scores is fitted to a modulus."""
_VARIANCE_OF_LINES = 0.1
"""Of what rounding a bit's line errs: a bit's own is 0.25 at most, and its mean and other lines make up for it."""
_SLACK = 0.25
"""Of the reach, for what rounding adds to it."""


@dataclass(frozen=True, eq=False)
class TurnedNetwork:
    """A network in floats, but for its exponents, which are whole.

    score = bits @ lines + constant + the sum over neurons of tables[:, neuron] at position bits @ exponents[:, neuron].

    Attributes:
        lines: shape (bits, outputs).
        constant: shape (outputs,).
        exponents: shape (bits, neurons), in 0 … 2 · positions − 1, no two columns equal and none 0.
        tables: shape (neurons, positions, outputs).
        groups: elements of each encoder.
        shares: of the bits, by which the lines of some make up for what rounding those of others errs.
    """

    lines: FloatArray
    constant: FloatArray
    exponents: IntArray
    tables: FloatArray
    groups: tuple[int, ...]
    shares: FloatArray

    @property
    def products(self) -> int:
        """Of one evaluation."""
        return self._rotation(1.0).products if self.exponents.size else 0

    @property
    def turning(self) -> int:
        """Bits that turn tables: selectors."""
        return int(self.exponents.any(axis=1).sum())

    @property
    def terms(self) -> float:
        """Numbers that are rounded and added up for one score; lines of bits, which are off at times, count less."""
        return len(self.tables) + _VARIANCE_OF_LINES * len(self.lines)

    def without_idle_bits(self, means: FloatArray, deviations: FloatArray, allowed: float) -> TurnedNetwork:
        """Without the lines of bits that turn no table, as far as these make little difference; but for their mean.

        Args:
            means: of the bits, over calibration data, shape (bits,).
            deviations: likewise.
            allowed: root mean square of the difference.
        """
        still = ~self.exponents.any(axis=1)
        matter = np.where(still, np.abs(self.lines).max(axis=1) * deviations, np.inf)
        order = np.argsort(matter, kind="stable")
        idle = order[np.cumsum(matter[order] ** 2) <= allowed**2]
        lines = self.lines.copy()
        lines[idle] = 0.0
        return replace(self, lines=lines, constant=self.constant + means[idle] @ self.lines[idle])

    def scores(self, bits: FloatArray) -> FloatArray:
        """Of rows of bits, shape (rows, bits), before scores are rounded to a unit: shape (rows, outputs)."""
        found = bits @ self.lines + self.constant
        positions = self.tables.shape[1]
        place = np.rint(bits @ self.exponents.astype(np.float64)).astype(np.int64) % (2 * positions)
        for table, at in zip(self.tables, place.T, strict=True):
            found += np.where(at < positions, 1.0, -1.0)[:, None] * table[at % positions]
        return found

    def _rotation(self, unit: float) -> Rotation:
        kept = np.flatnonzero(self.exponents.any(axis=1))
        return Rotation(kept, self.exponents[kept], np.rint(self.tables / unit).astype(np.int64))

    def circuit(self, unit: float) -> Circuit:
        """With scores in multiples of a unit; the lowest value of each is 0.

        Raises:
            ConstantModelError: at this unit, nothing depends on the input.
        """
        if not unit:
            raise _constant()
        lines = rounded_exponents(self.lines / unit, self.shares, 0.5, keep_common=False)
        nodes: list[Node] = [Input(tuple(InputGroup(GroupKind.RANGE, size) for size in self.groups))]
        terms = [Term.from_dense(0, lines)] if lines.any() else []
        if self.exponents.size:
            nodes.append(self._rotation(unit))
            terms.append(Term.from_dense(1, np.eye(lines.shape[1])))
        if not terms:
            raise _constant()
        answer = Linear(tuple(terms), np.zeros(lines.shape[1], np.int64))
        low = bounds(Circuit((*nodes, answer), len(nodes)))[-1].low
        return Circuit((*nodes, replace(answer, offset=-low)), len(nodes))

    def fitted(self, modulus: int) -> tuple[Circuit, float]:
        """The circuit of about the smallest unit whose outputs are below a modulus, and the unit."""
        unit = self.reach / (modulus - 1)
        circuit = self.circuit(unit)
        for _ in range(_ROUNDS):
            tried = unit * 1.0005 * int(bounds(circuit)[-1].high.max()) / (modulus - 1)
            finer = self.circuit(tried)
            if int(bounds(finer)[-1].high.max()) >= modulus:
                break
            circuit, unit = finer, tried
        return circuit, unit

    @property
    def reach(self) -> float:
        """What the widest score can vary by, at most: more than its circuit's bounds say."""
        return self.width * (1 + _SLACK)

    @property
    def width(self) -> float:
        """The same before anything is rounded."""
        tables = 2 * np.abs(self.tables).max(axis=1, initial=0.0).sum(axis=0) if len(self.tables) else 0.0
        found = np.abs(self.lines).sum(axis=0) + tables
        return float(found.max())


def _constant() -> ConstantModelError:
    return ConstantModelError("the network gives the same scores for every input: there is nothing to compute")


def turned_network(
    layer: HiddenLayer, digits: InputDigits, tables: Tables, exponents: IntArray, bits: FloatArray, shares: FloatArray
) -> TurnedNetwork:
    """Put together what was chosen; what exponents err on average is made up for by lines of the bits.

    Args:
        layer: the network.
        digits: what each bit adds.
        tables: of its functions.
        exponents: shape (bits, neurons), of any sign.
        bits: of calibration data, shape (rows, bits).
        shares: of the bits, shape (bits, bits).
    """
    step, mean_slope = tables.step, tables.mean_slope
    usual = bits.mean(axis=0)
    exact = digits.offset + usual @ digits.sums
    first = np.rint((exact - tables.low) / step - usual @ exponents).astype(np.int64)
    # f(z) = slope z + constant + h(z'), where z' is the sum that the position stands for, and h(z) is about
    # h(z') + mean_slope (z − z').
    lines = (tables.slope * digits.sums + mean_slope * (digits.sums - step * exponents)) @ layer.weights + digits.scores
    at_zero = tables.slope * digits.offset + tables.constant
    at_zero = at_zero + mean_slope * (digits.offset - tables.low - step * first)
    constant = at_zero @ layer.weights + digits.base
    held = tables.turned(first).T[:, :, None] * layer.weights[:, None, :]
    columns, place = np.unique(exponents % (2 * tables.positions), axis=1, return_inverse=True)
    merged = np.zeros((columns.shape[1], *held.shape[1:]))
    np.add.at(merged, place.ravel(), held)
    still = ~columns.any(axis=0)
    constant = constant + merged[still, 0].sum(axis=0)
    sizes = tuple(encoder.size for encoder in digits.encoders if encoder.size)
    turning = np.ascontiguousarray(columns[:, ~still])
    return TurnedNetwork(lines, constant, turning, merged[~still], sizes, shares)
