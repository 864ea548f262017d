"""From a circuit to columns as they are evaluated: made less deep, and read from points where clients send those."""

from __future__ import annotations

from cryptable_engine.circuit.circuit import Circuit, GroupKind
from cryptable_engine.schemes.squares.bulk.balance import less_deep
from cryptable_engine.schemes.squares.bulk.columns import Columns, read_columns
from cryptable_engine.schemes.squares.bulk.lattice import on_lattices


def thermometers_of(circuit: Circuit) -> tuple[int, ...]:
    """How many elements, one after the other, are a thermometer each; a bit alone is one. Empty where some are none."""
    groups = circuit.input.groups
    if any(group.maximum > 1 for group in groups):
        return ()
    kept = [[group.size] if group.kind is GroupKind.THERMOMETER else [1] * group.size for group in groups]
    return tuple(size for sizes in kept for size in sizes)


def arranged(circuit: Circuit, modulus: int, degree: int) -> Columns:
    """The columns of a circuit under a modulus, of its elements, or with a degree of its thermometers' points.

    Raises:
        CircuitError: it is none for rows in bulk.
    """
    thermometers = thermometers_of(circuit)
    columns = less_deep(read_columns(circuit, modulus), thermometers, modulus)
    return on_lattices(columns, thermometers, degree, modulus) if degree and thermometers else columns
