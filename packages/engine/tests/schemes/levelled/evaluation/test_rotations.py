"""Tables that encrypted bits turn give what the interpreter gives."""

import numpy as np
import pytest
from cryptable_engine import GroupKind, InputGroup, interpret
from cryptable_engine.schemes.levelled.evaluation.rotations import _difference
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.evaluation.transforms import HALF, fold, unfold
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from cryptable_engine.schemes.levelled.plans.turns import turned
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from levelled_circuits import levelled_parameters
from rotation_circuits import rotation_circuit

SHAPES = [
    {"neurons": 1, "bits": 2, "common": 0, "reads": False},
    {"neurons": 10, "positions": 128, "outputs": 3},
    {"neurons": 3, "bits": 5, "common": 3, "positions": 512, "largest": 3},
    {"neurons": 7, "bits": 2, "common": 0, "positions": 8, "reads": False, "largest": 1, "density": 1.0},
    {"neurons": 3, "bits": 6, "dependent": True},
    {"neurons": 2, "bits": 4, "common": 1, "positions": 128, "dependent": True, "reads": False},
    {"neurons": 3, "bits": 6, "trees": 2},
    {"neurons": 10, "bits": 5, "common": 0, "density": 0.0, "trees": 2, "positions": 128, "outputs": 2},
    {"neurons": 5, "bits": 6, "signs": 3, "common": 0},
    {"neurons": 4, "bits": 5, "signs": 2, "common": 1, "positions": 128, "outputs": 3, "trees": 1},
    {"neurons": 3, "bits": 3, "signs": 2, "common": 0, "reads": False},
]


@pytest.mark.parametrize("power", [0, 1, 7, HALF - 1, HALF, HALF + 1, RING_SIZE, 3 * HALF + 5, 2 * RING_SIZE - 1])
def test_a_turned_polynomial_is_the_same_folded(power):
    ciphertext = np.random.default_rng(power).uniform(-0.5, 0.5, (2, RING_SIZE))
    found = np.empty((2, HALF), np.complex128)
    _difference(fold(ciphertext), power, found)
    expected = np.zeros((2, RING_SIZE))
    for place in range(RING_SIZE):  # one coefficient at a time: X^place · X^(−power)
        target = (place - power) % (2 * RING_SIZE)
        expected[:, target % RING_SIZE] = ciphertext[:, place] * (1 if target < RING_SIZE else -1)
    assert (turned(ciphertext, np.array([power, power])) == expected).all()
    assert (unfold(found) == expected - ciphertext).all()


@pytest.mark.encrypted
@pytest.mark.parametrize("gadget", [(2, 8), (3, 6), (4, 5)])
@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_encrypted_equals_clear(client, kernel, keys, shape, gadget):
    random = np.random.default_rng([shape, *gadget])
    circuit = rotation_circuit(random, **SHAPES[shape])
    parameters = levelled_parameters(circuit, gadget=gadget, placed=() if shape % 2 else (0, 1))
    plan = make_plan(circuit, parameters, parameters.maximum)
    assert plan.products == circuit.products
    evaluator = RowEvaluator(plan, kernel)
    rows = np.concatenate(
        [np.eye(1, circuit.input.size, dtype=np.int64), random.integers(0, 2, (3, circuit.input.size))]
    )
    for row in rows:
        answer = evaluator.evaluate_row(client.row(parameters, row), keys)
        assert client.decode(parameters, answer) == interpret(circuit, [row])[0].tolist()


@pytest.mark.encrypted
def test_thermometers_turn_too(client, kernel, keys):
    random = np.random.default_rng(2)
    groups = (InputGroup(GroupKind.THERMOMETER, 5), InputGroup(GroupKind.RANGE, 7))
    circuit = rotation_circuit(random, groups=groups)
    parameters = levelled_parameters(circuit, gadget=(4, 5))
    row = np.array([1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1])
    answer = RowEvaluator(make_plan(circuit, parameters, parameters.maximum), kernel).evaluate_row(
        client.row(parameters, row), keys
    )
    assert client.decode(parameters, answer) == interpret(circuit, [row])[0].tolist()
