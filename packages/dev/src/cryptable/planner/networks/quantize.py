"""From a float network to integers: encoders, tables, and fine weights such that sums fill the registers of lookups.

A lookup costs what its kept bits cost, however fine the weights of the sum before it are. So the sum of each element is
scaled and shifted until its range fills the table, with as many bits below as make the weights exact enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.cost.prices import Draft, PriceList, price_list
from cryptable.errors import ConstantModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import Grid, IntegerLayer, IntegerNetwork, extended
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.graphs.symbols import widened
from cryptable.planner.networks.fineness import Fineness, choose_fineness
from cryptable.planner.networks.ranges import RANGES, Ranges, calibrated, sound
from cryptable.planner.networks.rounding import rounded_together
from cryptable.planner.networks.sharing import shared
from cryptable.planner.settings import DEFAULT_BITS, RangeChoice, Rounding
from cryptable.planner.tolerance import deviation, least_deviation

DEFAULT_INPUT_BITS, _LEAST_INPUT_BITS = 8, 6
"""Of a feature. A score that it is added to may have it coarser, two bits beyond what lookups keep of a sum."""
_RELATIVE_ERROR = 0.03
"""Of the deviation of the scores."""
_MORE_ERROR, _FEWEST_OUTPUT_BITS = 1.05, 10
"""By how much coarser scores of classes may err more, on calibration data: rounding adds a third of what lookups do
then. A bit of a score costs as much noise as one of a lookup, and lookups of few bits make no use of the last ones."""
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
        input_bits: of an encoded feature, at most; by default 8, or as many as scores that it is added to need.
        output_bits: of the scores; by default as many as `error` needs.
        error: root mean square of what rounding the scores, and what they are sums of, may add to them on calibration
            data; by default a part of their deviation. Lookups add what `bits` says.
        rounding: of sums, see `Rounding`.
        inputs: what features are encoded by, where that is given.
        room: how much wider tables are than their ranges: what is weighed less meets more noise before it is misread.
    """

    bits: int | Mapping[str, int] = DEFAULT_BITS
    ranges: RangeChoice = "minmax"
    input_bits: int | None = None
    output_bits: int | None = None
    error: float | None = None
    rounding: Rounding = "approximate"
    inputs: Grid | None = None
    room: float = 1.0

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


def quantize(
    network: SegmentedNetwork, rows: FloatArray, precision: Precision, prices: PriceList | None = None
) -> IntegerNetwork:
    """Quantize after training.

    Args:
        network: float, of one layer at least.
        rows: calibration data, shape (rows, features).
        precision: how exact.
        prices: that say how many bits scores can have; by default those of any keys.
    """
    precision.check_names(network)
    sharing = shared(network)
    network = sharing.network
    if precision.inputs is None:
        precision = replace(precision, inputs=sharing.input_grid(rows, precision.input_bits or DEFAULT_INPUT_BITS))
    numbers = network.variables(rows)
    exact = network.scores_of(numbers)
    fineness = _fineness(network, numbers, exact, precision, price_list() if prices is None else prices)
    grid, integers = fineness.inputs, fineness.inputs.encode(rows)
    layers: list[IntegerLayer] = []
    for number, (layer, value_bits) in enumerate(zip(network.layers, fineness.value_bits, strict=True)):
        sums = layer.sums(numbers[:, : grid.size])
        made, values = _quantize_layer(
            layer, grid, integers, sums, precision, value_bits, partial(sharing.pool, number)
        )
        integers = extended(integers, made, made.values(made.sources(integers)))
        layers.append(made)
        grid = grid.followed_by(values)
    read_out = partial(_read_out, network, grid, fineness.inputs.size, tuple(layers), integers, exact)
    found = read_out(fineness.output_bits)
    is_looked_up = not network.matrix[:, : fineness.inputs.size].count_nonzero()
    if network.labels is None or precision.output_bits is not None or precision.error is not None or not is_looked_up:
        return found
    return _coarser(found, read_out, fineness.output_bits, partial(_off, integers=integers, exact=exact))


