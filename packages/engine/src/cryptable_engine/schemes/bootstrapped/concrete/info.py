"""What Concrete writes beside a program that it has compiled: its keys, its input and output, its price."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from cryptable_protocol import (
    BootstrapKeyParameters,
    CiphertextType,
    KeysetParameters,
    KeyswitchKeyParameters,
    MalformedMessageError,
    SecretKeyParameters,
)

from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.concrete.mlir import FUNCTION
from cryptable_engine.schemes.bootstrapped.concrete.native import FEEDBACK, LIBRARY, PROGRAM_INFO, read_json

_NATIVE: dict[str, Any] = {"modulus": {"native": {}}}
_BITS = 64


class ProgramFacts(NamedTuple):
    """Of a program: `output` has variance 0, as in a ClientSpec."""

    keyset: KeysetParameters
    input: CiphertextType
    output: CiphertextType
    complexity: float
    lookups: int


def read_concrete(directory: Path, p_error: float) -> ProgramFacts:
    """Read Concrete's description of a program.

    Args:
        directory: of the program.
        p_error: that Concrete was asked for.

    Raises:
        CompilationError: a file is missing or is not JSON.
        UnsupportedProgramError: the program is of a kind that the engine does not run.
    """
    info, feedback = read_json(directory / PROGRAM_INFO), read_json(directory / FEEDBACK)
    expect((directory / LIBRARY).is_file(), f"{directory} has no {LIBRARY}; compile the circuit again")
    try:
        keyset = _keyset(info["keyset"])
        (circuit,) = info["circuits"]
        expect(circuit["name"] == FUNCTION, "the circuit has another name")
        (given,), (returned,) = circuit["inputs"], circuit["outputs"]
        input_type, output_type = _ciphertext_type(given, keyset), _ciphertext_type(returned, keyset)
        complexity = float(feedback["complexity"])
        expect(
            float(feedback["pError"]) <= p_error,
            f"Concrete reached p_error {feedback['pError']}, asked for {p_error}",
        )
        lookups = _count_lookups(feedback["circuitFeedbacks"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnsupportedProgramError(
            f"program: Concrete's description is not of the kind that the engine reads ({error!r}); "
            "is this concrete-python 2.11?"
        ) from error
    except MalformedMessageError as error:
        raise UnsupportedProgramError(f"program: {error}") from error
    expect(math.isfinite(complexity), f"complexity {complexity}")
    output = CiphertextType(output_type.size, output_type.key, output_type.width, 0.0)
    return ProgramFacts(keyset, input_type, output, complexity, lookups)


def expect(condition: bool, message: str) -> None:
    """Raise an UnsupportedProgramError unless what a program is described as holds."""
    if not condition:
        raise UnsupportedProgramError(f"program: {message}")


def _check_key(info: dict[str, Any], what: str) -> dict[str, Any]:
    parameters: dict[str, Any] = info["params"]
    expect(parameters["keyType"] == "binary", f"{what} {info['id']} is of type {parameters['keyType']}, not binary")
    expect(parameters["integerPrecision"] == _BITS, f"{what} {info['id']} is not of {_BITS}-bit words")
    if what != "secret key":
        expect(parameters["modulus"] == _NATIVE, f"{what} {info['id']} has another modulus than 2^{_BITS}")
        expect(info["compression"] == "seed", f"{what} {info['id']} is not seeded")
    return parameters


def _keyset(info: dict[str, Any]) -> KeysetParameters:
    expect(not info["packingKeyswitchKeys"], "it needs packing keyswitch keys, which come with CRT encodings only")
    secret, bootstrap, keyswitch = [], [], []
    for key in info["lweSecretKeys"]:
        secret.append(SecretKeyParameters(key["id"], _check_key(key, "secret key")["lweDimension"]))
    for key in info["lweBootstrapKeys"]:
        p = _check_key(key, "bootstrap key")
        bootstrap.append(
            BootstrapKeyParameters(
                id=key["id"],
                input_key=key["inputId"],
                output_key=key["outputId"],
                level_count=p["levelCount"],
                base_log=p["baseLog"],
                glwe_dimension=p["glweDimension"],
                polynomial_size=p["polynomialSize"],
                variance=p["variance"],
            )
        )
    for key in info["lweKeyswitchKeys"]:
        p = _check_key(key, "keyswitch key")
        keyswitch.append(
            KeyswitchKeyParameters(
                id=key["id"],
                input_key=key["inputId"],
                output_key=key["outputId"],
                level_count=p["levelCount"],
                base_log=p["baseLog"],
                variance=p["variance"],
            )
        )
    keyset = KeysetParameters(tuple(secret), tuple(bootstrap), tuple(keyswitch))
    for key in (*info["lweBootstrapKeys"], *info["lweKeyswitchKeys"]):
        expect(
            key["params"]["inputLweDimension"] == keyset.dimensions[key["inputId"]],
            f"key {key['id']} disagrees with its secret key on the dimension",
        )
    return keyset


def _ciphertext_type(gate: dict[str, Any], keyset: KeysetParameters) -> CiphertextType:
    expect(set(gate["typeInfo"]) == {"lweCiphertext"}, "its input or output is not encrypted")
    info = gate["typeInfo"]["lweCiphertext"]
    encryption, encoding = info["encryption"], info["encoding"]["integer"]
    expect(encoding["mode"] == {"native": {}}, f"its encoding is {encoding['mode']}, not native")
    expect(not encoding["isSigned"], "its input or output is signed")
    expect(info["integerPrecision"] == _BITS, f"its ciphertexts are not of {_BITS}-bit words")
    expect(info["compression"] == "none", "its ciphertexts are compressed")
    expect(encryption["modulus"] == _NATIVE, f"its modulus is not 2^{_BITS}")
    (size,) = info["abstractShape"]["dimensions"]
    dimension = keyset.dimensions[encryption["keyId"]]
    expect(encryption["lweDimension"] == dimension, "a gate disagrees with its secret key on the dimension")
    expect(info["concreteShape"]["dimensions"] == [size, dimension + 1], "its ciphertexts have another shape")
    expect(gate["rawInfo"]["shape"] == info["concreteShape"], "its raw ciphertexts have another shape")
    return CiphertextType(size, encryption["keyId"], encoding["width"], encryption["variance"])


def _count_lookups(feedbacks: list[dict[str, Any]]) -> int:
    return sum(
        entry["count"] for feedback in feedbacks for entry in feedback["statistics"] if entry["operation"] == "PBS"
    )
