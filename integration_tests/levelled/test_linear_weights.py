"""Holds docs/threat-model.md to what it says answers of linear models tell: nothing of the weights beside scores."""

import numpy as np
import pytest
from cryptable_client.schemes.levelled.ring import torus_times, transform
from cryptable_client.schemes.scheme import scheme_called
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Term, interpret
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.linear import evaluator as evaluation
from cryptable_engine.schemes.levelled.linear.choice import choose_linear_parameters
from cryptable_engine.schemes.levelled.linear.plan import make_linear_plan
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, PUBLIC_PAIR, RING_SIZE
from cryptable_protocol.schemes.levelled.linear_layout import residues_on_torus
from cryptable_protocol.schemes.ring_tensor import RingTensor

WEIGHTS = np.array([3, -17, 0, 255, 4, -1])
HIGHEST = 15 * 262
CIRCUIT = Circuit(
    (
        Input((InputGroup(GroupKind.RANGE, len(WEIGHTS), maximum=15),)),
        Linear((Term.from_dense(0, WEIGHTS[:, None]),), np.array([15 * 18])),
    ),
    output=1,
)
GRID = 1 << GRID_BITS


class Client:
    """A client that looks into what it sends and gets, and a server in the same process."""

    def __init__(self):
        self.plan = make_linear_plan(
            CIRCUIT, choose_linear_parameters(CIRCUIT, HIGHEST + 270, 2.0**-128), HIGHEST + 270
        )
        self.parameters = self.plan.parameters
        self.evaluator = evaluation.LinearEvaluator(self.plan)
        self.scheme = scheme_called("levelled")
        self.secret = self.scheme.generate(PUBLIC_PAIR)
        data = b"".join(self.scheme.evaluation_keys(PUBLIC_PAIR, self.secret, threads=1))
        self.keys = ServerKeys(memoryview(data), keyset=PUBLIC_PAIR)

    def ask(self, row):
        """What was sent, words modulo 2^52 of shape (1, 2, N), and the answer before they are rounded, (2, N)."""
        tensor = self.scheme.encrypt(self.parameters, self.secret, np.array(row, np.int64))
        sent = self.evaluator._ciphertexts(tensor.seed, tensor.polynomials)
        (answer,) = self.evaluator.ciphertexts(sent, self.keys)
        return sent, np.rint(answer * GRID).astype(np.int64).view(np.uint64) & np.uint64(GRID - 1)

    def score(self, row):
        """Honestly."""
        tensor = self.scheme.encrypt(self.parameters, self.secret, np.array(row, np.int64))
        answer = self.evaluator.evaluate_row(tensor.to_bytes(), self.keys)
        (score,) = self.scheme.decrypt(
            self.parameters, self.secret, RingTensor.from_bytes(answer), further_bits=0
        ).tolist()
        return score

    def phase(self, ciphertext):
        """Words modulo 2^52 of shape (N,)."""
        product = torus_times(ciphertext[None, 0], transform(self.secret.astype(np.float64)))[0]
        return (ciphertext[1] - product) & np.uint64(GRID - 1)

    @property
    def unknown(self):
        """Where the polynomial of weights has entries that are not known to be 0, one for each weight and modulus."""
        _, places = self.parameters.layout.input_places
        return ((self.parameters.layout.slots[:, None] - places) % RING_SIZE).ravel()

    @property
    def true(self):
        return self.plan.weights[0, 0, self.unknown].astype(int).tolist()


@pytest.fixture(scope="module")
def client():
    return Client()


def _centred(words):
    return (words.astype(np.uint64) << np.uint64(64 - GRID_BITS)).view(np.int64) / 2.0**64


def _columns(polynomial, places):
    """The polynomial times X^place, for each place: shape (N, places)."""
    moved = np.array([np.roll(polynomial, place) for place in places])
    signs = np.where(np.arange(RING_SIZE) < np.array(places)[:, None], -1, 1)
    return (moved * signs).T


