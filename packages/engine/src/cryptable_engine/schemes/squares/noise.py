"""A bound of the noise of answers, over all honest rows (docs/decisions/0030, "Noise").

Noise is a sum of independent errors, each sent through products with polynomials and rotations. What is tracked is, for
a coefficient of the ciphertext's error v in c0 + c1 s = round(Q m / t) + v, the sum over errors of deviation times the
norm of the polynomial that they are multiplied with: `scaled` where that is a number, `mixed` where not. Deviations are
added, never squared, so that no independence of equal errors that meet again is assumed. `fixed` is the Euclidean norm
of what is bounded alone, such as the rounding of Q m / t, which depends on the row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from cryptable_protocol.schemes.squares.keyset import ERROR_VARIANCE, NORM_FACTOR, SPECTRUM_FACTOR
from cryptable_protocol.schemes.squares.parameters import P_ERROR
from cryptable_protocol.schemes.squares.transforms import from_slots

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.squares.plan import Gather, Plan

_TAIL_BITS = 8
"""A coefficient of a ciphertext's transform is beyond its bound, in any of one square, as much more rarely than p_error
that all squares and moduli together take a small part of it."""
_TENSOR_UNITS = 8
"""Of each coefficient of the three polynomials of a product, by rounding and by changes of base in SEAL's BEHZ."""


@dataclass(frozen=True)
class Noise:
    """Of a ciphertext modulo the product of its first `level` primes."""

    level: int
    scaled: float
    mixed: float
    fixed: float

    @property
    def deviation(self) -> float:
        """Of a coefficient, at most."""
        return self.scaled + self.mixed

    def beyond(self, deviations: float) -> float:
        """What no coefficient exceeds, with so many deviations."""
        return deviations * self.deviation + self.fixed


@dataclass(frozen=True)
class Norms:
    """Of a plaintext polynomial with coefficients around 0: in coefficients, and the greatest at a root of X^N + 1."""

    euclidean: float
    spectral: float


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


class NoiseBound:
    """Of one plan and one of its moduli."""

    def __init__(self, plan: Plan, modulus: int) -> None:
        self.plan, self.modulus = plan, modulus
        chain = plan.parameters.keyset.chain
        self._size, self._primes, self._special = chain.ring_size, chain.data, chain.primes[-1]
        mean = 2 * self._size / 3
        self._secret_norm = math.sqrt(NORM_FACTOR * mean)
        self._secret_peak = math.sqrt(SPECTRUM_FACTOR * mean)
        self._rounding = math.sqrt((1 + NORM_FACTOR * mean) / 12)
        self._error = math.sqrt(ERROR_VARIANCE)
        self._tail_bits = _TAIL_BITS - math.log2(min(plan.parameters.p_error, P_ERROR))
        self._halves = math.sqrt(self._size) / 2  # of a polynomial that rounding is off by

    def steps(self) -> list[tuple[str, Noise]]:
        """The bound after each step, the answer's modulo the first prime last."""
        noise = Noise(len(self._primes), self._error, 0.0, self._halves)
        found = [("fresh", noise)]
        for index, gather in enumerate(self.plan.gathers):
            noise = self.gathered(noise, index, gather)
            found.append((f"layer {index + 1}", noise))
            noise = self.squared(noise, self.plan.levels[index + 1])
            found.append((f"square {index + 1}", noise))
        (last,) = norms(self.plan.last_mask(self.modulus)[None], self.modulus)
        noise = self.times(noise, last)
        found.append(("last layer", noise))
        noise = self.switched(noise, 1)
        found.append(("answer", self.hidden(noise)))
        return found

    def hidden(self, noise: Noise) -> Noise:
        """With shares, and a fresh encryption of zero, which SEAL makes with one prime more and switches down."""
        return replace(noise, mixed=noise.mixed + self._rounding + 1, fixed=noise.fixed + 2 * self._halves)

    def fits(self) -> bool:
        """Whether answers are wrong with a probability of p_error at most, and of 2^-128 in any case."""
        return self.used() <= 1.0

    def used(self) -> float:
        """The share of what an answer can bear that the bound takes."""
        parameters = self.plan.parameters
        noise = self.steps()[-1][1]
        words = 2.0**parameters.answer_word_bits
        scaled = noise.beyond(parameters.deviations) * words / self._primes[0]
        # 1 for the rounding of Q m / t and of the client's.
        total = scaled + parameters.deviations * parameters.word_deviation + 1
        return total / (words / (2 * self.modulus))

    def key_switch(self, level: int) -> float:
        """What a key switch adds: an error for each digit, of whole residues, and rounding by the special prime."""
        digits = sum(prime / self._special for prime in self._primes[:level])
        return self._error * math.sqrt(self._size) * digits + self._rounding

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

    def times(self, noise: Noise, norm: Norms) -> Noise:
        """After a product with a plaintext."""
        mixed = noise.scaled * norm.euclidean + noise.mixed * norm.spectral
        return Noise(noise.level, 0.0, mixed, noise.fixed * norm.spectral)

    def squared(self, noise: Noise, level: int) -> Noise:
        """After a square, a switch to fewer primes, and the key switch from s²."""
        switched = self.switched(self.tensored(noise), level, self.third_rounding)
        return replace(switched, mixed=switched.mixed + self.key_switch(level))

    def tensored(self, noise: Noise) -> Noise:
        """After a square that is left in three polynomials.

        v becomes 2 v w + v² t / Q and what tensoring rounds, with w = (t / Q) (c0 + c1 s). Ciphertexts are taken for
        uniform: a coefficient of their transform is a sum of N uniform numbers with factors of magnitude 1.
        """
        modulus = math.prod(self._primes[: noise.level])
        log_tail = math.log(8.0 * self._size) + self._tail_bits * math.log(2)
        peak = math.sqrt(self._size / 6 * log_tail)  # in units of Q
        factor = 2 * self.modulus * peak * (1 + self._secret_peak)
        largest = noise.beyond(math.sqrt(2 * math.log(2) * (self._tail_bits + 1 + math.log2(self._size))))
        square = self._size**1.5 * largest**2 * self.modulus / modulus
        tensor = _TENSOR_UNITS * math.sqrt(self._size) * (1 + self._secret_peak + self._secret_peak**2)
        return Noise(noise.level, 0.0, noise.deviation * factor, noise.fixed * factor + square + tensor)

    @property
    def third_rounding(self) -> float:
        """What a switch of three polynomials rounds: the third meets s², whose norm is s's times its peak at most."""
        return math.hypot(self._rounding, self._secret_peak * self._secret_norm / math.sqrt(12))

    def switched(self, noise: Noise, level: int, rounding: float | None = None) -> Noise:
        """Modulo fewer primes; `rounding` is its deviation, that of two polynomials where it is not given."""
        dropped = math.prod(self._primes[level : noise.level])
        if dropped == 1:
            return noise
        return Noise(
            level,
            noise.scaled / dropped,
            noise.mixed / dropped + (rounding or self._rounding) * (noise.level - level),
            noise.fixed / dropped,
        )


def most_used(plan: Plan) -> float:
    """The largest share of what answers can bear that noise takes, over the moduli."""
    return max(NoiseBound(plan, modulus).used() for modulus in plan.parameters.moduli)
