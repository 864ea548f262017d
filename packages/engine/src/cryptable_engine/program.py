"""Program: a compiled circuit on disk, and the crypto parameters that Concrete has chosen for it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptable_protocol import (
    BootstrapKeyParameters,
    CiphertextType,
    ClientSpec,
    KeysetParameters,
    KeyswitchKeyParameters,
    MalformedMessageError,
    SecretKeyParameters,
)

from cryptable_engine.errors import ProgramMismatchError, UnsupportedProgramError
from cryptable_engine.mlir import FUNCTION
from cryptable_engine.native import FEEDBACK, LIBRARY, PROGRAM_INFO, read_json

RECORD = "program.json"
_RECORD_FORMAT = 3
_NATIVE: dict[str, Any] = {"modulus": {"native": {}}}
_BITS = 64


@dataclass(frozen=True)
class Program:
    """A compiled circuit.

    `output` has variance 0, as in a ClientSpec. `complexity` is the optimizer's price of one evaluation (1.4e8 is about
    28 ms of one core), `lookups` the number of programmable bootstrappings, `p_error` the largest probability that one
    of them, or the reading of the result, fails. `keyset_entry` names the entry of the catalogue that it was compiled
    onto, empty where the keyset is the optimizer's own choice; `optimum` is the complexity that the optimizer's choice
    would have had, None where that was not asked.
    """

    directory: Path
    keyset: KeysetParameters
    input: CiphertextType
    output: CiphertextType
    complexity: float
    lookups: int
    p_error: float
    keyset_entry: str = ""
    optimum: float | None = None

    @classmethod
    def load(cls, directory: str | Path) -> Program:
        """Read what `compile_circuit` has written: a trusted directory, since its library is native code.

        Raises:
            CompilationError: a file is missing or is not what Concrete writes.
            UnsupportedProgramError: the program is of a kind that the engine does not run.
        """
        directory = Path(directory)
        info, feedback = read_json(directory / PROGRAM_INFO), read_json(directory / FEEDBACK)
        record = read_json(directory / RECORD)
        _expect((directory / LIBRARY).is_file(), f"{directory} has no {LIBRARY}; compile the circuit again")
        try:
            _expect(record["format"] == _RECORD_FORMAT, f"{RECORD} has format {record['format']}")
            keyset = _keyset(info["keyset"])
            (circuit,) = info["circuits"]
            _expect(circuit["name"] == FUNCTION, "the circuit has another name")
            (given,), (returned,) = circuit["inputs"], circuit["outputs"]
            input_type, output_type = _ciphertext_type(given, keyset), _ciphertext_type(returned, keyset)
            p_error, complexity = float(record["p_error"]), float(feedback["complexity"])
            _expect(
                float(feedback["pError"]) <= p_error,
                f"Concrete reached p_error {feedback['pError']}, asked for {p_error}",
            )
            lookups = _count_lookups(feedback["circuitFeedbacks"])
            keyset_entry, optimum = str(record["keyset_entry"]), record["optimum"]
        except (KeyError, TypeError, ValueError) as error:
            raise UnsupportedProgramError(
                f"program: Concrete's description is not of the kind that the engine reads ({error!r}); "
                "is this concrete-python 2.11?"
            ) from error
        except MalformedMessageError as error:
            raise UnsupportedProgramError(f"program: {error}") from error
        _expect(math.isfinite(complexity), f"complexity {complexity}")
        output = CiphertextType(output_type.size, output_type.key, output_type.width, 0.0)
        return cls(
            directory,
            keyset,
            input_type,
            output,
            complexity,
            lookups,
            p_error,
            keyset_entry,
            optimum and float(optimum),
        )

    def check_spec(self, spec: ClientSpec) -> None:
        """Whether clients that follow `spec` can use this program.

        Raises:
            ProgramMismatchError: names the parameter that differs.
        """
        pairs = {
            "secret keys": (self.keyset.secret_keys, spec.keyset.secret_keys),
            "bootstrap keys": (self.keyset.bootstrap_keys, spec.keyset.bootstrap_keys),
            "keyswitch keys": (self.keyset.keyswitch_keys, spec.keyset.keyswitch_keys),
            "input": (self.input, spec.input),
            "output": (self.output, spec.output),
            "p_error": (self.p_error, spec.p_error),
        }
        for name, (compiled, promised) in pairs.items():
            if compiled != promised:
                raise ProgramMismatchError(
                    f"program: the circuit compiles to {name} {compiled}, its client spec promises {promised}; "
                    "compile the model again with this version"
                )


def write_record(directory: Path, p_error: float, *, keyset_entry: str = "", optimum: float | None = None) -> None:
    """What Concrete's own files do not say."""
    record = {"format": _RECORD_FORMAT, "p_error": p_error, "keyset_entry": keyset_entry, "optimum": optimum}
    (directory / RECORD).write_text(json.dumps(record))


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise UnsupportedProgramError(f"program: {message}")


def _check_key(info: dict[str, Any], what: str) -> dict[str, Any]:
    parameters: dict[str, Any] = info["params"]
    _expect(parameters["keyType"] == "binary", f"{what} {info['id']} is of type {parameters['keyType']}, not binary")
    _expect(parameters["integerPrecision"] == _BITS, f"{what} {info['id']} is not of {_BITS}-bit words")
    if what != "secret key":
        _expect(parameters["modulus"] == _NATIVE, f"{what} {info['id']} has another modulus than 2^{_BITS}")
        _expect(info["compression"] == "seed", f"{what} {info['id']} is not seeded")
    return parameters


def _keyset(info: dict[str, Any]) -> KeysetParameters:
    _expect(not info["packingKeyswitchKeys"], "it needs packing keyswitch keys, which come with CRT encodings only")
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
        _expect(
            key["params"]["inputLweDimension"] == keyset.dimensions[key["inputId"]],
            f"key {key['id']} disagrees with its secret key on the dimension",
        )
    return keyset


def _ciphertext_type(gate: dict[str, Any], keyset: KeysetParameters) -> CiphertextType:
    _expect(set(gate["typeInfo"]) == {"lweCiphertext"}, "its input or output is not encrypted")
    info = gate["typeInfo"]["lweCiphertext"]
    encryption, encoding = info["encryption"], info["encoding"]["integer"]
    _expect(encoding["mode"] == {"native": {}}, f"its encoding is {encoding['mode']}, not native")
    _expect(not encoding["isSigned"], "its input or output is signed")
    _expect(info["integerPrecision"] == _BITS, f"its ciphertexts are not of {_BITS}-bit words")
    _expect(info["compression"] == "none", "its ciphertexts are compressed")
    _expect(encryption["modulus"] == _NATIVE, f"its modulus is not 2^{_BITS}")
    (size,) = info["abstractShape"]["dimensions"]
    dimension = keyset.dimensions[encryption["keyId"]]
    _expect(encryption["lweDimension"] == dimension, "a gate disagrees with its secret key on the dimension")
    _expect(info["concreteShape"]["dimensions"] == [size, dimension + 1], "its ciphertexts have another shape")
    _expect(gate["rawInfo"]["shape"] == info["concreteShape"], "its raw ciphertexts have another shape")
    return CiphertextType(size, encryption["keyId"], encoding["width"], encryption["variance"])


def _count_lookups(feedbacks: list[dict[str, Any]]) -> int:
    return sum(
        entry["count"] for feedback in feedbacks for entry in feedback["statistics"] if entry["operation"] == "PBS"
    )
