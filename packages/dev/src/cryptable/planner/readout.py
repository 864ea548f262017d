"""Approximate readout of a planned circuit: how many bits of a score stay exact, and what the client reads of it."""

from __future__ import annotations

from dataclasses import replace

from cryptable_engine.circuit.readout import output_bits
from cryptable_protocol import limits

from cryptable.planner.planned_model import PlannedModel

_DEVIATIONS_WITHIN_TOLERANCE = 3.0


def approximate(planned: PlannedModel, *, tolerance: float, noise_deviation: float) -> PlannedModel:
    """The plan with as few exact output bits as keep three standard deviations of the noise within the tolerance.

    What a client reads of a score has a step of a quarter of that of the lowest exact bit. `error_bound` grows by half
    such a step, to which scores are rounded, and by the most that noise adds, but for p_error.

    Args:
        planned: with exact outputs. Without lookups, or with outputs of few bits, it stays as it is.
        tolerance: of a score.
        noise_deviation: of a score, in steps of its lowest exact bit, at most.
    """
    circuit, decoder = planned.circuit, planned.decoder
    if not circuit.lookups:
        return planned
    bits = output_bits(circuit)
    for exact in range(1, bits):
        lowest = decoder.step * 2.0 ** (bits - exact)
        if _DEVIATIONS_WITHIN_TOLERANCE * lowest * noise_deviation <= tolerance:
            break
    else:
        return planned
    further = min(limits.MAX_FURTHER_BITS, bits - exact)
    step = lowest / 2**further
    base = tuple(base + offset * decoder.step for base, offset in zip(decoder.base, decoder.offset, strict=True))
    return replace(
        planned,
        circuit=replace(circuit, exact_output_bits=exact),
        decoder=replace(decoder, offset=(0,) * len(base), step=step, base=base, further_bits=further),
        error_bound=None if planned.error_bound is None else planned.error_bound + step / 2 + lowest / 2,
    )
