"""From the polynomials of a row to its leaves, and from a selector's leaves to the rows of a GGSW ciphertext."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, RING_SIZE, UNIVERSAL
from cryptable_protocol.schemes.levelled.layout import Run

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.evaluation.decomposition import times_rows, transformed_digits
from cryptable_engine.schemes.levelled.evaluation.held_leaves import HeldLeaves
from cryptable_engine.schemes.levelled.evaluation.product_memory import CHUNK
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
from cryptable_engine.schemes.levelled.evaluation.workspace import Scratch, Workspace
from cryptable_engine.schemes.levelled.plans.plan import Plan


def expand(
    run: Run, keys: ServerKeys, leaves: ComplexArray, space: Scratch, *, begun: int = 0, but_last: bool = False
) -> None:
    """The trace tree of one run (SPEC-LEVELLED.md, "Evaluation", 1), in place.

    Args:
        run: its leaves.
        keys: of the client.
        leaves: shape (run.count, 2, N/2), folded; the first one holds the run's ciphertext.
        space: for scratch.
        begun: levels whose results `leaves` holds already.
        but_last: leave the last level out, for `take`; of `leaves`, the first half suffices then.
    """
    for level in range(begun, run.depth - but_last):
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


def take(
    wanted: IntArray, held: HeldLeaves, nodes: ComplexArray, keys: ServerKeys, out: ComplexArray, space: Scratch
) -> None:
    """Leaves of runs whose last level was left out.

    Args:
        wanted: which leaves.
        held: what `nodes` has.
        nodes: folded, shape (held.count, 2, N/2).
        keys: of the client.
        out: shape (len(wanted), 2, N/2), overwritten.
        space: for scratch.
    """
    np.take(nodes, held.node[wanted], axis=0, out=out, mode="clip")
    splitting = np.flatnonzero(held.is_split[wanted])
    for first in range(0, len(splitting), CHUNK):
        some = splitting[first : first + CHUNK]
        even = out[some]
        odd = np.empty_like(even)
        _split(even, odd, LOG2_RING_SIZE - 1, HALF, keys, space)
        out[some] = np.where(held.is_odd[wanted[some], None, None], odd, even)


def _split(even: ComplexArray, odd: ComplexArray, key: int, power: int, keys: ServerKeys, space: Scratch) -> None:
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


def switch_all(plan: Plan, keys: ServerKeys, space: Workspace) -> None:
    """Transform all leaves and places, and switch those of selectors (SPEC-LEVELLED.md, "Evaluation", 2)."""
    done = 0
    for part in plan.switched_leaves:
        transform(space.leaves[done : part.start])
        done = part.stop
        switch(space.leaves[part.start : done], keys, space.switched[part.start : done], space)
    transform(space.leaves[done:])


def switch(leaves: ComplexArray, keys: ServerKeys, switched: ComplexArray, space: Workspace) -> None:
    """Transform leaves of selectors, in place, and write their switched ones, of the same shape (count, 2, N/2)."""
    gadget = UNIVERSAL.switch
    for first in range(0, len(leaves), CHUNK):
        part = leaves[first : first + CHUNK]
        mask = space.singles[: len(part)]
        np.copyto(mask, part[:, 0])
        digits = space.digits[: gadget.levels * len(part)].reshape(gadget.levels, len(part), HALF)
        digits = transformed_digits(mask, gadget, digits)
        times_rows(digits, keys.switch, switched[first : first + CHUNK], space.rows[0])
    transform(leaves)
    np.add(switched[:, 0], leaves[:, 1], out=switched[:, 0])


def transform(ciphertexts: ComplexArray) -> None:
    """In place, a few at a time."""
    for first in range(0, len(ciphertexts), CHUNK):
        ciphertexts[first : first + CHUNK] = forward(ciphertexts[first : first + CHUNK])
