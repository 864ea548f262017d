"""Circuits evaluated node by node: from what is stored beside a program, and alike on one thread and on several."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from cryptable_engine import Convolution, Evaluator, Program, Term
from cryptable_engine.circuit.convolution import convolved
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes import threads as thread_pools
from cryptable_engine.schemes.bootstrapped import sums
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.lookup_program import CIRCUIT, LAYOUT, LookupProgram
from cryptable_engine.schemes.bootstrapped.program import EvaluationKind
from cryptable_engine.schemes.bootstrapped.sums import TermProduct
from cryptable_protocol import EncryptedTensor, MalformedMessageError

pytestmark = pytest.mark.xdist_group("clients of Concrete")


def test_which_programs_it_takes(programs):
    for name in ("shared", "gathered", "cancelling", "mirrored"):
        assert programs(name).evaluation is EvaluationKind.LOOKUPS
        LookupProgram.load(programs(name))
    for name, kind in (("chain", EvaluationKind.CONCRETE), ("linear", EvaluationKind.LINEAR)):
        assert programs(name).evaluation is kind
        with pytest.raises(UnsupportedProgramError, match="not under one bootstrap key"):
            LookupProgram.load(programs(name))
    program = programs("shared")
    given = dataclasses.replace(program.input, key=program.keyset.bootstrap_keys[0].input_key)
    parameters = dataclasses.replace(program.parameters, input=given)
    with pytest.raises(UnsupportedProgramError, match="not under the key that its lookups read"):
        LookupProgram.load(dataclasses.replace(program, parameters=parameters))


@pytest.mark.parametrize("name", [CIRCUIT, LAYOUT])
def test_damaged_files_are_our_error(programs, tmp_path, name):
    copy = shutil.copytree(programs("shared").directory, tmp_path / "program")
    content = (copy / name).read_bytes()
    for damaged in (b"", content[:-1], b"{}"):
        (copy / name).write_bytes(damaged)
        with pytest.raises(UnsupportedProgramError, match="compile the circuit again"):
            Evaluator(Program.load(copy))
    (copy / name).unlink()
    with pytest.raises(UnsupportedProgramError, match="compile the circuit again"):
        Evaluator(Program.load(copy))


@pytest.mark.parametrize("name", ["shared", "gathered", "mirrored"])
def test_words_do_not_depend_on_the_number_of_threads(programs, name, monkeypatch):
    """Random keys and ciphertexts: every word is looked at, and nothing is decrypted."""
    program, rng = programs(name), np.random.default_rng(0)
    evaluation = LookupProgram.load(program)
    keys = BootstrappingKeys(program.keyset, memoryview(rng.bytes(program.keyset.evaluation_keys_bytes)))
    words = rng.integers(0, 1 << 63, (program.input.size, keys.dimension + 1), dtype=np.uint64)
    tensor = EncryptedTensor.from_ciphertexts(words)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        thread_pools._pool.cache_clear()
        results.append(evaluation.evaluate(tensor, keys))
    thread_pools._pool.cache_clear()
    np.testing.assert_array_equal(*results)
    with pytest.raises(MalformedMessageError, match="encrypted tensor"):
        evaluation.evaluate(EncryptedTensor.from_ciphertexts(words[:, 1:]), keys)


def test_products_are_those_of_the_matrix(monkeypatch):
    """Sparse, dense and empty columns; several blocks of words."""
    monkeypatch.setattr(sums, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(sums, "_COLUMNS", 2)
    rng = np.random.default_rng(1)
    matrix = rng.integers(-9, 9, (40, 7)) * (rng.random((40, 7)) < [0, 0.02, 0.1, 0.3, 0.5, 0.9, 1])
    source = rng.integers(0, 1 << 63, (40, 150), dtype=np.uint64)
    term = Term.from_dense(0, matrix)
    result = rng.integers(0, 1 << 63, (7, 150), dtype=np.uint64)
    expected = result + np.array(
        [[(column.astype(np.uint64) * word).sum() for word in source.T] for column in matrix.T]
    )
    TermProduct(term, 40, 7).add_to(result, source)
    np.testing.assert_array_equal(result, expected)


def test_convolutions_are_those_of_their_matrix(monkeypatch):
    """In groups, with a stride and a padding; several blocks of words."""
    monkeypatch.setattr(sums, "_BLOCK_BYTES", 1)
    rng = np.random.default_rng(1)
    node = Convolution(0, (4, 5), rng.integers(-9, 9, (6, 2, 3)), np.zeros(18, np.int64), (3,), 2, (2,), (1,), (1,))
    matrix = convolved(node, np.eye(20, dtype=np.int64)).astype(np.uint64)
    source = rng.integers(0, 1 << 63, (20, 150), dtype=np.uint64)
    result = rng.integers(0, 1 << 63, (18, 150), dtype=np.uint64)
    windows = sums.ConvolvedWindows(node)
    for place in range(windows.places):
        windows.write(result, source, place)
    np.testing.assert_array_equal(result, np.array([[(row * word).sum() for word in source.T] for row in matrix]))
