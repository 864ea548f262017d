"""The scheme levelled on a client: exact products, secrets that pass the test, keys, rows and answers."""

import io
import json
from dataclasses import replace
from math import erf
from pathlib import Path

import numpy as np
import pytest
from cryptable_client.schemes import ternary
from cryptable_client.schemes.levelled import encryption, evaluation_keys, ring, secret
from cryptable_client.schemes.randomness import SecretStream
from cryptable_protocol import ClientSpec, MalformedMessageError
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, LOG2_DEVIATION, RING_SIZE, UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.mask_stream import masks
from cryptable_protocol.schemes.levelled.parameters import PLACED_WORD_BITS, ROW_WORD_BITS, LevelledParameters
from cryptable_protocol.schemes.packing import pack, packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.scheme import read_batch

PARAMETERS = LevelledParameters(
    UNIVERSAL,
    60,
    tuple(range(40)),
    tuple(range(40, 50)),
    tuple(range(50, 60)),
    Gadget(2, 8),
    (8, 9, 11, 13),
    2,
    9000,
    14,
    2.0**-128,
)


@pytest.fixture(scope="module")
def key():
    return secret.generate()


def spectrum(key):
    return ring.transform(key.astype(float))


def naive_product(torus, key):
    """Modulo X^N + 1 and 2^52, in Python's integers."""
    total = np.zeros(2 * RING_SIZE, object)
    for power in np.flatnonzero(key):
        total[power : power + RING_SIZE] += int(key[power]) * torus.astype(object)
    return [int(low - high) % (1 << GRID_BITS) for low, high in zip(total[:RING_SIZE], total[RING_SIZE:], strict=True)]


@pytest.mark.parametrize("torus", ["random", "greatest", "half"])
def test_products_with_the_secret_are_exact(key, torus):
    words = {
        "random": np.random.default_rng(0).integers(0, 1 << GRID_BITS, RING_SIZE, np.uint64),
        "greatest": np.full(RING_SIZE, (1 << GRID_BITS) - 1, np.uint64),
        "half": np.full(RING_SIZE, 1 << (GRID_BITS - 1), np.uint64),
    }[torus]
    assert ring.torus_times(words, spectrum(key)).tolist() == naive_product(words, key)


