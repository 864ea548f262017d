"""Prices of the scheme levelled: what selectors, leaves and products cost, in microseconds of one core."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from cryptable_engine import Circuit, Linear, Product, Program, Rotation
from cryptable_engine.schemes.levelled.plans.turns import body_gadget
from cryptable_protocol import InternalError, KeysetParameters
from cryptable_protocol.schemes.levelled.keyset import Gadget
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.cost.prices import Cost, Draft, prices_of
from cryptable.cost.rates import MachineRates, Prediction

# Microseconds of the engine's NumPy evaluator on one core; tools/bench/levelled.py measures them.
_KEY_SWITCH, _SCHEME_SWITCH, _PRODUCT, _READ, _ROW = 77.0, 47.0, 92.0, 0.4, 1000.0
_KEYS_READY, _ENCRYPTION, _POLYNOMIAL = 5000.0, 400.0, 600.0
_LINEAR_PART, _LINEAR_POLYNOMIAL, _PAIR_READY = 350.0, 250.0, 300.0
_SIGN = 10.0
"""Of a digit that a table reads a bit's sign by, before it is turned."""
_TURN, _BESIDE_TURNS = 115.0, 4.0
"""Of a product that turns a table, by (4, 5); and how many of its transforms the rest of it costs as much as."""
_MEASURED_ON = "NumPy on one core of a server with AVX-512"
_USUAL = Gadget(2, 8)
TURNING = Gadget(4, 5)
"""Of most networks: as quick as (3, 6), since bodies have two larger digits, and less noisy."""
_TRANSFORMS_BESIDE = 2.5
"""Of a product, besides two for each digit: those of its form and of its result, and what is left out of them."""


@prices_of(LEVELLED)
class LevelledPrices:
    """Prices in microseconds of one core.

    Args:
        p_error: of an answer.
        keyset: there is one, which all models share.
    """

    widths: tuple[int, ...] = ()
    bits_are_free: bool | None = True
    noise_deviation = 0.0
    """Answers are exact, or wrong with a probability below p_error."""

    def __init__(self, p_error: float, keyset: KeysetParameters | None = None) -> None:  # noqa: ARG002  (as all lists)
        self.p_error = p_error

    @property
    def selector(self) -> float:
        """Of a bit that products multiply by: its leaves, before a gadget is chosen."""
        return _USUAL.levels * (_KEY_SWITCH + _SCHEME_SWITCH)

    @property
    def product(self) -> float:
        """Of a product with its form."""
        return _PRODUCT

    @property
    def sum_of_bits(self) -> float:
        """Of a circuit without products."""
        return _PRODUCT + _ROW

    def draft(self, draft: Draft) -> float:
        """Of no draft: the scheme has no lookups."""
        return 0.0 if not draft.lookups else math.inf

    def circuit(self, circuit: Circuit) -> float:
        """See `PriceList`."""
        turns, signs = turns_of(circuit), signs_of(circuit)
        products = _PRODUCT * (circuit.products - turns + 1)
        return self.selector * len(selectors_of(circuit)) + products + _turns(TURNING, turns, signs) + _ROW

    def estimate(self, draft: Draft, rates: MachineRates) -> Cost:  # noqa: ARG002  (as all lists)
        """Of no draft."""
        return Cost(math.inf if draft.lookups else 0.0, draft.lookups, 0)

    def neighbour_rate(self, circuit: Circuit, program: Program) -> float | None:  # noqa: ARG002  (as all lists)
        """None: there are no lookups."""
        return None

    def planned_seconds(self, circuit: Circuit, rates: MachineRates) -> float:
        """See `PriceList`."""
        return 1e-6 * (self.circuit(circuit) + _READ * reads_of(circuit)) * rates.levelled_pace

    def seconds(self, circuit: Circuit, program: Program, rates: MachineRates) -> Prediction:
        """See `PriceList`: as products, reads of bits by linear forms, and bits that are expanded."""
        in_numpy, pace = self.seconds_in_numpy(circuit, program), rates.levelled_pace
        return replace(
            in_numpy,
            lookups=in_numpy.lookups * pace,
            linear=in_numpy.linear * pace,
            ciphertexts=in_numpy.ciphertexts * pace,
            measured_on=rates.machine,
        )

    def seconds_in_numpy(self, circuit: Circuit, program: Program) -> Prediction:
        """The same on the machine that these prices were measured on, without the kernel."""
        parameters = program.parameters
        if isinstance(parameters, LinearParameters):
            return Prediction(
                lookups=0.0,
                linear=linear_seconds(parameters),
                ciphertexts=0.0,
                keys_loaded=1e-6 * _PAIR_READY,
                encryption=1e-6 * (_ENCRYPTION + _POLYNOMIAL * parameters.layout.polynomials),
                measured_on=_MEASURED_ON,
            )
        if not isinstance(parameters, LevelledParameters):
            raise InternalError(f"a program of scheme {program.scheme!r} is not priced by the scheme levelled's list")
        gadget, turns = parameters.gadget, turns_of(circuit)
        polynomials = len(parameters.layout.runs) + parameters.layout.placed_polynomials
        return Prediction(
            lookups=1e-6 * (_products(gadget, circuit.products - turns) + _turns(gadget, turns, signs_of(circuit))),
            linear=reading_seconds(circuit),
            ciphertexts=1e-6 * _expansion(parameters),
            keys_loaded=1e-6 * _KEYS_READY,
            encryption=1e-6 * (_ENCRYPTION + _POLYNOMIAL * polynomials),
            measured_on=_MEASURED_ON,
        )


