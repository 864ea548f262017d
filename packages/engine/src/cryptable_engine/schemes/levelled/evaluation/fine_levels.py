"""The first levels of the deepest trees, in exact arithmetic: what transforms round there is doubled most often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import FINE_KEYS, GRID_BITS, RING_SIZE, UNIVERSAL
from cryptable_protocol.schemes.levelled.layout import Run

from cryptable_engine.schemes.levelled.evaluation.transforms import FloatArray, fold, forward, inverse, torus, unfold
from cryptable_engine.schemes.levelled.plans.automorphisms import targets
from cryptable_engine.schemes.levelled.plans.digits import digits

Words = npt.NDArray[np.uint64]
_HALF_BITS = GRID_BITS // 2
_MASK = np.uint64((1 << GRID_BITS) - 1)
FINE_ROWS = sum(gadget.levels for gadget in UNIVERSAL.automorphisms[:FINE_KEYS])
"""Of the evaluation keys, the first ones: those of the fine levels."""


def fine_levels(run: Run) -> int:
    """How many levels of a tree are split so."""
    return max(0, min(run.depth, FINE_KEYS - run.shift))


def expand_finely(run: Run, ciphertext: FloatArray, rows: Words) -> FloatArray:
    """Nodes below the fine levels of a run: shape (2^levels, 2, N), on the torus; all of them split, in so deep a tree.

    Args:
        run: its leaves.
        ciphertext: of the run, shape (2, N), on the torus, a multiple of 2^-52.
        rows: of the keys, shape (FINE_ROWS, 2, N), words of 52 bits.
    """
    levels = fine_levels(run)
    nodes = np.rint(ciphertext * 2.0**GRID_BITS).astype(np.int64).view(np.uint64)[None] & _MASK
    for level in range(levels):
        step = 1 << level
        key = run.shift + level
        begin = sum(gadget.levels for gadget in UNIVERSAL.automorphisms[:key])
        own = _transforms(rows[begin : begin + UNIVERSAL.automorphisms[key].levels])
        nodes = np.concatenate(list(zip(*(_split(node, key, step << run.shift, own) for node in nodes), strict=True)))
    return torus(nodes)


def _split(node: Words, key: int, power: int, rows: list[npt.NDArray[np.complex128]]) -> tuple[Words, Words]:
    """As `expansion._split`, in integers modulo 2^52."""
    target, is_same = targets(key)
    turned = np.empty_like(node)
    turned[:, target] = np.where(is_same, node, (~node + np.uint64(1)) & _MASK)
    gadget = UNIVERSAL.automorphisms[key]
    some = np.empty((gadget.levels, RING_SIZE))
    digits(torus(turned[0]), gadget, some)
    spectra = forward(fold(some))[:, None]
    high, low = (_rounded(inverse(np.sum(spectra * part, axis=0))) for part in rows)
    switched = (high << np.uint64(_HALF_BITS)) + low
    turned[0] = 0
    turned = (turned - switched) & _MASK
    odd = (node - turned) & _MASK
    moved = np.concatenate([odd[:, power:], (~odd[:, :power] + np.uint64(1)) & _MASK], axis=1)
    return (node + turned) & _MASK, moved


def _transforms(rows: Words) -> list[npt.NDArray[np.complex128]]:
    """Of the upper and the lower 26 bits of words: with digits of six bits, their products are integers below 2^45."""
    low = rows & np.uint64((1 << _HALF_BITS) - 1)
    return [forward(fold(part.astype(np.float64))) for part in (rows >> np.uint64(_HALF_BITS), low)]


def _rounded(folded: npt.NDArray[np.complex128]) -> Words:
    words: Words = np.rint(unfold(folded)).astype(np.int64).view(np.uint64)
    return words
