"""Exponents of all neurons one step up or down, wherever scores come nearer: roundings that make up for each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.levelled.one_layer.turned_network import TurnedNetwork

_ROUNDS = 2
"""Over all exponents: later ones gain little."""
MOST_NUMBERS = 40_000_000
"""Exponents times rows times scores, of one round: above, fewer rows are looked at."""
_FEWEST_ROWS = 200
_GAIN = 1e-9
"""Of the squared error of a row: what less is no reason for a step."""


def descended(network: TurnedNetwork, bits: IntArray, wanted: FloatArray) -> TurnedNetwork:
    """The network with exponents changed by one, each where the squared error of the scores falls most.

    Exponents that are 0 stay so, since each of the others costs a product, and none becomes 0; bits that turn all
    tables alike stay common.

    Args:
        network: with exponents that were rounded neuron by neuron.
        bits: shape (rows, bits); many more rows than bits, or what is gained holds for these rows only.
        wanted: the scores of the model itself, shape (rows, outputs).
    """
    exponents = network.exponents.copy()
    if not exponents.size:
        return network
    is_common = np.ptp(exponents, axis=1) == 0
    places = np.argwhere((exponents != 0) & ~is_common[:, None])
    room = MOST_NUMBERS // max(1, len(places) * wanted.shape[1])
    rows = max(_FEWEST_ROWS, room)
    bits, wanted = bits[:rows], wanted[:rows]
    turn = 2 * network.tables.shape[1]
    tables = np.concatenate([network.tables, -network.tables], axis=1)
    floats = bits.astype(np.float64)
    positions = np.rint(floats @ exponents).astype(np.int64) % turn
    values = np.stack([table[at] for table, at in zip(tables, positions.T, strict=True)])
    error = floats @ network.lines + network.constant + values.sum(axis=0) - wanted
    where_on = [np.flatnonzero(column) for column in bits.T]
    for _ in range(_ROUNDS):
        for bit, neuron in places:
            on = where_on[bit]
            without = error[on] - values[neuron, on]
            least = float(np.square(error[on]).sum()) * (1 - _GAIN)
            chosen = None
            for step in (1, -1):
                if (exponents[bit, neuron] + step) % turn == 0:
                    continue
                moved = (positions[on, neuron] + step) % turn
                held = tables[neuron][moved]
                squared = float(np.square(without + held).sum())
                if squared < least:
                    least, chosen = squared, (step, moved, held)
            if chosen is not None:
                step, moved, held = chosen
                exponents[bit, neuron] = (exponents[bit, neuron] + step) % turn
                positions[on, neuron], values[neuron, on] = moved, held
                error[on] = without + held
    if len(np.unique(exponents, axis=1).T) < exponents.shape[1]:
        return network  # equal neurons are to be one: rare, and no loss
    return replace(network, exponents=exponents, constant=network.constant - error.mean(axis=0))
