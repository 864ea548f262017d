"""Activations as lookups read them: functions on a ring of positions, the second half of which mirrors the first.

A bootstrapping reads a torus: a table of 2^bits entries answers for 2^(bits + 1) positions, and half a turn on it
answers `mirror - entry`. So an activation of `bits` kept bits is given by its values from 0 to 1 over half a turn, and
goes on as 1 - value over the other half. "triangle", a straight line over half a turn, is a triangle wave over a whole
one: all 2^(bits + 1) positions tell something, and no sum is ever out of range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from cryptable_protocol import InvalidInputError
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]
"""From -1 .. 1 to 0 .. 1, with 0 at -1 and 1 at 1, so that the ring has no jump."""

ActivationChoice: TypeAlias = str | type[nn.Module] | Callable[[Tensor], Tensor]
"""As estimators take it: a name, or an activation of torch, such as `torch.nn.ReLU6` or `torch.nn.functional.silu`."""

_REACH = 3.0
"""Of an activation of torch: its argument at the ends."""
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


@dataclass(frozen=True)
class _OfTorch:
    """An activation of torch from -_REACH to _REACH, moved and scaled so that it runs from 0 to 1."""

    function: Callable[[Tensor], Tensor]
    low: float
    high: float

    def __call__(self, position: Tensor) -> Tensor:
        values = self.function(_REACH * position)
        return torch.clip((values - self.low) / (self.high - self.low), 0.0, 1.0)


def find_activation(choice: ActivationChoice) -> Activation:
    """By name, or as torch has it.

    Raises:
        InvalidInputError: there is none of that name; or it has parameters of its own, is no function of each number,
            or does not rise from one end to the other.
    """
    if isinstance(choice, str) or not callable(choice):
        if choice not in ACTIVATIONS:
            names = ", ".join(map(repr, ACTIVATIONS))
            raise InvalidInputError(
                f"activation is {choice!r}, expected one of {names}, or one of torch, such as torch.nn.ReLU6"
            )
        return ACTIVATIONS[choice]
    function: Any = choice() if isinstance(choice, type) else choice
    if isinstance(function, nn.Module) and any(True for _ in function.parameters()):
        raise InvalidInputError(f"activation is {choice!r}, which has parameters of its own: give it without any")
    with torch.no_grad():
        ends = torch.as_tensor(function(torch.tensor([-_REACH, _REACH])))
    if ends.shape != (2,) or not bool(torch.isfinite(ends).all()) or not ends[1] > ends[0]:
        raise InvalidInputError(
            f"activation is {choice!r}, which gives {ends.tolist()} at {-_REACH} and {_REACH}: expected a function of "
            "each number that is higher at the upper end"
        )
    return _OfTorch(function, float(ends[0]), float(ends[1]))


def on_ring(activation: Activation, positions: Tensor, kept_bits: int) -> Tensor:
    """Values from 0 to 1 at whole positions, any number of turns away."""
    half = float(1 << kept_bits)
    place = torch.remainder(positions, 2 * half)
    mirrored = place >= half
    first = torch.where(mirrored, place - half, place)
    value = activation(first / (half / 2) - 1)
    return torch.where(mirrored, 1 - value, value)
