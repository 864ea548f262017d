"""The same seed gives the same secret keys and the same masks, in Concrete and here."""

import numpy as np
import pytest
from cryptable_protocol import MaskStream

SECRET_SEED = 0x0123456789ABCDEFFEDCBA9876543210
ENCRYPTION_SEED = 0x00112233445566778899AABBCCDDEEFF


@pytest.fixture(scope="module")
def keys(uncompressed_oracle):
    return uncompressed_oracle.concrete_keys(secret_seed=SECRET_SEED, encryption_seed=ENCRYPTION_SEED)


def test_secret_keys_are_the_lowest_bits_of_the_seeds_stream(uncompressed_oracle, keys):
    secret_keys = uncompressed_oracle.our_keys_of(keys)
    total = sum(secret_keys.keyset.dimensions.values())
    words = MaskStream(SECRET_SEED.to_bytes(16, "little")).words(0, total // 8 + 1)
    stream = words.astype("<u8").view(np.uint8)
    at = 0
    for key_id, dimension in sorted(secret_keys.keyset.dimensions.items()):
        np.testing.assert_array_equal(secret_keys._key_material()[key_id], stream[at : at + dimension] & 1)
        at += dimension


def test_masks_of_all_keys_are_one_stream_of_the_seed(uncompressed_oracle, keys):
    keyset = uncompressed_oracle.program.keyset
    stream, at = MaskStream(ENCRYPTION_SEED.to_bytes(16, "little")), 0
    bootstrap_keys, keyswitch_keys = uncompressed_oracle.evaluation_keys(keys)
    for parameters, (compression, data) in zip(keyset.bootstrap_keys, bootstrap_keys, strict=True):
        assert compression == "none"
        k, size = parameters.glwe_dimension, parameters.polynomial_size
        ciphertexts = np.frombuffer(data, "<u8").reshape(keyset.bootstrap_key_rows(parameters), k + 1, size)
        masks = ciphertexts[:, :k].reshape(-1)
        np.testing.assert_array_equal(masks, stream.words(at, masks.size))
        at += masks.size
    for parameters, (compression, data) in zip(keyset.keyswitch_keys, keyswitch_keys, strict=True):
        assert compression == "none"
        rows = keyset.keyswitch_key_rows(parameters)
        masks = np.frombuffer(data, "<u8").reshape(rows, -1)[:, :-1].reshape(-1)
        np.testing.assert_array_equal(masks, stream.words(at, masks.size))
        at += masks.size
    assert at > 1_000_000
