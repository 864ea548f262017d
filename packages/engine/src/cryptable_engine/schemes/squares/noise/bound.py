"""NoiseBound: of the answers of one plan of a network."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import numpy as np
from cryptable_protocol.schemes.squares.answers import P_ERROR
from cryptable_protocol.schemes.squares.transforms import from_slots

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.squares.noise.operations import TAIL_BITS, Noise, Norms, Operations
from cryptable_engine.schemes.squares.plan import Flooding, Gather, Plan


def norms(slots: IntArray, modulus: int) -> list[Norms]:
    """Of plaintexts, shape (count, N)."""
    polynomials = from_slots(slots, modulus)
    centred = np.where(polynomials > modulus // 2, polynomials - modulus, polynomials).astype(np.float64)
    size = slots.shape[-1]
    half = size // 2
    folded = (centred[:, :half] + 1j * centred[:, half:]) * np.exp(1j * np.pi * np.arange(half) / size)
    spectral = np.abs(np.fft.fft(folded, axis=-1)).max(axis=1) * (1 + 2.0**-30)
    euclidean = np.sqrt((centred**2).sum(axis=1)) * (1 + 2.0**-30)
    return [Norms(float(one), float(other)) for one, other in zip(euclidean, spectral, strict=True)]


class NoiseBound(Operations):
    """Of one plan and one of its moduli."""

    def __init__(self, plan: Plan, modulus: int) -> None:
        tail_bits = TAIL_BITS - math.log2(min(plan.parameters.p_error, P_ERROR))
        super().__init__(plan.parameters.keyset.chain, modulus, tail_bits=tail_bits)
        self.plan = plan

    def steps(self) -> list[tuple[str, Noise]]:
        """The bound after each step, the answer's modulo the first prime last."""
        found = list(self._evaluated)
        flood, noise = self.plan.flood(self.modulus), found[-1][1]
        if flood is None:
            found.append(("answer", self.hidden(self.switched(noise, 1))))
        else:
            noise = self.hidden(noise)
            found.append(("hidden", noise))
            noise = replace(noise, fixed=noise.fixed + 2.0**flood)
            found += [("flooded", noise), ("answer", self.switched(noise, 1))]
        return found

    def flooding(self, bits: int) -> int:
        """log2 of the greatest flooding number that makes whole answers alike, but for a distance of 2^-bits.

        A number drawn evenly from 2F integers hides one of at most B but for B / 2F, and an answer has so many as it
        has classes and moduli: twice the sum, from any answer to any other with its outputs, is to be 2^-bits at most.
        """
        parameters = self.plan.parameters
        most = self.hidden(self._evaluated[-1][1]).beyond(parameters.deviations)
        return bits + math.ceil(math.log2(most * parameters.classes * len(parameters.moduli)))

    @cached_property
    def _evaluated(self) -> tuple[tuple[str, Noise], ...]:
        """Up to the last layer."""
        noise = self.fresh
        found = [("fresh", noise)]
        for index, gather in enumerate(self.plan.gathers):
            noise = self.gathered(noise, index, gather)
            found.append((f"layer {index + 1}", noise))
            noise = self.squared(noise, self.plan.levels[index + 1])
            found.append((f"square {index + 1}", noise))
        (last,) = norms(self.plan.last_mask(self.modulus)[None], self.modulus)
        found.append(("last layer", self.times(noise, last)))
        return tuple(found)

    def fits(self) -> bool:
        """Whether answers are wrong with a probability of p_error at most, and of 2^-128 in any case."""
        return self.used() <= 1.0

    def used(self) -> float:
        """The share of what an answer can bear that the bound takes."""
        return self.share(self.steps()[-1][1], self.plan.parameters)

    def gathered(self, noise: Noise, index: int, gather: Gather) -> Noise:
        """After the rotations, products and folds of a layer, and its offset."""
        key = self.key_switch(noise.level)
        mixed = fixed = 0.0
        pending: list[tuple[int, IntArray]] = []
        for _, baby, slots in self.plan.masks(index, self.modulus):
            pending.append((baby, slots))
            if len(pending) == 32:
                mixed, fixed = self._with_masks(noise, key, pending, mixed, fixed)
                pending = []
        if pending:
            mixed, fixed = self._with_masks(noise, key, pending, mixed, fixed)
        mixed += (gather.giants - 1) * key
        for _ in range(len(gather.folds) + gather.swaps):
            mixed, fixed = 2 * mixed + key, 2 * fixed
        return Noise(noise.level, 0.0, mixed, fixed + self._halves)

    def _with_masks(
        self, noise: Noise, key: float, masks: list[tuple[int, IntArray]], mixed: float, fixed: float
    ) -> tuple[float, float]:
        for (baby, _), norm in zip(masks, norms(np.stack([m for _, m in masks]), self.modulus), strict=True):
            product = self.times(replace(noise, mixed=noise.mixed + baby.bit_count() * key), norm)
            mixed, fixed = mixed + product.mixed, fixed + product.fixed
        return mixed, fixed


def most_used(plan: Plan) -> float:
    """The largest share of what answers can bear that noise takes, over the moduli."""
    return max(NoiseBound(plan, modulus).used() for modulus in plan.parameters.moduli)


def flooded(plan: Plan, bits: int) -> Plan:
    """The plan with answers that are flooded by so many bits; itself where they are none."""
    if not bits:
        return plan
    moduli = plan.parameters.moduli
    drawn = replace(plan, flooding=Flooding(bits, (0,) * len(moduli)))
    return replace(plan, flooding=Flooding(bits, tuple(NoiseBound(drawn, each).flooding(bits) for each in moduli)))
