"""What every scheme does: decrypting what it evaluates gives what the interpreter gives, and what is damaged is told.

Over all schemes that are found, and `clear`, which is of tests.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from clear_client import clear_has_a_client
from clear_parameters import CLEAR
from clear_scheme import clear_is_registered
from cryptable_engine import (
    CircuitError,
    Evaluator,
    Program,
    ProgramMismatchError,
    UnsupportedProgramError,
    compile_circuit,
    interpret,
    simulate,
    trim_seconds,
    verify,
)
from cryptable_engine.schemes.scheme import all_schemes, find_scheme
from cryptable_protocol import CompileOptions, CryptableError, InvalidInputError, MalformedMessageError
from cryptable_protocol.messages import tensor as pb
from scheme_party import Party

pytestmark = pytest.mark.encrypted
SCHEMES = [*all_schemes(), CLEAR]
CIRCUITS = ("cancelling", "chain", "linear", "squares", "products")
"""One level of lookups; two, for keys of several kinds; none; squares; and products, in bulk too."""


@pytest.fixture(autouse=True, scope="module")
def _clear():
    with clear_is_registered(), clear_has_a_client():
        yield


class Case:
    """A circuit under a scheme, with a client's keys: made when first asked for."""

    def __init__(self, scheme, circuit, folder):
        self.circuit, self.options = circuit, CompileOptions(scheme=scheme)
        self.program = compile_circuit(circuit, self.options, folder / "program")
        self.evaluator = Evaluator(self.program)
        self.party = Party(self.program)
        self.keys = self.evaluator.load_keys(self.party.evaluation_keys)


@pytest.fixture(scope="module")
def case(_clear, named, tmp_path_factory):
    made = {}

    def get(scheme, name):
        if (scheme, name) not in made:
            made[scheme, name] = Case(scheme, named(name), tmp_path_factory.mktemp(f"{scheme}-{name}"))
        return made[scheme, name]

    yield get
    for each in made.values():
        each.party.close()


def accepts(scheme, circuit):
    try:
        find_scheme(scheme).check(circuit, verify(circuit))
    except CircuitError:
        return False
    return True


@pytest.fixture(scope="module")
def first(case, named):
    """The first circuit that a scheme evaluates and needs keys for, if there is one."""

    def get(scheme):
        names = [name for name in CIRCUITS if accepts(scheme, named(name))]
        cases = (case(scheme, name) for name in names)
        return next((each for each in cases if each.party.evaluation_keys), case(scheme, names[0]))

    return get


every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


@every_scheme
@pytest.mark.parametrize("name", CIRCUITS)
def test_decrypted_is_interpreted(scheme, name, case, named, make_rows, tmp_path):
    circuit = named(name)
    if not accepts(scheme, circuit):
        with pytest.raises(CircuitError):
            compile_circuit(circuit, CompileOptions(scheme=scheme), tmp_path / "program")
        assert list(tmp_path.iterdir()) == []
        return
    made = case(scheme, name)
    rows = make_rows(np.random.default_rng(5), circuit.input, 4)
    for row, expected in zip(rows, interpret(circuit, rows), strict=True):
        sent, parameters = made.party.encrypt(row), made.program.parameters
        before = trim_seconds()
        answer = made.evaluator.evaluate_row(sent, made.keys)
        assert trim_seconds() > before  # every scheme says what of it is trimming
        assert (len(sent), len(answer)) == (parameters.row_message_bytes, parameters.answer_message_bytes)
        parameters.check_output(pb.EncryptedTensor.FromString(answer))
        np.testing.assert_array_equal(made.party.decrypt(answer), expected)


@every_scheme
def test_simulation_gives_what_the_interpreter_does(scheme, first, make_rows):
    made = first(scheme)
    rows = make_rows(np.random.default_rng(6), made.circuit.input, 5)
    for program in (None, made.program):
        found = simulate(made.circuit, made.options, rows, program=program)
        np.testing.assert_array_equal(found, interpret(made.circuit, rows))


@every_scheme
def test_a_program_is_read_as_it_was_written(scheme, first, tmp_path):
    made = first(scheme)
    copy = shutil.copytree(made.program.directory, tmp_path / "program")
    again = Program.load(copy)
    assert replace(again, directory=made.program.directory) == made.program
    assert (again.scheme, again.p_error) == (scheme, made.options.p_error)
    again.check_parameters(made.program.parameters)


