"""Rows in bulk: what circuits come to as columns, exactness under encryption, noise against its bound, and refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
from bulk_case import BulkCase, computed
from cryptable_engine import (
    Circuit,
    CircuitError,
    CompilationError,
    Evaluator,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Product,
    ProgramMismatchError,
    Term,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_engine.schemes.squares.bulk.choice import choose_bulk_plan, least_modulus
from cryptable_engine.schemes.squares.bulk.columns import read_columns
from cryptable_engine.schemes.squares.bulk.evaluator import BulkEvaluator
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan
from cryptable_protocol import CompileOptions, MalformedMessageError
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.answers import is_prime
from cryptable_protocol.schemes.squares.keyset import SquaresKeyset
from hypothesis import given, settings
from hypothesis import strategies as st
from levelled_circuits import levelled_circuit
from misread_words import misread_words
from scheme_party import Party
from square_networks import square_network

OPTIONS = CompileOptions(scheme="squares")
T = 65537


def rows_of(random, circuit, count):
    parts = [
        np.sort(random.integers(0, group.maximum + 1, (count, group.size)), axis=1)[:, ::-1]
        for group in circuit.input.groups
    ]
    return np.concatenate(parts, axis=1)


@given(seed=st.integers(0, 2**32 - 1), outputs=st.integers(1, 3), depth=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_columns_compute_the_circuit_modulo_any_modulus(seed, outputs, depth):
    random = np.random.default_rng(seed)
    circuit = levelled_circuit(random, outputs=outputs, steps=(3,) * depth)
    rows = rows_of(random, circuit, 20)
    for modulus in (T, 3):
        columns = read_columns(circuit, modulus)
        assert columns.depth <= depth
        np.testing.assert_array_equal(computed(columns, rows, modulus), interpret(circuit, rows) % modulus)


def test_columns_of_squares_and_constants():
    circuit = square_network(np.random.default_rng(0), (3, 4, 3, 2), maximum=3)
    columns = read_columns(circuit, 1_000_003)
    rows = np.random.default_rng(1).integers(0, 4, (50, 3))
    np.testing.assert_array_equal(computed(columns, rows, 1_000_003), interpret(circuit, rows) % 1_000_003)
    assert columns.depth == 2
    # A product with a constant is none, one that nothing reads is left out, and so is what vanishes.
    bits = Input((InputGroup(GroupKind.THERMOMETER, 2),))
    nodes = (bits, Linear((), np.array([5, 5])), Product(1, np.array([0, 1]), 2))
    answer = Linear((Term.from_dense(2, [[3], [0]]),), np.array([1]))
    columns = read_columns(Circuit((*nodes, answer), 3), T)
    assert (columns.steps, columns.outputs[0].weights, columns.outputs[0].constant) == ((), ((0, 15),), 1)
    assert read_columns(Circuit((*nodes, answer), 3), 3).outputs[0].weights == ()


def test_circuits_with_other_nodes_are_refused(named):
    with pytest.raises(CircuitError, match="a Lookup, and rows in bulk"):
        read_columns(named("chain"), T)


@pytest.mark.parametrize(("maximum", "size"), [(0, 8192), (65536, 8192), (65537, 8192), (10**6, 16384)])
def test_a_modulus_is_the_least_prime_with_slots_above_the_outputs(maximum, size):
    found = least_modulus(maximum, size)
    assert is_prime(found)
    assert found % (2 * size) == 1
    assert found > maximum
    between = range(1 + 2 * size * max(1, maximum // (2 * size)), found, 2 * size)
    assert not [prime for prime in between if prime > maximum and prime > 1 << 14 and is_prime(prime)]
    assert least_modulus(1 << 45, size) is None


def chained(depth, *, last=1):
    """Products behind each other: x0 · (1 + x1 · (1 + …)), of bits that are thermometers of their own.

    With a `last` element that is no bit, they are evaluated as they stand.
    """
    groups = [InputGroup(GroupKind.THERMOMETER, 1) for _ in range(depth)]
    bits = Input((*groups, InputGroup(GroupKind.RANGE, 1, last)))
    nodes = [bits, Linear((Term.from_dense(0, np.eye(depth + 1)[:, -1:]),), np.array([1]))]
    for bit in range(depth):
        nodes.append(Product(len(nodes) - 1, np.array([bit]), 1))
        nodes.append(Linear((Term.from_dense(len(nodes) - 1, [[1]]),), np.array([1])))
    circuit = Circuit(tuple(nodes), len(nodes) - 1)
    verify(circuit)
    return circuit


def plan_of(circuit, p_error=2.0**-128):
    return choose_bulk_plan(circuit, verify(circuit), p_error)


def test_deeper_circuits_take_longer_chains_until_there_is_none():
    chains = [plan_of(chained(depth, last=2)).parameters.keyset.number for depth in range(1, 9)]
    assert chains == sorted(chains, key=(1, 2, 5, 3, 4).index)
    assert (chains[0], chains[-1]) == (1, 4)
    # Of bits, four products behind each other are enough.
    assert plan_of(chained(8)).parameters.keyset.number == 2
    with pytest.raises(CompilationError, match=r"noise would take .* use shallower trees"):
        plan_of(chained(14, last=2))


def test_a_rarer_failure_is_dearer():
    used = [plan_of(chained(2), p_error).noise.used() for p_error in (2.0**-40, 2.0**-128, 2.0**-500)]
    assert used[0] == used[1] < used[2]


@pytest.mark.encrypted
@pytest.mark.parametrize("depth", [3, 5])
def test_rows_are_exact_and_noise_is_below_its_bound_at_every_step(depth):
    circuit = chained(depth)
    plan = plan_of(circuit)
    case, bound = BulkCase(plan), plan.noise
    levels = {f"step {index + 1}": noise for index, noise in enumerate(bound.steps)}
    levels["answer"] = bound.outputs()[0]
    seen = {}

    def watch(step, ciphertext):
        seen[step] = case.client.noise(ciphertext, levels[step].level, plan.parameters.modulus)

    rows = np.random.default_rng(0).integers(0, 2, (plan.parameters.rows, depth + 1))
    np.testing.assert_array_equal(case.evaluate(rows, watch), interpret(circuit, rows))
    assert list(seen) == list(levels)
    for step, noise in seen.items():
        most, deviation = float(np.abs(noise).max()), math.sqrt(np.mean(noise.astype(float) ** 2))
        assert most <= levels[step].beyond(plan.parameters.deviations)
        assert deviation <= levels[step].deviation + levels[step].fixed


@pytest.mark.encrypted
@pytest.mark.parametrize("weight", [3, -3, 32768, -32768])
def test_a_weight_multiplies_noise_by_its_magnitude_whatever_its_sign(weight):
    plan = plan_of(chained(1))
    case, ring = BulkCase(plan), BulkEvaluator(plan).ring
    rows = np.random.default_rng(0).integers(0, 2, (plan.parameters.rows, 2))
    taken = []
    case.evaluate(rows, lambda step, value: taken.append(value) if step == "step 1" else None)
    level, modulus = ring.level(taken[0]), plan.parameters.modulus
    before, after = (
        float(np.abs(case.client.noise(value, level, modulus)).max())
        for value in (taken[0], ring.scaled(taken[0], weight))
    )
    assert 0.9 * abs(weight) * before <= after <= 1.1 * abs(weight) * before


@pytest.mark.encrypted
def test_what_the_bound_refuses_goes_wrong():
    """A chain of primes that is too short, of which the bound says so: the answers are not the circuit's."""
    circuit = chained(6)
    parameters = replace(plan_of(chained(1)).parameters, inputs=7, maximum=7)
    plan = BulkPlan(read_columns(circuit, parameters.modulus), parameters)
    assert plan.noise.used() > 1e6
    case = BulkCase(plan)
    rows = np.random.default_rng(0).integers(0, 2, (200, 7))
    assert (case.evaluate(rows) != interpret(circuit, rows)).mean() > 0.5


