"""The cheapest way to compile a network within a drop of accuracy: searched, drawn and compiled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError, Labels
from cryptable_protocol.model.client_spec import DEFAULT_P_ERROR, MAX_P_ERROR
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiling.compile import compile as compile_model
from cryptable.console.progress import progress_bar
from cryptable.cost.prices import price_list
from cryptable.graphs.graph import Rows
from cryptable.graphs.network import QuantizedNetwork
from cryptable.planner.networks.feature_functions import behind_functions
from cryptable.planner.networks.quantize import Precision
from cryptable.planner.networks.search import MAX_DROP, Choices, Search
from cryptable.planner.networks.setting import Setting
from cryptable.planner.networks.trained_quantizers import without_input_quantizers
from cryptable.planner.settings import DEFAULT_BITS, RangeChoice, Rounding


@dataclass(frozen=True, eq=False)
class Tuning:
    """What `autotune` has found: the cheapest setting within the allowed drop, and all that were tried."""

    model: Any
    calibration: Rows
    labels: Labels | None
    float_score: float
    best: Setting
    tried: tuple[Setting, ...]

    def compile(self, **options: Any) -> CompiledModel:  # noqa: ANN401  # whatever `compile` takes
        """The best setting compiled; `options` are further ones of `cryptable.compile`."""
        return compile_model(
            self.model,
            self.calibration,
            bits=self.best.bits or DEFAULT_BITS,
            ranges=self.best.ranges,
            rounding=self.best.rounding,
            p_error=self.best.p_error,
            labels=self.labels,
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
        lines += [f"{each}{'  <- chosen' if each == self.best else ''}" for each in self.pareto()]
        return "\n".join(lines)


def autotune(
    model: Any,  # noqa: ANN401  # whatever `compile` takes as a network
    X: Rows,
    y: npt.ArrayLike,
    *,
    max_drop: float = MAX_DROP,
    ranges: Sequence[RangeChoice] = ("minmax", "mse"),
    rounding: Sequence[Rounding] = ("approximate", "exact"),
    p_error: float | Sequence[float] = (DEFAULT_P_ERROR, 2.0**-64),
    labels: Sequence[float] | Sequence[str] | None = None,
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
        rounding: how sums may be rounded, see there. "exact" costs many times more at the same bits, so it is chosen
            where noise is what keeps all others from being good enough.
        p_error: one or several, 2^-40 at most: lookups with a smaller one cost more and meet less noise.
        labels: of the classes; by default what occurs in y, where those are integers or strings.
        seed: of the noise.
        show_progress: draw a bar on standard error.

    Returns:
        The tuning; `tuning.compile()` gives the model. Where no setting is good enough, the best-scoring one is chosen.

    Raises:
        InvalidInputError, UnsupportedModelError: as `cryptable.compile`.
    """
    from cryptable.importers.networks.import_network import import_network

    truth = np.asarray(y)
    if truth.shape != (len(X),):
        raise InvalidInputError(f"y has shape {truth.shape}, expected ({len(X)},): one label a row of X")
    if max_drop < 0:
        raise InvalidInputError(f"max_drop is {max_drop}, expected 0 or more")
    p_errors = tuple(map(float, np.atleast_1d(np.asarray(p_error))))
    for name, given, known in (("ranges", ranges, get_args(RangeChoice)), ("rounding", rounding, get_args(Rounding))):
        if not given or not set(given) <= set(known):
            raise InvalidInputError(f"{name} is {given!r}, expected some of {', '.join(map(repr, known))}")
    if not p_errors or not all(0 < each <= MAX_P_ERROR for each in p_errors):
        raise InvalidInputError(f"p_error is {p_error}, expected numbers above 0, at most 2^-40")
    if labels is None and truth.dtype.kind in "iuU":
        labels = np.unique(truth).tolist()
    network, segments, rows = import_network(model, X, labels=labels)
    precision = Precision()
    if isinstance(segments, QuantizedNetwork):
        encoded = without_input_quantizers(segments, rows)
        segments, rows, precision = encoded.network, encoded.rows, Precision(inputs=encoded.grid)
    else:
        behind = behind_functions(segments, rows, scheme=BOOTSTRAPPED)
        if behind is not None and behind.network.layers:
            segments, rows = behind.network, behind.rows(rows)
    choices = Choices(tuple(map(price_list, p_errors)), tuple(ranges), tuple(rounding))
    with progress_bar("tuning", enabled=show_progress) as report:
        search = Search(
            segments,
            rows,
            truth[: len(rows)],
            network.labels,
            choices=choices,
            report=report,
            precision=precision,
            seed=seed,
        )
        best = search.cheapest(search.float_score - max_drop)
    return Tuning(model, X, network.labels, search.float_score, best, tuple(search.tried))
