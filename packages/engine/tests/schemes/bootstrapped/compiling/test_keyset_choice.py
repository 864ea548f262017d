"""Circuits end on keysets of the catalogue, on the one that they are asked for, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    CompilationError,
    Evaluator,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Program,
    Term,
    compile_circuit,
    interpret,
)
from cryptable_engine.schemes.bootstrapped.compiling.keyset_choice import compile_onto_keyset
from cryptable_engine.schemes.bootstrapped.concrete.native import LIBRARY
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import (
    MAX_FACTOR,
    candidates,
    keyset_catalogue,
    one_level_entries,
    secret_key_entries,
    several_levels_entries,
)
from cryptable_engine.schemes.bootstrapped.parameters.one_level import is_exact_enough, typical_demands
from cryptable_protocol import CompileOptions
from lookup_sums import sum_of_tables
from scheme_party import Party


def weighted_sum(bits, weight):
    given = Input((InputGroup(GroupKind.RANGE, bits, 1),))
    return Circuit((given, Linear((Term.from_dense(0, np.full((bits, 1), weight)),), np.zeros(1, np.int64))), 1)


def onto(program):
    return CompileOptions(program.p_error, keyset_entry=program.keyset_entry, keyset=program.keyset)


@pytest.mark.encrypted
def test_models_of_different_sizes_run_with_the_same_keys(tmp_path):
    """Of 4 bits, and of 3 bits whose own optimum is another keyset: all with the keys made for the first."""
    first, second = sum_of_tables(6, 4, 9), sum_of_tables(10, 4, 10, seed=1)
    programs = [
        compile_circuit(circuit, CompileOptions(), tmp_path / str(index), catalogue=True, native=True)
        for index, circuit in enumerate((first, second))
    ]
    assert programs[0].keyset_entry == programs[1].keyset_entry != ""
    assert programs[0].keyset == programs[1].keyset
    third = sum_of_tables(5, 3, 10, seed=2)
    assert compile_circuit(third, CompileOptions(), tmp_path / "own", native=True).keyset != programs[0].keyset
    programs.append(compile_circuit(third, onto(programs[0]), tmp_path / "third"))
    party = Party(programs[0])
    keys = Evaluator(programs[0]).load_keys(party.evaluation_keys)
    for circuit, program in zip((first, second, third), programs, strict=True):
        row = np.random.default_rng(3).integers(0, 2, (1, circuit.input.size))
        of_program = party.for_program(program)
        result = Evaluator(program).evaluate_row(of_program.encrypt(row[0]), keys)
        np.testing.assert_array_equal(of_program.decrypt(result), interpret(circuit, row)[0])


def test_an_entry_is_taken_where_it_costs_little(tmp_path):
    """Lookups of two widths, each with keys of its own by the optimizer's choice: one keyset serves both."""
    narrow, wide = sum_of_tables(20, 3, 9), sum_of_tables(20, 4, 9, seed=1)
    bits = narrow.input.size
    moved = wide.nodes[1].terms[0]
    circuit = Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, bits + wide.input.size, 1),)),
            narrow.nodes[1],
            narrow.nodes[2],
            Linear((Term(0, moved.rows + bits, moved.columns, moved.weights),), wide.nodes[1].offset),
            Lookup(3, wide.nodes[2].tables, wide.nodes[2].table_of),
            Linear((Term.from_dense(2, np.ones((20, 1))), Term.from_dense(4, np.ones((20, 1)))), np.zeros(1, np.int64)),
        ),
        5,
    )
    own = compile_circuit(circuit, CompileOptions(), tmp_path / "own", native=True)
    assert len(own.keyset.bootstrap_keys) == 2
    assert own.keyset_entry == ""
    assert own.optimum == own.complexity
    program = compile_circuit(circuit, CompileOptions(), tmp_path / "catalogue", catalogue=True, native=True)
    assert program.keyset_entry
    assert len(program.keyset.bootstrap_keys) == 1
    assert program.optimum == own.complexity
    assert own.complexity < program.complexity <= MAX_FACTOR * own.complexity


