"""Exact rounding: the same function as a lookup that drops bits, and under encryption too."""

from __future__ import annotations

import numpy as np
import pytest
from cryptable.planner.networks.bitwise_rounding import exactly_rounded
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
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
    verify,
)
from cryptable_protocol import AffineEncoder, ClientSpec, CompileOptions, Decoder, Link
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters


def circuits(size, width, dropped):
    """A lookup of random sums that drops bits, rounded approximately and exactly."""
    rng = np.random.default_rng(size)
    given = Input((InputGroup(GroupKind.RANGE, 3, 15),))
    linear = Linear((Term.from_dense(0, rng.integers(-9, 10, (3, size))),), rng.integers(-99, 100, size))
    tables = rng.integers(0, 30, (2, 1 << width))
    lookup = Lookup(1, tables, rng.integers(0, 2, size), dropped, 2 * rng.integers(0, 30, 2))

    def read(source):
        return Linear((Term.from_dense(source, np.eye(size, dtype=np.int64)),), np.full(size, 40))

    nodes = [given]
    exactly_rounded(nodes, linear, lookup)
    return Circuit((given, linear, lookup, read(2)), 3), Circuit((*nodes, read(len(nodes) - 1)), len(nodes))


@pytest.mark.parametrize(("width", "dropped"), [(3, 4), (4, 1), (1, 6)])
def test_it_computes_the_same(width, dropped):
    approximate, exact = circuits(5, width, dropped)
    verify(exact)
    assert exact.lookups == (1 + dropped) * approximate.lookups
    rows = np.random.default_rng(0).integers(0, 16, (500, 3))
    np.testing.assert_array_equal(interpret(exact, rows), interpret(approximate, rows))


@pytest.mark.encrypted
def test_encrypted_is_clear_wherever_sums_lie(tmp_path):
    _, circuit = circuits(4, 3, 2)
    program = compile_circuit(circuit, CompileOptions(), tmp_path / "program")
    spec = ClientSpec(
        model_name="exact",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 16) for index in range(3)),
        parameters=BootstrappedParameters(program.keyset, program.input, program.output, program.p_error),
        decoder=Decoder(Link.IDENTITY, (0,) * 4, 1.0, (0.0,) * 4, None),
    )
    keys, path = SecretKeys.generate(spec), tmp_path / "keys"
    with path.open("wb") as file:
        write_evaluation_keys(keys, file)
    evaluator = Evaluator(program)
    loaded = evaluator.load_keys(path)
    rows = np.random.default_rng(1).integers(0, 16, (5, 3))
    answers = [decrypt(spec, keys, evaluator.evaluate(encrypt(spec, keys, row), loaded)) for row in rows]
    np.testing.assert_array_equal(answers, interpret(circuit, rows))
