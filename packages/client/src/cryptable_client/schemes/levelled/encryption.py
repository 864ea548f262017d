"""Rows encrypted and answers read (protos/SPEC-LEVELLED.md, "A row", "An answer")."""

from __future__ import annotations

import os
from operator import mul

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.batch import RowsTogether
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, LOG2_DEVIATION, RING_SIZE
from cryptable_protocol.schemes.levelled.layout import PLACE_SCALE, Layout, Run
from cryptable_protocol.schemes.levelled.linear_layout import residues_on_torus
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.mask_stream import masks
from cryptable_protocol.schemes.levelled.parameters import PLACED_WORD_BITS, ROW_WORD_BITS, LevelledParameters
from cryptable_protocol.schemes.packing import pack, packed_bytes, rounded, unpack
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES, RingTensor

from cryptable_client.schemes.levelled.ring import GRID_MASK, Spectrum, Words, times, torus_times, transform
from cryptable_client.schemes.randomness import SecretStream
from cryptable_client.schemes.ternary import Secret

_NOISE_VARIANCE = 4.0 ** (LOG2_DEVIATION - 64 + GRID_BITS)
"""For a sampler that rounds to integers times 2^64: what it draws is round(g · 2^52)."""


def encrypt_bodies(secret: Secret, mask: Words, message: Words) -> Words:
    """Bodies modulo 2^52 of torus polynomials under given masks, with fresh noise; all of shape (count, N)."""
    noise = SecretStream().gaussian(message.size, _NOISE_VARIANCE).reshape(message.shape)
    return (torus_times(mask, transform(secret.astype(np.float64))) + noise + message) & GRID_MASK


def encrypt_row(parameters: LevelledParameters, secret: Secret, bits: npt.NDArray[np.int64]) -> RingTensor:
    """Encrypt a row of bits, of shape (parameters.inputs,), under one fresh seed."""
    layout = parameters.layout
    message = np.concatenate([_expanded(layout, bits), _placed(layout, bits)])
    seed = os.urandom(SEED_BYTES)
    bodies = encrypt_bodies(secret, masks(seed, 0, len(message)), message)
    return RingTensor(
        _packed(bodies, [ROW_WORD_BITS] * len(layout.runs) + [PLACED_WORD_BITS] * layout.placed_polynomials), seed
    )


def encrypt_together(parameters: RowsTogether, secret: Secret, bits: npt.NDArray[np.int64]) -> RingTensor:
    """Encrypt several rows of bits, one after the other, of shape (parameters.inputs,), under one fresh seed."""
    message = _together(parameters, bits)
    seed = os.urandom(SEED_BYTES)
    bodies = encrypt_bodies(secret, masks(seed, 0, 1), message)
    message.fill(0)
    return RingTensor(_packed(bodies, [ROW_WORD_BITS]), seed, parameters.rows, parameters.rows_per_answer)


def encrypt_integers(parameters: LinearParameters, secret: Secret, values: npt.NDArray[np.int64]) -> RingTensor:
    """Encrypt a row of integers, of shape (parameters.inputs,), as residues, under one fresh seed."""
    layout = parameters.layout
    polynomial, places = layout.input_places
    message = np.zeros((layout.polynomials, RING_SIZE), np.uint64)
    for modulus, place in zip(parameters.moduli, places, strict=True):
        message[polynomial, place] = residues_on_torus(values, modulus)
    seed = os.urandom(SEED_BYTES)
    bodies = encrypt_bodies(secret, masks(seed, 0, len(message)), message)
    message.fill(0)
    return RingTensor(_packed(bodies, [parameters.row_word_bits] * len(bodies)), seed)


def _packed(bodies: Words, word_bits: list[int]) -> bytes:
    return b"".join(pack(rounded(body, GRID_BITS, width), width) for body, width in zip(bodies, word_bits, strict=True))


def _together(parameters: RowsTogether, bits: npt.NDArray[np.int64]) -> Words:
    """The polynomial with the leaves of all rows, shape (1, N)."""
    layout, rows = parameters.row.layout, parameters.rows
    message = np.zeros((1, RING_SIZE), np.uint64)
    each = bits.reshape(rows, -1)[:, layout.leaf_bits].ravel()
    _fill(message[0], parameters.run, each, np.tile(layout.leaf_scales, rows))
    return message


