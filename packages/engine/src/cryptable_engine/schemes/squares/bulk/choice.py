"""Parameters for rows in bulk: the cheapest chain of primes under which a circuit's noise fits."""

from __future__ import annotations

from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.squares.answers import (
    LEAST_MODULUS_BITS,
    MOST_ANSWER_BITS,
    MOST_MODULUS_BITS,
    is_prime,
)
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.keyset import CHAINS

from cryptable_engine.circuit.bounds import Bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import CompilationError
from cryptable_engine.schemes.squares.bulk.columns import read_columns
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan

_WORD_BITS = 10
"""Of an answer's word, beyond its modulus."""
BY_COST = (1, 2, 5, 3, 4)
"""Chains, the cheapest first: by bytes of a row and by CPU."""


def choose_bulk_plan(circuit: Circuit, found: tuple[Bounds, ...], p_error: float) -> BulkPlan:
    """The plan under the cheapest parameters.

    Args:
        circuit: verified.
        found: bounds of its nodes.
        p_error: probability that an answer is wrong; 2^-128 at most is kept in any case.

    Raises:
        CircuitError: it is none for rows in bulk.
        CompilationError: there are no parameters; says what to do.
    """
    maximum = highest_output(circuit, found)
    refused = "its outputs are too large"
    for number in BY_COST:
        modulus = least_modulus(maximum, CHAINS[number].ring_size)
        if modulus is None:
            continue
        columns = read_columns(circuit, modulus)
        try:
            parameters = BulkParameters(
                chain=number,
                inputs=columns.inputs,
                input_bits=max(group.maximum for group in circuit.input.groups).bit_length(),
                modulus=modulus,
                outputs=len(columns.outputs),
                maximum=maximum,
                answer_word_bits=min(modulus.bit_length() + _WORD_BITS, MOST_ANSWER_BITS),
                p_error=p_error,
            )
        except MalformedMessageError as error:
            refused = str(error)
            continue
        plan = BulkPlan(columns, parameters)
        used = plan.noise.used()
        if used <= 1.0:
            return plan
        refused = f"noise would take {used:.3g} times what an answer bears"
    raise CompilationError(
        f"bulk: no parameters suit this circuit ({refused}); use shallower trees, fewer thresholds, or compile it "
        "without bulk"
    )


def least_modulus(maximum: int, ring_size: int) -> int | None:
    """The smallest prime 2N k + 1 above `maximum`; None where it would be too long."""
    step = 2 * ring_size
    candidate = max(maximum, 1 << (LEAST_MODULUS_BITS - 1)) // step * step + 1
    while not (candidate > maximum and candidate.bit_length() >= LEAST_MODULUS_BITS and is_prime(candidate)):
        candidate += step
    return candidate if candidate.bit_length() <= MOST_MODULUS_BITS else None
