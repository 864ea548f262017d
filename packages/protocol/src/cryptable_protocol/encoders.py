"""From a feature's number to the small integers that are encrypted.

Honest encoders clip: whatever number comes in, the integers stay within what the circuit's bounds allow for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.names import check_name

_READABLE_KINDS = frozenset("buifO")


@dataclass(frozen=True)
class ThermometerEncoder:
    """Element j is 1 where x >= edges[j], else 0; x is rounded to float32 first where `as_float32`."""

    name: str
    edges: tuple[float, ...]
    as_float32: bool = False

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        edges = np.asarray(self.edges, np.float64)
        if not edges.size or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
            raise MalformedMessageError(
                f"feature {self.name!r}: edges must be finite, strictly increasing, and at least one"
            )

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return len(self.edges)

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return 1

    @cached_property
    def _edges(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.edges, np.float64)

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, size)."""
        if self.as_float32:
            column = _round_to_float32(column)
        return (column[:, None] >= self._edges).astype(np.int64)


@dataclass(frozen=True)
class AffineEncoder:
    """One element: clip(round_half_to_even((x - lower) / step), 0, levels - 1)."""

    name: str
    lower: float
    step: float
    levels: int

    def __post_init__(self) -> None:
        _check_levels(self, limits.MAX_AFFINE_LEVELS)

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return 1

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return self.levels - 1

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, 1)."""
        return _level(self, column)[:, None]


@dataclass(frozen=True)
class QuadraticEncoder:
    """Two elements, of which every quadratic function of x is a linear map.

    They are q = clip(round_half_to_even((x - lower) / step), 0, levels - 1), and q * (levels - 1 - q).
    """

    name: str
    lower: float
    step: float
    levels: int

    def __post_init__(self) -> None:
        _check_levels(self, limits.MAX_QUADRATIC_LEVELS)

    @property
    def size(self) -> int:
        """Elements that this feature contributes to the input tensor."""
        return 2

    @property
    def maxima(self) -> tuple[int, int]:
        """Largest value of each element."""
        return self.levels - 1, (self.levels - 1) ** 2 // 4

    @property
    def maximum(self) -> int:
        """Largest value of an element."""
        return max(self.maxima)

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, 2)."""
        level = _level(self, column)
        return np.stack([level, level * (self.levels - 1 - level)], axis=1)


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

    def encode(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Shape (rows,) to (rows, 0)."""
        return np.empty((column.shape[0], 0), np.int64)


FeatureEncoder = ThermometerEncoder | AffineEncoder | QuadraticEncoder | UnusedFeature


def _check_levels(encoder: AffineEncoder | QuadraticEncoder, most: int) -> None:
    check_name(encoder.name, "feature")
    if not math.isfinite(encoder.lower) or not math.isfinite(encoder.step) or encoder.step <= 0:
        raise MalformedMessageError(
            f"feature {encoder.name!r}: lower {encoder.lower} and step {encoder.step} must be finite, and step positive"
        )
    if not 2 <= encoder.levels <= most:
        raise MalformedMessageError(f"feature {encoder.name!r}: {encoder.levels} levels are not in 2 .. {most}")


def _level(encoder: AffineEncoder | QuadraticEncoder, column: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    with np.errstate(over="ignore"):  # a huge input overflows to infinity, which is clipped like any other
        level: npt.NDArray[np.float64] = np.rint((column - encoder.lower) / encoder.step)
    clipped: npt.NDArray[np.float64] = np.clip(level, 0, encoder.levels - 1)
    return clipped.astype(np.int64)


def encode_rows(features: Sequence[FeatureEncoder], rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Encode raw rows for encryption.

    Args:
        features: the encoders, one a column.
        rows: numbers of shape (rows, columns); a pandas frame's columns are matched by name where it has the names.

    Returns:
        Integers of shape (rows, sum of the encoders' sizes).

    Raises:
        InvalidInputError: wrong shape, missing or unknown columns, not numbers, NaN or infinite in a column that the
            model reads; the message names the column and the row.
    """
    table = _as_table(features, rows)
    for index, feature in enumerate(features):
        if feature.size == 0:
            continue
        bad = np.flatnonzero(~np.isfinite(table[:, index]))
        if bad.size:
            raise InvalidInputError(
                f"feature {feature.name!r} (column {index}) is {table[bad[0], index]} in row {bad[0]}"
                f"{f' and {bad.size - 1} more' if bad.size > 1 else ''}; "
                "this model needs finite numbers: impute or drop such rows"
            )
    parts = [feature.encode(table[:, index]) for index, feature in enumerate(features)]
    return np.concatenate(parts, axis=1)


def _as_table(features: Sequence[FeatureEncoder], rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
    columns = getattr(rows, "columns", None)
    order = None if columns is None else _column_order(features, [str(column) for column in columns])
    table = _as_floats(rows, len(features))
    if table.ndim != 2 or table.shape[1] != len(features):
        hint = "; a single row needs two dimensions too: [row]" if table.ndim == 1 else ""
        raise InvalidInputError(f"rows have shape {table.shape}, expected (rows, {len(features)}){hint}")
    return table if order is None else table[:, order]


def _as_floats(rows: npt.ArrayLike, columns: int) -> npt.NDArray[np.float64]:
    expected = f"rows must be numbers, shape (rows, {columns})"
    try:
        array = np.asarray(rows)
        if array.dtype.kind not in _READABLE_KINDS:  # NumPy would drop imaginary parts, count seconds, parse text
            raise InvalidInputError(f"{expected}, got {array.dtype}")
        with np.errstate(over="ignore"):  # of a wider float: infinite, which is refused with its place
            table = array.astype(np.float64)
        if isinstance(rows, np.ma.MaskedArray):
            table[np.broadcast_to(rows.mask, table.shape)] = np.nan
    except InvalidInputError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{expected}: {error}") from error
    return table


def _column_order(features: Sequence[FeatureEncoder], columns: list[str]) -> list[int] | None:
    """Position in the frame of each feature's column; None where columns are taken by position."""
    names = [feature.name for feature in features]
    unnamed = [f"x{index}" for index in range(len(names))]
    if names == unnamed and set(columns) != set(names):
        return None  # trained without names: by position, as scikit-learn does
    missing = sorted(set(names) - set(columns))
    unknown = sorted(set(columns) - set(names))
    if missing or unknown:
        raise InvalidInputError(
            f"the frame's columns are not the model's: missing {missing[:5]}, unknown {unknown[:5]}; "
            f"expected {len(names)} columns"
        )
    if len(columns) != len(names):
        raise InvalidInputError("the frame has several columns of one name; the model reads each once")
    positions = {name: index for index, name in enumerate(columns)}
    return [positions[name] for name in names]


def _round_to_float32(column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):  # beyond float32's range: infinite, and so above every edge
        return column.astype(np.float32).astype(np.float64)


def encoder_to_message(encoder: FeatureEncoder) -> pb.FeatureEncoder:
    """As protobuf."""
    match encoder:
        case ThermometerEncoder():
            thermometer = pb.ThermometerEncoder(edges=encoder.edges, as_float32=encoder.as_float32)
            return pb.FeatureEncoder(name=encoder.name, thermometer=thermometer)
        case AffineEncoder():
            affine = pb.AffineEncoder(lower=encoder.lower, step=encoder.step, levels=encoder.levels)
            return pb.FeatureEncoder(name=encoder.name, affine=affine)
        case QuadraticEncoder():
            quadratic = pb.QuadraticEncoder(lower=encoder.lower, step=encoder.step, levels=encoder.levels)
            return pb.FeatureEncoder(name=encoder.name, quadratic=quadratic)
        case UnusedFeature():
            return pb.FeatureEncoder(name=encoder.name, unused=pb.UnusedFeature())


def encoder_from_message(message: pb.FeatureEncoder) -> FeatureEncoder:
    """From protobuf; raises MalformedMessageError where a field is missing or out of range."""
    match message.WhichOneof("kind"):
        case "thermometer":
            return ThermometerEncoder(message.name, tuple(message.thermometer.edges), message.thermometer.as_float32)
        case "affine":
            return AffineEncoder(message.name, message.affine.lower, message.affine.step, message.affine.levels)
        case "quadratic":
            quadratic = message.quadratic
            return QuadraticEncoder(message.name, quadratic.lower, quadratic.step, quadratic.levels)
        case "unused":
            return UnusedFeature(message.name)
        case _:
            raise MalformedMessageError(f"feature {message.name!r}: no encoder")
