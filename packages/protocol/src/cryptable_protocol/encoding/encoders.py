"""From a feature's number or category to the small integers that are encrypted.

Honest encoders clip: whatever number comes in, the integers stay within what the circuit's bounds allow for.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.bits_encoder import BitsEncoder
from cryptable_protocol.encoding.categorical_encoder import CategoricalEncoder
from cryptable_protocol.encoding.curves_encoder import CurvesEncoder
from cryptable_protocol.encoding.digits_encoder import DigitsEncoder
from cryptable_protocol.encoding.missing_elements import MissingElements, check_missing, with_missing
from cryptable_protocol.encoding.polyline_encoder import PolylineEncoder
from cryptable_protocol.encoding.rows import Column, read_columns
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.wire.names import check_name


class Missing(enum.Enum):
    """How a thermometer encodes a missing value (NaN)."""

    REFUSED = pb.ThermometerEncoder.REFUSED
    """The column has none: a row with one is refused."""
    HIGHEST = pb.ThermometerEncoder.HIGHEST
    """Every element is 1, as of a number above all edges."""
    LOWEST = pb.ThermometerEncoder.LOWEST
    """Every element is 0, as of a number below all edges."""
    OWN_ELEMENT = pb.ThermometerEncoder.OWN_ELEMENT
    """Every element is 1, and there is one more, the last, which is 1 for a missing value only."""


@dataclass(frozen=True)
class ThermometerEncoder:
    """Element j is 1 where x >= edges[j], else 0; x is rounded to float32 first where `as_float32`."""

    name: str
    edges: tuple[float, ...]
    as_float32: bool = False
    missing: Missing = Missing.REFUSED

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        edges = np.asarray(self.edges, np.float64)
        if not np.isfinite(edges).all() or (edges[1:] <= edges[:-1]).any() or not self.size:
            raise MalformedMessageError(
                f"feature {self.name!r}: edges must be finite, strictly increasing, and at least one"
            )

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return len(self.edges) + (self.missing is Missing.OWN_ELEMENT)

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return 1

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here."""
        return self.missing is not Missing.REFUSED

    @cached_property
    def _edges(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.edges, np.float64)

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""
        if self.as_float32:
            column = _round_to_float32(column)
        missing = np.isnan(column)
        encoded = (column[:, None] >= self._edges).astype(np.int64)
        if self.missing is Missing.OWN_ELEMENT:
            encoded = np.concatenate([encoded, missing[:, None]], axis=1)
        encoded[missing] = self.missing is not Missing.LOWEST
        return encoded


@dataclass(frozen=True)
class _LevelEncoder:
    """What AffineEncoder and QuadraticEncoder make their elements of: (x - lower) / step, clipped to 0 … levels - 1.

    `missing` are the elements of a missing value; empty where a row with one is refused.
    """

    name: str
    lower: float
    step: float
    levels: int
    missing: MissingElements = ()

    _elements = 1
    """Of a number."""

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        if not math.isfinite(self.lower) or not math.isfinite(self.step) or self.step <= 0:
            raise MalformedMessageError(
                f"feature {self.name!r}: lower {self.lower} and step {self.step} must be finite, and step positive"
            )
        if not 2 <= self.levels <= limits.MAX_AFFINE_LEVELS:
            raise MalformedMessageError(
                f"feature {self.name!r}: {self.levels} levels are not in 2 .. {limits.MAX_AFFINE_LEVELS}"
            )
        check_missing(self.name, self.missing, elements=self._elements, levels=self.levels)

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return max(self._elements, len(self.missing))

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return self.levels - 1

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here."""
        return bool(self.missing)

    def _level(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Not rounded yet."""
        with np.errstate(over="ignore"):  # a huge input overflows to infinity, which is clipped like any other
            level: npt.NDArray[np.float64] = (np.where(np.isnan(column), self.lower, column) - self.lower) / self.step
        clipped: npt.NDArray[np.float64] = np.clip(level, 0.0, self.levels - 1.0)
        return clipped


@dataclass(frozen=True)
class AffineEncoder(_LevelEncoder):
    """One element: clip(round_half_to_even((x - lower) / step), 0, levels - 1)."""

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""
        return with_missing(np.rint(self._level(column)).astype(np.int64)[:, None], column, self.missing)


@dataclass(frozen=True)
class QuadraticEncoder(_LevelEncoder):
    """Two elements, of which every quadratic function of x is a linear map.

    With M = levels - 1 and y = clip((x - lower) / step, 0, M) they are y and 4 * y * (M - y) / M, both rounded.
    """

    _elements = 2

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""
        level, top = self._level(column), self.levels - 1
        product = 4.0 * level * (top - level) / top
        elements: npt.NDArray[np.float64] = np.rint(np.stack([level, product], axis=1))
        return with_missing(elements.astype(np.int64), column, self.missing)


@dataclass(frozen=True)
class UnusedFeature:
    """A column that the model does not read: nothing is sent for it."""

    name: str

    def __post_init__(self) -> None:
        check_name(self.name, "feature")

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor: none."""
        return 0

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return 0

    @property
    def takes_missing(self) -> bool:
        """Whether a row may have a missing value here: whatever stands here is not read."""
        return True

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, 0)."""
        return np.empty((column.shape[0], 0), np.int64)


FeatureEncoder = (
    ThermometerEncoder
    | AffineEncoder
    | QuadraticEncoder
    | CategoricalEncoder
    | PolylineEncoder
    | DigitsEncoder
    | BitsEncoder
    | CurvesEncoder
    | UnusedFeature
)


