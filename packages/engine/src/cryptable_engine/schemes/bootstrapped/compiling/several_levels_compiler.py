"""Compiles circuits of any number of levels: a choice of parameters, one bootstrap key or, where cheaper, several."""

from __future__ import annotations

from pathlib import Path

from cryptable_protocol import CiphertextType, CompileOptions, KeysetParameters
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

from cryptable_engine.circuit.circuit import Circuit, Lookup
from cryptable_engine.schemes.bootstrapped.compiling.chosen_keyset import ChosenKeyset
from cryptable_engine.schemes.bootstrapped.compiling.refusals import cannot_be_onto, nothing_is_exact_enough
from cryptable_engine.schemes.bootstrapped.parameters.assignment import one_of_a_kind
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import several_levels_entries
from cryptable_engine.schemes.bootstrapped.parameters.keyset_search import cheapest_keyset
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout
from cryptable_engine.schemes.bootstrapped.parameters.lookup_groups import cheapest_assignment, lookup_groups
from cryptable_engine.schemes.bootstrapped.parameters.several_keys_search import cheapest_of_several
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

_WORTH_SEVERAL = 0.98
"""Of the price with one key of a kind, what that with several may be at most: they are more to keep and to make."""


def choose_several_levels(
    circuit: Circuit,
    layout: Layout,
    options: CompileOptions,
    *,
    catalogue: bool,
    promised: BootstrappedParameters | None = None,
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
    wanted = options.keyset if promised is None else promised.keyset
    if wanted is not None and has_several(wanted):
        return _onto_several(circuit, layout, wanted, options, promised)
    if wanted is not None:
        if why := _why_not(circuit, wanted, options.p_error, is_old=promised is not None):
            raise cannot_be_onto(options.keyset_entry, why)
        return ChosenKeyset(wanted, options.keyset_entry, None)
    demands = demands_of(circuit, layout)
    own = cheapest_keyset(demands, options.p_error)
    if own is None:
        raise nothing_is_exact_enough()
    one = ChosenKeyset(own, "", complexity(own, demands.lookups))
    cheapest = _several(circuit, layout, own, options.p_error) or one
    entries = several_levels_entries((cheapest.optimum or 0.0) / demands.lookups) if catalogue else ()
    return ChosenKeyset.of(cheapest, entries, lambda keyset: is_exact_enough(keyset, demands, options.p_error))


def has_several(keyset: KeysetParameters) -> bool:
    """Whether a keyset has several keys of a kind."""
    return len(keyset.bootstrap_keys) > 1 or len(keyset.keyswitch_keys) > 1


def _several(circuit: Circuit, layout: Layout, one: KeysetParameters, p_error: float) -> ChosenKeyset | None:
    """Several keys of a kind, where they are found and are worth it."""
    grouped = lookup_groups(circuit, layout)
    keyset = None if grouped is None else cheapest_of_several(grouped, p_error, one)
    assigned = None if keyset is None else cheapest_assignment(circuit, layout, keyset, p_error)
    if keyset is None or assigned is None or assigned[1] > _WORTH_SEVERAL * complexity(one, circuit.lookups):
        return None
    return ChosenKeyset(keyset, "", assigned[1], *assigned)


def _onto_several(
    circuit: Circuit,
    layout: Layout,
    wanted: KeysetParameters,
    options: CompileOptions,
    promised: BootstrappedParameters | None,
) -> ChosenKeyset:
    """Of several keys of a kind: those that are cheapest for each lookup, of all that a promise leaves."""
    given, returned = (None, None) if promised is None else (promised.input.key, promised.output.key)
    why, assigned = "its keys have fewer than 128 bits of security", None
    if is_secure(wanted):
        assigned = cheapest_assignment(circuit, layout, wanted, options.p_error, given=given, returned=returned)
        why = "no choice among its keys is exact enough"
    if assigned is None:
        raise cannot_be_onto(options.keyset_entry, why)
    return ChosenKeyset(wanted, options.keyset_entry, None, *assigned)


def _why_not(circuit: Circuit, keyset: KeysetParameters, p_error: float, *, is_old: bool) -> str | None:
    if not serves_several_levels(keyset):
        return "its keyswitch key does not lead from what it looks up to what it bootstraps"
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
    assignment = choice.assignment or one_of_a_kind(circuit, choice.keyset)
    under, returned_under = assignment.under[0], assignment.under[circuit.output]
    # Inputs have the variance of a bootstrap key's rows, which are under the same secret key.
    variance = next(key.variance for key in choice.keyset.bootstrap_keys if key.output_key == under)
    given = CiphertextType(circuit.input.size, under, layout.widths[0], variance)
    returned = CiphertextType(circuit.nodes[circuit.output].size, returned_under, layout.output.width, 0.0)
    choice.write(circuit, layout, given, returned, options, directory)
