"""Errors under encryption against what is predicted: their variance, row by row, and how often answers are misread."""

import math

import numpy as np
import pytest
from cryptable_engine import Circuit, Linear, Rotation, interpret
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.noise import row_noise, variances
from cryptable_engine.schemes.levelled.noise.bound import noise_bound
from cryptable_engine.schemes.levelled.noise.row_noise import packed_variance, row_rounding, row_variance
from cryptable_engine.schemes.levelled.noise.variances import GREATEST, RowVariances, answer_noise
from cryptable_engine.schemes.levelled.noise.worst_row import worst_row
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from cryptable_engine.schemes.levelled.plans.torus import on_torus
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from ladder_circuits import ladder_circuit
from levelled_circuits import levelled_parameters
from levelled_client import SIGMA, LevelledClient
from rotation_circuits import rotation_circuit
from tree_circuits import tree_circuit

NOISIER = 100.0
"""Times the specification's σ: as many answers are misread as tests can count."""


@pytest.fixture(scope="module")
def noisy():
    client = LevelledClient(77, sigma=NOISIER * SIGMA)
    return client, ServerKeys(memoryview(client.evaluation_keys))


@pytest.fixture
def noisier_model(monkeypatch):
    fresh = (NOISIER * SIGMA) ** 2 + 2.0**-104 / 12
    for name, value in (
        ("FRESH", fresh),
        ("UPLOADED", fresh + 2.0**-72 / 12),
        ("PLACED", fresh + 2.0**-56 / 12),
    ):
        monkeypatch.setattr(variances, name, value)
        if hasattr(row_noise, name):
            monkeypatch.setattr(row_noise, name, value)


def errors(client, keys, plan, circuit, rows, kernel=None):
    """Of each slot of each row, less what rounded weights do, as a fraction of the torus: shape (rows, slots)."""
    evaluator, parameters = RowEvaluator(plan, kernel), plan.parameters
    exact = on_torus(interpret(circuit, rows), parameters.moduli)
    found = []
    for row, expected in zip(rows, exact, strict=True):
        answer = evaluator.evaluate_row(client.row(parameters, row), keys)
        error = np.array(client.phases(parameters, answer)) - expected - row_rounding(plan, row)
        found.append(error - np.rint(error))
    return np.array(found)


def rows_of(random, circuit, count):
    sizes = [group.size for group in circuit.input.groups]
    return np.concatenate(
        [(np.arange(size) < random.integers(0, size + 1, (count, 1))).astype(np.int64) for size in sizes], axis=1
    )


def check_errors(plan, rows, found):
    """Errors of slots, shape (rows, slots): as large as they are predicted, and no prediction is above the bound."""
    predicted = np.array([row_variance(plan, RowVariances(plan.layout, GREATEST), row) for row in rows])
    standardized = found / np.sqrt(predicted)
    margin = 4 * math.sqrt(2 / standardized.size)
    assert 0.75 - margin < np.mean(standardized**2) < 1.0 + margin
    answer = answer_noise(plan.parameters.answer_word_bits, GREATEST)
    assert (predicted <= worst_row(plan, RowVariances(plan.layout, GREATEST)).variance + answer).all()


@pytest.mark.encrypted
@pytest.mark.parametrize("places", [True, False])
def test_errors_are_as_large_as_predicted(client, kernel, keys, places):
    random = np.random.default_rng(3)
    circuit = tree_circuit(random, trees=25, depth=4, thermometers=(6,) * 8, largest=60)
    parameters = levelled_parameters(
        circuit, gadget=(2, 9), placed=tuple(range(48)) if places else (), answer_word_bits=16
    )
    plan = make_plan(circuit, parameters, parameters.maximum)
    rows = rows_of(random, circuit, 40 if places else 12)
    check_errors(plan, rows, errors(client, keys, plan, circuit, rows, kernel))


@pytest.mark.encrypted
@pytest.mark.parametrize(
    ("gadget", "shape"),
    [
        ((2, 9), {"neurons": 12, "common": 3}),
        ((4, 5), {"neurons": 12, "common": 0}),
        ((2, 9), {"neurons": 2, "common": 0, "density": 0.0, "trees": 12}),
        ((2, 9), {"neurons": 6, "common": 0, "signs": 12}),
    ],
)
def test_errors_of_turned_tables_are_as_large_as_predicted(client, kernel, keys, gadget, shape):
    random = np.random.default_rng(5)
    circuit = rotation_circuit(random, bits=24, positions=64, outputs=3, reads=False, **shape)
    parameters = levelled_parameters(circuit, gadget=gadget, answer_word_bits=18)
    plan = make_plan(circuit, parameters, parameters.maximum)
    rows = random.integers(0, 2, (10, circuit.input.size))
    check_errors(plan, rows, errors(client, keys, plan, circuit, rows, kernel))


