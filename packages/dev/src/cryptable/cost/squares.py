"""Prices of the scheme squares: rotations, products with plaintexts and squares, in microseconds of one core."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from cryptable_engine import Circuit, CompilationError, Program
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.schemes.squares.choice import choose_plan
from cryptable_engine.schemes.squares.program import SquaresProgram, layers_price, price
from cryptable_engine.schemes.squares.rings.choice import has_ring
from cryptable_protocol import InternalError, KeysetParameters
from cryptable_protocol.schemes.scheme import SQUARES
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable.cost.prices import Cost, Draft, prices_of
from cryptable.cost.rates import MachineRates, Prediction

_ENCRYPTION, _CIPHERTEXTS, _KEY = 12_000.0, 5_000.0, 6_000.0
"""Of one modulus in the ring of 8192: encrypting a row, reading and writing it, and making one row of keys ready."""
_MEASURED_ON = "SEAL 4.3 on one core of a server with AVX-512"
_BY_KERNEL = "the kernel beside SEAL 4.3, on one core of a server with AVX-512"


def can_be_here() -> bool:
    """Whether networks of squares can be evaluated on this machine."""
    return has_ring()


@prices_of(SQUARES)
class SquaresPrices:
    """Prices in microseconds of one core.

    Args:
        p_error: of an answer.
        keyset: of another scheme, which is not heeded: keysets follow from layouts.
    """

    widths: tuple[int, ...] = ()
    bits_are_free: bool | None = True
    noise_deviation = 0.0
    """Answers are exact, or wrong with a probability below p_error."""

    def __init__(self, p_error: float, keyset: KeysetParameters | None = None) -> None:  # noqa: ARG002  (as all lists)
        self.p_error = p_error

    def draft(self, draft: Draft) -> float:
        """Of no draft: the scheme has no lookups."""
        return 0.0 if not draft.lookups else math.inf

    def circuit(self, circuit: Circuit) -> float:
        """See `PriceList`: with one modulus in the smallest ring that has room."""
        return layers_price(circuit)

    def planned_seconds(self, circuit: Circuit, rates: MachineRates) -> float:
        """See `PriceList`: parameters are chosen for it."""
        try:
            plan = choose_plan(circuit, bounds(circuit), self.p_error)
        except CompilationError:
            return math.inf
        keyset = plan.parameters.keyset
        microseconds = price(plan) + _CIPHERTEXTS * len(plan.parameters.moduli) * keyset.ring_size / 8192
        return 1e-6 * microseconds * rates.squares_pace

    def estimate(self, draft: Draft, rates: MachineRates) -> Cost:  # noqa: ARG002  (as all lists)
        """Of no draft."""
        return Cost(math.inf if draft.lookups else 0.0, draft.lookups, 0)

    def neighbour_rate(self, circuit: Circuit, program: Program) -> float | None:  # noqa: ARG002  (as all lists)
        """None: there are no lookups."""
        return None

    def seconds(self, circuit: Circuit, program: Program, rates: MachineRates) -> Prediction:  # noqa: ARG002  (as all)
        """See `PriceList`."""
        by_seal, pace = self.in_seal(program), rates.squares_pace
        if pace == 1.0:
            return by_seal
        rest = {name: getattr(by_seal, name) * pace for name in ("linear", "ciphertexts", "keys_loaded")}
        return replace(by_seal, **rest, measured_on=_BY_KERNEL)

    def in_seal(self, program: Program) -> Prediction:
        """The same where SEAL evaluates."""
        if not isinstance(program, SquaresProgram):
            raise InternalError(f"a program of scheme {program.scheme!r} is not priced by the scheme squares' list")
        parameters = program.squares
        moduli, larger = len(parameters.moduli), parameters.keyset.ring_size / 8192
        return Prediction(
            lookups=0.0,
            linear=1e-6 * program.price,
            ciphertexts=1e-6 * _CIPHERTEXTS * moduli * larger,
            keys_loaded=1e-6 * _KEY * moduli * parameters.keyset.rows * larger,
            encryption=1e-6 * _ENCRYPTION * moduli * larger**2,
            measured_on=_MEASURED_ON,
        )


class FloodingPrice(NamedTuple):
    """By how many bits answers are flooded, the price over that without, and the parameters that there would be."""

    bits: int
    ratio: float
    plain: SquaresParameters


def flooding_price(circuit: Circuit, program: Program, p_error: float) -> FloodingPrice | None:
    """Of a program of the scheme squares; None where answers are not flooded."""
    if not isinstance(program, SquaresProgram) or program.flooding is None:
        return None
    plain = choose_plan(circuit, bounds(circuit), p_error)
    return FloodingPrice(program.flooding.bits, program.price / price(plain), plain.parameters)


def modulus_bits(parameters: SquaresParameters) -> float:
    """Of all primes of the keys' chain."""
    return math.log2(math.prod(parameters.keyset.chain.primes))
