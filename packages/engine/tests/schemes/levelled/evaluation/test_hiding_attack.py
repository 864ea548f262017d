"""A client that crafts its public pair, and knows its secret, tries to read weights in an answer's mask.

Two models give one answer for a row, and differ in their weights, which the mask is a function of. The secret is zero
and the row's noise too, so that the body shows what was added to it and nothing else; the pair's body is such that each
slot tells eight of the ternary coefficients that hid the mask. Controls: the attack works where answers are not
hidden, and where all coefficients of the body return.
"""

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.evaluation import hiding, row_evaluator
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator, _ciphertexts
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_protocol.schemes.levelled.mask_stream import public_pair_mask
from cryptable_protocol.schemes.levelled.parameters import PLACED_WORD_BITS, ROW_WORD_BITS
from levelled_circuits import levelled_circuit, levelled_parameters
from levelled_client import GRID, N, packed, times, unpacked

SEED, DIGITS = bytes(16), 8
KEY_BYTES = N * GRID // 8


def models():
    """Evaluators of two models of one answer for a row of zeros: bits 0 and 1 have changed places."""
    first = levelled_circuit(np.random.default_rng(3), steps=(), bits=9, outputs=2)
    last = first.nodes[-1]
    (term,) = last.terms
    other = replace(last, terms=(type(term).from_dense(0, term.to_dense(9, 2)[[1, 0, *range(2, 9)]]),))
    circuits = first, replace(first, nodes=(*first.nodes[:-1], other))
    parameters = levelled_parameters(first, placed=tuple(range(9)))
    return [RowEvaluator(make_plan(circuit, parameters, parameters.maximum)) for circuit in circuits], parameters


def keys_of(pair_body):
    """Evaluation keys under the secret zero, without noise; the public pair's body is these torus elements."""
    rows = bytes((UNIVERSAL.rows - 1) * KEY_BYTES)
    return ServerKeys(memoryview(SEED + rows + packed(pair_body, GRID)))


def answer(evaluator, parameters, keys):
    """Mask and slots of the answer for a row of zeros, as fractions of the torus."""
    row = pb.EncryptedTensor(seed=SEED, polynomials=bytes(parameters.row_bytes))
    data = pb.EncryptedTensor.FromString(evaluator.evaluate_row(row.SerializeToString(), keys)).polynomials
    bits = parameters.answer_word_bits
    at = N * bits // 8
    mask, body = unpacked(data[:at], N, bits), unpacked(data[at:], parameters.slots, bits)
    return np.array(mask) / 2.0**bits, np.array(body) / 2.0**bits


def centred(values):
    return values - np.rint(values)


def looks_uniform(residual):
    """By chi-square, which independent uniform numbers exceed once in a million times."""
    counts = np.bincount((residual % 1.0 * 16).astype(int), minlength=16)
    return float(((counts - N / 16) ** 2 / (N / 16)).sum()) < 56.5


def unhidden(evaluator, parameters, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(row_evaluator, "encryption_of_zero", lambda keys: np.zeros((2, N)))
        return answer(evaluator, parameters, keys_of([0] * N))


@pytest.fixture
def drawn(monkeypatch):
    """The ternary polynomials that hid answers, as the server drew them."""
    found, draw = [], hiding._Stream.ternary

    def ternary(stream, count):
        found.append(draw(stream, count))
        return found[-1]

    monkeypatch.setattr(hiding._Stream, "ternary", ternary)
    return found


def pair_mask_times(ternary):
    """The pair's mask times a ternary polynomial, as fractions of the torus."""
    product = times(public_pair_mask(SEED).tolist(), ternary.astype(int))
    return np.array([value % (1 << GRID) for value in product]) / 2.0**GRID


def test_without_hiding_the_mask_tells_the_models_apart(monkeypatch):
    evaluators, parameters = models()
    (mask, body), (other, same) = (unhidden(each, parameters, monkeypatch) for each in evaluators)
    assert (body == same).all()
    assert looks_uniform(mask - other)
    assert (mask == unhidden(evaluators[0], parameters, monkeypatch)[0]).all()


def test_if_the_whole_body_returned_the_attack_would_work(monkeypatch):
    """The pair's body is 1/4, so that each coefficient of the body is one of what hides."""
    evaluators, parameters = models()
    candidates = [unhidden(each, parameters, monkeypatch)[0] for each in evaluators]
    constant = unhidden(evaluators[0], parameters, monkeypatch)[1]
    keys = keys_of([1 << (GRID - 2)] + [0] * (N - 1))
    for number, evaluator in enumerate(evaluators):
        layout = parameters.layout
        word_bits = [ROW_WORD_BITS] * len(layout.runs) + [PLACED_WORD_BITS] * layout.placed_polynomials
        row = _ciphertexts(SEED, bytes(parameters.row_bytes), word_bits)
        mask, body = evaluator.ciphertext(row, keys)
        body[: parameters.slots] -= constant
        ternary = np.rint(4 * centred(body))
        left = mask - pair_mask_times(ternary)
        deviations = [np.abs(centred(left - each)).max() for each in candidates]
        assert deviations[number] < 2.0**-parameters.answer_word_bits < deviations[1 - number]


def test_slots_tell_so_little_of_what_hides_that_both_models_look_alike(monkeypatch, drawn):
    evaluators, parameters = models()
    slots = parameters.slots
    candidates = [unhidden(each, parameters, monkeypatch)[0] for each in evaluators]
    constant = unhidden(evaluators[0], parameters, monkeypatch)[1]
    body = np.zeros(N, np.int64)
    for digit in range(DIGITS):  # slot k reads coefficients k, k + slots, …: those beyond N change their sign
        value = round(2.0**GRID / 3 ** (digit + 1))
        body[-digit * slots % N] = value if digit == 0 else -value
    keys = keys_of(body.tolist())
    for evaluator in evaluators:
        mask, hints = answer(evaluator, parameters, keys)
        left = np.rint(centred(hints - constant) * 3**DIGITS).astype(np.int64)
        known = np.zeros(N)
        for digit in reversed(range(DIGITS)):
            trit = (left + 1) % 3 - 1
            known[digit * slots : (digit + 1) * slots] = trit
            left = (left - trit) // 3
        assert (known[: DIGITS * slots] == drawn[-1][: DIGITS * slots]).all()  # the hints are real
        residual = mask - pair_mask_times(known)
        assert all(looks_uniform(residual - each) for each in candidates)
