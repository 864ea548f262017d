"""Networks as model graphs: read, and traced on calibration data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cryptable.graphs.graph import FloatArray, Rows
from cryptable.graphs.network import SegmentedNetwork
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.sources.hummingbird import naming_conversion
from cryptable.importers.networks.sources.registry import read_network
from cryptable.importers.networks.tracing import trace
from cryptable.importers.verification import verify_import

MAX_ROWS = 2000
"""Of calibration data: the first ones are taken."""


def import_network(
    model: object, X: Rows, *, labels: Sequence[float] | Sequence[str] | None = None
) -> tuple[OnnxNetwork, SegmentedNetwork, FloatArray]:
    """Read and trace a network, and verify the result on calibration data.

    Args:
        model: whatever a source reads.
        X: calibration data, shape (rows, ...).
        labels: of the classes.

    Returns:
        The network, its layers, and the calibration data as doubles of shape (rows, features).

    Raises:
        UnsupportedModelError, InvalidInputError: the model, or the data, cannot be taken.
        ImportMismatchError: the layers do not give the network's own scores.
    """
    network, segments, rows = traced_network(model, X, labels=labels)
    verify_import(segments, rows, network.reference_scores(rows), what=network.name)
    return network, segments, rows


def traced_network(
    model: object, X: Rows, *, labels: Sequence[float] | Sequence[str] | None = None
) -> tuple[OnnxNetwork, SegmentedNetwork, FloatArray]:
    """As `import_network`, for a caller that compares the scores itself."""
    given = X[:MAX_ROWS] if isinstance(X, np.ndarray) else np.asarray(X)[:MAX_ROWS]
    with naming_conversion(model):
        network = read_network(model, given, labels=labels)
        rows = network.rows(given)
        segments = trace(network, _feature_names(X, network.features))
    return network, segments, rows


def _feature_names(X: Rows, features: int) -> tuple[str, ...]:
    columns = getattr(X, "columns", None)
    if columns is not None and len(columns) == features:
        return tuple(map(str, columns))
    return tuple(f"x{index}" for index in range(features))