def _expanded(layout: Layout, bits: npt.NDArray[np.int64]) -> Words:
    """Polynomials of leaves, shape (runs, N)."""
    message = np.zeros((len(layout.runs), RING_SIZE), np.uint64)
    for polynomial, run in zip(message, layout.runs, strict=True):
        part = slice(run.first, run.first + run.count)
        _fill(polynomial, run, bits[layout.leaf_bits[part]], layout.leaf_scales[part])
    return message


def _fill(
    polynomial: npt.NDArray[np.uint64], run: Run, bits: npt.NDArray[np.int64], scales: npt.NDArray[np.int64]
) -> None:
    """Write a run's leaves, of these bits and scales, shape (run.count,), into the polynomial that is expanded."""
    polynomial[np.arange(run.count) << run.shift] = bits << (GRID_BITS - scales - run.doublings)


def _placed(layout: Layout, bits: npt.NDArray[np.int64]) -> Words:
    """Polynomials that are not expanded, shape (placed polynomials, N)."""
    message = np.zeros((layout.placed_polynomials, RING_SIZE), np.uint64)
    index = np.arange(len(layout.placed))
    message[index // layout.room, index % layout.room * layout.slots] = bits[np.array(layout.placed, np.int64)] << (
        GRID_BITS - PLACE_SCALE
    )
    return message


def decrypt_answer(
    parameters: LevelledParameters | LinearParameters, secret: Secret, tensor: RingTensor
) -> npt.NDArray[np.int64]:
    """Integers in 0 … maximum, shape (outputs,), of any answer of the right form: an honest one's are the model's.

    Raises:
        MalformedMessageError: it is of another form.
    """
    parameters.check_output(tensor.to_message())
    return _read_answer(parameters, secret, tensor.polynomials)


def decrypt_together(parameters: RowsTogether, secret: Secret, tensor: RingTensor) -> npt.NDArray[np.int64]:
    """As `decrypt_answer`, of several rows, one after the other: shape (parameters.outputs,)."""
    parameters.check_output(tensor.to_message())
    row, found, start, spectrum = parameters.row, [], 0, transform(secret.astype(np.float64))
    for rows in parameters.rows_by_answer:
        end = start + parameters.bytes_of_answer(rows)
        places = list(range(rows * row.slots))
        phases = _phases(row, spectrum, tensor.polynomials[start:end], places)
        found += [_read_phases(row, phase) for phase in phases.reshape(rows, len(row.moduli), -1)]
        start = end
    return np.concatenate(found)


def _read_answer(
    parameters: LevelledParameters | LinearParameters, secret: Secret, polynomials: bytes
) -> npt.NDArray[np.int64]:
    size, spectrum = len(polynomials) // parameters.parts, transform(secret.astype(np.float64))
    phases = [
        _phases(parameters, spectrum, polynomials[part * size : (part + 1) * size], parameters.slot_places)
        for part in range(parameters.parts)
    ]
    by_modulus = [phase.reshape(len(parameters.moduli), -1) for phase in phases]
    return _read_phases(parameters, np.concatenate(by_modulus, axis=1)[:, : parameters.outputs])


def _phases(
    parameters: LevelledParameters | LinearParameters, spectrum: Spectrum, data: bytes, places: list[int]
) -> npt.NDArray[np.int64]:
    """Of one ciphertext, whose body has these coefficients."""
    width = parameters.answer_word_bits
    at = packed_bytes(RING_SIZE, width)
    mask = unpack(data[:at], RING_SIZE, width).astype(np.int64)
    body = unpack(data[at:], len(places), width).astype(np.int64)
    phases: npt.NDArray[np.int64] = (body - times(mask, spectrum)[places]) % (1 << width)
    return phases


def _read_phases(
    parameters: LevelledParameters | LinearParameters, phase: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Outputs of a row, from phases of shape (moduli, outputs)."""
    width, moduli = parameters.answer_word_bits, np.array(parameters.moduli, np.int64)[:, None]
    residues = ((2 * phase * moduli + (1 << width)) >> (width + 1)) % moduli
    return np.array([min(value, parameters.maximum) for value in _combine(parameters, residues)], np.int64)


def _combine(parameters: LevelledParameters | LinearParameters, residues: npt.NDArray[np.int64]) -> list[int]:
    """The Chinese remainder theorem, output by output, in Python's integers: the product of moduli may exceed 2^52."""
    factors = [(rest := parameters.modulus // modulus) * pow(rest, -1, modulus) for modulus in parameters.moduli]
    columns = residues.T.tolist()
    return [sum(map(mul, column, factors)) % parameters.modulus for column in columns]
