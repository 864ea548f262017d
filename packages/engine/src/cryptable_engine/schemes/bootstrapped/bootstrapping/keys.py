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
from cryptable_engine.schemes.bootstrapped.parameters.assignment import LookupKeys

VARIABLE = "CRYPTABLE_LOOKUPS"
"""Environment variable: `concrete`, for the functions inside concrete-python; unset or `auto`, the kernel or NumPy."""


class Lookups(Protocol):
    """What evaluates lookups under one bootstrap key of a client. Thread-safe.

    Attributes:
        group: lookups that are best given together, at most.
    """

    group: int

    def look_up(self, ciphertexts: Words, tables: Words, under: int) -> Words:
        """A table read at each encrypted position.

        Args:
            ciphertexts: of positions in the upper bits below the padding bit, the body last: contiguous, shape
                (lookups, dimension + 1).
            tables: entries as they are on the torus, shape (lookups, 2^width), contiguous.
            under: id of the secret key of these ciphertexts: what the bootstrap key reads, or a keyswitch key leads to
                it from.

        Returns:
            The entries' ciphertexts under the large key, shape (lookups, dimension + 1).
        """

    def switched(self, ciphertexts: Words, under: int) -> Words:
        """The same ciphertexts under the small key, which is bootstrapped from: shape (lookups, dimension + 1)."""


class BootstrappingKeys:
    """A client's bootstrap keys, in the Fourier domain, and the keyswitch keys that lead to them. Thread-safe.

    Args:
        keyset: with bootstrap keys.
        data: evaluation keys (protos/SPEC.md, "Evaluation keys") of exactly the keyset's length; not kept.
        choice: as the environment variable `CRYPTABLE_LOOKUPS`, which it defaults to.

    Raises:
        InvalidInputError: a choice that this version does not know.
        SchemeUnavailableError: Concrete was asked for, and concrete-python is not installed.
    """

    def __init__(self, keyset: KeysetParameters, data: memoryview, choice: str | None = None) -> None:
        chosen = os.environ.get(VARIABLE, "") if choice is None else choice
        self._keyset = keyset
        self._lookups = {key.id: _lookups(SeededKeys(keyset, data, key), chosen) for key in keyset.bootstrap_keys}
        self._first = keyset.bootstrap_keys[0]

    @property
    def dimension(self) -> int:
        """Of the secret key that values are under which the first bootstrap key has looked up."""
        return self._keyset.dimensions[self._first.output_key]

    @property
    def group(self) -> int:
        """Lookups that are best given together, at most."""
        return min(lookups.group for lookups in self._lookups.values())

    @property
    def evaluators(self) -> set[str]:
        """The names of the classes that evaluate."""
        return {type(lookups).__name__ for lookups in self._lookups.values()}

    def look_up(self, ciphertexts: Words, tables: Words, keys: LookupKeys | None = None) -> Words:
        """See `Lookups.look_up`.

        Args:
            ciphertexts: as there.
            tables: as there.
            keys: by default the first bootstrap key, of ciphertexts under what the first keyswitch key leads from, or
                without one under the small key: the only ones of a keyset of one key of a kind.

        Raises:
            InternalError: ciphertexts of another dimension, beyond whose end native code would read.
        """
        keys = keys or self._usual
        expected = (len(tables), self._keyset.dimensions[keys.under] + 1)
        if ciphertexts.shape != expected or tables.ndim != 2:
            raise InternalError(f"lookups of ciphertexts of shape {ciphertexts.shape}, expected {expected}")
        return self._lookups[keys.bootstrap_key].look_up(ciphertexts, tables, keys.under)

    def switched(self, ciphertexts: Words, keys: LookupKeys | None = None) -> Words:
        """See `Lookups.switched`; the default is that of `look_up`."""
        keys = keys or self._usual
        return self._lookups[keys.bootstrap_key].switched(ciphertexts, keys.under)

    @property
    def _usual(self) -> LookupKeys:
        switches = self._keyset.keyswitch_keys
        return LookupKeys(switches[0].input_key if switches else self._first.input_key, self._first.id)


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
