"""Plans networks, for the registry: quantized after training or as they were trained, then laid out as a circuit."""

from __future__ import annotations

from dataclasses import replace

from cryptable.console.progress import progress_bar
from cryptable.graphs.graph import FloatArray, LinearModel, ModelGraph
from cryptable.graphs.integers import IntegerNetwork
from cryptable.graphs.network import QuantizedNetwork, SegmentedNetwork
from cryptable.graphs.symbols import widened
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.planner.curves import plan as plan_curves
from cryptable.planner.linear import plan as plan_linear
from cryptable.planner.networks.feature_bits import as_curves, behind_bits, has_categories, looked_up
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
    if task.settings.bits == "auto":
        with progress_bar("choosing bits", enabled=task.settings.show_progress) as report:
            precision = chosen_bits(
                network, rows, task.truth, precision, prices=task.prices, max_drop=MAX_DROP, report=report
            )
    return quantize(network, rows, precision, task.prices)


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
    integers = _quantized(encoded.network, encoded.rows, task, replace(precision, inputs=encoded.grid))
    integers = replace(integers, edges=encoded.edges)
    return replace(_laid_out(integers, network, settings.rounding), ranges=settings.ranges)


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
