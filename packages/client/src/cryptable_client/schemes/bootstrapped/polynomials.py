"""Exact products of 64-bit polynomials with a binary key's, modulo X^N + 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InternalError

Words = npt.NDArray[np.uint64]

_LIMB_BITS = 32
MAX_DISTANCE = 0.3
"""Largest accepted distance of a computed coefficient from an integer; measured at most 1e-3 up to N = 131072."""


class KeyPolynomials:
    """Binary polynomials S_1 … S_k, ready to be multiplied with.

    The negacyclic product is a complex FFT of half the size (the upper half of the coefficients is the imaginary part,
    and the twist exp(iπj/N) turns X^N = -1 into X^(N/2) = i), on two signed limbs of 32 bits, so that float64 holds the
    sums with room to spare. Each result's distance from an integer is checked: 0.5 would be a wrong word.

    Args:
        key: bits of shape (k, N), N a power of two.
    """

    def __init__(self, key: npt.NDArray[np.uint8]) -> None:
        self.count, self.size = key.shape
        half = self.size // 2
        self._twist = np.exp(1j * np.pi * np.arange(half) / self.size)
        self._untwist = np.conj(self._twist)
        folded = (key[:, :half] + 1j * key[:, half:]) * self._twist
        self._spectrum = np.fft.ifft(folded, axis=-1) * half
        folded.fill(0)

    def inner_product(self, polynomials: Words) -> Words:
        """Sum of polynomials[:, j] · S_j modulo (X^N + 1, 2^64).

        Args:
            polynomials: words of shape (rows, k, N), contiguous.

        Returns:
            Words of shape (rows, N).

        Raises:
            InternalError: rounding of floating-point numbers came near to a wrong result.
        """
        # As signed limbs, x = high · 2^32 + low; adding 2^31 first carries the sign of `low` into `high`.
        low = polynomials.view(np.int32)[..., 0::2]
        high = (polynomials + np.uint64(1 << (_LIMB_BITS - 1))).view(np.int32)[..., 1::2]
        product = self._limb(high)
        product <<= np.uint64(_LIMB_BITS)
        product += self._limb(low)
        return product

    def _limb(self, limb: npt.NDArray[np.int32]) -> Words:
        half = self.size // 2
        total: npt.NDArray[np.complex128] | None = None
        for index in range(self.count):
            folded = np.empty((limb.shape[0], half), np.complex128)
            folded.real = limb[:, index, :half]
            folded.imag = limb[:, index, half:]
            folded *= self._twist
            spectrum = np.fft.ifft(folded, axis=-1)
            spectrum *= self._spectrum[index]
            if total is None:
                total = spectrum
            else:
                total += spectrum
        if total is None:
            raise InternalError("a product with no key polynomial")
        total = np.fft.fft(total, axis=-1)
        total *= self._untwist
        parts = total.view(np.float64)
        rounded = np.rint(parts)
        parts -= rounded
        distance = max(float(parts.max(initial=0.0)), -float(parts.min(initial=0.0)))
        if not distance <= MAX_DISTANCE:
            raise InternalError(f"a polynomial product is {distance:.2g} from an integer, at most {MAX_DISTANCE}")
        product = np.empty((limb.shape[0], self.size), np.int64)
        product[:, :half] = rounded[:, 0::2]
        product[:, half:] = rounded[:, 1::2]
        return product.view(np.uint64)

    def close(self) -> None:
        """Zero what was derived from the key."""
        self._spectrum.fill(0)