@pytest.mark.encrypted
def test_words_that_are_too_short_are_misread_as_often_as_predicted():
    circuit = chained(1)
    plan = plan_of(circuit)
    case, parameters = BulkCase(plan), plan.parameters
    size, modulus, prime = parameters.rows, parameters.modulus, parameters.keyset.chain.data[0]
    bits = modulus.bit_length() + 5
    misread = expected = 0
    answers = []

    def watch(step, ciphertext):
        if step == "answer":
            answers.append(case.evaluator.ring.words(ciphertext, range(2 * size)))

    for _ in range(3):
        case.evaluate(np.ones((size, 2), np.int64), watch)
    for words in answers:
        found, predicted = misread_words(
            words,
            case.client.secret,
            prime=prime,
            modulus=modulus,
            bits=bits,
            word_deviation=parameters.word_deviation,
        )
        misread, expected = misread + found, expected + predicted
    assert expected > 100
    assert 0.7 * expected < misread < 1.1 * expected


@pytest.mark.encrypted
def test_a_network_in_bulk_is_exact(tmp_path):
    """Whoever is promised so: a network's other way are single rows."""
    circuit = square_network(np.random.default_rng(3), (5, 4, 2))
    plan = plan_of(circuit)
    options = replace(OPTIONS, p_error=2.0**-128)
    program = compile_circuit(circuit, options, tmp_path / "program", promised=plan.parameters)
    evaluator, party = Evaluator(program), Party(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    row = np.array([7, 0, 3, 5, 1])
    found = party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys))
    assert found.tolist() == interpret(circuit, row[None])[0].tolist()
    # Keys of one keyset serve models of other moduli.
    promised = replace(plan_of(chained(1), OPTIONS.p_error).parameters, modulus=114689)
    other = compile_circuit(chained(1), OPTIONS, tmp_path / "other", promised=promised)
    assert other.parameters.keyset == program.parameters.keyset
    assert other.parameters.modulus != program.parameters.modulus
    again = party.for_program(other)
    answer = Evaluator(other).evaluate_row(again.encrypt(np.array([1, 0])), keys)
    assert again.decrypt(answer).tolist() == interpret(chained(1), np.array([[1, 0]]))[0].tolist()
    party.close()


