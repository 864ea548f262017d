"""Layers that were trained as integers: functions of whole sums, which repeat with the other sign as tables do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integers import Grid
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.tables import Tables


@dataclass(frozen=True, eq=False)
class Staircase:
    """What is known of a layer of integers.

    Attributes:
        layer: with functions of whole sums.
        grid: the integers that its inputs are.
        half_turn: f(z + half_turn) = 2 middle − f(z), in whole sums.
        middle: of the functions.
    """

    layer: HiddenLayer
    grid: Grid
    half_turn: int
    middle: float


def tables_of_staircase(staircase: Staircase, positions: int) -> Tables:
    """With so many positions, at most one for each whole sum of half a turn: with all of them, nothing is rounded.

    A position that stands for several sums has the mean of what they have.
    """
    neurons, step = staircase.layer.neurons, staircase.half_turn // positions
    sums = np.arange(positions)[:, None] * step + np.arange(step) - step // 2
    values = staircase.layer.function(np.repeat(sums.reshape(-1, 1), neurons, axis=1).astype(np.float64))
    held: FloatArray = values.reshape(positions, step, neurons).mean(axis=1) - staircase.middle
    turn = np.concatenate([held, -held[:1]])
    bend = np.sqrt(np.square(np.diff(turn, axis=0)).mean(axis=0)) / step
    nothing, one = np.zeros(neurons), np.ones(neurons)
    return Tables(positions, nothing, step * one, nothing, staircase.middle * one, nothing, bend, held)
