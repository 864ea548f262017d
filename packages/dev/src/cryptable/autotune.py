"""Searches for the cheapest way to compile a network that costs little accuracy: bits of each layer, ends of tables."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError, Labels

from cryptable.compile import compile as compile_model
from cryptable.compiled_model import CompiledModel
from cryptable.cost import lookup_price
from cryptable.model_graph import FloatArray, IntArray, Rows
from cryptable.networks import RangeChoice
from cryptable.progress import progress_bar

if TYPE_CHECKING:
    from cryptable.networks.integers import IntegerNetwork
    from cryptable.networks.segments import SegmentedNetwork

WIDEST = 6
NARROWEST = 2
_DRAWS = 3
"""Evaluations with other noise, whose scores are averaged."""


@dataclass(frozen=True)
class Setting:
    """One way to compile the network that was tried.

    `price` is the optimizer's complexity of one row, as the cost table has it; `score` the mean accuracy (or R²) with
    as much noise as p_error allows.
    """

    bits: dict[str, int]
    ranges: RangeChoice
    lookups: int
    price: float
    score: float


@dataclass(frozen=True, eq=False)
class Tuning:
    """What `autotune` has found: the cheapest setting within the allowed drop, and all that were tried."""

    model: Any
    calibration: Rows
    labels: Labels | None
    p_error: float
    float_score: float
    best: Setting
    tried: tuple[Setting, ...]

    def compile(self, **options: Any) -> CompiledModel:  # noqa: ANN401  # whatever `compile` takes
        """The best setting compiled; `options` are further ones of `cryptable.compile`."""
        return compile_model(
            self.model,
            self.calibration,
            bits=self.best.bits or NARROWEST,
            ranges=self.best.ranges,
            labels=self.labels,
            p_error=self.p_error,
            **options,
        )

    def pareto(self) -> tuple[Setting, ...]:
        """Settings than which none is both cheaper and better, by price."""
        front: list[Setting] = []
        for each in sorted(self.tried, key=lambda setting: (setting.price, -setting.score)):
            if not front or each.score > front[-1].score:
                front.append(each)
        return tuple(front)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw all settings, score over price, into an image file (matplotlib)."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        axes.scatter(
            [each.price for each in self.tried], [each.score for each in self.tried], color="0.7", label="tried"
        )
        front = self.pareto()
        axes.plot([each.price for each in front], [each.score for each in front], "o-", label="none cheaper and better")
        axes.plot([self.best.price], [self.best.score], "*", markersize=15, label="chosen")
        axes.axhline(self.float_score, color="black", linewidth=0.8, linestyle="--", label="float")
        axes.set_xscale("log")
        axes.set_xlabel("price of a row (optimizer complexity)")
        axes.set_ylabel("score")
        axes.legend()
        figure.savefig(path)

    def __str__(self) -> str:
        lines = [f"float score {self.float_score:.4f}; {len(self.tried)} settings tried"]
        for each in self.pareto():
            chosen = "  <- chosen" if each == self.best else ""
            lines.append(
                f"{each.price:10.3g}  {each.score:.4f}  {each.lookups} lookups  {each.bits} {each.ranges}{chosen}"
            )
        return "\n".join(lines)


def autotune(
    model: Any,  # noqa: ANN401  # whatever `compile` takes as a network
    X: Rows,
    y: npt.ArrayLike,
    *,
    max_drop: float = 0.005,
    ranges: Sequence[RangeChoice] = ("minmax", "mse"),
    p_error: float = 2.0**-40,
    labels: Sequence[int] | Sequence[str] | None = None,
    seed: int = 0,
    show_progress: bool = True,
) -> Tuning:
    """Find the cheapest setting whose score is at most `max_drop` below the float network's.

    All layers lose bits together for as long as the score bears it, then one after the other. Settings are scored in
    the integers of the circuit with as much noise as p_error allows a lookup, so nothing is compiled, and the compiled
    model does no worse.

    Args:
        model: a network, as for `cryptable.compile`.
        X: rows to calibrate and to score on, shape (rows, ...): best such that the network was not trained on.
        y: their labels, or a regression's targets, shape (rows,).
        max_drop: of accuracy, or of R².
        ranges: where the ends of tables may lie, see `cryptable.compile`.
        p_error: of one lookup; the cheapest one that is allowed is the largest, so it is not searched.
        labels: of the classes; by default what occurs in y, where those are integers or strings.
        seed: of the noise.
        show_progress: draw a bar on standard error.

    Returns:
        The tuning; `tuning.compile()` gives the model. Where no setting is good enough, the best-scoring one is chosen.

    Raises:
        InvalidInputError, UnsupportedModelError: as `cryptable.compile`.
    """
    from cryptable.networks.planning import import_network

    truth = np.asarray(y)
    if truth.shape != (len(X),):
        raise InvalidInputError(f"y has shape {truth.shape}, expected ({len(X)},): one label a row of X")
    if max_drop < 0:
        raise InvalidInputError(f"max_drop is {max_drop}, expected 0 or more")
    if labels is None and truth.dtype.kind in "iuU":
        labels = np.unique(truth).tolist()
    network, segments, rows = import_network(model, X, labels=labels)
    truth = truth[: len(rows)]
    search = _Search(segments, rows, truth, network.labels, p_error, seed)
    wanted = search.float_score - max_drop
    names = [layer.name for layer in segments.layers]
    steps = len(ranges) * (WIDEST - NARROWEST + 1) + 2 * len(names)
    with progress_bar("tuning", enabled=show_progress) as report:
        best: Setting | None = None
        for width in range(WIDEST, NARROWEST - 1, -1):
            found = []
            for choice in ranges:
                found.append(search.tried_at(dict.fromkeys(names, width), choice))
                report(len(search.tried) / steps)
            good = [each for each in found if each.score >= wanted]
            if not good:
                break
            best = max(good, key=lambda each: each.score)
        if best is None:
            best = max(search.tried, key=lambda each: each.score)
        best = _narrowed(search, best, wanted, lambda: report(min(1.0, len(search.tried) / steps)))
    return Tuning(model, X, network.labels, p_error, search.float_score, best, tuple(search.tried))


def _narrowed(search: _Search, best: Setting, wanted: float, report: Any) -> Setting:  # noqa: ANN401
    """One bit less in one layer after the other, the dearest first, until none bears it."""
    open_layers = set(best.bits)
    while open_layers:
        name = max(open_layers, key=lambda each: search.sizes[each] * lookup_price(best.bits[each]))
        if best.bits[name] <= NARROWEST:
            open_layers.discard(name)
            continue
        tried = search.tried_at({**best.bits, name: best.bits[name] - 1}, best.ranges)
        report()
        if tried.score >= wanted:
            best = tried
        else:
            open_layers.discard(name)
    return best


class _Search:
    """Settings tried so far, and what is needed to try more."""

    def __init__(
        self,
        segments: SegmentedNetwork,
        rows: FloatArray,
        truth: npt.NDArray[Any],
        labels: Labels | None,
        p_error: float,
        seed: int,
    ) -> None:
        self.tried: list[Setting] = []
        self.sizes = {layer.name: layer.size for layer in segments.layers}
        self._segments, self._rows, self._truth, self._labels = segments, rows, truth, labels
        # A lookup is off by half a position with probability p_error at most: so much noise, and no more.
        self._deviation = 0.5 / NormalDist().inv_cdf(1 - p_error / 2)
        self._seed = seed
        self.float_score = self._score(segments.scores(rows))

    def tried_at(self, bits: dict[str, int], ranges: RangeChoice) -> Setting:
        """Quantize and score."""
        from cryptable.networks.quantize import Precision, encode, input_grid, quantize

        precision = Precision(bits=bits, ranges=ranges)
        integers = quantize(self._segments, self._rows, precision)
        inputs = encode(input_grid(self._rows, precision.input_bits), self._rows)
        scores = [self._score(self._noisy(integers, inputs, draw)) for draw in range(_DRAWS)]
        lookups = sum(layer.size for layer in integers.layers)
        price = math.fsum(layer.size * lookup_price(layer.width) for layer in integers.layers)
        setting = Setting(bits, ranges, lookups, price, float(np.mean(scores)))
        self.tried.append(setting)
        return setting

    def _noisy(self, integers: IntegerNetwork, inputs: IntArray, draw: int) -> FloatArray:
        return integers.scores(inputs, deviation=self._deviation, rng=np.random.default_rng([self._seed, draw]))

    def _score(self, scores: FloatArray) -> float:
        from sklearn.metrics import r2_score

        if self._labels is None:
            return float(r2_score(self._truth, scores.reshape(len(scores), -1)[:, 0]))
        chosen = (scores[:, 0] > 0).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
        return float(np.mean(np.asarray(self._labels)[chosen] == self._truth))
