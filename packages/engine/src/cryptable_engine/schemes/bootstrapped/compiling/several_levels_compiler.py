"""Compiles circuits of any number of levels under one bootstrap key and one keyswitch key: a choice of parameters."""

from __future__ import annotations

from pathlib import Path

from cryptable_protocol import CiphertextType, CompileOptions, KeysetParameters

from cryptable_engine.circuit.circuit import Circuit, Lookup
from cryptable_engine.schemes.bootstrapped.compiling.chosen_keyset import ChosenKeyset
from cryptable_engine.schemes.bootstrapped.compiling.refusals import cannot_be_onto, nothing_is_exact_enough
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import several_levels_entries
from cryptable_engine.schemes.bootstrapped.parameters.keyset_search import cheapest_keyset
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import (
    complexity,
    demands_of,
    is_exact_enough,
    is_secure,
    serves_several_levels,
)
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import (
    ROUNDED,
    optimizers_p_error,
    why_not_exact_enough,
)


def choose_several_levels(
    circuit: Circuit,
    layout: Layout,
    options: CompileOptions,
    *,
    catalogue: bool,
    promised: KeysetParameters | None = None,
) -> ChosenKeyset:
    """The keyset that a circuit with lookups is compiled onto, as `compile_circuit` says.

    Args:
        circuit: verified.
        layout: its layout.
        options: where they name a keyset, it is taken.
        catalogue: where they name none, an entry of the catalogue may be taken instead of the cheapest.
        promised: of an artifact; the choice of any version, also of one that took noise for less than it may be.

    Raises:
        CompilationError: the keyset that is named is not one of this kind, not secure or not exact enough; or none is.
    """
    wanted = promised or options.keyset
    if wanted is not None:
        if why := _why_not(circuit, wanted, options.p_error, is_old=promised is not None):
            raise cannot_be_onto(options.keyset_entry, why)
        return ChosenKeyset(wanted, options.keyset_entry, None)
    demands = demands_of(circuit, layout)
    own = cheapest_keyset(demands, options.p_error)
    if own is None:
        raise nothing_is_exact_enough()
    optimum = complexity(own, demands.lookups)
    entries = several_levels_entries(complexity(own, 1)) if catalogue else ()
    return ChosenKeyset.of(own, optimum, entries, lambda keyset: is_exact_enough(keyset, demands, options.p_error))


def _why_not(circuit: Circuit, keyset: KeysetParameters, p_error: float, *, is_old: bool) -> str | None:
    if not serves_several_levels(keyset):
        return "it has no keyswitch key, or several keys of a kind"
    if not is_secure(keyset):
        return "its keys have fewer than 128 bits of security"
    (key,) = keyset.bootstrap_keys
    widest = max(node.width for node in circuit.nodes if isinstance(node, Lookup))
    if key.polynomial_size < 2 << widest:
        return f"lookups of {widest} bits do not fit polynomials of {key.polynomial_size}"
    if is_old and optimizers_p_error(circuit, keyset) <= ROUNDED * p_error:
        return None
    return why_not_exact_enough(circuit, keyset, p_error)


def write_several_levels(
    circuit: Circuit, layout: Layout, choice: ChosenKeyset, options: CompileOptions, directory: Path
) -> None:
    """Store a circuit and its parameters, for `Program.load` and the evaluator."""
    (key,) = choice.keyset.bootstrap_keys
    # Inputs have the variance of the bootstrap key's rows, which are under the same secret key.
    given = CiphertextType(circuit.input.size, key.output_key, layout.widths[0], key.variance)
    returned = CiphertextType(circuit.nodes[circuit.output].size, key.output_key, layout.output.width, 0.0)
    choice.write(circuit, layout, given, returned, options, directory)