@pytest.mark.encrypted
@pytest.mark.parametrize("places", [True, False])
def test_errors_of_ladders_are_as_large_as_predicted(client, kernel, keys, places):
    random = np.random.default_rng(3)
    circuit = ladder_circuit(random, thermometers=(12, 20, 15), outer=(0, 1), largest=300)
    parameters = levelled_parameters(
        circuit, gadget=(4, 5), placed=tuple(range(47)) if places else (), answer_word_bits=18
    )
    plan = make_plan(circuit, parameters, parameters.maximum)
    rows = rows_of(random, circuit, 30 if places else 8)
    check_errors(plan, rows, errors(client, keys, plan, circuit, rows, kernel))


@pytest.mark.encrypted
def test_tables_that_begin_with_one_bit_are_no_noisier_than_their_bound(client, kernel, keys):
    random = np.random.default_rng(6)
    # Seven tables that are one table turned, by two bits: the masks of all are one polynomial, turned.
    circuit = rotation_circuit(random, bits=2, neurons=7, positions=64, common=0, reads=False, density=1.0)
    rotation = circuit.nodes[1]
    tables = np.concatenate([rotation.tables[:1]] * 7)
    exponents = np.stack([np.full(7, 9), 2 * np.arange(7) + 1])
    given, _, answer = circuit.nodes
    alike = Rotation(rotation.bits, exponents, tables)
    circuit = Circuit((given, alike, Linear(answer.terms, np.array([int(np.abs(tables).sum())]))), 2)
    parameters = levelled_parameters(circuit, gadget=(2, 9), moduli=(7, 8, 9, 11), answer_word_bits=18)
    plan = make_plan(circuit, parameters, parameters.maximum)
    bound = worst_row(plan, RowVariances(plan.layout, GREATEST)).variance + answer_noise(18, GREATEST)
    rows = np.array([[0, 0], [1, 0], [0, 1], [1, 1]] * 4)
    assert np.mean(errors(client, keys, plan, circuit, rows, kernel) ** 2) < bound


@pytest.mark.encrypted
@pytest.mark.parametrize(
    "shape",
    [
        {"neurons": 14, "common": 4},
        {"neurons": 4, "common": 0, "density": 0.0, "trees": 24},
        {"neurons": 12, "common": 0, "signs": 12},
    ],
)
def test_as_many_turned_tables_are_misread_as_predicted(noisy, noisier_model, shape):
    random = np.random.default_rng(7)
    circuit = rotation_circuit(random, bits=24, positions=64, outputs=4, reads=False, **shape)
    parameters = levelled_parameters(circuit, gadget=(2, 9), moduli=(7, 8, 11, 13))
    plan = make_plan(circuit, parameters, parameters.maximum)
    rows = random.integers(0, 2, (30, circuit.input.size))
    model = RowVariances(plan.layout, GREATEST)
    half_step = np.repeat([1 / (2 * p) for p in parameters.moduli], parameters.outputs)
    predicted = sum(misread(row_variance(plan, model, row), half_step) for row in rows)
    most = len(rows) * misread(worst_row(plan, model).variance + answer_noise(14, GREATEST), half_step)
    counted = int((np.abs(errors(*noisy, plan, circuit, rows)) > half_step).sum())
    assert 8 < predicted < most
    assert 0.25 * predicted < counted < most + 4 * math.sqrt(most)


def _trees():
    return tree_circuit(np.random.default_rng(4), trees=40, depth=4, thermometers=(6,) * 8, largest=60)


def _ladders():
    return ladder_circuit(np.random.default_rng(4), thermometers=(60, 50, 12), outer=(0, 1), density=0.2)


