"""Where products stand in memory: the place of one that no later form reads is another one's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.plans.forms import Forms

CHUNK = 8
"""Ciphertexts that are worked on at once: with their digits they fit into a core's cache."""


def chunks(forms: Forms, size: int = CHUNK) -> Iterator[range]:
    """Products that are computed together, at most `size`, in the order of evaluation."""
    for step in forms.steps:
        for first in range(step.start, step.stop, size):
            yield range(first, min(first + size, step.stop))


def places_of(forms: Forms, size: int = CHUNK, *, in_any_order: bool = False) -> tuple[IntArray, int]:
    """The place of each product, and how many places there are.

    The forms of a chunk of `size` products are read before its products are written, so these may stand where those
    were read last. Where products of a chunk are computed `in_any_order`, they may only stand where earlier chunks were
    the last to read.
    """
    last = np.full(forms.products, -1, np.int64)
    np.maximum.at(last, forms.term_product, forms.form_of_terms())
    place = np.empty(forms.products, np.int64)
    free: list[int] = []
    count = 0
    ending = np.argsort(last, kind="stable")
    ended = int(np.searchsorted(last[ending], 0))  # what no form reads keeps its place to itself
    for chunk in chunks(forms, size):
        read = chunk.start if in_any_order else chunk.stop
        while ended < len(ending) and last[ending[ended]] < read:
            free.append(int(place[ending[ended]]))
            ended += 1
        for product in chunk:
            if free:
                place[product] = free.pop()
            else:
                place[product] = count
                count += 1
    return place, count
