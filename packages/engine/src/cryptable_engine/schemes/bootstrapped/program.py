"""BootstrappedProgram: a compiled circuit on disk, its crypto parameters, and how it is evaluated."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptable_protocol import CiphertextType, InternalError, KeysetParameters, MalformedMessageError
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, SchemeParameters

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import supports
from cryptable_engine.schemes.bootstrapped.concrete.info import ProgramFacts, expect, read_concrete
from cryptable_engine.schemes.bootstrapped.parameters import one_level, several_levels
from cryptable_engine.schemes.bootstrapped.parameters.assignment import Assignment, LookupKeys
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_from_json, keyset_to_json
from cryptable_engine.schemes.folder import RECORD, load_record, save_record
from cryptable_engine.schemes.scheme import Program


class EvaluationKind(enum.Enum):
    """Who evaluates a program."""

    LINEAR = "linear"
    """NumPy alone: one matrix, and no lookup (`linear_program`)."""
    LOOKUPS = "lookups"
    """NumPy and one bootstrapping a lookup, node by node (`lookup_program`)."""
    CONCRETE = "concrete"
    """What Concrete has compiled, which knows several keys of a kind."""


@dataclass(frozen=True)
class BootstrappedProgram(Program):
    """A program of the scheme `bootstrapped`."""

    evaluation: EvaluationKind = EvaluationKind.CONCRETE
    assignment: Assignment | None = None
    """Which keys each lookup has, where there are several of a kind that we evaluate with."""

    def _facts(self, parameters: SchemeParameters) -> Mapping[str, object]:
        if not isinstance(parameters, BootstrappedParameters):
            raise InternalError(f"parameters of scheme {parameters.scheme!r} in one of {BOOTSTRAPPED!r}")
        return {
            "secret keys": parameters.keyset.secret_keys,
            "bootstrap keys": parameters.keyset.bootstrap_keys,
            "keyswitch keys": parameters.keyset.keyswitch_keys,
            "input": parameters.input,
            "output": parameters.output,
            "p_error": parameters.p_error,
        }


def kind_of(circuit: Circuit, facts: ProgramFacts) -> EvaluationKind:
    """The quickest evaluator of those that know these keys."""
    if not circuit.lookups and facts.input.key == facts.output.key:
        return EvaluationKind.LINEAR
    return EvaluationKind.LOOKUPS if supports(facts.keyset) else EvaluationKind.CONCRETE


def write_record(
    directory: Path,
    p_error: float,
    *,
    evaluation: EvaluationKind = EvaluationKind.CONCRETE,
    keyset_entry: str = "",
    optimum: float | None = None,
    own: ProgramFacts | None = None,
    assignment: Assignment | None = None,
) -> None:
    """What Concrete's own files do not say; of a circuit that it has not compiled, for which there are none, all."""
    facts = {
        "p_error": p_error,
        "evaluation": evaluation.value,
        "keyset_entry": keyset_entry,
        "optimum": optimum,
        # Under the name that it had when one-level circuits alone were compiled without Concrete.
        "one_level": None if own is None else _own_to_json(own),
        "assignment": None if assignment is None else _assignment_to_json(assignment),
    }
    save_record(directory, BOOTSTRAPPED, facts)


def read_program(directory: Path) -> BootstrappedProgram:
    """What a compiler and `write_record` have written; raises as `Program.load` does."""
    record = load_record(directory)
    try:
        p_error, keyset_entry = float(record["p_error"]), str(record["keyset_entry"])
        optimum = None if record["optimum"] is None else float(record["optimum"])
        evaluation, own = EvaluationKind(record["evaluation"]), record["one_level"]
        kinds = (EvaluationKind.LOOKUPS, EvaluationKind.LINEAR)
        expect(own is None or evaluation in kinds, f"one level, evaluated as {evaluation.value}")
        facts = read_concrete(directory, p_error) if own is None else _own_from_json(own)
        assignment = _assignment_from_json(record.get("assignment"))
        parameters = BootstrappedParameters(facts.keyset, facts.input, facts.output, p_error)
    except (KeyError, TypeError, ValueError) as error:
        raise UnsupportedProgramError(f"program: {RECORD} is damaged ({error!r}); compile it again") from error
    except MalformedMessageError as error:
        raise UnsupportedProgramError(f"program: {error}") from error
    return BootstrappedProgram(
        directory,
        parameters,
        facts.complexity,
        keyset_entry,
        optimum,
        facts.lookups,
        is_native=own is None,
        evaluation=evaluation,
        assignment=assignment,
    )


def own_facts(
    keyset: KeysetParameters,
    given: CiphertextType,
    returned: CiphertextType,
    lookups: int,
    price: float | None = None,
) -> ProgramFacts:
    """Of a circuit that Concrete has not compiled, whose price follows from its keys where there is one of a kind."""
    return ProgramFacts(keyset, given, returned, _price(keyset, lookups) if price is None else price, lookups)


def _price(keyset: KeysetParameters, lookups: int) -> float:
    if not keyset.bootstrap_keys:
        return float(keyset.secret_keys[0].dimension)  # of the optimizer: one addition of ciphertexts
    if keyset.keyswitch_keys:
        return several_levels.complexity(keyset, lookups)
    return one_level.complexity(keyset, lookups)


def _own_to_json(facts: ProgramFacts) -> dict[str, Any]:
    given, returned = asdict(facts.input), asdict(facts.output)
    keyset = keyset_to_json(facts.keyset)
    return {"keyset": keyset, "input": given, "output": returned, "lookups": facts.lookups, "price": facts.complexity}


def _own_from_json(own: dict[str, Any]) -> ProgramFacts:
    given, returned = CiphertextType(**own["input"]), CiphertextType(**own["output"])
    price = own.get("price")  # of earlier versions there is none: they had one key of a kind
    keyset = keyset_from_json(own["keyset"])
    return own_facts(keyset, given, returned, int(own["lookups"]), None if price is None else float(price))


def _assignment_to_json(assignment: Assignment) -> dict[str, Any]:
    return {"under": list(assignment.under), "lookups": [[node, *keys] for node, keys in assignment.lookups.items()]}


def _assignment_from_json(assignment: dict[str, Any] | None) -> Assignment | None:
    if assignment is None:
        return None
    lookups = {int(node): LookupKeys(int(under), int(key)) for node, under, key in assignment["lookups"]}
    return Assignment(tuple(map(int, assignment["under"])), lookups)
