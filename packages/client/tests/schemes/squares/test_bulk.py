"""Rows in bulk at the client: slots, answers and pieces; rows that fit nothing are refused."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from cryptable_client import SecretKeys, decrypt, encrypt
from cryptable_client.keys.encryption import encrypt_in_pieces
from cryptable_client.schemes.squares import bulk, encryption
from cryptable_client.schemes.squares.encryption import (
    body_of,
    exact_times,
    read_phase,
    ring_times,
    transformed_secret,
)
from cryptable_protocol import ClientSpec, Decoder, InvalidInputError, Link, MalformedMessageError, ThermometerEncoder
from cryptable_protocol.limits import CHUNK_BYTES
from cryptable_protocol.schemes.packing import pack, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.mask_stream import masks
from cryptable_protocol.schemes.squares.transforms import from_slots, slot_positions, transform

PARAMETERS = BulkParameters(1, 9, 1, 65537, 1, 60_000, 28, 2.0**-128)
SPEC = ClientSpec(
    "model",
    tuple(ThermometerEncoder(f"x{index}", (0.0, 1.0, 2.0)) for index in range(3)),
    PARAMETERS,
    Decoder(Link.IDENTITY, (0,), 1.0, (0.0,)),
)
CHAIN = PARAMETERS.keyset.chain


@pytest.fixture(scope="module")
def keys():
    with SecretKeys.generate(SPEC) as made:
        yield made


def slots_of(tensor, secret):
    """What a row's first element holds, by decryption modulo the first prime of what is scaled by Q / t."""
    size, prime = CHAIN.ring_size, CHAIN.data[0]
    bodies = [
        unpack(tensor.polynomials[start : start + size * 46 // 8], size, 46).astype(object)
        for start in range(0, PARAMETERS.column_bytes, size * 46 // 8)
    ]
    mask = masks(tensor.seed, 0, CHAIN.data, size)
    phase = np.zeros(size, object)
    for body, own, prime in zip(bodies, mask, CHAIN.data, strict=True):
        rest = CHAIN.modulus // prime
        phase += (body + ring_times(own, secret, prime)) % prime * (rest * pow(rest, -1, prime))
    coefficients = (2 * (phase % CHAIN.modulus) * PARAMETERS.modulus + CHAIN.modulus) // (2 * CHAIN.modulus)
    values = transform(PARAMETERS.modulus, size).forward((coefficients % PARAMETERS.modulus).astype(np.int64))
    return values[slot_positions(size)]


def test_each_element_has_a_ciphertext_whose_slots_are_the_rows(keys):
    rows = np.random.default_rng(0).integers(0, 2, (5, 9))
    tensor = encrypt(SPEC, keys, rows)
    found = slots_of(tensor, keys._key_material())
    assert found[:6].tolist() == [*rows[:, 0].tolist(), 0]
    assert not found[5:].any()
    assert encrypt(SPEC, keys, rows).seed != tensor.seed


def test_points_are_sent_in_the_place_of_thermometers(keys):
    parameters = replace(PARAMETERS, thermometers=(5, 3, 1), degree=2)
    rows = np.array([[1, 1, 1, 0, 0, 1, 0, 0, 1], [1, 1, 1, 1, 1, 0, 0, 0, 0]])
    tensor = bulk.encrypt_rows(parameters, keys._key_material(), rows)
    assert len(tensor.polynomials) == parameters.row_bytes == 5 * parameters.column_bytes
    # Three ones of five are the point (0, 2), five (2, 0): the first column has their first coordinates.
    assert slots_of(tensor, keys._key_material())[:3].tolist() == [0, 2, 0]


MODULUS = 35184371613697
"""Of 45 bits, the most that rows in bulk have."""


@pytest.mark.parametrize("level", [1, 2, 0])
@pytest.mark.parametrize("modulus", [65537, MODULUS])
def test_a_body_is_rounded_as_integers_are(level, modulus, monkeypatch):
    monkeypatch.setattr(encryption, "errors", lambda size: np.zeros(size, np.int64))
    chain, random = replace(PARAMETERS, level=level).fresh, np.random.default_rng(0)
    nothing = np.zeros((len(chain.data), chain.ring_size), np.int64)
    message, added = random.integers(0, modulus, (2, chain.ring_size))
    message[:2], added[:4] = (modulus - 1, 0), (modulus - 1, modulus - 1, 0, 0)
    found = body_of(chain, nothing, message, modulus, nothing, added=added)
    wanted = (message.astype(object) * chain.modulus + added) // modulus
    for body, prime in zip(found, chain.data, strict=True):
        np.testing.assert_array_equal(body, (wanted % prime).astype(np.int64))


@pytest.mark.parametrize("bits", [27, 36, 37, 57])
@pytest.mark.parametrize("modulus", [65537, MODULUS])
def test_phases_are_read_as_integers_are(bits, modulus):
    phases = np.random.default_rng(0).integers(0, 1 << bits, 4000)
    edges = [round((2 * number + 1) * 2**bits / (2 * modulus)) for number in range(40)]
    phases[:120] = [(edge + off) % 2**bits for edge in edges for off in (-1, 0, 1)]
    phases[120:124] = (0, 1, (1 << bits) - 1, 1 << (bits - 1))
    wanted = [(2 * int(phase) * modulus + 2**bits) // 2 ** (bits + 1) % modulus for phase in phases]
    assert read_phase(phases, modulus, bits).tolist() == wanted


def test_long_words_times_the_secret_are_exact_modulo_their_length(keys):
    bits, secret = 57, keys._key_material()
    words = np.random.default_rng(0).integers(0, 1 << bits, secret.size)
    words[:9] = (1 << bits) - 1
    found = exact_times(words, secret, bits) % (1 << bits)
    own, turned = words.astype(object), secret.astype(object)
    for place in (0, 1, secret.size - 1):
        # X^N is -1: what is beyond the end comes back negated.
        wanted = own[: place + 1] @ turned[place::-1] - own[place + 1 :] @ turned[:place:-1]
        assert found[place] == wanted % (1 << bits)


def test_what_rounding_is_off_by_has_no_mean():
    """Bodies without mask: what is left of Q m / t is made up for by how often it is rounded up."""
    size, t = CHAIN.ring_size, PARAMETERS.modulus
    value = next(value for value in range(1, 100) if 0.35 < CHAIN.modulus * value % t / t < 0.45)
    message, nothing = np.full(size, value), np.zeros((3, size), np.int64)
    added = np.random.default_rng(0).integers(0, t, size)
    found = [body_of(CHAIN, nothing[0], message, t, nothing, added=each)[0] for each in (added, None)]
    assert 0.15 < np.mean(found[0] - found[1]) < 0.65


def test_an_answer_is_read_slot_by_slot(keys):
    size, prime = CHAIN.ring_size, CHAIN.data[0]
    values = np.random.default_rng(1).integers(0, PARAMETERS.modulus, size)
    one = CHAIN._replace(primes=(prime, CHAIN.primes[-1]))
    mask = np.random.default_rng(2).integers(0, prime, (1, size))
    own = transformed_secret(one, keys._key_material())
    body = body_of(one, own, from_slots(values, PARAMETERS.modulus), PARAMETERS.modulus, mask)
    words = [
        ((part[0].astype(object) * 2**28 + prime // 2) // prime % 2**28).astype(np.uint64) for part in (mask, body)
    ]
    answer = RingTensor(b"".join(pack(part, 28) for part in words))
    np.testing.assert_array_equal(decrypt(SPEC, keys, answer)[:, 0], np.minimum(values, PARAMETERS.maximum))
    with pytest.raises(MalformedMessageError):
        decrypt(SPEC, keys, RingTensor(answer.polynomials[:-1]))


def test_pieces_are_the_same_tensor(keys, monkeypatch):
    rows = np.ones((3, 9), np.int64)
    pieces = list(encrypt_in_pieces(SPEC, keys, rows))
    assert [len(piece.polynomials) for piece in pieces] == [CHUNK_BYTES, PARAMETERS.row_bytes - CHUNK_BYTES]
    assert [piece.WhichOneof("masks") for piece in pieces] == ["seed", None]
    tensor = RingTensor(b"".join(piece.polynomials for piece in pieces), pieces[0].seed)
    assert slots_of(tensor, keys._key_material())[:4].tolist() == [1, 1, 1, 0]


def test_memory_does_not_grow_with_elements(keys):
    wide = replace(PARAMETERS, inputs=90)
    rows = np.ones((8192, 90), np.int64)
    tracemalloc.start()
    for piece in bulk.encrypt_in_pieces(wide, keys._key_material(), rows):
        assert len(piece.polynomials) <= CHUNK_BYTES
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 12_000_000 < wide.row_bytes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((0, 9), np.int64), r"shape \(0, 9\)"),
        (np.zeros((8193, 9), np.int64), r"expected integers of shape \(1 .. 8192, 9\)"),
        (np.zeros((2, 8), np.int64), r"shape \(2, 8\)"),
        (np.zeros((2, 9)), "float64"),
        (np.full((2, 9), 2), "value 2 at position"),
    ],
)
def test_rows_that_do_not_fit_are_refused(keys, values, message):
    with pytest.raises(InvalidInputError, match=message):
        encrypt(SPEC, keys, values)
    with pytest.raises(InvalidInputError, match=message):
        next(encrypt_in_pieces(SPEC, keys, values))
