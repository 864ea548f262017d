"""Linear circuits under the scheme levelled: exact products, parameters, floods, and what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    CompilationError,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    ProgramMismatchError,
    Term,
    compile_circuit,
    interpret,
    simulate,
)
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.schemes.levelled.evaluation import hiding
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.linear.choice import choose_linear_parameters
from cryptable_engine.schemes.levelled.linear.evaluator import LinearEvaluator
from cryptable_engine.schemes.levelled.linear.plan import make_linear_plan
from cryptable_protocol import CompileOptions, MalformedMessageError
from cryptable_protocol.schemes.levelled.keyset import PUBLIC_PAIR, RING_SIZE
from cryptable_protocol.schemes.levelled.linear_layout import residues_on_torus

P_ERROR = 2.0**-128


def linear_circuit(random, inputs, outputs, *, input_bits=10, weight_bits=8):
    weights = random.integers(-(2 ** (weight_bits - 1)), 2 ** (weight_bits - 1), (inputs, outputs))
    offset = -np.minimum(weights, 0).sum(axis=0) * (2**input_bits - 1)
    group = InputGroup(GroupKind.RANGE, inputs, 2**input_bits - 1)
    return Circuit((Input((group,)), Linear((Term.from_dense(0, weights),), offset)), 1)


def planned(circuit, **changes):
    highest = highest_output(circuit, bounds(circuit))
    return make_linear_plan(circuit, replace(choose_linear_parameters(circuit, highest, P_ERROR), **changes), highest)


@pytest.mark.parametrize(
    ("inputs", "outputs", "bits"), [(1, 1, 1), (7, 3, 12), (90, 2, 20), (300, 1, 4), (40, 150, 4), (61, 10, 17)]
)
def test_the_product_of_clear_residues_is_the_answer(inputs, outputs, bits):
    """A row with mask 0 and without noise: every slot is its residue, but for the grid."""
    random = np.random.default_rng(inputs)
    circuit = linear_circuit(random, inputs, outputs, input_bits=bits)
    plan = planned(circuit)
    parameters = plan.parameters
    row = random.integers(0, 2**bits, inputs)
    polynomial, places = parameters.layout.input_places
    words = np.zeros((parameters.layout.polynomials, 2, RING_SIZE), np.uint64)
    for modulus, place in zip(parameters.moduli, places, strict=True):
        words[polynomial, 1, place] = residues_on_torus(row, modulus)
    (expected,) = interpret(circuit, row[None])
    size, numbers = parameters.outputs_per_part, []
    for part, (found, constant) in enumerate(zip(LinearEvaluator(plan).products(words), plan.constant, strict=True)):
        phases = found[1].astype(np.float64)[parameters.slot_places] * 2.0**-52 + constant
        numbers += [(*divmod(number, size), part, phase) for number, phase in enumerate(phases)]
    for residue, place, part, phase in numbers:
        output = part * size + place
        if output >= outputs:
            continue
        modulus = parameters.moduli[residue]
        distance = phase - expected[output] % modulus / modulus
        assert abs(distance - round(distance)) <= inputs * modulus * 2.0**-54 + 2.0**-50


def test_three_moduli_are_interleaved_where_that_brings_both_aims_within_reach():
    """Ten scores of 61 numbers of 16 bits: 20 kB up and 5 down, which windows miss."""
    random = np.random.default_rng(61)
    circuit = linear_circuit(random, 61, 10, input_bits=16, weight_bits=11)
    plan = planned(circuit)
    assert plan.parameters.interleaved
    assert plan.parameters.row_bytes < 20_000
    assert plan.parameters.answer_bytes < 5000
    assert not planned(linear_circuit(random, 30, 3)).parameters.interleaved


def test_products_are_exact_modulo_the_grid():
    random = np.random.default_rng(3)
    plan = planned(linear_circuit(random, 20, 2))
    words = random.integers(0, 1 << 52, (plan.weights.shape[1], 2, RING_SIZE), np.uint64)
    (found,) = LinearEvaluator(plan).products(words)
    for part in range(2):
        total = [0] * RING_SIZE
        for weights, polynomial in zip(plan.weights[0], words[:, part], strict=True):
            for place in np.flatnonzero(weights).tolist():
                moved = np.roll(polynomial, place)
                signed = [int(value) * (-1 if index < place else 1) for index, value in enumerate(moved.tolist())]
                total = [one + int(weights[place]) * other for one, other in zip(total, signed, strict=True)]
        assert found[part].tolist() == [value % (1 << 52) for value in total]


def test_a_flood_has_its_deviation_and_is_fresh():
    deviations = np.repeat([1.0, 2.0**-14], 20_000)
    drawn = hiding.flood(deviations) / deviations
    assert abs(drawn.mean()) < 0.03
    assert abs(drawn.std() - 1) < 0.02
    assert not np.array_equal(drawn, hiding.flood(deviations) / deviations)


def test_noise_stays_below_what_the_parameters_bound(monkeypatch):
    """Without the flood, what is left is far less than the rest; with it, errors have the variance of the bound."""
    random = np.random.default_rng(5)
    circuit = linear_circuit(random, 12, 4)
    plan = planned(circuit)
    evaluator, party = LinearEvaluator(plan), _Party(plan)
    with_flood = party.errors(evaluator, circuit, 60) / np.sqrt(np.repeat(plan.parameters.variances, 4))
    assert 0.8 < with_flood.std() < 1.05
    evaluator._deviations = np.zeros(plan.parameters.slots)
    without = party.errors(evaluator, circuit, 10) / np.sqrt(np.repeat(plan.parameters.variances, 4))
    assert without.std() < 0.9


class _Party:
    """A client of a plan, by the client package."""

    def __init__(self, plan):
        from cryptable_client.schemes.scheme import scheme_called

        self.parameters, self.scheme = plan.parameters, scheme_called("levelled")
        self.secret = self.scheme.generate(PUBLIC_PAIR)
        data = b"".join(self.scheme.evaluation_keys(PUBLIC_PAIR, self.secret, threads=1))
        self.keys = ServerKeys(memoryview(data), keyset=PUBLIC_PAIR)
        self.random = np.random.default_rng(7)

    def errors(self, evaluator, circuit, count):
        """Of the phases of answers' slots, before words are rounded: shape (count, slots)."""
        from cryptable_client.schemes.levelled.ring import torus_times, transform

        found = []
        for _ in range(count):
            row = self.random.integers(0, circuit.input.groups[0].maximum + 1, circuit.input.size)
            tensor = self.scheme.encrypt(self.parameters, self.secret, row)
            words = evaluator._ciphertexts(tensor.seed, tensor.polynomials)
            (ciphertext,) = evaluator.ciphertexts(words, self.keys)
            mask = np.rint(ciphertext[0] * 2.0**52).astype(np.int64).view(np.uint64) & np.uint64((1 << 52) - 1)
            product = torus_times(mask[None], transform(self.secret.astype(np.float64)))[0].astype(np.float64) * 2**-52
            phases = (ciphertext[1] - product)[self.parameters.slot_places]
            (expected,) = interpret(circuit, row[None])
            exact = np.concatenate([expected % p / p for p in self.parameters.moduli])
            error = phases - exact
            found.append(error - np.rint(error))
        return np.array(found)


