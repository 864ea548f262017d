"""Networks that begin with functions of single features: clients evaluate those, and the network begins behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from cryptable_protocol import (
    AffineEncoder,
    BitsEncoder,
    CurvesEncoder,
    DigitsEncoder,
    FeatureEncoder,
    InternalError,
    PolylineEncoder,
    UnusedFeature,
)
from cryptable_protocol.encoding.bits_encoder import MOST_PARTS
from cryptable_protocol.limits import MAX_CURVES, MAX_KNOTS
from cryptable_protocol.schemes.scheme import LEVELLED
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.network import FeatureBits, Layer, SegmentedNetwork
from cryptable.planner.networks.feature_curves import CLOSE, CLOSE_TO_SCORES, Curve, curves_of
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task

BoolArray = npt.NDArray[np.bool_]
_NONE = -1
"""In place of a feature: of several ones, or of none."""


@dataclass(frozen=True)
class Column:
    """An input of the network behind: a feature as it is, or what a layer makes of it, where `curve` says how."""

    feature: int
    variable: int
    curve: Curve | None = None


@dataclass(frozen=True, eq=False)
class BehindFunctions:
    """A network whose inputs are features, and functions of single ones, in the order of the features."""

    network: SegmentedNetwork
    columns: tuple[Column, ...]
    before: SegmentedNetwork

    def task(self, task: Task) -> Task:
        """The same of the network behind: rows, and bits of layers that are left."""
        settings = task.settings
        if isinstance(settings.bits, Mapping):
            gone = {layer.name for layer in self.before.layers} - {layer.name for layer in self.network.layers}
            bits = {name: bits for name, bits in settings.bits.items() if name not in gone}
            settings = replace(settings, bits=bits)
        return replace(task, rows=self.rows(task.rows), settings=settings)

    def rows(self, rows: FloatArray) -> FloatArray:
        """Rows of features as rows of its inputs."""
        found: FloatArray = self.before.variables(rows)[:, [column.variable for column in self.columns]]
        return found

    def error(self) -> float:
        """What curves may be off by in a score that nothing but sums lead to."""
        errors = np.zeros(self.network.matrix.shape[1])  # of bits of categories, behind the columns, there are none
        errors[: len(self.columns)] = [0.0 if each.curve is None else each.curve.error for each in self.columns]
        found = np.abs(self.network.matrix) @ errors
        return float(found.max(initial=0.0))

    def joined(self, planned: PlannedModel) -> PlannedModel:
        """What was planned for the inputs, for the features: one encoder for all that is made of a feature.

        The circuit stays: its inputs are the same integers, in the same order.
        """
        encoders: list[FeatureEncoder] = []
        for feature, name in enumerate(self.before.feature_names):
            mine = [
                _encoder(name, column, planned.features[index])
                for index, column in enumerate(self.columns)
                if column.feature == feature
            ]
            encoders.append(_together(name, [each for each in mine if each.size]))
        return replace(planned, features=tuple(encoders))


def behind_functions(network: SegmentedNetwork, rows: FloatArray, *, scheme: str) -> BehindFunctions | None:
    """The network behind its functions of single features; None where it has none that clients can evaluate.

    A feature's functions stay with the server where there are more than an encoder has room for, or where one bends
    more often than it has knots for.

    Args:
        network: float, quantized after training.
        rows: calibration data, shape (rows, features).
        scheme: that evaluates what is left, which says how many functions of a feature there can be.
    """
    if type(network) is not SegmentedNetwork:
        return None
    most = MOST_PARTS if scheme == LEVELLED else MAX_CURVES
    origins = _origins(network)
    features = len(network.feature_names)
    while (origins[features:] != _NONE).any():
        columns = _columns(network, origins)
        blocked = [f for f in range(features) if sum(column.feature == f for column in columns) > most]
        if not blocked:
            columns, blocked = _with_curves(network, columns, rows)
        if not blocked:
            return _behind(network, origins, columns)
        taken = np.isin(origins, blocked)
        taken[:features] = False
        origins = np.where(taken, _NONE, origins)
    return None


def _origins(network: SegmentedNetwork) -> IntArray:
    """Of each variable, the one feature that it is a function of, or _NONE."""
    features = len(network.feature_names)
    origins = np.arange(features)
    for layer in network.layers:
        if isinstance(layer, FeatureBits):
            origins[layer.feature] = _NONE  # categories are joined elsewhere
    for layer in network.layers:
        matrix = _there(layer.matrix)
        of = np.full(layer.size, _NONE)
        for element in range(layer.size):
            read = origins[matrix.indices[matrix.indptr[element] : matrix.indptr[element + 1]]]
            if read.size and not isinstance(layer, FeatureBits) and (read == read[0]).all():
                of[element] = read[0]
        if layer.shape is not None and (of == _NONE).any():
            of[:] = _NONE  # a convolution stays one, though a corner of it may read one pixel
        origins = np.concatenate([origins, of])
    return origins


def _columns(network: SegmentedNetwork, origins: IntArray) -> list[Column]:
    """What is read by anything that clients do not evaluate, and features that nothing is made of."""
    features = len(network.feature_names)
    read = np.zeros(origins.size, np.bool_)
    read[_there(network.matrix).indices] = True
    first = features
    for layer in network.layers:
        kept = origins[first : first + layer.size] == _NONE
        read[_there(layer.matrix)[np.flatnonzero(kept)].indices] = True
        first += layer.size
    found = [Column(v, v) for v in range(features) if read[v]]
    found += [Column(int(origins[v]), v) for v in range(features, origins.size) if read[v] and origins[v] != _NONE]
    return sorted(found, key=lambda column: (column.feature, column.variable))


def _with_curves(network: SegmentedNetwork, columns: list[Column], rows: FloatArray) -> tuple[list[Column], list[int]]:
    """Columns with the curves of those that are functions, and the features where there is no such curve."""
    features = len(network.feature_names)
    made = [column for column in columns if column.variable >= features]
    scores = np.unique(_there(network.matrix).indices)
    close = [CLOSE_TO_SCORES if column.variable in scores else CLOSE for column in made]
    with_functions = _first_layers(network, max(column.variable for column in made))
    curves = curves_of(
        with_functions.variables, rows, [(c.feature, c.variable) for c in made], np.array(close), most=MAX_KNOTS
    )
    found = dict(zip((column.variable for column in made), curves, strict=True))
    blocked = [column.feature for column in made if found[column.variable] is None]
    return [replace(column, curve=found.get(column.variable)) for column in columns], blocked


def _first_layers(network: SegmentedNetwork, variable: int) -> SegmentedNetwork:
    """Those up to a variable."""
    end, kept = len(network.feature_names), []
    for layer in network.layers:
        if end > variable:
            break
        kept.append(layer)
        end += layer.size
    return replace(network, layers=tuple(kept))


def _behind(network: SegmentedNetwork, origins: IntArray, columns: list[Column]) -> BehindFunctions:
    features, inputs = len(network.feature_names), len(columns)
    place = np.full(origins.size, _NONE)
    place[[column.variable for column in columns]] = np.arange(inputs)
    new_feature = {column.variable: index for index, column in enumerate(columns) if column.variable < features}
    layers: list[Layer] = []
    first, end = features, inputs
    for layer in network.layers:
        kept = np.flatnonzero(origins[first : first + layer.size] == _NONE)
        place[first + kept] = end + np.arange(kept.size)
        first, end = first + layer.size, end + kept.size
        if not kept.size:
            continue
        matrix = _moved(layer.matrix[kept], place, end)
        if isinstance(layer, FeatureBits):
            layers.append(replace(layer, matrix=matrix, feature=new_feature[layer.feature]))
        elif kept.size == layer.size:
            layers.append(replace(layer, matrix=matrix))
        else:
            function = _of_kept(layer, kept)
            layers.append(Layer(layer.name, matrix, layer.offset[kept], function))
    is_same = [column.feature for column in columns] == list(range(features))
    behind = SegmentedNetwork(
        _names(network, columns),
        tuple(layers),
        _moved(network.matrix, place, end),
        network.offset,
        network.link,
        network.labels,
        shape=network.shape if is_same else None,
    )
    return BehindFunctions(behind, tuple(columns), network)


def _names(network: SegmentedNetwork, columns: list[Column]) -> tuple[str, ...]:
    """Of features, and numbered of what is made of them."""
    names, count = [], dict.fromkeys(range(len(network.feature_names)), 0)
    for column in columns:
        name = network.feature_names[column.feature]
        if column.curve is not None:
            count[column.feature] += 1
            name = f"{name}, function {count[column.feature]}"
        names.append(name)
    return tuple(names)


def _of_kept(layer: Layer, kept: IntArray) -> Callable[[FloatArray], FloatArray]:
    def function(sums: FloatArray) -> FloatArray:
        given = layer.offset.copy()
        given[kept] = sums
        found: FloatArray = layer.function(given)[kept]
        return found

    return function


def _moved(matrix: csr_array, place: IntArray, width: int) -> csr_array:
    matrix = _there(matrix)
    columns = place[matrix.indices]
    if (columns < 0).any():
        raise InternalError("what is left of a network reads a function that it was to begin behind")
    found = csr_array((matrix.data, columns, matrix.indptr), shape=(matrix.shape[0], width))
    found.sort_indices()
    return found


def _there(matrix: csr_array) -> csr_array:
    """Without stored zeros; the given one stays as it is."""
    if matrix.data.all():
        return csr_array(matrix)
    found = csr_array(matrix, copy=True)
    found.eliminate_zeros()
    return found


def _encoder(name: str, column: Column, planned: FeatureEncoder) -> FeatureEncoder:
    """Of a feature: what was planned for a column, behind the column's function."""
    if column.curve is None or isinstance(planned, UnusedFeature):
        return replace(planned, name=name)
    match planned:
        case AffineEncoder(lower=lower, step=step, levels=levels, missing=()):
            return column.curve.encoder(name, lower, step, levels)
        case DigitsEncoder(lower=lower, step=step, digits=digits, squared=False):
            return BitsEncoder(name, (column.curve.encoder(name, lower, step, 2**digits),))
    raise InternalError(f"{name!r} is planned as {type(planned).__name__}, behind which no function can stand")


def _together(name: str, encoders: list[FeatureEncoder]) -> FeatureEncoder:
    """One encoder with the elements of all."""
    if not encoders:
        return UnusedFeature(name)
    if len(encoders) == 1:
        return encoders[0]
    if any(isinstance(each, BitsEncoder) for each in encoders):
        parts = [part for each in encoders for part in (each.parts if isinstance(each, BitsEncoder) else (each,))]
        return BitsEncoder(name, tuple(parts))
    return CurvesEncoder(name, tuple(_as_polyline(name, each) for each in encoders))


def _as_polyline(name: str, encoder: FeatureEncoder) -> PolylineEncoder:
    if isinstance(encoder, PolylineEncoder):
        return encoder
    if isinstance(encoder, AffineEncoder):
        top = float(encoder.levels - 1)
        knots = (encoder.lower, encoder.lower + encoder.step * top)
        return PolylineEncoder(name, knots, (0.0, top), encoder.levels)
    raise InternalError(f"{name!r} is planned as {type(encoder).__name__}, beside which no function can stand")
