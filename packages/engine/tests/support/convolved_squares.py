"""Random networks of squares whose first layer is a convolution, and arguments of such."""

import math

import numpy as np
from cryptable_engine import GroupKind, Input, InputGroup, Linear, Square, Term
from cryptable_engine.circuit.convolution import Convolution
from hypothesis import strategies as st
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


@st.composite
def convolutions(draw):
    """Arguments of `convolved_squares`: one to three axes, with all that a Convolution has."""
    groups = draw(st.sampled_from((1, 1, 2)))
    axes = []
    for _ in range(draw(st.integers(1, 3))):
        taps, dilation, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
        before, places = draw(st.integers(0, (taps - 1) * dilation)), draw(st.integers(1, 4))
        extent = max(1, (places - 1) * stride - before + 1) + draw(st.integers(0, 2))
        axes.append((extent, taps, places, stride, dilation, before))
    extents, taps, places, strides, dilations, before = zip(*axes, strict=True)
    return {
        "shape": (groups * draw(st.integers(1, 2)), *extents),
        "filters": groups * draw(st.integers(1, 5)),
        "taps": taps,
        "places": places,
        "strides": strides,
        "dilations": dilations,
        "before": before,
        "groups": groups,
    }
