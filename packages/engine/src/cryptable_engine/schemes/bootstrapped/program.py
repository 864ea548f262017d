"""Program: a compiled circuit on disk, and its crypto parameters."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptable_protocol import CiphertextType, ClientSpec, KeysetParameters, MalformedMessageError

from cryptable_engine.errors import ProgramMismatchError, UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.concrete.info import ProgramFacts, expect, read_concrete
from cryptable_engine.schemes.bootstrapped.concrete.native import read_json
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_from_json, keyset_to_json
from cryptable_engine.schemes.bootstrapped.parameters.one_level import complexity

RECORD = "program.json"
_RECORD_FORMAT = 4


@dataclass(frozen=True)
class Program:
    """A compiled circuit.

    `output` has variance 0, as in a ClientSpec. `complexity` is the price of one evaluation as Concrete's optimizer
    counts it (1.4e8 is about 28 ms of one core), `lookups` the number of programmable bootstrappings, `p_error` the
    largest probability that one of them, or the reading of the result, fails. `keyset_entry` names the entry of the
    catalogue that it was compiled onto, empty where the keyset is the circuit's own; `optimum` is the complexity under
    the cheapest keyset, None where that was not asked. `is_native` says that Concrete has compiled it.
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
    is_native: bool = True

    @classmethod
    def load(cls, directory: str | Path) -> Program:
        """Read what `compile_circuit` has written: a trusted directory, since its library is native code.

        Raises:
            CompilationError: a file is missing or is not what was written.
            UnsupportedProgramError: the program is of a kind that the engine does not run.
        """
        directory = Path(directory)
        record = read_json(directory / RECORD)
        try:
            expect(record["format"] == _RECORD_FORMAT, f"{RECORD} has format {record['format']}")
            p_error, keyset_entry = float(record["p_error"]), str(record["keyset_entry"])
            optimum = None if record["optimum"] is None else float(record["optimum"])
            one_level = record["one_level"]
            facts = read_concrete(directory, p_error) if one_level is None else _one_level_from_json(one_level)
        except (KeyError, TypeError, ValueError) as error:
            raise UnsupportedProgramError(f"program: {RECORD} is damaged ({error!r}); compile it again") from error
        except MalformedMessageError as error:
            raise UnsupportedProgramError(f"program: {error}") from error
        return cls(directory, *facts, p_error, keyset_entry, optimum, is_native=one_level is None)

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


def write_record(
    directory: Path,
    p_error: float,
    *,
    keyset_entry: str = "",
    optimum: float | None = None,
    one_level: ProgramFacts | None = None,
) -> None:
    """What Concrete's own files do not say; of a one-level circuit, for which there are none, all facts."""
    record = {
        "format": _RECORD_FORMAT,
        "p_error": p_error,
        "keyset_entry": keyset_entry,
        "optimum": optimum,
        "one_level": None if one_level is None else _one_level_to_json(one_level),
    }
    (directory / RECORD).write_text(json.dumps(record))


def one_level_facts(
    keyset: KeysetParameters, given: CiphertextType, returned: CiphertextType, lookups: int
) -> ProgramFacts:
    """Of a one-level circuit, whose price follows from its keys."""
    return ProgramFacts(keyset, given, returned, complexity(keyset, lookups), lookups)


def _one_level_to_json(facts: ProgramFacts) -> dict[str, Any]:
    given, returned = asdict(facts.input), asdict(facts.output)
    return {"keyset": keyset_to_json(facts.keyset), "input": given, "output": returned, "lookups": facts.lookups}


def _one_level_from_json(own: dict[str, Any]) -> ProgramFacts:
    given, returned = CiphertextType(**own["input"]), CiphertextType(**own["output"])
    return one_level_facts(keyset_from_json(own["keyset"]), given, returned, int(own["lookups"]))
