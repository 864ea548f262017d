import os

import numpy as np
import pytest
from cryptable_client.keys.encryption import decrypt, encrypt
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_protocol import EncryptedTensor, InvalidInputError, MalformedMessageError, MaskStream
from cryptable_protocol.schemes.bootstrapped.trimming import answer_word_bits
from hypothesis import given, settings
from hypothesis import strategies as st

LARGE = 1024


def test_round_trip(spec_maker, keyset, secret_keys):
    # At dimension 1024 the noise is 2^-23.6 of the torus: 17 bits and their padding bit leave it 2 more.
    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 17), st.integers(2, 40), st.data())
    def check(width, size, data):
        spec = spec_maker(keyset, width=width, size=size)
        values = np.array(data.draw(st.lists(st.integers(0, (1 << width) - 1), min_size=size, max_size=size)))
        tensor = EncryptedTensor.from_bytes(encrypt(spec, secret_keys, values).to_bytes())
        np.testing.assert_array_equal(decrypt(spec, secret_keys, tensor), values)

    check()


def test_a_thousand_encryptions_decrypt_right(spec_maker, keyset, secret_keys):
    spec = spec_maker(keyset, width=16, size=1000)
    values = np.random.default_rng(0).integers(0, 1 << 16, 1000)
    np.testing.assert_array_equal(decrypt(spec, secret_keys, encrypt(spec, secret_keys, values)), values)


def test_ciphertexts_are_the_specified_words(spec, secret_keys, noise):
    """Body j is <mask j, key> + v 2^(63 - width) + noise, mask j being words j n to (j + 1) n of the seed's stream."""
    values = np.arange(spec.input.size)
    key = secret_keys._key_material()[0]

    def draw():
        drawn = []
        for _ in range(400):
            tensor = encrypt(spec, secret_keys, values)
            masks = MaskStream(tensor.seed).words(0, values.size * key.size).reshape(values.size, key.size)
            message = values.astype(np.uint64) << np.uint64(63 - spec.input.width)
            drawn.append(tensor.bodies - masks @ key.astype(np.uint64) - message)
        return np.concatenate(drawn).view(np.int64)

    noise.assert_noise(draw, spec.input.variance)


def test_every_tensor_has_a_seed_of_its_own(spec, secret_keys):
    values = np.zeros(spec.input.size, np.int64)
    tensors = [encrypt(spec, secret_keys, values) for _ in range(200)]
    assert len({tensor.seed for tensor in tensors}) == 200
    assert len({tensor.bodies.tobytes() for tensor in tensors}) == 200


def test_masks_do_not_depend_on_chunks(spec_maker, keyset, secret_keys, monkeypatch):
    spec = spec_maker(keyset, size=50)
    values = np.arange(50) % 32
    monkeypatch.setattr("cryptable_client.schemes.bootstrapped.encryption._CHUNK_WORDS", 3 * 1024)
    np.testing.assert_array_equal(decrypt(spec, secret_keys, encrypt(spec, secret_keys, values)), values)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_encrypts_with_another_seed(spec, secret_keys):
    values = np.zeros(spec.input.size, np.int64)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, encrypt(spec, secret_keys, values).seed)
        os._exit(0)
    os.waitpid(child, 0)
    from_child = os.read(read, 16)
    os.close(read)
    os.close(write)
    assert len(from_child) == 16
    assert from_child != encrypt(spec, secret_keys, values).seed


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 0, 0, 0, 0, 32], "value 32 at position 5"),
        ([0, -1, 0, 0, 0, 0], "value -1 at position 1"),
        ([0, 0], "shape"),
        ([[0, 0, 0, 0, 0, 0]], "shape"),
        ([0.0, 0, 0, 0, 0, 0], "float64"),
        ([True, False, True, True, True, True], "bool"),
        (np.array([0, 0, 0, 0, 0, 1 << 63], np.uint64), "at position 5"),
    ],
)
def test_values_that_do_not_fit_are_refused(spec, secret_keys, values, message):
    with pytest.raises(InvalidInputError, match=message):
        encrypt(spec, secret_keys, np.asarray(values))


def test_keys_of_another_keyset_are_refused(spec, keyset_without_lookups):
    with SecretKeys.generate(keyset_without_lookups) as others:
        with pytest.raises(InvalidInputError, match="keyset"):
            encrypt(spec, others, np.zeros(spec.input.size, np.int64))
        with pytest.raises(InvalidInputError, match="keyset"):
            decrypt(spec, others, EncryptedTensor(np.zeros(6, np.uint64), seed=bytes(16)))


@pytest.mark.parametrize(
    "tensor",
    [
        EncryptedTensor(np.zeros(5, np.uint64), seed=bytes(16)),
        EncryptedTensor(np.zeros(7, np.uint64), seed=bytes(16)),
        EncryptedTensor(np.zeros(6, np.uint64), masks=np.zeros((6, 1023), np.uint64)),
        EncryptedTensor(np.zeros(6, np.uint64), masks=np.zeros((0, 1024), np.uint64)),
    ],
)
def test_answers_of_another_form_are_refused(spec, secret_keys, tensor):
    with pytest.raises(MalformedMessageError):
        decrypt(spec, secret_keys, tensor)


def test_trivial_ciphertexts_decode_as_their_bodies_say(spec, secret_keys):
    """Zero masks make the body the phase, whatever the key: also the padding bit comes out."""
    step = 1 << (63 - spec.output.width)
    bodies = np.array([0, step, 31 * step, 32 * step, (1 << 64) - 1, step + step // 2], np.uint64)
    tensor = EncryptedTensor(bodies, masks=np.zeros((6, 1024), np.uint64))
    np.testing.assert_array_equal(decrypt(spec, secret_keys, tensor), [0, 1, 31, 32, 0, 2])


def test_trimmed_answers_decrypt_to_the_same(spec, secret_keys):
    values = np.array([1, 0, 31, 2, 5, 17])
    words = encrypt(spec, secret_keys, values).ciphertexts(spec.output.size, LARGE)
    needed = answer_word_bits(spec.output.width, LARGE, spec.p_error)
    assert needed < 32
    for word_bits in (needed, needed + 1, 63, 64):
        answer = EncryptedTensor.from_ciphertexts(words).trimmed(word_bits)
        np.testing.assert_array_equal(decrypt(spec, secret_keys, answer), values)


def test_answers_trimmed_too_far_are_refused(spec, secret_keys):
    needed = answer_word_bits(spec.output.width, LARGE, spec.p_error)
    words = encrypt(spec, secret_keys, np.zeros(spec.input.size, np.int64)).ciphertexts(spec.output.size, LARGE)
    answer = EncryptedTensor.from_ciphertexts(words).trimmed(needed - 1)
    with pytest.raises(MalformedMessageError, match=f"words of {needed - 1} bits, expected {needed} at least"):
        decrypt(spec, secret_keys, answer)
