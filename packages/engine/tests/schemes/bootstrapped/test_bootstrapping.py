"""Which keysets are evaluated lookup by lookup, and what the polynomial holds that a bootstrapping turns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cryptable_engine import compile_circuit
from cryptable_engine.schemes.bootstrapped.bootstrapping import BootstrappingKeys, lookup_polynomial, supports
from cryptable_protocol import CompileOptions, InternalError
from hypothesis import given
from hypothesis import strategies as st


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
            with pytest.raises(InternalError, match=f"expected .{keyset.dimensions[key_id] + 1},"):
                keys.look_up(np.zeros(dimension + 1, np.uint64), np.zeros(8, np.uint64))


def test_keys_are_copied(programs):
    """The memory that they came from may be a file that changes."""
    keyset = programs("shared").keyset
    data = bytearray(np.random.default_rng(0).bytes(keyset.evaluation_keys_bytes))
    keys = BootstrappingKeys(keyset, memoryview(data))
    source = np.random.default_rng(1).integers(0, 1 << 63, keys.dimension + 1, dtype=np.uint64)
    entries = np.arange(4, dtype=np.uint64) << np.uint64(60)
    before = keys.look_up(source, entries)
    data[:] = bytes(len(data))
    np.testing.assert_array_equal(keys.look_up(source, entries), before)
