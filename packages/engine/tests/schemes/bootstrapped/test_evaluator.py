"""Encrypted evaluation gives what the interpreter gives, on keys and inputs of concrete-python's own client."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from cryptable_engine import EvaluationError, Evaluator, Program, compile_circuit, interpret
from cryptable_engine.schemes.bootstrapped.concrete.native import LIBRARY
from cryptable_protocol import CompileOptions, EncryptedTensor, InvalidInputError, MalformedMessageError
from scheme_party import Party

pytestmark = pytest.mark.xdist_group("clients of Concrete")  # who make keys once for all files of the group


@pytest.mark.encrypted
def test_encrypted_equals_interpreted(named_circuit, programs, concrete_clients, make_rows):
    """Node by node, and fewer rows as Concrete has compiled it, which is slow."""
    name, circuit = named_circuit
    client = concrete_clients(name)
    sent = client.evaluation_keys
    for native, count in ((False, 4), (True, 2)):
        rows = make_rows(np.random.default_rng(3), circuit.input, count)
        evaluator = Evaluator(programs(name), native=native)
        keys = evaluator.load_keys(sent)
        for row, expected in zip(rows, interpret(circuit, rows), strict=True):
            result = evaluator.evaluate(client.encrypt(row), keys)
            np.testing.assert_array_equal(client.decrypt(result), expected)


@pytest.mark.encrypted
def test_a_closed_socket_is_an_error_still(programs, concrete_clients, shared, tmp_path):
    """Concrete's runtime makes SIGPIPE deadly as it starts: the process that wrote to a closed socket was gone."""
    client, program = concrete_clients("shared"), programs("shared")
    row = np.array([1, 1, 0, 0, 1, 0, 0, 4])
    (tmp_path / "row").write_bytes(client.encrypt(row).to_bytes())
    (tmp_path / "keys").write_bytes(client.evaluation_keys)
    code = f"""
        import socket, sys
        from pathlib import Path
        from cryptable_engine import Evaluator, Program
        from cryptable_protocol import EncryptedTensor
        evaluator = Evaluator(Program.load({str(program.directory)!r}), native=True)
        row = EncryptedTensor.from_bytes(Path("row").read_bytes())
        result = evaluator.evaluate(row, evaluator.load_keys(Path("keys")))
        Path("result").write_bytes(result.to_bytes())
        assert "concrete.compiler" in sys.modules
        assert not {{"torch", "concrete.fhe", "sklearn", "onnx", "scipy", "networkx"}} & set(sys.modules)
        ours, theirs = socket.socketpair()
        theirs.close()
        try:
            ours.send(b"to nobody")
        except BrokenPipeError:
            print("an error")
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    child = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert (child.returncode, child.stdout) == (0, "an error\n"), child.stderr
    result = EncryptedTensor.from_bytes((tmp_path / "result").read_bytes())
    np.testing.assert_array_equal(client.decrypt(result), interpret(shared, row[None])[0])


@pytest.mark.encrypted
@pytest.mark.parametrize("seed", [3, 17])
def test_random_circuits(seed, tmp_path, make_circuit, make_rows):
    """With keys of our client, which are made in a fifth of the time."""
    rng = np.random.default_rng(seed)
    circuit = make_circuit(rng, depth=4)
    program = compile_circuit(circuit, CompileOptions(), tmp_path / "program")
    party, evaluator = Party(program), Evaluator(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    rows = make_rows(rng, circuit.input, 2)
    for row, expected in zip(rows, interpret(circuit, rows), strict=True):
        np.testing.assert_array_equal(party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys)), expected)


@pytest.mark.encrypted
def test_keys_from_a_file_and_results_over_the_wire(programs, concrete_clients, shared, tmp_path):
    client, evaluator = concrete_clients("shared"), Evaluator(programs("shared"))
    path = tmp_path / "keys"
    path.write_bytes(client.evaluation_keys)
    row = np.array([1, 1, 0, 0, 1, 0, 0, 4])
    sent = EncryptedTensor.from_bytes(client.encrypt(row).to_bytes())
    result = evaluator.evaluate(sent, evaluator.load_keys(path))
    assert result.seed is None
    np.testing.assert_array_equal(
        client.decrypt(EncryptedTensor.from_bytes(result.to_bytes())), interpret(shared, row[None])[0]
    )


@pytest.mark.encrypted
def test_several_threads_share_an_evaluator(programs, concrete_clients, shared, make_rows):
    client, evaluator = concrete_clients("shared"), Evaluator(programs("shared"))
    keys = evaluator.load_keys(client.evaluation_keys)
    rows = make_rows(np.random.default_rng(4), shared.input, 6)
    tensors = [client.encrypt(row) for row in rows]
    results: list[EncryptedTensor | None] = [None] * len(rows)

    def work(index):
        results[index] = evaluator.evaluate(tensors[index], keys)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(rows))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal([client.decrypt(result) for result in results], interpret(shared, rows))


def test_a_seeded_tensor_is_expanded(programs, linear):
    """Of a trivial message: only the sums of masks are looked at, which no decryption is needed for."""
    evaluator = Evaluator(programs("linear"))
    program = evaluator.program
    dimension = program.keyset.dimensions[program.input.key]
    tensor = EncryptedTensor(np.arange(5, dtype=np.uint64), seed=bytes(range(16)))
    words = tensor.ciphertexts(5, dimension)
    result = evaluator.evaluate(tensor).ciphertexts(2, dimension)
    matrix = linear.nodes[1].terms[0].to_dense(5, 2).astype(np.uint64)
    expected = (words[:, :, None] * matrix[:, None, :]).sum(axis=0, dtype=np.uint64).T
    expected[:, -1] += linear.nodes[1].offset.astype(np.uint64) << np.uint64(63 - program.output.width)
    np.testing.assert_array_equal(result, expected)


def test_keys_of_another_length_are_refused_before_native_code(programs, tmp_path):
    evaluator = Evaluator(programs("shared"))
    size = evaluator.program.keyset.evaluation_keys_bytes
    for data in (b"", bytes(8), bytes(size - 8), bytes(size + 1)):
        (tmp_path / "keys").write_bytes(data)
        for source in (data, memoryview(data), tmp_path / "keys", str(tmp_path / "keys")):
            with pytest.raises(MalformedMessageError, match=f"evaluation keys of {len(data)} bytes, .* has {size}"):
                evaluator.load_keys(source)


@pytest.mark.parametrize("content", [b"", b"not a library"])
def test_a_damaged_library_is_our_error(programs, tmp_path, content):
    copy = shutil.copytree(programs("chain").directory, tmp_path / "program")
    (copy / LIBRARY).write_bytes(content)
    with pytest.raises(EvaluationError, match="compile the circuit again"):
        Evaluator(Program.load(copy))


def test_missing_keys_and_keys_of_another_keyset(programs):
    evaluator = Evaluator(programs("shared"))
    program = evaluator.program
    dimension = program.keyset.dimensions[program.input.key]
    tensor = EncryptedTensor.from_ciphertexts(np.zeros((program.input.size, dimension + 1), np.uint64))
    with pytest.raises(InvalidInputError, match="needs evaluation keys"):
        evaluator.evaluate(tensor)
    none = Evaluator(programs("linear")).load_keys(b"")
    with pytest.raises(InvalidInputError, match="of another keyset"):
        evaluator.evaluate(tensor, none)


@pytest.mark.parametrize("shape", [(4, 0), (6, 0), (5, 1), (5, -1), (0, 0)])
def test_tensors_of_another_shape_are_refused(programs, shape):
    evaluator = Evaluator(programs("linear"))
    dimension = evaluator.program.keyset.dimensions[evaluator.program.input.key]
    words = np.zeros((shape[0], dimension + 1 + shape[1]), np.uint64)
    with pytest.raises(MalformedMessageError, match="encrypted tensor"):
        evaluator.evaluate(EncryptedTensor.from_ciphertexts(words))
    with pytest.raises(MalformedMessageError, match="encrypted tensor"):
        evaluator.evaluate(EncryptedTensor(np.zeros(5, np.uint64)))


def test_evaluation_without_lookups_is_quick(programs):
    """Expansion, messages both ways and the native call, for 5 ciphertexts."""
    evaluator = Evaluator(programs("linear"))
    tensor = EncryptedTensor(np.arange(5, dtype=np.uint64), seed=bytes(16))
    evaluator.evaluate(tensor)
    start = time.process_time()
    for _ in range(10):
        evaluator.evaluate(tensor)
    assert time.process_time() - start < 0.5
