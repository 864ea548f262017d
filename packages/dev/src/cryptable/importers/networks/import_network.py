"""Networks as model graphs: read, and traced on calibration data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from cryptable_protocol import InvalidInputError

from cryptable.graphs.graph import FloatArray, Rows
from cryptable.graphs.network import SegmentedNetwork
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.several_inputs import first_rows, is_several
from cryptable.importers.networks.sources.hummingbird import naming_conversion
from cryptable.importers.networks.sources.registry import read_network
from cryptable.importers.networks.tracing import trace
from cryptable.importers.verification import verify_import

_TOGETHER = 3
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
    verify_import(segments, rows, network.exact_scores(rows), what=network.name)
    return network, segments, rows


def traced_network(
    model: object, X: Rows, *, labels: Sequence[float] | Sequence[str] | None = None
) -> tuple[OnnxNetwork, SegmentedNetwork, FloatArray]:
    """As `import_network`, for a caller that compares the scores itself."""
    given = calibration_rows(X)
    with naming_conversion(model):
        network = read_network(model, given, labels=labels)
        rows = network.rows(given)
        network.check_rows_stay_apart(rows[:_TOGETHER])
        network = network.listened_to(rows)
        segments = trace(network, _feature_names(X, network), rows)
    return network, segments, rows


def calibration_rows(X: Rows) -> Any:  # noqa: ANN401
    """The first rows as an array: of an array, a frame, a tensor, or of the batches of a DataLoader.

    Of several inputs, a tuple or a dictionary of arrays as they were given.

    Raises:
        InvalidInputError: there are none, or they are of different shapes.
    """
    if isinstance(X, np.ndarray):
        return X[:MAX_ROWS]
    if is_several(X):
        return first_rows(X, MAX_ROWS)
    batches = X
    if type(X).__module__.startswith("torch.utils.data"):
        batches, found = [], 0
        for each in X:
            first = each[0] if isinstance(each, tuple | list) else each
            if hasattr(X, "batch_size"):
                batches.extend(np.asarray(first))
            else:  # a dataset gives rows
                batches.append(np.asarray(first))
            found = len(batches)
            if found >= MAX_ROWS:
                break
    try:
        return np.asarray(batches)[:MAX_ROWS]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            "X_train must be one array of shape (rows, ...), a DataLoader of batches of them, or, of a network of "
            f"several inputs, a tuple or a dictionary of arrays: {error}"
        ) from error


def _feature_names(X: Rows, network: OnnxNetwork) -> tuple[str, ...]:
    if isinstance(X, Mapping) and network.parts:
        return tuple(network.columns)
    columns = getattr(X, "columns", None)
    if columns is not None and len(columns) == network.features:
        return tuple(map(str, columns))
    return tuple(f"x{index}" for index in range(network.features))
