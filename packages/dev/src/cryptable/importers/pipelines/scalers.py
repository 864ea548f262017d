"""Scalers: every column times a number, plus a number."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import FloatArray
from cryptable.importers.pipelines.registry import FittedAttribute, fitted, preprocessor
from cryptable.importers.pipelines.shapes import Column, weighted_sum
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor("sklearn.preprocessing.StandardScaler")
def read_standard_scaler(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Divides by the standard deviation."""
    scale = fitted(step, "scale_", stage.step) if step.with_std else None
    return _divided(stage, scale)


@preprocessor("sklearn.preprocessing.MaxAbsScaler")
def read_max_abs_scaler(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Divides by the largest absolute value."""
    return _clipped(step, stage, _divided(stage, fitted(step, "scale_", stage.step)))


@preprocessor("sklearn.preprocessing.RobustScaler")
def read_robust_scaler(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Divides by a range of quantiles."""
    scale = fitted(step, "scale_", stage.step) if step.with_scaling else None
    return _divided(stage, scale)


@preprocessor("sklearn.preprocessing.MinMaxScaler")
def read_min_max_scaler(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Multiplies by a scale."""
    scale = np.asarray(fitted(step, "scale_", stage.step), np.float64)
    return _clipped(step, stage, _times(stage, scale))


def _divided(stage: Stage, scale: FittedAttribute) -> tuple[Column, ...]:
    return _times(stage, np.ones(len(stage.columns)) if scale is None else 1.0 / np.asarray(scale, np.float64))


def _times(stage: Stage, factors: FloatArray) -> tuple[Column, ...]:
    pairs = zip(factors.tolist(), stage.columns, strict=True)
    return tuple(weighted_sum([pair], stage.step) for pair in pairs)


def _clipped(step: Step, stage: Stage, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Where `clip=True`, what was affine is monotone."""
    if not getattr(step, "clip", False):
        return columns
    return tuple(stage.monotone_of(index) for index in range(len(columns)))
