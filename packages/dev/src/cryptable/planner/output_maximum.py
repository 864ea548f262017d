"""The highest value of a circuit's outputs, declared where a planner knows it better than bounds do."""

from __future__ import annotations

from dataclasses import replace

from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.circuit.circuit import Circuit


def with_output_maximum(circuit: Circuit, maximum: int) -> Circuit:
    """With the maximum of its outputs, where that says more than the circuit's bounds do."""
    low, high = bounds(circuit)[circuit.output]
    says_more = (circuit.lookups or circuit.products) and (int(low.min()) < 0 or maximum < int(high.max()))
    return replace(circuit, output_maximum=max(1, maximum)) if says_more else circuit
