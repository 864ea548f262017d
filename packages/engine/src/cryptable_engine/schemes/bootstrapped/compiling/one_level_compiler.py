"""Compiles one-level circuits, which takes no native code: a choice of crypto parameters, and the circuit itself."""

from __future__ import annotations

import math
from pathlib import Path

from cryptable_protocol import CiphertextType, CompileOptions, KeysetParameters

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.schemes.bootstrapped.compiling.chosen_keyset import ChosenKeyset
from cryptable_engine.schemes.bootstrapped.compiling.refusals import cannot_be_onto
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import one_level_entries
from cryptable_engine.schemes.bootstrapped.parameters.formulas import minimal_variance
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout
from cryptable_engine.schemes.bootstrapped.parameters.one_level import (
    LARGE_KEY,
    SMALL_KEY,
    OneLevelDemands,
    cheapest_keyset,
    complexity,
    demands_of,
    is_exact_enough,
    is_secure,
    p_error_under,
    serves_one_level,
    was_exact_enough,
)
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import ROUNDED


def choose_one_level(
    circuit: Circuit,
    layout: Layout,
    options: CompileOptions,
    *,
    catalogue: bool,
    promised: KeysetParameters | None = None,
) -> ChosenKeyset | None:
    """The keyset that a circuit is compiled onto: as `compile_circuit` says; None where that is Concrete's to choose.

    Raises:
        CompilationError: `options` name a keyset for one-level circuits, and this is none, or not exact enough with it.
    """
    wanted = options.keyset or promised
    if wanted is not None and not serves_one_level(wanted):
        return None
    demands = demands_of(circuit, layout)
    if wanted is not None:
        _check_wanted(wanted, demands, options, is_old=promised is not None)
        return ChosenKeyset(wanted, options.keyset_entry, None)
    if demands is None:
        return None
    own = cheapest_keyset(demands, options.p_error)
    if own is None:
        return None
    cheapest = ChosenKeyset(own, "", complexity(own, demands.lookups))
    entries = one_level_entries(complexity(own, 1)) if catalogue else ()
    return ChosenKeyset.of(cheapest, entries, lambda keyset: is_exact_enough(keyset, demands, options.p_error))


def _check_wanted(
    wanted: KeysetParameters, demands: OneLevelDemands | None, options: CompileOptions, *, is_old: bool
) -> None:
    if not is_secure(wanted):
        why = "its keys have fewer than 128 bits of security"
    elif demands is None:
        why = "that is for circuits of one level of lookups, and this one is not"
    elif (p_error := p_error_under(wanted, demands)) <= ROUNDED * options.p_error or (
        is_old and was_exact_enough(wanted, demands, options.p_error)
    ):
        return
    else:
        why = (
            "that is for circuits of one level of lookups, and this one needs less noise (p_error would be "
            f"2^{math.log2(p_error):.0f}, asked for is 2^{math.log2(options.p_error):.0f})"
        )
    raise cannot_be_onto(options.keyset_entry, why)


def write_one_level(
    circuit: Circuit, layout: Layout, choice: ChosenKeyset, options: CompileOptions, directory: Path
) -> None:
    """Store a circuit and its parameters, for `Program.load` and the evaluator."""
    small = choice.keyset.dimensions[SMALL_KEY]
    given = CiphertextType(circuit.input.size, SMALL_KEY, layout.widths[0], minimal_variance(small))
    returned = CiphertextType(circuit.nodes[circuit.output].size, LARGE_KEY, layout.output.width, 0.0)
    choice.write(circuit, layout, given, returned, options, directory)
