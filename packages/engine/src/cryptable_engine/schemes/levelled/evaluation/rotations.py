"""The tables of a plan, turned by encrypted bits and added up."""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.circuit.turning_tree import TurningTree
from cryptable_engine.schemes.levelled.evaluation.decomposition import transformed_digits
from cryptable_engine.schemes.levelled.evaluation.hiding import encryption_of_zero
from cryptable_engine.schemes.levelled.evaluation.product_memory import CHUNK
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import (
    HALF,
    ComplexArray,
    centre,
    doubles,
    fold,
    forward,
    inverse,
)
from cryptable_engine.schemes.levelled.evaluation.workspace import Workspace
from cryptable_engine.schemes.levelled.plans.turns import NO_BIT, Turns, body_gadget

_QUARTER_TURNS = (1.0, -1j, -1.0, 1j)
"""X^(−k · N/2) of folded polynomials."""


class Rotations:
    """Turns made ready: transforms of the digits by which each table gets its mask."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._tables = fold(turns.tables)
        self._begun_digits = forward(fold(turns.begun.digits(turns.gadget)))
        self._begun = np.searchsorted(turns.begun.table, np.arange(turns.neurons + 1))
        gadget = turns.gadget
        self._body = body_gadget(gadget)
        self._together = gadget.levels // self._body.levels

    def evaluate(self, space: Workspace, keys: ServerKeys) -> ComplexArray:
        """The sum of the turned tables, folded, shape (2, N/2), from what `space` holds of leaves, transformed.

        Args:
            space: of the row.
            keys: of the client: tables that trees alone turn begin with an encryption of zero by their public pair.
        """
        turns = self._turns
        self._begin(space, keys)
        for bit in np.flatnonzero(turns.own.any(axis=1)).tolist():
            neurons = np.flatnonzero(turns.own[bit])
            for first in range(0, len(neurons), CHUNK):
                chosen = neurons[first : first + CHUNK]
                self._turn(bit, space.tables, chosen.tolist(), turns.powers[bit, chosen].tolist(), space)
        for tree, asked in zip(turns.trees, turns.asked, strict=True):
            for first in range(0, len(tree.neurons), CHUNK):
                chosen = tree.neurons[first : first + CHUNK]
                space.tables[chosen] = self._led(tree, asked, 0, chosen, space)
        total = space.tables[:1]
        for table in space.tables[1:]:
            np.add(total[0], table, out=total[0])
        centre(doubles(total), doubles(space.pairs[:1]))
        for bit in np.flatnonzero(turns.common).tolist():
            self._turn(bit, total, [0], [int(turns.powers[bit, 0])], space)
        answer: ComplexArray = total[0]
        return answer

    def _rows(self, selector: int, space: Workspace) -> tuple[ComplexArray, ComplexArray]:
        """Of a selector's GGSW ciphertext: rows for the digits of masks, and for those of bodies."""
        levels = self._turns.gadget.levels
        first = selector * levels
        return (
            space.switched[first : first + levels],
            space.leaves[first + self._together - 1 : first + levels : self._together],
        )

    def _begin(self, space: Workspace, keys: ServerKeys) -> None:
        """Every table with its first turn, or signs, which are linear forms of leaves: digits are known beforehand.

        Those without a first turn have the mask of an encryption of zero: digits of what comes are as if random then.
        """
        turns, spare = self._turns, space.rows[0]
        levels = turns.gadget.levels
        for start in range(0, turns.neurons, CHUNK):
            end = min(start + CHUNK, turns.neurons)
            totals = space.tables[start:end]
            totals.fill(0.0)
            for neuron, total in enumerate(totals, start):
                for form in range(self._begun[neuron], self._begun[neuron + 1]):
                    first = int(turns.selector[turns.begun.bit[form]]) * levels
                    rows = space.leaves[first : first + levels]
                    for digit, row in zip(self._begun_digits[:, form], rows, strict=True):
                        np.multiply(digit, row, out=spare)
                        np.add(total, spare, out=total)
            np.copyto(totals, inverse(totals))
            for neuron in (start + np.flatnonzero(turns.first[start:end] == NO_BIT)).tolist():
                np.add(space.tables[neuron], fold(encryption_of_zero(keys)), out=space.tables[neuron])
            totals[:, 1] += self._tables[start:end]
            centre(doubles(totals), doubles(space.pairs[: end - start]))

    def _turn(self, bit: int, tables: ComplexArray, chosen: list[int], powers: list[int], space: Workspace) -> None:
        """tables[k] += bit · (X^(−power) − 1) · tables[k] for each of the chosen ones, at most `CHUNK`."""
        parts = space.parts[:, : len(chosen)]
        for place, (neuron, power) in enumerate(zip(chosen, powers, strict=True)):
            _difference(tables[neuron], power, parts[:, place])
        products = self._products(int(self._turns.selector[bit]), len(chosen), space)
        for neuron, product in zip(chosen, products, strict=True):
            table = tables[neuron]
            np.add(table, product, out=table)
            centre(doubles(table), doubles(space.rows[0]))

    def _led(self, tree: TurningTree, asked: IntArray, node: int, neurons: IntArray, space: Workspace) -> ComplexArray:
        """Tables as the leaf of a subtree turns them that a row leads to, shape (neurons, 2, N/2).

        A split is low + bit · (high − low). Where all leaves are alike, there is nothing to decide.
        """
        if not tree.moves[node]:
            powers = tree.exponents[tree.leaf[node], neurons] * self._turns.stride
            moved = np.empty((len(neurons), *space.tables.shape[1:]), np.complex128)
            for neuron, power, out in zip(neurons.tolist(), powers.tolist(), moved, strict=True):
                _moved(space.tables[neuron], power, out)
            return moved
        low = self._led(tree, asked, node + 1, neurons, space)
        high = self._led(tree, asked, int(tree.high[node]), neurons, space)
        np.subtract(high.transpose(1, 0, 2), low.transpose(1, 0, 2), out=space.parts[:, : len(neurons)])
        low += self._products(int(asked[node]), len(neurons), space)
        centre(doubles(low), doubles(high))
        return low

    def _products(self, selector: int, count: int, space: Workspace) -> ComplexArray:
        """A selector's bit times `count` ciphertexts, whose masks and bodies are in `space.parts`: (count, 2, N/2)."""
        gadget, body, parts = self._turns.gadget, self._body, space.parts[:, :count]
        centre(doubles(parts), doubles(space.more_parts[:, :count]))
        levels = gadget.levels * count
        masks = transformed_digits(parts[0], gadget, space.digits[:levels].reshape(gadget.levels, count, HALF))
        bodies = transformed_digits(
            parts[1],
            body,
            space.digits[levels : levels + body.levels * count].reshape(body.levels, count, HALF),
        )
        mask_rows, body_rows = self._rows(selector, space)
        products, spare = space.pairs[:count], space.rows[0]
        for place, total in enumerate(products):
            np.multiply(masks[0, place], mask_rows[0], out=total)
            for digit, row in zip(masks[1:, place], mask_rows[1:], strict=True):
                np.multiply(digit, row, out=spare)
                np.add(total, spare, out=total)
            for digit, row in zip(bodies[:, place], body_rows, strict=True):
                np.multiply(digit, row, out=spare)
                np.add(total, spare, out=total)
        return inverse(products)


def _difference(ciphertext: ComplexArray, power: int, out: ComplexArray) -> None:
    """Write (X^(−power) − 1) · ciphertext, folded, shape (2, N/2), to `out`, for a power of 0 … 2N − 1."""
    _moved(ciphertext, power, out)
    np.subtract(out, ciphertext, out=out)


def _moved(ciphertext: ComplexArray, power: int, out: ComplexArray) -> None:
    """Write X^(−power) · ciphertext, folded, shape (2, N/2), to `out`, for a power of 0 … 2N − 1."""
    quarters, rest = divmod(power, HALF)
    # What wraps around changes its half, and its sign where it leaves the lower one: one quarter turn more.
    np.multiply(ciphertext[:, rest:], _QUARTER_TURNS[quarters], out=out[:, : HALF - rest])
    np.multiply(ciphertext[:, :rest], _QUARTER_TURNS[(quarters + 1) % 4], out=out[:, HALF - rest :])
