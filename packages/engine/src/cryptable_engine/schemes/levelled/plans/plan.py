"""Plan: a circuit's forms on the torus, with the leaf or place of each bit that they read; the parameters fix it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cryptable_protocol.schemes.levelled.layout import Layout
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.errors import CircuitError, ProgramMismatchError
from cryptable_engine.schemes.levelled.plans.forms import Forms, read_forms, refuse_equal
from cryptable_engine.schemes.levelled.plans.torus import FloatArray, on_torus
from cryptable_engine.schemes.levelled.plans.turns import Turns, plan_turns
from cryptable_engine.schemes.levelled.plans.weights import Weights, weights_of

PRODUCT_BYTES = LEAF_BYTES = 1 << 15
"""Of memory: two polynomials, of doubles or as a transform."""
TOGETHER = 8
"""Tables that are turned at once."""
STREAMED_BYTES = 384 << 20
"""Of an evaluation that makes all selectors ready before the first product: in a larger one, each product makes its
own ready, and they are dropped after a few."""
MAX_MEMORY_BYTES = 4 << 30
"""Of one evaluation: about 120 000 leaves and products."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What an evaluation does, for one circuit and the parameters of its client specification."""

    forms: Forms
    parameters: LevelledParameters
    selector: IntArray
    """For each product, which of the parameters' selectors it multiplies by."""
    leaves: Weights
    places: Weights
    rounding: Weights
    """By how much the integers above, scaled, exceed each form's weights of input elements: fractions of the torus."""
    constant: FloatArray
    """Of each form, shape (forms, slots), on the torus."""
    turns: Turns | None
    """Of the tables that the answer adds up."""

    @property
    def layout(self) -> Layout:
        """Of its rows."""
        return self.parameters.layout

    @cached_property
    def switched_leaves(self) -> tuple[range, ...]:
        """Leaves of selectors that a form or a table is multiplied by, and not only read for a table's first turn."""
        selectors, levels = len(self.layout.selectors), self.layout.gadget.levels
        is_used = np.ones(selectors + 2, np.bool_)
        if self.turns is not None:
            is_used = np.zeros(selectors + 2, np.bool_)
            is_used[1 + self.selector] = True
            is_used[1 + self.turns.multiplying] = True
        is_used[[0, -1]] = False
        edges = np.flatnonzero(np.diff(is_used)).reshape(-1, 2) * levels
        return tuple(range(first, last) for first, last in edges.tolist())

    @property
    def is_streamed(self) -> bool:
        """Whether selectors are made ready for the products at hand, and not all at once."""
        return self.turns is None and self._kept_bytes + self._switched_bytes > STREAMED_BYTES

    @property
    def memory_bytes(self) -> int:
        """Of one evaluation, at most: leaves and places, switched leaves of selectors, products, tables."""
        return self._kept_bytes + (0 if self.is_streamed else self._switched_bytes)

    @property
    def _kept_bytes(self) -> int:
        # A tree keeps what it has of each split of a path, for some tables at once.
        tables = self.turns.neurons + 2 * TOGETHER * (self.turns.depth + 1) if self.turns is not None else 0
        leaves = len(self.layout.leaf_bits) + self.layout.placed_polynomials
        return leaves * LEAF_BYTES + (self.forms.products + tables) * PRODUCT_BYTES

    @property
    def _switched_bytes(self) -> int:
        return self.layout.selector_leaves * LEAF_BYTES

    @property
    def products(self) -> int:
        """External products of one evaluation."""
        return self.forms.products + (self.turns.products if self.turns is not None else 0)


def check(circuit: Circuit) -> Forms:
    """Accept a verified circuit of this scheme, or say which rule it breaks.

    Returns:
        Its forms, which the check has read anyway.

    Raises:
        CircuitError: names the node or the products, and says what to do.
    """
    forms = read_forms(circuit)
    refuse_equal(forms)
    return forms


def make_plan(circuit: Circuit, parameters: LevelledParameters, highest_output: int) -> Plan:
    """The plan of a circuit for rows that are laid out by `parameters`.

    Args:
        circuit: verified.
        parameters: of its client specification.
        highest_output: of any output over honest rows (`bounds.highest_output`).

    Raises:
        CircuitError: the scheme does not evaluate the circuit.
        ProgramMismatchError: the parameters are not of this circuit; names what differs.
    """
    return plan_forms(read_forms(circuit), parameters, highest_output)


def plan_forms(forms: Forms, parameters: LevelledParameters, highest_output: int) -> Plan:
    """As `make_plan`, of the circuit's forms."""
    refuse_equal(forms, parameters.modulus)
    _check_parameters(forms, parameters, highest_output)
    layout = parameters.layout
    selectors = np.array(layout.selectors, np.int64)
    leaves, places, rounding = weights_of(forms, parameters)
    plan = Plan(
        forms,
        parameters,
        np.searchsorted(selectors, forms.bit),
        leaves,
        places,
        rounding,
        on_torus(forms.constant, parameters.moduli),
        None if forms.rotation is None else plan_turns(forms.rotation, parameters),
    )
    if plan.memory_bytes > MAX_MEMORY_BYTES:
        raise CircuitError(
            f"one evaluation takes {plan.memory_bytes >> 20} MiB, at most {MAX_MEMORY_BYTES >> 20} are allowed; use a "
            "smaller model"
        )
    return plan


def _check_parameters(forms: Forms, parameters: LevelledParameters, highest_output: int) -> None:
    for what, compiled, promised in (
        ("inputs", forms.inputs, parameters.inputs),
        ("outputs", forms.outputs, parameters.outputs),
        ("selectors", forms.selectors, parameters.selectors),
        ("outputs' maximum", highest_output, parameters.maximum),
    ):
        if compiled != promised:
            raise ProgramMismatchError(
                f"program: the circuit has {what} {compiled}, its client spec promises {promised}; "
                "compile the model again with this version"
            )
    placed = {*parameters.selectors, *parameters.leaves, *parameters.placed}
    missing = sorted(set(forms.read_bit.tolist()) - placed)
    if missing:
        raise ProgramMismatchError(
            f"program: forms read the elements {missing[:5]}, which the client spec gives neither a leaf nor a place; "
            "compile the model again with this version"
        )
