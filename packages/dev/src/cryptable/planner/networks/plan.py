"""Plans networks: read, traced, verified, quantized, lowered to a circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from cryptable_engine import verify
from cryptable_protocol import InvalidInputError

from cryptable.console.progress import progress_bar
from cryptable.graphs.graph import FloatArray, Rows
from cryptable.graphs.network import SegmentedNetwork
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.sources.hummingbird import naming_conversion
from cryptable.importers.networks.sources.registry import read_network
from cryptable.importers.networks.tracing import trace
from cryptable.importers.verification import verify_import
from cryptable.planner.networks import DEFAULT_BITS, MAX_DROP, READOUT_TOLERANCE, RangeChoice, Rounding
from cryptable.planner.networks.integers import IntegerNetwork
from cryptable.planner.networks.lower import lower
from cryptable.planner.networks.quantize import DEFAULT_OUTPUT_BITS, Precision, quantize
from cryptable.planner.networks.search import chosen_bits
from cryptable.planner.networks.trained_quantizers import has_quantizers, keep_integers
from cryptable.planner.readout import Readout, approximate
from cryptable.planner.trees.lower import PlannedModel

MAX_ROWS = 2000
"""Of calibration data: the first ones are taken."""
INPUT_BITS = 8
APPROXIMATE_OUTPUT_BITS = 16


def import_network(
    model: object, X: Rows, *, labels: Sequence[int] | Sequence[str] | None = None
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
    given = X[:MAX_ROWS] if isinstance(X, np.ndarray) else np.asarray(X)[:MAX_ROWS]
    with naming_conversion(model):
        network = read_network(model, given, labels=labels)
        rows = network.rows(given)
        names = _feature_names(X, network.features)
        segments = trace(network, names)
    verify_import(segments, rows, network.reference_scores(rows), what=network.name)
    return network, segments, rows


def plan_network(
    model: object,
    X: Rows,
    *,
    bits: int | Mapping[str, int] | Literal["auto"],
    ranges: RangeChoice,
    labels: Sequence[int] | Sequence[str] | None = None,
    y: npt.ArrayLike | None = None,
    input_bits: int | None = None,
    rounding: Rounding = "approximate",
    readout: Readout = "exact",
    tolerance: float | None = None,
    p_error: float = 2.0**-40,
    show_progress: bool = False,
) -> tuple[OnnxNetwork, PlannedModel]:
    """The circuit of a network, quantized after training, and the network itself; arguments and errors of `compile`."""
    network, segments, rows = import_network(model, X, labels=labels)
    if input_bits is not None and not 1 <= input_bits <= 24:
        raise InvalidInputError(f"input_bits is {input_bits}, expected 1 to 24")
    if readout not in get_args(Readout):
        raise InvalidInputError(f"readout is {readout!r}, expected 'exact' or 'approximate'")
    if has_quantizers(network.model):
        planned = _laid_out(keep_integers(segments, rows, ranges), segments, rounding)
    else:
        if isinstance(bits, str) and bits != "auto":
            raise InvalidInputError(f"bits is {bits!r}, expected a number, one for each layer by name, or 'auto'")
        precision = Precision(
            bits=DEFAULT_BITS if isinstance(bits, str) else bits,
            ranges=ranges,
            input_bits=input_bits or INPUT_BITS,
            output_bits=DEFAULT_OUTPUT_BITS if readout == "exact" else APPROXIMATE_OUTPUT_BITS,
            rounding=rounding,
        )
        if bits == "auto":
            if y is not None and np.shape(y) != (len(X),):
                raise InvalidInputError(f"y_train has shape {np.shape(y)}, expected ({len(X)},): one label a row")
            with progress_bar("choosing bits", enabled=show_progress) as report:
                precision = chosen_bits(
                    segments, rows, y, network.labels, precision, p_error=p_error, max_drop=MAX_DROP, report=report
                )
        planned = plan_segments(segments, rows, precision)
    if readout == "approximate":
        if tolerance is None:
            tolerance = READOUT_TOLERANCE * float(segments.scores(rows).std(axis=0).max())
        planned = approximate(planned, tolerance=tolerance, p_error=p_error)
        verify(planned.circuit)
    return network, replace(planned, ranges=ranges)


def plan_segments(segments: SegmentedNetwork, rows: FloatArray, precision: Precision) -> PlannedModel:
    """Quantize and lower a traced network."""
    return _laid_out(quantize(segments, rows, precision), segments, precision.rounding)


def _laid_out(integers: IntegerNetwork, segments: SegmentedNetwork, rounding: Rounding) -> PlannedModel:
    planned = lower(
        integers,
        feature_names=segments.feature_names,
        link=segments.link,
        labels=segments.labels,
        rounding=rounding,
    )
    verify(planned.circuit)
    return planned


def _feature_names(X: Rows, features: int) -> tuple[str, ...]:
    columns = getattr(X, "columns", None)
    if columns is not None and len(columns) == features:
        return tuple(map(str, columns))
    return tuple(f"x{index}" for index in range(features))
