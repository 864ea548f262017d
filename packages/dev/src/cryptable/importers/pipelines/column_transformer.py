"""ColumnTransformer: each of its steps sees some columns, and what they make stands side by side."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from cryptable.graphs.graph import IntArray
from cryptable.importers.pipelines.registry import apply_step, fitted, preprocessor
from cryptable.importers.pipelines.shapes import Column
from cryptable.importers.pipelines.stage import Stage, Step

Chosen: TypeAlias = Any
"""Columns as a user writes them."""


@preprocessor("sklearn.compose.ColumnTransformer")
def read(step: Step, stage: Stage) -> tuple[Column, ...]:
    """The columns of each step, in its order; the remainder is the last of them."""
    parts = fitted(step, "transformers_", stage.step)
    names = getattr(step, "feature_names_in_", None)
    columns: list[Column] = []
    for name, transformer, chosen in parts:
        positions = positions_of(chosen, len(stage.columns), None if names is None else list(names))
        if (isinstance(transformer, str) and transformer == "drop") or not positions.size:
            continue
        columns += apply_step(name, transformer, stage.select(positions)).columns
    return tuple(columns)


def positions_of(chosen: Chosen, count: int, names: list[str] | None) -> IntArray:
    """Positions of columns that are chosen by position, mask, slice or name, one or several."""
    everything = np.arange(count, dtype=np.int64)
    if isinstance(chosen, slice):
        if isinstance(chosen.start, str) or isinstance(chosen.stop, str):
            start = 0 if chosen.start is None else (names or []).index(chosen.start)
            stop = count if chosen.stop is None else (names or []).index(chosen.stop) + 1  # as pandas: inclusive
            chosen = slice(start, stop, chosen.step)
        sliced: IntArray = everything[chosen]
        return sliced
    listed = [chosen] if isinstance(chosen, str) or np.isscalar(chosen) else list(chosen)
    if listed and all(isinstance(each, str) for each in listed):
        return np.array([(names or []).index(str(each)) for each in listed], np.int64)
    is_mask = bool(listed) and all(isinstance(each, bool | np.bool_) for each in listed)
    found: IntArray = everything[np.asarray(listed, np.bool_ if is_mask else np.int64)]
    return found
