"""Quadratic models on scaled or selected columns become quadratic models on raw columns."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.quadratic import QuadraticModel
from cryptable.importers.pipelines.shapes import Affine
from cryptable.importers.pipelines.stage import Stage


def rebase_quadratic(graph: QuadraticModel, stage: Stage) -> QuadraticModel:
    """The same scores from raw columns: a column z = slope * x + a constant has its centre where z has.

    Raises:
        UnsupportedModelError: a column is no affine function of one raw column, or two are of the same one.
    """
    features = len(stage.raw.names)
    centre = np.zeros(features)
    quadratic, linear = np.zeros((features, graph.outputs)), np.zeros((features, graph.outputs))
    intercept = graph.intercept.copy()
    at_base = stage.values(stage.raw.base)[0]
    seen: set[int] = set()
    for index in range(len(stage.columns)):
        column = stage.univariate(index)
        distance = at_base[index] - graph.centre[index]
        if not column.shapes:
            intercept += graph.quadratic[index] * distance**2 + graph.linear[index] * distance
            continue
        source = column.source
        shape = column.shapes[source]
        if not isinstance(shape, Affine) or source in seen:
            raise stage.refusal(
                f"its column {index} is no scaled copy of column {stage.raw.names[source]!r}, or a second one, which "
                "GaussianNB cannot follow here; use scalers and feature selection only, or another model"
            )
        seen.add(source)
        centre[source] = stage.raw.base[0, source] - distance / shape.slope
        quadratic[source] = graph.quadratic[index] * shape.slope**2
        linear[source] = graph.linear[index] * shape.slope
    return QuadraticModel(stage.raw.names, centre, quadratic, linear, intercept, graph.link, graph.labels)