@pytest.mark.encrypted
@pytest.mark.parametrize(("make", "moduli"), [(_trees, (7, 8, 11, 13)), (_ladders, (7, 8, 9, 11, 13))])
def test_as_many_answers_are_misread_as_predicted_and_no_more_than_the_bound_says(noisy, noisier_model, make, moduli):
    circuit, random = make(), np.random.default_rng(4)
    placed = tuple(range(circuit.input.size))
    parameters = levelled_parameters(circuit, gadget=(2, 9), placed=placed, moduli=moduli)
    plan = make_plan(circuit, parameters, parameters.maximum)
    rows = rows_of(random, circuit, 45)
    model = RowVariances(plan.layout, GREATEST)
    half_step = np.repeat([1 / (2 * p) for p in parameters.moduli], parameters.outputs)
    predicted = sum(misread(row_variance(plan, model, row), half_step) for row in rows)
    bound = worst_row(plan, model).variance + answer_noise(parameters.answer_word_bits, GREATEST)
    most = len(rows) * misread(bound, half_step)
    counted = int((np.abs(errors(*noisy, plan, circuit, rows)) > half_step).sum())
    assert 8 < predicted < most
    assert 0.25 * predicted < counted < most + 4 * math.sqrt(most)


@pytest.mark.encrypted
def test_as_many_rows_together_are_misread_as_predicted_and_no_more_than_the_bound_says(noisy, noisier_model):
    random, (client, keys) = np.random.default_rng(8), noisy
    circuit = tree_circuit(random, trees=20, depth=4, thermometers=(6,) * 8, largest=60)
    parameters = levelled_parameters(circuit, gadget=(2, 9), moduli=(7, 8, 11, 13))
    plan = make_plan(circuit, parameters, parameters.maximum)
    count = RING_SIZE // len(plan.layout.leaf_bits)
    rows = rows_of(random, circuit, count)
    half_step = np.repeat([1 / (2 * p) for p in parameters.moduli], parameters.outputs)
    evaluator = RowEvaluator(plan, None, (LevelledBatch(parameters, count), plan))
    answer = evaluator.evaluate_row(client.rows_together(parameters, rows), keys)
    off = np.array(client.phases_together(parameters, answer, count))
    off -= on_torus(interpret(circuit, rows), parameters.moduli) + [row_rounding(plan, row) for row in rows]
    counted = int((np.abs(off - np.rint(off)) > half_step).sum())
    each = [
        row_variance(plan, RowVariances(plan.layout, GREATEST, count, place), row) for place, row in enumerate(rows)
    ]
    predicted = sum(misread(variance, half_step) for variance in each)
    bound = worst_row(plan, RowVariances(plan.layout, GREATEST, count)).variance + answer_noise(14, GREATEST)
    most = count * misread(bound, half_step)
    assert 8 < predicted < most
    assert 0.25 * predicted < counted < most + 4 * math.sqrt(most)


@pytest.mark.encrypted
def test_as_many_packed_rows_are_misread_as_predicted_and_no_more_than_the_bound_says(noisy, noisier_model):
    random, (client, keys) = np.random.default_rng(9), noisy
    circuit = tree_circuit(random, trees=10, depth=3, thermometers=(6,) * 6, largest=60)
    parameters = levelled_parameters(circuit, gadget=(2, 9), moduli=(7, 8, 11, 13))
    plan = make_plan(circuit, parameters, parameters.maximum)
    count, share = 18, 6
    rows = rows_of(random, circuit, count)
    half_step = np.repeat([1 / (2 * p) for p in parameters.moduli], parameters.outputs)
    evaluator = RowEvaluator(plan, None, None, (LevelledBatch(parameters, count, share), plan))
    answer = evaluator.evaluate_row(client.rows_together(parameters, rows, share), keys)
    off = np.array(client.phases_packed(parameters, answer, count, share))
    off -= on_torus(interpret(circuit, rows), parameters.moduli) + [row_rounding(plan, row) for row in rows]
    counted = int((np.abs(off - np.rint(off)) > half_step).sum())
    each = [RowVariances(plan.layout, GREATEST, count, place) for place in range(count)]
    predicted = 0.0
    for first in range(0, count, share):
        found = packed_variance(plan, each[first : first + share], rows[first : first + share])
        predicted += sum(misread(variance, half_step) for variance in found)
    bound = noise_bound(plan, rows=count, rows_per_answer=share)
    most = count * misread(bound.variance, half_step)
    assert 8 < predicted < most
    assert 0.25 * predicted < counted < most + 4 * math.sqrt(most)


def misread(variance, half_step):
    """Slots of a row that are expected to be misread, by Gaussian tails."""
    return sum(math.erfc(value) for value in (half_step / np.sqrt(2 * variance)).tolist())
