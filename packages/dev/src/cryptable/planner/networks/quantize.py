"""From a float network to integers: encoders, tables, and fine weights such that sums fill the registers of lookups.

A lookup costs what its kept bits cost, however fine the weights of the sum before it are. So the sum of each element is
scaled and shifted until its range fills the table, with as many bits below as make the weights exact enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.errors import ConstantModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import Grid, IntegerLayer, IntegerNetwork, extended
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.graphs.symbols import widened
from cryptable.planner.networks.ranges import RANGES, Ranges, calibrated, sound
from cryptable.planner.networks.rounding import rounded_together
from cryptable.planner.settings import DEFAULT_BITS, RangeChoice, Rounding

DEFAULT_OUTPUT_BITS = 12
_WEIGHT_NOISE: dict[Rounding, float] = {"approximate": 0.1, "exact": 0.4}
"""Standard deviation that rounding weights adds to a sum, as a part of a table's entry; rounding the sum adds 0.29.
Finer weights are free, but where each bit that is dropped takes a lookup."""
_SUBDIVISIONS = 8
"""Points of an entry that its function is averaged over."""
_VALUE_BITS = 8
"""Of a looked-up value that only lookups are made of: the finer, the smaller the weights that multiply its noise."""
_MAX_DROPPED_BITS = 24


@dataclass(frozen=True)
class Precision:
    """How exact a network is to be.

    Args:
        bits: kept before each lookup: one number, or by name of the layer.
        ranges: where the ends of the tables lie, see `ranges`.
        input_bits: of an encoded feature, at most.
        output_bits: of the scores.
        rounding: of sums, see `Rounding`.
    """

    bits: int | Mapping[str, int] = DEFAULT_BITS
    ranges: RangeChoice = "minmax"
    input_bits: int = 8
    output_bits: int = DEFAULT_OUTPUT_BITS
    rounding: Rounding = "approximate"

    def __post_init__(self) -> None:
        if self.ranges not in RANGES:
            raise InvalidInputError(f"ranges is {self.ranges!r}, expected one of {', '.join(map(repr, RANGES))}")
        if self.rounding not in _WEIGHT_NOISE:
            raise InvalidInputError(f"rounding is {self.rounding!r}, expected 'approximate' or 'exact'")
        for bits in self.bits.values() if isinstance(self.bits, Mapping) else (self.bits,):
            if not 1 <= bits <= 8:
                raise InvalidInputError(f"bits is {bits}, expected 1 to 8 for each layer")

    def width(self, layer: Layer) -> int:
        """Bits that are kept before a layer's lookups."""
        if isinstance(self.bits, Mapping):
            return self.bits.get(layer.name, self.bits.get("default", DEFAULT_BITS))
        return self.bits

    def check_names(self, network: SegmentedNetwork) -> None:
        """Raises InvalidInputError where bits are given for a layer that is not there."""
        if isinstance(self.bits, Mapping):
            names = {layer.name for layer in network.layers}
            unknown = set(self.bits) - names - {"default"}
            if unknown:
                raise InvalidInputError(
                    f"bits= names {sorted(unknown)[0]!r}, but the network's layers are {', '.join(sorted(names))} "
                    "('default' stands for those that are not named)"
                )


def input_grid(rows: FloatArray, bits: int) -> Grid:
    """Steps of each feature's encoder, from calibration data; whole numbers where the data are and fit."""
    low, high = rows.min(axis=0), rows.max(axis=0)
    levels = 1 << bits
    span = high - low
    whole = (rows == np.rint(rows)).all(axis=0) & (span < levels) & (span > 0)
    maximum = np.where(whole, span, np.where(span > 0, levels - 1, 0)).astype(np.int64)
    step = np.where(whole, 1.0, span / (levels - 1))
    return Grid(low, np.where(span > 0, step, 1.0), maximum)


def quantize(network: SegmentedNetwork, rows: FloatArray, precision: Precision) -> IntegerNetwork:
    """Quantize after training.

    Args:
        network: float.
        rows: calibration data, shape (rows, features).
        precision: how exact.
    """
    precision.check_names(network)
    inputs = input_grid(rows, precision.input_bits)
    grid, integers, numbers = inputs, inputs.encode(rows), rows
    value_bits = _value_bits(network, precision)
    layers: list[IntegerLayer] = []
    for index, layer in enumerate(network.layers):
        exact = layer.sums(numbers)
        numbers = np.concatenate([numbers, layer.values(exact)], axis=1)
        made, values = _quantize_layer(layer, grid, integers, exact, precision, value_bits[index])
        integers = extended(integers, made, made.values(made.sources(integers)))
        layers.append(made)
        grid = grid.followed_by(values)
    return _read_out(network, grid, inputs.size, tuple(layers), integers, numbers, precision)


def _value_bits(network: SegmentedNetwork, precision: Precision) -> list[int]:
    """Bits of each layer's values: few where scores are made of them, since those must be exact to the last bit.

    With n values of 0 .. q in a score of 2^b steps, weights are about 2^b / (n * q). Rounding those errs by about q / 3
    for each value, rounding values by the weight, so both err alike where q^2 = 3 * 2^b / n.
    """
    summed = max(1, int(np.diff(network.matrix.indptr).max(initial=1)))
    shared = math.log2(3.0 * 2.0**precision.output_bits / summed) / 2
    used = set(network.matrix.indices.tolist())
    first = min((layer.matrix.shape[1] for layer in network.layers), default=0)
    found = []
    for layer in network.layers:
        reaches = any(first <= variable < first + layer.size for variable in used)
        found.append(min(_VALUE_BITS, max(2, round(shared))) if reaches else _VALUE_BITS)
        first += layer.size
    return found


