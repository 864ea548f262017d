"""What is true of keysets that earlier versions chose, which they took for less noisy than they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptable_engine import CompilationError, CompileLimits, compile_circuit, verify
from cryptable_engine.schemes.bootstrapped.compiling.compiler import compile_verified
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import (
    candidates,
    keyset_catalogue,
    one_level_entries,
    secret_key_entries,
)
from cryptable_engine.schemes.bootstrapped.parameters.one_level import is_exact_enough, typical_demands
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import ROUNDED, excess, true_p_error
from cryptable_protocol import CiphertextType, CompileOptions
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from lookup_sums import sum_of_tables

P_ERROR = 2.0**-40
ENTRIES = {entry.name: entry for entry in keyset_catalogue()}
NOISY = ENTRIES["one level, width 2, p_error 2^-40, noise 3"]
"""Of a GLWE dimension of 4, two levels."""
AT_ITS_EDGE = sum_of_tables(300, 2, 14)
"""Earlier versions compiled it onto that."""


def onto(entry) -> CompileOptions:
    return CompileOptions(P_ERROR, keyset_entry=entry.name, keyset=entry.keyset)


def as_promised(circuit, options, directory, keyset, *, native=False):
    """What becomes of an artifact whose clients have this keyset."""
    tensor = CiphertextType(1, keyset.secret_keys[0].id, 1, 0.0)
    return compile_verified(
        circuit,
        verify(circuit),
        options,
        directory,
        promised=BootstrappedParameters(keyset, tensor, tensor, options.p_error),
        catalogue=False,
        native=native,
        limits=CompileLimits(),
    )


def test_a_noisy_keyset_is_found_out():
    true = true_p_error(AT_ITS_EDGE, NOISY.keyset, P_ERROR)
    assert 2.0**-30 < true < 2.0**-27
    assert true_p_error(sum_of_tables(10, 2, 6), NOISY.keyset, P_ERROR) < P_ERROR


def test_a_new_model_is_not_compiled_onto_it_even_if_asked_to(tmp_path):
    with pytest.raises(CompilationError, match=r"needs less noise \(p_error would be 2\^-[23].*, asked for is 2\^-40"):
        compile_circuit(AT_ITS_EDGE, onto(NOISY), tmp_path / "program")
    assert compile_circuit(sum_of_tables(10, 2, 6), onto(NOISY), tmp_path / "program").keyset == NOISY.keyset


@pytest.mark.parametrize("named", [True, False])
def test_a_model_that_has_it_is_compiled_as_ever(tmp_path, named):
    """Its clients have keys for it; whether the artifact names an entry or not."""
    options = onto(NOISY) if named else CompileOptions(P_ERROR)
    program = as_promised(AT_ITS_EDGE, options, tmp_path / "program", NOISY.keyset)
    assert program.keyset == NOISY.keyset
    own = compile_circuit(AT_ITS_EDGE, CompileOptions(P_ERROR), tmp_path / "own", catalogue=True)
    assert own.keyset != NOISY.keyset
    assert true_p_error(AT_ITS_EDGE, own.keyset, P_ERROR) <= ROUNDED * P_ERROR


def test_a_promise_is_no_way_around_what_a_circuit_needs(tmp_path):
    """Nor one that no version has made."""
    with pytest.raises(CompilationError, match="needs less noise"):
        as_promised(sum_of_tables(300, 2, 17), onto(NOISY), tmp_path / "program", NOISY.keyset)
    (key,) = NOISY.keyset.bootstrap_keys
    weak = replace(NOISY.keyset, bootstrap_keys=(replace(key, variance=key.variance / 4),))
    with pytest.raises(CompilationError, match="fewer than 128 bits"):
        as_promised(AT_ITS_EDGE, CompileOptions(P_ERROR), tmp_path / "program", weak)


def test_keysets_that_the_optimizer_chose(tmp_path):
    """Of a GLWE dimension of 4 it takes the noise for less than it may be; now it chooses among 1 and 2."""
    noisy = ENTRIES["width 2, p_error 2^-40, noise 2"]
    circuit = sum_of_tables(190, 2, 14)
    assert 1.5 < excess(noisy.keyset) < 2.0
    true = true_p_error(circuit, noisy.keyset, P_ERROR)
    assert 2.0**-34 < true < 2.0**-24
    assert true_p_error(sum_of_tables(16, 2, 12), noisy.keyset, P_ERROR) < P_ERROR
    told = r"noisier than the version that chose it knew \(p_error would be 2\^-[23].*, asked for is 2\^-40"
    with pytest.raises(CompilationError, match=told):
        compile_circuit(circuit, onto(noisy), tmp_path / "program", native=True)
    promised = as_promised(circuit, onto(noisy), tmp_path / "promised", noisy.keyset, native=True)
    assert promised.keyset == noisy.keyset
    old = as_promised(circuit, CompileOptions(), tmp_path / "old", noisy.keyset, native=True)
    assert old.keyset == noisy.keyset
    own = compile_circuit(circuit, CompileOptions(), tmp_path / "own", native=True)
    assert max(key.glwe_dimension for key in own.keyset.bootstrap_keys) == 2
    assert true_p_error(circuit, own.keyset, P_ERROR) < P_ERROR


@pytest.mark.parametrize("entry", ["width 3, p_error 2^-40, noise 2", "width 2, p_error 2^-40, noise 2"])
def test_a_model_that_no_version_took_it_for_exact_enough_for_is_told_so(tmp_path, entry):
    """Whether the keyset's noise was known or not, it was known to be too much for this model."""
    circuit = sum_of_tables(2000, ENTRIES[entry].width, 17)
    with pytest.raises(CompilationError, match=r"this model needs less noise \(p_error would be 2\^-.*is 2\^-40"):
        compile_circuit(circuit, onto(ENTRIES[entry]), tmp_path / "program", native=True)


def test_no_new_model_is_given_a_retired_entry():
    retired = {entry.name for entry in keyset_catalogue() if entry.retired}
    assert "one level, width 4, p_error 2^-40, noise 2" in retired
    assert "width 2, p_error 2^-40, noise 2" in retired
    for p_error in (2.0**-40, 2.0**-64, 2.0**-128):
        for optimum in (3e7, 6e7, 1e8, 3e8):
            assert not retired & {entry.name for entry in candidates(p_error, optimum, 1)}
    assert not retired & {entry.name for entry in (*one_level_entries(1e12), *secret_key_entries(1))}


def test_no_entry_for_new_models_is_noisier_than_it_should_be():
    for entry in keyset_catalogue():
        if entry.width and not entry.retired and entry.keyset.keyswitch_keys:
            assert excess(entry.keyset) <= 1
        elif entry.width and not entry.retired:
            least = typical_demands(entry.width, 0.0, norm=1.0)
            assert is_exact_enough(entry.keyset, least, entry.p_error)


def test_circuits_without_lookups_have_the_p_error_that_they_were_compiled_for():
    assert true_p_error(AT_ITS_EDGE, ENTRIES["no lookups, 1024"].keyset, P_ERROR) == P_ERROR
