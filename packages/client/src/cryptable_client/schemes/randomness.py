"""Secret randomness: AES-256-CTR streams keyed by the operating system, and rounded Gaussians made of them."""

from __future__ import annotations

import itertools
import math
import os

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

Words = npt.NDArray[np.uint64]

_EXACT_BITS = 40
"""Standard deviation, in bits, up to which a Gaussian is drawn in float64 and simply rounded. float64 is exact to 53
bits, and 13 more bits hold every value that Box-Muller on 64-bit uniforms reaches (9.5 standard deviations)."""
_TORUS_BITS = 64

_forks = itertools.count(1)
_generation = 0


def _count_fork() -> None:
    global _generation
    _generation = next(_forks)


if hasattr(os, "register_at_fork"):  # POSIX; elsewhere no process can be forked
    os.register_at_fork(after_in_child=_count_fork)


def _process() -> tuple[int, int]:
    # The process id catches forks that Python did not make, the count those whose child got the id of an ancestor.
    return os.getpid(), _generation


class SecretStream:
    """Uniform and Gaussian random words for one object in one thread; keyed anew in a forked child."""

    def __init__(self) -> None:
        self._process: tuple[int, int] | None = None
        self._encryptor: CipherContext
        self._zeros = np.zeros(0, np.uint8)

    def words(self, count: int) -> Words:
        """`count` uniform 64-bit words."""
        process = _process()
        if process != self._process:
            self._encryptor = Cipher(algorithms.AES256(os.urandom(32)), modes.CTR(os.urandom(16))).encryptor()
            self._process = process
        if self._zeros.size < 8 * count:
            self._zeros = np.zeros(8 * count, np.uint8)
        out = np.empty(count + 2, np.uint64)  # update_into wants room for one block more than it writes
        self._encryptor.update_into(self._zeros.data[: 8 * count], out.data.cast("B"))
        return out[:count]

    def bits(self, count: int) -> npt.NDArray[np.uint8]:
        """`count` uniform bits, one an element."""
        words = self.words((count + 63) // 64)
        bits = np.unpackbits(words.view(np.uint8))[:count]
        words.fill(0)
        return bits

    def gaussian(self, count: int, variance: float) -> Words:
        """`count` samples of round(Gaussian(0, sqrt(variance)) · 2^64), as two's complement.

        Box-Muller on 64-bit uniforms. Above 40 bits of standard deviation, where float64 would leave the lowest bits of
        the noise zero (and so known), the Gaussian gives the upper bits and uniform bits fill in below: the variance
        grows by less than 2^-80 of itself.

        Args:
            count: number of samples.
            variance: of the noise, as a fraction of the torus, squared; positive.
        """
        deviation = math.sqrt(variance) * 2.0**_TORUS_BITS
        fill = max(0, math.ceil(math.log2(deviation)) - _EXACT_BITS)
        half = (count + 1) // 2
        uniform = self.words(2 * half)
        radius = uniform[:half].astype(np.float64)
        radius += 0.5
        radius *= 2.0**-_TORUS_BITS
        np.minimum(radius, 1.0, out=radius)  # words next to 2^64 round to 2^64
        np.log(radius, out=radius)
        radius *= -2.0
        np.sqrt(radius, out=radius)
        radius *= math.ldexp(deviation, -fill)
        uniform[half:] >>= np.uint64(11)
        angle = uniform[half:].astype(np.float64)
        angle *= 2.0 * math.pi * 2.0**-53
        samples = np.empty(2 * half)
        np.cos(angle, out=samples[:half])
        np.sin(angle, out=samples[half:])
        samples[:half] *= radius
        samples[half:] *= radius
        np.rint(samples, out=samples)
        noise = samples[:count].astype(np.int64).view(np.uint64)
        if fill:
            noise <<= np.uint64(fill)
            noise += self.words(count) >> np.uint64(_TORUS_BITS - fill)
            noise -= np.uint64(1 << (fill - 1))
        return noise
