"""One-level circuits: which they are, that their crypto parameters are exact enough and no dearer, what they become.

They are evaluated under encryption, against the interpreter and concrete-python's own client, in integration_tests.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

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
    UnsupportedProgramError,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_engine.schemes import threads as thread_pools
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.lookup_program import LookupProgram
from cryptable_engine.schemes.bootstrapped.noise import NoiseModel, NoisyInterpreter
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import MAX_FACTOR, keyset_catalogue, one_level_entries
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    bootstrap_variance_bound,
    minimal_variance,
    optimizers_bootstrap_variance,
    rounding_variance,
    tolerated_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import lay_out
from cryptable_engine.schemes.bootstrapped.parameters.one_level import (
    LARGE_KEY,
    SMALL_KEY,
    Demand,
    OneLevelDemands,
    cheapest_keyset,
    complexity,
    demands_of,
    has_one_level,
    is_exact_enough,
    is_secure,
    p_error_under,
    serves_one_level,
    typical_demands,
    was_exact_enough,
)
from cryptable_engine.schemes.bootstrapped.program import RECORD
from cryptable_protocol import CompileOptions, EncryptedTensor, InvalidInputError, MalformedMessageError
from hypothesis import given, settings
from hypothesis import strategies as st
from lookup_sums import sum_of_tables

P_ERROR = 2.0**-40


def laid_out(circuit: Circuit) -> OneLevelDemands | None:
    return demands_of(circuit, lay_out(circuit, verify(circuit)))


# -- which circuits ---------------------------------------------------------------------------------------------------


def test_named_circuits(named_circuit):
    """The others look up lookups, add inputs to lookups, or look nothing up."""
    name, circuit = named_circuit
    assert has_one_level(circuit) == (name in ("gathered", "cancelling"))
    assert (laid_out(circuit) is not None) == has_one_level(circuit)


def test_a_lookup_that_drops_bits_asks_for_those_that_it_keeps():
    """Of 13 bits it reads 3: fresh noise, which stands in the lowest bit, is not scaled up."""
    each = Term.from_dense(0, np.eye(4, dtype=np.int64))
    entries = 2 * np.arange(8)
    circuit = Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, 4, (1 << 13) - 1),)),
            Linear((replace(each, weights=3 * each.weights),), np.zeros(4, np.int64)),
            Lookup(1, entries[None, :], np.zeros(4, np.int64), 10, entries[-1:]),
            Linear((replace(each, source=2),), np.zeros(4, np.int64)),
        ),
        3,
    )
    assert laid_out(circuit).inputs == (Demand(3, 9.0),)


def test_linear_nodes_may_lie_between():
    """Sums of sums of inputs, and of lookups."""
    circuit = sum_of_tables(3, 2, 8)
    bits, code, lookup, total = circuit.nodes
    copied = Linear((Term.from_dense(0, np.eye(6)),), np.zeros(6, np.int64))
    moved = Linear((replace(code.terms[0], source=1),), code.offset)
    lookup = replace(lookup, source=2)
    total = replace(total, terms=(replace(total.terms[0], source=3),))
    doubled = Linear((Term.from_dense(4, [[2]]),), np.zeros(1, np.int64))
    longer = Circuit((bits, copied, moved, lookup, total, doubled), 5)
    assert has_one_level(longer)
    demands, shorter = laid_out(longer), laid_out(circuit)
    assert demands.inputs == shorter.inputs == (Demand(2, 5.0),)
    assert demands.output.amplification == 4 * shorter.output.amplification == 12.0


def test_an_input_that_reaches_the_output_or_a_constant_is_none():
    bits, code, lookup, total = sum_of_tables(3, 2, 8).nodes
    beside = Linear((*total.terms, Term.from_dense(0, np.ones((6, 1)))), total.offset)
    assert not has_one_level(Circuit((bits, code, lookup, beside), 3))
    assert not has_one_level(Circuit((bits, code, lookup, total), 1))
    constant = Linear((), np.zeros(1, np.int64))
    assert not has_one_level(Circuit((bits, constant, Lookup(1, lookup.tables, np.zeros(1, np.int64))), 2))


def test_a_narrow_lookup_in_a_wide_region_meets_more_noise():
    """Its source stands in the lower bits, and is scaled up."""
    given = Input((InputGroup(GroupKind.RANGE, 2, 15),))
    wide = Linear((Term.from_dense(0, [[1], [0]]),), np.zeros(1, np.int64))
    narrow = Linear((Term.from_dense(0, [[0], [1]]),), np.zeros(1, np.int64))
    folded = Lookup(1, np.arange(16)[None, :], np.zeros(1, np.int64))
    circuit = Circuit(
        (
            replace(given, groups=(InputGroup(GroupKind.RANGE, 1, 15), InputGroup(GroupKind.RANGE, 1, 3))),
            wide,
            folded,
            narrow,
            Lookup(3, np.arange(4)[None, :], np.zeros(1, np.int64)),
            Linear((Term.from_dense(2, [[1]]), Term.from_dense(4, [[3]])), np.zeros(1, np.int64)),
        ),
        5,
    )
    assert laid_out(circuit) == OneLevelDemands((Demand(2, 16.0), Demand(4, 1.0)), Demand(5, 10.0), 2)


# -- crypto parameters ------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 7),
    st.floats(0, 12),
    st.integers(1, 20),
    st.floats(0, 12),
    st.sampled_from([2.0**-40, 2.0**-64, 2.0**-128]),
)
def test_the_cheapest_keyset_is_exact_enough_and_one_step_less_is_not(bits, amplified, output_bits, summed, p_error):
    demands = OneLevelDemands((Demand(bits, 4.0**amplified),), Demand(output_bits, 4.0**summed), 1)
    keyset = cheapest_keyset(demands, p_error)
    if keyset is None:
        assert bits + amplified > 6 or output_bits + summed > 16
        return
    assert serves_one_level(keyset)
    assert is_exact_enough(keyset, demands, p_error)
    (key,) = keyset.bootstrap_keys
    small = keyset.dimensions[SMALL_KEY]
    rounding = rounding_variance(small, key.polynomial_size, compensated=True)
    met = 4.0**amplified * minimal_variance(small) + rounding
    assert met <= tolerated_variance(bits, p_error)
    assert 4.0**summed * bootstrap_variance_bound(key, small) <= tolerated_variance(output_bits, p_error)
    assert p_error_under(keyset, demands) <= p_error * (1 + 1e-6)
    less = replace(keyset, secret_keys=(keyset.secret_keys[0], replace(keyset.secret_keys[1], dimension=small - 1)))
    assert small == 450 or not is_exact_enough(less, demands, p_error)
    if key.level_count > 1:
        fewer = cheapest_keyset(demands, p_error, levels=key.level_count - 1)
        assert fewer is None or complexity(fewer, 1) > complexity(keyset, 1)


def test_keys_are_as_noisy_as_128_bits_of_security_ask_for():
    for entry in one_level_entries(1e12):
        (key,) = entry.keyset.bootstrap_keys
        assert key.variance == minimal_variance(entry.keyset.dimensions[LARGE_KEY])
        assert entry.keyset.dimensions[SMALL_KEY] >= 450
        assert entry.price == complexity(entry.keyset, 1)


def test_equally_exact_lookups_cost_less_than_under_the_optimizers_keysets():
    for entry in keyset_catalogue():
        if not entry.name.startswith("width") or entry.p_error != P_ERROR:  # others are of our own search
            continue
        (key,) = entry.keyset.bootstrap_keys
        if entry.retired:
            continue
        noise = optimizers_bootstrap_variance(key, entry.keyset.dimensions[key.input_key])
        demands = typical_demands(entry.width, math.log2(tolerated_variance(0, P_ERROR) / noise) / 2)
        assert 0.25 * entry.price < complexity(cheapest_keyset(demands, P_ERROR), 1) < 0.85 * entry.price


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 6),
    st.floats(0, 12),
    st.integers(1, 20),
    st.floats(0, 12),
    st.sampled_from([2.0**-40, 2.0**-64, 2.0**-128]),
)
def test_earlier_versions_refuse_what_they_would_evaluate_less_exactly(bits, amplified, output_bits, summed, p_error):
    """They compile onto a client spec's keyset where `was_exact_enough` says so, and do not compensate."""
    demands = OneLevelDemands((Demand(bits, 4.0**amplified),), Demand(output_bits, 4.0**summed), 1)
    keyset = cheapest_keyset(demands, p_error)
    if keyset is None or not was_exact_enough(keyset, demands, p_error):
        return
    (key,) = keyset.bootstrap_keys
    small = keyset.dimensions[SMALL_KEY]
    rounding = rounding_variance(small, key.polynomial_size, compensated=False)
    assert 4.0**amplified * minimal_variance(small) + rounding <= tolerated_variance(bits, p_error)
    assert 4.0**summed * bootstrap_variance_bound(key, small) <= tolerated_variance(output_bits, p_error)


