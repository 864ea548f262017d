"""Encoders, against one value at a time in exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from cryptable_protocol import (
    AffineEncoder,
    DigitsEncoder,
    InvalidInputError,
    MalformedMessageError,
    PolylineEncoder,
    QuadraticEncoder,
    ThermometerEncoder,
    UnusedFeature,
    encode_rows,
)
from hypothesis import example, given
from hypothesis import strategies as st

FINITE = st.floats(allow_nan=False, allow_infinity=False)
EDGES = st.lists(FINITE, min_size=1, max_size=6, unique_by=lambda edge: edge + 0.0).map(sorted).map(tuple)
LARGEST_FLOAT32 = Fraction(2**24 - 1) * 2**104


def nearest_float32(value: float) -> float:
    """By exact comparison with both neighbours; ties to the even significand."""
    exact = Fraction(value)
    if value == 0:
        return 0.0
    exponent = max(math.frexp(value)[1] - 24, -149)
    scaled = exact / Fraction(2) ** exponent
    rounded = Fraction(round(scaled)) * Fraction(2) ** exponent  # Fraction's round() goes to even
    if abs(rounded) > LARGEST_FLOAT32:
        return math.copysign(math.inf, value)
    return float(rounded)


@given(value=FINITE)
@example(value=1.0 + 2.0**-24)
@example(value=1.0 + 3 * 2.0**-24)
@example(value=2.0**-150)
@example(value=3.4028235677973366e38)
def test_oracle_rounds_as_numpy_does(value: float) -> None:
    with np.errstate(over="ignore"):
        assert nearest_float32(value) == float(np.float32(value))


@given(edges=EDGES, value=FINITE, as_float32=st.booleans())
@example(edges=(1.0,), value=1.0 - 2.0**-26, as_float32=True)
@example(edges=(1.0,), value=1.0 - 2.0**-26, as_float32=False)
@example(edges=(1.0 + 2.0**-24,), value=1.0 + 2.0**-24, as_float32=True)  # the edge itself is not rounded
@example(edges=(1.7e308,), value=1e39, as_float32=True)
@example(edges=(-0.0,), value=0.0, as_float32=False)
def test_thermometer(edges: tuple[float, ...], value: float, as_float32: bool) -> None:
    seen = nearest_float32(value) if as_float32 else value
    encoder = ThermometerEncoder("x", edges, as_float32)
    assert encode_rows([encoder], [[value]]).tolist() == [[int(seen >= edge) for edge in edges]]


@given(lower=FINITE, step=st.floats(5e-324, 1.7e308), levels=st.integers(2, 2**24), value=FINITE)
@example(lower=0.0, step=1.0, levels=10, value=2.5)
@example(lower=0.0, step=1.0, levels=10, value=3.5)
@example(lower=0.0, step=1.0, levels=10, value=-0.5)
@example(lower=-1.7e308, step=5e-324, levels=2, value=1.7e308)
@example(lower=1.7e308, step=1.0, levels=2, value=-1.7e308)
def test_affine(lower: float, step: float, levels: int, value: float) -> None:
    difference = value - lower
    quotient = difference / step if math.isfinite(difference) else difference
    level = round(quotient) if math.isfinite(quotient) else (levels if quotient > 0 else 0)
    expected = min(max(level, 0), levels - 1)
    assert encode_rows([AffineEncoder("x", lower, step, levels)], [[value]]).tolist() == [[expected]]


@given(
    lower=FINITE,
    step=st.floats(5e-324, 1.7e308),
    digits=st.integers(1, 24),
    value=FINITE,
    squared=st.booleans(),
)
@example(lower=0.0, step=1.0, digits=3, value=2.5, squared=True)
@example(lower=0.0, step=1.0, digits=24, value=1e300, squared=True)
@example(lower=-1.7e308, step=5e-324, digits=2, value=1.7e308, squared=False)
def test_digits(lower: float, step: float, digits: int, value: float, squared: bool) -> None:
    (level,) = encode_rows([AffineEncoder("x", lower, step, 2**digits)], [[value]])[0].tolist()
    expected = f"{level:0{digits}b}"[::-1] + (f"{level**2:0{2 * digits}b}"[::-1] if squared else "")
    encoder = DigitsEncoder("x", lower, step, digits, squared)
    assert "".join(map(str, encode_rows([encoder], [[value]])[0].tolist())) == expected
    assert encoder.size == len(expected)


@pytest.mark.parametrize(
    "values", [(0.0, 0.0, 2), (0.0, -1.0, 2), (math.nan, 1.0, 2), (0.0, math.inf, 2), (0.0, 1.0, 0), (0.0, 1.0, 25)]
)
def test_what_is_no_digits_encoder_is_refused(values: tuple[float, float, int]) -> None:
    with pytest.raises(MalformedMessageError, match="'x'"):
        DigitsEncoder("x", *values)


def test_elements_follow_the_order_of_the_features() -> None:
    features = [ThermometerEncoder("a", (0.0, 1.0)), UnusedFeature("b"), AffineEncoder("c", 0.0, 1.0, 4)]
    assert encode_rows(features, [[0.5, math.nan, 2], [7, -math.inf, 9]]).tolist() == [[1, 0, 2], [1, 1, 3]]


def test_no_rows() -> None:
    assert encode_rows([ThermometerEncoder("a", (0.0, 1.0))], np.empty((0, 1))).shape == (0, 2)


class Frame:
    """What encoding uses of a pandas frame."""

    def __init__(self, columns: list[object], rows: list[list[object]]) -> None:
        self.columns = columns
        self.rows = rows

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.array(self.rows, object)


@given(value=FINITE, lower=st.floats(-1e3, 1e3), step=st.floats(1e-3, 1e3), levels=st.integers(2, 2**24))
def test_quadratic(value: float, lower: float, step: float, levels: int) -> None:
    encoder = QuadraticEncoder("x", lower, step, levels)
    found = encode_rows([encoder], [[value]])
    level = min(max((value - lower) / step, 0.0), levels - 1.0)
    assert found.tolist() == [[round(level), round(4 * level * (levels - 1 - level) / (levels - 1))]]
    assert AffineEncoder("x", lower, step, levels).encode(np.array([value])).item() == found[0, 0]
    assert 0 <= found.min() <= found.max() <= encoder.maximum


@given(
    knots=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8, unique=True),
    heights=st.lists(st.floats(0, 100), min_size=8, max_size=8),
    value=FINITE,
)
def test_polyline(knots: list[float], heights: list[float], value: float) -> None:
    knots.sort()
    encoder = PolylineEncoder("x", tuple(knots), tuple(heights[: len(knots)]), 101)
    found = encode_rows([encoder], [[value]]).item()
    inside = min(max(value, knots[0]), knots[-1])
    right = next((index for index, knot in enumerate(knots[1:], 1) if inside < knot), len(knots) - 1)
    (low, at_low), (high, at_high) = ((knots[index], heights[index]) for index in (right - 1, right))
    exact = at_low + (at_high - at_low) * ((inside - low) / (high - low))
    assert found == round(exact)
    assert 0 <= found <= encoder.maximum
    at_knots = encode_rows([encoder], np.array(knots)[:, None])[:, 0]
    assert at_knots.tolist() == np.rint(heights[: len(knots)]).astype(int).tolist()


@pytest.mark.parametrize(
    ("encoder", "number", "missing"),
    [
        (AffineEncoder("x", 0.0, 1.0, 8, (5,)), [3], [5]),
        (AffineEncoder("x", 0.0, 1.0, 8, (5, 7)), [3, 0], [5, 7]),
        (QuadraticEncoder("x", 0.0, 1.0, 8, (1, 2)), [3, 7], [1, 2]),
        (PolylineEncoder("x", (0.0, 6.0), (0.0, 6.0), 8, (0, 7)), [3, 0], [0, 7]),
    ],
)
def test_a_missing_value_has_elements_of_its_own(encoder: Any, number: list[int], missing: list[int]) -> None:
    assert encode_rows([encoder], [[3.0], [None], [math.nan]]).tolist() == [number, missing, missing]
    with pytest.raises(InvalidInputError, match="leave a missing value as NaN"):
        encode_rows([encoder], [[math.inf]])


NAMED = [AffineEncoder("age", 0, 1, 100), AffineEncoder("bmi", 0, 1, 100)]
UNNAMED = [AffineEncoder("x0", 0, 1, 100), AffineEncoder("x1", 0, 1, 100)]


def test_frame_is_matched_by_name() -> None:
    assert encode_rows(NAMED, Frame(["bmi", "age"], [[1, 2], [3, 4.0]])).tolist() == [[2, 1], [4, 3]]


def test_frame_is_taken_by_position_where_the_model_has_no_names() -> None:
    assert encode_rows(UNNAMED, Frame(["bmi", "age"], [[1, 2]])).tolist() == [[1, 2]]
    assert encode_rows(UNNAMED, Frame([0, 1], [[1, 2]])).tolist() == [[1, 2]]


def test_frame_whose_names_are_numbers_is_taken_by_those() -> None:
    assert encode_rows(UNNAMED, Frame([1, 0], [[1, 2]])).tolist() == [[2, 1]]
    assert encode_rows(UNNAMED, Frame(["1", "0"], [[1, 2]])).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    "rows",
    [
        {"bmi": 2, "age": 1},
        [{"bmi": 2, "age": 1}],
        {"bmi": [2], "age": np.array([1.0])},
    ],
)
def test_other_forms_of_rows(rows: object) -> None:
    assert encode_rows(NAMED, rows).tolist() == [[1, 2]]


def test_frame_with_the_default_names_in_another_order_is_matched_by_name() -> None:
    assert encode_rows(UNNAMED, Frame(["x1", "x0"], [[1, 2]])).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        (["age"], [[1]], r"missing \['bmi'\], unknown \[\]"),
        (["age", "bmi", "sex"], [[1, 2, 3]], r"missing \[\], unknown \['sex'\]"),
        (["age", "BMI"], [[1, 2]], r"missing \['bmi'\], unknown \['BMI'\]"),
        (["age", "bmi", "age"], [[1, 2, 3]], "several columns of one name"),
        (["age", "bmi"], [[1, "heavy"]], "rows must be numbers"),
        (["age", "bmi"], [[1, None]], "'bmi'.*row 0"),
        (["age", "bmi"], [[1, object()]], "rows must be numbers"),
    ],
)
def test_frame_that_does_not_fit(columns: list[object], rows: list[list[object]], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        encode_rows(NAMED, Frame(columns, rows))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([1.0, 2.0], r"shape \(2,\), expected \(rows, 2\); a single row"),
        ([[1.0]], r"shape \(1, 1\), expected \(rows, 2\)"),
        ([[1.0, 2.0, 3.0]], r"shape \(1, 3\)"),
        (3.0, r"shape \(\)"),
        ([[1.0, 2.0], [3.0]], "rows must be numbers"),
        ([["1", "2"]], "got <U1"),
        ([[1.0, 2.0j]], "got complex128"),
        (np.zeros((1, 2), "datetime64[s]"), "got datetime64"),
        ([[10**400, 1]], "rows must be numbers"),
        ([[1.0, math.nan], [1.0, math.inf]], r"'bmi' \(column 1\) is nan in row 0 and 1 more"),
        ([[1.0, 2.0], [-math.inf, 2.0]], r"'age' \(column 0\) is -inf in row 1;"),
        (np.ma.masked_array([[1.0, 2.0]], [[False, True]]), r"'bmi' \(column 1\) is nan in row 0"),
        ({"age": 1}, r"missing \['bmi'\]"),
        ({"age": [1, 2], "bmi": [1]}, "different lengths"),
        ([{"age": 1, "bmi": 2}, {"age": 1, "BMI": 2}], "row 1 has other columns than row 0"),
    ],
)
def test_rows_that_do_not_fit(rows: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        encode_rows(NAMED, rows)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint64, bool, object])
def test_number_types(kind: type) -> None:
    assert encode_rows(NAMED, np.array([[1, 0]], kind)).tolist() == [[1, 0]]


def test_wider_floats_beyond_range_are_refused_with_their_place() -> None:
    huge = np.array([[np.longdouble(10) ** 4000, 1]])
    if not np.isfinite(huge).all():
        pytest.skip("long double is double here")
    with pytest.raises(InvalidInputError, match="'age'"):
        encode_rows(NAMED, huge)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ThermometerEncoder("x", ()),
        lambda: ThermometerEncoder("x", (1.0, 1.0)),
        lambda: ThermometerEncoder("x", (-0.0, 0.0)),
        lambda: ThermometerEncoder("x", (math.nan,)),
        lambda: ThermometerEncoder("", (1.0,)),
        lambda: AffineEncoder("x", math.nan, 1.0, 2),
        lambda: AffineEncoder("x", 0.0, 0.0, 2),
        lambda: AffineEncoder("x", 0.0, 1.0, 1),
        lambda: AffineEncoder("x", 0.0, 1.0, 2**24 + 1),
        lambda: QuadraticEncoder("x", 0.0, -1.0, 2),
        lambda: QuadraticEncoder("x", 0.0, 1.0, 2**24 + 1),
        lambda: PolylineEncoder("x", (0.0, 1.0), (0.0, 1.0), 1),
        lambda: PolylineEncoder("x", (0.0,), (0.0,), 2),
        lambda: PolylineEncoder("x", tuple(map(float, range(4097))), (0.0,) * 4097, 2),
        lambda: PolylineEncoder("x", (1.0, 0.0), (0.0, 1.0), 2),
        lambda: PolylineEncoder("x", (0.0, 1.0), (0.0, 1.5), 2),
        lambda: PolylineEncoder("x", (0.0, 1.0), (0.0, 1.0), 2, (0, 1, 1)),
        lambda: AffineEncoder("x", 0.0, 1.0, 4, (4,)),
        lambda: QuadraticEncoder("x", 0.0, 1.0, 4, (1,)),
        lambda: UnusedFeature("x" * 257),
        lambda: UnusedFeature("x\x7f"),
        lambda: UnusedFeature("x\ud800"),
    ],
)
def test_encoders_that_cannot_be(make: object) -> None:
    with pytest.raises(MalformedMessageError):
        make()


def test_edges_may_lie_further_apart_than_a_double_reaches() -> None:
    assert ThermometerEncoder("a", (-1.5e308, 1.5e308)).size == 2
