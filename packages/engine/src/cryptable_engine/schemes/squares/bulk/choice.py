"""Parameters for rows in bulk: the cheapest chain of primes under which a circuit's noise fits."""

from __future__ import annotations

import math

from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.squares.answers import (
    LEAST_MODULUS_BITS,
    MOST_BULK_ANSWER_BITS,
    MOST_BULK_MODULUS_BITS,
    is_prime,
)
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.keyset import CHAINS
from cryptable_protocol.schemes.squares.lattice import DEGREES

from cryptable_engine.circuit.bounds import Bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import CompilationError
from cryptable_engine.schemes.squares.bulk.arrangement import arranged, thermometers_of
from cryptable_engine.schemes.squares.bulk.columns import Columns
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan
from cryptable_engine.schemes.squares.bulk.price import price

_WORD_BITS = 13
"""Of an answer's word, beyond its modulus: their rounding takes a twentieth of what an answer bears."""
MOST_BYTES_OF_BITS = 64 << 20
"""Of a tensor of thermometers' bits, beyond which points are looked at, that take fewer bytes and more products."""
BY_COST = ((1, 2), (2, 2), (1, 0), (2, 0), (5, 3), (5, 0), (3, 0), (4, 5), (4, 0))
"""Chains, and the levels that columns are sent at, the cheapest first: by CPU, which goes with primes, and by bytes."""


def choose_bulk_plan(circuit: Circuit, found: tuple[Bounds, ...], p_error: float) -> BulkPlan:
    """The plan that takes the server least, of those whose tensor is no longer than a message.

    Points of lattices take fewer bytes than thermometers' bits, and more products: they are for circuits of many bits.

    Args:
        circuit: verified.
        found: bounds of its nodes.
        p_error: probability that an answer is wrong; 2^-128 at most is kept in any case.

    Raises:
        CircuitError: it is none for rows in bulk.
        CompilationError: there are no parameters; says what to do.
    """
    maximum, is_of_bits = highest_output(circuit, found), bool(thermometers_of(circuit))
    fit: list[BulkPlan] = []
    refused = f"its outputs have {maximum.bit_length()} bits, more than {MOST_BULK_MODULUS_BITS}"
    for degree in (0, *DEGREES) if is_of_bits else (0,):
        if any(plan.parameters.row_bytes <= MOST_BYTES_OF_BITS for plan in fit if not plan.parameters.degree):
            break
        arrangements: dict[int, Columns] = {}
        for number, level in BY_COST:
            modulus = least_modulus(maximum, CHAINS[number].ring_size)
            if modulus is None:
                continue
            try:
                parameters = parameters_of(circuit, maximum, number, modulus, degree, p_error, level)
                if modulus not in arrangements:
                    arrangements[modulus] = arranged(circuit, modulus, degree)
            except MalformedMessageError as error:
                refused = str(error)
                continue
            plan = BulkPlan(arrangements[modulus], parameters)
            used = plan.noise.used() if _is_within_reach(plan) else math.inf
            if used <= 1.0:
                fit.append(plan)
                break
            refused = f"noise would take {used:.3g} times what an answer bears"
    if not fit:
        raise CompilationError(
            f"bulk: no parameters suit this circuit ({refused}); use shallower trees, fewer thresholds, networks of "
            "fewer inputs and bits, or rows one by one"
        )
    short = [plan for plan in fit if plan.parameters.row_bytes <= MOST_BYTES_OF_BITS]
    return min(short or fit, key=price)


def parameters_of(
    circuit: Circuit, maximum: int, chain: int, modulus: int, degree: int, p_error: float, level: int = 0
) -> BulkParameters:
    """Of a circuit whose outputs are at most `maximum`; raises MalformedMessageError where there are none such."""
    return BulkParameters(
        chain=chain,
        inputs=circuit.input.size,
        input_bits=max(group.maximum for group in circuit.input.groups).bit_length(),
        modulus=modulus,
        outputs=circuit.nodes[circuit.output].size,
        maximum=maximum,
        answer_word_bits=min(modulus.bit_length() + _WORD_BITS, MOST_BULK_ANSWER_BITS),
        p_error=p_error,
        thermometers=thermometers_of(circuit) if degree else (),
        degree=degree,
        level=level,
    )


def _is_within_reach(plan: BulkPlan) -> bool:
    """Whether products alone leave room for noise: a first look, since its bound takes a second for many columns."""
    fresh = plan.parameters.fresh
    return plan.columns.depth * math.log2(plan.parameters.modulus * fresh.ring_size) < math.log2(fresh.modulus)


def least_modulus(maximum: int, ring_size: int) -> int | None:
    """The smallest prime 2N k + 1 above `maximum`; None where it would be too long."""
    step = 2 * ring_size
    candidate = max(maximum, 1 << (LEAST_MODULUS_BITS - 1)) // step * step + 1
    while not (candidate > maximum and candidate.bit_length() >= LEAST_MODULUS_BITS and is_prime(candidate)):
        candidate += step
    return candidate if candidate.bit_length() <= MOST_BULK_MODULUS_BITS else None
