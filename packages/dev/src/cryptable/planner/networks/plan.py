"""Plans networks, for the registry: quantized after training or as they were trained, then laid out as a circuit."""

from __future__ import annotations

from dataclasses import replace

from cryptable.console.progress import progress_bar
from cryptable.graphs.graph import FloatArray, ModelGraph
from cryptable.graphs.integers import IntegerNetwork
from cryptable.graphs.network import QuantizedNetwork, SegmentedNetwork
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.planner.networks.lower import lower
from cryptable.planner.networks.quantize import DEFAULT_OUTPUT_BITS, Precision, quantize
from cryptable.planner.networks.search import MAX_DROP, chosen_bits
from cryptable.planner.networks.trained_quantizers import keep_integers
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.settings import DEFAULT_BITS, Rounding
from cryptable.planner.tolerance import deviation

INPUT_BITS = 8
APPROXIMATE_OUTPUT_BITS = 16
READOUT_TOLERANCE = 0.05
"""Three standard deviations of the noise that approximate readout leaves, as a part of the scores' own deviation."""


def _of_readout(_graph: ModelGraph, scores: FloatArray) -> float:
    """Quantizing heeds no tolerance; approximate readout does."""
    return READOUT_TOLERANCE * deviation(scores)


@planner(
    SegmentedNetwork,
    kind="a network",
    cheaper="fewer bits= (or bits='auto', or ct.autotune), fewer neurons and pruned ones cost less",
    tolerance=_of_readout,
)
def plan_network(network: SegmentedNetwork, task: Task) -> PlannedModel:
    """Quantized after training."""
    settings = task.settings
    precision = Precision(
        bits=DEFAULT_BITS if isinstance(settings.bits, str) else settings.bits,
        ranges=settings.ranges,
        input_bits=settings.input_bits or INPUT_BITS,
        output_bits=DEFAULT_OUTPUT_BITS if settings.readout == "exact" else APPROXIMATE_OUTPUT_BITS,
        rounding=settings.rounding,
    )
    if settings.bits == "auto":
        with progress_bar("choosing bits", enabled=settings.show_progress) as report:
            precision = chosen_bits(
                network, task.rows, task.truth, precision, prices=task.prices, max_drop=MAX_DROP, report=report
            )
    return replace(plan_segments(network, task.rows, precision), ranges=settings.ranges)


@planner(
    QuantizedNetwork,
    kind="a network that was trained with quantizers",
    cheaper="quantizers of fewer bits, fewer neurons and pruned ones cost less",
    tolerance=_of_readout,
)
def plan_quantized(network: QuantizedNetwork, task: Task) -> PlannedModel:
    """The integers of its quantizers are kept."""
    settings = task.settings
    integers = keep_integers(network, task.rows, settings.ranges)
    return replace(_laid_out(integers, network, settings.rounding), ranges=settings.ranges)


@planner(
    TrainedIntegers,
    kind="a network of cryptable.neural",
    cheaper="fewer neurons, fewer kept_bits= and fewer layers cost less",
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
