"""Single operations on ciphertexts of zero without noise, by both rings: what each adds, against its part of the bound.

Where the bound is one of the worst mask and secret, it may be further above what is measured; never below.
"""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cryptable_client.schemes.squares.encryption import ring_times
from cryptable_engine import verify
from cryptable_engine.schemes.squares.choice import choose_plan
from cryptable_engine.schemes.squares.noise.bound import Noise, NoiseBound
from cryptable_engine.schemes.squares.plan import Gather
from cryptable_engine.schemes.squares.rings.seal import SealRing
from cryptable_engine.schemes.squares.row_evaluator import RowEvaluator
from cryptable_protocol.schemes.squares.keyset import CHAINS, SquaresKeyset
from square_networks import RINGS, SquaresClient, evaluated_by, middling_secret, square_network

pytestmark = pytest.mark.encrypted
MODULUS = 65537


class Case:
    """One chain with keys for rotations by 1 and 2; zero is encrypted, so that errors alone are left."""

    def __init__(self, number):
        circuit = square_network(np.random.default_rng(1), (4, 4, 1), maximum=1, largest=1)
        plan = choose_plan(circuit, verify(circuit), 2.0**-128)
        parameters = replace(
            plan.parameters, keyset=SquaresKeyset(number, 3), moduli=(MODULUS,), maximum=MODULUS - 1, block=8, copies=1
        )
        self.plan = replace(plan, parameters=parameters)
        self.bound = NoiseBound(self.plan, MODULUS)
        self.client = SquaresClient(self.plan, middling_secret(parameters.keyset.ring_size))
        evaluator = RowEvaluator(self.plan)
        self.program, self.keys = (
            evaluator.programs[0],
            evaluator.make_ready(memoryview(self.client.evaluation_keys)).under(evaluator.programs[0].ring),
        )
        self.ring, self.chain = self.program.ring, CHAINS[number]
        self.top = len(self.chain.data)
        self.nothing = Noise(self.top, 0.0, 0.0, 0.0)

    def zero(self, errors=0, seed=2):
        """c0 + c1 s = errors, exactly."""
        random = np.random.default_rng(seed)
        mask = np.stack([random.integers(0, prime, self.chain.ring_size) for prime in self.chain.data])
        body = [
            (errors - ring_times(each, self.client.secret, prime)) % prime
            for each, prime in zip(mask, self.chain.data, strict=True)
        ]
        return self.ring.ciphertext(np.stack(body), mask)

    def measured(self, ciphertext, level=None):
        """The deviation of its noise."""
        noise = self.client.noise(ciphertext, level or self.top, MODULUS).astype(float)
        return math.sqrt(np.mean(noise**2))

    def gathered(self, index_of_masks, **how):
        """The layer's rotations under a gather of our own: what is measured, and the bound."""
        gather = Gather(**how)
        plan = replace(self.plan, gathers=(gather,))
        masks = {(giant, baby): self.ring.plaintext(slots, self.top) for giant, baby, slots in plan.masks(0, MODULUS)}
        found = self.program._gathered(index_of_masks, gather, masks, self.keys)
        return self.measured(found), NoiseBound(plan, MODULUS)


@pytest.fixture(scope="module", params=["kernel 1", "kernel 4", "seal 4"])
def case(request):
    ring, number = request.param.split()
    with evaluated_by(ring):
        return Case(int(number))


@pytest.fixture(scope="module", params=RINGS)
def small(request):
    """Where reading a ciphertext is quick."""
    with evaluated_by(request.param):
        return Case(1)


def within(measured, bound, bits):
    assert measured <= bound <= measured * 2.0**bits, (measured, bound, math.log2(bound / measured))


def test_a_key_switch(case):
    within(case.measured(case.ring.rotated(case.zero(), 3, case.keys)), case.bound.key_switch(case.top), 3)


def test_babies_add_a_key_switch_each_before_products(small):
    measured, bound = small.gathered(small.zero(), babies=4, giants=1, folds=(), swaps=False)
    within(measured, bound.gathered(small.nothing, 0, bound.plan.gathers[0]).deviation, 6)


def test_giants_add_a_key_switch_each_after_products(small):
    measured, bound = small.gathered(small.zero(), babies=1, giants=4, folds=(), swaps=False)
    within(measured, bound.gathered(small.nothing, 0, bound.plan.gathers[0]).deviation, 4)


def test_folds_add_a_key_switch_each_and_double(small):
    measured, bound = small.gathered(small.zero(), babies=1, giants=1, folds=(1, 2, 1, 2), swaps=False)
    within(measured, bound.gathered(small.nothing, 0, bound.plan.gathers[0]).deviation, 5)
    # What is there is the same everywhere, so that it is doubled indeed; keys are nothing beside it.
    constant = np.zeros(small.chain.ring_size, np.int64)
    constant[0] = 1 << 30
    total = small.zero(constant)
    for element in (3, 9, 3, 9):
        small.ring.add(total, small.ring.rotated(total, element, small.keys))
    noise = Noise(small.top, 0.0, small.measured(small.zero(constant)), 0.0)
    folded = noise
    for _ in range(4):
        folded = replace(folded, mixed=2 * folded.mixed + small.bound.key_switch(small.top))
    within(small.measured(total), folded.deviation, 0.1)
    alone = replace(bound.plan, gathers=(replace(bound.plan.gathers[0], folds=()),))
    folds = bound.gathered(noise, 0, bound.plan.gathers[0]).deviation
    assert folds >= 16 * NoiseBound(alone, MODULUS).gathered(noise, 0, alone.gathers[0]).deviation


