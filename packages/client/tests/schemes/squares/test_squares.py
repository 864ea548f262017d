"""The scheme squares on a client: exact products, secrets that pass the test, keys, rows and answers."""

import io

import numpy as np
import pytest
from cryptable_client import WeakParametersError
from cryptable_client.schemes import ternary
from cryptable_client.schemes.scheme import scheme_called
from cryptable_client.schemes.squares import client_scheme, encryption, evaluation_keys, secret
from cryptable_protocol import InvalidInputError, MalformedMessageError
from cryptable_protocol.schemes.packing import pack, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.answers import MOST_ANSWER_BITS
from cryptable_protocol.schemes.squares.keyset import CHAINS, SquaresKeyset
from cryptable_protocol.schemes.squares.mask_stream import masks
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from cryptable_protocol.schemes.squares.transforms import from_slots, transform

KEYSET = SquaresKeyset(1, 0b1000000000011)
PARAMETERS = SquaresParameters(KEYSET, 5, 3, 8, 4, 2, 2, (65537, 114689), 3, 5_000_000_000, 28, 2.0**-128)


@pytest.fixture(scope="module")
def key():
    return secret.generate(KEYSET.ring_size)


@pytest.fixture(scope="module")
def long_key():
    return secret.generate(16384)


@pytest.mark.parametrize("prime", [CHAINS[1].primes[0], CHAINS[2].primes[-1]])
def test_products_with_the_secret_are_exact(key, prime):
    """Against a convolution in Python's integers, in a ring small enough for one; the next test is of whole rings."""
    key, size = key[:256], 256
    random = np.random.default_rng(0)
    for mask in (random.integers(0, prime, size), np.full(size, prime - 1)):
        total = np.zeros(2 * size, object)
        for power in np.flatnonzero(key):
            total[power : power + size] += int(key[power]) * mask.astype(object)
        expected = [int(low - high) % prime for low, high in zip(total[:size], total[size:], strict=True)]
        assert encryption.ring_times(mask, key, prime).tolist() == expected


