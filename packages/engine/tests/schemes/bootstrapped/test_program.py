"""What Concrete says of a compiled circuit is read whole, and refused where the engine could not run it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from cryptable_engine import CompilationError, Program, ProgramMismatchError, UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.concrete.native import FEEDBACK, LIBRARY, PROGRAM_INFO
from cryptable_engine.schemes.bootstrapped.program import write_record
from cryptable_engine.schemes.folder import RECORD
from cryptable_protocol import (
    AffineEncoder,
    CiphertextType,
    ClientSpec,
    Decoder,
    KeysetParameters,
    Link,
    ThermometerEncoder,
)
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters


def test_a_program_with_lookups(programs):
    program = programs("shared")
    assert program.lookups == 2
    assert len(program.keyset.bootstrap_keys) == len(program.keyset.keyswitch_keys) == 1
    assert (program.input.size, program.input.width, program.output.size, program.output.width) == (8, 8, 1, 8)
    assert program.input.variance > 0
    assert program.output.variance == 0
    assert program.complexity > 1e7
    assert program.p_error == 2**-40
    assert Program.load(str(program.directory)) == program


def test_a_program_without_lookups_has_a_secret_key_only(programs):
    program = programs("linear")
    assert program.lookups == 0
    assert len(program.keyset.secret_keys) == 1
    assert program.keyset.evaluation_keys_bytes == 0


def lookup_key(kind):
    return lambda info: info["keyset"][kind][0]


def gate(end):
    return lambda info: info["circuits"][0][end][0]["typeInfo"]["lweCiphertext"]


CHANGES = {
    "packing keys": (lambda info: info["keyset"].update(packingKeyswitchKeys=[{}]), "packing keyswitch keys"),
    "no packing keys": (lambda info: info["keyset"].pop("packingKeyswitchKeys"), "not of the kind"),
    "ternary key": (lambda info: lookup_key("lweSecretKeys")(info)["params"].update(keyType="ternary"), "not binary"),
    "short words": (
        lambda info: lookup_key("lweKeyswitchKeys")(info)["params"].update(integerPrecision=32),
        "not of 64-bit words",
    ),
    "modulus": (
        lambda info: lookup_key("lweBootstrapKeys")(info)["params"]["modulus"].update(
            modulus={"powerOfTwo": {"power": 60}}
        ),
        "another modulus",
    ),
    "unseeded key": (lambda info: lookup_key("lweBootstrapKeys")(info).update(compression="none"), "not seeded"),
    "polynomial size": (
        lambda info: lookup_key("lweBootstrapKeys")(info)["params"].update(polynomialSize=1000),
        "polynomial_size 1000",
    ),
    "key dimension": (
        lambda info: lookup_key("lweKeyswitchKeys")(info)["params"].update(inputLweDimension=12),
        "disagrees with its secret key",
    ),
    "key of no secret key": (
        lambda info: lookup_key("lweKeyswitchKeys")(info).update(inputId=9),
        "refers to secret key 9",
    ),
    "two circuits": (lambda info: info["circuits"].append(info["circuits"][0]), "not of the kind"),
    "two inputs": (lambda info: info["circuits"][0]["inputs"].append({}), "not of the kind"),
    "no output": (lambda info: info["circuits"][0]["outputs"].clear(), "not of the kind"),
    "other name": (lambda info: info["circuits"][0].update(name="other"), "another name"),
    "clear input": (
        lambda info: info["circuits"][0]["inputs"][0].update(typeInfo={"plaintext": {}}),
        "not encrypted",
    ),
    "signed output": (lambda info: gate("outputs")(info)["encoding"]["integer"].update(isSigned=True), "signed"),
    "CRT": (
        lambda info: gate("inputs")(info)["encoding"]["integer"].update(mode={"crt": {"moduli": [7, 8]}}),
        "not native",
    ),
    "gate key": (lambda info: gate("inputs")(info)["encryption"].update(keyId=5), "not of the kind"),
    "gate dimension": (lambda info: gate("inputs")(info)["encryption"].update(lweDimension=5), "a gate disagrees"),
    "compressed": (lambda info: gate("inputs")(info).update(compression="seed"), "compressed"),
    "shape": (lambda info: gate("inputs")(info)["abstractShape"].update(dimensions=[4, 2]), "not of the kind"),
    "concrete shape": (lambda info: gate("inputs")(info)["concreteShape"].update(dimensions=[8, 3]), "another shape"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_programs_of_another_kind_are_refused(name, programs, tmp_path):
    change, message = CHANGES[name]
    copy = shutil.copytree(programs("shared").directory, tmp_path / "program")
    info = json.loads((copy / PROGRAM_INFO).read_text())
    change(info)
    (copy / PROGRAM_INFO).write_text(json.dumps(info))
    with pytest.raises(UnsupportedProgramError, match=message):
        Program.load(copy)


@pytest.mark.parametrize("name", [PROGRAM_INFO, FEEDBACK, RECORD, LIBRARY])
def test_incomplete_programs_are_refused(name, programs, tmp_path):
    copy = shutil.copytree(programs("shared").directory, tmp_path / "program")
    (copy / name).unlink()
    with pytest.raises(CompilationError, match="compile the circuit again"):
        Program.load(copy)


def test_a_p_error_that_concrete_did_not_reach_is_refused(programs, tmp_path):
    copy = shutil.copytree(programs("shared").directory, tmp_path / "program")
    write_record(copy, 2.0**-60)
    with pytest.raises(UnsupportedProgramError, match="Concrete reached p_error"):
        Program.load(copy)


def spec_of(program):
    features = (
        ThermometerEncoder("a", (0.0, 1.0, 2.0, 3.0)),
        ThermometerEncoder("b", (0.0, 1.0, 2.0)),
        AffineEncoder("c", 0.0, 1.0, 6),
    )
    decoder = Decoder(Link.IDENTITY, (0,), 1.0, (0.0,))
    return ClientSpec(
        model_name="m",
        features=features,
        parameters=BootstrappedParameters(program.keyset, program.input, program.output, program.p_error),
        decoder=decoder,
    )


def test_a_spec_must_promise_what_was_compiled(programs):
    program = programs("shared")
    spec = spec_of(program)
    program.check_spec(spec)
    (key,) = spec.keyset.bootstrap_keys
    weaker = replace(spec.keyset, bootstrap_keys=(replace(key, variance=key.variance / 2),))
    cases = {
        "bootstrap keys": replace(spec, parameters=replace(spec.parameters, keyset=weaker)),
        "secret keys": replace(
            spec, parameters=replace(spec.parameters, keyset=KeysetParameters(spec.keyset.secret_keys[:1]))
        ),
        "input": replace(spec, parameters=replace(spec.parameters, input=CiphertextType(8, 0, 9, spec.input.variance))),
        "output": replace(spec, parameters=replace(spec.parameters, output=CiphertextType(1, 0, 9, 0.0))),
        "p_error": replace(spec, parameters=replace(spec.parameters, p_error=2.0**-41)),
    }
    for name, other in cases.items():
        with pytest.raises(ProgramMismatchError, match=f"compiles to {name} .* compile the model again"):
            program.check_spec(other)
