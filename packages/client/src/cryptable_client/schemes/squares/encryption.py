"""Rows encrypted and answers read (protos/SPEC-SQUARES.md, "A row", "An answer")."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.packing import pack, packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES, RingTensor
from cryptable_protocol.schemes.squares.keyset import Chain
from cryptable_protocol.schemes.squares.mask_stream import masks
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from cryptable_protocol.schemes.squares.transforms import from_slots, slot_positions, times, transform

from cryptable_client.schemes.squares.secret import Integers, errors
from cryptable_client.schemes.ternary import Secret

EXACT_PRIME = 4503599626682369
"""Of 52 bits, and 1 modulo 2N in both rings. A product of the secret with words of 36 bits is at most N · 2^36, which
is 2^50, in magnitude: below half of this prime, whatever the words are."""
_EXACT_BITS = 36


def ring_times(mask: Integers, secret: Secret, prime: int) -> Integers:
    """The product of a polynomial of residues with the secret, modulo a prime of the form 2N k + 1."""
    transformed = transform(prime, secret.size).forward(secret % prime)
    product = times_transformed(mask, transformed, prime)
    transformed.fill(0)
    return product


def times_transformed(mask: Integers, transformed: Integers, prime: int) -> Integers:
    """The same of a secret's transform."""
    ring = transform(prime, transformed.size)
    return ring.inverse(times(ring.forward(mask), transformed, prime))


def exact_times(words: Integers, secret: Secret, bits: int = _EXACT_BITS) -> Integers:
    """The product of a polynomial of an answer's words with the secret, in integers; modulo 2^64 of longer words."""
    if bits > _EXACT_BITS:
        low = words & ((1 << _EXACT_BITS) - 1)
        high = exact_times(words >> _EXACT_BITS, secret)
        return exact_times(low, secret) + (high << _EXACT_BITS)
    product = ring_times(words, secret, EXACT_PRIME)
    centred: Integers = np.where(product > EXACT_PRIME // 2, product - EXACT_PRIME, product)
    return centred


def encrypt_row(parameters: SquaresParameters, secret: Secret, values: npt.NDArray[np.int64]) -> RingTensor:
    """Encrypt a row of integers, of shape (parameters.inputs,), once for each modulus, under one fresh seed."""
    chain = parameters.keyset.chain
    seed = os.urandom(SEED_BYTES)
    slots = parameters.layout.place(values)
    bodies = []
    transformed = transformed_secret(chain, secret)
    for index, modulus in enumerate(parameters.moduli):
        mask = masks(seed, index * len(chain.data), chain.data, chain.ring_size)
        body = body_of(chain, transformed, from_slots(slots % modulus, modulus), modulus, mask)
        bodies += [
            pack(words.astype(np.uint64), prime.bit_length()) for words, prime in zip(body, chain.data, strict=True)
        ]
    transformed.fill(0)
    return RingTensor(b"".join(bodies), seed)


def transformed_secret(chain: Chain, secret: Secret) -> Integers:
    """Modulo each prime of ciphertexts, shape (primes, N); as secret as it, and to be erased likewise."""
    return np.stack([transform(prime, secret.size).forward(secret % prime) for prime in chain.data])


def body_of(
    chain: Chain,
    transformed: Integers,
    message: Integers,
    modulus: int,
    mask: Integers,
    *,
    added: Integers | None = None,
) -> Integers:
    """⌊(Q m + added) / t⌋ + e − a s modulo each prime, of numbers 0 … t − 1; without, round(Q m / t) + e − a s.

    `transformed` are the transforms of s, whose first ones may be enough.
    """
    noise = errors(chain.ring_size)
    quotient, rest = divmod(chain.modulus, modulus)
    near = (message.astype(np.float64) * (rest / modulus)).astype(np.int64)
    # Off by one at most, so that what is left is small, though its parts are known modulo 2^64 alone (`times`).
    left = message * rest - near * modulus
    rounded = near + (left + (modulus // 2 if added is None else added)) // modulus
    body = np.empty_like(mask)
    for index, prime in enumerate(chain.data):
        scaled = times(message, quotient % prime, prime)
        body[index] = (scaled + rounded + noise - times_transformed(mask[index], transformed[index], prime)) % prime
    noise.fill(0)
    return body


def decrypt_answer(parameters: SquaresParameters, secret: Secret, tensor: RingTensor) -> npt.NDArray[np.int64]:
    """Integers in 0 … maximum, shape (outputs,), of any answer of the right form: an honest one's are the model's.

    Raises:
        MalformedMessageError: it is of another form.
    """
    parameters.check_output(tensor.to_message())
    size, classes, bits = parameters.keyset.ring_size, parameters.classes, parameters.answer_word_bits
    of_mask, of_body = packed_bytes(size, bits), packed_bytes(classes, bits)
    outputs = [0] * parameters.outputs
    for index, modulus in enumerate(parameters.moduli):
        start = index * (of_mask + of_body)
        mask = unpack(tensor.polynomials[start : start + of_mask], size, bits).astype(np.int64)
        body = unpack(tensor.polynomials[start + of_mask : start + of_mask + of_body], classes, bits).astype(np.int64)
        phase = (body + exact_times(mask, secret)[:: size // classes]) % (1 << bits)
        residues = _read_outputs(parameters, phase, modulus)
        rest = parameters.modulus // modulus
        factor = rest * pow(rest, -1, modulus)
        outputs = [total + residue * factor for total, residue in zip(outputs, residues, strict=True)]
    return np.array([min(value % parameters.modulus, parameters.maximum) for value in outputs], np.int64)


def _read_outputs(parameters: SquaresParameters, phase: Integers, modulus: int) -> list[int]:
    """Outputs modulo one modulus, of the phases of an answer's coefficients."""
    bits, size, classes = parameters.answer_word_bits, parameters.keyset.ring_size, parameters.classes
    coefficients = read_phase(phase, modulus, bits)
    sums = transform(modulus, classes, size).forward(coefficients)[slot_positions(classes)]
    residues = parameters.layout.output_of(times(sums, size // classes, modulus)) % modulus
    found: list[int] = residues.tolist()
    return found


def read_phase(phase: Integers, modulus: int, bits: int) -> Integers:
    """Coefficients modulo a plaintext modulus, of phases modulo 2^bits, up to 57: halves upwards."""
    near = (phase.astype(np.float64) * (modulus / 2.0**bits)).astype(np.int64)
    # Off by one at most, as in `body_of`: of 58 bits is what is left.
    left = phase * modulus - near * (1 << bits)
    return (near + ((left + (1 << (bits - 1))) >> bits)) % modulus
