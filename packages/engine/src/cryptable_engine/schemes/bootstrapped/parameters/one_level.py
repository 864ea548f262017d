"""One-level circuits: every lookup reads a sum of inputs, and every output is a sum of lookups.

Their inputs are encrypted under the small key that bootstrappings read, so that no lookup has to switch its source from
the large key to the small one first. There is no keyswitch key, and since no keyswitch adds its noise, the small key
may be shorter, which makes each bootstrapping cheaper in proportion. Concrete's optimizer knows no such circuits: their
crypto parameters are chosen here, by bounds on noise (`formulas`), as our own evaluation has it: with compensated
modulus switches. See docs/decisions/0021-one-level-circuits.md and 0024-noise-as-a-bound.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cryptable_protocol import BootstrapKeyParameters, KeysetParameters, SecretKeyParameters

from cryptable_engine.circuit.circuit import Circuit, Input, Linear, Lookup
from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    MAX_GLWE_DIMENSION,
    MINIMUM_DIMENSION,
    ROUNDED_VARIANCE,
    bootstrap_price,
    bootstrap_variance_bound,
    minimal_variance,
    misread_probability,
    optimizers_bootstrap_variance,
    rounding_variance,
    tolerated_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout, Reading, reading_of
from cryptable_engine.schemes.bootstrapped.parameters.variances import FloatArray, variances

LARGE_KEY, SMALL_KEY = 0, 1
"""Ids of the secret keys: of looked-up values, and of inputs."""
_POLYNOMIAL_SIZES = (512, 1024, 2048, 4096, 8192, 16384)
_LARGE_DIMENSIONS = range(1024, 16384 + 1)
_SMALL_DIMENSIONS = range(MINIMUM_DIMENSION, 851)
"""Beyond, a bootstrapping alone costs about what it does with a keyswitch and a key that this lets be shorter (those of
the catalogue have 661 to 944 bits), so such circuits are left to Concrete."""
_LEVELS = range(1, 9)
_MANTISSA_BITS = 53


@dataclass(frozen=True)
class Demand:
    """A value that is read: `bits` of it exactly. The variance of its noise is `amplification` fresh ciphertexts'."""

    bits: int
    amplification: float


@dataclass(frozen=True)
class OneLevelDemands:
    """What a one-level circuit asks of its crypto parameters: of its inputs' noise, and of its lookups' noise."""

    inputs: tuple[Demand, ...]
    output: Demand
    lookups: int

    @property
    def widest(self) -> int:
        """Bits of the widest lookup."""
        return max(demand.bits for demand in self.inputs)


def demands_of(circuit: Circuit, layout: Layout) -> OneLevelDemands | None:
    """None for a circuit of another kind.

    A lookup that drops bits asks for what it keeps to be exact in the middle of a position, as Concrete has it: near
    the border between two it may read either.

    Args:
        circuit: verified.
        layout: its layout.
    """
    if not has_one_level(circuit):
        return None
    amplified = variances(circuit, 1.0, 1.0)
    inputs = {
        _demand(amplified, node.source, reading_of(node), layout) for node in circuit.nodes if isinstance(node, Lookup)
    }
    output = _demand(amplified, circuit.output, layout.output, layout)
    return OneLevelDemands(
        tuple(sorted(inputs, key=lambda demand: (demand.bits, demand.amplification))), output, circuit.lookups
    )


def has_one_level(circuit: Circuit) -> bool:
    """Whether lookups read inputs alone and the output lookups alone, by way of Linear nodes or not."""
    after_lookup: list[bool] = []
    for node in circuit.nodes:
        match node:
            case Input():
                after_lookup.append(False)
            case Lookup():
                if after_lookup[node.source]:
                    return False
                after_lookup.append(True)
            case Convolution():
                after_lookup.append(after_lookup[node.source])
            case Linear():
                levels = {after_lookup[term.source] for term in node.terms}
                if len(levels) != 1:
                    return False
                after_lookup.append(levels.pop())
    return after_lookup[circuit.output]


