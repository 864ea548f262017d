"""Binning: a column becomes the number of its bin, or one bit a bin."""

from __future__ import annotations

import numpy as np

from cryptable.importers.pipelines.registry import fitted, preprocessor
from cryptable.importers.pipelines.shapes import Column
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor("sklearn.preprocessing.Binarizer")
def read_binarizer(step: Step, stage: Stage) -> tuple[Column, ...]:
    """1 above the threshold, else 0."""
    edge = np.nextafter(np.array([float(step.threshold)]), np.inf)
    return tuple(stage.steps_at(index, edge) for index in range(len(stage.columns)))


@preprocessor("sklearn.preprocessing.KBinsDiscretizer")
def read_bins(step: Step, stage: Stage) -> tuple[Column, ...]:
    """A bin starts at its edge; the outer edges do not count."""
    columns: list[Column] = []
    for index, edges in enumerate(fitted(step, "bin_edges_", stage.step)):
        binned = stage.steps_at(index, np.asarray(edges[1:-1], np.float64))
        columns += [binned] * (1 if step.encode == "ordinal" else int(step.n_bins_[index]))
    return tuple(columns)
