"""Holds docs/threat-model.md to what it says a client can learn of a model without lookups."""

import numpy as np
import pytest
from cryptable_client import SecretKeys, encrypt
from cryptable_engine import Circuit, Evaluator, GroupKind, Input, InputGroup, Linear, Term, compile_circuit
from cryptable_protocol import AffineEncoder, ClientSpec, CompileOptions, Decoder, Link
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

MODULUS = 1 << 64
WEIGHTS = [3, -17, 0, 255, 4, -1]
EQUATIONS = 16 * len(WEIGHTS)
"""Random, so that enough of them are independent modulo 2 but for a chance of 2^-90."""


def solve(masks, answer):
    """The weights w with answer = w @ masks modulo 2^64, by Gaussian elimination on odd pivots."""
    count = len(WEIGHTS)
    rows = [[*map(int, masks[:, column]), int(answer[column])] for column in range(EQUATIONS)]
    for pivot in range(count):
        found = next(row for row in range(pivot, EQUATIONS) if rows[row][pivot] % 2)
        rows[pivot], rows[found] = rows[found], rows[pivot]
        inverse = pow(rows[pivot][pivot], -1, MODULUS)
        rows[pivot] = [value * inverse % MODULUS for value in rows[pivot]]
        for row in range(EQUATIONS):
            if row != pivot:
                factor = rows[row][pivot]
                rows[row] = [(a - factor * b) % MODULUS for a, b in zip(rows[row], rows[pivot], strict=True)]
    weights = [rows[row][count] for row in range(count)]
    return [weight - MODULUS if weight >= MODULUS // 2 else weight for weight in weights]


@pytest.mark.encrypted
def test_one_answer_of_a_model_without_lookups_tells_its_weights(tmp_path):
    circuit = Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, len(WEIGHTS), maximum=15),)),
            Linear((Term.from_dense(0, [[weight] for weight in WEIGHTS]),), np.array([1000])),
        ),
        output=1,
    )
    options = CompileOptions()
    program = compile_circuit(circuit, options, tmp_path / "program")
    spec = ClientSpec(
        model_name="linear",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 16) for index in range(len(WEIGHTS))),
        parameters=BootstrappedParameters(program.keyset, program.input, program.output, options.p_error),
        decoder=Decoder(link=Link.IDENTITY, offset=(-1000,), step=1.0, base=(0.0,)),
    )
    with SecretKeys.generate(spec) as secret_keys:
        sent = encrypt(spec, secret_keys, np.zeros(len(WEIGHTS), np.int64))
    answer = Evaluator(program).evaluate(sent)
    dimension = program.keyset.dimensions[program.input.key]
    masks = sent.ciphertexts(program.input.size, dimension)[:, :dimension]
    assert solve(masks, answer.ciphertexts(1, dimension)[0]) == WEIGHTS
