"""Where a pipeline's own arithmetic takes a number to the next level of a network that rounds its inputs itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cryptable.graphs.bisection import least_doubles
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import Grid
from cryptable.importers.pipelines.stage import Stage

MOST_LEVELS = 256
"""Of a feature whose edges are told: of finer ones they would take tens of kilobytes of a client spec, each."""


def level_edges(before: Grid, source: IntArray, after: Grid, stage: Stage) -> dict[int, FloatArray]:
    """By the raw column, the least doubles of each level but the first.

    A scaled number may lie on the border between two levels, which is a half of a step: then the scaler's rounding
    decides, and an encoder that scales at once would round otherwise.

    Args:
        before: levels of the network's inputs, which are columns of the stage.
        source: of each input, the raw column that it is a rising copy of, or -1.
        after: levels of the raw columns.
        stage: whose columns each depend on one raw column at most.
    """
    inputs = np.flatnonzero((source >= 0) & (before.maximum > 0) & (before.maximum < MOST_LEVELS))
    if not inputs.size:
        return {}
    raw = source[inputs]
    levels = np.arange(1, int(before.maximum[inputs].max()) + 1)[:, None]
    middle = after.zero[raw] + (levels - 0.5) * after.step[raw]
    below, above = middle - after.step[raw] / 4, middle + after.step[raw] / 4

    def reached(numbers: FloatArray) -> npt.NDArray[np.bool_]:
        matrix = np.repeat(stage.raw.base, len(numbers), axis=0)
        matrix[:, raw] = numbers
        found: npt.NDArray[np.bool_] = before.encode(stage.values(matrix))[:, inputs] >= levels
        return found

    edges = least_doubles(below, above, reached)
    counts = before.maximum[inputs].tolist()
    return {column: edges[:most, place] for place, (column, most) in enumerate(zip(raw.tolist(), counts, strict=True))}
