"""Exponents that are left out, wherever scores hardly differ without: each of them costs a product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.levelled.one_layer.turned_network import TurnedNetwork

_PRICES = (0.03, 0.07, 0.12, 0.2, 0.3, 0.45, 0.65, 0.9, 1.25, 1.7)
"""Of the mean share of a product in the squared error that is allowed: what one less is worth, round by round. What
errs by much more than others do is kept: rows that were not seen suffer first."""
_PRODUCTS_OF_A_BIT = 5.0
"""What making a bit a selector costs, in products: divided among those that the bit has left."""
_RARE = 0.03
"""Of the rows: bits that are on, or off, in fewer of them stay as they are, since little is known of them."""
_MOST_NUMBERS = 40_000_000
"""Exponents times rows times scores, of one round: above, fewer rows are looked at."""
_FEWEST_ROWS = 200


def thinned(
    network: TurnedNetwork, bits: IntArray, wanted: FloatArray, allowed: float, is_near: Callable[[TurnedNetwork], bool]
) -> TurnedNetwork:
    """The network with as few exponents as is near enough.

    Round by round a product is worth a larger squared error, and each exponent that is worth less is left out. How its
    bit moved the scores on average goes into the line of the bit. Other exponents stay as they were: steps that make up
    for those left out (`descent`) hold for the rows that they are chosen by, and not for the next.

    Args:
        network: near enough itself.
        bits: of rows, shape (rows, bits).
        wanted: the scores of the model itself, shape (rows, outputs).
        allowed: root mean square of a score's error.
        is_near: whether a network is near enough; the last that is is returned.
    """
    count = int(np.count_nonzero(network.exponents))
    if not count:
        return network
    rows = max(_FEWEST_ROWS, _MOST_NUMBERS // (count * wanted.shape[1]))
    bits, wanted = bits[:rows], wanted[:rows]
    share = allowed**2 * wanted.size / count
    exponents, lines, turn = network.exponents.copy(), network.lines.copy(), 2 * network.tables.shape[1]
    tables = np.concatenate([network.tables, -network.tables], axis=1)
    floats = bits.astype(np.float64)
    positions = np.ascontiguousarray(np.rint(floats @ exponents).astype(np.int64).T % turn)
    values = np.stack([table[at] for table, at in zip(tables, positions, strict=True)])
    error = floats @ lines + network.constant + values.sum(axis=0) - wanted
    where_on = [np.flatnonzero(column) for column in bits.T]
    # Bits that turn all tables alike turn the sum of all, by one product.
    is_own, often = np.ptp(exponents, axis=1) != 0, np.abs(floats.mean(axis=0) - 0.5) <= 0.5 - _RARE
    places = np.argwhere((exponents != 0) & (is_own & often)[:, None])
    of_bits, of_tables = np.count_nonzero(exponents, axis=1), np.count_nonzero(exponents, axis=0)
    best = network
    for price in _PRICES:
        for bit, neuron in places:
            exponent, on = int(exponents[bit, neuron]), where_on[bit]
            if not exponent or of_tables[neuron] == 1:
                continue
            moved = (positions[neuron, on] - exponent) % turn
            held = tables[neuron][moved]
            change = held - values[neuron, on]
            change -= change.mean(axis=0)
            grown = float(np.sum((2 * error[on] + change) * change))
            if grown >= price * share * (1 + _PRODUCTS_OF_A_BIT / of_bits[bit]):
                continue
            lines[bit] += (values[neuron, on] - held).mean(axis=0)
            exponents[bit, neuron] = 0
            positions[neuron, on], values[neuron, on] = moved, held
            error[on] += change
            of_bits[bit] -= 1
            of_tables[neuron] -= 1
        if len(np.unique(exponents, axis=1).T) < exponents.shape[1]:
            break  # equal neurons are to be one
        # Copies, since rounds go on with these.
        found = replace(
            network, exponents=exponents.copy(), lines=lines.copy(), constant=network.constant - error.mean(axis=0)
        )
        if not is_near(found):
            break
        best = found
    return best
