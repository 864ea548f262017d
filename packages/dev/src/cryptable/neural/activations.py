"""Activations as lookups read them: functions on a ring of positions, the second half of which mirrors the first.

A bootstrapping reads a torus: a table of 2^bits entries answers for 2^(bits + 1) positions, and half a turn on it
answers `mirror - entry`. So an activation of `bits` kept bits is given by its values from 0 to 1 over half a turn, and
goes on as 1 - value over the other half. "triangle", a straight line over half a turn, is a triangle wave over a whole
one: all 2^(bits + 1) positions tell something, and no sum is ever out of range.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from cryptable_protocol import InvalidInputError
from torch import Tensor

Activation = Callable[[Tensor], Tensor]
"""From -1 .. 1 to 0 .. 1, with 0 at -1 and 1 at 1, so that the ring has no jump."""

_STEEPNESS = 2.5
"""Of tanh: its argument at the ends, where it has all but reached its limits."""


def _triangle(position: Tensor) -> Tensor:
    return (position + 1) / 2


def _sine(position: Tensor) -> Tensor:
    return (1 + torch.sin(position * (math.pi / 2))) / 2


def _relu(position: Tensor) -> Tensor:
    return torch.relu(position)


def _tanh(position: Tensor) -> Tensor:
    return (1 + torch.tanh(_STEEPNESS * position) / math.tanh(_STEEPNESS)) / 2


ACTIVATIONS: dict[str, Activation] = {"triangle": _triangle, "sine": _sine, "relu": _relu, "tanh": _tanh}


def find_activation(name: str) -> Activation:
    """By name.

    Raises:
        InvalidInputError: there is none of that name.
    """
    if name not in ACTIVATIONS:
        raise InvalidInputError(f"activation is {name!r}, expected one of {', '.join(map(repr, ACTIVATIONS))}")
    return ACTIVATIONS[name]


def on_ring(activation: Activation, positions: Tensor, kept_bits: int) -> Tensor:
    """Values from 0 to 1 at whole positions, any number of turns away."""
    half = float(1 << kept_bits)
    place = torch.remainder(positions, 2 * half)
    mirrored = place >= half
    first = torch.where(mirrored, place - half, place)
    value = activation(first / (half / 2) - 1)
    return torch.where(mirrored, 1 - value, value)
