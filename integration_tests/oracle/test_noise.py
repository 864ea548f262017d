"""Noise of keys and ciphertexts is normal and of the specified variance, masks are uniform: ours, and Concrete's own.

Chi-square and Kolmogorov's tests, at 1e-4 each.
"""

import io
import itertools

import numpy as np
import pytest
from cryptable_client import SecretKeys, encrypt, write_evaluation_keys
from cryptable_protocol import MaskStream

pytestmark = pytest.mark.xdist_group("keys of Concrete's making")

NAMES = ["one table of 2 bits", "20 tables of 4 bits, summed", "chain", "one level, 20 tables of 4 bits, summed"]
BITS = 12
"""Input bits of each bootstrap key that are looked at: their rows have tens of thousands of words."""


MASKS = 1 << 18
"""Words of masks of each key that are looked at."""


def mask_words(seed, first, count):
    return MaskStream(seed).words(first, count)


def our_keys(case, anew):
    """Secret keys and evaluation keys of our making, each key's bytes."""
    secret_keys, keyset, file = SecretKeys.generate(case.spec), case.program.keyset, io.BytesIO()
    write_evaluation_keys(secret_keys, file)
    file.seek(0)
    bootstrap_keys = [file.read(keyset.bootstrap_key_bytes(key)) for key in keyset.bootstrap_keys]
    return secret_keys, bootstrap_keys, [file.read(keyset.keyswitch_key_bytes(key)) for key in keyset.keyswitch_keys]


def concretes_keys(case, anew):
    """The same, of Concrete's making."""
    keys = case.concrete_keys() if anew else case.kept_concrete_keys
    bootstrap_keys, keyswitch_keys = case.evaluation_keys(keys)
    assert all(compression == "seed" for compression, _ in (*bootstrap_keys, *keyswitch_keys))
    return case.our_keys_of(keys), [data for _, data in bootstrap_keys], [data for _, data in keyswitch_keys]


def suspicions(noise, keyset, made):
    """How far each key's noise, and its masks, are from what they should be: 1 once in ten thousand runs."""
    secret_keys, bootstrap_keys, keyswitch_keys = made
    result = {}
    for parameters, data in zip(keyset.bootstrap_keys, bootstrap_keys, strict=True):
        bits = secret_keys._key_material()[parameters.input_key], secret_keys._key_material()[parameters.output_key]
        residual = noise.bootstrap_key_noise(data, parameters, *bits, mask_words, bits=BITS)
        result[f"bootstrap key {parameters.id}"] = noise.suspicion(residual, parameters.variance)
        masks = mask_words(bytes(data[:16]), 0, MASKS)
        result[f"masks of bootstrap key {parameters.id}"] = abs(noise.distance_from_uniform(masks)) / noise.Z_1E_4
    for parameters, data in zip(keyset.keyswitch_keys, keyswitch_keys, strict=True):
        bits = secret_keys._key_material()[parameters.input_key], secret_keys._key_material()[parameters.output_key]
        residual = noise.keyswitch_key_noise(data, parameters, *bits, mask_words)
        result[f"keyswitch key {parameters.id}"] = noise.suspicion(residual, parameters.variance)
        masks = mask_words(bytes(data[:16]), 0, MASKS)
        result[f"masks of keyswitch key {parameters.id}"] = abs(noise.distance_from_uniform(masks)) / noise.Z_1E_4
    return result


@pytest.mark.parametrize("make", [our_keys, concretes_keys])
@pytest.mark.parametrize("name", NAMES)
def test_evaluation_keys(oracle, noise, name, make):
    case, attempts = oracle(name), itertools.count()
    noise.assert_twice(lambda: suspicions(noise, case.program.keyset, make(case, next(attempts) > 0)))


@pytest.mark.parametrize("who", ["ours", "concrete"])
@pytest.mark.parametrize("name", NAMES)
def test_inputs(oracle, noise, name, who):
    case = oracle(name)
    tensor_type = case.program.input
    dimension = case.program.keyset.dimensions[tensor_type.key]
    with SecretKeys.generate(case.spec) as secret_keys:
        keys, key = case.concrete_keys_of(secret_keys), secret_keys._key_material()[tensor_type.key].astype(np.uint64)
        rng = np.random.default_rng(5)
        encrypts = {
            "ours": lambda values: encrypt(case.spec, secret_keys, values),
            "concrete": lambda values: case.concrete_encrypts(keys, values),
        }

        def drawn():
            residuals, masks = [], []
            for _ in range(2000 // tensor_type.size + 1):
                values = rng.integers(0, 1 << tensor_type.width, tensor_type.size)
                words = encrypts[who](values).ciphertexts(tensor_type.size, dimension)
                message = values.astype(np.uint64) << np.uint64(63 - tensor_type.width)
                residuals.append(words[:, -1] - words[:, :-1] @ key - message)
                masks.append(words[:, :-1])
            assert len(np.unique(masks[0])) == masks[0].size
            return {
                "noise": noise.suspicion(np.concatenate(residuals).view(np.int64), tensor_type.variance),
                "masks": abs(noise.distance_from_uniform(np.concatenate(masks))) / noise.Z_1E_4,
            }

        noise.assert_twice(drawn)
