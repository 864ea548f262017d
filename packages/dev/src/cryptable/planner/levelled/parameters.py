"""Parameters of a levelled circuit: moduli, gadget, and where each bit stands in a row, by seconds and bytes."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from cryptable_engine import Circuit, CircuitError, CompilationError, Rotation
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.schemes.levelled.linear.choice import choose_linear_parameters
from cryptable_engine.schemes.levelled.linear.plan import input_bits, is_linear
from cryptable_engine.schemes.levelled.noise.bound import noise_bound
from cryptable_engine.schemes.levelled.plans.forms import Forms, read_forms
from cryptable_engine.schemes.levelled.plans.ladders import ladders
from cryptable_engine.schemes.levelled.plans.plan import plan_forms
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.schemes.levelled.answers import MAX_SLOTS
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import GADGETS, MAX_MODULI, MODULI, LevelledParameters

from cryptable.cost.levelled import seconds_of
from cryptable.errors import UnsupportedModelError

Upload: TypeAlias = Literal["fast", "small"]
"""How bits travel that linear forms read: "fast" in places, which cost no CPU, "small" in leaves, of fewer bytes."""

MOST_FAST_BYTES = 1 << 16
"""Of a row that bits are placed in by choice: in a larger one they have leaves."""
_ANSWER_BITS = (14, 16, 18)
_MOST_MODULI_TRIED = 3
_FAR = 0.8
"""Of the logarithm of p_error: where noise leaves less, words of more bits in the answer do not mend it."""


def choose_parameters(
    circuit: Circuit, *, p_error: float, upload: Upload = "fast", names: int = 0
) -> LevelledParameters | LinearParameters:
    """Those of the fewest seconds, and of the fewest bytes among equals, whose answers are exact enough.

    Args:
        circuit: verified: bits, products and linear forms; or one matrix of integers.
        p_error: probability that an answer is wrong, for any honest row.
        upload: "small" for the fewest bytes up.
        names: contributions of each score among the outputs, for messages.

    Raises:
        UnsupportedModelError: scores that moduli do not tell apart, more slots than an answer has, more bits than a row
            holds, or more products on at once than noise allows; says what to do.
    """
    highest = highest_output(circuit, bounds(circuit))
    if is_linear(circuit):
        try:
            return choose_linear_parameters(circuit, highest, p_error)
        except CompilationError as error:
            if input_bits(circuit) > 1:
                raise UnsupportedModelError(str(error)) from error
    return _chosen(circuit, highest, p_error, upload, names)


_MANY_PRODUCTS = 4000
"""From which on forms of products read so many leaves that noise may leave places alone, however many bytes."""


def _chosen(circuit: Circuit, highest: int, p_error: float, upload: Upload, names: int) -> LevelledParameters:
    """For a circuit of bits."""
    forms = read_forms(circuit)
    candidates, refusal = [], ""
    # Of sums along thermometers, leaves are read by many forms: too noisy in large models, so that places are left.
    is_read_much = ladders(forms) is not None
    is_large = forms.products > _MANY_PRODUCTS
    for moduli in _moduli_for(highest, forms.outputs, _most_slots(forms), names):
        for gadget in GADGETS:
            for is_placed in (True, False) if upload == "fast" else (False,):
                for answer_bits in _ANSWER_BITS:
                    try:
                        found = _laid_out(forms, highest, p_error, moduli, gadget, answer_bits, is_placed=is_placed)
                    except MalformedMessageError as error:
                        refusal = str(error)
                        continue
                    if not is_placed or is_read_much or found.row_bytes <= MOST_FAST_BYTES or is_large:
                        candidates.append(found)
    nearest, wanted = 0.0, math.log2(p_error)
    failed: dict[Gadget, LevelledParameters] = {}
    products, turns = forms.products, circuit.products - forms.products
    # Selectors that turn tables are nearly all that forms read: places would be one more polynomial for a few bits.
    by_bytes = forms.rotation is not None
    for found in sorted(
        candidates,
        key=lambda each: (
            bool(each.placed) and each.row_bytes > MOST_FAST_BYTES,
            by_bytes * each.row_bytes,
            seconds_of(each, products, turns),
            each.answer_bytes,
        ),
    ):
        if found.gadget in failed and _is_noisier(found, failed[found.gadget]):
            continue
        try:
            log2 = noise_bound(plan_forms(forms, found, highest)).log2_failure
        except CircuitError as error:  # two forms that are equal modulo these moduli
            refusal = str(error)
            continue
        if log2 <= wanted:
            return found
        nearest = min(nearest, log2)
        if log2 > _FAR * wanted:
            failed[found.gadget] = found
    if candidates and nearest:
        refusal = (
            f"noise: with {circuit.products} products, an answer is wrong with a probability of up to 2^{nearest:.0f}, "
            f"asked for is 2^{math.log2(p_error):.0f}"
        )
    features = "fewer features, " if names else ""
    ways_out = f"use fewer or shallower trees, {features}a larger tolerance=, or {_or_else(names)}"
    if forms.rotation is not None:
        ways_out = _ways_out(forms.rotation)
    raise UnsupportedModelError(f"scheme 'levelled': {refusal}; {ways_out}")


def _ways_out(rotation: Rotation) -> str:
    coarser = "fewer pairs (interactions=) or coarser ones (max_interaction_bins=)"
    if rotation.trees:
        return f"use fewer or shallower trees, {coarser}, or answer='score'"
    if rotation.read_signs:
        return f"use {coarser}, or a larger tolerance="
    return "use fewer neurons (support vectors), lower input_bits=, or a larger tolerance="


def _or_else(names: int) -> str:
    """The other way out: another scheme takes the scores, but tells no contributions of trees."""
    return "explain=None" if names else "scheme='bootstrapped'"


def _is_noisier(one: LevelledParameters, other: LevelledParameters) -> bool:
    """Of two with one gadget: greater moduli leave less room, and leaves have more noise than places."""
    return one.moduli[-1] >= other.moduli[-1] and (bool(other.placed) or not one.placed)


def _laid_out(
    forms: Forms,
    highest: int,
    p_error: float,
    moduli: tuple[int, ...],
    gadget: Gadget,
    answer_bits: int,
    *,
    is_placed: bool,
) -> LevelledParameters:
    """With the bits that forms read in places, or in leaves but for selectors, which have some."""
    selectors, read = forms.selectors, tuple(np.unique(forms.read_bit).tolist())
    only_read = tuple(sorted(set(read) - set(selectors)))
    placed: tuple[int, ...] = ()
    if is_placed:
        # Selectors too, where that costs no further polynomial: a place has less noise than a leaf.
        room = RING_SIZE // (forms.outputs * len(moduli))
        fits = -(-len(read) // room) == -(-len(only_read) // room)
        placed = read if fits else only_read
    return LevelledParameters(
        keyset=UNIVERSAL,
        inputs=forms.inputs,
        selectors=selectors,
        leaves=() if is_placed else only_read,
        placed=placed,
        gadget=gadget,
        moduli=moduli,
        outputs=forms.outputs,
        maximum=highest,
        answer_word_bits=answer_bits,
        p_error=p_error,
    )


def _most_slots(forms: Forms) -> int:
    """Of an answer: with tables, as many as a position has coefficients."""
    return MAX_SLOTS if forms.rotation is None else min(MAX_SLOTS, RING_SIZE // forms.rotation.positions)


def _moduli_for(highest: int, outputs: int, most_slots: int, names: int) -> list[tuple[int, ...]]:
    """Sets of moduli that tell outputs apart, from the smallest greatest one on: it sets the precision.

    Raises:
        UnsupportedModelError: there are none, or they take more slots than an answer has.
    """
    sets = [
        moduli
        for count in range(1, MAX_MODULI + 1)
        for moduli in combinations(MODULI, count)
        if math.lcm(*moduli) == math.prod(moduli)
    ]
    what = f"values (scores, and {names} contributions to each)" if names else "scores"
    wide = [moduli for moduli in sets if math.prod(moduli) > highest]
    if not wide:
        raise UnsupportedModelError(
            f"scheme 'levelled': {what} up to {highest}, its moduli tell {max(map(math.prod, sets))} apart; raise "
            f"tolerance=, or use {_or_else(names)}"
        )
    fitting = [moduli for moduli in wide if len(moduli) * outputs <= most_slots]
    if not fitting:
        slots = outputs * min(map(len, wide))
        scores = outputs // (1 + names)
        most = most_slots // (scores * min(map(len, wide))) - 1
        fewer = f"fit with {most} features at most, " if names and most > 0 else ""
        raise UnsupportedModelError(
            f"scheme 'levelled': {outputs} {what} up to {highest} take {slots} slots, an answer has {most_slots}; "
            f"{fewer}raise tolerance=, or use {_or_else(names)}"
        )
    by_greatest: dict[int, tuple[int, ...]] = {}
    for moduli in sorted(fitting, key=lambda each: (each[-1], len(each), math.prod(each))):
        by_greatest.setdefault(moduli[-1], moduli)
    return list(by_greatest.values())[:_MOST_MODULI_TRIED]
