"""Rows of integers as residues, against the figures of protos/vectors/levelled.json, and keys of a public pair."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from cryptable_client.schemes.levelled.encryption import decrypt_answer, encrypt_integers
from cryptable_client.schemes.levelled.ring import torus_times, transform
from cryptable_client.schemes.scheme import scheme_called
from cryptable_protocol import ClientSpec
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, PUBLIC_PAIR, RING_SIZE
from cryptable_protocol.schemes.levelled.mask_stream import masks
from cryptable_protocol.schemes.packing import unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor

VECTORS = Path(__file__).parents[5] / "protos/vectors"
ALL = json.loads((VECTORS / "levelled.json").read_text("utf-8"))
FIGURES = ALL["linear"]


@pytest.mark.parametrize("figures", [FIGURES, FIGURES["interleaved"]], ids=["windows", "interleaved"])
def test_a_row_encrypts_what_the_vectors_have(figures):
    spec = ClientSpec.from_bytes((VECTORS / figures["client_spec"]).read_bytes())
    parameters = spec.parameters
    secret = scheme_called("levelled").generate(PUBLIC_PAIR)
    row = encrypt_integers(parameters, secret, np.array(FIGURES["integers"], np.int64))
    body = unpack(row.polynomials, RING_SIZE, 36) << np.uint64(GRID_BITS - 36)
    phase = body - torus_times(masks(row.seed, 0, 1), transform(secret.astype(np.float64)))[0]
    (messages,) = figures["messages"]
    expected = np.zeros(RING_SIZE, np.uint64)
    for place, torus in messages:
        expected[place] = torus
    error = ((phase - expected) << np.uint64(64 - GRID_BITS)).view(np.int64) >> (64 - GRID_BITS)
    assert np.abs(error).max() <= 1 << (GRID_BITS - 36)
    assert np.abs(error).max() > 0
    assert parameters.slot_places == figures["slots"]


def test_answers_decrypt_to_the_values_of_the_vectors():
    parameters = ClientSpec.from_bytes((VECTORS / FIGURES["client_spec"]).read_bytes()).parameters
    secret = np.array([int(trit) - 1 for trit in ALL["secret"]["trits"]], np.int8)
    for case in FIGURES["answers"]:
        answer = RingTensor(bytes.fromhex(case["polynomials"]), None)
        assert decrypt_answer(parameters, secret, answer).tolist() == case["values"]


def test_keys_of_a_linear_model_are_a_pair_that_its_owner_knows():
    scheme = scheme_called("levelled")
    secret, other = scheme.generate(PUBLIC_PAIR), scheme.generate(PUBLIC_PAIR)
    data = b"".join(scheme.evaluation_keys(PUBLIC_PAIR, secret, threads=1))
    assert len(data) == PUBLIC_PAIR.evaluation_keys_bytes
    assert scheme.owns(PUBLIC_PAIR, secret, io.BytesIO(data))
    assert scheme.intact(PUBLIC_PAIR, secret, io.BytesIO(data), threads=1)
    assert not scheme.owns(PUBLIC_PAIR, other, io.BytesIO(data))
    assert not scheme.intact(PUBLIC_PAIR, secret, io.BytesIO(data[:-1] + bytes([data[-1] ^ 128])), threads=1)
