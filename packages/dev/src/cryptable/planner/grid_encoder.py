"""The client's encoder of a feature whose integers are a grid's."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import AffineEncoder, FeatureEncoder, PolylineEncoder

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integers import Grid


def grid_encoder(name: str, grid: Grid, index: int, edges: FloatArray | None) -> FeatureEncoder:
    """Of one variable; `edges` are the least numbers of each integer but 0, where they are to be compared with."""
    levels = int(grid.maximum[index]) + 1
    if edges is None:
        return AffineEncoder(name, float(grid.zero[index]), float(grid.step[index]), levels)
    # A polyline that is constant but between an edge and the double below it.
    knots = np.stack([np.nextafter(edges, -np.inf), edges], axis=1).ravel()
    heights = np.stack([np.arange(levels - 1.0), np.arange(1.0, levels)], axis=1).ravel()
    return PolylineEncoder(name, tuple(knots.tolist()), tuple(heights.tolist()), levels)
