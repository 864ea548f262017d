"""A pipeline as a step: its steps, one after the other."""

from __future__ import annotations

from cryptable.importers.pipelines.registry import apply_steps, preprocessor
from cryptable.importers.pipelines.shapes import Column
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor("sklearn.pipeline.Pipeline")
def read(step: Step, stage: Stage) -> tuple[Column, ...]:
    """The columns after its last step."""
    return apply_steps(step.steps, stage).columns
