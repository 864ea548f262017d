"""What was promised to clients decides over the keys, and is compared with what was made."""

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import (
    Evaluator,
    Program,
    ProgramMismatchError,
    UnsupportedProgramError,
    compile_circuit,
    simulate,
)
from cryptable_engine.schemes.bootstrapped.parameters.one_level import serves_one_level
from cryptable_protocol import CompileOptions, EncryptedTensor


def test_a_program_is_compiled_as_promised(programs, named, tmp_path):
    """Its own choice are keys of one level, those promised are Concrete's."""
    circuit = named("cancelling")
    own = compile_circuit(circuit, CompileOptions(), tmp_path / "own")
    assert serves_one_level(own.keyset)
    for number, promised in enumerate((programs("cancelling").parameters, own.parameters)):
        program = compile_circuit(circuit, CompileOptions(), tmp_path / str(number), promised=promised)
        assert program.parameters == promised
        assert Program.load(program.directory) == program


def test_what_is_not_as_promised_leaves_nothing(programs, linear, tmp_path):
    promised = programs("linear").parameters
    longer = replace(promised, output=replace(promised.output, width=promised.output.width + 1))
    with pytest.raises(ProgramMismatchError, match=r"compiles to output .* compile the model again"):
        compile_circuit(linear, CompileOptions(), tmp_path / "program", promised=longer)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_scheme_compiles_and_simulates_nothing(linear, tmp_path):
    options = CompileOptions(scheme="rot13")
    with pytest.raises(UnsupportedProgramError, match="scheme 'rot13'"):
        compile_circuit(linear, options, tmp_path / "program")
    with pytest.raises(UnsupportedProgramError, match="scheme 'rot13'"):
        simulate(linear, options, [[0, 0, 0, 0, 1]])
    assert list(tmp_path.iterdir()) == []


def test_a_row_as_it_travels(programs):
    """The answer is trimmed to the words that the parameters fix."""
    program = programs("linear")
    evaluator = Evaluator(program)
    row = EncryptedTensor(np.arange(5, dtype=np.uint64), seed=bytes(range(16)))
    answer = EncryptedTensor.from_bytes(evaluator.evaluate_row(row.to_bytes()))
    program.parameters.check_output(answer.to_message())
    trimmed = evaluator.evaluate(row).trimmed(program.parameters.word_bits)
    assert trimmed.to_bytes() == answer.to_bytes()
