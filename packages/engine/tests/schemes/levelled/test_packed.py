"""Packed answers: rows whose slots share a mask have the answers that they have alone, and noise as it is predicted."""

import math

import numpy as np
import pytest
from cryptable_engine import interpret
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.noise.bound import noise_bound
from cryptable_engine.schemes.levelled.noise.row_noise import packed_variance, row_rounding
from cryptable_engine.schemes.levelled.noise.variances import GREATEST, RowVariances
from cryptable_engine.schemes.levelled.plans.plan import make_plan, plan_forms
from cryptable_engine.schemes.levelled.plans.torus import on_torus
from cryptable_engine.schemes.levelled.program import row_price
from cryptable_engine.schemes.levelled.together import choose_batches
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.schemes.levelled.answers import most_slots
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from levelled_circuits import levelled_circuit, levelled_parameters
from rotation_circuits import rotation_circuit
from tree_circuits import tree_circuit


def trees(seed=3):
    return tree_circuit(np.random.default_rng(seed), trees=12, depth=3, thermometers=(5,) * 6, largest=60)


def plan_of(circuit, **options):
    parameters = levelled_parameters(circuit, **options)
    return make_plan(circuit, parameters, parameters.maximum)


def batches_of(plan):
    return [(batch, plan_forms(plan.forms, batch.row, batch.row.maximum)) for batch in choose_batches(plan, row_price)]


def rows_of(random, circuit, count):
    sizes = [group.size for group in circuit.input.groups]
    return np.concatenate(
        [(np.arange(size) < random.integers(0, size + 1, (count, 1))).astype(np.int64) for size in sizes], axis=1
    )


@pytest.mark.encrypted
@pytest.mark.parametrize("make", ["trees", "several outputs"])
def test_answers_are_those_of_rows_alone(client, kernel, keys, make):
    random = np.random.default_rng(1)
    circuit = trees() if make == "trees" else levelled_circuit(random, steps=(5, 2), outputs=2, bits=12)
    plan = plan_of(circuit, p_error=2.0**-64)
    together, packed = batches_of(plan)
    batch, share = packed[0], packed[0].rows_per_answer
    assert share > 1
    evaluator = RowEvaluator(plan, kernel, together, packed)
    for count in {1, share + 1, min(batch.most_rows, 2 * share)}:
        rows = rows_of(random, circuit, count)
        answer = evaluator.evaluate_row(client.rows_together(batch.row, rows, share), keys)
        batch.of(count).check_output(pb.EncryptedTensor.FromString(answer))
        assert client.decode_packed(batch.row, answer, count, share) == interpret(circuit, rows).tolist()
    rows = rows_of(random, circuit, 2)  # by the same evaluator, with an answer each
    answer = evaluator.evaluate_row(client.rows_together(together[0].row, rows), keys)
    assert client.decode_together(together[0].row, answer, 2) == interpret(circuit, rows).tolist()


def bytes_of(batch):
    full = batch.of(batch.most_rows)
    return (full.row_bytes + full.answer_bytes) / full.rows


def test_the_fewest_bytes_that_noise_and_slots_allow():
    (together, _), (packed, row) = batches_of(plan_of(trees(), p_error=2.0**-64))
    assert bytes_of(packed) < bytes_of(together) / 2
    assert packed.rows_per_answer * packed.row.slots <= most_slots(packed.row.answer_word_bits)
    assert noise_bound(row, rows=packed.most_rows, rows_per_answer=packed.rows_per_answer).log2_failure <= -64
    tight = choose_batches(plan_of(trees(), p_error=2.0**-300), row_price)
    assert tight[-1].rows_per_answer < packed.rows_per_answer


def test_the_bound_grows_with_the_rows_that_share_an_answer():
    row = batches_of(plan_of(trees()))[0][1]
    found = [noise_bound(row, rows=12, rows_per_answer=share).variance for share in (1, 2, 6, 12)]
    assert found == sorted(found)
    assert found[1] > found[0] + noise_bound(row, rows=12).products  # of both rows


def test_answers_of_turned_tables_are_not_packed():
    circuit = rotation_circuit(np.random.default_rng(1), bits=8, neurons=3, outputs=2, positions=16)
    (batch,) = choose_batches(plan_of(circuit), row_price)
    assert not batch.rows_per_answer


def test_a_model_whose_answers_are_not_packed_refuses_such_rows(client, keys, kernel):
    circuit, plan = trees(), plan_of(trees())
    (together, packed), two = batches_of(plan), rows_of(np.random.default_rng(0), trees(), 2)
    share = packed[0].rows_per_answer
    rows = client.rows_together(packed[0].row, two, share)
    with pytest.raises(MalformedMessageError, match="2 rows together, of a model whose rows have answers of their own"):
        RowEvaluator(plan, kernel, together).evaluate_row(rows, keys)
    other = client.rows_together(packed[0].row, two, share + 1)
    with pytest.raises(MalformedMessageError, match=f"{share + 1} rows per answer, expected {share}"):
        RowEvaluator(plan, kernel, together, packed).evaluate_row(other, keys)
    assert circuit.input.size == two.shape[1]


@pytest.mark.encrypted
def test_errors_are_as_large_as_predicted_and_below_the_bound(client, kernel, keys):
    circuit = trees()
    parameters = levelled_parameters(circuit, gadget=(2, 9), answer_word_bits=16)
    plan = make_plan(circuit, parameters, parameters.maximum)
    share, count = 5, 10
    evaluator = RowEvaluator(plan, kernel, None, (LevelledBatch(parameters, count, share), plan))
    random, standardized = np.random.default_rng(3), []
    variances = [RowVariances(plan.layout, GREATEST, count, row) for row in range(count)]
    bound = noise_bound(plan, rows=count, rows_per_answer=share).variance
    rows = rows_of(random, circuit, count)
    answer = evaluator.evaluate_row(client.rows_together(parameters, rows, share), keys)
    phases = np.array(client.phases_packed(parameters, answer, count, share))
    exact = on_torus(interpret(circuit, rows), parameters.moduli) + [row_rounding(plan, row) for row in rows]
    for first in range(0, count, share):
        some = slice(first, first + share)
        predicted = packed_variance(plan, variances[some], rows[some])
        assert (predicted <= bound).all()
        error = phases[some] - exact[some]
        standardized.append((error - np.rint(error)) / np.sqrt(predicted))
    square = np.mean(np.array(standardized) ** 2)
    assert 0.2 < square < 1.0 + 4 * math.sqrt(2 / np.size(standardized))
