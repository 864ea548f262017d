"""The noise model: its simulation reads neighbours as often as encrypted lookups do, and phases vary as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    Evaluator,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Term,
    compile_circuit,
    interpret,
)
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.noise import (
    NoiseModel,
    NoisyInterpreter,
    neighbour_rate,
    positions,
    reading_deviation,
)
from cryptable_protocol import CompileOptions, KeysetParameters, SecretKeyParameters
from scheme_party import Party

WIDTH, DROPPED, LOOKUPS, ROWS = 3, 10, 100, 5


def side_by_side() -> Circuit:
    """Each input read by a lookup of its own, which tells its position."""
    identity = Term.from_dense(0, np.eye(LOOKUPS, dtype=np.int64))
    entries = 2 * np.arange(1 << WIDTH)
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, LOOKUPS, (1 << (WIDTH + DROPPED)) - 1),)),
            Linear((identity,), np.zeros(LOOKUPS, np.int64)),
            Lookup(1, entries[None, :], np.zeros(LOOKUPS, np.int64), DROPPED, entries[-1:]),
            Linear((Term.from_dense(2, np.eye(LOOKUPS, dtype=np.int64)),), np.zeros(LOOKUPS, np.int64)),
        ),
        3,
    )


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compile_circuit(side_by_side(), CompileOptions(), tmp_path_factory.mktemp("noise") / "program", native=True)


def near_borders(rng, deviation):
    """Values at borders, so near that 10 to 50 % of the lookups read a neighbour."""
    borders = rng.integers(1, (1 << WIDTH) - 1, (ROWS, LOOKUPS)) - 0.5
    distance = rng.uniform(0.05, 1.25, borders.shape) * deviation * rng.choice([-1, 1], borders.shape)
    return np.rint((borders + distance) * 2**DROPPED).astype(np.int64)


@pytest.mark.encrypted
def test_encrypted_lookups_read_neighbours_as_often_as_modelled(program):
    circuit, model = side_by_side(), NoiseModel.of(program)
    deviation = float(reading_deviation(circuit, model)[2].max())
    rows = near_borders(np.random.default_rng(1), deviation)
    place = rows / 2**DROPPED + 0.5
    distance = np.abs(place - np.rint(place))
    chance = np.vectorize(lambda x: 0.5 * math.erfc(x / deviation / math.sqrt(2)))(distance)
    assert ((chance > 0.1) & (chance <= 0.5)).mean() > 0.99
    party, evaluator = Party(program), Evaluator(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    answers = np.array([party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys)) for row in rows])
    moved = answers != interpret(circuit, rows)
    spread = math.sqrt((chance * (1 - chance)).sum())
    assert abs(moved.sum() - chance.sum()) < 4.5 * spread, (moved.sum(), chance.sum(), spread)
    assert (np.abs(answers - interpret(circuit, rows))[moved] == 2).all()
    simulated = NoisyInterpreter(circuit, model).evaluate(rows, np.random.default_rng(2))
    assert simulated.lookups == moved.size == ROWS * LOOKUPS
    assert abs(simulated.neighbours - chance.sum()) < 4.5 * spread
    np.testing.assert_array_equal(np.unique(simulated.outputs - interpret(circuit, rows)), [-2, 0, 2])


def test_simulated_rates_are_those_of_gaussians(program):
    circuit, model = side_by_side(), NoiseModel.of(program)
    rows = np.random.default_rng(3).integers(0, 1 << (WIDTH + DROPPED), (400, LOOKUPS))
    found = NoisyInterpreter(circuit, model).evaluate(rows, np.random.default_rng(4))
    rate = neighbour_rate(reading_deviation(circuit, model))
    assert found.neighbours / found.lookups == pytest.approx(rate, rel=0.05)
    assert 0.01 < rate < 0.1


def test_noise_adds_up_over_weights_and_scales(program):
    """Twice the weight is twice the deviation; reading itself adds the rest."""
    circuit = side_by_side()
    model = NoiseModel(1e-9, 1e-9, 0.0)
    doubled = Linear((Term.from_dense(0, 2 * np.eye(LOOKUPS, dtype=np.int64)),), np.zeros(LOOKUPS, np.int64))
    twice = Circuit((circuit.nodes[0], doubled, *circuit.nodes[2:]), 3)
    once = reading_deviation(circuit, model)[2]
    np.testing.assert_allclose(reading_deviation(twice, model)[2], 2 * once)
    np.testing.assert_allclose(once, math.sqrt(1e-9) * 2 ** (WIDTH + 1))


def test_without_noise_it_is_the_interpreter(make_circuit, make_rows):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        circuit = make_circuit(rng, depth=4)
        rows = make_rows(rng, circuit.input, 20)
        silent = NoisyInterpreter(circuit, NoiseModel(0.0, 0.0, 0.0)).evaluate(rows, rng)
        np.testing.assert_array_equal(silent.outputs, interpret(circuit, rows))
        assert silent.neighbours == 0


def test_without_bootstrap_keys_there_is_no_model():
    with pytest.raises(UnsupportedProgramError, match="without lookups"):
        NoiseModel.of_keyset(KeysetParameters((SecretKeyParameters(0, 1024),), (), ()), 1e-20)


def test_positions():
    node = Lookup(0, np.arange(8)[None, :], np.zeros(1, np.int64), 2, np.array([8]))
    np.testing.assert_array_equal(positions(node, np.array([-3, -2, 1, 2, 31])), [-1, 0, 0, 1, 8])
