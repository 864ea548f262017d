"""Parameters for a circuit whose client specification has none yet: the cheapest under which its noise fits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.parameters import MAX_MODULI, MODULI, LevelledParameters

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import CircuitError, CompilationError, ProgramMismatchError
from cryptable_engine.schemes.levelled.noise.bound import noise_bound
from cryptable_engine.schemes.levelled.plans.forms import read_forms
from cryptable_engine.schemes.levelled.plans.plan import plan_forms

_GADGETS = tuple(Gadget(*pair) for pair in ((2, 9), (2, 8), (3, 7), (3, 6), (4, 6), (4, 5)))
"""From the cheapest on; of those of one price, the one that suits few products first."""
ANSWER_BITS = (14, 16, 18)


def choose_parameters(circuit: Circuit, highest_output: int, p_error: float) -> LevelledParameters:
    """The first that fit, of few products' digits and small moduli; every bit that forms read has a place of its own.

    Args:
        circuit: one that `plan.check` accepts.
        highest_output: of any output over honest rows.
        p_error: probability that an answer is wrong.

    Raises:
        CompilationError: there are none; says what to do.
    """
    forms = read_forms(circuit)
    read = np.unique(forms.read_bit)
    refused = f"no product of up to {MAX_MODULI} moduli exceeds outputs up to {highest_output}"
    for gadget in _GADGETS:
        for moduli in sets_of_moduli(highest_output):
            for bits in ANSWER_BITS:
                try:
                    parameters = LevelledParameters(
                        keyset=UNIVERSAL,
                        inputs=forms.inputs,
                        selectors=forms.selectors,
                        leaves=(),
                        placed=tuple(read.tolist()),
                        gadget=gadget,
                        moduli=moduli,
                        outputs=forms.outputs,
                        maximum=highest_output,
                        answer_word_bits=bits,
                        p_error=p_error,
                    )
                except MalformedMessageError as error:
                    refused = str(error)
                    continue
                try:
                    plan = plan_forms(forms, parameters, highest_output)
                except (CircuitError, ProgramMismatchError) as error:  # tables without room for as many moduli, say
                    refused = str(error)
                    continue
                log2 = noise_bound(plan).log2_failure
                if log2 <= math.log2(p_error):
                    return parameters
                refused = f"with moduli {moduli}, answers are wrong with probability 2^{log2:.0f}"
    raise CompilationError(
        f"levelled: no parameters suit this circuit ({refused}); use fewer or shallower trees, a coarser score or a "
        "larger p_error, or scheme='bootstrapped'"
    )


def sets_of_moduli(highest_output: int) -> Iterator[tuple[int, ...]]:
    """Sets of moduli that tell outputs apart: one for each greatest one, which sets the precision."""
    for greatest in MODULI:
        found = [
            (*others, greatest)
            for count in range(MAX_MODULI)
            for others in combinations([m for m in MODULI if m < greatest], count)
            if math.lcm(*others, greatest) == math.prod((*others, greatest)) > highest_output
        ]
        if found:
            yield min(found, key=lambda moduli: (len(moduli), math.prod(moduli)))
