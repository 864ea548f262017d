"""LinearPlan: a circuit's matrix as polynomials of residues of its weights (SPEC-LEVELLED.md, "Linear models")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters

from cryptable_engine.circuit.circuit import Circuit, Input, IntArray, Linear
from cryptable_engine.errors import ProgramMismatchError
from cryptable_engine.schemes.levelled.plans.torus import FloatArray


@dataclass(frozen=True, eq=False)
class LinearPlan:
    """What an evaluation does.

    The sum over c of polynomial c of a row times `weights[k, c]` has in each slot what the matrix makes of the row for
    an output of part k, as a fraction of the slot's modulus, less `constant[k]`.
    """

    parameters: LinearParameters
    weights: FloatArray
    """Integers, residues between −p/2 and p/2: shape (parts, polynomials, N)."""
    constant: FloatArray
    """Of each slot, on the torus: shape (parts, slots)."""

    @property
    def price(self) -> float:
        """Microseconds of an evaluation in NumPy."""
        parts, polynomials, _ = self.weights.shape
        return 100.0 + 150.0 * polynomials + 300.0 * parts


def is_linear(circuit: Circuit) -> bool:
    """Whether a circuit is one matrix of its inputs."""
    if len(circuit.nodes) != 2 or circuit.output != 1:
        return False
    given, node = circuit.nodes
    return isinstance(given, Input) and isinstance(node, Linear)


def matrix_of(circuit: Circuit) -> tuple[IntArray, IntArray]:
    """Of a linear circuit: weights of shape (inputs, outputs), and the offset of each output."""
    node = circuit.nodes[1]
    assert isinstance(node, Linear)  # noqa: S101  (for mypy)
    matrix = np.zeros((circuit.input.size, node.size), np.int64)
    for term in node.terms:
        np.add.at(matrix, (term.rows, term.columns), term.weights)
    return matrix, node.offset


def input_bits(circuit: Circuit) -> int:
    """Of the greatest value of an input."""
    return max(group.maximum for group in circuit.input.groups).bit_length()


def make_linear_plan(circuit: Circuit, parameters: LinearParameters, highest_output: int) -> LinearPlan:
    """The plan of a linear circuit.

    Args:
        circuit: verified.
        parameters: of its client specification.
        highest_output: of any output over honest rows (`bounds.highest_output`).

    Raises:
        ProgramMismatchError: the parameters are not of this circuit; names what differs.
    """
    matrix, offset = matrix_of(circuit)
    for what, compiled, promised in (
        ("inputs", matrix.shape[0], parameters.inputs),
        ("input bits", input_bits(circuit), parameters.input_bits),
        ("outputs", matrix.shape[1], parameters.outputs),
        ("outputs' maximum", highest_output, parameters.maximum),
    ):
        if compiled != promised:
            raise ProgramMismatchError(
                f"program: the circuit has {what} {compiled}, its client spec promises {promised}; "
                "compile the model again with this version"
            )
    layout, parts, size = parameters.layout, parameters.parts, parameters.outputs_per_part
    polynomial, places = layout.input_places
    slots = layout.slots.reshape(len(parameters.moduli), -1)
    weights = np.zeros((parts, layout.polynomials, RING_SIZE))
    constants = np.zeros((parts, parameters.slots))
    for part in range(parts):
        own = slice(part * size, (part + 1) * size)
        columns, rest = matrix[:, own], offset[own]
        for residue, (modulus, place) in enumerate(zip(parameters.moduli, places, strict=True)):
            distance = slots[residue, : columns.shape[1]] - place[:, None]
            # What comes from the right of its slot goes once around the ring, where signs change.
            signed = _centred(columns, modulus) * np.where(distance < 0, -1, 1)
            weights[part, polynomial[:, None], distance % RING_SIZE] = signed
            first = residue * size
            constants[part, first : first + len(rest)] = _centred(rest, modulus) / modulus
    return LinearPlan(parameters, weights, constants)


def _centred(values: IntArray, modulus: int) -> IntArray:
    return (values + modulus // 2) % modulus - modulus // 2