def _demand(amplified: list[FloatArray], node: int, reading: Reading, layout: Layout) -> Demand:
    """A value stands in the lower `reading.bits` bits of its region, and is scaled up to the region's top."""
    largest = max(1.0, float(amplified[node].max()))
    return Demand(reading.width, largest * 4.0 ** (layout.widths[node] - reading.bits))


def typical_demands(width: int, output_noise: float, *, norm: float | None = None) -> OneLevelDemands:
    """Of one lookup.

    Args:
        width: of the lookup in bits.
        output_noise: the output's bits, and half of the logarithm of how many lookups are summed in it.
        norm: the Euclidean norm of the weights that its input is summed with, beside the last bit that it reads; by
            default the largest that the code of a table of trees has, of digits without a common bit.
    """
    squares = _largest_code(1 << width, 1) if norm is None else norm**2
    return OneLevelDemands((Demand(width, squares),), Demand(0, 4.0**output_noise), 1)


@cache
def _largest_code(room: int, bits_a_step: int) -> int:
    """The largest sum of squared weights of a mixed-radix code of `room` values, of digits of two kinds.

    Counts of a feature's bits, each of which adds the digit's weight, come first. Counts of two or more conditions
    follow, each of which reads two bits. (A code of single bits, of weights 1, 2, 4, ..., has (room^2 - 1) / 3.)
    """
    best = 0
    for size in range(bits_a_step + 1, room + 1):
        best = max(best, bits_a_step * (size - 1) + size**2 * _largest_code(room // size, bits_a_step))
    return max(best, _largest_code(room, 2)) if bits_a_step == 1 else best


# -- crypto parameters ------------------------------------------------------------------------------------------------


def serves_one_level(keyset: KeysetParameters) -> bool:
    """Whether a keyset is one for one-level circuits."""
    match keyset.secret_keys, keyset.bootstrap_keys, keyset.keyswitch_keys:
        case (large, small), (key,), ():
            return (large.id, small.id, key.input_key, key.output_key) == (LARGE_KEY, SMALL_KEY, SMALL_KEY, LARGE_KEY)
    return False


def complexity(keyset: KeysetParameters, lookups: int) -> float:
    """Under a keyset for one-level circuits, in the unit that Concrete's optimizer counts operations in."""
    (key,) = keyset.bootstrap_keys
    return lookups * bootstrap_price(key, keyset.dimensions[key.input_key])


def is_secure(keyset: KeysetParameters) -> bool:
    """Whether keys for one-level circuits, and inputs under them, have the noise of 128 bits of security."""
    (key,) = keyset.bootstrap_keys
    large, small = keyset.dimensions[LARGE_KEY], keyset.dimensions[SMALL_KEY]
    return min(large, small) >= MINIMUM_DIMENSION and key.variance >= ROUNDED_VARIANCE * minimal_variance(large)


def is_exact_enough(keyset: KeysetParameters, demands: OneLevelDemands, p_error: float) -> bool:
    """Whether no lookup, and no output, is misread with a larger probability under a keyset for one-level circuits."""
    (key,) = keyset.bootstrap_keys
    dimension, output = keyset.dimensions[key.input_key], demands.output
    noise = output.amplification * bootstrap_variance_bound(key, dimension)
    reads = _reads(demands, dimension, key.polynomial_size, p_error)
    return reads and noise <= tolerated_variance(output.bits, p_error)


def was_exact_enough(keyset: KeysetParameters, demands: OneLevelDemands, p_error: float) -> bool:
    """As `is_exact_enough` by what earlier versions reckoned with: plain modulus switches, the optimizer's transform.

    Models that they compiled are still served, and so must be compiled; `p_error_under` is what is true of them.
    """
    (key,) = keyset.bootstrap_keys
    dimension, output = keyset.dimensions[key.input_key], demands.output
    noise = output.amplification * optimizers_bootstrap_variance(key, dimension)
    reads = _reads(demands, dimension, key.polynomial_size, p_error, compensated=False)
    return reads and noise <= tolerated_variance(output.bits, p_error)


def p_error_under(keyset: KeysetParameters, demands: OneLevelDemands) -> float:
    """The most that the probability of a misread lookup, or output, is under a keyset for one-level circuits.

    In the mean over secret keys; keysets are chosen with room for keys of more ones (`formulas.KEY_DEVIATIONS`).
    """
    (key,) = keyset.bootstrap_keys
    dimension, output = keyset.dimensions[key.input_key], demands.output
    met = _met(demands, dimension, key.polynomial_size, compensated=True)
    looked_up = output.amplification * bootstrap_variance_bound(key, dimension, key_deviations=0.0)
    return max(misread_probability(variance, bits) for variance, bits in (*met, (looked_up, output.bits)))


def cheapest_keyset(demands: OneLevelDemands, p_error: float, *, levels: int | None = None) -> KeysetParameters | None:
    """The cheapest keyset that is exact enough; None where none is.

    Args:
        demands: of a circuit.
        p_error: the largest probability that a lookup, or an output, is misread.
        levels: of the bootstrap key; by default as few as can be.
    """
    found: list[KeysetParameters] = []
    for polynomial_size in _POLYNOMIAL_SIZES:
        small = next((n for n in _SMALL_DIMENSIONS if _reads(demands, n, polynomial_size, p_error)), None)
        if small is not None:
            for glwe_dimension in range(1, MAX_GLWE_DIMENSION + 1):
                found += _of_sizes(demands, p_error, small, glwe_dimension, polynomial_size, levels)
    return min(found, key=lambda keyset: (complexity(keyset, 1), keyset.dimensions[LARGE_KEY]), default=None)


def _of_sizes(
    demands: OneLevelDemands,
    p_error: float,
    small: int,
    glwe_dimension: int,
    polynomial_size: int,
    levels: int | None,
) -> Iterator[KeysetParameters]:
    """At most one: with the fewest levels."""
    if glwe_dimension * polynomial_size not in _LARGE_DIMENSIONS:
        return
    for level_count in _LEVELS if levels is None else (levels,):
        keyset = _keyset(small, glwe_dimension, polynomial_size, level_count)
        if is_exact_enough(keyset, demands, p_error):
            yield keyset
            return


def _reads(
    demands: OneLevelDemands, dimension: int, polynomial_size: int, p_error: float, *, compensated: bool = True
) -> bool:
    """Whether all lookups read what they should, under a small key of `dimension` bits."""
    return polynomial_size >= 2 << demands.widest and all(
        variance <= tolerated_variance(bits, p_error)
        for variance, bits in _met(demands, dimension, polynomial_size, compensated=compensated)
    )


def _met(
    demands: OneLevelDemands, dimension: int, polynomial_size: int, *, compensated: bool
) -> Iterator[tuple[float, int]]:
    """Of each kind of lookup, the variance of what it reads, and the bits that it reads."""
    fresh = minimal_variance(dimension)
    rounding = rounding_variance(dimension, polynomial_size, compensated=compensated)
    return ((demand.amplification * fresh + rounding, demand.bits) for demand in demands.inputs)


@cache
def _keyset(small: int, glwe_dimension: int, polynomial_size: int, level_count: int) -> KeysetParameters:
    """With the base that adds the least noise."""
    large = glwe_dimension * polynomial_size
    secret_keys = (SecretKeyParameters(LARGE_KEY, large), SecretKeyParameters(SMALL_KEY, small))
    variance = minimal_variance(large)
    keys = [
        BootstrapKeyParameters(
            0, SMALL_KEY, LARGE_KEY, level_count, base_log, glwe_dimension, polynomial_size, variance
        )
        for base_log in range(1, _MANTISSA_BITS // level_count + 1)
    ]
    best = min(keys, key=lambda key: bootstrap_variance_bound(key, small))
    return KeysetParameters(secret_keys, (best,))
