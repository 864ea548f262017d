"""Quantizers of the features themselves, which the client's encoders take over: found by what they do to numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.bisection import least_doubles
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.network import Layer
from cryptable.planner.networks.units import MOST_LEVELS

_FAR = 1e6
_BISECTIONS = 80
_UNDECIDED = 1e-3
"""So close to the middle between two levels, single precision may take the other one."""


@dataclass(frozen=True, eq=False)
class InputQuantizer:
    """value = lowest + step * clip(round((sum - lowest) / step), 0, maximum), one entry an element."""

    lowest: FloatArray
    step: FloatArray
    maximum: IntArray


def find_input_quantizer(layer: Layer, sums: FloatArray) -> InputQuantizer:
    """What a layer that only features lead to does, checked on calibration data.

    Args:
        layer: the first of a network.
        sums: of calibration data, shape (rows, size).

    Raises:
        UnsupportedModelError: it is no rounding to evenly spaced levels.
    """
    far = np.full(layer.size, _FAR)
    lowest, highest = layer.values(np.stack([-far, far]))
    varies = highest > lowest
    if not varies.all():
        raise UnsupportedModelError(_message(layer, "its values do not rise with the features"))
    below, above = -far, far
    for _ in range(_BISECTIONS):
        middle = (below + above) / 2
        raised = layer.values(middle[None])[0] > lowest
        below, above = np.where(raised, below, middle), np.where(raised, middle, above)
    step = layer.values(above[None])[0] - lowest
    levels = (highest - lowest) / step
    maximum = np.rint(levels).astype(np.int64)
    if (np.abs(levels - maximum) > 1e-3 * np.maximum(1, maximum)).any() or (maximum >= MOST_LEVELS).any():
        raise UnsupportedModelError(_message(layer, f"it has {float(levels.max()):.6g} levels"))
    step = (highest - lowest) / maximum
    found = InputQuantizer(lowest, step, maximum)
    levels = (sums - lowest) / step
    expected = lowest + step * np.clip(np.rint(levels), 0, maximum)
    between = np.abs(levels - np.floor(levels) - 0.5) < _UNDECIDED
    if ((np.abs(layer.values(sums) - expected) > 1e-3 * step) & ~between).any():
        raise UnsupportedModelError(_message(layer, "its levels are not evenly spaced"))
    return found


def edges_of_features(
    layer: Layer, found: InputQuantizer, factors: FloatArray, lower: FloatArray, width: FloatArray
) -> list[FloatArray]:
    """Where the quantizer's own arithmetic takes the next level, of each feature: the least doubles, rising.

    Args:
        layer: the quantizer, one feature an element.
        found: what it does.
        factors: of the features in its sums.
        lower: the feature whose level is the first, as features rise.
        width: of a level.
    """
    most = int(found.maximum.max())
    levels = np.arange(1, most + 1)[:, None]
    counted = np.where(factors > 0, levels, found.maximum + 1 - levels)
    limit = found.lowest + (counted - 0.5) * found.step
    middle = lower + (levels - 0.5) * width
    below, above = middle - width / 4, middle + width / 4

    def reached(numbers: FloatArray) -> npt.NDArray[np.bool_]:
        values = layer.values(numbers * factors + layer.offset)
        answer: npt.NDArray[np.bool_] = (values > limit) == (factors > 0)
        return answer

    edges = least_doubles(below, above, reached)
    return [edges[: found.maximum[element], element] for element in range(layer.size)]


def _message(layer: Layer, why: str) -> str:
    return (
        f"layer {layer.name!r} is the first to see the features, and so is to be a quantizer that the client takes "
        f"over, but {why}; begin the network with a QuantIdentity"
    )
