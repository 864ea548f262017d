"""Under keysets for one-level circuits, lookups err as often as the formulas say, and what they give is as noisy.

Their parameters are chosen by formulas, not by Concrete's optimizer: here the formulas are measured. Counts and
variances may be six standard deviations off. All keysets are measured by tools/bench/lookup_noise.py.
"""

import io
import math
from contextlib import contextmanager

import numpy as np
import pytest
from cryptable_client import SecretKeys, write_evaluation_keys
from cryptable_client.schemes.bootstrapped import lwe
from cryptable_client.schemes.bootstrapped.encryption import encrypt_words
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.lookup_program import LookupProgram
from cryptable_engine.schemes.bootstrapped.parameters.assignment import one_of_a_kind
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_catalogue
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    bootstrap_variance,
    bootstrap_variance_bound,
    minimal_variance,
    rounding_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import Reading
from cryptable_engine.schemes.bootstrapped.parameters.one_level import LARGE_KEY, SMALL_KEY

LOOKUPS = 80
OUTPUT_BITS = 8
KEYSETS = {entry.name: entry.keyset for entry in keyset_catalogue() if entry.name.startswith("one level")}

pytestmark = pytest.mark.encrypted


def identities(width):
    """As many lookups, each of one input of `width` bits, which gives that input."""
    each = np.eye(LOOKUPS, dtype=np.int64)
    zeros = np.zeros(LOOKUPS, np.int64)
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, LOOKUPS, (1 << width) - 1),)),
            Linear((Term.from_dense(0, each),), zeros),
            Lookup(1, np.arange(1 << width)[None, :], zeros),
            Linear((Term.from_dense(2, each),), zeros),
        ),
        3,
    )


@contextmanager
def made_keys(keyset):
    """Evaluation keys made ready, and the bits of the small and the large secret key."""
    with SecretKeys.generate(keyset) as secret_keys:
        file = io.BytesIO()
        write_evaluation_keys(secret_keys, file)
        keys = BootstrappingKeys(keyset, memoryview(file.getvalue()))
        material = secret_keys._key_material()
        yield keys, material[SMALL_KEY], material[LARGE_KEY]


def looked_up(keyset, width, region, rows):
    """Phases of what lookups of `width` bits give, of values that are encrypted as if they had `region` bits."""
    small = keyset.dimensions[SMALL_KEY]
    widths = (region, region, OUTPUT_BITS, OUTPUT_BITS)
    circuit, output = identities(width), Reading(OUTPUT_BITS, OUTPUT_BITS)
    program = LookupProgram(circuit, widths, output, one_of_a_kind(circuit, keyset), keyset.dimensions)
    with made_keys(keyset) as (keys, small_key, large_key):
        results = [
            program.evaluate(encrypt_words(small_key, lwe.encode(row, region), minimal_variance(small)), keys)
            for row in rows
        ]
        return np.array([lwe.phases(result, large_key) for result in results])


@pytest.mark.parametrize(
    ("width", "region"), [(7, 7), (4, 11)], ids=["of rounding to the polynomial", "of fresh encryptions"]
)
def test_lookups_err_as_often_as_modelled(width, region):
    """Under noise so large, beside the distance between positions, that one in some does."""
    keyset = KEYSETS["one level, 620 bits, 2 x 1024, 2 levels"]
    small, (key,) = keyset.dimensions[SMALL_KEY], keyset.bootstrap_keys
    rounding = rounding_variance(small, key.polynomial_size, compensated=True)
    fresh = 4.0 ** (region - width) * minimal_variance(small)
    assert (rounding > 20 * fresh) == (width == 7)
    assert (fresh > 20 * rounding) == (width == 4)
    chance = math.erfc(2.0 ** -(width + 2) / math.sqrt(2 * (rounding + fresh)))
    rows = np.random.default_rng(1).integers(4, (1 << width) - 4, (3, LOOKUPS))
    phases = looked_up(keyset, width, region, rows)
    wrong = np.count_nonzero(lwe.decode(phases, OUTPUT_BITS) != rows)
    assert 0.05 < chance < 0.4
    assert abs(wrong - chance * rows.size) < 6 * math.sqrt(chance * (1 - chance) * rows.size)


def test_rounding_errs_by_half_the_variance_since_it_is_compensated():
    """A table with an entry for each position of the polynomial reads values that are exact but for rounding."""
    keyset, lookups = KEYSETS["one level, width 2, p_error 2^-40, noise 1"], 400
    small, (key,) = keyset.dimensions[SMALL_KEY], keyset.bootstrap_keys
    size, apart = key.polynomial_size, 52
    ramp = np.arange(size, dtype=np.uint64) << np.uint64(apart)
    middle = np.full(lookups, 1 << 62, np.uint64)
    with made_keys(keyset) as (keys, small_key, large_key):
        given = encrypt_words(small_key, middle, 1e-30).ciphertexts(lookups, small)
        groups = (given[first : first + keys.group] for first in range(0, lookups, keys.group))
        results = [keys.look_up(words, np.tile(ramp, (len(words), 1))) for words in groups]
        phases = lwe.phases(np.concatenate(results), large_key)
    errors = np.rint(phases / 2.0**apart) - size // 2
    modelled = rounding_variance(small, size, compensated=True) * (2 * size) ** 2
    assert np.mean(errors**2) == pytest.approx(modelled, rel=0.35)  # 5 standard deviations; twice as much would be 14
    assert abs(errors.mean()) < 5 * math.sqrt(modelled / lookups)


@pytest.mark.parametrize(
    "name",
    [
        "one level, 620 bits, 2 x 1024, 1 level",
        "one level, 620 bits, 2 x 1024, 2 levels",
        "one level, 637 bits, 1 x 2048, 2 levels",
        "one level, width 2, p_error 2^-40, noise 1",
        "one level, width 2, p_error 2^-40, noise 6",
    ],
)
def test_looked_up_values_are_as_noisy_as_modelled(name):
    """The last is that of five levels of polynomials of 512, where the transform's noise is nearly all there is."""
    keyset = KEYSETS[name]
    (key,) = keyset.bootstrap_keys
    small = keyset.dimensions[SMALL_KEY]
    rows = np.random.default_rng(2).integers(0, 4, (2, LOOKUPS))
    phases = looked_up(keyset, 2, 2, rows)
    np.testing.assert_array_equal(lwe.decode(phases, OUTPUT_BITS), rows)
    errors = (phases - lwe.encode(rows.ravel(), OUTPUT_BITS).reshape(rows.shape)).view(np.int64)
    variance = float(np.mean(np.square(errors / 2.0**64)))
    # Of so many values, and of keys whose share of ones, which inexact decomposition is proportional to, varies too.
    spread = 6 * math.hypot(math.sqrt(2 / rows.size), 0.06)
    assert 1 - spread < variance / bootstrap_variance(key, small) < 1 + spread
    assert variance * (1 - 4 * math.sqrt(2 / rows.size)) < bootstrap_variance_bound(key, small)
