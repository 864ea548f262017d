"""Sums amid two levels of a quantizer: what a network itself takes them for, or the even level where that is chance.

Single precision blurs a sum, so that the middle between two levels is told from its surroundings only so far. Within
that blur a network is listened to on calibration data: where it takes a sum for the same level in all rows, so does
the circuit; where it takes it for one level in one row and for the other in the next, the sum goes to the even level,
as in exact arithmetic. Derivation: docs/decisions/0048-sums-amid-two-levels.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rounding = Callable[[Array], Array]
_ROUNDING = 2.0**-24
"""Of a number, that single precision is off by at most."""
_BLUR = 2.0**-19
"""Of a level: what the sum before it may be off by, where its parts are some tens of levels."""
_BLURRED_ROUNDINGS = 16
"""Of the level itself, besides: additions, normalizations and quotients."""
_MEANT_ROUNDINGS = 5
"""Of a level that scales mean to be amid two: those of three scales, of the sum, and of its quotient."""
_MOST = 2.0**23
"""Levels beyond which single precision knows no middle."""
_STRIDE = 1 << 26
"""More than twice as many half levels, so that one number tells both an element and its half level."""


@dataclass(frozen=True, eq=False)
class Ties:
    """How sums amid two levels are rounded, by the names of the quantizers' outputs.

    `left_out` are the quantizers that round no sums of integers: they round as libraries do. `heard` has the sums that
    were within the blur: keys that rise, one of each element and half level, and what each was rounded to, NaN where
    rows differ. Without it (None), all that is within the blur goes to the even level.
    """

    left_out: frozenset[str] = frozenset()
    heard: dict[str, tuple[Array, Array]] | None = None

    def rounded(self, name: str, levels: Array, rounding: Rounding) -> Array:
        """Levels of shape (rows, ...), rounded."""
        own = rounding(levels)
        if name in self.left_out:
            return own
        places, halves, distance = _amid(levels, rounding)
        if not places.size:
            return own
        chosen = np.asarray(rounding(halves / 2), own.dtype)
        if self.heard is not None:
            keys, outcomes = self.heard.get(name, (np.zeros(0, np.int64), np.zeros(0)))
            wanted = _keys(places, halves, levels)
            at = np.minimum(np.searchsorted(keys, wanted), max(0, keys.size - 1))
            known = (keys[at] == wanted) if keys.size else np.zeros(wanted.size, np.bool_)
            meant = distance <= _MEANT_ROUNDINGS * _ROUNDING * np.abs(halves) / 2
            meant &= np.isnan(outcomes).any()  # scales that mean the middle do so again and again
            chosen = np.where(~known & ~meant, own.ravel()[places], chosen)
            if known.any():
                told = outcomes[at]
                chosen = np.where(known & ~np.isnan(told), told, chosen)
        found = own.ravel().copy()
        found[places] = chosen
        return found.reshape(own.shape)


def _amid(levels: Array, rounding: Rounding) -> tuple[Array, Array, Array]:
    """Of the flattened levels, the places of those within the blur of where rounding changes.

    Also that border itself, in half levels, and how far from it the level is.
    """
    flat = np.asarray(levels, np.float64).ravel()
    halves = np.rint(2 * flat)
    distance = np.abs(flat - halves / 2)
    blur = _BLUR + _BLURRED_ROUNDINGS * _ROUNDING * np.abs(flat)
    places = np.flatnonzero((distance < blur) & (np.abs(flat) < _MOST))
    halves = halves[places]
    changes = rounding(halves / 2 - 0.25) != rounding(halves / 2 + 0.25)
    return places[changes], halves[changes], distance[places][changes]


def _keys(places: Array, halves: Array, levels: Array) -> Array:
    """Of an element among those of one row, and a half level."""
    elements = places % max(1, levels.size // max(1, len(levels)))
    keys: Array = elements.astype(np.int64) * _STRIDE + halves.astype(np.int64) + _STRIDE // 2
    return keys


@dataclass(eq=False)
class _Listener:
    """Notes what a network rounds sums to, batch by batch."""

    left_out: frozenset[str]
    noted: dict[str, list[tuple[Array, Array]]] = field(default_factory=dict)

    def rounded(self, name: str, levels: Array, rounding: Rounding) -> Array:
        own = rounding(levels)
        if name not in self.left_out:
            places, halves, _ = _amid(levels, rounding)
            if places.size:
                outcome = np.asarray(own.ravel()[places], np.float64)
                self.noted.setdefault(name, []).append((_keys(places, halves, levels), outcome))
        return own

    def ties(self) -> Ties:
        heard = {}
        for name, parts in self.noted.items():
            every = np.concatenate([keys for keys, _ in parts])
            outcomes = np.concatenate([outcome for _, outcome in parts])
            order = np.lexsort((outcomes, every))
            keys, first = np.unique(every[order], return_index=True)
            last = np.append(first[1:], every.size) - 1
            least, most = outcomes[order][first], outcomes[order][last]
            heard[name] = keys, np.where(least == most, least, np.nan)
        return Ties(self.left_out, heard)


_active: ContextVar[Ties | _Listener | None] = ContextVar("ties", default=None)
"""None where numbers are rounded as they stand."""


def is_decided() -> bool:
    """Whether `rounded` does anything but round: within `tidied`, or `heard`."""
    return _active.get() is not None


@contextmanager
def tidied(ties: Ties) -> Iterator[None]:
    """Here, sums amid two levels are rounded as `ties` say."""
    with _set(ties):
        yield


@contextmanager
def _set(value: Ties | _Listener) -> Iterator[None]:
    token = _active.set(value)
    try:
        yield
    finally:
        _active.reset(token)


def heard(left_out: frozenset[str], evaluate: Callable[[], object]) -> Ties:
    """What a network takes sums amid two levels for while it is evaluated, which changes nothing about its answers.

    Args:
        left_out: outputs of quantizers that round no sums of integers.
        evaluate: the network, on calibration data.
    """
    listener = _Listener(left_out)
    with _set(listener):
        evaluate()
    return listener.ties()


def rounded(name: str, levels: Array, rounding: Rounding) -> Array:
    """Levels as a quantizer rounds them here: as they stand, but within `tidied`.

    Args:
        name: of the quantizer's output.
        levels: shape (rows, ...), in levels of its scale.
        rounding: to whole levels, or to signs.
    """
    active = _active.get()
    return rounding(levels) if active is None else active.rounded(name, levels, rounding)
