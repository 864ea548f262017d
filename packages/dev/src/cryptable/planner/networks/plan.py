"""Plans networks, for the registry: quantized after training or as they were trained, then laid out as a circuit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED

from cryptable.console.progress import progress_bar
from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, LinearModel, ModelGraph
from cryptable.graphs.integers import IntegerNetwork
from cryptable.graphs.network import QuantizedNetwork, SegmentedNetwork
from cryptable.graphs.symbols import widened
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.planner.curves import plan as plan_curves
from cryptable.planner.linear import plan as plan_linear
from cryptable.planner.networks.feature_bits import as_curves, behind_bits, has_categories, looked_up
from cryptable.planner.networks.feature_functions import BehindFunctions, behind_functions
from cryptable.planner.networks.lower import lower
from cryptable.planner.networks.quantize import Precision, quantize
from cryptable.planner.networks.search import MAX_DROP, chosen_bits
from cryptable.planner.networks.trained_quantizers import TooWideError, keep_integers, without_input_quantizers
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.settings import DEFAULT_BITS, PlanSettings, Rounding
from cryptable.planner.tolerance import by_link, deviation

APPROXIMATE_OUTPUT_BITS = 16
UPPER_BITS = 5
"""Of the sums of a network with quantizers, where tables over all integers would be too wide and nothing is asked."""
_SHARE_OF_TOLERANCE = 0.25
"""Root mean square of the rounding of scores, as a part of the largest error that is asked for."""
_ROOMS = (1.06, 1.12)
"""Of tables, times their ranges: what a hair is."""
_CLEARLY_LESS = 0.9
_MANY_LOOKUPS = 2000
"""Of a plan that takes too long to be made three times."""
READOUT_TOLERANCE = 0.05
"""Three standard deviations of the noise that approximate readout leaves, as a part of the scores' own deviation."""


def _of_readout(graph: ModelGraph, scores: FloatArray) -> float:
    """Without lookups, that of any linear model; else that of approximate readout, and of nothing besides."""
    if isinstance(graph, SegmentedNetwork) and not looked_up(graph):
        return by_link(graph, scores)
    return READOUT_TOLERANCE * deviation(scores)


@planner(
    SegmentedNetwork,
    kind="a network",
    cheaper="fewer bits= (or bits='auto', or ct.autotune), fewer neurons and pruned ones cost less",
    closer="more bits=, or ranges='mse', bring it nearer, and so do more rows of X_train, if those are few",
    tolerance=_of_readout,
)
def plan_network(network: SegmentedNetwork, task: Task) -> PlannedModel:
    """Quantized after training."""
    settings = task.settings
    behind_them = behind_functions(network, task.rows, scheme=BOOTSTRAPPED)
    if behind_them is not None:
        return _behind_functions(behind_them, task)
    if has_categories(network):
        behind = behind_bits(network)
        if not behind.network.layers:
            return plan_curves(as_curves(behind), task)
        return behind.joined(plan_network(behind.network, replace(task, rows=behind.rows(task.rows))))
    if not network.layers:
        return plan_linear(_linear(network), task)
    precision = _precision(settings)
    integers = _quantized(network, task.rows, task, precision)
    return replace(_laid_out(integers, network, precision.rounding), ranges=settings.ranges)


def _behind_functions(behind: BehindFunctions, task: Task) -> PlannedModel:
    """Clients evaluate functions of single features; a score without lookups is as exact then as a linear model's."""
    inner = behind.task(task)
    if looked_up(behind.network):
        return behind.joined(plan_network(behind.network, inner))
    if not np.ptp(task.reference, axis=0).any():
        raise ConstantModelError("the network gives the same scores for all of X_train: there is nothing to compute")
    if task.settings.tolerance is None:
        inner = replace(inner, tolerance=by_link(behind.network, task.reference))
    off = behind.error()
    if off > inner.tolerance / 2:
        raise UnsupportedModelError(
            f"tolerance is {inner.tolerance:.3g}: clients evaluate functions of single features to within {off:.3g} of "
            "a score; raise tolerance="
        )
    planned = plan_network(behind.network, replace(inner, tolerance=inner.tolerance - off))
    bound = None if planned.error_bound is None else planned.error_bound + off
    return behind.joined(replace(planned, error_bound=bound))