def test_a_square_multiplies_noise_by_the_masks(case):
    random = np.random.default_rng(3)
    errors = random.integers(-(1 << 20), (1 << 20) + 1, case.chain.ring_size)
    noise = replace(case.nothing, mixed=case.measured(case.zero(errors)))
    value = case.zero(errors)
    case.ring.square(value, case.top, case.keys)
    within(case.measured(value), case.bound.squared(noise, case.top).deviation, 7)


def test_a_square_rounds_what_it_tensors(small):
    """Of nothing: three polynomials, the third of which meets s²."""
    within(_of_three(small), small.bound.tensored(small.nothing).fixed, 16)
    small.ring.square(again := small.zero(), small.top, small.keys)
    assert small.measured(again) <= small.bound.squared(small.nothing, small.top).fixed


def test_the_square_of_noise_is_counted():
    """It cannot be more than the rest in a ciphertext that decrypts: looked at where it would be, far beyond."""
    case = SimpleNamespace(size=8192, primes=CHAINS[1].data)
    circuit = square_network(np.random.default_rng(1), (4, 4, 1), maximum=1, largest=1)
    plan = choose_plan(circuit, verify(circuit), 2.0**-128)
    plan = replace(plan, parameters=replace(plan.parameters, keyset=SquaresKeyset(1, 3)))
    whole, modulus = math.prod(case.primes), plan.parameters.moduli[0]
    deviation = 2.0**20 * whole
    found = NoiseBound(plan, modulus).tensored(Noise(len(case.primes), 0.0, deviation, 0.0)).fixed
    # Coefficients of v² have deviation √N · deviation², so that its norm is N times that.
    expected = case.size * deviation**2 * modulus / whole
    within(expected, found, 16)


def test_fewer_primes_round(small):
    """Two polynomials; and three, directly after a square.

    The first comes within a hundredth of its bound, and is measured of many: the coefficients of one ciphertext, which
    share a secret, have a deviation that varies by as much.
    """
    squares = []
    for seed in range(32):
        value = small.zero(seed=seed)
        small.ring.switch(value, small.top - 1)
        squares.append(small.measured(value, small.top - 1) ** 2)
    within(math.sqrt(np.mean(squares)), small.bound.switched(small.nothing, small.top - 1).deviation, 0.3)
    within(_of_three(small, small.top - 1), small.bound.third_rounding, 3)


def test_hiding_adds_a_fresh_encryption(case):
    value = case.zero()
    case.ring.switch(value, 1)
    before = case.measured(value, 1)
    case.ring.add_zero(value, case.keys)
    added = math.sqrt(case.measured(value, 1) ** 2 - before**2)
    within(added, case.bound.hidden(replace(case.nothing, level=1)).deviation, 0.6)


def test_a_key_switch_follows_each_square(small):
    """Of relinearization: nothing else is left of the bound when its other parts are taken off."""
    squared = small.bound.squared(small.nothing, small.top - 1)
    switched = small.bound.switched(small.bound.tensored(small.nothing), small.top - 1, small.bound.third_rounding)
    exact = _of_three(small, parts=True)
    value = small.ring.squared(small.zero(), small.top, small.keys)
    added = (small.client.noise(value, small.top, MODULUS) - exact).astype(float)
    within(math.sqrt(np.mean(added**2)), small.bound.key_switch(small.top), 2.6)
    assert squared.mixed - switched.mixed == pytest.approx(small.bound.key_switch(small.top - 1))


def _of_three(case, level=None, *, parts=False):
    """The noise of c0 + c1 s + c2 s² of a square before its relinearization, or its deviation."""
    level, size, secret, value = level or case.top, case.chain.ring_size, case.client.secret, case.zero()
    if isinstance(case.ring, SealRing):
        case.ring._evaluator.square_inplace(value)
        case.ring.switch(value, level)
        words = np.array([value[place] for place in range(3 * level * size)]).reshape(3, level, size)
    else:
        tensoring = case.ring._tensoring
        words = tensoring.switched(tensoring.product(value.words, value.words), level).astype(np.int64)
    flat = []
    for index, prime in enumerate(case.chain.data[:level]):
        third = ring_times(words[2, index], secret, prime)
        flat.append((words[1, index] + third) % prime)
    both = np.concatenate([words[0], np.stack(flat)]).reshape(-1)
    noise = case.client.noise(both, level, MODULUS)
    return noise if parts else math.sqrt(np.mean(noise.astype(float) ** 2))
