"""Schemes are found by their names, each once; a program says of which it is."""

import json
import shutil

import pytest
from cryptable_engine import CompilationError, Program, UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.scheme import BootstrappedScheme
from cryptable_engine.schemes.folder import RECORD, written_whole
from cryptable_engine.schemes.scheme import all_schemes, engine_scheme, find_scheme
from cryptable_protocol import InvalidInputError


def test_the_folders_are_found():
    assert isinstance(find_scheme("bootstrapped"), BootstrappedScheme)
    assert all(name == scheme.name for name, scheme in all_schemes().items())


def test_a_second_scheme_of_a_name_is_refused():
    class Another(BootstrappedScheme):
        """Another one."""

    with pytest.raises(ValueError, match="two schemes of the name 'bootstrapped'"):
        engine_scheme(Another)
    assert type(find_scheme("bootstrapped")) is BootstrappedScheme


def test_an_unknown_scheme_is_refused_with_those_that_are_known():
    with pytest.raises(UnsupportedProgramError, match=r"scheme 'rot13' is not one .* \(bootstrapped"):
        find_scheme("rot13")


CHANGES = {
    "an earlier format": (lambda record: record.update(format=4), "format 4, this version reads 5"),
    "no format": (lambda record: record.pop("format"), "format None"),
    "no scheme": (lambda record: record.pop("scheme"), "compile the circuit again"),
    "a scheme that is no name": (lambda record: record.update(scheme=["bootstrapped"]), "compile the circuit again"),
    "an unknown scheme": (lambda record: record.update(scheme="rot13"), "scheme 'rot13'"),
    "an unknown evaluator": (lambda record: record.update(evaluation="by hand"), "damaged .*by hand"),
    "no evaluator": (lambda record: record.pop("evaluation"), "damaged .*evaluation"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_record_that_this_version_did_not_write_is_refused(name, programs, tmp_path):
    change, message = CHANGES[name]
    copy = shutil.copytree(programs("linear").directory, tmp_path / "program")
    record = json.loads((copy / RECORD).read_text())
    change(record)
    (copy / RECORD).write_text(json.dumps(record))
    with pytest.raises(UnsupportedProgramError, match=message):
        Program.load(copy)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_record_that_is_none_is_refused(content, tmp_path):
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(CompilationError, match="compile the circuit again"):
        Program.load(tmp_path)


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    class StoppedError(Exception):
        """Of this test."""

    def write(folder, *, stops):
        with written_whole(folder) as made:
            (made / "file").write_text("content")
            if stops:
                raise StoppedError

    with pytest.raises(StoppedError):
        write(tmp_path / "program", stops=True)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "program", stops=False)
    assert (tmp_path / "program" / "file").read_text() == "content"
    with pytest.raises(InvalidInputError, match="not an empty directory"):
        write(tmp_path / "program", stops=False)
