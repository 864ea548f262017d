"""Answers that are flooded: noise of the server's own exceeds the circuit's bound, chains grow for it, answers hold."""

import math
from dataclasses import replace

import numpy as np
import pytest
from cryptable_client.schemes.squares import encryption
from cryptable_engine import CompilationError, Evaluator, Program, compile_circuit, interpret, verify
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.squares.choice import choose_plan
from cryptable_engine.schemes.squares.noise.bound import NoiseBound, flooded, most_used
from cryptable_engine.schemes.squares.plan import Flooding
from cryptable_engine.schemes.squares.row_evaluator import RowEvaluator
from cryptable_protocol import CompileOptions, InvalidInputError
from cryptable_protocol.schemes.packing import unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.mask_stream import masks
from square_networks import SquaresClient, square_network

P_ERROR = 2.0**-128


@pytest.fixture(scope="module")
def circuit():
    return square_network(np.random.default_rng(5), (20, 8, 3))


def planned(circuit, bits):
    return choose_plan(circuit, verify(circuit), P_ERROR, bits)


def test_chains_grow_with_the_bits_asked_for(circuit):
    plans = [planned(circuit, bits) for bits in (0, 8, 40)]
    primes = [math.log2(plan.parameters.keyset.chain.modulus) for plan in plans]
    assert primes[0] <= primes[1] < primes[2]
    assert plans[0].flooding is None
    assert [plan.flooding.bits for plan in plans[1:]] == [8, 40]
    assert all(most_used(plan) <= 1.0 for plan in plans)
    with pytest.raises(CompilationError, match="use fewer flooding_bits, fewer bits of inputs"):
        planned(circuit, 128)


def test_magnitudes_hide_the_bound_for_a_whole_answer(circuit):
    plan = planned(circuit, 40)
    parameters = plan.parameters
    for modulus in parameters.moduli:
        hidden = dict(NoiseBound(plan, modulus).steps())["hidden"].beyond(parameters.deviations)
        distance = parameters.classes * len(parameters.moduli) * hidden / 2 ** plan.flood(modulus)
        assert 2.0**-41 < distance <= 2.0**-40  # twice the sum of hidden / 2F


@pytest.mark.encrypted
def test_what_floods_is_drawn_evenly_and_exceeds_the_noise_that_it_hides(circuit):
    plan = planned(circuit, 40)
    client, evaluator, parameters = SquaresClient(plan), RowEvaluator(plan), plan.parameters
    keys = evaluator.make_ready(memoryview(client.evaluation_keys))
    chain, (modulus, *_), program = parameters.keyset.chain, parameters.moduli, evaluator.programs[0]
    bound, seen = dict(NoiseBound(plan, modulus).steps()), {}
    row = client.row(np.full(20, 7))
    bodies, start = [], 0
    for prime in chain.data:
        end = start + chain.ring_size * prime.bit_length() // 8
        bodies.append(unpack(row.polynomials[start:end], chain.ring_size, prime.bit_length()).astype(np.int64))
        start = end

    def watch(step, ciphertext):
        seen[step] = client.noise(ciphertext, bound[step].level, modulus)

    mask = masks(row.seed, 0, chain.data, chain.ring_size)
    program.evaluate(program.ring.ciphertext(np.stack(bodies), mask), keys.under(program.ring), watch)
    assert list(seen) == list(bound)
    for step, noise in seen.items():
        assert max(abs(int(value)) for value in noise) <= bound[step].beyond(parameters.deviations), step
    returned = slice(None, None, chain.ring_size // parameters.classes)
    drawn = np.array([int(value) / 2.0 ** plan.flood(modulus) for value in seen["flooded"][returned]])
    assert drawn.size == parameters.classes
    assert max(abs(int(value)) for value in seen["hidden"][returned]) < 2.0 ** (plan.flood(modulus) - 40)
    # Even between -1 and 1: mean 0 and mean square 1/3, each within five standard deviations.
    assert abs(drawn.mean()) < 5 / math.sqrt(3 * drawn.size)
    assert abs((drawn**2).mean() - 1 / 3) < 5 * math.sqrt(4 / 45 / drawn.size)
    assert 0.8 < np.abs(drawn).max() <= 1 + 2.0**-39


@pytest.mark.encrypted
def test_flooded_answers_are_exact_and_programs_keep_what_floods(circuit, tmp_path):
    options = CompileOptions(scheme="squares", p_error=P_ERROR, flooding_bits=16)
    program = compile_circuit(circuit, options, tmp_path / "program")
    assert Program.load(tmp_path / "program") == program
    assert program.price > compile_circuit(circuit, replace(options, flooding_bits=0), tmp_path / "plain").price
    client, evaluator = SquaresClient(program.plan), Evaluator(Program.load(tmp_path / "program"))
    keys = evaluator.load_keys(client.evaluation_keys)
    rows = np.random.default_rng(0).integers(0, 8, (3, 20))
    for row, wanted in zip(rows, interpret(circuit, rows), strict=True):
        answer = RingTensor.from_bytes(evaluator.evaluate_row(client.row(row).to_bytes(), keys))
        assert encryption.decrypt_answer(client.parameters, client.secret, answer).tolist() == wanted.tolist()


@pytest.mark.encrypted
def test_more_flooding_than_the_bound_allows_is_misread(circuit):
    """The bound decides over the bits: three more than a prime leaves, and answers are wrong."""
    plan = planned(circuit, 16)
    (modulus, *_), room = plan.parameters.moduli, plan.parameters.keyset.chain.data[: plan.levels[-1]]
    beyond = math.floor(math.log2(math.prod(room) / (2 * modulus))) + 3
    drowned = replace(plan, flooding=Flooding(16, (beyond,) * len(plan.parameters.moduli)))
    assert most_used(drowned) > 1.0
    client, evaluator = SquaresClient(drowned), RowEvaluator(drowned)
    keys = evaluator.make_ready(memoryview(client.evaluation_keys))
    row = np.arange(20) % 8
    answer = RingTensor.from_bytes(evaluator.evaluate_row(client.row(row).to_bytes(), keys))
    found = encryption.decrypt_answer(client.parameters, client.secret, answer)
    assert (found != interpret(circuit, row[None])[0]).any()


def test_promised_parameters_without_room_for_flooding_are_refused(circuit, tmp_path):
    plain = planned(circuit, 0)
    assert most_used(flooded(plain, 40)) > 1.0
    options = CompileOptions(scheme="squares", p_error=P_ERROR, flooding_bits=40)
    with pytest.raises(CompilationError, match="noise takes"):
        compile_circuit(circuit, options, tmp_path / "program", promised=plain.parameters)


def test_flooding_is_of_the_scheme_squares_and_its_record_is_checked(circuit, tmp_path):
    with pytest.raises(InvalidInputError, match="flooding_bits 40 is for the scheme squares, not 'levelled'"):
        CompileOptions(scheme="levelled", p_error=P_ERROR, flooding_bits=40)
    with pytest.raises(InvalidInputError, match="flooding_bits 129 is not in 0 "):
        CompileOptions(scheme="squares", flooding_bits=129)
    compile_circuit(circuit, CompileOptions(scheme="squares", p_error=P_ERROR, flooding_bits=8), tmp_path / "program")
    (record,) = (path for path in (tmp_path / "program").iterdir() if path.suffix == ".json")
    record.write_text(record.read_text().replace('"flooding": [8,', '"flooding": ["8",'))
    with pytest.raises(UnsupportedProgramError, match="flooding"):
        Program.load(tmp_path / "program")
