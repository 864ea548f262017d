"""Which keysets are evaluated lookup by lookup, and what the polynomial holds that a bootstrapping turns."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from cryptable_engine import compile_circuit
from cryptable_engine.schemes.bootstrapped.bootstrapping.blind_rotation import (
    compensate,
    lookup_polynomial,
    switched_modulus,
)
from cryptable_engine.schemes.bootstrapped.bootstrapping.kernel_lookups import serves
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.bootstrapping.numpy_lookups import _digits
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import supports
from cryptable_engine.schemes.bootstrapped.parameters.formulas import minimal_variance, rounding_variance
from cryptable_protocol import CompileOptions, InternalError
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.xdist_group("clients of Concrete")


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 2**32))
def test_a_turn_brings_each_entry_to_the_front(width, log_factor, seed):
    """Of X^-t times it, the constant coefficient is the entry at round(t / box), negated in the second half."""
    entries = np.random.default_rng(seed).integers(0, 1 << 63, 1 << width, dtype=np.uint64)
    size = entries.size << (log_factor + 1)
    polynomial, box = lookup_polynomial(entries, size), size // entries.size
    assert polynomial.shape == (size,)
    for turn in range(2 * size):
        constant = polynomial[turn % size] if turn < size else np.negative(polynomial[turn % size])
        position = (turn + box // 2) // box % (2 * entries.size)
        entry = entries[position % entries.size]
        assert constant == (entry if position < entries.size else np.negative(entry))


@pytest.mark.parametrize(("dimension", "size"), [(450, 512), (608, 1024), (831, 2048), (808, 8192)])
def test_rounding_errs_by_the_variance_of_its_formula(dimension, size):
    """Of exact ciphertexts that are switched to the modulus 2N here, without a bootstrapping; the mean stays 0."""
    rng, count = np.random.default_rng(dimension), 4000
    key = rng.permutation(np.arange(dimension) % 2).astype(np.uint64)
    found = {False: np.empty(count), True: np.empty(count)}
    for index in range(count):
        mask = rng.integers(0, 1 << 64, dimension, dtype=np.uint64)
        plain = np.append(mask, (mask * key).sum(dtype=np.uint64))
        for compensated in found:
            words = compensate(plain, size) if compensated else plain
            step = np.uint64((1 << 64) // (2 * size))
            rounded = (words + step // np.uint64(2)) // step * step
            phase = rounded[-1:] - (rounded[:-1] * key).sum(dtype=np.uint64)
            found[compensated][index] = phase.view(np.int64)[0] / 2.0**64
    for compensated, errors in found.items():
        modelled = rounding_variance(dimension, size, compensated=compensated)
        assert np.mean(errors**2) == pytest.approx(modelled, rel=0.1)
        assert abs(errors.mean()) < 4 * np.sqrt(modelled / count)


@given(st.integers(0, 2**32), st.sampled_from([256, 1024, 16384]))
def test_compensation_moves_the_body_by_half_of_all_rounding_errors(seed, size):
    """As exact integers have it, but for what is left out of each; and leaves what it is given as it was."""
    words = np.random.default_rng(seed).integers(0, 1 << 64, 900, dtype=np.uint64)
    before, result, step = words.copy(), compensate(words, size), (1 << 64) // (2 * size)
    np.testing.assert_array_equal(words, before)
    np.testing.assert_array_equal(result[:-1], words[:-1])
    errors = sum((int(word) + step // 2) % step - step // 2 for word in words[:-1])
    moved = (int(words[-1]) - int(result[-1]) + (1 << 63)) % (1 << 64) - (1 << 63)
    assert abs(moved - errors / 2) <= 900 * 2**11
    assert abs(errors) < 2**70


def test_a_mask_without_rounding_errors_is_left_alone():
    """Of a constant, which has no mask, above all."""
    words = np.append(np.arange(600, dtype=np.uint64) << np.uint64(53), np.uint64(12345))
    np.testing.assert_array_equal(compensate(words, 1024), words)


def test_ciphertexts_are_switched_one_by_one_as_together():
    words = np.random.default_rng(0).integers(0, 1 << 64, (5, 31), dtype=np.uint64)
    switched = switched_modulus(words, 1024)
    assert switched.max() < 2048
    for one, together in zip(words, switched, strict=True):
        rounded = (compensate(one, 1024) + np.uint64(1 << 52)) >> np.uint64(53)
        np.testing.assert_array_equal(together, rounded)


@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**32))
def test_digits_are_what_is_left_of_a_word_when_it_is_rounded(levels, base_log, seed):
    """Modulo 1, whichever of both ways a coefficient is decomposed; each is at most half of the base."""
    words = np.random.default_rng(seed).integers(0, 1 << 64, (3, 37), np.uint64)
    digits = _digits(words, levels, base_log)
    half = 1 << base_log - 1
    assert digits.min() >= -half
    assert digits.max() <= half
    units = [np.uint64(1 << 64 - base_log * level) for level in range(1, levels + 1)]
    sums = sum(
        digit.astype(np.int64).view(np.uint64) * unit for digit, unit in zip(digits.swapaxes(0, 1), units, strict=True)
    )
    assert np.abs((words - sums).view(np.int64)).max() <= 1 << 63 - levels * base_log


@pytest.mark.parametrize("size", [512, 4096])
def test_digits_have_no_mean_that_adds_up_at_low_frequencies(size):
    """Of digits of two bits, whose means are largest beside them: white noise has 1.5 there, their means 0.4 N."""
    words = np.random.default_rng(0).integers(0, 1 << 64, (100, size), np.uint64)
    digits = _digits(words, 1, 2)[:, 0]
    for odd in (1, 3, 5):
        power = np.abs(digits @ np.exp(1j * np.pi * odd / size * np.arange(size))) ** 2 / size
        assert power.mean() < 3


@pytest.mark.parametrize(
    ("levels", "size", "dimension", "small", "served"),
    [(6, 2048, 1, 771, True), (8, 4096, 1, 771, True), (2, 256, 6, 771, False), (2, 2048, 1, 1200, False)],
)
def test_which_keys_the_kernel_is_exact_enough_for(programs, levels, size, dimension, small, served):
    """Of polynomials that it has transforms of; not of so long a small key that rounding its rows would be seen."""
    keyset = programs("shared").keyset
    (key,), (switch,) = keyset.bootstrap_keys, keyset.keyswitch_keys
    key = dataclasses.replace(key, level_count=levels, base_log=5, polynomial_size=size, glwe_dimension=dimension)
    switch = dataclasses.replace(switch, variance=minimal_variance(small))
    assert serves(SimpleNamespace(key=key, switches={0: switch}, small=small)) is served


def test_keysets_of_one_bootstrap_key_and_a_keyswitch_key_that_leads_to_it(programs):
    keyset = programs("shared").keyset
    assert supports(keyset)
    assert not supports(programs("linear").keyset)
    assert not supports(programs("chain").keyset)
    (switch,) = keyset.keyswitch_keys
    elsewhere = dataclasses.replace(switch, input_key=switch.output_key, output_key=switch.input_key)
    assert not supports(dataclasses.replace(keyset, keyswitch_keys=(elsewhere,)))


def test_a_ciphertext_of_another_dimension_never_reaches_native_code(programs, tmp_path, named):
    """Under keys with a keyswitch it is of the large key's, without one of the small key's."""
    one_level = compile_circuit(named("gathered"), CompileOptions(), tmp_path / "program")
    for keyset, key_id in ((programs("gathered").keyset, 0), (one_level.keyset, 1)):
        keys = BootstrappingKeys(keyset, memoryview(bytes(keyset.evaluation_keys_bytes)))
        for dimension in {*keyset.dimensions.values()} - {keyset.dimensions[key_id]}:
            with pytest.raises(InternalError, match=f"expected .1, {keyset.dimensions[key_id] + 1}."):
                keys.look_up(np.zeros((1, dimension + 1), np.uint64), np.zeros((1, 8), np.uint64))


def test_keys_are_copied(programs):
    """The memory that they came from may be a file that changes."""
    keyset = programs("shared").keyset
    data = bytearray(np.random.default_rng(0).bytes(keyset.evaluation_keys_bytes))
    keys = BootstrappingKeys(keyset, memoryview(data))
    source = np.random.default_rng(1).integers(0, 1 << 63, (1, keys.dimension + 1), dtype=np.uint64)
    entries = np.arange(4, dtype=np.uint64)[None] << np.uint64(60)
    before = keys.look_up(source, entries)
    data[:] = bytes(len(data))
    np.testing.assert_array_equal(keys.look_up(source, entries), before)
