"""BootstrappingKeys: a client's keys, made ready for whatever evaluates lookups in this process."""

from __future__ import annotations

import os
from typing import Protocol

from cryptable_protocol import InternalError, InvalidInputError, KeysetParameters

from cryptable_engine.errors import SchemeUnavailableError
from cryptable_engine.kernel import usable_kernel
from cryptable_engine.schemes.bootstrapped.bootstrapping.concrete_lookups import ConcreteLookups
from cryptable_engine.schemes.bootstrapped.bootstrapping.numpy_lookups import NumpyLookups
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import SeededKeys, Words

VARIABLE = "CRYPTABLE_LOOKUPS"
"""Environment variable: `concrete`, for the functions inside concrete-python; unset or `auto`, the kernel or NumPy."""


class Lookups(Protocol):
    """What evaluates lookups under one client's keys. Thread-safe.

    Attributes:
        group: lookups that are best given together, at most.
    """

    group: int

    def look_up(self, ciphertexts: Words, tables: Words) -> Words:
        """A table read at each encrypted position.

        Args:
            ciphertexts: of positions in the upper bits below the padding bit, the body last: contiguous, shape
                (lookups, dimension + 1), under the large key, or without a keyswitch key under the small one.
            tables: entries as they are on the torus, shape (lookups, 2^width), contiguous.

        Returns:
            The entries' ciphertexts under the large key, shape (lookups, dimension + 1).
        """


class BootstrappingKeys:
    """A client's bootstrap key, in the Fourier domain, and keyswitch key, if there is one. Thread-safe.

    Args:
        keyset: one that `supports` says yes to.
        data: evaluation keys (protos/SPEC.md, "Evaluation keys") of exactly the keyset's length; not kept.
        choice: as the environment variable `CRYPTABLE_LOOKUPS`, which it defaults to.

    Raises:
        InvalidInputError: a choice that this version does not know.
        SchemeUnavailableError: Concrete was asked for, and concrete-python is not installed.
    """

    def __init__(self, keyset: KeysetParameters, data: memoryview, choice: str | None = None) -> None:
        seeded = SeededKeys(keyset, data)
        self._lookups: Lookups = _lookups(seeded, os.environ.get(VARIABLE, "") if choice is None else choice)
        self.dimension = seeded.large
        """Of the secret key that looked-up values are under."""
        self._read = seeded.small if seeded.switch is None else seeded.large

    @property
    def group(self) -> int:
        """Lookups that are best given together, at most."""
        return self._lookups.group

    def look_up(self, ciphertexts: Words, tables: Words) -> Words:
        """See `Lookups.look_up`.

        Raises:
            InternalError: ciphertexts of another dimension, beyond whose end native code would read.
        """
        expected = (len(tables), self._read + 1)
        if ciphertexts.shape != expected or tables.ndim != 2:
            raise InternalError(f"lookups of ciphertexts of shape {ciphertexts.shape}, expected {expected}")
        return self._lookups.look_up(ciphertexts, tables)


def _lookups(seeded: SeededKeys, choice: str) -> Lookups:
    if choice not in ("", "auto", "concrete"):
        raise InvalidInputError(f"{VARIABLE}={choice!r}, expected auto or concrete")
    if choice == "concrete":
        return ConcreteLookups(seeded)
    kernel = usable_kernel()
    if kernel is not None:
        from cryptable_engine.schemes.bootstrapped.bootstrapping.kernel_lookups import KernelLookups, serves

        if serves(seeded):
            return KernelLookups(kernel, seeded)
        try:
            return ConcreteLookups(seeded)  # several times as fast as NumPy
        except SchemeUnavailableError:
            pass
    return NumpyLookups(seeded)
