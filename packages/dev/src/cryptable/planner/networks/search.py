"""The search for the cheapest way to quantize a traced network: bits of each layer, ends of tables, rounding, p_error.

Settings are scored by the integers of the circuit, which are what the interpreter computes, with as much noise as the
p_error allows: nothing is compiled, and a compiled model meets no more noise than that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError, Labels

from cryptable.cost.prices import Draft, PriceList
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import IntegerNetwork
from cryptable.graphs.network import SegmentedNetwork
from cryptable.planner.networks.quantize import Precision, quantize
from cryptable.planner.networks.setting import Setting
from cryptable.planner.settings import RangeChoice, Rounding

WIDEST = 6
NARROWEST = 2
MAX_DROP = 0.005
"""Of accuracy or R², that `bits="auto"` and `autotune` may give up for fewer bits."""
_DEFAULT = Precision()
_DRAWS = 3
"""Evaluations with other noise, whose scores are averaged."""


@dataclass(frozen=True)
class Choices:
    """What is searched besides the bits of each layer; the first of each is the cheapest, or the preferred one."""

    prices: tuple[PriceList, ...]
    """One for each p_error."""
    ranges: tuple[RangeChoice, ...] = ("minmax", "mse")
    rounding: tuple[Rounding, ...] = ("approximate", "exact")

    def __iter__(self) -> Iterator[tuple[Rounding, PriceList, RangeChoice]]:
        """The cheapest first. Exact rounding meets no noise that a smaller p_error could lessen."""
        by_price = sorted(self.prices, key=lambda prices: prices.p_error, reverse=True)
        for rounding in self.rounding:
            for prices in by_price[: None if rounding == "approximate" else 1]:
                for ranges in self.ranges:
                    yield rounding, prices, ranges

    @property
    def combinations(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)


class Search:
    """Settings tried so far, and what is needed to try more.

    Args:
        segments: the network.
        rows: to calibrate and to score on, shape (rows, features).
        truth: labels, or a regression's targets, shape (rows,).
        labels: of the classes, None for a regression.
        choices: what is searched.
        report: is told the fraction done.
        precision: all that is not searched.
        seed: of the noise.
    """

    def __init__(
        self,
        segments: SegmentedNetwork,
        rows: FloatArray,
        truth: npt.NDArray[Any],
        labels: Labels | None,
        *,
        choices: Choices,
        report: Callable[[float], None],
        precision: Precision = _DEFAULT,
        seed: int = 0,
    ) -> None:
        self.tried: list[Setting] = []
        self._sizes = {layer.name: layer.size for layer in segments.layers}
        self._segments, self._rows, self._truth, self._labels = segments, rows, truth, labels
        self._choices, self._report, self._seed, self._precision = choices, report, seed, precision
        self._steps = choices.combinations * (WIDEST - NARROWEST + 1) + 2 * len(self._sizes)
        self.float_score = self._score(segments.scores(rows))

    def cheapest(self, wanted: float) -> Setting:
        """The cheapest setting that scores as wanted; where none does, the best-scoring one.

        All layers lose bits together for as long as the score bears it, then one after the other. What cannot be
        cheaper than the cheapest so far is not tried.
        """
        best: Setting | None = None
        by = self._choices.prices[0]
        for rounding, prices, ranges in self._choices:
            for width in range(WIDEST, NARROWEST - 1, -1):
                bits = dict.fromkeys(self._sizes, width)
                if best is not None and self._least_price(bits, rounding, prices) > best.price:
                    continue
                tried = self._try(bits, ranges, rounding, prices)
                if tried.score < wanted:
                    break
                if best is None or (tried.price, -tried.score) < (best.price, -best.score):
                    best, by = tried, prices
        return max(self.tried, key=lambda each: each.score) if best is None else self._narrowed(best, by, wanted)

    def _narrowed(self, best: Setting, prices: PriceList, wanted: float) -> Setting:
        """One bit less in one layer after the other, the most expensive first, until none bears it."""
        open_layers = set(best.bits)
        while open_layers:
            name = max(open_layers, key=lambda each: self._sizes[each] * _lookup(prices, best.bits[each]))
            tried = None
            if best.bits[name] > NARROWEST:
                bits = {**best.bits, name: best.bits[name] - 1}
                tried = self._try(bits, best.ranges, best.rounding, prices)
            if tried is not None and tried.score >= wanted:
                best = tried
            else:
                open_layers.discard(name)
        return best

    def _least_price(self, bits: dict[str, int], rounding: Rounding, prices: PriceList) -> float:
        """Before the network is quantized, which tells how many bits are dropped, and which lookups are constants."""
        dropped = 0 if rounding == "approximate" else 1
        return math.fsum(
            size * (_lookup(prices, bits[name]) + dropped * _lookup(prices, 1)) for name, size in self._sizes.items()
        )

    def _try(self, bits: dict[str, int], ranges: RangeChoice, rounding: Rounding, prices: PriceList) -> Setting:
        """Quantize and score."""
        precision = replace(self._precision, bits=bits, ranges=ranges, rounding=rounding)
        integers = quantize(self._segments, self._rows, precision, prices)
        inputs = integers.input_grid.encode(self._rows)
        lookups, price = _cost(integers, rounding, prices)
        score = float(np.mean([self._score(scores) for scores in self._evaluated(integers, inputs, rounding, prices)]))
        setting = Setting(bits, ranges, lookups, price, score, rounding, prices.p_error)
        self.tried.append(setting)
        self._report(min(1.0, len(self.tried) / self._steps))
        return setting

    def _evaluated(
        self, integers: IntegerNetwork, inputs: IntArray, rounding: Rounding, prices: PriceList
    ) -> Iterator[FloatArray]:
        if rounding == "exact":
            yield integers.scores(inputs)
            return
        for draw in range(_DRAWS):
            yield integers.scores(
                inputs, deviation=prices.noise_deviation, rng=np.random.default_rng([self._seed, draw])
            )

    def _score(self, scores: FloatArray) -> float:
        from sklearn.metrics import r2_score

        if self._labels is None:
            return float(r2_score(self._truth, scores.reshape(len(scores), -1)[:, 0]))
        return float(np.mean(np.asarray(self._labels)[_chosen(scores)] == self._truth))


def _cost(integers: IntegerNetwork, rounding: Rounding, prices: PriceList) -> tuple[int, float]:
    """Lookups of a row, and their price."""
    lookups, found = 0, []
    for layer in integers.layers:
        dropped = layer.dropped_bits if rounding == "exact" else 0
        lookups += layer.size * (1 + dropped)
        found.append(layer.size * (_lookup(prices, layer.width) + dropped * _lookup(prices, 1)))
    return lookups, math.fsum(found)


def _lookup(prices: PriceList, width: int) -> float:
    return prices.draft(Draft(lookups=1, width=width))


def chosen_bits(
    segments: SegmentedNetwork,
    rows: FloatArray,
    truth: npt.NDArray[Any] | None,
    precision: Precision,
    *,
    prices: PriceList,
    max_drop: float,
    report: Callable[[float], None],
) -> Precision:
    """The precision with the fewest bits in each layer that the score bears: what `bits="auto"` means.

    Args:
        segments: the network.
        rows: to calibrate and to score on, shape (rows, features).
        truth: of these rows; None for the network's own predictions.
        precision: all else of it stays as it is.
        prices: by which the cheapest is chosen.
        max_drop: of accuracy, or of R².
        report: is told the fraction done.
    """
    if not segments.layers:
        return replace(precision, bits={})
    labels = segments.labels
    if truth is not None and truth.ndim != 1:
        raise InvalidInputError(f"y_train has shape {truth.shape}, expected ({len(rows)},): one label a row")
    wanted = _own_predictions(segments.scores(rows), labels) if truth is None else truth
    choices = Choices((prices,), (precision.ranges,), (precision.rounding,))
    search = Search(segments, rows, wanted, labels, choices=choices, report=report, precision=precision)
    return replace(precision, bits=search.cheapest(search.float_score - max_drop).bits)


def _own_predictions(scores: FloatArray, labels: Labels | None) -> npt.NDArray[Any]:
    if labels is None:
        return scores[:, 0]
    found: npt.NDArray[Any] = np.asarray(labels)[_chosen(scores)]
    return found


def _chosen(scores: FloatArray) -> IntArray:
    """Which class each row is taken for."""
    found: IntArray = (scores[:, 0] > 0).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
    return found
