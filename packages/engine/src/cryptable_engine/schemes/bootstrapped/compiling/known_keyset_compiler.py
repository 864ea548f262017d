"""Compiles sums and several levels of lookups where concrete-python is not: onto a keyset known to be exact enough.

The keyset is one that was promised or asked for, or an entry of the catalogue. An optimizer of a circuit's own keyset
is Concrete's alone; and so are circuits that need several keys of a kind.
"""

from __future__ import annotations

import math
from pathlib import Path

from cryptable_protocol import CiphertextType, CompileOptions, KeysetParameters

from cryptable_engine.circuit.circuit import Circuit, Linear, Lookup
from cryptable_engine.errors import SchemeUnavailableError
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import supports
from cryptable_engine.schemes.bootstrapped.linear_program import write_linear
from cryptable_engine.schemes.bootstrapped.lookup_program import write_lookups
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_catalogue, secret_key_entries
from cryptable_engine.schemes.bootstrapped.parameters.formulas import MINIMUM_DIMENSION, minimal_variance
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import (
    ROUNDED,
    optimizers_p_error,
    sums_p_error,
    true_p_error,
)
from cryptable_engine.schemes.bootstrapped.program import EvaluationKind, own_facts, write_record

_ROUNDED_VARIANCE = 1 - 3e-5
"""Of `minimal_variance`, what Concrete's numbers, which it rounds up, may be."""


def compile_onto_known_keyset(
    circuit: Circuit,
    layout: Layout,
    options: CompileOptions,
    directory: Path,
    *,
    promised: KeysetParameters | None,
    input_variance: float | None = None,
) -> None:
    """Store a circuit and the parameters that it is evaluated with, for `Program.load`.

    Args:
        circuit: verified.
        layout: its layout.
        options: where they name a keyset, it is taken.
        directory: exists, and is empty.
        promised: of an artifact; the choice of any version, also of one that took noise for less than it may be.
        input_variance: of a promised circuit without lookups, whose keyset does not say it.

    Raises:
        SchemeUnavailableError: the keyset has several keys of a kind, is not exact enough, or none of the catalogue is.
    """
    wanted = promised or options.keyset
    if not circuit.lookups:
        _compile_sums(circuit, layout, options, directory, wanted, input_variance)
        return
    if wanted is None:
        found = _entry_for(circuit, options.p_error)
        if found is None:
            raise SchemeUnavailableError(
                "no keyset of the catalogue is exact enough for this circuit of several levels"
            )
        name, wanted = found
    else:
        name = options.keyset_entry
        if why := _why_not(circuit, wanted, options.p_error, is_old=promised is not None):
            raise SchemeUnavailableError(why)
    (key,) = wanted.bootstrap_keys
    large = key.output_key
    # Of inputs as of the bootstrap key's rows, which are under the same secret key.
    given = CiphertextType(circuit.input.size, large, layout.widths[0], key.variance)
    returned = CiphertextType(circuit.nodes[circuit.output].size, large, layout.output.width, 0.0)
    write_lookups(circuit, layout, directory)
    facts = own_facts(wanted, given, returned, circuit.lookups)
    write_record(directory, options.p_error, evaluation=EvaluationKind.LOOKUPS, keyset_entry=name, own=facts)


def _entry_for(circuit: Circuit, p_error: float) -> tuple[str, KeysetParameters] | None:
    """The cheapest that is exact enough."""
    entries = [entry for entry in keyset_catalogue() if entry.keyset.keyswitch_keys and not entry.retired]
    for entry in sorted(entries, key=lambda each: each.price):
        if entry.p_error <= p_error and _why_not(circuit, entry.keyset, p_error, is_old=False) is None:
            return entry.name, entry.keyset
    return None


def _why_not(circuit: Circuit, keyset: KeysetParameters, p_error: float, *, is_old: bool) -> str | None:
    if not (supports(keyset) and keyset.keyswitch_keys):
        return "its keyset has several keys of a kind, or none"
    (key,), (switch,) = keyset.bootstrap_keys, keyset.keyswitch_keys
    for each, under in ((key, key.output_key), (switch, switch.output_key)):
        if each.variance < _ROUNDED_VARIANCE * minimal_variance(keyset.dimensions[under]):
            return "its keys have fewer than 128 bits of security"
    widest = max(node.width for node in circuit.nodes if isinstance(node, Lookup))
    if key.polynomial_size < 2 << widest:
        return f"lookups of {widest} bits do not fit polynomials of {key.polynomial_size}"
    true = true_p_error(circuit, keyset, p_error)
    if true <= ROUNDED * p_error or (is_old and optimizers_p_error(circuit, keyset) <= ROUNDED * p_error):
        return None
    return f"p_error would be 2^{math.log2(true):.0f}, asked for is 2^{math.log2(p_error):.0f}"


def _compile_sums(
    circuit: Circuit,
    layout: Layout,
    options: CompileOptions,
    directory: Path,
    wanted: KeysetParameters | None,
    variance: float | None,
) -> None:
    """One matrix, under the shortest secret key that is secure and long enough."""
    is_one_matrix = (
        len(circuit.nodes) == 2 and isinstance(circuit.nodes[1], Linear) and len(circuit.nodes[1].terms) == 1
    )
    if not is_one_matrix or layout.output.bits != layout.output.width:
        raise SchemeUnavailableError("it is no single matrix")
    entries = (
        [(options.keyset_entry, wanted)] if wanted else [(each.name, each.keyset) for each in secret_key_entries(0)]
    )
    for name, keyset in entries:
        if len(keyset.secret_keys) != 1 or keyset.bootstrap_keys or keyset.keyswitch_keys:
            continue
        (secret,) = keyset.secret_keys
        least = minimal_variance(secret.dimension)
        used = least if variance is None else variance
        if used < _ROUNDED_VARIANCE * least or secret.dimension < MINIMUM_DIMENSION:
            continue
        if sums_p_error(circuit, used) <= ROUNDED * options.p_error:
            given = CiphertextType(circuit.input.size, secret.id, layout.widths[0], used)
            returned = CiphertextType(circuit.nodes[1].size, secret.id, layout.output.width, 0.0)
            write_linear(circuit, directory)
            facts = own_facts(keyset, given, returned, 0)
            write_record(directory, options.p_error, evaluation=EvaluationKind.LINEAR, keyset_entry=name, own=facts)
            return
    raise SchemeUnavailableError(
        "no secret key of the catalogue, or of this model, is secure and exact enough for its sums"
    )
