"""Columns that read coordinates of points in the place of thermometers' bits, of which every bit is a polynomial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from cryptable_protocol.schemes.squares.lattice import points

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.errors import CircuitError
from cryptable_engine.schemes.squares.bulk.columns import MOST_READS, Columns, Step, Sum, read_alone

Exponents = tuple[int, ...]


def on_lattices(columns: Columns, thermometers: Sequence[int], degree: int, modulus: int) -> Columns:
    """The same outputs of the points that thermometers are.

    A bit is a polynomial in its thermometer's point. It is written in Newton's basis, of products of falling factorials
    x (x − 1) (x − 2) …, whose exponents are the points themselves: of these, half are enough for a bit on the average.
    Each is a product of two of half its degree, and each bit a sum of them, which is kept.

    Args:
        columns: whose inputs are bits.
        thermometers: how many of them, one after the other, are a thermometer each.
        degree: of the polynomials.
        modulus: of weights; a prime.

    Raises:
        CircuitError: sums would read more than is evaluated.
    """
    if sum((bits + 1) ** 2 for bits in thermometers) > MOST_READS:
        raise CircuitError(f"thermometers whose bits would read more than {MOST_READS} columns")
    inputs = sum(points(bits, degree).shape[1] for bits in thermometers)
    steps: list[Step] = []
    bits_at: list[int] = []
    start = 0
    for bits in thermometers:
        exponents = [tuple(each) for each in points(bits, degree).tolist()]
        place: dict[Exponents, int] = {}
        for exponent in exponents[1:]:
            if sum(exponent) == 1:
                place[exponent] = start + exponent.index(1)
                continue
            half = _half(exponent)
            steps.append((Sum(((place[half], 1),), 0), _rest(exponent, half, place).modulo(modulus)))
            place[exponent] = inputs + len(steps) - 1
        for weights in _coefficients(bits, degree, modulus).tolist():
            read = sorted((place[each], weight) for each, weight in zip(exponents[1:], weights[1:], strict=True))
            steps.append((Sum(tuple(read), weights[0]).modulo(modulus),))
            bits_at.append(inputs + len(steps) - 1)
        start += len(exponents[0])
    offset = inputs + len(steps) - columns.inputs

    def moved(each: Sum) -> Sum:
        place = ((bits_at[column] if column < columns.inputs else column + offset, own) for column, own in each.weights)
        return Sum(tuple(sorted(place)), each.constant)

    steps += [tuple(map(moved, step)) for step in columns.steps]
    return read_alone(Columns(inputs, tuple(steps), tuple(map(moved, columns.outputs))))


def _half(exponent: Exponents) -> Exponents:
    """Of half its degree, upwards."""
    left, found = -(-sum(exponent) // 2), []
    for each in exponent:
        found.append(min(each, left))
        left -= found[-1]
    return tuple(found)


def _rest(exponent: Exponents, half: Exponents, place: dict[Exponents, int]) -> Sum:
    """What the falling factorials of `half` are multiplied by: those of x − half, by the identity of Vandermonde."""
    own = [whole - part for whole, part in zip(exponent, half, strict=True)]
    weights, constant = [], 0
    for each in product(*(range(size + 1) for size in own)):
        weight = math.prod(
            math.comb(size, chosen) * _falling(-shift, size - chosen)
            for size, chosen, shift in zip(own, each, half, strict=True)
        )
        if any(each):
            weights.append((place[each], weight))
        else:
            constant = weight
    return Sum(tuple(sorted((column, weight) for column, weight in weights if weight)), constant)


def _falling(number: int, factors: int) -> int:
    return math.prod(number - index for index in range(factors))


def _coefficients(bits: int, degree: int, modulus: int) -> IntArray:
    """Of each bit's polynomial, shape (bits, bits + 1): bit j is 1 at the points of more than j ones."""
    at = points(bits, degree)
    falling = np.array([[_falling(number, factors) for factors in range(degree + 1)] for number in range(degree + 1)])
    values = np.ones((bits + 1, bits + 1), np.int64)  # of each polynomial of the basis, at each point
    for coordinate in at.T:
        values *= falling[coordinate][:, coordinate]
    wanted = np.tri(bits + 1, bits, -1, dtype=np.int64)  # of each bit, at each point
    return _solved(values % modulus, wanted, modulus).T


def _solved(matrix: IntArray, wanted: IntArray, prime: int) -> IntArray:
    """X with matrix · X = wanted modulo a prime, for a lower triangular matrix: points are in the order of degrees."""
    found = wanted % prime
    for index in range(len(matrix)):
        found[index] = found[index] * pow(int(matrix[index, index]), -1, prime) % prime
        found[index + 1 :] = (found[index + 1 :] - matrix[index + 1 :, index : index + 1] * found[index]) % prime
    return found
