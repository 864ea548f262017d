"""Weights: integers that forms multiply leaves and places by, and by how much they miss the weights that are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import Gadget
from cryptable_protocol.schemes.levelled.layout import LEAF_SCALE, PLACE_SCALE
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.plans.forms import Forms
from cryptable_engine.schemes.levelled.plans.ladders import Ladder, blocks, by_rung, ladders, sums_on_torus
from cryptable_engine.schemes.levelled.plans.torus import FloatArray, on_torus

_Part: TypeAlias = tuple[IntArray, IntArray, FloatArray]
_PLACE, _LEAF, _DIGITS = range(3)
"""What a bit is read from."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What forms multiply what they read by, one number a slot.

    Row i says that form `form[i]` reads `source[i]` times the polynomial with coefficients `weight[i]` in the slots.
    """

    form: IntArray
    source: IntArray
    """A leaf; or an index into `placed`; or an input element."""
    weight: FloatArray


@dataclass(frozen=True, eq=False)
class _Read:
    """Of bits of one kind: integers by level of their leaves, one where they have one; and what these exceed."""

    kind: int
    form: IntArray
    bit: IntArray
    integers: list[FloatArray]
    rounding: FloatArray


def weights_of(forms: Forms, parameters: LevelledParameters) -> tuple[Weights, Weights, Weights]:
    """Of leaves, of places, and by how much these exceed the exact weights of input elements, on the torus."""
    layout, inputs = parameters.layout, forms.inputs
    place, leaf, selector = (_positions(each, inputs) for each in (layout.placed, layout.leaves, layout.selectors))
    kind = np.where(place >= 0, _PLACE, np.where(leaf >= 0, _LEAF, _DIGITS))
    source = np.choose(kind, [place, layout.selector_leaves + leaf, selector * layout.gadget.levels])
    found = ladders(forms)
    of_leaves: list[_Part] = []
    of_places: list[_Part] = []
    missed: list[_Part] = []
    for read in _one_by_one(forms, parameters, kind) if found is None else _on_ladders(forms, found, parameters, kind):
        missed.append((read.form, read.bit, read.rounding))
        target = of_places if read.kind == _PLACE else of_leaves
        target += [(read.form, source[read.bit] + level, each) for level, each in enumerate(read.integers)]
    slots = layout.slots
    return _sorted(of_leaves, slots), _sorted(of_places, slots), _sorted(missed, slots)


def _one_by_one(forms: Forms, parameters: LevelledParameters, kind: IntArray) -> Iterator[_Read]:
    exact, form, bit = on_torus(forms.read_weight, parameters.moduli), forms.form_of_reads(), forms.read_bit
    for each in (_PLACE, _LEAF, _DIGITS):
        chosen, scale = kind[bit] == each, _scale(each, parameters.layout.gadget)
        scaled = np.rint(exact[chosen] * 2.0**scale)
        integers = _digits(scaled, parameters.layout.gadget) if each == _DIGITS else [scaled]
        yield _Read(each, form[chosen], bit[chosen], integers, scaled * 2.0**-scale - exact[chosen])


def _on_ladders(
    forms: Forms, found: tuple[Ladder, ...], parameters: LevelledParameters, kind: IntArray
) -> Iterator[_Read]:
    gadget, slots = parameters.layout.gadget, parameters.layout.slots
    for block in blocks(forms, found, kind):
        each = int(kind[block.bits[0]])
        sums, missed = sums_on_torus(block, parameters.moduli, _scale(each, gadget))
        integers = _digits(sums, gadget) if each == _DIGITS else [sums]
        rungs = block.ladder.rungs
        yield _Read(
            each,
            np.repeat(rungs, block.bits.size),
            np.tile(block.bits, rungs.size),
            [by_rung(block, level).reshape(-1, slots) for level in integers],
            by_rung(block, missed).reshape(-1, slots),
        )


def _scale(kind: int, gadget: Gadget) -> int:
    """A weight of 1 is this power of two in integers."""
    return {_PLACE: PLACE_SCALE, _LEAF: LEAF_SCALE, _DIGITS: gadget.base_log * gadget.levels}[kind]


def _digits(integers: FloatArray, gadget: Gadget) -> list[FloatArray]:
    """One for each leaf of a selector: small integers let little of a leaf's noise through."""
    found: list[FloatArray] = []
    for level in range(gadget.levels, 0, -1):
        carried = np.rint(integers * 2.0**-gadget.base_log) if level > 1 else np.zeros_like(integers)
        found.insert(0, integers - carried * 2.0**gadget.base_log)
        integers = carried
    return found


def _positions(elements: tuple[int, ...], inputs: int) -> IntArray:
    """Index of each input element in `elements`, or −1."""
    positions = np.full(inputs, -1, np.int64)
    positions[np.array(elements, np.int64)] = np.arange(len(elements))
    return positions


def _sorted(parts: list[_Part], slots: int) -> Weights:
    """Joined, without zeros, by form and then by source."""
    none = np.empty(0, np.int64)
    form, source, weight = (
        np.concatenate(column) for column in zip((none, none, np.empty((0, slots))), *parts, strict=True)
    )
    kept = np.flatnonzero(weight.any(axis=1))
    order = kept[np.lexsort((source[kept], form[kept]))]
    return Weights(form[order], source[order], weight[order])
