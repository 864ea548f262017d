"""From a trained SquaredNetwork to the integers that it computes with."""

from __future__ import annotations

import math

import numpy as np
import torch

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integer_squares import IntegerSquares
from cryptable.graphs.integers import Grid
from cryptable.neural.input_levels import InputLevels
from cryptable.neural.learned_steps import SteppedLinear
from cryptable.neural.squared_network import Squared, SquaredNetwork


def read_squares(network: SquaredNetwork, levels: InputLevels) -> IntegerSquares:
    """All layers of a network in evaluation mode, whose rows are `levels`.

    A row's numbers are the input step times (level - zero), zero being in the middle: the first offset takes it in.
    """
    weights: list[IntArray] = []
    offsets: list[IntArray] = []
    zero, unit = 1 << (levels.bits - 1), torch.tensor(network.precision.input_step)
    with torch.no_grad():
        shapes = [network.row_shape]
        for layer in network.hidden:
            if not isinstance(layer, Squared):
                raise AssertionError  # pragma: no cover
            unit = layer.sums.step * unit
            matrix, shape = layer.sums.matrix(shapes[-1])
            shapes.append(shape)
            weights.append(_whole(matrix))
            bias = _whole(layer.whole_bias(unit)).repeat(math.prod(shape[1:]))
            offsets.append(bias - zero * weights[-1].sum(axis=1))
            zero, unit = 0, (unit / layer.size).square()
        output = network.output
        if not isinstance(output, SteppedLinear):
            raise AssertionError  # pragma: no cover
        weights.append(_whole(output.whole_weights()))
        base: FloatArray = output.bias.numpy().astype(np.float64)
        grids = (shapes[0], shapes[1]) if len(shapes[0]) > 1 else None
        return IntegerSquares(tuple(weights), tuple(offsets), float(output.step * unit), base, grids)


def _whole(numbers: torch.Tensor) -> IntArray:
    whole: IntArray = numbers.numpy().astype(np.int64)
    return whole


def grid_of(levels: InputLevels) -> Grid:
    """What the levels stand for in the features' own units."""
    return Grid(levels.lower, levels.step, np.full(len(levels.lower), (1 << levels.bits) - 1, np.int64))