def test_an_automorphism_maps_products_to_products(key):
    other = secret.generate()
    for exponent in (RING_SIZE + 1, RING_SIZE // 4 + 1, 3):
        product = ring.times(other, spectrum(key))
        mapped = ring.times(ring.automorphism(other, exponent), spectrum(ring.automorphism(key, exponent)))
        assert (ring.automorphism(product, exponent) == mapped).all()


def test_secrets_are_uniform_and_most_pass_the_test():
    stream = SecretStream()
    drawn = [ternary.drawn(stream, RING_SIZE) for _ in range(60)]
    counts = np.bincount(np.concatenate(drawn) + 1)
    expected = 60 * RING_SIZE / 3
    assert ((counts - expected) ** 2 / expected).sum() < 27.6  # chi-square of 2 degrees: one time in a million
    assert 0.5 < np.mean([secret.is_good(each) for each in drawn]) < 0.97


def test_a_secret_that_does_not_pass_is_no_secret():
    zero = np.zeros(RING_SIZE, np.int64)
    zero[0] = 1
    assert secret.is_good(zero)  # of small norm: it is the generator's business that there is none
    ones = np.ones(RING_SIZE, np.int64)
    assert not secret.is_good(ones)
    with pytest.raises(MalformedMessageError, match="test"):
        secret.unpack(ternary.pack(ones).tobytes())


def test_packed_secrets_come_back(key):
    packed = ternary.pack(key).tobytes()
    assert (secret.unpack(packed) == key).all()
    for wrong in (packed[:-1], packed + b"\0", bytes([255]) + packed[1:], packed[:-1] + bytes([242])):
        with pytest.raises(MalformedMessageError):
            secret.unpack(wrong)


def test_evaluation_keys_encrypt_what_the_specification_says(key):
    data = b"".join(evaluation_keys.chunks(UNIVERSAL, key))
    assert len(data) == UNIVERSAL.evaluation_keys_bytes
    assert data != b"".join(evaluation_keys.chunks(UNIVERSAL, key))
    body = unpack(data[16 : 16 + packed_bytes(RING_SIZE, GRID_BITS)], RING_SIZE, GRID_BITS)
    phase = body - ring.torus_times(masks(data[:16], 0, 1)[0], spectrum(key))
    first = ring.automorphism(key, RING_SIZE + 1) << (GRID_BITS - 6)
    noise = ((phase - first.view(np.uint64)) << np.uint64(64 - GRID_BITS)).view(np.int64) >> (64 - GRID_BITS)
    deviation = 2.0 ** (LOG2_DEVIATION + GRID_BITS)
    assert noise.std() == pytest.approx(deviation, rel=0.1)
    assert np.abs(noise).max() < 7 * deviation


def chi_square(values, expected):
    """Of counts of 0, 1, …, against expected ones, in standard deviations of its distribution."""
    counts = np.bincount(values, minlength=len(expected))
    degrees = len(expected) - 1
    return (((counts - expected) ** 2 / expected).sum() - degrees) / np.sqrt(2 * degrees)


def test_all_fresh_noise_is_a_rounded_gaussian_and_bodies_are_uniform(key):
    """Of every row of the keys, by chi-square: beyond 8 deviations about once in a million keys."""
    data = b"".join(evaluation_keys.chunks(UNIVERSAL, key))
    count = UNIVERSAL.rows * RING_SIZE
    bodies = unpack(data[16:], count, GRID_BITS).reshape(-1, RING_SIZE)
    mask = evaluation_keys._all_masks(UNIVERSAL, data[:16])
    phase = bodies - ring.torus_times(mask, spectrum(key)) - evaluation_keys.messages(UNIVERSAL, key)
    noise = ((phase << np.uint64(64 - GRID_BITS)).view(np.int64) >> (64 - GRID_BITS)).ravel()
    farthest, deviation = 12, 2.0 ** (LOG2_DEVIATION + GRID_BITS)
    edges = [erf((at - 0.5) / (deviation * 2**0.5)) / 2 for at in range(-farthest, farthest + 2)]
    edges[0], edges[-1] = -0.5, 0.5
    cells = np.clip(noise, -farthest, farthest) + farthest
    assert abs(chi_square(cells, count * np.diff(edges))) < 8
    for shift in (0, GRID_BITS - 8):
        parts = (bodies.ravel() >> np.uint64(shift)) & np.uint64(255)
        assert abs(chi_square(parts.astype(np.int64), np.full(256, count / 256))) < 8


def test_keys_of_another_secret_and_damaged_ones_are_told(key):
    data = b"".join(evaluation_keys.chunks(UNIVERSAL, key))
    assert evaluation_keys.are_of(UNIVERSAL, key, io.BytesIO(data), first_row_alone=False)
    assert not evaluation_keys.are_of(UNIVERSAL, secret.generate(), io.BytesIO(data), first_row_alone=True)
    assert not evaluation_keys.are_of(UNIVERSAL, key, io.BytesIO(data[:-1]), first_row_alone=False)
    for at in (16, 400_000, len(data) - 1):
        damaged = bytearray(data)
        damaged[at] ^= 0x80
        assert not evaluation_keys.are_of(UNIVERSAL, key, io.BytesIO(bytes(damaged)), first_row_alone=False)


def test_a_row_holds_each_bit_where_the_layout_says(key):
    bits = np.random.default_rng(1).integers(0, 2, PARAMETERS.inputs)
    row = encryption.encrypt_row(PARAMETERS, key, bits)
    assert len(row.polynomials) == PARAMETERS.row_bytes
    layout, at = PARAMETERS.layout, packed_bytes(RING_SIZE, ROW_WORD_BITS)
    mask = masks(row.seed, 0, 2)
    product = ring.torus_times(mask, spectrum(key))
    found = []
    for words, width in ((row.polynomials[:at], ROW_WORD_BITS), (row.polynomials[at:], PLACED_WORD_BITS)):
        body = unpack(words, RING_SIZE, width) << np.uint64(GRID_BITS - width)
        phase = (body - product[len(found)]) << np.uint64(64 - GRID_BITS)
        found.append((phase.view(np.int64) >> (64 - GRID_BITS)) / 2.0**GRID_BITS)
    (run,) = layout.runs
    expected = np.zeros((2, RING_SIZE))
    leaves = np.arange(run.count)
    expected[0, leaves << run.shift] = bits[layout.leaf_bits] * 2.0 ** -(layout.leaf_scales + run.doublings)
    for index, element in enumerate(layout.placed):
        polynomial, coefficient = layout.place(index)
        expected[1 + polynomial, coefficient] = bits[element] * 2.0**-16
    assert np.abs(found[0] - expected[0]).max() < 2.0**-36
    assert np.abs(found[1] - expected[1]).max() < 2.0**-28
    again = encryption.encrypt_row(PARAMETERS, key, bits)
    assert again.seed != row.seed


def answer_of(key, values, noise):
    """An answer whose phases are these values' residues, off by `noise` of the 2^14 words."""
    width, slots = PARAMETERS.answer_word_bits, PARAMETERS.slots
    random = np.random.default_rng(2)
    mask = random.integers(0, 1 << width, RING_SIZE, np.int64)
    residues = np.array([[value % modulus / modulus for value in values] for modulus in PARAMETERS.moduli]).ravel()
    phase = np.rint(residues * 2**width).astype(np.int64) + random.integers(-noise, noise + 1, slots)
    body = (ring.times(mask, spectrum(key))[:slots] + phase) % (1 << width)
    return RingTensor(pack(mask.astype(np.uint64), width) + pack(body.astype(np.uint64), width))


@pytest.mark.parametrize("values", [(0, 0), (9000, 1), (4321, 8999)])
def test_answers_are_read_as_long_as_noise_is_below_half_a_residue(key, values):
    assert encryption.decrypt_answer(PARAMETERS, key, answer_of(key, values, 600)).tolist() == list(values)


def test_whatever_is_well_formed_decodes_to_a_value_in_the_declared_range(key):
    random = np.random.default_rng(3)
    for data in (bytes(PARAMETERS.answer_bytes), *(random.bytes(PARAMETERS.answer_bytes) for _ in range(50))):
        found = encryption.decrypt_answer(PARAMETERS, key, RingTensor(data))
        assert found.shape == (2,)
        assert (found >= 0).all()
        assert (found <= PARAMETERS.maximum).all()


def test_answers_of_another_form_are_malformed(key):
    for tensor in (
        RingTensor(bytes(PARAMETERS.answer_bytes - 1)),
        RingTensor(bytes(PARAMETERS.answer_bytes), bytes(16)),
    ):
        with pytest.raises(MalformedMessageError):
            encryption.decrypt_answer(PARAMETERS, key, tensor)


FIGURES = json.loads((Path(__file__).parents[5] / "protos/vectors/levelled.json").read_text("utf-8"))


def test_rows_are_laid_out_as_the_vectors_say():
    """They were worked out by hand: a coefficient, and the binary exponent of what stands there."""
    folder = Path(__file__).parents[5] / "protos/vectors"
    parameters = ClientSpec.from_bytes((folder / FIGURES["row"]["client_spec"]).read_bytes()).parameters
    bits = np.array(FIGURES["row"]["bits"])
    messages = [*encryption._expanded(parameters.layout, bits), *encryption._placed(parameters.layout, bits)]
    for message, expected in zip(messages, FIGURES["row"]["messages"], strict=True):
        found = [[int(at), int(message[at]).bit_length() - 1 - GRID_BITS] for at in np.flatnonzero(message)]
        assert found == expected


def test_answers_are_read_as_the_vectors_say():
    folder = Path(__file__).parents[5] / "protos/vectors"
    parameters = ClientSpec.from_bytes((folder / FIGURES["row"]["client_spec"]).read_bytes()).parameters
    key = np.array(list(FIGURES["secret"]["trits"]), np.int64) - 1
    assert secret.is_good(key) == FIGURES["secret"]["passes"]
    for case in FIGURES["answers"]:
        answer = RingTensor(bytes.fromhex(case["polynomials"]))
        assert encryption.decrypt_answer(parameters, key, answer).tolist() == case["values"]


def test_packed_answers_are_read_and_rows_laid_out_as_the_vectors_say():
    folder, figures = Path(__file__).parents[5] / "protos/vectors", FIGURES["together"]
    alone = ClientSpec.from_bytes((folder / figures["client_spec"]).read_bytes()).parameters
    batch = read_batch(alone, (folder / figures["batch_spec"]).read_bytes())
    key = np.array(list(FIGURES["secret"]["trits"]), np.int64) - 1
    bits = np.array(figures["bits"])
    message = encryption._together(batch.of(len(bits)), bits.ravel())[0]
    found = [[int(at), int(message[at]).bit_length() - 1 - GRID_BITS] for at in np.flatnonzero(message)]
    assert found == figures["message"]
    for case in figures["answers"]:
        parameters = batch.of(case["rows"])
        answer = RingTensor(bytes.fromhex(case["polynomials"]), None, case["rows"], batch.rows_per_answer)
        assert encryption.decrypt_together(parameters, key, answer).tolist() == case["values"]
        with pytest.raises(MalformedMessageError, match="rows per answer"):
            encryption.decrypt_together(parameters, key, replace(answer, rows_per_answer=0))
        with pytest.raises(MalformedMessageError, match="polynomials of"):
            encryption.decrypt_together(parameters, key, replace(answer, polynomials=answer.polynomials[:-1]))
