"""Rows in bulk whose clients send points in the place of thermometers: columns, exactness, noise, choice, refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
from bulk_case import BulkCase, computed
from cryptable_engine import (
    CircuitError,
    CompilationError,
    Evaluator,
    GroupKind,
    Input,
    InputGroup,
    ProgramMismatchError,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.schemes.squares.bulk.arrangement import arranged, thermometers_of
from cryptable_engine.schemes.squares.bulk.balance import less_deep
from cryptable_engine.schemes.squares.bulk.choice import choose_bulk_plan, parameters_of
from cryptable_engine.schemes.squares.bulk.columns import read_columns
from cryptable_engine.schemes.squares.bulk.lattice import on_lattices
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan
from cryptable_protocol import CompileOptions
from cryptable_protocol.schemes.squares.lattice import points
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_party import Party
from small_forests import drawn_rows, forest

T = 65537
OPTIONS = CompileOptions(scheme="squares", p_error=2.0**-128)


def points_of(rows, thermometers, degree):
    """What clients send of rows."""
    ends = np.cumsum(thermometers)
    parts = [
        points(size, degree)[rows[:, end - size : end].sum(axis=1)]
        for size, end in zip(thermometers, ends, strict=True)
    ]
    return np.concatenate(parts, axis=1)


@given(
    seed=st.integers(0, 2**32 - 1),
    thermometers=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    depth=st.integers(1, 6),
)
@settings(max_examples=30, deadline=None)
def test_columns_compute_the_circuit_however_they_are_arranged(seed, thermometers, depth):
    random = np.random.default_rng(seed)
    circuit = forest(random, thermometers, trees=3, depth=depth)
    rows = drawn_rows(random, thermometers, 60)
    wanted = interpret(circuit, rows) % T
    read = read_columns(circuit, T)
    balanced = less_deep(read, thermometers, T)
    np.testing.assert_array_equal(computed(balanced, rows, T), wanted)
    # A tree of depth 5 or 6 has 4 or 5 products behind each other, and after this 3.
    assert balanced.depth <= min(read.depth, (0, 0, 1, 2, 2, 3, 3)[depth])
    for degree in (2, 4, 8):
        columns = on_lattices(balanced, thermometers, degree, T)
        np.testing.assert_array_equal(computed(columns, points_of(rows, thermometers, degree), T), wanted)
        assert columns.depth <= balanced.depth + degree.bit_length() - 1
        assert columns.inputs == sum(points(size, degree).shape[1] for size in thermometers)


def test_a_polynomial_in_newtons_basis_reads_half_of_it():
    random, thermometers = np.random.default_rng(0), [40, 30]
    columns = arranged(forest(random, thermometers, trees=60, depth=2), T, 4)
    bits = [step[0] for step in columns.steps if len(step) == 1]
    whole = sum(size for bit in bits for size in [40 if bit.weights[0][0] < 4 else 30])
    assert len(bits) > 40
    assert sum(len(bit.weights) for bit in bits) < 0.7 * whole


def test_only_bits_are_sent_as_points():
    groups = (InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.RANGE, 2))
    circuit = forest(np.random.default_rng(0), [3, 2], trees=1, depth=1)
    assert thermometers_of(replace(circuit, nodes=(Input(groups), *circuit.nodes[1:]))) == (3, 1, 1)
    groups = (InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.RANGE, 2, 5))
    assert thermometers_of(replace(circuit, nodes=(Input(groups), *circuit.nodes[1:]))) == ()


def plan_with(circuit, chain, degree):
    parameters = parameters_of(circuit, highest_output(circuit, verify(circuit)), chain, T, degree, 2.0**-128)
    return BulkPlan(arranged(circuit, T, degree), parameters)


THERMOMETERS = [13, 6, 1, 3]
FOREST = forest(np.random.default_rng(5), THERMOMETERS, trees=2, depth=3)


@pytest.mark.encrypted
def test_points_are_exact_and_noise_is_below_its_bound_at_every_step():
    plan = plan_with(FOREST, 5, 4)
    assert plan.noise.used() <= 1
    assert plan.columns.depth == 4
    case = BulkCase(plan)
    bound = {f"step {index + 1}": noise for index, noise in enumerate(plan.noise.steps)}
    bound["answer"] = plan.noise.outputs()[0]
    watched = [*list(bound)[:: max(1, len(bound) // 12)], "answer"]
    seen = {}

    def watch(step, ciphertext):
        if step in watched:
            seen[step] = case.client.noise(ciphertext, bound[step].level, T).astype(float)

    rows = drawn_rows(np.random.default_rng(0), THERMOMETERS, plan.parameters.rows)
    np.testing.assert_array_equal(case.evaluate(rows, watch), interpret(FOREST, rows))
    assert sorted(seen) == sorted(set(watched))
    for step, noise in seen.items():
        assert np.abs(noise).max() <= bound[step].beyond(plan.parameters.deviations)
        # 1 for what of it is cut off.
        assert math.sqrt(np.mean(noise**2)) <= bound[step].deviation + bound[step].fixed + 1


@pytest.mark.encrypted
def test_points_in_too_short_a_chain_go_wrong():
    plan = plan_with(FOREST, 1, 4)
    assert plan.noise.used() > 1e6
    rows = drawn_rows(np.random.default_rng(0), THERMOMETERS, 300)
    assert (BulkCase(plan).evaluate(rows) != interpret(FOREST, rows)).mean() > 0.5


@pytest.mark.encrypted
def test_a_program_of_points_is_what_was_promised_or_refused(tmp_path):
    circuit = forest(np.random.default_rng(2), [5, 2], trees=1, depth=2)
    promised = plan_with(circuit, 2, 2).parameters
    program = compile_circuit(circuit, OPTIONS, tmp_path / "program", promised=promised)
    evaluator, party = Evaluator(program), Party(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    for row in drawn_rows(np.random.default_rng(3), [5, 2], 2):
        sent = party.encrypt(row)
        assert len(sent) == promised.row_message_bytes
        answer = party.decrypt(evaluator.evaluate_row(sent, keys))
        assert answer.tolist() == interpret(circuit, row[None])[0].tolist()
    party.close()
    with pytest.raises(ProgramMismatchError, match="other thermometers than the circuit has"):
        compile_circuit(circuit, OPTIONS, tmp_path / "p", promised=replace(promised, thermometers=(2, 5)))
    with pytest.raises(CompilationError, match="noise takes"):
        compile_circuit(FOREST, OPTIONS, tmp_path / "p", promised=plan_with(FOREST, 1, 4).parameters)


def test_bits_that_are_more_than_a_message_holds_are_sent_as_points():
    """Of 800 bits, in 8192 slots: 72 MiB and more; with points, a fifth of the columns and less."""
    thermometers = [80] * 10
    circuit = forest(np.random.default_rng(4), thermometers, trees=20, depth=3)
    plan = choose_bulk_plan(circuit, verify(circuit), 2.0**-128)
    assert plan.parameters.degree in (2, 4)
    assert plan.parameters.columns < len(thermometers) * 16
    assert plan.noise.used() <= 1
    small = forest(np.random.default_rng(4), [9] * 10, trees=20, depth=3)
    assert choose_bulk_plan(small, verify(small), 2.0**-128).parameters.degree == 0


def test_sums_that_read_too_much_are_refused():
    bits = 1200
    circuit = forest(np.random.default_rng(0), [bits], trees=1, depth=2)
    with pytest.raises(CircuitError, match="more than 1048576 columns"):
        arranged(circuit, T, 8)
