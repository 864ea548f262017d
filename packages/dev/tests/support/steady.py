"""Rows for which lookups that drop bits come out as the interpreter says, whatever the noise."""

import numpy as np
from cryptable_engine import interpret
from cryptable_engine.circuit.circuit import Circuit, Linear, Lookup
from cryptable_protocol import encode_rows


def steadiest(model, rows):
    """The row whose first lookups stay farthest from where they change, by index; and how far, in positions.

    Half a position or more is never crossed but with the circuit's p_error.
    """
    circuit = model.circuit
    linear, lookup = circuit.nodes[1], circuit.nodes[2]
    assert isinstance(linear, Linear)
    assert isinstance(lookup, Lookup)
    shifted = Linear(linear.terms, linear.offset + (1 << 40))  # outputs of a circuit are not negative
    values = interpret(Circuit((circuit.nodes[0], shifted), 1), encode_rows(model.artifact.client_spec.features, rows))
    to_zero = np.abs(values - (1 << 40) + ((1 << lookup.dropped_bits) >> 1)) / (1 << lookup.dropped_bits)
    margin = to_zero.min(axis=1)
    return int(margin.argmax()), float(margin.max())
