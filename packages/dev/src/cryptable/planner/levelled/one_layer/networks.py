"""Plans networks of one hidden layer for the scheme levelled, for the registry."""

from __future__ import annotations

import math

from cryptable_engine import Circuit
from cryptable_protocol import Decoder, FeatureEncoder
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.cost.rates import machine_rates
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, ModelGraph
from cryptable.graphs.network import FeatureBits, SegmentedNetwork
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer, hidden_layer
from cryptable.planner.levelled.one_layer.search import Wish, find
from cryptable.planner.levelled.one_layer.staircases import Staircase
from cryptable.planner.networks.feature_functions import behind_functions
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.tolerance import deviation

TARGET_RMS, TARGET_RMS_OF_SEVERAL = 0.02, 0.035
"""Of the deviation of scores: how far one, or each of several, may be off on calibration data, where no tolerance is
asked for. The largest of several is seldom near the next."""
_MOST_BITS = 10
MOST_WEIGHTS, MOST_FEATURES = 6000, 160
"""Of a network that is compared with lookups: each weight takes a product a digit of its input, and planning seconds
that grow with the square of the features."""


def target_rms(outputs: int) -> float:
    """Of the deviation of scores: how far plans of so many may be off on calibration data."""
    return TARGET_RMS if outputs == 1 else TARGET_RMS_OF_SEVERAL


def _is_small(graph: SegmentedNetwork) -> bool:
    """Whether planning takes seconds, and products may cost less than lookups do."""
    if len(graph.layers) != 1 or len(graph.feature_names) > MOST_FEATURES:
        return False
    (layer,) = graph.layers
    return not isinstance(layer, FeatureBits) and int(layer.matrix.nnz) <= MOST_WEIGHTS


def allowed_error(graph: ModelGraph, scores: FloatArray) -> float:
    """Root mean square, in the unit of the scores, where no tolerance is asked for."""
    return target_rms(graph.outputs) * deviation(scores)


@planner(
    SegmentedNetwork,
    scheme=LEVELLED,
    kind="a network of one hidden layer",
    cheaper="fewer neurons, and fewer input_bits=, cost less in proportion",
    closer="more input_bits= bring it nearer, and so do more rows of X_train, if those are few",
    tolerance=allowed_error,
    compared=_is_small,
)
def plan(graph: SegmentedNetwork, task: Task) -> PlannedModel:
    """Tables that the digits of inputs turn."""
    behind = behind_functions(graph, task.rows, scheme=LEVELLED)
    if behind is not None and behind.network.layers:
        return behind.joined(plan(behind.network, behind.task(task)))
    return plan_layer(hidden_layer(graph), graph, task)


def plan_layer(
    layer: HiddenLayer,
    graph: ModelGraph,
    task: Task,
    *,
    staircase: Staircase | None = None,
    way_out: str = "use scheme='bootstrapped'",
) -> PlannedModel:
    """A hidden layer, with the names, the link and the labels of its graph; one of integers with its staircase.

    `way_out` is what to do where there is no plan, besides asking for less.

    Raises:
        UnsupportedModelError: no plan is within the tolerance that is asked for, or there are too many scores.
    """
    settings = task.settings
    target = target_rms(graph.outputs)
    if settings.tolerance is not None:
        target = settings.tolerance / (deviation(task.reference) or 1.0)
    wish = Wish(
        target,
        task.prices.p_error,
        settings.tolerance,
        settings.input_bits,
        _positions(task),
        settings.ranges,
        most_price(task),
        way_out,
    )
    found = find(layer, graph.feature_names, task.rows, task.reference, wish, staircase)
    return planned_of(found.circuit, found.digits.encoders, found.unit, found.constant, graph, settings.ranges)


def most_price(task: Task) -> float:
    """In the unit of the price list, what plans may cost beside those of other schemes."""
    seconds = task.settings.most_seconds
    return math.inf if seconds is None else 1e6 * seconds / machine_rates().levelled_pace


def planned_of(
    circuit: Circuit,
    encoders: tuple[FeatureEncoder, ...],
    unit: float,
    constant: FloatArray,
    graph: ModelGraph,
    ranges: str,
) -> PlannedModel:
    """A circuit whose scores are multiples of a unit, above a constant."""
    answer = circuit.nodes[circuit.output]
    decoder = Decoder(
        graph.link,
        tuple((-answer.offset).tolist()),  # type: ignore[union-attr]
        unit,
        tuple(constant.tolist()),
        graph.labels,
    )
    return PlannedModel(circuit, encoders, decoder, None, ranges=ranges, scheme="levelled")


def _positions(task: Task) -> int | None:
    """Of a table: 2^bits, where bits= is given."""
    bits = task.settings.bits
    if bits is None or bits == "auto":
        return None
    if not isinstance(bits, int) or not 1 <= bits <= _MOST_BITS:
        raise UnsupportedModelError(
            f"bits is {bits!r}: under scheme 'levelled', tables have 2^bits positions, for bits of 1 to {_MOST_BITS}, "
            "all neurons alike; leave it out for as many as it takes"
        )
    positions: int = 2**bits
    return positions
