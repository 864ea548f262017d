"""scikit-learn's StackingRegressor with a linear model at its end: a weighted sum of what members predict."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, LinearModel, ModelGraph, Rows
from cryptable.importers.reading.sums import members_take_gaps, predictions, read_member, scaled
from cryptable.importers.registry import import_estimator, importer
from cryptable.importers.voting import mean_of_predictions


@importer("sklearn.ensemble.StackingRegressor", reference=predictions, needs_rows=True, takes_gaps=members_take_gaps)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: Rows, may_miss: Collection[int]
) -> ModelGraph:
    """The last model's weights times the members' predictions; and times the columns, where they pass through.

    Raises:
        UnsupportedModelError: the last model is not linear, or a member predicts e to the power of its score, or the
            like.
    """
    what = type(estimator).__name__
    last = estimator.final_estimator_
    stacked = estimator.transform(kept)
    columns = tuple(f"x{index}" for index in range(stacked.shape[1]))
    final = import_estimator(last, columns, stacked, np.asarray(stacked, np.float64))
    if not isinstance(final, LinearModel):
        raise UnsupportedModelError(
            f"{what}: only a linear model can follow its members under encryption, and final_estimator is "
            f"{type(last).__name__}; leave it out (RidgeCV), or compile the members one by one"
        )
    graphs = [read_member(each, feature_names, kept, rows, may_miss) for each in estimator.estimators_]
    weights = final.coefficients[:, 0]
    shares = weights[: len(graphs)].tolist()
    if estimator.passthrough:
        graphs.append(replace(final, feature_names=feature_names, coefficients=final.coefficients[len(graphs) :]))
        shares.append(1.0)
    else:
        graphs[0], shares[0] = scaled(graphs[0], shares[0], final.intercept), 1.0
    return mean_of_predictions(graphs, shares, what)
