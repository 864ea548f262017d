"""Power and quantile transformers: a rising curve a column."""

from __future__ import annotations

import numpy as np

from cryptable.importers.pipelines.registry import fitted, preprocessor
from cryptable.importers.pipelines.shapes import Column
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor("sklearn.preprocessing.QuantileTransformer")
def read_quantile_transformer(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Maps to the rank among the training data, flat beyond it."""
    fitted(step, "quantiles_", stage.step)
    return tuple(stage.monotone_of(index) for index in range(len(stage.columns)))


@preprocessor("sklearn.preprocessing.PowerTransformer")
def read_power_transformer(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Box-Cox takes positive numbers only; others count as the least positive one."""
    fitted(step, "lambdas_", stage.step)
    if step.method == "box-cox":
        return tuple(
            stage.monotone_of(index, lower=float(np.finfo(np.float64).tiny)) for index in range(len(stage.columns))
        )
    return tuple(stage.monotone_of(index) for index in range(len(stage.columns)))