@every_scheme
def test_what_was_promised_is_met_or_refused(scheme, first, tmp_path):
    made = first(scheme)
    own = made.program.parameters
    program = compile_circuit(made.circuit, made.options, tmp_path / "again", promised=own)
    assert program.parameters == own
    stricter = replace(made.options, p_error=made.options.p_error / 4)
    with pytest.raises(ProgramMismatchError, match="compile the model again"):
        compile_circuit(made.circuit, stricter, tmp_path / "stricter", promised=own)
    assert not (tmp_path / "stricter").exists()


@every_scheme
def test_promises_of_another_scheme_are_refused(scheme, first, tmp_path):
    made = first(scheme)
    other = first(next(each for each in SCHEMES if each != scheme))
    with pytest.raises(ProgramMismatchError, match="compiles to scheme"):
        made.program.check_parameters(other.program.parameters)
    with pytest.raises((ProgramMismatchError, InvalidInputError)):
        compile_circuit(made.circuit, made.options, tmp_path / "program", promised=other.program.parameters)
    assert not (tmp_path / "program").exists()


@every_scheme
def test_keys_of_another_length_are_refused(scheme, first, tmp_path):
    made = first(scheme)
    data = made.party.evaluation_keys
    for wrong in (data[:-1], data + b"\0", data + data) if data else (b"\0",):
        (tmp_path / "keys").write_bytes(wrong)
        for source in (wrong, memoryview(wrong), tmp_path / "keys"):
            with pytest.raises(MalformedMessageError, match=f"evaluation keys of {len(wrong)} bytes"):
                made.evaluator.load_keys(source)


@every_scheme
def test_keys_that_are_missing_or_of_another_keyset_are_refused(scheme, first):
    made = first(scheme)
    row = made.party.encrypt(np.zeros(made.circuit.input.size, np.int64))
    with pytest.raises(InvalidInputError, match="another keyset"):
        made.evaluator.evaluate_row(row, replace(made.keys, keyset_name=bytes(32)))
    if made.party.evaluation_keys:
        with pytest.raises(InvalidInputError, match="needs evaluation keys"):
            made.evaluator.evaluate_row(row)


@every_scheme
def test_rows_of_another_form_are_refused(scheme, first):
    made = first(scheme)
    row = made.party.encrypt(np.zeros(made.circuit.input.size, np.int64))
    message = pb.EncryptedTensor.FromString(row)
    changed = [b"", b"\xff", row[:-1], row + b"\0", row + row]
    for name, value in [(field.name, value) for field, value in message.ListFields()]:
        if isinstance(value, bytes):
            for other in (value[:-8], value + bytes(8)):
                broken = pb.EncryptedTensor.FromString(row)
                setattr(broken, name, other)
                changed.append(broken.SerializeToString(deterministic=True))
    assert len(changed) > 5
    for wrong in changed:
        with pytest.raises(MalformedMessageError):
            made.evaluator.evaluate_row(wrong, made.keys)


@every_scheme
def test_a_damaged_program_is_our_error_or_does_no_harm(scheme, first, tmp_path):
    """A file that is missing, empty, cut short or of other bytes; native code is not loaded from one of those."""
    made = first(scheme)
    row = made.party.encrypt(np.zeros(made.circuit.input.size, np.int64))
    expected = made.party.decrypt(made.evaluator.evaluate_row(row, made.keys))
    refused = 0
    names = sorted(path.relative_to(made.program.directory) for path in made.program.directory.rglob("*"))
    for name in names:
        original = (made.program.directory / name).read_bytes()
        for number, content in enumerate((None, b"", original[: len(original) // 2], b"{}")):
            copy = shutil.copytree(made.program.directory, tmp_path / f"{name}-{number}")
            (copy / name).unlink() if content is None else (copy / name).write_bytes(content)
            try:
                answer = Evaluator(Program.load(copy)).evaluate_row(row, made.keys)
            except CryptableError:
                refused += 1
            else:
                np.testing.assert_array_equal(made.party.decrypt(answer), expected)
    assert refused >= 4


@every_scheme
def test_a_program_under_another_schemes_name_is_refused(scheme, first, tmp_path):
    made = first(scheme)
    for other in SCHEMES:
        copy = shutil.copytree(made.program.directory, tmp_path / other)
        record = copy / "program.json"
        record.write_text(record.read_text().replace(f'"scheme": "{scheme}"', f'"scheme": "{other}"'))
        if other != scheme:
            with pytest.raises(UnsupportedProgramError):
                Program.load(copy)
