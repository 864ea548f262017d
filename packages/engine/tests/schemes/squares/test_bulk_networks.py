"""Networks of squares in bulk: exactness, noise against its bound, and sums of a first layer as matrix products."""

import math

import numpy as np
import pytest
from bulk_case import BulkCase
from cryptable_engine import Evaluator, compile_circuit, compile_in_bulk, interpret, verify
from cryptable_engine.schemes.squares.bulk import first_sums
from cryptable_engine.schemes.squares.bulk.choice import choose_bulk_plan
from cryptable_engine.schemes.squares.bulk.columns import Columns, Sum
from cryptable_protocol import CompileOptions
from cryptable_protocol.schemes.squares.keyset import CHAINS
from scheme_party import Party
from square_networks import square_network


@pytest.mark.encrypted
@pytest.mark.parametrize("widths", [(5, 4, 2), (3, 4, 3, 2)], ids=["one hidden layer", "two"])
def test_networks_are_exact_and_their_noise_is_below_its_bound(widths):
    circuit = square_network(np.random.default_rng(3), widths, maximum=3)
    plan = choose_bulk_plan(circuit, verify(circuit), 2.0**-128)
    case, bounds = BulkCase(plan), plan.noise.steps
    assert plan.columns.first_squares == tuple(range(widths[1]))
    seen = []

    def watch(step, ciphertext):
        if step != "answer":
            bound = bounds[len(seen)]
            seen.append(case.client.noise(ciphertext, bound.level, plan.parameters.modulus))

    rows = np.random.default_rng(0).integers(0, 4, (plan.parameters.rows, widths[0]))
    np.testing.assert_array_equal(case.evaluate(rows, watch), interpret(circuit, rows))
    for noise, bound in zip(seen, bounds, strict=True):
        assert float(np.abs(noise).max()) <= bound.beyond(plan.parameters.deviations)
        assert math.sqrt(np.mean(noise.astype(float) ** 2)) <= bound.deviation + bound.fixed


@pytest.mark.parametrize("largest", [3, (1 << 25) // 21])
@pytest.mark.parametrize("groups", [1, 3])
def test_first_sums_are_those_of_integers(monkeypatch, largest, groups):
    chain, random = CHAINS[5], np.random.default_rng(0)
    weights = random.integers(-largest, largest + 1, (7, 20))
    weights[0], weights[:, 4] = [largest, 0] * 10, 0
    sums = [Sum(tuple((column, weight) for column, weight in enumerate(row) if weight), 5) for row in weights.tolist()]
    columns = Columns(20, tuple((each, each) for each in sums), (Sum(((20, 1),), 0),))
    assert columns.first_squares == tuple(range(7))
    words = np.stack([random.integers(0, prime, (20, 2, chain.ring_size)) for prime in chain.data], axis=2)
    words[:3] = np.array(chain.data)[:, None] - 1
    if groups > 1:
        each = 2 * 2 * len(chain.data) * chain.ring_size * 8
        monkeypatch.setattr(first_sums, "_MOST_SUM_BYTES", each * 3)
        monkeypatch.setattr(first_sums, "_MOST_READ_BYTES", each)
    asked = []

    def read(column):
        asked.append(column)
        return words[column]

    sums = first_sums.FirstSums(columns, chain)
    found = list(sums.words(read))
    assert len(found) == 7
    assert len(asked) == sums.columns_read
    assert (len(asked) == 19) == (groups == 1)
    for row, each in zip(weights.astype(object), found, strict=True):
        for index, prime in enumerate(chain.data):
            some = words[:, :, index, :50].astype(object)
            np.testing.assert_array_equal(each[:, index, :50], np.tensordot(row, some, 1) % prime)


def test_sums_of_large_weights_are_left_to_the_library():
    heavy = Sum(((0, 1 << 24), (1, (1 << 24) + 1)), 0)
    light = Sum(((0, 1 << 24), (1, -(1 << 24))), 0)
    columns = Columns(2, ((light, light), (heavy, heavy), (light, heavy)), (Sum(((2, 1), (3, 1), (4, 1)), 0),))
    assert columns.first_squares == (0,)
    assert columns.reads == {0: 3, 1: 3, 2: 1, 3: 1, 4: 1}


@pytest.mark.encrypted
def test_a_network_is_compiled_in_bulk(tmp_path):
    """Whoever is promised so: a network's other way are single rows."""
    circuit = square_network(np.random.default_rng(3), (5, 4, 2))
    program = compile_in_bulk(circuit, 2.0**-128, tmp_path / "program")
    options = CompileOptions(scheme="squares", p_error=2.0**-128)
    again = compile_circuit(circuit, options, tmp_path / "again", promised=program.parameters)
    assert (again.parameters, again.price) == (program.parameters, program.price)
    evaluator, party = Evaluator(program), Party(program)
    keys, row = evaluator.load_keys(party.evaluation_keys), np.array([7, 0, 3, 5, 1])
    found = party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys))
    party.close()
    assert found.tolist() == interpret(circuit, row[None])[0].tolist()