def _coarser(
    found: IntegerNetwork, read_out: Callable[[int], IntegerNetwork], bits: int, off: Callable[[IntegerNetwork], float]
) -> IntegerNetwork:
    """Scores of as few bits as err hardly more than those of `bits` bits."""
    most = _MORE_ERROR * off(found)
    for fewer in range(bits - 1, _FEWEST_OUTPUT_BITS - 1, -1):
        coarser = read_out(fewer)
        if off(coarser) > most:
            break
        found = coarser
    return found


def _off(network: IntegerNetwork, integers: IntArray, exact: FloatArray) -> float:
    """Root mean square of what scores are off by."""
    scores = (network.weights @ integers.T).T * network.step + network.base
    return float(np.sqrt(np.square(scores - exact).mean()))


def _fineness(
    network: SegmentedNetwork, numbers: FloatArray, exact: FloatArray, precision: Precision, prices: PriceList
) -> Fineness:
    varies = (deviation if network.labels else least_deviation)(exact)
    error = _RELATIVE_ERROR * varies if precision.error is None else precision.error
    width = max((precision.width(layer) for layer in network.layers), default=1)

    def is_affordable(bits: int, summed: float, bits_are_free: bool) -> bool:
        draft = Draft(lookups=1, width=width, output_bits=bits, summed=max(1.0, summed), bits_are_free=bits_are_free)
        return math.isfinite(prices.draft(draft))

    return choose_fineness(
        network,
        numbers,
        input_bits=precision.input_bits or DEFAULT_INPUT_BITS,
        layer_bits=max(_LEAST_INPUT_BITS, min(width + 2, DEFAULT_INPUT_BITS)),
        limit=precision.input_bits,
        output_bits=precision.output_bits,
        error=error,
        is_affordable=is_affordable,
        is_sound=precision.ranges == "sound",
        inputs=precision.inputs,
    )


def _quantize_layer(
    layer: Layer,
    grid: Grid,
    integers: IntArray,
    exact: FloatArray,
    precision: Precision,
    value_bits: int,
    pool: Callable[[Ranges], Ranges],
) -> tuple[IntegerLayer, Grid]:
    width = precision.width(layer)
    matrix = widened(layer.matrix, grid.size)
    steps = csr_array(matrix.multiply(grid.step))
    base = matrix @ grid.zero + layer.offset
    sums = (steps @ integers.T).T + base
    base = base + (exact - sums).mean(axis=0)  # what the layers before are off by on average
    sums = sums + (exact - sums).mean(axis=0)
    found = sound(layer, grid) if precision.ranges == "sound" else calibrated(layer, sums, width, precision.ranges)
    ranges = _widened(_nonempty(pool(found)), precision.room)
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
        layer.name, weights, offset, width, dropped, tables[kept], mirrors + mirrors % 2, kept, layer.size, layer.shape
    )
    return made, values


def _nonempty(ranges: Ranges) -> Ranges:
    width = np.maximum(ranges.high - ranges.low, 1e-6 * np.maximum(1e-6, np.abs(ranges.high)))
    return Ranges(ranges.low, ranges.low + width)


def _widened(ranges: Ranges, room: float) -> Ranges:
    """On both sides alike."""
    added = (ranges.high - ranges.low) * (room - 1) / 2
    return Ranges(ranges.low - added, ranges.high + added)


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
    exact: FloatArray,
    bits: int,
) -> IntegerNetwork:
    """Scores, all in one step, as fine as the output's bits allow for every input."""
    matrix = widened(network.matrix, grid.size)
    steps = csr_array(matrix.multiply(grid.step))
    reach = np.asarray(np.abs(steps.multiply(grid.maximum)).sum(axis=1)).ravel()
    if not reach.any():
        raise ConstantModelError("the network gives the same scores for all of X_train: there is nothing to compute")
    step = float(reach.max()) / ((1 << bits) - 1 - np.diff(steps.indptr).max() / 2)
    weights = rounded_together(csr_array(steps / step), integers)
    found = IntegerNetwork(grid, inputs, layers, weights, step, np.zeros(network.outputs))
    base = exact.mean(axis=0) - ((weights @ integers.T).T * step).mean(axis=0)
    return replace(found.with_outputs(weights, step, base), shape=network.shape)
