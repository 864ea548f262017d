"""Networks on scaled, selected or mixed columns become networks on raw ones: scaling is part of their weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array, hstack  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integer_squares import TrainedSquares
from cryptable.graphs.integers import Grid, IntegerNetwork
from cryptable.graphs.network import SegmentedNetwork
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.importers.pipelines.level_edges import level_edges
from cryptable.importers.pipelines.shapes import Affine
from cryptable.importers.pipelines.stage import Stage

_ADVICE = (
    "networks can follow scalers, selections, PCA and other weighted sums of columns; leave that step out, or let "
    "clients apply the steps before they encrypt"
)


def rebase_network(graph: SegmentedNetwork, stage: Stage) -> SegmentedNetwork:
    """The same scores from raw columns.

    Raises:
        UnsupportedModelError: a column is no affine function of raw ones.
    """
    matrix, offset = affine_columns(stage)
    first = matrix.shape[0]

    def moved(weights: csr_array, constant: FloatArray) -> tuple[csr_array, FloatArray]:
        inner, later = weights[:, : min(first, weights.shape[1])], weights[:, first:]
        mixed = csr_array(inner @ matrix[: inner.shape[1]])
        mixed.eliminate_zeros()
        return csr_array(hstack([mixed, later], format="csr")), constant + inner @ offset[: inner.shape[1]]

    layers = []
    for layer in graph.layers:
        matrix_of, offset_of = moved(layer.matrix, layer.offset)
        layers.append(replace(layer, matrix=matrix_of, offset=offset_of))
    scores, base = moved(graph.matrix, graph.offset)
    return replace(graph, feature_names=stage.raw.names, layers=tuple(layers), matrix=scores, offset=base, shape=None)


def rebase_integers(graph: TrainedIntegers, stage: Stage) -> TrainedIntegers:
    """The same integers, which encoders make of raw columns.

    Raises:
        UnsupportedModelError: a column is no rising affine function of one raw column, or two are of the same.
    """
    network = graph.network
    source, slope, offset = _copies(network.inputs, stage)
    moved = _moved(network, source, slope, offset, len(stage.raw.names))
    edges = level_edges(network.input_grid, source, moved.input_grid, stage)
    return replace(graph, network=replace(moved, edges=edges), feature_names=stage.raw.names)


def rebase_squares(graph: TrainedSquares, stage: Stage) -> TrainedSquares:
    """The same integers, which encoders make of raw columns.

    Raises:
        UnsupportedModelError: as for `rebase_integers`.
    """
    network, raw = graph.network, len(stage.raw.names)
    source, slope, offset = _copies(graph.grid.size, stage)
    there = source >= 0
    grid, constant = _moved_grid(graph.grid, source, slope, offset, raw)
    weights = np.zeros((len(network.weights[0]), raw), np.int64)
    weights[:, source[there]] = network.weights[0][:, there]
    first = network.offsets[0] + network.weights[0] @ constant
    moved = replace(network, weights=(weights, *network.weights[1:]), offsets=(first, *network.offsets[1:]))
    edges = level_edges(graph.grid, source, grid, stage)
    return replace(graph, network=moved, grid=grid, edges=edges, feature_names=stage.raw.names)


def _copies(inputs: int, stage: Stage) -> tuple[IntArray, FloatArray, FloatArray]:
    """Of each input: the raw column that it is slope * column + offset of; -1 where it is the constant `offset`."""
    matrix, offset = affine_columns(stage)
    source = np.full(inputs, -1)
    slope = np.ones(inputs)
    for index in range(inputs):
        row = slice(matrix.indptr[index], matrix.indptr[index + 1])
        if matrix.indptr[index + 1] == matrix.indptr[index]:
            continue
        if len(matrix.indices[row]) > 1 or matrix.data[row][0] <= 0 or matrix.indices[row][0] in source:
            raise stage.refusal(
                f"its column {index} is no rising copy of one column, or a second one of it, and this network rounds "
                "its inputs itself: it needs no scaling. Fit it on the raw columns, or on selected ones"
            )
        source[index], slope[index] = matrix.indices[row][0], matrix.data[row][0]
    return source, slope, offset


def _moved_grid(grid: Grid, source: IntArray, slope: FloatArray, offset: FloatArray, raw: int) -> tuple[Grid, IntArray]:
    """Of raw columns, and the integers of inputs that are constant, 0 of all others."""
    there = source >= 0
    zero, step, maximum = np.zeros(raw), np.ones(raw), np.zeros(raw, np.int64)
    zero[source[there]] = ((grid.zero - offset) / slope)[there]
    step[source[there]] = (grid.step / slope)[there]
    maximum[source[there]] = grid.maximum[there]
    return Grid(zero, step, maximum), np.where(there, 0, grid.encode(offset[None])[0])


def affine_columns(stage: Stage) -> tuple[csr_array, FloatArray]:
    """The columns as an affine map of raw ones: shape (columns, raw columns), and their constants."""
    weights = np.zeros((len(stage.columns), len(stage.raw.names)))
    base = stage.raw.base
    at_base = stage.values(base)[0]
    for index, column in enumerate(stage.columns):
        for source, shape in column.shapes.items():
            if not isinstance(shape, Affine):
                raise stage.refusal(
                    f"its column {index} is no weighted sum of columns, but another function of "
                    f"{stage.raw.names[source]!r}; {_ADVICE}"
                )
            weights[index, source] = _slope(stage, index, source, shape.slope)
    return csr_array(weights), at_base - weights @ base[0]


def _slope(stage: Stage, index: int, source: int, told: float) -> float:
    """Of one column along one raw column, by its values where the calibration data are."""
    low, high = stage.raw.reach(source, 0.0)
    if high <= low:
        return told
    below, above = stage.values_along(source, np.array([low, high]))[:, index]
    return float((above - below) / (high - low))


def _moved(
    network: IntegerNetwork, source: IntArray, slope: FloatArray, offset: FloatArray, raw: int
) -> IntegerNetwork:
    grid, inner = network.grid, network.inputs
    there = source >= 0
    inputs, constant = _moved_grid(network.input_grid, source, slope, offset, raw)
    places = csr_array(
        (np.ones(int(there.sum()), np.int64), (np.flatnonzero(there), source[there])), shape=(inner, raw)
    )

    def moved(weights: csr_array) -> tuple[csr_array, IntArray]:
        known = weights[:, : min(inner, weights.shape[1])]
        count = known.shape[1]
        mixed = csr_array(known @ places[:count])
        joined = csr_array(hstack([mixed, weights[:, inner:]], format="csr"))
        joined.sort_indices()
        return joined, np.asarray(known @ constant[:count]).astype(np.int64)

    layers = []
    for layer in network.layers:
        weights, added = moved(layer.weights)
        layers.append(replace(layer, weights=weights, offset=layer.offset + added))
    weights, added = moved(network.weights)
    later = Grid(grid.zero[inner:], grid.step[inner:], grid.maximum[inner:])
    return replace(
        network,
        grid=inputs.followed_by(later),
        inputs=raw,
        layers=tuple(layers),
        weights=weights,
        base=network.base + added * network.step,
    )
