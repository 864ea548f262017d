"""ServerKeys: a client's evaluation keys as transforms, for every levelled model (SPEC-LEVELLED.md, "Keyset")."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE, SEED_BYTES, UNIVERSAL
from cryptable_protocol.schemes.levelled.mask_stream import masks, public_pair_mask
from cryptable_protocol.schemes.levelled.packing import unpack

from cryptable_engine.schemes.levelled.evaluation.transforms import ComplexArray, fold, forward, torus


class ServerKeys:
    """A client's evaluation keys, ready for use: 2.2 MB. Whatever their bytes are, they are keys of some client.

    Args:
        data: protos/SPEC-LEVELLED.md, "Keyset"; not kept.

    Attributes:
        automorphisms: rows of each key, shape (l, 2, N/2): mask and body.
        switch: rows of the switch, likewise.
        public_pair: shape (2, N/2).

    Raises:
        MalformedMessageError: not of exactly the keyset's length.
    """

    def __init__(self, data: memoryview) -> None:
        if len(data) != UNIVERSAL.evaluation_keys_bytes:
            raise MalformedMessageError(
                f"evaluation keys of {len(data)} bytes, the levelled keyset has {UNIVERSAL.evaluation_keys_bytes}; "
                "make keys for this model's client spec"
            )
        seed = bytes(data[:SEED_BYTES])
        words = np.empty((UNIVERSAL.rows, 2, RING_SIZE), np.uint64)
        words[:-1, 0] = masks(seed, 0, UNIVERSAL.rows - 1)
        words[-1, 0] = public_pair_mask(seed)
        words[:, 1] = unpack(data[SEED_BYTES:], UNIVERSAL.rows * RING_SIZE, GRID_BITS).reshape(-1, RING_SIZE)
        rows = forward(fold(torus(words)))
        automorphisms: list[ComplexArray] = []
        first = 0
        for gadget in UNIVERSAL.automorphisms:
            automorphisms.append(rows[first : first + gadget.levels])
            first += gadget.levels
        self.automorphisms = tuple(automorphisms)
        self.switch = rows[first : first + UNIVERSAL.switch.levels]
        self.public_pair = rows[-1]