def test_parameters_of_another_circuit_are_refused():
    random = np.random.default_rng(9)
    circuit, other = linear_circuit(random, 5, 2), linear_circuit(random, 6, 2)
    plan = planned(circuit)
    with pytest.raises(ProgramMismatchError, match="inputs 6"):
        make_linear_plan(other, plan.parameters, plan.parameters.maximum)
    with pytest.raises(ProgramMismatchError, match="maximum"):
        make_linear_plan(circuit, plan.parameters, plan.parameters.maximum + 1)


def test_a_program_of_other_weights_still_fits_its_client_specification(tmp_path):
    circuit = linear_circuit(np.random.default_rng(1), 5, 1)
    program = compile_circuit(circuit, CompileOptions(scheme="levelled", p_error=P_ERROR), tmp_path / "program")
    rows = np.random.default_rng(2).integers(0, 1024, (40, 5))
    assert np.array_equal(
        simulate(circuit, CompileOptions(scheme="levelled", p_error=P_ERROR), rows), interpret(circuit, rows)
    )
    assert np.array_equal(
        simulate(circuit, CompileOptions(scheme="levelled", p_error=P_ERROR), rows, program=program),
        interpret(circuit, rows),
    )


def test_too_many_outputs_are_refused_by_name(tmp_path):
    circuit = linear_circuit(np.random.default_rng(1), 1500, 300, input_bits=20)
    with pytest.raises(CompilationError, match="hide_weights=False"):
        compile_circuit(circuit, CompileOptions(scheme="levelled", p_error=P_ERROR), tmp_path / "program")


def test_keys_of_other_models_are_refused():
    evaluator = LinearEvaluator(planned(linear_circuit(np.random.default_rng(1), 5, 1)))
    with pytest.raises(MalformedMessageError, match="13328"):
        evaluator.make_ready(memoryview(bytes(878_608)))


def test_choice_keeps_within_what_rows_and_answers_should_take():
    circuit = linear_circuit(np.random.default_rng(1), 200, 1, input_bits=20, weight_bits=16)
    parameters = choose_linear_parameters(circuit, highest_output(circuit, bounds(circuit)), P_ERROR)
    assert parameters.row_message_bytes <= 20_000
    assert parameters.answer_message_bytes <= 5_000
    assert math.prod(parameters.moduli) > parameters.maximum
