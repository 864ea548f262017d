"""Refusing a server's crypto parameters that are not secure, before any key is made with them.

The curve is the one that Zama publishes for Concrete, fitted to the lattice estimator's results
(https://github.com/malb/lattice-estimator) for uniform binary secrets and a modulus of 2^64: at LWE dimension n ≥ 450,
noise of at least 2^max(slope · n + bias, MINIMUM) of the torus gives 128, or 132, bits of security. A GLWE key of
dimension k and polynomial size N counts as an LWE key of dimension k · N. The modulus is 2^64 in every message, so no
specification can name another, or two that differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cryptable_protocol import limits
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.schemes.bootstrapped.keyset import (
    BootstrapKeyParameters,
    CiphertextType,
    KeysetParameters,
    KeyswitchKeyParameters,
)
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

from cryptable_client.errors import WeakParametersError
from cryptable_client.schemes.scheme import SECURITY_BITS


class Curve(NamedTuple):
    """log2 of the smallest secure standard deviation, as slope · n + bias."""

    slope: float
    bias: float


CURVES = {
    128: Curve(-0.025696778711484593, 2.675931372549016),
    132: Curve(-0.024891456582633045, 2.65734593837534),
}
"""By bits of security. Concrete chooses parameters, and Cryptable its catalogue, on the curve of 128: for 132 their
noise is too low in every keyset, by 2^1.6 at n = 2048. What gives 132 is a keyset chosen by hand on that curve; from
n = 2598 on, where both curves are at their minimum, there is no difference."""
MINIMUM_LOG2_DEVIATION = -62.0
MINIMUM_DIMENSION = 450

ROUNDING_TOLERANCE = 1e-9
"""Accepted below the curve, in bits of standard deviation. Concrete takes its variances from this very curve, so they
lie exactly on it but for the rounding of float64 (about 1e-14 bits); 1e-9 bits of noise are no bits of security."""

MAX_MASK_WORDS = 1 << 32
"""Words of masks behind all evaluation keys: about one minute of one core. Concrete's largest have 2^29."""
MAX_INPUT_WORDS = 1 << 28
"""Words of masks behind one encrypted row: about one second of one core."""
MAX_OUTPUT_WORDS = limits.MAX_MESSAGE_BYTES // 8
"""Words of one answer, whose masks travel."""
MAX_BASE_LOG = 40
"""Bits of a decomposition's digit. Concrete's have at most about 24."""
MAX_LEVEL_COUNT = 32
"""Levels of a decomposition. Concrete's have at most about 12."""


@dataclass(frozen=True)
class _Encryption:
    """Something that is encrypted under a secret key with a noise of its own."""

    what: str
    dimension: int
    variance: float


def minimum_log2_deviation(dimension: int, *, security_bits: int = SECURITY_BITS) -> float:
    """Base-2 logarithm of the smallest secure standard deviation, as a fraction of the torus, at an LWE dimension.

    Raises:
        InvalidInputError: there is no curve for `security_bits`.
    """
    if security_bits not in CURVES:
        raise InvalidInputError(f"security_bits is {security_bits}, expected one of {', '.join(map(str, CURVES))}")
    slope, bias = CURVES[security_bits]
    return max(slope * dimension + bias, MINIMUM_LOG2_DEVIATION)


def check_parameters(parameters: BootstrappedParameters, *, security_bits: int = SECURITY_BITS) -> None:
    """Check all parameters of a model.

    Args:
        parameters: of the model.
        security_bits: that each parameter must give: 128 or 132.

    Raises:
        WeakParametersError: one of them gives fewer bits of security or asks for absurd work; the message names it, as
            "bootstrap key 0: variance …".
        InvalidInputError: another `security_bits`.
    """
    keyset = parameters.keyset
    check_keyset(keyset, security_bits=security_bits)
    _check_tensor("input tensor", parameters.input, keyset, MAX_INPUT_WORDS)
    _check_tensor("output tensor", parameters.output, keyset, MAX_OUTPUT_WORDS)
    dimension = keyset.dimensions[parameters.input.key]
    _check_noise(_Encryption("input tensor", dimension, parameters.input.variance), security_bits)


