"""ChosenKeyset: the keyset that a circuit with lookups is compiled onto, and what is written of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptable_protocol import CiphertextType, CompileOptions, KeysetParameters

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.schemes.bootstrapped.lookup_program import write_lookups
from cryptable_engine.schemes.bootstrapped.parameters.assignment import Assignment
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import KeysetEntry
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout
from cryptable_engine.schemes.bootstrapped.program import EvaluationKind, own_facts, write_record


@dataclass(frozen=True)
class ChosenKeyset:
    """A keyset, its entry's name if it has one, and the price under the cheapest; None where nobody asked.

    Of several keys of a kind, `assignment` says which has which, and `price` what a circuit costs so.
    """

    keyset: KeysetParameters
    entry: str
    optimum: float | None
    assignment: Assignment | None = None
    price: float | None = None

    @classmethod
    def of(
        cls,
        own: ChosenKeyset,
        entries: Iterable[KeysetEntry],
        is_exact_enough: Callable[[KeysetParameters], bool],
    ) -> ChosenKeyset:
        """The first of some entries that is exact enough, else the cheapest keyset of all."""
        for entry in entries:
            if is_exact_enough(entry.keyset):
                return cls(entry.keyset, entry.name, own.optimum)
        return own

    def write(
        self,
        circuit: Circuit,
        layout: Layout,
        given: CiphertextType,
        returned: CiphertextType,
        options: CompileOptions,
        directory: Path,
    ) -> None:
        """Store a circuit and its parameters, for `Program.load` and the evaluator."""
        write_lookups(circuit, layout, directory)
        write_record(
            directory,
            options.p_error,
            evaluation=EvaluationKind.LOOKUPS,
            keyset_entry=self.entry,
            optimum=self.optimum,
            own=own_facts(self.keyset, given, returned, circuit.lookups, self.price),
            assignment=self.assignment,
        )
