"""Keysets of the scheme `squares`: a chain of primes, and for which rotations there are keys (SPEC-SQUARES.md)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES
from cryptable_protocol.schemes.scheme import SQUARES

ERROR_BITS = 21
"""An error is the difference of the numbers of ones among two draws of this many bits."""
ERROR_VARIANCE = ERROR_BITS / 2
NORM_FACTOR = 1.02
"""Greatest ‖s‖² of a secret that clients use, as a multiple of the mean 2N/3."""
SPECTRUM_FACTOR = 12.0
"""Greatest |s(ζ)|² at a root ζ of X^N + 1, likewise."""


class Chain(NamedTuple):
    """A ring and its primes; the last one is for keys alone."""

    ring_size: int
    primes: tuple[int, ...]

    @property
    def data(self) -> tuple[int, ...]:
        """Primes of ciphertexts."""
        return self.primes[:-1]

    @property
    def modulus(self) -> int:
        """Of fresh ciphertexts."""
        return math.prod(self.data)


CHAINS: Mapping[int, Chain] = MappingProxyType(
    {
        1: Chain(8192, (70368743669761, 70368743587841, 70368743489537, 70368743374849)),
        2: Chain(8192, (4503599627124737, 4503599626682369, 4503599626321921, 9007199254429697)),
        3: Chain(
            16384,
            (70368743587841, 70368743489537, 70368743292929, 70368742408193, 70368742113281, 70368740933633),
        ),
        4: Chain(
            16384,
            (
                *(4503599626682369, 4503599626321921, 4503599625830401, 4503599625535489, 4503599625404417),
                *(4503599624847361, 4503599624716289),
            ),
        ),
        5: Chain(
            16384,
            (72057594037370881, 72057594037338113, 72057594036879361, 72057594036551681, 72057594036256769),
        ),
    }
)
"""By number. The security of each is stated in SPEC-SQUARES.md."""


def packed_polynomial_bytes(ring_size: int, primes: tuple[int, ...]) -> int:
    """Of one polynomial's words modulo each of these primes."""
    return sum(ring_size * prime.bit_length() // 8 for prime in primes)


@dataclass(frozen=True)
class SquaresKeyset:
    """Which chain, and which rotations: bit k of `rotations` is one by 2^k, the highest the swap of both rows."""

    number: int
    rotations: int

    scheme: ClassVar[str] = SQUARES
    is_universal: ClassVar[bool] = True
    """There are few keysets: keys found by theirs alone would tell servers that their user is the same."""

    def __post_init__(self) -> None:
        if self.number not in CHAINS:
            raise MalformedMessageError(
                f"squares parameters: chain {self.number} is not known, only {', '.join(map(str, CHAINS))}; upgrade "
                "Cryptable"
            )
        if not 0 <= self.rotations < self.chain.ring_size:
            raise MalformedMessageError(
                f"squares parameters: rotations {self.rotations}, of {self.chain.ring_size} slots"
            )

    @property
    def chain(self) -> Chain:
        """Its ring and primes."""
        return CHAINS[self.number]

    @property
    def ring_size(self) -> int:
        """N."""
        return self.chain.ring_size

    @property
    def name(self) -> bytes:
        """SHA-256 that stores and key files know it by."""
        return hashlib.sha256(b"cryptable squares keyset\0" + self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """Number and rotations, four bytes each, little endian."""
        return self.number.to_bytes(4, "little") + self.rotations.to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> SquaresKeyset:
        """The inverse; MalformedMessageError on all bytes that `to_bytes` does not give."""
        if len(data) != 8:
            raise MalformedMessageError(f"keyset: {len(data)} bytes, expected 8")
        return cls(int.from_bytes(data[:4], "little"), int.from_bytes(data[4:], "little"))

    @cached_property
    def elements(self) -> tuple[int, ...]:
        """Exponents g of the automorphisms X → X^g, in the order of their keys."""
        size, top = self.ring_size, self.ring_size.bit_length() - 2
        powers = [pow(3, 1 << bit, 2 * size) for bit in range(top)] + [2 * size - 1]
        return tuple(power for bit, power in enumerate(powers) if self.rotations >> bit & 1)

    @property
    def rows(self) -> int:
        """Ciphertexts of keys: for s², and for each rotation, one for each prime of ciphertexts."""
        return (1 + len(self.elements)) * len(self.chain.data)

    @property
    def row_bytes(self) -> int:
        """Of one body, modulo each prime."""
        return packed_polynomial_bytes(self.ring_size, self.chain.primes)

    @property
    def evaluation_keys_bytes(self) -> int:
        """A seed, a body a row, and that of the public pair."""
        return SEED_BYTES + (self.rows + 1) * self.row_bytes

    def memory_bytes(self, moduli: int) -> int:
        """In a worker: both polynomials of each row in words of 64 bits, and a copy for each modulus."""
        return (1 + moduli) * (self.rows + 1) * 2 * len(self.chain.primes) * self.ring_size * 8
