"""From the polynomials of a row to its leaves, and from a selector's leaves to the rows of a GGSW ciphertext."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL
from cryptable_protocol.schemes.levelled.layout import Layout, Run

from cryptable_engine.schemes.levelled.evaluation.decomposition import times_rows, transformed_digits
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import (
    HALF,
    ComplexArray,
    automorphism,
    centre,
    divide_by_power,
    doubles,
    forward,
    inverse,
)
from cryptable_engine.schemes.levelled.evaluation.workspace import CHUNK, Workspace


def expand(run: Run, keys: ServerKeys, leaves: ComplexArray, space: Workspace) -> None:
    """The trace tree of one run (SPEC-LEVELLED.md, "Evaluation", 1), in place.

    Args:
        run: its leaves.
        keys: of the client.
        leaves: shape (run.count, 2, N/2), folded; the first one holds the run's ciphertext.
        space: for scratch.
    """
    for level in range(run.depth):
        step = 1 << level
        splitting = min(step, run.count - step)
        for first in range(0, splitting, CHUNK):
            last = min(first + CHUNK, splitting)
            _split(
                leaves[first:last],
                leaves[first + step : last + step],
                run.shift + level,
                step << run.shift,
                keys,
                space,
            )


def _split(even: ComplexArray, odd: ComplexArray, key: int, power: int, keys: ServerKeys, space: Workspace) -> None:
    """even, odd = even + τ(even), (even − τ(even)) · X^(−power), where τ is that of the key of this number."""
    gadget = UNIVERSAL.automorphisms[key]
    count = len(even)
    turned, spare = space.pairs[:count], space.more_pairs[:count]
    mask = space.singles[:count]
    index, sign = automorphism(RING_SIZE // 2**key + 1)
    np.take(doubles(even), index, axis=2, out=doubles(turned), mode="clip")
    np.multiply(doubles(turned), sign, out=doubles(turned))
    np.copyto(mask, turned[:, 0])
    digits = space.digits[: gadget.levels * count].reshape(gadget.levels, count, HALF)
    digits = transformed_digits(mask, gadget, digits)
    times_rows(digits, keys.automorphisms[key], spare, space.rows[0])
    switched = inverse(spare)
    # τ(even) under the key is (0, τ(b)) − switched.
    np.negative(switched[:, 0], out=turned[:, 0])
    np.subtract(turned[:, 1], switched[:, 1], out=turned[:, 1])
    np.subtract(even, turned, out=switched)
    np.add(even, turned, out=even)
    centre(doubles(even), doubles(turned))
    centre(doubles(switched), doubles(turned))
    divide_by_power(switched, power, odd)


def switch(layout: Layout, keys: ServerKeys, space: Workspace) -> None:
    """Transform all leaves and places, and switch those of selectors (SPEC-LEVELLED.md, "Evaluation", 2)."""
    gadget = UNIVERSAL.switch
    for first in range(0, layout.selector_leaves, CHUNK):
        last = min(first + CHUNK, layout.selector_leaves)
        mask = space.singles[: last - first]
        np.copyto(mask, space.leaves[first:last, 0])
        digits = space.digits[: gadget.levels * (last - first)].reshape(gadget.levels, last - first, HALF)
        digits = transformed_digits(mask, gadget, digits)
        times_rows(digits, keys.switch, space.switched[first:last], space.rows[0])
    for first in range(0, len(space.leaves), CHUNK):
        last = min(first + CHUNK, len(space.leaves))
        space.leaves[first:last] = forward(space.leaves[first:last])
    selectors = layout.selector_leaves
    np.add(space.switched[:, 0], space.leaves[:selectors, 1], out=space.switched[:, 0])
