"""Linear projections: each new column is a weighted sum of all; only linear models can follow."""

from __future__ import annotations

import numpy as np

from cryptable.errors import NotFittedError
from cryptable.importers.pipelines.registry import preprocessor
from cryptable.importers.pipelines.shapes import Column, weighted_sum
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor(
    "sklearn.cross_decomposition.PLSRegression",
    "sklearn.decomposition.FactorAnalysis",
    "sklearn.decomposition.FastICA",
    "sklearn.decomposition.IncrementalPCA",
    "sklearn.decomposition.PCA",
    "sklearn.decomposition.TruncatedSVD",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.neighbors.NeighborhoodComponentsAnalysis",
    "sklearn.random_projection.GaussianRandomProjection",
    "sklearn.random_projection.SparseRandomProjection",
)
def read(step: Step, stage: Stage) -> tuple[Column, ...]:
    """The weights are the step's own answers at unit distance from the origin, of a size like the data's."""
    sizes = np.maximum(np.abs(stage.values(stage.raw.rows[:1000])).max(axis=0), 1e-9)
    points = np.concatenate([np.diag(sizes), -np.diag(sizes)])
    names = getattr(step, "feature_names_in_", None)
    sample = stage.transform(stage.raw.base)
    from sklearn.exceptions import NotFittedError as SklearnNotFittedError  # takes a second: not before a step is read

    try:
        if names is not None and hasattr(sample, "columns"):
            points = type(sample)(points, columns=sample.columns)
        answers = step.transform(points)
    except SklearnNotFittedError as error:
        raise NotFittedError(f"step {stage.step} is not fitted: call fit(X, y) on the whole pipeline") from error
    answers = answers.toarray() if hasattr(answers, "toarray") else np.asarray(answers, np.float64)
    count = len(stage.columns)
    weights = (answers[:count] - answers[count:]) / (2 * sizes[:, None])
    return tuple(
        weighted_sum(zip(weights[:, output].tolist(), stage.columns, strict=True), stage.step)
        for output in range(weights.shape[1])
    )
