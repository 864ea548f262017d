"""Rows together: the most that noise allows are chosen, and each has the answer that it has alone."""

import math

import numpy as np
import pytest
from cryptable_engine import interpret
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.noise.bound import noise_bound
from cryptable_engine.schemes.levelled.noise.row_noise import row_rounding, row_variance
from cryptable_engine.schemes.levelled.noise.variances import GREATEST, RowVariances, answer_noise
from cryptable_engine.schemes.levelled.noise.worst_row import worst_row
from cryptable_engine.schemes.levelled.plans.plan import make_plan, plan_forms
from cryptable_engine.schemes.levelled.plans.torus import on_torus
from cryptable_engine.schemes.levelled.program import row_price
from cryptable_engine.schemes.levelled.together import choose_batch
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from levelled_circuits import levelled_circuit, levelled_parameters
from rotation_circuits import rotation_circuit
from tree_circuits import tree_circuit


def trees(seed=3):
    return tree_circuit(np.random.default_rng(seed), trees=25, depth=4, thermometers=(6,) * 8, largest=60)


def plan_of(circuit, **options):
    parameters = levelled_parameters(circuit, **options)
    return make_plan(circuit, parameters, parameters.maximum)


def batch_of(plan):
    batch = choose_batch(plan, row_price)
    return batch, plan_forms(plan.forms, batch.row, batch.row.maximum)


def rows_of(random, circuit, count):
    sizes = [group.size for group in circuit.input.groups]
    return np.concatenate(
        [(np.arange(size) < random.integers(0, size + 1, (count, 1))).astype(np.int64) for size in sizes], axis=1
    )


@pytest.mark.encrypted
@pytest.mark.parametrize("make", ["trees", "several outputs", "tables"])
def test_answers_are_those_of_rows_alone(client, kernel, keys, make):
    random = np.random.default_rng(1)
    circuit = {
        "trees": trees,
        "several outputs": lambda: levelled_circuit(random, steps=(9, 4, 2), outputs=2, bits=30),
        "tables": lambda: rotation_circuit(random, bits=8, neurons=3, outputs=2, positions=16),
    }[make]()
    plan = plan_of(circuit, placed=() if make == "tables" else tuple(range(0, circuit.input.size, 2)), p_error=2.0**-64)
    batch, row = batch_of(plan)
    evaluator = RowEvaluator(plan, kernel, (batch, row))
    for count in {1, 3, min(batch.most_rows, 7)}:
        rows = rows_of(random, circuit, count)
        answer = evaluator.evaluate_row(client.rows_together(batch.row, rows), keys)
        batch.of(count).check_output(pb.EncryptedTensor.FromString(answer))
        assert client.decode_together(batch.row, answer, count) == interpret(circuit, rows).tolist()
    alone = random.integers(0, 2, circuit.input.size) if make != "trees" else rows_of(random, circuit, 1)[0]
    answer = evaluator.evaluate_row(client.row(plan.parameters, alone), keys)
    assert client.decode(plan.parameters, answer) == interpret(circuit, [alone])[0].tolist()


def test_as_many_rows_as_noise_allows():
    plan = plan_of(trees(), p_error=2.0**-128)
    batch, row = batch_of(plan)
    leaves = len(row.layout.leaf_bits)
    assert batch.most_rows >= 2
    assert not batch.row.placed
    assert noise_bound(row, rows=batch.most_rows).log2_failure <= -128
    alone, two, most = (noise_bound(row, rows=rows).variance for rows in (1, 2, RING_SIZE // leaves))
    assert alone < two < most


def test_no_rows_together_where_noise_leaves_no_room():
    plan = plan_of(trees(), p_error=2.0**-64)
    assert choose_batch(plan, row_price) is not None
    tight = plan_of(trees(), p_error=2.0**-950)
    assert choose_batch(tight, row_price) is None


def test_no_rows_together_where_two_do_not_fit():
    wide = plan_of(levelled_circuit(np.random.default_rng(5), steps=(600,), bits=1300), p_error=2.0**-40)
    assert 2 * len(wide.layout.leaf_bits) > RING_SIZE
    assert choose_batch(wide, row_price) is None


def test_a_model_whose_rows_travel_alone_refuses_rows_together(client, keys, kernel):
    plan = plan_of(trees())
    batch = LevelledBatch(levelled_parameters(trees()), 3)
    with pytest.raises(MalformedMessageError, match="2 rows together, of a model whose rows travel alone"):
        RowEvaluator(plan, kernel).evaluate_row(
            client.rows_together(batch.row, rows_of(np.random.default_rng(0), trees(), 2)), keys
        )


def test_more_rows_than_agreed_on_are_refused(client, keys, kernel):
    plan = plan_of(trees())
    batch = LevelledBatch(levelled_parameters(trees()), 2)
    evaluator = RowEvaluator(plan, kernel, (batch, plan))
    with pytest.raises(MalformedMessageError, match="3 rows together, 1 to 2 were agreed on"):
        evaluator.evaluate_row(client.rows_together(batch.row, rows_of(np.random.default_rng(0), trees(), 3)), keys)


@pytest.mark.encrypted
def test_errors_are_as_large_as_predicted_in_the_deepest_tree(client, kernel, keys):
    circuit = trees()
    parameters = levelled_parameters(circuit, gadget=(2, 9), answer_word_bits=16)
    plan = make_plan(circuit, parameters, parameters.maximum)
    count = RING_SIZE // len(plan.layout.leaf_bits)
    evaluator = RowEvaluator(plan, kernel, (LevelledBatch(parameters, count), plan))
    random, standardized, predictions = np.random.default_rng(3), [], []
    rows = rows_of(random, circuit, count)
    answer = evaluator.evaluate_row(client.rows_together(parameters, rows), keys)
    exact = on_torus(interpret(circuit, rows), parameters.moduli)
    for place in range(0, count, max(1, count // 6)):
        predicted = row_variance(plan, RowVariances(plan.layout, GREATEST, count, place), rows[place])
        error = np.array(client.phases_together(parameters, answer, count)[place])
        error -= exact[place] + row_rounding(plan, rows[place])
        standardized.append((error - np.rint(error)) / np.sqrt(predicted))
        predictions.append(predicted)
    standardized = np.array(standardized)
    assert np.mean(standardized**2) < 1.0 + 4 * math.sqrt(2 / standardized.size)
    assert np.mean(standardized**2) > 0.2
    bound = worst_row(plan, RowVariances(plan.layout, GREATEST, count)).variance + answer_noise(16, GREATEST)
    assert (np.array(predictions) <= bound).all()
