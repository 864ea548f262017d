"""What operations on ciphertexts do to noise, whatever circuit they belong to (docs/decisions/0030, "Noise").

Noise is a sum of independent errors, each sent through products with polynomials and rotations. What is tracked is, for
a coefficient of the ciphertext's error v in c0 + c1 s = round(Q m / t) + v, the sum over errors of deviation times the
norm of the polynomial that they are multiplied with: `scaled` where that is a number, `mixed` where not. Deviations are
added, never squared, so that no independence of equal errors that meet again is assumed. `fixed` is the Euclidean norm
of what is bounded alone, such as the rounding of Q m / t, which depends on the row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.keyset import ERROR_VARIANCE, NORM_FACTOR, SPECTRUM_FACTOR, Chain
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

TAIL_BITS = 8
"""A coefficient of a ciphertext's transform is beyond its bound, in any of one square, as much more rarely than p_error
that a network's squares and moduli together take a small part of it."""
_DIRECTIONS = 32
"""A complex number is as large as its part in the nearest of so many directions, over cos(π / 32)."""
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


class Operations:
    """On ciphertexts of one chain of primes and one plaintext modulus.

    Args:
        chain: ring and primes.
        modulus: t.
        tail_bits: one product's masks are larger than assumed with a probability of 2^-tail_bits.
    """

    def __init__(self, chain: Chain, modulus: int, *, tail_bits: float) -> None:
        self.modulus = modulus
        self._size, self._primes, self._special = chain.ring_size, chain.data, chain.primes[-1]
        mean = 2 * self._size / 3
        self._secret_norm = math.sqrt(NORM_FACTOR * mean)
        self._secret_peak = math.sqrt(SPECTRUM_FACTOR * mean)
        self._rounding = math.sqrt((1 + NORM_FACTOR * mean) / 12)
        self._error = math.sqrt(ERROR_VARIANCE)
        self._tail_bits = tail_bits
        self._halves = math.sqrt(self._size) / 2  # of a polynomial that rounding is off by

    @property
    def fresh(self) -> Noise:
        """Of a row."""
        return Noise(len(self._primes), self._error, 0.0, self._halves)

    @property
    def fresh_in_bulk(self) -> Noise:
        """Of a column, whose Q m / t is rounded up or down by chance: by an error of mean 0, within a range of 1."""
        return Noise(len(self._primes), math.hypot(self._error, 0.5), 0.0, 0.0)

    def hidden(self, noise: Noise) -> Noise:
        """With shares, and a fresh encryption of zero, which SEAL makes with one prime more and switches down."""
        return replace(noise, mixed=noise.mixed + self._rounding + 1, fixed=noise.fixed + 2 * self._halves)

    def share(self, noise: Noise, parameters: SquaresParameters | BulkParameters) -> float:
        """Of what an answer modulo the first prime can bear, what its noise and the rounding of words take."""
        words = 2.0**parameters.answer_word_bits
        scaled = noise.beyond(parameters.deviations) * words / self._primes[0]
        # 1 for the rounding of Q m / t and of the client's.
        total = scaled + parameters.deviations * parameters.word_deviation + 1
        return total / (words / (2 * self.modulus))

    def summed(self, weighted: Sequence[tuple[int, Noise]]) -> Noise:
        """After a sum of ciphertexts of one level, each times an integer, and of a constant, one coefficient alone."""
        level = weighted[0][1].level
        scaled = sum(abs(weight) * noise.scaled for weight, noise in weighted)
        mixed = sum(abs(weight) * noise.mixed for weight, noise in weighted)
        fixed = sum(abs(weight) * noise.fixed for weight, noise in weighted)
        return Noise(level, scaled, mixed, fixed + 0.5)

    def key_switch(self, level: int) -> float:
        """What a key switch adds: an error for each digit, of whole residues, and rounding by the special prime."""
        digits = sum(prime / self._special for prime in self._primes[:level])
        return self._error * math.sqrt(self._size) * digits + self._rounding

    def times(self, noise: Noise, norm: Norms) -> Noise:
        """After a product with a plaintext."""
        mixed = noise.scaled * norm.euclidean + noise.mixed * norm.spectral
        return Noise(noise.level, 0.0, mixed, noise.fixed * norm.spectral)

    def tensored(self, one: Noise, other: Noise | None = None) -> Noise:
        """After a product of ciphertexts of one level, or a square of one, that is left in three polynomials.

        v becomes v₁ w₂ + v₂ w₁ + v₁ v₂ t / Q and what tensoring rounds, with w = (t / Q) (c0 + c1 s). Ciphertexts are
        taken for uniform: a coefficient of their transform is a sum of N uniform numbers times powers of a root of
        X^N + 1, whose part in any direction has the variance N Q² / 24, since the squares of those powers add up to 0.
        """
        other = other or one
        modulus = math.prod(self._primes[: one.level])
        # Of two polynomials, half of whose roots are the conjugates of the others.
        log_tail = math.log(_DIRECTIONS * self._size) + self._tail_bits * math.log(2)
        peak = math.sqrt(self._size / 12 * log_tail) / math.cos(math.pi / _DIRECTIONS)  # in units of Q
        factor = self.modulus * peak * (1 + self._secret_peak)
        needed = math.sqrt(2 * math.log(2) * (self._tail_bits + 1 + math.log2(self._size)))
        cross = self._size**1.5 * one.beyond(needed) * other.beyond(needed) * self.modulus / modulus
        tensor = _TENSOR_UNITS * math.sqrt(self._size) * (1 + self._secret_peak + self._secret_peak**2)
        deviation, fixed = (one.deviation + other.deviation) * factor, (one.fixed + other.fixed) * factor
        return Noise(one.level, 0.0, deviation, fixed + cross + tensor)

    def multiplied(self, one: Noise, other: Noise, level: int) -> Noise:
        """After a product, a switch to fewer primes, and the key switch from s²."""
        switched = self.switched(self.tensored(one, other), level, self.third_rounding)
        return replace(switched, mixed=switched.mixed + self.key_switch(level))

    def squared(self, noise: Noise, level: int) -> Noise:
        """The same of a square."""
        return self.multiplied(noise, noise, level)

    @property
    def rounding(self) -> float:
        """What a switch of two polynomials to fewer primes rounds."""
        return self._rounding

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