def seconds_of(parameters: LevelledParameters, products: int, turns: int = 0, signs: int = 0) -> float:
    """CPU seconds of a row in NumPy, but for what reading bits costs, which no parameter changes.

    Args:
        parameters: of the row.
        products: of bits with forms.
        turns: of tables,
        signs: and those among them that are read before all others.
    """
    gadget = parameters.gadget
    return 1e-6 * (_products(gadget, products) + _turns(gadget, turns, signs) + _expansion(parameters))


def reading_seconds(circuit: Circuit) -> float:
    """CPU seconds of what linear forms read of bits, in NumPy."""
    return 1e-6 * _READ * reads_of(circuit)


def linear_seconds(parameters: LinearParameters) -> float:
    """CPU seconds of a row of a linear model, in NumPy."""
    return 1e-6 * (_LINEAR_POLYNOMIAL * parameters.layout.polynomials + _LINEAR_PART * parameters.parts)


def turning_price(products: int, selectors: int, read: int) -> float:
    """Microseconds of tables that selectors turn, beside bits that are read, before parameters are chosen."""
    expansion = selectors * TURNING.levels * (_KEY_SWITCH + _SCHEME_SWITCH)
    return _turns(TURNING, products) + expansion + _READ * read + _ROW


def selectors_of(circuit: Circuit) -> tuple[int, ...]:
    """Elements that products multiply by or that turn tables, increasing."""
    bits = [node.bits for node in circuit.nodes if isinstance(node, Product)]
    bits += [node.turning for node in circuit.nodes if isinstance(node, Rotation)]
    return tuple(np.unique(np.concatenate(bits)).tolist()) if bits else ()


def reads_of(circuit: Circuit) -> int:
    """Weights of bits in all linear forms."""
    terms = [term for node in circuit.nodes if isinstance(node, Linear) for term in node.terms]
    return sum(term.rows.size for term in terms if term.source == 0)


def signs_of(circuit: Circuit) -> int:
    """Those of the products that turn tables which are signs, read as linear forms."""
    return sum(node.read_signs for node in circuit.nodes if isinstance(node, Rotation))


def turns_of(circuit: Circuit) -> int:
    """Products that turn tables."""
    return sum(node.products for node in circuit.nodes if isinstance(node, Rotation))


def _products(gadget: Gadget, products: int) -> float:
    transforms = (2 * gadget.levels + _TRANSFORMS_BESIDE) / (2 * _USUAL.levels + _TRANSFORMS_BESIDE)
    return _PRODUCT * transforms * (products + 1)


def _turns(gadget: Gadget, turns: int, signs: int = 0) -> float:
    """Products that turn tables: two transforms for each result, one a digit, and what moves tables; and signs."""
    each = _TURN * (gadget.levels + body_gadget(gadget).levels + _BESIDE_TURNS) / (6 + _BESIDE_TURNS)
    return each * (turns - signs) + _SIGN * gadget.levels * signs


def _expansion(parameters: LevelledParameters) -> float:
    layout = parameters.layout
    return _KEY_SWITCH * len(layout.leaf_bits) + _SCHEME_SWITCH * layout.selector_leaves + _ROW