def test_what_compensation_makes_cheaper_earlier_versions_refuse():
    """Of 4 bits at 2^-40 and at 2^-128: the case in question, and not an empty one."""
    for p_error in (2.0**-40, 2.0**-128):
        demands = typical_demands(4, 14.0)
        assert not was_exact_enough(cheapest_keyset(demands, p_error), demands, p_error)


def test_no_polynomial_is_large_enough():
    assert cheapest_keyset(OneLevelDemands((Demand(14, 1.0),), Demand(1, 1.0), 1), P_ERROR) is None
    assert cheapest_keyset(OneLevelDemands((Demand(3, 4.0**30),), Demand(1, 1.0), 1), P_ERROR) is None
    assert cheapest_keyset(OneLevelDemands((Demand(3, 1.0),), Demand(60, 1.0), 1), P_ERROR) is None


# -- compiling --------------------------------------------------------------------------------------------------------


def test_a_program_says_all_that_a_client_must_know(tmp_path):
    program = compile_circuit(sum_of_tables(10, 4, 9), CompileOptions(), tmp_path / "program")
    assert not program.is_native
    assert Program.load(program.directory) == program
    assert sorted(path.name for path in program.directory.iterdir()) == ["circuit.bin", "layout.json", RECORD]
    small, large = program.keyset.dimensions[SMALL_KEY], program.keyset.dimensions[LARGE_KEY]
    assert (program.input.key, program.input.width, program.input.variance) == (SMALL_KEY, 4, minimal_variance(small))
    assert (program.output.key, program.output.width, program.output.variance) == (LARGE_KEY, 9, 0.0)
    assert (program.lookups, program.complexity) == (10, complexity(program.keyset, 10))
    assert program.optimum == program.complexity
    assert small < large
    native = compile_circuit(sum_of_tables(10, 4, 9), CompileOptions(), tmp_path / "native", native=True)
    assert native.is_native
    assert program.complexity < 0.7 * native.complexity
    assert program.keyset.evaluation_keys_bytes < 0.8 * native.keyset.evaluation_keys_bytes


