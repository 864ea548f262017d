"""Circuits of several levels: lookups read sums of inputs and of looked-up values, and sums are all under one key.

Their keyset has one bootstrap key, from the small secret key to the large one, and one keyswitch key back. What they
ask of it is said here, and whether a keyset is exact enough, by bounds on noise (`formulas`), as our own evaluation has
it: with compensated modulus switches. `keyset_search` looks for the cheapest. See
docs/decisions/0039-an-optimizer-of-our-own.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from cryptable_protocol import KeysetParameters

from cryptable_engine.circuit.circuit import Circuit, Lookup
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    MINIMUM_DIMENSION,
    ROUNDED_VARIANCE,
    bootstrap_complexity,
    bootstrap_variance_bound,
    deviations,
    half_step,
    keyswitch_complexity,
    keyswitch_offset_bound,
    keyswitch_variance_bound,
    minimal_variance,
    rounding_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout, Reading, reading_of
from cryptable_engine.schemes.bootstrapped.parameters.variances import FloatArray, variances

_ROUNDING = 1e-12
"""Of a sum of doubles, what is no more than rounded."""


@dataclass(frozen=True, order=True)
class Demand:
    """A value that is read: `bits` of it exactly.

    Its noise has a variance of at most `fresh` times an encrypted input's and `looked_up` times a bootstrapping's.
    """

    bits: int
    fresh: float
    looked_up: float


@dataclass(frozen=True)
class Demands:
    """What a circuit of any number of levels asks of a keyset: of what lookups read, of its outputs, and how wide."""

    inputs: tuple[Demand, ...]
    outputs: tuple[Demand, ...]
    widest: int
    lookups: int


def demands_of(circuit: Circuit, layout: Layout) -> Demands:
    """Of a verified circuit with lookups."""
    read = demands_by_reading(circuit, layout)
    lookups = [node for node in circuit.nodes if isinstance(node, Lookup)]
    inputs = (demand for node in lookups for demand in read(node.source, reading_of(node)))
    widest = max(node.width for node in lookups)
    outputs = read(circuit.output, layout.output)
    return Demands(hardest(inputs), hardest(outputs), widest, circuit.lookups)


def demands_by_reading(circuit: Circuit, layout: Layout) -> Callable[[int, Reading], Iterable[Demand]]:
    """What a node that is read asks for.

    A sum's variance is concave in those of its two origins and grows in proportion to both: it is a sum of theirs, but
    where noises may vary together (`variances`). Then it exceeds that sum by at most what it does where both origins
    have the larger one's variance; that is added to either.
    """
    fresh, looked_up, both = (variances(circuit, *of_origins) for of_origins in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)))

    def read(node: int, reading: Reading) -> Iterator[Demand]:
        scale = 4.0 ** (layout.widths[node] - reading.bits)
        together = np.maximum(both[node] - fresh[node] - looked_up[node], 0.0)
        together[together <= _ROUNDING * both[node]] = 0.0
        found = np.stack([fresh[node] + together, looked_up[node] + together]) * scale
        yield from (Demand(reading.width, *pair) for pair in np.unique(found, axis=1).T.tolist())

    return read


def hardest(demands: Iterable[Demand]) -> tuple[Demand, ...]:
    """Those that no other of as many bits implies, in order."""
    found: list[Demand] = []
    for demand in sorted(set(demands), reverse=True):  # of one width the largest `fresh` first
        if not found or found[-1].bits != demand.bits or demand.looked_up > found[-1].looked_up:
            found.append(demand)
    return tuple(reversed(found))


def typical_demands(width: int, output_noise: float, *, norm: float = 0.0) -> Demands:
    """Of one lookup of a code of single bits, or of a sum of lookups.

    Args:
        width: of the lookup in bits.
        output_noise: the output's bits, and half of the logarithm of how many lookups are summed in it.
        norm: the Euclidean norm of the weights that what it reads is a sum of lookups with.
    """
    code = (4.0**width - 1) / 3
    return Demands((Demand(width, code, norm**2),), (Demand(0, 0.0, 4.0**output_noise),), width, 1)


def serves_several_levels(keyset: KeysetParameters) -> bool:
    """Whether a keyset is one for circuits of several levels, whoever has chosen it."""
    match keyset.bootstrap_keys, keyset.keyswitch_keys:
        case (key,), (switch,):
            return (key.input_key, key.output_key) == (switch.output_key, switch.input_key)
    return False


def is_secure(keyset: KeysetParameters) -> bool:
    """Whether all keys, of any number, have the noise of 128 bits of security."""
    rows = [(key.variance, key.output_key) for key in keyset.bootstrap_keys]
    rows += [(key.variance, key.output_key) for key in keyset.keyswitch_keys]
    return all(
        keyset.dimensions[under] >= MINIMUM_DIMENSION
        and variance >= ROUNDED_VARIANCE * minimal_variance(keyset.dimensions[under])
        for variance, under in rows
    )


def complexity(keyset: KeysetParameters, lookups: int) -> float:
    """Under a keyset for several levels, in operations as Concrete's optimizer counts them."""
    (key,), (switch,), dimensions = keyset.bootstrap_keys, keyset.keyswitch_keys, keyset.dimensions
    small, large = dimensions[key.input_key], dimensions[key.output_key]
    return lookups * (bootstrap_complexity(key, small) + keyswitch_complexity(switch, large, small))


def is_exact_enough(keyset: KeysetParameters, demands: Demands, p_error: float) -> bool:
    """Whether no lookup, and no output, is misread with a larger probability under a keyset for several levels."""
    (key,), (switch,), dimensions = keyset.bootstrap_keys, keyset.keyswitch_keys, keyset.dimensions
    small, large = dimensions[key.input_key], dimensions[key.output_key]
    fresh, looked_up = minimal_variance(large), np.array(bootstrap_variance_bound(key, small))
    reading = rounding_variance(small, key.polynomial_size, compensated=True)
    reading += keyswitch_variance_bound(switch, large)
    offset = np.array(keyswitch_offset_bound(switch, large))
    return (
        key.polynomial_size >= 2 << demands.widest
        and bool(room(demands.inputs, fresh, looked_up, p_error, offset=offset) >= reading)
        and bool(room(demands.outputs, fresh, looked_up, p_error) >= 0.0)
    )


def room(
    demands: Iterable[Demand], fresh: float, looked_up: FloatArray, p_error: float, *, offset: FloatArray | float = 0.0
) -> FloatArray:
    """Which variance may be added to each of some values, at most, where their origins have these; below 0 for none.

    Args:
        demands: of the values.
        fresh: variance of an encrypted input.
        looked_up: variances of a bootstrapping, any shape.
        p_error: with which a value is misread at most.
        offset: by how much all values are off alike, as a fraction of the torus, of the shape of `looked_up`.

    Returns:
        Of the shape of `looked_up`, of the value that leaves least.
    """
    least = np.full(looked_up.shape, np.inf)
    for demand in demands:
        tolerated = np.square(np.maximum(half_step(demand.bits) - offset, 0.0) / deviations(p_error))
        np.minimum(least, tolerated - demand.fresh * fresh - demand.looked_up * looked_up, out=least)
    return least