def _precision(settings: PlanSettings) -> Precision:
    """As settings ask for it."""
    return Precision(
        bits=DEFAULT_BITS if settings.bits is None or isinstance(settings.bits, str) else settings.bits,
        ranges=settings.ranges,
        input_bits=settings.input_bits,
        output_bits=None if settings.readout == "exact" else APPROXIMATE_OUTPUT_BITS,
        error=None if settings.tolerance is None else settings.tolerance * _SHARE_OF_TOLERANCE,
        rounding=settings.rounding,
    )


def _quantized(network: SegmentedNetwork, rows: FloatArray, task: Task, precision: Precision) -> IntegerNetwork:
    """After training, in bits that are searched where that is asked for."""
    return quantize(network, rows, _with_bits(network, rows, task, precision), task.prices)


def _with_bits(network: SegmentedNetwork, rows: FloatArray, task: Task, precision: Precision) -> Precision:
    """With bits that are searched where that is asked for."""
    if task.settings.bits == "auto":
        with progress_bar("choosing bits", enabled=task.settings.show_progress) as report:
            precision = chosen_bits(
                network, rows, task.truth, precision, prices=task.prices, max_drop=MAX_DROP, report=report
            )
    return precision


def _linear(network: SegmentedNetwork) -> LinearModel:
    """A network of no lookups."""
    coefficients = widened(network.matrix, len(network.feature_names)).toarray().T
    return LinearModel(network.feature_names, coefficients, network.offset, network.link, network.labels)


@planner(
    QuantizedNetwork,
    kind="a network that was trained with quantizers",
    cheaper="quantizers of fewer bits, fewer neurons and pruned ones cost less",
    closer="ranges='sound' leaves no sum beyond the ends of a table, which is what sets them apart",
    tolerance=_of_readout,
)
def plan_quantized(network: QuantizedNetwork, task: Task) -> PlannedModel:
    """The integers of its quantizers are kept; where bits are asked for, or tables too wide, the upper bits of sums."""
    settings = task.settings
    if settings.bits is None:
        try:
            integers = keep_integers(network, task.rows, settings.ranges)
            return replace(_laid_out(integers, network, settings.rounding), ranges=settings.ranges)
        except TooWideError:
            precision = replace(_precision(settings), bits=UPPER_BITS)
    else:
        precision = _precision(settings)
    encoded = without_input_quantizers(network, task.rows)
    if not encoded.network.layers:
        return replace(_laid_out(keep_integers(network, task.rows, settings.ranges), network, settings.rounding))
    precision = replace(precision, inputs=encoded.grid)

    def planned(precision: Precision) -> PlannedModel:
        integers = quantize(encoded.network, encoded.rows, precision, task.prices)
        integers = replace(integers, edges=encoded.edges)
        return replace(_laid_out(integers, network, settings.rounding), ranges=settings.ranges)

    return _cheapest_room(planned, _with_bits(encoded.network, encoded.rows, task, precision), task)


def _cheapest_room(planned: Callable[[Precision], PlannedModel], precision: Precision, task: Task) -> PlannedModel:
    """The plan whose tables are as wide as their ranges, or one of wider ones where keys for it cost clearly less.

    Levels of a quantizer are few and far apart, so that weights of the first sums are large: keys of the next size may
    be missed by a hair.
    """
    best = planned(precision)
    price = task.prices.circuit(best.circuit)
    if best.circuit.lookups > _MANY_LOOKUPS:
        return best
    for room in _ROOMS:
        wider = planned(replace(precision, room=room))
        other = task.prices.circuit(wider.circuit)
        if other < _CLEARLY_LESS * price:
            best, price = wider, other
    return best


@planner(
    TrainedIntegers,
    kind="a network of cryptable.neural",
    cheaper="fewer neurons, fewer kept_bits= and fewer layers cost less",
    closer="it computes what was trained: please report this model",
    tolerance=_of_readout,
)
def plan_trained(trained: TrainedIntegers, task: Task) -> PlannedModel:
    """Laid out as it is."""
    return replace(_laid_out(trained.network, trained, task.settings.rounding), ranges="trained")


def plan_segments(segments: SegmentedNetwork, rows: FloatArray, precision: Precision) -> PlannedModel:
    """Quantize and lower a traced network."""
    return _laid_out(quantize(segments, rows, precision), segments, precision.rounding)


def _laid_out(integers: IntegerNetwork, graph: ModelGraph, rounding: Rounding) -> PlannedModel:
    return lower(integers, feature_names=graph.feature_names, link=graph.link, labels=graph.labels, rounding=rounding)
