"""Circuits without lookups: NumPy's sums of ciphertexts are Concrete's, word for word."""

import numpy as np
import pytest
from cryptable_engine import Circuit, Evaluator, compile_circuit
from cryptable_engine.circuit.circuit import GroupKind, Input, InputGroup, Linear, Term
from cryptable_engine.schemes.bootstrapped.linear_program import FILE, LinearProgram
from cryptable_protocol import CompileOptions, EncryptedTensor, MalformedMessageError

SIZE, OUTPUTS = 70, 3
RANDOM = np.random.default_rng(0)
CIRCUIT = Circuit(
    (
        Input((InputGroup(GroupKind.THERMOMETER, SIZE - 2), InputGroup(GroupKind.RANGE, 2, 1000))),
        Linear(
            (Term.from_dense(0, RANDOM.integers(-40, 40, (SIZE, OUTPUTS))),),
            np.array([100_000, 100_001, 100_002], np.int64),
        ),
    ),
    1,
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("linear")
    direct = compile_circuit(CIRCUIT, CompileOptions(), folder / "direct")
    native = compile_circuit(CIRCUIT, CompileOptions(), folder / "native")
    (native.directory / FILE).unlink()
    return direct, native


def tensor(seed=bytes(range(16))):
    bodies = RANDOM.integers(0, 2**64, SIZE, np.uint64)
    return EncryptedTensor(bodies, seed=seed)


@pytest.mark.encrypted
def test_word_for_word_what_concrete_computes(programs):
    direct, native = programs
    assert LinearProgram.load(direct) is not None
    assert LinearProgram.load(native) is None
    for seed in (bytes(16), bytes(range(16))):
        sent = tensor(seed)
        assert Evaluator(direct).evaluate(sent).to_bytes() == Evaluator(native).evaluate(sent).to_bytes()


@pytest.mark.encrypted
def test_masks_that_are_sent_count_as_those_of_their_seed(programs):
    program = LinearProgram.load(programs[0])
    dimension = programs[0].keyset.dimensions[programs[0].input.key]
    sent = tensor()
    explicit = EncryptedTensor.from_ciphertexts(sent.ciphertexts(SIZE, dimension))
    assert (program.evaluate(sent) == program.evaluate(explicit)).all()


@pytest.mark.encrypted
def test_another_size_is_refused(programs):
    with pytest.raises(MalformedMessageError, match="expected 70"):
        Evaluator(programs[0]).evaluate(EncryptedTensor(np.zeros(SIZE + 1, np.uint64), seed=bytes(16)))


@pytest.mark.encrypted
def test_two_matrices_are_left_to_concrete(tmp_path):
    nodes = (*CIRCUIT.nodes, Linear((Term.from_dense(1, np.eye(OUTPUTS)),), np.zeros(OUTPUTS, np.int64)))
    program = compile_circuit(Circuit(nodes, 2), CompileOptions(), tmp_path / "program")
    assert LinearProgram.load(program) is None
