"""FeatureUnion: all of its steps see all columns."""

from __future__ import annotations

from cryptable.importers.pipelines.registry import apply_step, preprocessor
from cryptable.importers.pipelines.shapes import Column, weighted_sum
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor("sklearn.pipeline.FeatureUnion")
def read(step: Step, stage: Stage) -> tuple[Column, ...]:
    """What the steps make, side by side, each times its weight."""
    columns: list[Column] = []
    weights = step.transformer_weights or {}
    for name, transformer in step.transformer_list:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        made = apply_step(name, transformer, stage).columns
        columns += [weighted_sum([(float(weights.get(name, 1.0)), column)], stage.step) for column in made]
    return tuple(columns)