def check_keyset(keyset: KeysetParameters, *, security_bits: int = SECURITY_BITS) -> None:
    """Check the parameters of the keys alone.

    Raises:
        WeakParametersError: see `check_parameters`.
    """
    for secret_key in keyset.secret_keys:
        if secret_key.dimension < MINIMUM_DIMENSION:
            raise WeakParametersError(
                f"secret key {secret_key.id}: dimension {secret_key.dimension} is too small for {security_bits} bits "
                f"of security, at least {MINIMUM_DIMENSION} is needed; {_ADVICE}"
            )
    for encryption in _encryptions(keyset):
        _check_noise(encryption, security_bits)
    for name, key in _evaluation_keys(keyset):
        if key.level_count > MAX_LEVEL_COUNT:
            raise WeakParametersError(
                f"{name}: level_count {key.level_count} is absurd, at most {MAX_LEVEL_COUNT} is accepted; {_ADVICE}"
            )
        if key.base_log > MAX_BASE_LOG:
            raise WeakParametersError(
                f"{name}: base_log {key.base_log} is absurd, at most {MAX_BASE_LOG} is accepted: noise would be "
                f"multiplied by up to 2^{key.base_log - 1}; {_ADVICE}"
            )
        if key.input_key == key.output_key:
            raise WeakParametersError(
                f"{name}: input_key and output_key are both {key.input_key}: it would encrypt a key under itself; "
                f"{_ADVICE}"
            )
    _check_work(keyset)


def mask_words(keyset: KeysetParameters) -> int:
    """Words of masks that making all evaluation keys expands: what key generation costs."""
    bootstrap = sum(
        keyset.bootstrap_key_rows(key) * key.glwe_dimension * key.polynomial_size for key in keyset.bootstrap_keys
    )
    keyswitch = sum(keyset.keyswitch_key_rows(key) * keyset.dimensions[key.output_key] for key in keyset.keyswitch_keys)
    return bootstrap + keyswitch


_ADVICE = "refuse this model, or ask its developer to compile it again with current parameters"

_ADVICE_BEYOND = (
    f"models that Cryptable compiles have keysets on the curve of {SECURITY_BITS} bits, so ask for {SECURITY_BITS}, or "
    "for a keyset that was chosen by hand"
)


def _encryptions(keyset: KeysetParameters) -> Iterator[_Encryption]:
    for name, key in _evaluation_keys(keyset):
        yield _Encryption(name, keyset.dimensions[key.output_key], key.variance)


def _evaluation_keys(
    keyset: KeysetParameters,
) -> Iterator[tuple[str, BootstrapKeyParameters | KeyswitchKeyParameters]]:
    for bootstrap_key in keyset.bootstrap_keys:
        yield f"bootstrap key {bootstrap_key.id}", bootstrap_key
    for keyswitch_key in keyset.keyswitch_keys:
        yield f"keyswitch key {keyswitch_key.id}", keyswitch_key


def _check_noise(encryption: _Encryption, security_bits: int) -> None:
    what, dimension, variance = encryption.what, encryption.dimension, encryption.variance
    needed = minimum_log2_deviation(dimension, security_bits=security_bits)
    if not variance > 0.0:
        raise WeakParametersError(f"{what}: variance {variance} is no noise at all, so no security; {_ADVICE}")
    deviation = 0.5 * math.log2(variance)
    if deviation < needed - ROUNDING_TOLERANCE:
        raise WeakParametersError(
            f"{what}: variance {variance:.3g} (standard deviation 2^{deviation:.2f}) is too low for {security_bits} "
            f"bits of security at dimension {dimension}, where at least 2^{needed:.2f} is needed; "
            f"{_ADVICE if security_bits == SECURITY_BITS else _ADVICE_BEYOND}"
        )


def _check_tensor(what: str, tensor: CiphertextType, keyset: KeysetParameters, limit: int) -> None:
    dimension = keyset.dimensions[tensor.key]
    words = tensor.size * (dimension + 1)
    if words > limit:
        raise WeakParametersError(
            f"{what}: size {tensor.size} at dimension {dimension} is absurd: {words} words, at most "
            f"{limit} are accepted; {_ADVICE}"
        )


def _check_work(keyset: KeysetParameters) -> None:
    words = mask_words(keyset)
    if words > MAX_MASK_WORDS:
        raise WeakParametersError(
            f"keyset: evaluation keys with {words} mask words are absurd (minutes of work), at most {MAX_MASK_WORDS} "
            f"are accepted; {_ADVICE}"
        )
