"""Functions of one column as sums of bits: lines, parabolas and curves of a level's binary digits, and steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from cryptable_protocol import AffineEncoder, DigitsEncoder, FeatureEncoder, PolylineEncoder
from cryptable_protocol.limits import MAX_AFFINE_LEVELS

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import StepFunction
from cryptable.graphs.curves import Polyline
from cryptable.graphs.graph import FloatArray, Gaps
from cryptable.planner.thresholds.thermometers import encoder_of

_MARGIN_OF_LINES, _MARGIN_OF_PARABOLAS = 1.0, 0.25
"""How far encoders reach beyond the calibration data, on both sides, relative to its range; as where all are of a kind.
"""
_MOST_DIGITS = MAX_AFFINE_LEVELS.bit_length() - 1


@dataclass(frozen=True, eq=False)
class BitSum:
    """What one encoder of a column adds to the scores: constant + bits @ weights, to within error.

    `weights` has shape (bits, outputs), the others (outputs,). `is_thermometer`: bits never increase.
    """

    feature: int
    encoder: FeatureEncoder
    weights: FloatArray
    constant: FloatArray
    error: FloatArray
    is_thermometer: bool = False


@dataclass
class Parabola:
    """bends * x² + slopes * x + constant, of one column; for a missing value `missing`, None where none is taken."""

    slopes: FloatArray
    bends: FloatArray
    constant: FloatArray
    missing: FloatArray | None = field(default=None)

    def steepness(self, low: float, high: float) -> FloatArray:
        """Of each score, at most, between these ends: the slope is a line, and steepest at one of them."""
        found: FloatArray = np.maximum(*(np.abs(self.slopes + 2 * end * self.bends) for end in (low, high)))
        return found


def range_of(column: FloatArray, *, bends: bool) -> tuple[float, float]:
    """Where the encoder of a column ends, by its finite numbers in the calibration data; shape (rows,)."""
    seen = column[np.isfinite(column)]
    low, high = float(seen.min()), float(seen.max())
    # A column that is constant there may yet vary: by its own size.
    margin = (_MARGIN_OF_PARABOLAS if bends else _MARGIN_OF_LINES) * (high - low or max(abs(low), 1.0))
    return low - margin, high + margin


def sum_of_parabola(feature: int, name: str, own: Parabola, ends: tuple[float, float], allowed: float) -> BitSum:
    """A line or a parabola, over the digits of a level and, of a parabola, of its square.

    Args:
        feature: the column.
        name: of it.
        own: what it adds.
        ends: of the encoder.
        allowed: what rounding the number to a level may add to the error of a score.
    """
    low, high = ends
    steepness = float(own.steepness(low, high).max())
    digits = _digits((high - low) * steepness / (2 * allowed), name, allowed)
    step = (high - low) / (2**digits - 1)
    powers = step * 2.0 ** np.arange(digits)[:, None]
    # x = low + step * u: bends * x² = bends * (low² + 2 low step u + step² u²).
    weights = powers * (own.slopes + 2 * low * own.bends)
    constant = own.constant + own.slopes * low + own.bends * low**2
    error = own.steepness(low, high) * step / 2 + np.abs(own.bends) * step**2 / 4
    if own.bends.any():
        if own.missing is not None:
            raise UnsupportedModelError(
                f"column {name!r} may miss values, which a parabola takes none of: impute it in a pipeline before all "
                "members"
            )
        squares = step**2 * 2.0 ** np.arange(2 * digits)[:, None] * own.bends
        weights = np.concatenate([weights, squares])
        return BitSum(feature, DigitsEncoder(name, low, step, digits, squared=True), weights, constant, error)
    if own.missing is None:
        return BitSum(feature, DigitsEncoder(name, low, step, digits), weights, constant, error)
    elements, weights = _with_missing(weights, own.missing - constant)
    return BitSum(feature, AffineEncoder(name, low, step, 2**digits, elements), weights, constant, error)


def sum_of_polyline(name: str, own: Polyline, allowed: float) -> BitSum:
    """A curve, over the digits of its height's level; arguments as for a parabola."""
    low, high = float(own.values.min()), float(own.values.max())
    steepest = float(np.abs(own.weights).max())
    digits = _digits((high - low) * steepest / (2 * allowed), name, allowed)
    step = (high - low or 1.0) / (2**digits - 1)
    weights = step * 2.0 ** np.arange(digits)[:, None] * own.weights
    constant = own.weights * low
    elements: tuple[int, ...] = ()
    if own.missing is not None:
        elements, weights = _with_missing(weights, own.missing - constant)
    heights = np.clip((own.values - low) / step, 0, 2**digits - 1)
    encoder = PolylineEncoder(name, tuple(own.knots.tolist()), tuple(heights.tolist()), 2**digits, elements)
    return BitSum(own.feature, encoder, weights, constant, np.abs(own.weights) * step / 2)


def sum_of_steps(name: str, own: StepFunction, gaps: Gaps, *, as_float32: bool) -> BitSum | None:
    """Steps, over a thermometer of those edges at which anything changes; None where nothing does."""
    changes = np.diff(own.values, axis=0)
    kept = np.flatnonzero(changes.any(axis=1))
    if not kept.size:
        return None
    encoder = encoder_of(name, tuple(own.edges[kept].tolist()), as_float32=as_float32, gaps=gaps)
    none = np.zeros(own.values.shape[1])
    return BitSum(own.feature, encoder, changes[kept], own.values[0], none, is_thermometer=True)


def _digits(levels: float, name: str, allowed: float) -> int:
    """That tell so many levels apart, at least one."""
    digits = max(1, int(np.ceil(np.log2(levels + 1))))
    if digits > _MOST_DIGITS:
        raise UnsupportedModelError(
            f"feature {name!r}: for scores within {allowed:.3g} it needs {digits} bits, of {_MOST_DIGITS}; raise "
            "tolerance="
        )
    return digits


def _with_missing(weights: FloatArray, missing: FloatArray) -> tuple[tuple[int, ...], FloatArray]:
    """Elements of a missing value: the lowest level, and an element that nothing else sets; it adds what is missing."""
    own = np.zeros_like(weights)
    own[0] = missing
    return (0, 1), np.concatenate([weights, own])