@pytest.mark.parametrize("number", sorted(CHAINS))
@pytest.mark.parametrize("kind", ["ones", "matched", "random"])
def test_products_with_words_of_36_bits_are_exact_for_every_mask(number, kind, key, long_key):
    """The largest coefficient there can be is that of a mask that has the secret's signs: beyond primes of 46 bits."""
    secret_, most = key if CHAINS[number].ring_size == key.size else long_key, (1 << MOST_ANSWER_BITS) - 1
    size = secret_.size
    turned = np.r_[secret_[0], -secret_[:0:-1]]  # the constant term of mask · secret is a sum over these
    words = {
        "ones": np.full(size, most),
        "matched": np.where(turned > 0, most, 0),
        "random": np.random.default_rng(0).integers(0, most + 1, size),
    }[kind]
    found, constant = encryption.exact_times(words, secret_), int((turned.astype(object) * words.astype(object)).sum())
    assert found[0] == constant
    # X · (a s) = (X a) s: any other coefficient is a constant term too.
    shifted = np.r_[words[1:], -words[:1]]
    assert found[1] == int((turned.astype(object) * shifted.astype(object)).sum())
    if kind == "matched":
        assert constant > CHAINS[1].primes[0]
    # An answer of such a mask and of a body that takes its phase to the middle of residue 1 is read as 1, everywhere.
    bits, modulus = MOST_ANSWER_BITS, 65537
    keyset = SquaresKeyset(number, 0)
    parameters = SquaresParameters(keyset, 1, 1, 2, 1, 1, 1, (modulus,), 1, modulus - 1, bits, 2.0**-128)
    body = ((1 << bits) // modulus - found[:: size // 2]) % (1 << bits)
    data = pack(words.astype(np.uint64), bits) + pack(body.astype(np.uint64), bits)
    one = sum_of_first_slots(size, modulus)
    assert encryption.decrypt_answer(parameters, secret_, RingTensor(data)).tolist() == [one]


def sum_of_first_slots(size, modulus):
    """The sum over the first class of slots, where coefficients 0 and N / 2 are 1: N / 2 times 1 + i, i² = −1."""
    root = next(r for r in range(2, modulus) if r * r % modulus == modulus - 1)
    least = transform(modulus, 2, size)._powers[1]
    assert int(least) in (root, modulus - root)
    return size // 2 * (1 + int(least)) % modulus


def test_secrets_pass_the_test_and_most_do(key):
    size = KEYSET.ring_size
    assert secret.is_good(key)
    stream = secret.SecretStream()
    drawn = [ternary.drawn(stream, size) for _ in range(20)]
    counts = np.bincount(np.concatenate(drawn) + 1)
    expected = 20 * size / 3
    assert ((counts - expected) ** 2 / expected).sum() < 27.6  # chi-square of 2 degrees: one time in a million
    assert np.mean([secret.is_good(each) for each in drawn]) > 0.6
    with pytest.raises(MalformedMessageError, match="test"):
        secret.unpack(ternary.pack(np.ones(size, np.int64)).tobytes(), size)


def test_packed_secrets_come_back(key):
    packed = ternary.pack(key).tobytes()
    assert (secret.unpack(packed, KEYSET.ring_size) == key).all()
    for wrong in (packed[:-1], packed + b"\0", bytes([255]) + packed[1:], packed[:-1] + bytes([242])):
        with pytest.raises(MalformedMessageError):
            secret.unpack(wrong, KEYSET.ring_size)


def test_errors_are_centred_binomial():
    drawn = secret.errors(200_000)
    assert np.abs(drawn).max() <= 21
    assert abs(drawn.mean()) < 0.05
    assert drawn.var() == pytest.approx(10.5, rel=0.02)


def test_keys_of_another_secret_and_damaged_ones_are_told(key):
    data = b"".join(evaluation_keys.chunks(KEYSET, key))
    assert len(data) == KEYSET.evaluation_keys_bytes
    assert evaluation_keys.are_of(KEYSET, key, io.BytesIO(data), first_row_alone=False)
    other = secret.generate(KEYSET.ring_size)
    assert not evaluation_keys.are_of(KEYSET, other, io.BytesIO(data), first_row_alone=True)
    assert not evaluation_keys.are_of(KEYSET, key, io.BytesIO(data[:-1]), first_row_alone=False)
    for at in (16, len(data) // 2, len(data) - 1):
        damaged = bytearray(data)
        damaged[at] ^= 0x80
        assert not evaluation_keys.are_of(KEYSET, key, io.BytesIO(bytes(damaged)), first_row_alone=False)


def test_a_row_holds_each_input_where_the_layout_says(key):
    """Decrypted modulo each prime, and read slot by slot."""
    values = np.array([3, 0, 7, 1, 5])
    row = encryption.encrypt_row(PARAMETERS, key, values)
    assert len(row.polynomials) == PARAMETERS.row_bytes
    assert encryption.encrypt_row(PARAMETERS, key, values).seed != row.seed
    chain, size = KEYSET.chain, KEYSET.ring_size
    each = size * 46 // 8
    for index, modulus in enumerate(PARAMETERS.moduli):
        mask = masks(row.seed, 3 * index, chain.data, size)
        phase = np.zeros(size, object)
        for number, prime in enumerate(chain.data):
            at = (3 * index + number) * each
            body = unpack(row.polynomials[at : at + each], size, 46).astype(np.int64)
            rest = chain.modulus // prime
            residues = (body + encryption.ring_times(mask[number], key, prime)) % prime
            phase += residues.astype(object) * (rest * pow(rest, -1, prime))
        read = (2 * (phase % chain.modulus) * modulus + chain.modulus) // (2 * chain.modulus) % modulus
        starts = np.repeat(np.tile([0, 2, 4, 6], size // 32), 8)
        expected = from_slots(values[(np.tile(np.arange(8), size // 8) + starts) % 5] % modulus, modulus)
        assert read.tolist() == expected.tolist()


def test_transforms_are_evaluations_at_odd_powers():
    ring = transform(65537, 16)
    random = np.random.default_rng(0)
    coefficients = random.integers(0, 65537, 16)
    root = next(r for r in range(2, 65537) if pow(r, 16, 65537) == 65536)
    for position, value in enumerate(ring.forward(coefficients).tolist()):
        power = 2 * int(f"{position:04b}"[::-1], 2) + 1
        assert value == sum(int(c) * pow(root, power * k, 65537) for k, c in enumerate(coefficients)) % 65537
    assert ring.inverse(ring.forward(coefficients)).tolist() == coefficients.tolist()


def test_whatever_is_well_formed_decodes_to_a_value_in_the_declared_range(key):
    random = np.random.default_rng(3)
    for data in (bytes(PARAMETERS.answer_bytes), *(random.bytes(PARAMETERS.answer_bytes) for _ in range(20))):
        found = encryption.decrypt_answer(PARAMETERS, key, RingTensor(data))
        assert found.shape == (3,)
        assert (found >= 0).all()
        assert (found <= PARAMETERS.maximum).all()


def test_answers_are_read_as_long_as_noise_is_below_half_a_residue(key):
    """An answer made with the secret: shares of each output in its window, and as much noise as it bears."""
    random = np.random.default_rng(5)
    size, classes, bits = KEYSET.ring_size, PARAMETERS.classes, PARAMETERS.answer_word_bits
    wanted, parts = [0, 4_999_999_999, 123_456_789], []
    for modulus in PARAMETERS.moduli:
        shares = random.integers(0, modulus, (classes // 2, 2))
        shares[:3, 1] = (np.array(wanted) - shares[:3, 0]) % modulus
        slots = np.zeros((2, size // 2), np.int64)
        slots[:, : classes // 2] = shares.reshape(2, -1)
        coefficients = from_slots(slots.reshape(-1), modulus)[:: size // classes]
        most = 2**bits // (2 * modulus) - 1
        noise = random.integers(-most, most + 1, classes)
        mask = random.integers(0, 1 << bits, size)
        product = encryption.exact_times(mask, key)[:: size // classes]
        body = (np.rint(coefficients * (2.0**bits / modulus)).astype(np.int64) + noise - product) % (1 << bits)
        parts += [pack(mask.astype(np.uint64), bits), pack(body.astype(np.uint64), bits)]
    assert encryption.decrypt_answer(PARAMETERS, key, RingTensor(b"".join(parts))).tolist() == wanted


def test_every_chain_is_within_the_guidelines_tables():
    scheme = scheme_called("squares")
    for number in CHAINS:
        scheme.check_keyset(SquaresKeyset(number, 0), security_bits=128)
        with pytest.raises(InvalidInputError, match="give 128"):
            scheme.check_keyset(SquaresKeyset(number, 0), security_bits=132)


def test_a_chain_of_too_many_bits_is_refused(monkeypatch):
    monkeypatch.setitem(client_scheme.MOST_MODULUS_BITS, 8192, 180.0)
    with pytest.raises(WeakParametersError, match="chain 1: primes of 184"):
        scheme_called("squares").check_parameters(PARAMETERS, security_bits=128)
