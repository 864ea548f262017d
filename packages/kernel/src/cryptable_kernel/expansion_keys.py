"""ExpansionKeys: gadgets, and the keys that a row is expanded with, as the kernel finds them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

from cryptable_kernel.memory import FloatArray, address

MAX_ROWS = 16
"""Rows of keys that one sum may have; pairs.h has the same."""
STAYS, PAIR, SWITCHED = range(3)
"""What becomes of a leaf: a ciphertext still; its pair; or that, and the pair of −s times what it encrypts."""


class Gadget(NamedTuple):
    """Digits of a decomposition, most significant first, and bits of each."""

    levels: int
    base_log: int


class GadgetStruct(ctypes.Structure):
    """As the kernel has it."""

    _fields_ = (("levels", ctypes.c_int), ("base_log", ctypes.c_int))


class _Struct(ctypes.Structure):
    _fields_ = (
        ("gadgets", ctypes.c_void_p),
        ("automorphisms", ctypes.c_void_p),
        ("gadget", GadgetStruct),
        ("switch", ctypes.c_void_p),
    )


def gadget_struct(gadget: tuple[int, int]) -> GadgetStruct:
    """Raises ValueError for more digits than a sum may have rows, or more bits than a double has."""
    levels, base_log = gadget
    if not (1 <= levels <= MAX_ROWS and base_log >= 1 and levels * base_log <= 52):
        raise ValueError(f"a gadget of {levels} digits of {base_log} bits, expected at most 52 bits together")
    return GadgetStruct(levels, base_log)


class ExpansionKeys:
    """Keys for the automorphisms X → X^(N/2^k + 1), and the switch. They are read-only, and may serve several threads.

    Args:
        size: N.
        gadgets: of each automorphism's key, l and b.
        automorphisms: keys: rows as pairs, shape (l, 2, N).
        gadget: of the switch.
        switch: its key, likewise.

    Raises:
        ValueError: a key of another shape than its gadget's.
    """

    def __init__(
        self,
        size: int,
        *,
        gadgets: Sequence[tuple[int, int]],
        automorphisms: Sequence[FloatArray],
        gadget: tuple[int, int],
        switch: FloatArray,
    ) -> None:
        self.size, self.gadgets = size, tuple(gadgets)
        structs = (GadgetStruct * len(gadgets))(*map(gadget_struct, gadgets))
        pointers = (ctypes.c_void_p * len(gadgets))(
            *(address(key, (levels, 2, size), "key") for (levels, _), key in zip(gadgets, automorphisms, strict=True))
        )
        place = address(switch, (gadget[0], 2, size), "switch")
        self._alive = structs, pointers, tuple(automorphisms), switch  # which the struct points to
        self.struct = _Struct(ctypes.addressof(structs), ctypes.addressof(pointers), gadget_struct(gadget), place)