@pytest.mark.encrypted
def test_outputs_that_read_nothing_are_encrypted(tmp_path):
    bits = Input((InputGroup(GroupKind.THERMOMETER, 2),))
    form = Linear((Term.from_dense(0, [[0, 0], [1, 0]]),), np.array([2, 0]))
    answer = Linear((Term.from_dense(2, [[1, 0], [0, 0]]),), np.array([0, 9]))
    circuit = Circuit((bits, form, Product(1, np.array([0]), 2), answer), 3)
    verify(circuit)
    case = BulkCase(plan_of(circuit))
    rows = np.array([[0, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(case.evaluate(rows), interpret(circuit, rows))


def test_promises_that_do_not_fit_are_refused(tmp_path):
    circuit = chained(2)
    own = plan_of(circuit, OPTIONS.p_error).parameters
    for changes, why in (
        ({"inputs": 4}, "3 inputs, its client spec promises 4"),
        ({"outputs": 2}, "1 outputs, its client spec promises 2"),
        ({"maximum": 2}, "outputs reach"),
    ):
        with pytest.raises(ProgramMismatchError, match=why):
            compile_circuit(circuit, OPTIONS, tmp_path / "p", promised=replace(own, **changes))
    deep = chained(6, last=2)
    with pytest.raises(CompilationError, match="noise takes"):
        compile_circuit(deep, OPTIONS, tmp_path / "p", promised=replace(own, inputs=7, input_bits=2, maximum=20))
    assert not (tmp_path / "p").exists()


def test_words_that_are_no_residues_are_refused(tmp_path):
    program = compile_circuit(chained(1), OPTIONS, tmp_path / "program")
    evaluator, party = Evaluator(program), Party(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    bad = RingTensor(b"\xff" * program.parameters.row_bytes, bytes(16)).to_bytes()
    with pytest.raises(MalformedMessageError, match=r"row: a word of .* expected residues"):
        evaluator.evaluate_row(bad, keys)
    assert len(evaluator.evaluate_row(RingTensor(bytes(program.parameters.row_bytes), bytes(16)).to_bytes(), keys))
    broken = bytearray(party.evaluation_keys)
    broken[16:32] = b"\xff" * 16
    with pytest.raises(MalformedMessageError, match="evaluation keys: a word of"):
        evaluator.load_keys(bytes(broken))
    party.close()


def test_keysets_have_no_rotations():
    assert plan_of(chained(1)).parameters.keyset == SquaresKeyset(1, 0)