@pytest.mark.parametrize("log2_p_error", [-40, -64, -128])
def test_p_errors(tmp_path, log2_p_error):
    options = CompileOptions(2.0**log2_p_error)
    program = compile_circuit(sum_of_tables(30, 4, 12), options, tmp_path / "program", catalogue=True, native=True)
    assert f"p_error 2^{log2_p_error}" in program.keyset_entry
    again = compile_circuit(sum_of_tables(25, 4, 11, seed=1), onto(program), tmp_path / "again")
    assert again.keyset == program.keyset
    assert again.p_error == options.p_error


def test_a_keyset_that_is_not_exact_enough_is_refused(tmp_path):
    """Concrete itself says nothing, and takes another keyset."""
    small = compile_circuit(sum_of_tables(4, 4, 6), CompileOptions(), tmp_path / "small", catalogue=True, native=True)
    with pytest.raises(CompilationError, match=f"keyset of entry '{small.keyset_entry.replace('^', '.')}'"):
        compile_circuit(sum_of_tables(100, 4, 14), onto(small), tmp_path / "large")
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


@pytest.mark.parametrize(
    ("bits", "weight", "dimension"), [(4, 3, 1024), (30, 9, 1024), (30, 2000, 1536), (9, 1 << 17, 2048)]
)
def test_models_without_lookups_share_a_secret_key(tmp_path, bits, weight, dimension):
    program = compile_circuit(weighted_sum(bits, weight), CompileOptions(), tmp_path / "program", catalogue=True)
    assert program.keyset_entry == f"no lookups, {dimension}"
    (key,) = program.keyset.secret_keys
    assert key.dimension == dimension
    assert program.p_error == CompileOptions().p_error
    again = compile_circuit(weighted_sum(bits, weight), onto(program), tmp_path / "again")
    assert (again.keyset, again.input, again.output) == (program.keyset, program.input, program.output)


def test_a_longer_key_than_the_catalogue_has(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "cryptable_engine.schemes.bootstrapped.compiling.keyset_choice.secret_key_entries", lambda dimension: ()
    )
    monkeypatch.chdir(tmp_path)
    compile_onto_keyset(weighted_sum(30, 1 << 21), CompileOptions(), catalogue=True, simulation=False)
    program = Program.load(tmp_path)
    assert program.keyset_entry == ""
    assert program.optimum == program.complexity
    assert LIBRARY in {path.name for path in tmp_path.iterdir()}


def test_ours_and_concretes_entries_are_told_apart():
    """By their names: Concrete is asked for its own alone, which it finds a way to."""
    assert {entry.name.startswith("width ") for entry in candidates(2.0**-40, 1.42e8, 1)} == {True}
    made = [entry for entry in several_levels_entries(1e12) if entry.name.startswith("several levels, ")]
    assert len(made) > 50
    assert several_levels_entries(7e7) == several_levels_entries(1e12)[: len(several_levels_entries(7e7))]


def test_the_catalogue():
    entries = keyset_catalogue()
    assert len({entry.name for entry in entries}) == len({entry.keyset.name for entry in entries}) == len(entries)
    for entry in entries:
        switched = entry.width and not entry.name.startswith("one level")
        assert len(entry.keyset.bootstrap_keys) == (1 if entry.width else 0)
        assert len(entry.keyset.keyswitch_keys) == (1 if switched else 0)
    for width in (2, 3, 4, 5, 6):
        for p_error in (2.0**-40, 2.0**-64, 2.0**-128):
            found = [entry for entry in entries if (entry.width, entry.p_error) == (width, p_error)]
            assert any(entry.keyset.keyswitch_keys for entry in found)
            demands = typical_demands(width, 10.0)
            assert any(is_exact_enough(entry.keyset, demands, p_error) for entry in one_level_entries(1e12))


def test_candidates_lie_between_the_optimum_and_what_is_accepted():
    found = candidates(2.0**-50, 100 * 1.3e8, 100)
    assert found
    assert {entry.p_error for entry in found} == {2.0**-64}
    prices = [entry.price for entry in found]
    assert prices == sorted(prices)
    assert min(prices) >= 1.29e8
    assert max(prices) <= MAX_FACTOR * 1.3e8
    assert candidates(2.0**-300, 1e9, 10) == ()
    assert [entry.name for entry in secret_key_entries(1100)][:2] == ["no lookups, 1536", "no lookups, 2048"]