def _quantize_layer(
    layer: Layer, grid: Grid, integers: IntArray, exact: FloatArray, precision: Precision, value_bits: int
) -> tuple[IntegerLayer, Grid]:
    width = precision.width(layer)
    matrix = widened(layer.matrix, grid.size)
    steps = csr_array(matrix.multiply(grid.step))
    base = matrix @ grid.zero + layer.offset
    sums = (steps @ integers.T).T + base
    base = base + (exact - sums).mean(axis=0)  # what the layers before are off by on average
    sums = sums + (exact - sums).mean(axis=0)
    found = sound(layer, grid) if precision.ranges == "sound" else calibrated(layer, sums, width, precision.ranges)
    ranges = _nonempty(found)
    entries = _entries(layer, ranges, width)
    kept = np.flatnonzero(np.ptp(entries, axis=0) > 1e-9 * np.abs(entries).max(initial=1e-30))
    tables, values = _integer_tables(entries, value_bits)
    box = (ranges.high - ranges.low) / (1 << width)
    spread = integers.var(axis=0)
    rounding = np.sqrt(np.asarray((steps != 0).astype(np.float64) @ spread) / 12)
    needed = np.log2(max(1.0, float(rounding[kept].max(initial=1.0)) / _WEIGHT_NOISE[precision.rounding]))
    dropped = int(min(_MAX_DROPPED_BITS, max(1, np.ceil(needed))))
    unit = (box / (1 << dropped))[kept]
    scaled = csr_array(steps[kept].multiply((1 / unit)[:, None]))
    weights = csr_array((np.rint(scaled.data).astype(np.int64), scaled.indices, scaled.indptr), shape=scaled.shape)
    mean = integers.mean(axis=0)
    drift = scaled @ mean - weights @ mean  # bias correction: of what rounding the weights does on average
    offset = np.rint((base - ranges.low)[kept] / unit + drift).astype(np.int64) - (1 << (dropped - 1))
    weights.eliminate_zeros()
    weights.sort_indices()
    mirrors = tables[kept, 0] + tables[kept, -1]
    made = IntegerLayer(
        layer.name, weights, offset, width, dropped, tables[kept], mirrors + mirrors % 2, kept, layer.size
    )
    return made, values


def _nonempty(ranges: Ranges) -> Ranges:
    width = np.maximum(ranges.high - ranges.low, 1e-6 * np.maximum(1e-6, np.abs(ranges.high)))
    return Ranges(ranges.low, ranges.low + width)


def _entries(layer: Layer, ranges: Ranges, width: int) -> FloatArray:
    """What the layer's functions are on average over each entry, shape (entries, size)."""
    count = (1 << width) * _SUBDIVISIONS
    box = (ranges.high - ranges.low) / count
    points = ranges.low + (np.arange(count)[:, None] + 0.5) * box
    values = layer.values(points).reshape(1 << width, _SUBDIVISIONS, layer.size)
    finite = np.isfinite(values)
    count_finite = finite.sum(axis=1)
    total = np.where(finite, values, 0.0).sum(axis=1)
    found: FloatArray = total / np.maximum(count_finite, 1)
    return _filled(found, count_finite > 0)


def _filled(entries: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Entries where a function is not defined, beyond an end of its domain, are those of the nearest where it is."""
    if known.all():
        return entries
    place = np.arange(len(entries))[:, None]
    below = np.maximum.accumulate(np.where(known, place, -1), axis=0)
    above = np.minimum.accumulate(np.where(known, place, 2 * len(entries))[::-1], axis=0)[::-1]
    nearest = np.where((place - below <= above - place) & (below >= 0), below, above)
    nearest = np.where(nearest < len(entries), nearest, np.maximum(below, 0))
    filled: FloatArray = np.take_along_axis(entries, nearest, axis=0)
    return filled


def _integer_tables(entries: FloatArray, bits: int) -> tuple[IntArray, Grid]:
    """Tables of shape (size, entries), and what their integers stand for."""
    low, high = entries.min(axis=0), entries.max(axis=0)
    varies = high - low > 1e-9 * np.abs(entries).max(initial=1e-30)
    highest = (1 << bits) - 2  # even, so that the mirror of a monotone function leads to nothing higher
    maximum = np.where(varies, highest, 0).astype(np.int64)
    step = np.where(varies, (high - low) / highest, 1.0)
    tables = np.where(varies, np.rint((entries - low) / step), 0).astype(np.int64).T
    return tables, Grid(np.where(varies, low, entries.mean(axis=0)), step, maximum)


def _read_out(
    network: SegmentedNetwork,
    grid: Grid,
    inputs: int,
    layers: tuple[IntegerLayer, ...],
    integers: IntArray,
    numbers: FloatArray,
    precision: Precision,
) -> IntegerNetwork:
    """Scores, all in one step, as fine as the output's bits allow for every input."""
    matrix = widened(network.matrix, grid.size)
    steps = csr_array(matrix.multiply(grid.step))
    reach = np.asarray(np.abs(steps.multiply(grid.maximum)).sum(axis=1)).ravel()
    if not reach.any():
        raise ConstantModelError("the network gives the same scores for all of X_train: there is nothing to compute")
    step = float(reach.max()) / ((1 << precision.output_bits) - 1 - np.diff(steps.indptr).max() / 2)
    weights = rounded_together(csr_array(steps / step), integers)
    found = IntegerNetwork(grid, inputs, layers, weights, step, np.zeros(network.outputs))
    exact = (widened(network.matrix, numbers.shape[1]) @ numbers.T).T + network.offset
    base = exact.mean(axis=0) - ((weights @ integers.T).T * step).mean(axis=0)
    return found.with_outputs(weights, step, base)
