"""Compiles circuits without lookups, which need no evaluation keys: a length of the secret key, and one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptable_protocol import CiphertextType, CompileOptions, KeysetParameters, SecretKeyParameters
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.schemes.bootstrapped.compiling.refusals import cannot_be_onto, nothing_is_exact_enough
from cryptable_engine.schemes.bootstrapped.linear_program import write_linear
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import secret_key_entries
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    MINIMUM_DIMENSION,
    ROUNDED_VARIANCE,
    minimal_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout, lay_out
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import ROUNDED, sums_p_error
from cryptable_engine.schemes.bootstrapped.program import EvaluationKind, own_facts, write_record

_DIMENSIONS = range(MINIMUM_DIMENSION, 2518)
"""Of secret keys: longer ones have no less noise."""


@dataclass(frozen=True)
class SumsChoice:
    """A secret key, the variance of inputs under it, and the price of the shortest key; None where nobody asked.

    `layout` has spare bits where those of an artifact have: see `keyset_choice`.
    """

    layout: Layout
    keyset: KeysetParameters
    input_variance: float
    entry: str
    optimum: float | None


def choose_sums(
    circuit: Circuit,
    layout: Layout,
    options: CompileOptions,
    *,
    catalogue: bool,
    promised: BootstrappedParameters | None,
) -> SumsChoice:
    """The secret key that a circuit without lookups is compiled onto, as `compile_circuit` says.

    Args:
        circuit: verified.
        layout: its layout.
        options: where they name a keyset, it is taken.
        catalogue: where they name none, the shortest key of the catalogue that is long enough is taken.
        promised: of an artifact, which says how noisy inputs and how wide outputs are.

    Raises:
        CompilationError: the key that is named is not secure or exact enough, or no key is.
    """
    wanted = options.keyset if promised is None else promised.keyset
    if wanted is not None:
        variance = minimal_variance(wanted.secret_keys[0].dimension) if promised is None else promised.input.variance
        if promised is not None and promised.output.width > layout.output.width:
            spare_bits = promised.output.width - layout.output.width
            layout = lay_out(circuit, verify(circuit), spare_bits=spare_bits)
        if why := _why_not(circuit, layout, wanted, options.p_error, variance):
            raise cannot_be_onto(options.keyset_entry, why)
        return SumsChoice(layout, wanted, variance, options.keyset_entry, None)
    shortest = _shortest(circuit, layout, options.p_error)
    entries = [(each.name, each.keyset) for each in secret_key_entries(shortest)] if catalogue else []
    name, keyset = (*entries, ("", KeysetParameters((SecretKeyParameters(0, shortest),))))[0]
    return SumsChoice(layout, keyset, minimal_variance(keyset.secret_keys[0].dimension), name, float(shortest))


def _shortest(circuit: Circuit, layout: Layout, p_error: float) -> int:
    """Dimension of the shortest key that is exact enough; noise falls as keys grow."""
    low, high = _DIMENSIONS.start, _DIMENSIONS.stop
    while low < high:
        middle = (low + high) // 2
        is_enough = sums_p_error(circuit, layout, minimal_variance(middle)) <= p_error
        low, high = (low, middle) if is_enough else (middle + 1, high)
    if low == _DIMENSIONS.stop:
        raise nothing_is_exact_enough()
    return low


def _why_not(circuit: Circuit, layout: Layout, keyset: KeysetParameters, p_error: float, variance: float) -> str | None:
    if len(keyset.secret_keys) != 1 or keyset.bootstrap_keys or keyset.keyswitch_keys:
        return "that is for circuits with lookups, and this one has none"
    (secret,) = keyset.secret_keys
    if secret.dimension < MINIMUM_DIMENSION or variance < ROUNDED_VARIANCE * minimal_variance(secret.dimension):
        return "its keys have fewer than 128 bits of security"
    if sums_p_error(circuit, layout, variance) > ROUNDED * p_error:
        return "this model needs less noise"
    return None


def write_sums(circuit: Circuit, choice: SumsChoice, options: CompileOptions, directory: Path) -> None:
    """Store a circuit and its parameters, for `Program.load` and the evaluator."""
    (secret,), layout = choice.keyset.secret_keys, choice.layout
    given = CiphertextType(circuit.input.size, secret.id, layout.widths[0], choice.input_variance)
    returned = CiphertextType(circuit.nodes[circuit.output].size, secret.id, layout.output.width, 0.0)
    write_linear(circuit, layout.output, directory)
    facts = own_facts(choice.keyset, given, returned, 0)
    write_record(
        directory,
        options.p_error,
        evaluation=EvaluationKind.LINEAR,
        keyset_entry=choice.entry,
        optimum=choice.optimum,
        own=facts,
    )
