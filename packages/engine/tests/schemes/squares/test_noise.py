"""Noise under encryption against its bound, step by step, and provoked misreadings against what is predicted."""

import math

import numpy as np
import pytest
from cryptable_engine import verify
from cryptable_engine.schemes.squares.choice import choose_plan
from cryptable_engine.schemes.squares.noise.bound import NoiseBound, norms
from cryptable_engine.schemes.squares.row_evaluator import RowEvaluator
from cryptable_protocol.schemes.packing import unpack
from cryptable_protocol.schemes.squares.mask_stream import masks
from cryptable_protocol.schemes.squares.transforms import from_slots
from misread_words import misread_words
from square_networks import RINGS, SquaresClient, evaluated_by, square_network

pytestmark = pytest.mark.encrypted


class Case:
    def __init__(self, seed, widths, **how):
        self.circuit = square_network(np.random.default_rng(seed), widths, **how)
        self.plan = choose_plan(self.circuit, verify(self.circuit), 2.0**-128)
        self.client = SquaresClient(self.plan)
        self.evaluator = RowEvaluator(self.plan)
        self.keys = self.evaluator.make_ready(memoryview(self.client.evaluation_keys))

    def evaluate(self, values, watch):
        """Modulo the first modulus, telling of each step."""
        row, chain = self.client.row(values), self.plan.parameters.keyset.chain
        program, each, bodies = self.evaluator.programs[0], 0, []
        for prime in chain.data:
            end = each + chain.ring_size * prime.bit_length() // 8
            bodies.append(unpack(row.polynomials[each:end], chain.ring_size, prime.bit_length()).astype(np.int64))
            each = end
        mask = masks(row.seed, 0, chain.data, chain.ring_size)
        return program.evaluate(program.ring.ciphertext(np.stack(bodies), mask), self.keys.under(program.ring), watch)


@pytest.fixture(scope="module", params=RINGS)
def ring(request):
    with evaluated_by(request.param):
        yield


@pytest.fixture(scope="module")
def gathering(ring):
    """Babies, giants and folds."""
    return Case(1, (300, 64, 10))


@pytest.fixture(scope="module")
def deep(ring):
    """Two squares, in the larger ring."""
    return Case(2, (20, 16, 8, 3))


@pytest.mark.parametrize("name", ["gathering", "deep"])
def test_measured_noise_is_below_its_bound_at_every_step(name, ring, request):
    case = request.getfixturevalue(name)
    modulus = case.plan.parameters.moduli[0]
    bound = dict(NoiseBound(case.plan, modulus).steps())
    seen = {}

    def watch(step, ciphertext):
        seen[step] = case.client.noise(ciphertext, bound[step].level, modulus)

    largest = np.full(case.circuit.input.size, case.circuit.input.groups[0].maximum)
    case.evaluate(largest, watch)
    assert list(seen) == list(bound)
    for step, noise in seen.items():
        most = float(np.abs(noise).max())
        deviation = math.sqrt(sum(float(v) ** 2 for v in noise) / len(noise))
        assert most <= bound[step].beyond(case.plan.parameters.deviations)
        assert deviation <= bound[step].deviation + bound[step].fixed


def test_babies_and_giants_are_there_and_both_rings_are_used(gathering, deep):
    assert (gathering.plan.gathers[0].babies > 1, gathering.plan.gathers[0].giants > 1) == (True, True)
    assert (gathering.plan.parameters.keyset.ring_size, deep.plan.parameters.keyset.ring_size) == (8192, 16384)


def test_words_that_are_too_short_are_misread_as_often_as_predicted(gathering):
    """What decides over answers is the rounding of their words: with fewer bits, counts are as its deviation says."""
    case, parameters = gathering, gathering.plan.parameters
    size, modulus, prime = parameters.keyset.ring_size, parameters.moduli[0], parameters.keyset.chain.data[0]
    bits = modulus.bit_length() + 5
    random = np.random.default_rng(0)
    misread = expected = 0
    for _ in range(3):
        answer = case.evaluate(random.integers(0, 8, case.circuit.input.size), None)
        words = case.evaluator.programs[0].ring.words(answer, range(2 * size))
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


def test_norms_are_those_of_the_polynomial():
    random = np.random.default_rng(0)
    slots = random.integers(0, 65537, (2, 64))
    for polynomial, found in zip(from_slots(slots, 65537), norms(slots, 65537), strict=True):
        centred = np.where(polynomial > 32768, polynomial - 65537, polynomial)
        assert found.euclidean == pytest.approx(float(np.linalg.norm(centred)))
        roots = np.exp(1j * np.pi * (2 * np.arange(64) + 1) / 64)
        assert found.spectral == pytest.approx(float(np.abs(np.polyval(centred[::-1], roots)).max()))
