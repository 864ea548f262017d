"""The scheme as the engine finds it: compiled without a child process, read again, evaluated, simulated, refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import (
    CompilationError,
    Evaluator,
    Program,
    UnsupportedProgramError,
    compile_circuit,
    interpret,
    simulate,
    what_to_warn_of,
)
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.errors import ProgramMismatchError
from cryptable_engine.schemes.levelled.noise.bound import PlanNoise, failure, fits
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from cryptable_protocol import CompileOptions, EncryptedTensor, InvalidInputError
from levelled_circuits import levelled_circuit, levelled_parameters
from rotation_circuits import rotation_circuit
from scheme_party import spec_of

OPTIONS = CompileOptions(p_error=2.0**-128, scheme="levelled")
CIRCUIT = levelled_circuit(np.random.default_rng(5), outputs=2)


def test_a_program_is_read_as_it_was_written(tmp_path):
    program = compile_circuit(CIRCUIT, OPTIONS, tmp_path / "program")
    again = Program.load(tmp_path / "program")
    assert (again.parameters, again.price) == (program.parameters, program.price)
    assert (again.scheme, again.p_error) == ("levelled", 2.0**-128)
    assert again.plan.forms.products == CIRCUIT.products
    assert fits(CIRCUIT, again.levelled)


def test_an_artifact_is_compiled_to_what_it_promised(tmp_path):
    parameters = levelled_parameters(CIRCUIT, gadget=(4, 5), p_error=2.0**-128)
    program = compile_circuit(CIRCUIT, OPTIONS, tmp_path / "program", promised=parameters)
    assert program.parameters == parameters


@pytest.mark.encrypted
def test_the_evaluator_evaluates(client, tmp_path):
    program = compile_circuit(CIRCUIT, OPTIONS, tmp_path / "program")
    evaluator = Evaluator(program)
    keys = evaluator.load_keys(client.evaluation_keys)
    for row in np.random.default_rng(6).integers(0, 2, (2, 9)):
        answer = evaluator.evaluate_row(client.row(program.parameters, row), keys)
        assert client.decode(program.parameters, answer) == interpret(CIRCUIT, [row])[0].tolist()
    with pytest.raises(InvalidInputError, match="evaluation keys"):
        evaluator.evaluate_row(client.row(program.parameters, row))


def test_tensors_of_the_other_scheme_are_refused_by_name(client, tmp_path):
    """Evaluator.evaluate takes and gives those of the scheme bootstrapped."""
    evaluator = Evaluator(compile_circuit(CIRCUIT, OPTIONS, tmp_path / "program"))
    keys = evaluator.load_keys(client.evaluation_keys)
    with pytest.raises(InvalidInputError, match="scheme 'levelled' evaluates rows as they travel"):
        evaluator.evaluate(EncryptedTensor(np.zeros(5, np.uint64), seed=bytes(16)), keys)


@pytest.mark.parametrize("circuit", [CIRCUIT, rotation_circuit(np.random.default_rng(8), outputs=2)])
def test_simulation_reads_what_is_right(circuit):
    rows = np.random.default_rng(7).integers(0, 2, (5, circuit.input.size))
    np.testing.assert_array_equal(simulate(circuit, OPTIONS, rows), interpret(circuit, rows))


def test_tables_that_leave_too_little_room_are_refused(tmp_path):
    circuit = rotation_circuit(np.random.default_rng(9), positions=512, outputs=3, reads=False)
    with pytest.raises(CompilationError, match="leave 4 for each"):
        compile_circuit(circuit, OPTIONS, tmp_path / "program")
    parameters = levelled_parameters(circuit, p_error=OPTIONS.p_error)
    with pytest.raises(ProgramMismatchError, match="tables of 512 positions"):
        compile_circuit(circuit, OPTIONS, tmp_path / "program", promised=parameters)


def test_too_much_noise_is_refused(tmp_path):
    big = levelled_circuit(np.random.default_rng(2), steps=(400, 100, 30), bits=60, outputs=2)
    parameters = levelled_parameters(big, gadget=(2, 9), p_error=2.0**-128)
    assert failure(big, parameters) > -128
    assert not fits(big, parameters)
    with pytest.raises(CompilationError, match="its client spec promises 2\\^-128"):
        compile_circuit(big, OPTIONS, tmp_path / "program", promised=parameters)


def test_what_an_earlier_version_took_for_less_noise_is_compiled_with_a_warning(tmp_path):
    """By flat spectra its promise holds, by those that forms may have it does not: such a model is told of."""
    circuit = rotation_circuit(np.random.default_rng(3), bits=30, neurons=12, largest=60, reads=False)
    parameters = levelled_parameters(circuit, gadget=(2, 8), answer_word_bits=18)
    plan = make_plan(circuit, parameters, parameters.maximum)
    promised = replace(parameters, p_error=2.0 ** (PlanNoise(plan).bound_by_flat_spectra().log2_failure + 0.01))
    assert not fits(circuit, promised)

    def compiled(name, promised):
        options = replace(OPTIONS, p_error=promised.p_error)
        return compile_circuit(circuit, options, tmp_path / name, promised=promised)

    spec = spec_of(compiled("program", promised))
    assert "the version that planned it took its noise to be less" in what_to_warn_of(circuit, spec)
    lenient = replace(spec, parameters=replace(promised, p_error=promised.p_error**0.5))
    assert what_to_warn_of(circuit, lenient) is None
    with pytest.raises(CompilationError, match="compile the model again"):
        compiled("another", replace(promised, p_error=promised.p_error / 2))


def test_parameters_of_another_model_are_refused(tmp_path):
    parameters = levelled_parameters(CIRCUIT, p_error=OPTIONS.p_error)
    with pytest.raises(ProgramMismatchError, match="maximum"):
        compile_circuit(CIRCUIT, OPTIONS, tmp_path / "program", promised=replace(parameters, maximum=3))


def test_outputs_beyond_all_moduli_are_refused(tmp_path):
    wide = levelled_circuit(np.random.default_rng(5), steps=(2,), largest=1 << 30)
    assert highest_output(wide, bounds(wide)) > 1 << 28
    with pytest.raises(CompilationError, match="coarser score"):
        compile_circuit(wide, OPTIONS, tmp_path / "program")


@pytest.mark.parametrize("damage", ["record", "parameters"])
def test_a_damaged_folder_is_refused(damage, tmp_path):
    compile_circuit(CIRCUIT, OPTIONS, tmp_path / "program")
    if damage == "record":
        path = tmp_path / "program" / "program.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"price": "dear"}))
    else:
        (tmp_path / "program" / "parameters.bin").write_bytes(b"")
    with pytest.raises(UnsupportedProgramError, match="damaged"):
        Program.load(tmp_path / "program")


def test_native_code_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="no native code"):
        compile_circuit(CIRCUIT, OPTIONS, tmp_path / "program", native=True)
