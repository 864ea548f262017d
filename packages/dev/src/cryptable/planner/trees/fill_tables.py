"""The float plan: a set of tables and one function a feature, that together are exactly the model.

Which table holds what is not unique: a product covered by two tables may be split between them, and a function of one
feature may sit in a table or outside. The split with the least sum of ranges is chosen, by linear programming: a small
range makes a narrow output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog  # type: ignore[import-untyped]
from scipy.sparse import coo_array, vstack  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray
from cryptable.planner.trees.codes import Code
from cryptable.planner.trees.mask_index import MaskIndex
from cryptable.planner.trees.polynomial import Polynomial
from cryptable.planner.trees.set_cover import bits_of
from cryptable.planner.trees.tree_polynomials import Alphabet

_LARGEST_PROGRAM = 20_000
"""Variables of a linear program that is solved within seconds; above, the last table that covers a product holds it."""


@dataclass(frozen=True, eq=False)
class FloatTable:
    """One lookup: entries by code, shape (code.size,)."""

    code: Code
    entries: FloatArray


@dataclass(frozen=True, eq=False)
class FeatureFunction:
    """A function of one feature, free under encryption: values by the number of its bits that are on."""

    bits: tuple[int, ...]
    values: FloatArray


@dataclass(frozen=True, eq=False)
class FloatOutput:
    """One score: constant + the sum of its tables + the sum of its feature functions."""

    constant: float
    tables: tuple[FloatTable, ...]
    functions: tuple[FeatureFunction, ...]


def fill_tables(
    polynomial: Polynomial,
    masks: Sequence[int],
    alphabet: Alphabet,
    *,
    integral: bool = False,
    bits_are_free: bool = True,
) -> FloatOutput:
    """Divide a polynomial between the tables that cover it and the functions of one feature.

    Args:
        polynomial: one score.
        masks: the tables' sets of symbols; every product of two symbols or more lies within one.
        alphabet: bits and groups.
        integral: whether coefficients are integers, and every table is to hold integers.
        bits_are_free: whether there are to be functions of one feature; else the tables cover single symbols too.
    """
    codes = [Code.of_mask(mask, alphabet) for mask in masks]
    functions = _feature_bits(polynomial, alphabet) if bits_are_free else []
    parts: list[FloatArray] = [np.zeros(code.size) for code in codes] + [np.zeros(len(bits) + 1) for bits in functions]
    shares = _shares(polynomial, masks, codes, functions, alphabet, integral)
    for part, basis, share in shares:
        parts[part] += basis * share
    tables = tuple(FloatTable(code, entries) for code, entries in zip(codes, parts, strict=False))
    return FloatOutput(
        polynomial.get(0, 0.0),
        tables,
        tuple(FeatureFunction(bits, values) for bits, values in zip(functions, parts[len(codes) :], strict=True)),
    )


def _feature_bits(polynomial: Polynomial, alphabet: Alphabet) -> list[tuple[int, ...]]:
    """For each feature that occurs, all its bits that occur."""
    occurring = 0
    for mask in polynomial:
        occurring |= mask
    by_feature: dict[int, list[int]] = {}
    for symbol in bits_of(occurring & ((1 << alphabet.bits.count) - 1)):
        by_feature.setdefault(alphabet.bits.feature_of[symbol], []).append(symbol)
    return [tuple(bits) for bits in by_feature.values()]


def _shares(
    polynomial: Polynomial,
    masks: Sequence[int],
    codes: Sequence[Code],
    functions: Sequence[tuple[int, ...]],
    alphabet: Alphabet,
    integral: bool,
) -> list[tuple[int, FloatArray, float]]:
    """(part, product by the part's code, share of the coefficient); parts are tables, then feature functions."""
    function_of = {bit: index for index, bits in enumerate(functions) for bit in bits}
    products: list[tuple[float, list[tuple[int, FloatArray]]]] = []
    tables = MaskIndex(masks)
    for mask, coefficient in polynomial.items():
        if mask == 0:
            continue
        holders = [(index, codes[index].product(mask).astype(np.float64)) for index in tables.containing(mask)]
        if functions and mask.bit_count() == 1 and mask < 1 << alphabet.bits.count:
            bit = mask.bit_length() - 1
            function = function_of[bit]
            bits = functions[function]
            step = (np.arange(len(bits) + 1) > bits.index(bit)).astype(np.float64)
            holders.append((len(masks) + function, step))
        if not holders:
            raise ValueError("a product is covered by no table")
        products.append((coefficient, holders))
    weights = _least_ranges(products, len(masks) + len(functions), integral)
    return [
        (part, basis, share)
        for (_, holders), held in zip(products, weights, strict=True)
        for (part, basis), share in zip(holders, held, strict=True)
    ]


def _least_ranges(
    products: Sequence[tuple[float, list[tuple[int, FloatArray]]]], parts: int, integral: bool
) -> list[list[float]]:
    """Shares of each product, with the least sum over parts of (maximum - minimum)."""
    simple = [[0.0] * (len(holders) - 1) + [coefficient] for coefficient, holders in products]
    variables = sum(len(holders) for _, holders in products)
    if variables == len(products) or variables > _LARGEST_PROGRAM:
        return simple
    # Variables: the shares, then the maximum and the minimum of each part.
    rows, columns, values = [], [], []
    first_row: dict[int, int] = {}
    size_of: dict[int, int] = {}
    height = 0
    variable = 0
    equality_rows, equality_columns = [], []
    for index, (_, holders) in enumerate(products):
        for part, basis in holders:
            if part not in first_row:
                first_row[part], size_of[part] = height, basis.shape[0]
                height += basis.shape[0]
            nonzero = np.flatnonzero(basis)
            rows.append(first_row[part] + nonzero)
            columns.append(np.full(nonzero.size, variable))
            values.append(basis[nonzero])
            equality_rows.append(index)
            equality_columns.append(variable)
            variable += 1
    entries = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (height, variables + 2 * parts)
    ).tocsr()
    every = np.arange(height)
    owner = np.zeros(height, np.int64)
    for part, first in first_row.items():
        owner[first : first + size_of[part]] = part
    ones = np.ones(height)
    shape = (height, variables + 2 * parts)
    maxima = coo_array((ones, (every, variables + owner)), shape).tocsr()
    minima = coo_array((ones, (every, variables + parts + owner)), shape).tocsr()
    equalities = coo_array(
        (np.ones(variables), (equality_rows, equality_columns)), (len(products), variables + 2 * parts)
    ).tocsr()
    solved = linprog(
        np.concatenate([np.zeros(variables), np.ones(parts), -np.ones(parts)]),
        A_ub=vstack([entries - maxima, minima - entries]),
        b_ub=np.zeros(2 * height),
        A_eq=equalities,
        b_eq=[coefficient for coefficient, _ in products],
        bounds=(None, None),
        method="highs",
    )
    if solved.x is None:
        return simple
    result = []
    variable = 0
    for coefficient, holders in products:
        shares = solved.x[variable : variable + len(holders)]
        held = (np.rint(shares) if integral else shares).tolist()
        held[-1] = coefficient - sum(held[:-1])  # exactly, whatever the solver's tolerance
        result.append(held)
        variable += len(holders)
    return result
