"""Feature selection: some columns are dropped."""

from __future__ import annotations

import numpy as np

from cryptable.errors import NotFittedError
from cryptable.importers.pipelines.registry import preprocessor
from cryptable.importers.pipelines.shapes import Column
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor(
    "sklearn.feature_selection.GenericUnivariateSelect",
    "sklearn.feature_selection.RFE",
    "sklearn.feature_selection.RFECV",
    "sklearn.feature_selection.SelectFdr",
    "sklearn.feature_selection.SelectFpr",
    "sklearn.feature_selection.SelectFromModel",
    "sklearn.feature_selection.SelectFwe",
    "sklearn.feature_selection.SelectKBest",
    "sklearn.feature_selection.SelectPercentile",
    "sklearn.feature_selection.SequentialFeatureSelector",
    "sklearn.feature_selection.VarianceThreshold",
)
def read(step: Step, stage: Stage) -> tuple[Column, ...]:
    """The columns that are kept; of the others nothing is sent."""
    from sklearn.exceptions import NotFittedError as SklearnNotFittedError  # takes a second: not before a step is read

    try:
        support = step.get_support(indices=True)
    except SklearnNotFittedError as error:
        raise NotFittedError(f"step {stage.step} is not fitted: call fit(X, y) on the whole pipeline") from error
    return tuple(stage.columns[index] for index in np.asarray(support).tolist())
