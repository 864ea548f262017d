"""Codes of bins: binary digits that tables are turned by, and steps that tell which part of a table is meant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cryptable_protocol import BitsEncoder, FeatureEncoder, PolylineEncoder, ThermometerEncoder, UnusedFeature
from cryptable_protocol.limits import MAX_KNOTS

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class FeatureCode:
    """A bin's code is `places` of it, times 2^`lower`, plus which it is of the bins of its place.

    What pairs read is the place alone; what the feature adds by itself may differ within one.

    Attributes:
        name: of the feature.
        edges: between bins, increasing.
        places: of each bin, never decreasing: shape (edges + 1,).
        inner: of each bin, which it is of those of its place; likewise.
        coarse: of each place, the bin among those that pairs tell apart: shape (places,).
        upper: binary digits of a place.
        lower: of what a bin is within one.
    """

    name: str
    edges: FloatArray
    places: IntArray
    inner: IntArray
    coarse: IntArray
    upper: int
    lower: int

    @property
    def digits(self) -> int:
        """Bits of a code."""
        return self.upper + self.lower

    @cached_property
    def codes(self) -> IntArray:
        """Of each bin."""
        return (self.places << self.lower) + self.inner

    def edge_of(self, place: int) -> float:
        """The edge from which on the place is reached, which is not the first one."""
        return float(self.edges[np.searchsorted(self.places, place) - 1])

    def encoder(self, steps: list[int]) -> FeatureEncoder:
        """The digits of the code, the lowest first, and a bit for each place that is reached.

        Raises:
            UnsupportedModelError: there are more bins than a curve has knots for.
        """
        if not self.digits:
            return UnusedFeature(self.name)
        knots = np.unique(np.concatenate([np.nextafter(self.edges, -np.inf), self.edges]))
        if len(knots) > MAX_KNOTS:
            raise UnsupportedModelError(
                f"feature {self.name!r} has {len(self.edges) + 1} bins, at most {MAX_KNOTS // 2} are told apart; use "
                "fewer (max_bins=), or raise tolerance="
            )
        heights = self.codes[np.searchsorted(self.edges, knots, side="right")].astype(np.float64)
        code = PolylineEncoder(self.name, tuple(knots.tolist()), tuple(heights.tolist()), 1 << self.digits)
        if not steps:
            return BitsEncoder(self.name, (code,))
        edges = tuple(self.edge_of(place) for place in steps)
        return BitsEncoder(self.name, (code, ThermometerEncoder(self.name, edges)))


def feature_code(name: str, coarse: FloatArray, fine: FloatArray) -> FeatureCode:
    """The shortest code of a feature's bins, with the fewest digits for places.

    A place has as many bins as lower digits tell apart; where several such are within one bin of pairs, that has
    several places, of which there are 2^upper for nothing.

    Args:
        name: of the feature.
        coarse: edges that pairs read, increasing.
        fine: all edges, those among them.
    """
    if not coarse.size:  # no pair reads it: every bin is a place
        bins = np.arange(len(fine) + 1)
        return FeatureCode(name, fine, bins, np.zeros_like(bins), bins, len(fine).bit_length(), 0)
    whole = np.searchsorted(coarse, np.r_[-np.inf, fine], side="right")
    start = np.searchsorted(whole, whole)
    within = np.arange(len(whole)) - start
    upper, lower = len(coarse).bit_length(), 0
    while True:
        is_new = within % (1 << lower) == 0
        places = np.cumsum(is_new) - 1
        if places[-1] < 1 << upper:
            break
        lower += 1
    return FeatureCode(name, fine, places, within % (1 << lower), whole[is_new], upper, lower)
