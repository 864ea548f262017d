"""Circuits without lookups: NumPy's sums of ciphertexts are Concrete's, word for word."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from cryptable_engine import Circuit, Evaluator, Program, UnsupportedProgramError, compile_circuit
from cryptable_engine.circuit.circuit import GroupKind, Input, InputGroup, Linear, Term
from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.schemes.bootstrapped.linear_program import FILE, LinearProgram
from cryptable_engine.schemes.bootstrapped.program import EvaluationKind
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
def program(tmp_path_factory):
    return compile_circuit(CIRCUIT, CompileOptions(), tmp_path_factory.mktemp("linear") / "program")


def tensor(seed=bytes(range(16))):
    bodies = RANDOM.integers(0, 2**64, SIZE, np.uint64)
    return EncryptedTensor(bodies, seed=seed)


def followed_by(*more):
    return Circuit((*CIRCUIT.nodes, *more), len(CIRCUIT.nodes) + len(more) - 1)


CIRCUITS = {
    "one": CIRCUIT,
    "two": followed_by(
        Linear((Term.from_dense(1, [[1], [2], [0]]), Term.from_dense(0, np.ones((SIZE, 1)))), np.array([7]))
    ),
    "convolved": followed_by(
        Convolution(1, (1, 3), np.array([[[1, 2]]], np.int64), np.array([5, 6]), (2,), 1, (1,), (1,), (0,)),
        Linear((Term.from_dense(2, [[1], [3]]),), np.array([7])),
    ),
}


@pytest.mark.encrypted
@pytest.mark.parametrize("name", CIRCUITS)
def test_word_for_word_what_concrete_computes(name, tmp_path):
    """However many sums there are: they are one matrix."""
    program = compile_circuit(CIRCUITS[name], CompileOptions(), tmp_path / "program", native=True)
    assert program.evaluation is EvaluationKind.LINEAR
    direct, native = Evaluator(program), Evaluator(program, native=True)
    for seed in (bytes(16), bytes(range(16))):
        sent = tensor(seed)
        assert direct.evaluate(sent).to_bytes() == native.evaluate(sent).to_bytes()


@pytest.mark.encrypted
def test_masks_that_are_sent_count_as_those_of_their_seed(program):
    evaluation = LinearProgram.load(program)
    dimension = program.keyset.dimensions[program.input.key]
    sent = tensor()
    explicit = EncryptedTensor.from_ciphertexts(sent.ciphertexts(SIZE, dimension))
    assert (evaluation.evaluate(sent) == evaluation.evaluate(explicit)).all()


WITHOUT_CONCRETE = """
import sys
import tempfile
from pathlib import Path

sys.modules["concrete"] = sys.modules["capnp"] = None  # importing either is an error
import numpy as np
from cryptable_engine import Circuit, Evaluator, compile_circuit
from cryptable_engine.circuit.circuit import GroupKind, Input, InputGroup, Linear, Term
from cryptable_protocol import CompileOptions, EncryptedTensor

source = Input((InputGroup(GroupKind.THERMOMETER, 2),))
circuit = Circuit((source, Linear((Term.from_dense(0, [[3], [4]]),), np.array([5]))), 1)
with tempfile.TemporaryDirectory() as folder:
    program = compile_circuit(circuit, CompileOptions(), Path(folder) / "program")
    sent = EncryptedTensor(np.array([10, 20], np.uint64), seed=bytes(16))
    (answer,) = Evaluator(program).evaluate(sent).ciphertexts(1, program.keyset.dimensions[program.input.key])
    masks = sent.ciphertexts(2, program.keyset.dimensions[program.input.key])[:, :-1]
assert (answer[:-1] == np.array([3, 4], np.uint64) @ masks).all()
print(answer.size)
"""


def test_sums_need_no_concrete():
    child = subprocess.run(
        [sys.executable, "-c", WITHOUT_CONCRETE], capture_output=True, text=True, check=False, timeout=120
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) > 500


@pytest.mark.encrypted
def test_another_size_is_refused(program):
    with pytest.raises(MalformedMessageError, match="expected 70"):
        Evaluator(program).evaluate(EncryptedTensor(np.zeros(SIZE + 1, np.uint64), seed=bytes(16)))


@pytest.mark.encrypted
def test_a_damaged_matrix_is_our_error(program, tmp_path):
    copy = shutil.copytree(program.directory, tmp_path / "program")
    content = (copy / FILE).read_bytes()
    for damaged in (b"", content[:-30], b"not a file of NumPy's"):
        (copy / FILE).write_bytes(damaged)
        with pytest.raises(UnsupportedProgramError, match="compile the circuit again"):
            Evaluator(Program.load(copy))
    wide = np.zeros((SIZE, OUTPUTS + 1), np.int64)
    np.savez(copy / FILE, weights=wide, offset=np.zeros(OUTPUTS, np.int64), bits=program.output.width)
    with pytest.raises(UnsupportedProgramError, match=r"expected \(70, 3\)"):
        Evaluator(Program.load(copy))
    (copy / FILE).unlink()
    with pytest.raises(UnsupportedProgramError, match="compile the circuit again"):
        Evaluator(Program.load(copy))
