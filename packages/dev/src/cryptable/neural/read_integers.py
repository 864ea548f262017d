"""From a trained QuantNetwork to the integers that it computes with."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from cryptable_protocol import InternalError
from scipy.sparse import csr_array  # type: ignore[import-untyped]
from torch import nn

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import Grid, IntegerLayer, IntegerNetwork
from cryptable.neural.input_levels import InputLevels
from cryptable.neural.network import Hidden, QuantNetwork


def read_integers(network: QuantNetwork, levels: InputLevels, shape: tuple[int, ...]) -> IntegerNetwork:
    """All layers of a network in evaluation mode, whose rows are `levels` and have `shape`.

    Where a layer's inputs are zero + step * integer, with the zero in the middle of an even maximum or a half above it,
    sums of weights times inputs are integers too, in units of 2^-dropped_bits of a position.
    """
    precision = network.precision
    features, given = len(levels.lower), shape
    top = (1 << levels.bits) - 1
    grid = Grid(levels.lower, levels.step, np.full(features, top, np.int64))
    zero, step = 1 << (levels.bits - 1), precision.input_step
    first = 0
    layers: list[IntegerLayer] = []
    with torch.no_grad():
        for layer in network.hidden:
            if isinstance(layer, nn.Flatten):
                shape = (math.prod(shape),)
            elif isinstance(layer, Hidden):
                made, shape = _read_layer(layer, f"hidden {len(layers) + 1}", shape, zero, step, first)
                layers.append(made)
                first = grid.size
                zero, step = layer.register.mirror // 2, precision.value_step
                grid = grid.followed_by(_values(layer.register.mirror, made.size))
        found = _read_scores(network.output, grid, features, tuple(layers), shape, zero, step, first)
        return replace(found, shape=given if len(given) > 1 else None)


def _values(mirror: int, size: int) -> Grid:
    return Grid(np.full(size, -1.0), np.full(size, 2.0 / mirror), np.full(size, mirror, np.int64))


def _read_layer(
    layer: Hidden, name: str, shape: tuple[int, ...], zero: int, step: float, first: int
) -> tuple[IntegerLayer, tuple[int, ...]]:
    register = layer.register
    # A linear map is what it makes of a basis.
    images = layer.sums(torch.eye(math.prod(shape)).reshape(-1, *shape))
    weights = _whole(images.flatten(1).T.numpy() * (step * (1 << register.dropped_bits)))
    bias = register.whole_bias().reshape(-1, *(1 for _ in images.shape[2:])).expand(images.shape[1:])
    offset = bias.flatten().numpy().astype(np.int64) - zero * weights.sum(axis=1)
    size = len(offset)
    made = IntegerLayer(
        name=name,
        weights=_placed(weights, first),
        offset=offset,
        width=register.kept_bits,
        dropped_bits=register.dropped_bits,
        tables=np.tile(register.table().numpy(), (size, 1)),
        mirrors=np.full(size, register.mirror, np.int64),
        elements=np.arange(size),
        outputs=size,
        shape=tuple(images.shape[1:]) if images.ndim > 2 else None,
    )
    return made, tuple(images.shape[1:])


def _read_scores(
    output: nn.Module,
    grid: Grid,
    inputs: int,
    layers: tuple[IntegerLayer, ...],
    shape: tuple[int, ...],
    zero: int,
    step: float,
    first: int,
) -> IntegerNetwork:
    quantized = output.quant_weight()  # type: ignore[operator]
    scale = float(quantized.scale)
    weights = quantized.int().numpy().astype(np.int64)
    unit = scale * step
    bias: FloatArray = output.bias.numpy().astype(np.float64)  # type: ignore[operator]
    base = bias - unit * zero * weights.sum(axis=1)
    if weights.shape[1] != math.prod(shape):
        raise InternalError(f"the last layer has {weights.shape[1]} inputs, expected {math.prod(shape)}")
    return IntegerNetwork(grid, inputs, layers, _placed(weights, first), unit, base)


def _placed(weights: IntArray, first: int) -> csr_array:
    """Weights of the variables from `first` on."""
    matrix = csr_array(weights)
    return csr_array(
        (matrix.data, matrix.indices + first, matrix.indptr), shape=(weights.shape[0], first + weights.shape[1])
    )


def _whole(numbers: FloatArray) -> IntArray:
    whole: IntArray = np.rint(numbers).astype(np.int64)
    if not (whole == numbers).all():
        raise InternalError("a weight is no multiple of its step")
    return whole
