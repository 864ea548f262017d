"""Which ring evaluates: our kernel's where it has vector instructions, SEAL's elsewhere."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from cryptable_protocol.schemes.squares.keyset import Chain

from cryptable_engine.kernel import usable_kernel
from cryptable_engine.schemes.squares.rings.seal import SealRing

if TYPE_CHECKING:
    from cryptable_engine.schemes.squares.rings.kernel_ring import KernelRing

Ring: TypeAlias = Union["KernelRing", SealRing]
Ciphertext = Any
"""A ring's own, as are plaintexts and keys."""
Plaintext = Any
Keys = Any
_PLAIN_PATH = "base"
"""Of a kernel without vectors of integers, which takes longer than SEAL."""


def has_ring() -> bool:
    """Whether networks of squares can be evaluated here."""
    kernel = usable_kernel()
    return (kernel is not None and kernel.path != _PLAIN_PATH) or find_spec("tenseal") is not None


def make_ring(chain: Chain, modulus: int) -> Ring:
    """Ciphertexts of one chain of primes and one plaintext modulus.

    Raises:
        SchemeUnavailableError: neither is there: TenSEAL is not installed.
        EvaluationError: SEAL refuses the parameters.
    """
    kernel = usable_kernel()
    if kernel is not None and kernel.path != _PLAIN_PATH:
        from cryptable_engine.schemes.squares.rings.kernel_ring import KernelRing

        return KernelRing(kernel, chain, modulus)
    return SealRing(chain, modulus)