def test_keysets_are_made_for_the_largest_codes():
    """As 4 counted conditions beside 2 in 4 bits: 2 * 4 + 5^2 * 2 * 2. The planner's tests look at codes themselves."""
    found = [typical_demands(width, 0.0).inputs[0].amplification for width in (1, 2, 3, 4, 5, 6)]
    assert found == [1, 6, 25, 108, 433, 1972]


def test_models_of_many_sizes_share_a_keyset(tmp_path):
    programs = [
        compile_circuit(sum_of_tables(lookups, 4, bits), CompileOptions(), tmp_path / f"{lookups}", catalogue=True)
        for lookups, bits in ((20, 9), (60, 11), (300, 12))
    ]
    assert {program.keyset_entry for program in programs} == {"one level, 620 bits, 2 x 1024, 2 levels"}
    for program in programs:
        assert program.optimum <= program.complexity <= MAX_FACTOR * program.optimum
    again = compile_circuit(sum_of_tables(7, 3, 8), onto(programs[0]), tmp_path / "again")
    assert again.keyset == programs[0].keyset
    assert again.input.variance == programs[0].input.variance
    assert again.keyset_entry == programs[0].keyset_entry


def onto(program: Program) -> CompileOptions:
    return CompileOptions(program.p_error, keyset_entry=program.keyset_entry or "theirs", keyset=program.keyset)


@pytest.mark.parametrize("log2_p_error", [-40, -64, -128])
def test_p_errors(tmp_path, log2_p_error):
    options = CompileOptions(2.0**log2_p_error)
    program = compile_circuit(sum_of_tables(30, 4, 12), options, tmp_path / "program", catalogue=True)
    assert program.keyset_entry.startswith("one level, ")
    assert program.p_error == options.p_error
    assert p_error_under(program.keyset, laid_out(sum_of_tables(30, 4, 12))) <= options.p_error


