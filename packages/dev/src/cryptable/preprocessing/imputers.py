"""Imputers, on data without missing values: the columns as they are."""

from __future__ import annotations

import numpy as np

from cryptable.preprocessing.registry import FittedAttribute, fitted, preprocessor
from cryptable.preprocessing.shapes import Column
from cryptable.preprocessing.stage import Stage, Step


@preprocessor("sklearn.impute.SimpleImputer")
def read_simple_imputer(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Columns that had no value at all in training are dropped."""
    return _unchanged(step, stage, fitted(step, "statistics_", stage.step))


@preprocessor("sklearn.impute.IterativeImputer")
def read_iterative_imputer(step: Step, stage: Stage) -> tuple[Column, ...]:
    """As for the simple one: rows without missing values pass."""
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
    indicators = 0 if step.indicator_ is None else len(step.indicator_.features_)
    return (*kept, *[Column()] * indicators)
