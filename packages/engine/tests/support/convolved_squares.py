"""Random networks of squares whose first layer is a convolution."""

import math

import numpy as np
from cryptable_engine import GroupKind, Input, InputGroup, Linear, Square, Term
from cryptable_engine.circuit.convolution import Convolution
from square_networks import scored


def convolved_squares(random, convolution, widths, *, maximum=1):
    """A verified circuit: a convolution, given by its arguments, squared; then layers of these widths, outputs last."""
    shape, filters, taps, places = (convolution[name] for name in ("shape", "filters", "taps", "places"))
    groups, axes = convolution.get("groups", 1), len(shape) - 1
    weights = random.integers(-1, 2, (filters, shape[0] // groups, *taps))
    weights.reshape(filters, -1)[:, 0] = 1
    before = filters * math.prod(places)
    nodes = [
        Input((InputGroup(GroupKind.RANGE, math.prod(shape), maximum),)),
        Convolution(
            source=0,
            shape=shape,
            weights=weights,
            offset=random.integers(-3, 4, before),
            places=places,
            groups=groups,
            strides=convolution.get("strides", (1,) * axes),
            dilations=convolution.get("dilations", (1,) * axes),
            before=convolution.get("before", (0,) * axes),
        ),
        Square(1, before),
    ]
    for width in widths:
        dense = random.integers(-1, 2, (before, width))
        dense[np.arange(width) % before, np.arange(width)] = 1
        terms = (Term.from_dense(len(nodes) - 1, dense),)
        nodes += [Linear(terms, random.integers(-9, 10, width)), Square(len(nodes), width)]
        before = width
    nodes.pop()
    return scored(nodes)
