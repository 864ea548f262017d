"""Imputers: the columns as they are where no value is missing, and what they put where one is."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import MISSING_EDGE
from cryptable.importers.pipelines.registry import FittedAttribute, fitted, preprocessor
from cryptable.importers.pipelines.shapes import Column, Steps
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor("sklearn.impute.SimpleImputer")
def read_simple_imputer(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Columns that had no value at all in training are dropped; indicators of missing values come last."""
    return _unchanged(step, stage, fitted(step, "statistics_", stage.step))


@preprocessor("sklearn.impute.IterativeImputer")
def read_iterative_imputer(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Rows without missing values pass; what is put in their place depends on other columns."""
    if any(source in stage.raw.gaps for column in stage.columns for source in column.shapes):
        raise stage.refusal(
            "what it puts in the place of a missing value depends on other columns, and X_train has some; use "
            "SimpleImputer"
        )
    return _unchanged(step, stage, fitted(step, "initial_imputer_", stage.step).statistics_)


def _unchanged(step: Step, stage: Stage, statistics: FittedAttribute) -> tuple[Column, ...]:
    if not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
        raise stage.refusal(
            f"missing_values={step.missing_values!r} makes that value mean a missing one, which is not supported; "
            "use nan"
        )
    kept = [
        column
        for column, value in zip(stage.columns, np.asarray(statistics).tolist(), strict=True)
        if step.keep_empty_features or value == value
    ]
    indicated = [] if step.indicator_ is None else np.asarray(step.indicator_.features_).tolist()
    return (*kept, *(_indicator(stage, index) for index in indicated))


def _indicator(stage: Stage, index: int) -> Column:
    """1 where column `index` is missing; a constant where that is never so."""
    column = stage.univariate(index)
    if not column.shapes or isinstance(column.shapes[column.source], Steps):
        return column
    if column.source not in stage.raw.gaps:
        return Column()
    return Column({column.source: Steps((MISSING_EDGE,), (float(stage.raw.base[0, column.source]), MISSING_EDGE))})
