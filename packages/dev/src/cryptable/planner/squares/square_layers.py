"""SquareLayers: a traced network whose only steps that are not linear are squares, as matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.graphs.symbols import widened
from cryptable.planner.networks.convolutions import Shape, shared_weights

_PROBES = (-3.0, -0.5, 0.25, 2.0, 7.0)
_MOST_CELLS = 20_000_000
"""Of the matrices of a network that is looked at unasked."""
_ROUNDING = 1e-6
"""Of a probed value: functions of single precision are no nearer to a square."""


@dataclass(frozen=True, eq=False)
class Affine:
    """sums = matrix @ values + offset; matrix of shape (sums, values), sparse where it is that of a convolution."""

    matrix: FloatArray | csr_array
    offset: FloatArray


@dataclass(frozen=True, eq=False)
class SquareLayers:
    """Affine maps, of all but the last of which the sums are squared; the last one's are the scores.

    `grids` are the shapes, (channels, *extents), of the features and of the first layer's sums, where it is a
    convolution: its matrix has equal entries where weights are shared.
    """

    layers: tuple[Affine, ...]
    grids: tuple[Shape, Shape] | None = None

    def scores(self, rows: FloatArray) -> FloatArray:
        """Of rows, shape (rows, features): shape (rows, outputs)."""
        values = rows
        for layer in self.layers[:-1]:
            values = (values @ layer.matrix.T + layer.offset) ** 2
        scores: FloatArray = values @ self.layers[-1].matrix.T + self.layers[-1].offset
        return scores

    def dense(self) -> SquareLayers:
        """The same without a convolution, each feature in a range of its own.

        Raises:
            UnsupportedModelError: its matrix has millions of cells.
        """
        first, *rest = self.layers
        if self.grids is None:
            return self
        if math.prod(first.matrix.shape) > _MOST_CELLS:
            raise UnsupportedModelError(
                f"scheme 'squares': the first convolution, from {self.grids[0]} to {self.grids[1]}, has no room in the "
                "layout for its windows, and is too large for a matrix; a larger stride makes places fewer"
            )
        return SquareLayers((Affine(csr_array(first.matrix).toarray(), first.offset), *rest))


def is_of_squares(network: SegmentedNetwork) -> bool:
    """Whether each of its layers is a square of sums, or another polynomial of degree 2, and none of millions."""
    before, cells = len(network.feature_names), 0
    try:
        with np.errstate(all="ignore"):
            for index, layer in enumerate(network.layers):
                _as_square(layer)
                cells += layer.matrix.nnz if index == 0 and layer.shape else layer.size * before
                before = layer.size
    except UnsupportedModelError:
        return False
    return 0 < cells <= _MOST_CELLS


def square_layers(network: SegmentedNetwork) -> SquareLayers:
    """The network as squares: a (s + b)² + c takes the place of each function of a sum s.

    Raises:
        UnsupportedModelError: some layer computes another function, or reads what is not just before it.
    """
    if not network.layers:
        raise UnsupportedModelError("scheme 'squares' is for networks with an activation x², this one has none")
    known, grids = len(network.feature_names), None
    layers: list[Affine] = []
    before, factor, constant = (0, known), np.ones(known), np.zeros(known)
    for layer in network.layers:
        scale, shift, rest = _as_square(layer)
        matrix = _chained(layer.name, widened(layer.matrix, known), before)
        if not layers:
            found = _convolution(layer, matrix, network.shape)
            layers.append(Affine(matrix.toarray() if found is None else found[0], layer.offset + shift))
            grids = None if found is None else found[1]
        else:
            dense = matrix.toarray()
            layers.append(Affine(dense * factor, layer.offset + dense @ constant + shift))
        before, known = (known, known + layer.size), known + layer.size
        factor, constant = scale, rest
    last = _chained("the scores", widened(network.matrix, known), before).toarray()
    return SquareLayers((*layers, Affine(last * factor, network.offset + last @ constant)), grids)


def _convolution(layer: Layer, matrix: csr_array, shape: Shape | None) -> tuple[csr_array, tuple[Shape, Shape]] | None:
    """The first layer's matrix with weights that are equal at all places, and the grids; None where it is none.

    Where features come flat, grids are tried that a network may reshape them to: what is found is what is there.
    """
    if layer.shape is None or len(layer.shape) < 2:
        return None
    for source in _grids(shape, matrix.shape[1], len(layer.shape) - 1):
        found = shared_weights(matrix, source, layer.shape)
        if found is not None:
            data = found.weights.ravel()[found.entry_of]
            return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape), (source, layer.shape)
    return None


def _grids(shape: Shape | None, features: int, axes: int) -> list[Shape]:
    """Of the features, (channels, *extents), the likely ones first."""
    found: list[Shape] = []
    if shape is not None:
        found += [shape] if len(shape) == axes + 1 else [(1, *shape)] if len(shape) == axes else []
    for channels in (1, 3):
        extent = round((features / channels) ** (1 / axes))
        if channels * extent**axes == features:
            found.append((channels, *(extent,) * axes))
    return list(dict.fromkeys(found))


def _chained(name: str, matrix: csr_array, before: tuple[int, int]) -> csr_array:
    """The columns of the values just before, if all others are zero; without entries of 0."""
    matrix = matrix.copy()
    matrix.eliminate_zeros()
    if matrix.indices.size and matrix.indices.min() < before[0]:
        raise UnsupportedModelError(
            f"scheme 'squares' evaluates chains of layers, and {name!r} reads values of an earlier one (a skip "
            "connection); leave it out and fit again, or use scheme='bootstrapped'"
        )
    return csr_array(matrix[:, before[0] : before[1]])


def _as_square(layer: Layer) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scale a, shift b and rest c with which each function is a (s + b)² + c; shape (size,) each."""

    def at(value: float) -> FloatArray:
        return np.asarray(layer.function(np.full(layer.size, value)), np.float64)

    zero, one, minus = at(0.0), at(1.0), at(-1.0)
    scale, slope = (one + minus) / 2 - zero, (one - minus) / 2
    for probe in _PROBES:
        expected, found = scale * probe**2 + slope * probe + zero, at(probe)
        size = np.abs(scale) * probe**2 + np.abs(slope * probe) + np.abs(zero)
        wrong = np.flatnonzero(~(np.abs(found - expected) <= _ROUNDING * size))
        if wrong.size:
            raise UnsupportedModelError(
                f"scheme 'squares' evaluates x² and other polynomials of degree 2 alone, and layer {layer.name!r} "
                "computes something else; use scheme='bootstrapped', or fit with an activation of x * x"
            )
    if (np.abs(scale) <= _ROUNDING * (np.abs(slope) + np.abs(zero))).any():
        element = int(np.argmin(np.abs(scale)))
        raise UnsupportedModelError(
            f"scheme 'squares': element {element} of layer {layer.name!r} squares nothing, so it could be merged with "
            "the layer after it; leave it out of the activation and fit again, or use scheme='bootstrapped'"
        )
    shift = slope / (2 * scale)
    return scale, shift, zero - scale * shift**2
