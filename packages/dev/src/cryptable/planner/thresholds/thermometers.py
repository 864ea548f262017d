"""The client's encoder of a column whose edges are planned: numbers, with missing values or without, or categories."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import CategoricalEncoder, FeatureEncoder, Missing, ThermometerEncoder, UnusedFeature

from cryptable.graphs.graph import MISSING_EDGE, Gaps


def encoder_of(name: str, edges: tuple[float, ...], *, as_float32: bool, gaps: Gaps) -> FeatureEncoder:
    """The encoder that makes one bit an edge.

    Args:
        name: of the column.
        edges: that the circuit reads, increasing; of a column of categories, levels.
        as_float32: whether numbers are rounded first.
        gaps: how the column is read. Categories whose levels no edge lies between get one level.
    """
    if not edges:
        return UnusedFeature(name)
    if isinstance(gaps, CategoricalEncoder):
        levels = np.searchsorted(edges, gaps.levels, side="right").tolist()
        missing, unknown = (
            None if level is None else int(np.searchsorted(edges, level, side="right"))
            for level in (gaps.missing, gaps.unknown)
        )
        return CategoricalEncoder(name, gaps.categories, tuple(levels), missing, unknown)
    if edges[-1] == MISSING_EDGE:
        return ThermometerEncoder(name, edges[:-1], as_float32, Missing.OWN_ELEMENT)
    return ThermometerEncoder(name, edges, as_float32, gaps)
