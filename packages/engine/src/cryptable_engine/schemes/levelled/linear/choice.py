"""Parameters of a linear circuit whose client specification has none yet: those of the fewest bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.levelled.linear_layout import MAX_LINEAR_MODULI, LinearLayout
from cryptable_protocol.schemes.levelled.linear_parameters import (
    LEAST_ANSWER_BITS,
    LEAST_MODULUS,
    LEAST_ROW_BITS,
    MOST_ANSWER_BITS,
    MOST_MODULUS,
    MOST_ROW_BITS,
    LinearParameters,
)

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import CompilationError
from cryptable_engine.schemes.levelled.linear.plan import input_bits, matrix_of

_MOST_POLYNOMIALS = 3
AIM_UP, AIM_DOWN = 19_970, 4_950
"""Bytes that a row and an answer should not take; beyond that, fewer in all are better."""


def choose_linear_parameters(circuit: Circuit, highest_output: int, p_error: float) -> LinearParameters:
    """Those of the fewest bytes, whose answers are exact enough and tell little enough.

    Args:
        circuit: a linear one.
        highest_output: of any output over honest rows.
        p_error: probability that an answer is wrong.

    Raises:
        CompilationError: there are none; says what to do.
    """
    inputs, outputs = matrix_of(circuit)[0].shape
    best: LinearParameters | None = None
    refused = ""

    def made(
        moduli: tuple[int, ...], part: int, answer_bits: int, row_bits: int, interleaved: bool
    ) -> LinearParameters | None:
        nonlocal refused
        try:
            return LinearParameters(
                inputs=inputs,
                input_bits=input_bits(circuit),
                row_word_bits=row_bits,
                moduli=moduli,
                outputs=outputs,
                outputs_per_part=part,
                maximum=highest_output,
                answer_word_bits=answer_bits,
                p_error=p_error,
                interleaved=interleaved,
            )
        except MalformedMessageError as error:
            refused = str(error)
            return None

    # Windows first: clients of before know no other layout, so that another one has to bring an aim within reach.
    for interleaved, moduli in product((False, True), _moduli(highest_output)):
        if interleaved and (len(moduli) != 3 or (best is not None and not _bytes(best)[0])):
            continue
        parts = _parts(inputs, outputs, len(moduli), interleaved)
        for part, answer_bits in product(parts, range(LEAST_ANSWER_BITS, MOST_ANSWER_BITS + 1)):
            found = made(moduli, part, answer_bits, MOST_ROW_BITS, interleaved)
            if found is None:
                continue
            # Finer words of a row have less noise: the coarsest that will do, by halving.
            low, high = LEAST_ROW_BITS, MOST_ROW_BITS
            while low < high:
                middle = (low + high) // 2
                coarser = made(moduli, part, answer_bits, middle, interleaved)
                found, low, high = (found, middle + 1, high) if coarser is None else (coarser, low, middle)
            if best is None or _is_better(found, best):
                best = found
    if best is None:
        raise CompilationError(
            f"levelled: no parameters hide the weights of this circuit of {inputs} inputs and {outputs} outputs up to "
            f"{highest_output} ({refused}); use fewer features or scores, a larger tolerance=, or hide_weights=False"
        )
    return best


def _is_better(found: LinearParameters, best: LinearParameters) -> bool:
    if found.interleaved != best.interleaved:
        return _bytes(found)[0] < _bytes(best)[0]
    return _bytes(found) < _bytes(best)


def _parts(inputs: int, outputs: int, moduli: int, interleaved: bool) -> list[int]:
    """Outputs of a part to try: all, or as many as leave room for all inputs in few polynomials."""
    runs = [-(-inputs // polynomials) for polynomials in range(1, _MOST_POLYNOMIALS + 1)]
    # Of a run's inputs and a part's outputs, the layout says the same.
    wanted = {min(outputs, LinearLayout(inputs, run, moduli, interleaved).run) for run in runs}
    return sorted({outputs, *wanted} - {0})


def _bytes(parameters: LinearParameters) -> tuple[int, int]:
    """How many of the aims are missed, and bytes up and down together."""
    up, down = parameters.row_bytes, parameters.answer_bytes
    return (up > AIM_UP) + (down > AIM_DOWN), up + down


def _moduli(highest_output: int) -> Iterator[tuple[int, ...]]:
    """For each number of moduli, those of the least greatest one that tell outputs apart."""
    for count in range(1, MAX_LINEAR_MODULI + 1):
        greatest = max(LEAST_MODULUS + count, math.floor(highest_output ** (1 / count)))
        while greatest <= MOST_MODULUS:
            found = _coprime(greatest, count)
            if len(found) == count and math.prod(found) > highest_output:
                yield tuple(sorted(found))
                break
            greatest += 1


def _coprime(greatest: int, count: int) -> list[int]:
    """The greatest number, and the next smaller ones that share no factor with those before."""
    found: list[int] = []
    for number in range(greatest, LEAST_MODULUS - 1, -1):
        if all(math.gcd(number, other) == 1 for other in found):
            found.append(number)
            if len(found) == count:
                break
    return found
