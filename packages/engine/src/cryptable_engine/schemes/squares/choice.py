"""Parameters for a network whose client specification has none yet: the cheapest under which its noise fits."""

from __future__ import annotations

import math

from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.squares.answers import (
    LEAST_MODULUS_BITS,
    MOST_ANSWER_BITS,
    MOST_MODULUS_BITS,
    is_prime,
)
from cryptable_protocol.schemes.squares.keyset import CHAINS
from cryptable_protocol.schemes.squares.parameters import MAX_MODULI, SquaresParameters

from cryptable_engine.circuit.bounds import Bounds
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import CompilationError
from cryptable_engine.schemes.squares.network import Network, read_network
from cryptable_engine.schemes.squares.noise.bound import flooded, most_used
from cryptable_engine.schemes.squares.plan import Blocks, Plan, choose_gathers, keyset_of

_SLACK = 20
"""Bits by which a declared maximum exceeds the bounds, relatively: other machines round eigenvalues otherwise."""
_WORD_BITS = 10
"""Of an answer's word, beyond its modulus: rounding takes a third to four fifths of what it bears."""
COSTS = {1: 1.0, 2: 1.0, 3: 4.5, 4: 5.5, 5: 3.3}
"""Of a modulus under each chain, relative to the first."""


def choose_plan(circuit: Circuit, found: tuple[Bounds, ...], p_error: float, flooding_bits: int = 0) -> Plan:
    """The plan under the cheapest parameters: few moduli, in a small ring, with small keys.

    Args:
        circuit: one that `read_network` accepts.
        found: bounds of its nodes.
        p_error: probability that an answer is wrong; 2^-128 at most is kept in any case.
        flooding_bits: by which noise of the server's own exceeds the circuit's in answers, or 0 for none.

    Raises:
        CompilationError: there are none; says what to do.
    """
    network = read_network(circuit)
    highest = int(found[circuit.output].high.max())
    maximum = min(highest + (highest >> _SLACK) + 1, (1 << 60) - 1)
    input_bits = max(group.maximum for group in circuit.input.groups).bit_length()
    refused = _no_room(network)
    tries = sorted(
        ((COSTS[number] * count, number, count) for number in CHAINS for count in range(1, MAX_MODULI + 1)),
    )
    for _, number, count in tries:
        size = CHAINS[number].ring_size
        chosen = choose_gathers(size, network)
        moduli = _moduli(network, maximum, count, size)
        if chosen is None or moduli is None:
            continue
        blocks, gathers = chosen
        try:
            parameters = SquaresParameters(
                keyset=keyset_of(number, gathers),
                inputs=network.inputs,
                input_bits=input_bits,
                block=blocks.block,
                copies=blocks.copies,
                stride=1 if network.windows is not None else _stride(blocks, network.widths[0]),
                window=network.widths[-1],
                moduli=moduli,
                outputs=network.outputs,
                maximum=maximum,
                answer_word_bits=min(moduli[-1].bit_length() + _WORD_BITS, MOST_ANSWER_BITS),
                p_error=p_error,
                windows=network.windows,
            )
        except MalformedMessageError as error:
            refused = str(error)
            continue
        plan = flooded(Plan(network, parameters, gathers), flooding_bits)
        used = most_used(plan)
        if used <= 1.0:
            return plan
        refused = f"noise would take {used:.3g} times what an answer bears"
    fewer = "fewer flooding_bits, " if flooding_bits else ""
    raise CompilationError(
        f"squares: no parameters suit this circuit ({refused}); use {fewer}fewer bits of inputs and weights, fewer "
        "squares in a row, or a narrower network"
    )


def _no_room(network: Network) -> str:
    windows = network.windows
    if windows is None:
        return f"{network.inputs} inputs and {network.widths[0]} neurons have no room in its rings"
    return (
        f"a convolution's {len(network.layers[0].weights)} filters of {windows.taps} weights at {windows.places} "
        "places have no room in its rings: a larger stride makes places fewer"
    )


def _stride(blocks: Blocks, width: int) -> int:
    return max(1, width // blocks.copies)


def _moduli(network: Network, maximum: int, count: int, ring_size: int) -> tuple[int, ...] | None:
    """The smallest primes 2N k + 1 of which so many have a product beyond `maximum`; no layer vanishes under any."""
    step = 2 * ring_size
    root = max(math.ceil((maximum + 1) ** (1 / count) * (1 + 1e-9)) + 1, 1 << (LEAST_MODULUS_BITS - 1))
    found: list[int] = []
    candidate = (root - 2) // step * step + 1
    while len(found) < count:
        candidate += step
        if candidate.bit_length() > MOST_MODULUS_BITS:
            return None
        if is_prime(candidate) and network.vanishes(candidate) is None:
            found.append(candidate)
    return tuple(found)