def solved_from_the_mask(client, sent, answer):
    """The attack on a sum: its mask is a linear system, whose unknown numbers are the weights, modulo 2^52."""
    columns = _columns(sent[0, 0].astype(object), client.unknown.tolist())
    count = columns.shape[1]
    rows = [[*map(int, columns[place]), int(answer[0, place])] for place in range(8 * count)]
    for pivot in range(count):
        found = next((row for row in range(pivot, len(rows)) if rows[row][pivot] % 2), None)
        if found is None:
            return None
        rows[pivot], rows[found] = rows[found], rows[pivot]
        inverse = pow(rows[pivot][pivot], -1, GRID)
        rows[pivot] = [value * inverse % GRID for value in rows[pivot]]
        for row in range(len(rows)):
            if row != pivot and (factor := rows[row][pivot]):
                rows[row] = [(a - factor * b) % GRID for a, b in zip(rows[row], rows[pivot], strict=True)]
    values = [rows[row][count] for row in range(count)]
    return [value - GRID if value >= GRID // 2 else value for value in values]


def solved_from_the_slots(client, questions):
    """The attack on noise: each slot has the weights times the client's own errors, which it knows; least squares."""
    equations, values = [], []
    residues = np.repeat(client.parameters.moduli, client.parameters.outputs)
    for row in np.random.default_rng(5).integers(0, 16, (questions, len(WEIGHTS))):
        sent, answer = client.ask(row)
        _, places = client.parameters.layout.input_places
        message = np.zeros(RING_SIZE, np.uint64)
        for modulus, place in zip(client.parameters.moduli, places, strict=True):
            message[place] = residues_on_torus(row, modulus)
        errors = _centred(client.phase(sent[0]) - message)
        (score,) = interpret(CIRCUIT, row[None])[0].tolist()
        phases = client.phase(answer)[client.parameters.slot_places] / GRID
        columns = _columns(errors, client.unknown.tolist())
        for slot, phase, modulus in zip(client.parameters.slot_places, phases, residues, strict=True):
            left = phase - score % modulus / modulus
            equations.append(columns[slot])
            values.append(left - round(left))
    scale = 2.0**client.parameters.row_word_bits
    found, *_ = np.linalg.lstsq(np.array(equations) * scale, np.array(values) * scale, rcond=None)
    return np.rint(found).astype(int).tolist()


@pytest.fixture
def in_the_open(monkeypatch):
    """A server that hides nothing: what attacks must succeed on."""
    monkeypatch.setattr(evaluation, "encryption_of_zero", lambda keys: np.zeros((2, RING_SIZE)))
    monkeypatch.setattr(evaluation, "flood", lambda deviations: np.zeros(len(deviations)))


def test_without_hiding_one_answer_tells_all_weights(client, in_the_open):
    assert solved_from_the_mask(client, *client.ask([0] * 6)) == client.true


def test_a_hidden_mask_tells_none(client):
    sent, answer = client.ask([0] * 6)
    assert solved_from_the_mask(client, sent, answer) != client.true
    # Nor do true weights explain it better than false ones: what they leave over is as large as can be.
    left = answer[0] - next(client.evaluator.products(sent))[0]
    assert abs(np.abs(_centred(left)).mean() - 0.25) < 0.02


def test_a_mask_in_the_open_is_explained_by_the_true_weights(client, in_the_open):
    sent, answer = client.ask([0] * 6)
    assert np.abs(_centred(answer[0] - next(client.evaluator.products(sent))[0])).max() == 0


def test_noise_of_slots_tells_weights_that_no_flood_covers(client, in_the_open):
    assert solved_from_the_slots(client, 40) == client.true


def test_the_flood_covers_the_noise_of_slots(client):
    """With as many answers; and 2^20 tell a quarter of a nat of a weight, by the bound of the parameters."""
    assert solved_from_the_slots(client, 40) != client.true
    assert client.parameters.told * 2.0**20 <= 0.25


def test_a_flood_that_is_smaller_by_as_much_as_answers_would_be_more_is_seen_through(client, monkeypatch):
    """The same attack, with the flood's variance divided by what takes the bound from 2^-22 to some nats."""
    deviation = 2.0 ** (-(np.log2(1 / client.parameters.told) + 8) / 2)
    drawn = evaluation.flood
    monkeypatch.setattr(evaluation, "encryption_of_zero", lambda keys: np.zeros((2, RING_SIZE)))
    monkeypatch.setattr(evaluation, "flood", lambda deviations: drawn(deviations) * deviation)
    assert solved_from_the_slots(client, 200) == client.true


def test_one_question_more_than_there_are_weights_tells_all(client):
    """As for every model that answers scores: honest questions, through whole answers."""
    nothing = client.score([0] * 6)
    units = np.eye(6, dtype=np.int64)
    assert [client.score(unit) - nothing for unit in units] == WEIGHTS.tolist()