def test_a_keyset_that_does_not_serve_is_refused(tmp_path, named_circuit):
    small = compile_circuit(sum_of_tables(4, 3, 6), CompileOptions(), tmp_path / "small")
    with pytest.raises(CompilationError, match=r"entry 'theirs': .* this one needs less noise"):
        compile_circuit(sum_of_tables(4, 4, 6), onto(small), tmp_path / "wide")
    with pytest.raises(CompilationError, match=r"entry 'theirs': .* this one needs less noise"):
        compile_circuit(sum_of_tables(100, 3, 14), onto(small), tmp_path / "exact")
    _, circuit = named_circuit
    if not has_one_level(circuit):
        with pytest.raises(CompilationError, match="one level of lookups, and this one is not"):
            compile_circuit(circuit, onto(small), tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


@pytest.mark.parametrize("change", ["no noise", "a quarter of the noise", "a short key"])
def test_a_keyset_that_is_not_secure_is_refused(tmp_path, change):
    """Less noise is more exact: that is no reason to take it."""
    program = compile_circuit(sum_of_tables(4, 3, 6), CompileOptions(), tmp_path / "program")
    (large, small), (key,) = program.keyset.secret_keys, program.keyset.bootstrap_keys
    variance = {"no noise": 0.0, "a quarter of the noise": key.variance / 4}.get(change, key.variance)
    small = replace(small, dimension=440) if change == "a short key" else small
    weak = replace(program.keyset, secret_keys=(large, small), bootstrap_keys=(replace(key, variance=variance),))
    assert not is_secure(weak)
    with pytest.raises(CompilationError, match="entry 'weak': its keys have fewer than 128 bits of security"):
        compile_circuit(sum_of_tables(4, 3, 6), CompileOptions(keyset_entry="weak", keyset=weak), tmp_path / "weak")


def test_an_absurd_p_error(tmp_path):
    with pytest.raises(CompilationError, match=r"p_error is 4.94e-324, below 2.-1000"):
        compile_circuit(sum_of_tables(4, 3, 6), CompileOptions(5e-324), tmp_path / "program")


def test_keys_that_concrete_chose_serve_as_ever(tmp_path):
    """A model retrained runs with its predecessor's keys, even if new ones would be cheaper."""
    circuit = sum_of_tables(4, 3, 6)
    native = compile_circuit(circuit, CompileOptions(), tmp_path / "native", native=True)
    again = compile_circuit(circuit, onto(native), tmp_path / "again")
    assert again.keyset == native.keyset
    assert again.keyset.keyswitch_keys


def test_concrete_has_compiled_nothing(tmp_path):
    program = compile_circuit(sum_of_tables(4, 3, 6), CompileOptions(), tmp_path / "program")
    with pytest.raises(InvalidInputError, match="compile it with native=True"):
        Evaluator(program, native=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record["one_level"].pop("keyset"), "is damaged"),
        (lambda record: record["one_level"]["keyset"]["bootstrap_keys"][0].update(polynomial_size=1000), "1000"),
        (lambda record: record["one_level"].update(lookups="many"), "is damaged"),
        (lambda record: record["one_level"]["input"].update(size=0), "size 0"),
        (lambda record: record.update(format=3), "has format 3"),
        (lambda record: record.pop("one_level"), "is damaged"),
    ],
)
def test_a_damaged_record(tmp_path, change, message):
    program = compile_circuit(sum_of_tables(4, 3, 6), CompileOptions(), tmp_path / "program")
    path = program.directory / RECORD
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(UnsupportedProgramError, match=message):
        Program.load(program.directory)


# -- evaluating -------------------------------------------------------------------------------------------------------


def test_words_do_not_depend_on_the_number_of_threads(tmp_path, monkeypatch):
    """Random keys and ciphertexts, of the small key's dimension in and of the large one's out."""
    program, rng = compile_circuit(sum_of_tables(5, 3, 8), CompileOptions(), tmp_path / "p"), np.random.default_rng(0)
    keys = BootstrappingKeys(program.keyset, memoryview(rng.bytes(program.keyset.evaluation_keys_bytes)))
    small, large = program.keyset.dimensions[SMALL_KEY], program.keyset.dimensions[LARGE_KEY]
    words = rng.integers(0, 1 << 63, (program.input.size, small + 1), dtype=np.uint64)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        thread_pools._pool.cache_clear()
        results.append(LookupProgram.load(program).evaluate(EncryptedTensor.from_ciphertexts(words), keys))
    thread_pools._pool.cache_clear()
    np.testing.assert_array_equal(*results)
    assert results[0].shape == (1, large + 1)
    with pytest.raises(MalformedMessageError, match="told from noise"):
        replace(program.parameters, input=replace(program.input, key=LARGE_KEY))
    unchecked = replace(program.parameters, input=replace(program.input, key=LARGE_KEY), p_error=1.0)
    with pytest.raises(UnsupportedProgramError, match="not under the key that its lookups read"):
        LookupProgram.load(replace(program, parameters=unchecked))


@pytest.mark.parametrize("name", ["gathered", "cancelling"])
def test_simulated_it_is_the_interpreter(tmp_path, name, named, make_rows):
    """With the noise of its ciphertexts, which leads a lookup astray once in 2^40."""
    circuit = named(name)
    program = compile_circuit(circuit, CompileOptions(), tmp_path / "program")
    rows = make_rows(np.random.default_rng(1), circuit.input, 300)
    noisy = NoisyInterpreter(circuit, NoiseModel.of(program), all_lookups=True)
    np.testing.assert_array_equal(noisy.evaluate(rows, np.random.default_rng(2)).outputs, interpret(circuit, rows))


def test_simulated_with_too_much_noise_it_errs():
    circuit = sum_of_tables(20, 4, 9)
    rows = np.random.default_rng(1).integers(0, 2, (50, circuit.input.size))
    noisy = NoisyInterpreter(circuit, NoiseModel(0.0, 0.0, tolerated_variance(4, 0.1)), all_lookups=True)
    found = noisy.evaluate(rows, np.random.default_rng(2))
    assert found.lookups == 1000
    assert found.neighbours == pytest.approx(100, abs=45)  # 4.7 standard deviations
    assert (found.outputs != interpret(circuit, rows)).any()