def encode_rows(features: Sequence[FeatureEncoder], rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Encode raw rows for encryption.

    Args:
        features: the encoders, one a column.
        rows: numbers and, in columns of categories, integers or strings, of shape (rows, columns); a pandas frame's
            columns are matched by name where it has the names. Missing values are NaN, None or pandas' NA.

    Returns:
        Integers of shape (rows, sum of the encoders' sizes).

    Raises:
        InvalidInputError: wrong shape, missing or unknown columns, not numbers, an infinite or missing value that the
            encoder of its column does not take, or an unknown category; the message names the column and the row.
    """
    numeric = [bool(feature.size) and categories_of(feature) is None for feature in features]
    text = any(categories_of(feature) is not None for feature in features)
    columns = read_columns([feature.name for feature in features], rows, numeric=numeric, text=text)
    parts = [_encode_column(index, feature, columns[index]) for index, feature in enumerate(features)]
    return np.concatenate(parts, axis=1)


def categories_of(feature: FeatureEncoder) -> CategoricalEncoder | None:
    """What reads the categories of a column; None of a column of numbers."""
    first = feature.parts[0] if isinstance(feature, BitsEncoder) else feature
    return first if isinstance(first, CategoricalEncoder) else None


def _encode_column(index: int, feature: FeatureEncoder, column: Column) -> npt.NDArray[np.int64]:
    if categories_of(feature) is not None:
        return feature.encode(column)
    if feature.size:
        takes_missing = feature.takes_missing
        bad = np.flatnonzero(np.isinf(column) if takes_missing else ~np.isfinite(column))
        if bad.size:
            raise InvalidInputError(
                f"feature {feature.name!r} (column {index}) is {column[bad[0]]} in row {bad[0]}"
                f"{f' and {bad.size - 1} more' if bad.size > 1 else ''}; "
                "this model needs finite numbers there: impute or drop such rows"
                f"{', or leave a missing value as NaN' if takes_missing else ''}"
            )
    return feature.encode(column)


def _round_to_float32(column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):  # beyond float32's range: infinite, and so above every edge
        return column.astype(np.float32).astype(np.float64)


def encoder_to_message(encoder: FeatureEncoder) -> pb.FeatureEncoder:
    """As protobuf."""
    match encoder:
        case ThermometerEncoder():
            thermometer = pb.ThermometerEncoder(
                edges=encoder.edges, as_float32=encoder.as_float32, missing=encoder.missing.value
            )
            return pb.FeatureEncoder(name=encoder.name, thermometer=thermometer)
        case AffineEncoder():
            affine = pb.AffineEncoder(
                lower=encoder.lower, step=encoder.step, levels=encoder.levels, missing=encoder.missing
            )
            return pb.FeatureEncoder(name=encoder.name, affine=affine)
        case QuadraticEncoder():
            quadratic = pb.QuadraticEncoder(
                lower=encoder.lower, step=encoder.step, levels=encoder.levels, missing=encoder.missing
            )
            return pb.FeatureEncoder(name=encoder.name, quadratic=quadratic)
        case CategoricalEncoder():
            return pb.FeatureEncoder(name=encoder.name, categorical=encoder.to_message())
        case PolylineEncoder():
            return pb.FeatureEncoder(name=encoder.name, polyline=encoder.to_message())
        case DigitsEncoder():
            return pb.FeatureEncoder(name=encoder.name, digits=encoder.to_message())
        case BitsEncoder():
            return pb.FeatureEncoder(name=encoder.name, bits=encoder.to_message(encoder_to_message))
        case CurvesEncoder():
            return pb.FeatureEncoder(name=encoder.name, curves=encoder.to_message())
        case UnusedFeature():
            return pb.FeatureEncoder(name=encoder.name, unused=pb.UnusedFeature())


def encoder_from_message(message: pb.FeatureEncoder) -> FeatureEncoder:
    """From protobuf; raises MalformedMessageError where a field is missing or out of range."""
    match message.WhichOneof("kind"):
        case "thermometer":
            return _thermometer_from_message(message)
        case "affine":
            affine = message.affine
            return AffineEncoder(message.name, affine.lower, affine.step, affine.levels, tuple(affine.missing))
        case "quadratic":
            quadratic = message.quadratic
            return QuadraticEncoder(
                message.name, quadratic.lower, quadratic.step, quadratic.levels, tuple(quadratic.missing)
            )
        case "categorical":
            return CategoricalEncoder.from_message(message.name, message.categorical)
        case "polyline":
            return PolylineEncoder.from_message(message.name, message.polyline)
        case "digits":
            return DigitsEncoder.from_message(message.name, message.digits)
        case "bits":
            return BitsEncoder.from_message(message.name, message.bits, encoder_from_message)
        case "curves":
            return CurvesEncoder.from_message(message.name, message.curves)
        case "unused":
            return UnusedFeature(message.name)
        case _:
            raise MalformedMessageError(f"feature {message.name!r}: no encoder")


def _thermometer_from_message(message: pb.FeatureEncoder) -> ThermometerEncoder:
    thermometer = message.thermometer
    try:
        missing = Missing(thermometer.missing)
    except ValueError as error:
        raise MalformedMessageError(
            f"feature {message.name!r}: missing values are encoded in way {thermometer.missing}, which is unknown"
        ) from error
    return ThermometerEncoder(message.name, tuple(thermometer.edges), thermometer.as_float32, missing)
