"""Whether an answer can be read at the width that it is declared with: a wider one shows noise, and so the key."""

from __future__ import annotations

import math

from cryptable_protocol.schemes.bootstrapped.keyset import BootstrapKeyParameters, CiphertextType, KeysetParameters


def widest_output(keyset: KeysetParameters, given: CiphertextType, output_key: int, p_error: float) -> int:
    """The most bits of an answer that the least noise it can bear leaves readable; more are no compiler's choice.

    An answer under the input's key may be a sum of inputs, and bears a fresh ciphertext's noise at least. One under
    another key is looked up: it bears that of a bootstrapping.

    A reading at `width` bits is right where noise is below 2^-(width + 2) of the torus, which is z standard deviations
    at a p_error of P(|x| > z). For p up to 2^-40, z² is at least 1.6 · ln(1 / p) (50.3 for 44.4 there, and nearer to
    2 · ln(1 / p) below): so much is certain without inverting a normal distribution.

    Args:
        keyset: of the model.
        given: its input.
        output_key: secret key of its answers.
        p_error: of a reading, at most 2^-40.

    Returns:
        Bits; below 1 where nothing can be read.
    """
    looked_up = [_least(key, keyset) for key in keyset.bootstrap_keys if key.output_key == output_key]
    least = given.variance if output_key == given.key else min(looked_up, default=0.0)
    if least <= 0.0:  # without noise there is no security either, which is for the client to refuse
        return CiphertextType.MAX_WIDTH
    return math.floor(-(math.log2(least) + math.log2(-1.6 * math.log(p_error))) / 2) - 2


def _least(key: BootstrapKeyParameters, keyset: KeysetParameters) -> float:
    """Half of what noisy rows and inexact words of a bootstrap key add to a looked-up value in the mean.

    Chillotti, Ligier, Orfila and Tap, "Improved programmable bootstrapping with larger precision and efficient
    arithmetic circuits for TFHE" (2021); what doubles add comes on top.
    """
    base, large = 2.0**key.base_log, key.glwe_dimension * key.polynomial_size
    rows = key.level_count * (large + key.polynomial_size) * (base**2 + 2) / 12 * key.variance
    inexact = (1 + large / 2) / (24 * base ** (2 * key.level_count))
    return keyset.dimensions[key.input_key] * (rows + inexact) / 2
