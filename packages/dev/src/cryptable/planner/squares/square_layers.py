"""SquareLayers: a traced network whose only steps that are not linear are squares, as matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.graphs.symbols import widened

_PROBES = (-3.0, -0.5, 0.25, 2.0, 7.0)
_MOST_CELLS = 20_000_000
"""Of the matrices of a network that is looked at unasked."""
_ROUNDING = 1e-6
"""Of a probed value: functions of single precision are no nearer to a square."""


@dataclass(frozen=True, eq=False)
class Affine:
    """sums = matrix @ values + offset; matrix of shape (sums, values)."""

    matrix: FloatArray
    offset: FloatArray


@dataclass(frozen=True, eq=False)
class SquareLayers:
    """Affine maps, of all but the last of which the sums are squared; the last one's are the scores."""

    layers: tuple[Affine, ...]

    def scores(self, rows: FloatArray) -> FloatArray:
        """Of rows, shape (rows, features): shape (rows, outputs)."""
        values = rows
        for layer in self.layers[:-1]:
            values = (values @ layer.matrix.T + layer.offset) ** 2
        return values @ self.layers[-1].matrix.T + self.layers[-1].offset


def is_of_squares(network: SegmentedNetwork) -> bool:
    """Whether each of its layers is a square of sums, or another polynomial of degree 2, and none of millions."""
    known, cells = len(network.feature_names), 0
    try:
        with np.errstate(all="ignore"):
            for layer in network.layers:
                _as_square(layer)
                cells += layer.size * known
                known += layer.size
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
    known, layers = len(network.feature_names), []
    before, factor, constant = (0, known), np.ones(known), np.zeros(known)
    for layer in network.layers:
        scale, shift, rest = _as_square(layer)
        matrix = _chained(layer.name, widened(layer.matrix, known).toarray(), before)
        layers.append(Affine(matrix * factor, layer.offset + matrix @ constant + shift))
        before, known = (known, known + layer.size), known + layer.size
        factor, constant = scale, rest
    matrix = _chained("the scores", widened(network.matrix, known).toarray(), before)
    return SquareLayers((*layers, Affine(matrix * factor, network.offset + matrix @ constant)))


def _chained(name: str, matrix: FloatArray, before: tuple[int, int]) -> FloatArray:
    """The columns of the values just before, if all others are zero."""
    rest = matrix.copy()
    rest[:, before[0] : before[1]] = 0.0
    if rest.any():
        raise UnsupportedModelError(
            f"scheme 'squares' evaluates chains of layers, and {name!r} reads values of an earlier one (a skip "
            "connection); leave it out and fit again, or use scheme='bootstrapped'"
        )
    return matrix[:, before[0] : before[1]]


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
