"""Networks of squares in bulk: exactness, noise against its bound, and sums of a first layer as matrix products."""

import math

import numpy as np
import pytest
from bulk_case import BulkCase, computed
from convolved_squares import convolutions, convolved_squares
from cryptable_client.schemes.squares import bulk
from cryptable_engine import Evaluator, compile_circuit, compile_in_bulk, interpret, verify
from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.schemes.squares.bulk import first_sums
from cryptable_engine.schemes.squares.bulk.arrangement import arranged
from cryptable_engine.schemes.squares.bulk.choice import choose_bulk_plan, least_modulus, parameters_of
from cryptable_engine.schemes.squares.bulk.columns import Columns, Sum, read_columns
from cryptable_engine.schemes.squares.bulk.first_sums import FirstSums
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan
from cryptable_engine.schemes.squares.wire import rounded
from cryptable_protocol import CompileOptions, MalformedMessageError
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.keyset import CHAINS
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_party import Party
from square_networks import square_network


@pytest.mark.encrypted
@pytest.mark.parametrize(
    ("widths", "maximum", "largest", "chain", "primes"),
    [((5, 4, 2), 3, 3, 1, 2), ((3, 4, 3, 2), 3, 3, 1, 3), ((5, 4, 2), 3000, 90, 5, 3), ((3, 4, 3, 2), 20, 8, 5, 4)],
    ids=["one hidden layer", "two", "scores of 45 bits", "two, of 44"],
)
def test_networks_are_exact_and_their_noise_is_below_its_bound(widths, maximum, largest, chain, primes):
    circuit = square_network(np.random.default_rng(3), widths, maximum=maximum, largest=largest)
    plan = choose_bulk_plan(circuit, verify(circuit), 2.0**-128)
    assert (plan.parameters.chain, len(plan.parameters.fresh.data)) == (chain, primes)
    case, bounds = BulkCase(plan), plan.noise.steps
    assert plan.columns.first_squares == tuple(range(widths[1]))
    seen = {}

    def watch(step, ciphertext):
        if step != "answer":
            index = int(step.removeprefix("step ")) - 1
            seen[index] = case.client.noise(ciphertext, bounds[index].level, plan.parameters.modulus)

    rows = np.random.default_rng(0).integers(0, maximum + 1, (plan.parameters.rows, widths[0]))
    np.testing.assert_array_equal(case.evaluate(rows, watch), interpret(circuit, rows))
    assert sorted(seen) == list(range(len(bounds)))
    for index, noise in seen.items():
        bound = bounds[index]
        assert float(np.abs(noise).max()) <= bound.beyond(plan.parameters.deviations)
        assert math.sqrt(np.mean(noise.astype(float) ** 2)) <= bound.deviation + bound.fixed


@pytest.mark.encrypted
@pytest.mark.parametrize(("chain", "level"), [(1, 0), (5, 2)], ids=["a shorter chain", "two primes fewer"])
def test_what_the_bound_refuses_goes_wrong(chain, level):
    """Two squares, of 44 bits, modulo fewer primes than the bound asks for."""
    circuit = square_network(np.random.default_rng(3), (3, 4, 3, 2), maximum=20, largest=8)
    maximum = highest_output(circuit, verify(circuit))
    modulus = least_modulus(maximum, CHAINS[chain].ring_size)
    parameters = parameters_of(circuit, maximum, chain, modulus, 0, 2.0**-128, level)
    plan = BulkPlan(arranged(circuit, modulus, 0), parameters)
    assert plan.noise.used() > 1e6
    rows = np.random.default_rng(0).integers(0, 21, (200, 3))
    assert (BulkCase(plan).evaluate(rows) != interpret(circuit, rows)).mean() > 0.5


DEEP = {"shape": (1, 6, 6), "filters": 3, "taps": (3, 3), "places": (4, 4)}


@given(convolution=convolutions(), widths=st.lists(st.integers(1, 4), min_size=1, max_size=2), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_convolution_is_sums_of_windows(convolution, widths, seed):
    random = np.random.default_rng(seed)
    circuit = convolved_squares(random, convolution, widths)
    rows = random.integers(0, 2, (20, circuit.input.size))
    columns = read_columns(circuit, 1_000_003)
    np.testing.assert_array_equal(computed(columns, rows, 1_000_003), interpret(circuit, rows) % 1_000_003)


def test_windows_that_overlap_are_summed_together(monkeypatch):
    """A group of first squares makes few columns, which other groups make again."""
    circuit = convolved_squares(np.random.default_rng(1), DEEP | {"filters": 6}, (3, 2))
    columns = read_columns(circuit, 1_000_003)
    one = FirstSums(columns, CHAINS[1])
    assert one.columns_read == 36
    monkeypatch.setattr(first_sums, "_MOST_SUM_BYTES", 12 * 2 * 2 * len(CHAINS[1].data) * 8192 * 8)
    some = FirstSums(columns, CHAINS[1])
    # Eight groups of twelve: two of sixteen places each, of all six filters, which lie on twelve or fifteen pixels.
    assert some.columns_read < 8 * 18


@pytest.mark.encrypted
def test_a_network_that_begins_with_a_convolution_is_exact():
    circuit = convolved_squares(np.random.default_rng(1), DEEP, (3, 2))
    plan = choose_bulk_plan(circuit, verify(circuit), 2.0**-128)
    rows = np.random.default_rng(2).integers(0, 2, (300, 36))
    np.testing.assert_array_equal(BulkCase(plan).evaluate(rows), interpret(circuit, rows))


@pytest.mark.encrypted
def test_a_tensor_in_a_file_is_answered_as_one_in_memory(tmp_path):
    circuit = square_network(np.random.default_rng(3), (5, 4, 2))
    case = BulkCase(choose_bulk_plan(circuit, verify(circuit), 2.0**-128))
    parameters, path = case.plan.parameters, tmp_path / "tensor"
    rows = np.random.default_rng(0).integers(0, 8, (30, 5))
    sent = bulk.encrypt_rows(parameters, case.client.secret, rows)
    path.write_bytes(sent.seed + sent.polynomials)
    answer = RingTensor.from_bytes(case.evaluator.evaluate_file(path, case.keys))
    found = bulk.decrypt_rows(parameters, case.client.secret, answer)[:30]
    np.testing.assert_array_equal(found, interpret(circuit, rows))
    for data, why in (
        (sent.seed + sent.polynomials[:-1], f"a file of {15 + parameters.row_bytes} bytes"),
        (sent.seed + b"\xff" * parameters.row_bytes, "row: a word of .* expected residues"),
    ):
        path.write_bytes(data)
        with pytest.raises(MalformedMessageError, match=why):
            case.evaluator.evaluate_file(path, case.keys)


@pytest.mark.parametrize("prime", [chain.data[0] for chain in CHAINS.values()])
@pytest.mark.parametrize("bits", [20, 36, 57])
def test_words_are_rounded_as_integers_are(prime, bits):
    words = np.random.default_rng(0).integers(0, prime, 3000)
    words[:4] = (0, 1, prime - 1, prime // 2)
    words[4:200] = [(2 * number + 1) * prime // 2 ** (bits + 1) + off for number in range(98) for off in (0, 1)]
    wanted = [(2 * int(word) * 2**bits + prime) // (2 * prime) % 2**bits for word in words]
    assert rounded(words, prime, bits).tolist() == wanted


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
