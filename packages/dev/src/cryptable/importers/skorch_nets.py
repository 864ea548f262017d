"""skorch's nets at the end of a pipeline; alone, they are networks like others (`importers.networks.sources`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from cryptable.graphs.graph import Estimator, FloatArray, Rows
from cryptable.graphs.network import SegmentedNetwork
from cryptable.importers.registry import importer


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    scores: FloatArray = _traced(estimator, rows)[0].reference_scores(rows)
    return scores


@importer("skorch.NeuralNet", reference=_reference, needs_rows=True)
def read(
    estimator: Estimator,
    feature_names: tuple[str, ...],
    *,
    kept: Rows,
    rows: FloatArray,  # noqa: ARG001  (the same as numbers)
    may_miss: Collection[int] = (),  # noqa: ARG001  (no column may)
) -> SegmentedNetwork:
    """The layers of the module inside."""
    network: SegmentedNetwork = _traced(estimator, kept)[1]
    return replace(network, feature_names=feature_names)


def _traced(estimator: Estimator, rows: Rows) -> tuple[Any, Any]:
    from cryptable.importers.networks.import_network import traced_network

    network, segments, _ = traced_network(estimator, np.asarray(rows))
    return network, segments
