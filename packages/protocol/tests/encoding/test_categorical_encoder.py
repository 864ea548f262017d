"""Categories and missing values, against one value at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cryptable_protocol import (
    CategoricalEncoder,
    InvalidInputError,
    MalformedMessageError,
    Missing,
    ThermometerEncoder,
    UnusedFeature,
    encode_rows,
)
from hypothesis import given
from hypothesis import strategies as st

LEVEL = st.integers(0, 6)


class NAType:
    """Looks as pandas' NA does: neither equal nor unequal to anything."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    def __ne__(self, other: object) -> NAType:
        return self

    __eq__ = __ne__
    __hash__ = object.__hash__


@given(
    categories=st.one_of(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6, unique=True),
        st.lists(st.text("abc é", max_size=4), min_size=1, max_size=6, unique=True),
    ),
    levels=st.lists(LEVEL, min_size=6, max_size=6),
    missing=LEVEL,
    unknown=LEVEL,
    picked=st.lists(st.integers(0, 7), max_size=9),
)
def test_categories(categories: list, levels: list[int], missing: int, unknown: int, picked: list[int]) -> None:
    levels = levels[: len(categories)]
    if not max(*levels, missing, unknown):
        return
    encoder = CategoricalEncoder("c", tuple(categories), tuple(levels), missing, unknown)
    stranger = "stranger" if isinstance(categories[0], str) else 2**70
    column, expected = [], []
    for pick in picked:
        known = pick < len(categories)
        value, level = (categories[pick], levels[pick]) if known else ((None, missing), (stranger, unknown))[pick % 2]
        column.append(value)
        expected.append([int(level > j) for j in range(max(*levels, missing, unknown))])
    rows = np.array([[value, 0] for value in column], object).reshape(len(column), 2)
    assert encode_rows([encoder, UnusedFeature("u")], rows).tolist() == expected


@pytest.mark.parametrize("missing", Missing)
@given(
    edges=st.lists(st.integers(-3, 3).map(float), max_size=4, unique=True).map(sorted).map(tuple),
    column=st.lists(st.sampled_from([-4.0, -3.0, 0.0, 0.5, 3.0, 1e300, None, math.nan]), max_size=8),
)
def test_missing_values(missing: Missing, edges: tuple[float, ...], column: list[float | None]) -> None:
    own = missing is Missing.OWN_ELEMENT
    if not edges and not own:
        with pytest.raises(MalformedMessageError, match="at least one"):
            ThermometerEncoder("x", edges, missing=missing)
        return
    encoder = ThermometerEncoder("x", edges, as_float32=True, missing=missing)
    rows = np.array(column, object)[:, None]
    gone = [value is None or math.isnan(value) for value in column]
    if missing is Missing.REFUSED and any(gone):
        with pytest.raises(InvalidInputError, match=rf"'x' \(column 0\) is nan in row {gone.index(True)}"):
            encode_rows([encoder], rows)
        return
    expected = []
    for value, absent in zip(column, gone, strict=True):
        bits = [int(missing is not Missing.LOWEST) if absent else int(value >= edge) for edge in edges]
        expected.append(bits + [int(absent)] * own)
    assert encode_rows([encoder], rows).tolist() == expected


COLOURS = CategoricalEncoder("colour", ("red", "green"), (0, 1))
GRADES = CategoricalEncoder("grade", (3, 1), (0, 1))


@pytest.mark.parametrize("number", [3, 3.0, np.float32(3), np.int8(3)])
def test_whole_numbers_are_integers(number: object) -> None:
    assert encode_rows([GRADES], [[number], [True]]).tolist() == [[0], [1]]
    assert encode_rows([GRADES], np.array([[number]])).tolist() == [[0]]


@pytest.mark.parametrize(
    ("encoder", "value", "message"),
    [
        (COLOURS, "blue", r"'colour' is 'blue' in row 1, which is none of its categories: 'red', 'green'"),
        (COLOURS, 1, "a int, in row 1; its categories are strings"),
        (COLOURS, None, "'colour' is missing in row 1"),
        (COLOURS, math.nan, "'colour' is missing in row 1"),
        (COLOURS, NAType(), "'colour' is missing in row 1"),
        (COLOURS, ["red"], "a list, in row 1"),
        (GRADES, 2, "'grade' is 2 in row 1, which is none of its categories: 3, 1"),
        (GRADES, 1.5, "a float, in row 1; its categories are whole numbers"),
        (GRADES, math.inf, "a float, in row 1"),
        (GRADES, "3", "a str, in row 1"),
        (ThermometerEncoder("x", (0.0,)), "3", r"'x' \(column 0\): rows must be numbers"),
        (ThermometerEncoder("x", (0.0,), missing=Missing.HIGHEST), -math.inf, "-inf in row 1.*as NaN"),
    ],
)
def test_values_that_are_refused(encoder: CategoricalEncoder, value: object, message: str) -> None:
    column = np.empty((2, 2), object)
    column[:, 0] = [getattr(encoder, "categories", (0,))[0], None]
    column[1, 0] = value
    column[:, 1] = COLOURS.categories
    with pytest.raises(InvalidInputError, match=message):
        encode_rows([encoder, CategoricalEncoder("other", ("red", "green"), (0, 1))], column)


def test_an_array_of_strings() -> None:
    assert encode_rows([COLOURS], np.array([["green"], ["red"]])).tolist() == [[1], [0]]
    with pytest.raises(InvalidInputError, match=r"'x'.*must be numbers, got '1'"):
        encode_rows([COLOURS, ThermometerEncoder("x", (0.0,))], np.array([["green", "1"]]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: CategoricalEncoder("c", (), ()),
        lambda: CategoricalEncoder("c", ("a",), (0,)),
        lambda: CategoricalEncoder("c", ("a",), (0, 1)),
        lambda: CategoricalEncoder("c", ("a", "a"), (0, 1)),
        lambda: CategoricalEncoder("c", ("a", "b\n"), (0, 1)),
        lambda: CategoricalEncoder("c", (1, 2**63), (0, 1)),
        lambda: CategoricalEncoder("c", (1, 2), (0, -1), 3),
        lambda: CategoricalEncoder("c", (1, 2), (0, 1), 2**17 + 1),
        lambda: CategoricalEncoder("", (1, 2), (0, 1)),
    ],
)
def test_encoders_that_cannot_be(make: object) -> None:
    with pytest.raises(MalformedMessageError):
        make()
