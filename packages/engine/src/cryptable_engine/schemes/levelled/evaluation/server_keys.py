"""ServerKeys: a client's evaluation keys as transforms, for every levelled model (SPEC-LEVELLED.md, "Keyset")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE, UNIVERSAL, LevelledKeyset
from cryptable_protocol.schemes.levelled.mask_stream import masks, public_pair_mask
from cryptable_protocol.schemes.packing import unpack
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES

from cryptable_engine.schemes.levelled.evaluation.fine_levels import FINE_ROWS
from cryptable_engine.schemes.levelled.evaluation.transforms import FloatArray, fold, forward, torus

if TYPE_CHECKING:
    from cryptable_kernel import ExpansionKeys, Ring

Rows: TypeAlias = npt.NDArray[Any]
"""Complex transforms, or doubles of the ring's pairs."""


class ServerKeys:
    """A client's evaluation keys, ready for use: 2.9 MB. Whatever their bytes are, they are keys of some client.

    Args:
        data: protos/SPEC-LEVELLED.md, "Keyset"; not kept.
        ring: of the kernel that evaluates; None for NumPy.
        keyset: of the model; of linear ones, a public pair alone.

    Attributes:
        ring: as given.
        automorphisms: rows of each key, if there are any, mask and body: transforms of shape (l, 2, N/2), or the ring's
            pairs, (l, 2, N).
        switch: rows of the switch, likewise.
        public_pair: shape (2, N/2), or the ring's pair.
        fine_rows: of the first keys, as words: shape (FINE_ROWS, 2, N).
        expansion: automorphisms and switch as the ring takes them; None without one.

    Raises:
        MalformedMessageError: not of exactly the keyset's length.
    """

    def __init__(self, data: memoryview, ring: Ring | None = None, *, keyset: LevelledKeyset = UNIVERSAL) -> None:
        if len(data) != keyset.evaluation_keys_bytes:
            raise MalformedMessageError(
                f"evaluation keys of {len(data)} bytes, the levelled keyset has {keyset.evaluation_keys_bytes}; "
                "make keys for this model's client spec"
            )
        seed = bytes(data[:SEED_BYTES])
        words = np.empty((keyset.rows, 2, RING_SIZE), np.uint64)
        if keyset.rows > 1:
            words[:-1, 0] = masks(seed, 0, keyset.rows - 1)
        words[-1, 0] = public_pair_mask(seed)
        words[:, 1] = unpack(data[SEED_BYTES:], keyset.rows * RING_SIZE, GRID_BITS).reshape(-1, RING_SIZE)
        self.ring = ring
        self.fine_rows = words[:FINE_ROWS].copy() if keyset.rows > 1 else words[:0]
        rows: Rows = forward(fold(torus(words))) if ring is None else _pairs(ring, torus(words))
        self.public_pair = rows[-1]
        automorphisms: list[Rows] = []
        first = 0
        for gadget in UNIVERSAL.automorphisms if keyset == UNIVERSAL else ():
            automorphisms.append(rows[first : first + gadget.levels])
            first += gadget.levels
        self.automorphisms = tuple(automorphisms)
        self.switch = rows[first : first + UNIVERSAL.switch.levels]
        self.expansion: ExpansionKeys | None = None
        if ring is not None and automorphisms:
            from cryptable_kernel import ExpansionKeys

            self.expansion = ExpansionKeys(
                RING_SIZE,
                gadgets=UNIVERSAL.automorphisms,
                automorphisms=automorphisms,
                gadget=UNIVERSAL.switch,
                switch=self.switch,
            )


def _pairs(ring: Ring, ciphertexts: FloatArray) -> FloatArray:
    from cryptable_kernel import aligned

    rows = aligned(*ciphertexts.shape)
    rows[:] = ciphertexts
    ring.pairs(rows, ring.scratch())
    return rows
