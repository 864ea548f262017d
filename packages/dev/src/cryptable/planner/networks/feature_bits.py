"""Networks that read features as categories (embeddings): clients send bits, and the network begins behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup
from cryptable_protocol import AffineEncoder, CategoricalEncoder, FeatureEncoder, InternalError, UnusedFeature
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import StepFunction
from cryptable.graphs.curves import CurveModel, Line
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.network import FeatureBits, Layer, SegmentedNetwork
from cryptable.graphs.symbols import widened
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.thresholds.thermometers import encoder_of


def has_categories(network: SegmentedNetwork) -> bool:
    """Whether it reads a feature as a category."""
    return any(isinstance(layer, FeatureBits) for layer in network.layers)


def looked_up(network: SegmentedNetwork) -> tuple[Layer, ...]:
    """Its layers without the bits of categories, which clients make."""
    return tuple(layer for layer in network.layers if not isinstance(layer, FeatureBits))


@dataclass(frozen=True, eq=False)
class BehindBits:
    """A network whose inputs are, feature by feature, the number, or the bits of the category.

    `counts` has the categories of each feature, 0 of a number; `names` those of the features.
    """

    network: SegmentedNetwork
    counts: tuple[int, ...]
    names: tuple[str, ...]

    def rows(self, rows: FloatArray) -> FloatArray:
        """Rows of features as rows of its inputs: bit k is 1 where the category is above k."""
        columns = [
            (rows[:, [index]] > np.arange(count - 1)).astype(np.float64) if count else rows[:, [index]]
            for index, count in enumerate(self.counts)
        ]
        return np.concatenate(columns, axis=1)

    def joined(self, planned: PlannedModel) -> PlannedModel:
        """What was planned for the inputs, for the features: one encoder for all bits of a category."""
        encoders: list[FeatureEncoder] = []
        groups: list[InputGroup] = []
        numbers = iter(planned.circuit.input.groups)
        start = 0
        for name, count in zip(self.names, self.counts, strict=True):
            inputs = planned.features[start : start + max(1, count - 1)]
            start += len(inputs)
            sent = [bit for bit, each in enumerate(inputs) if not isinstance(each, UnusedFeature)]
            mine = [next(numbers) for _ in sent]
            if not count:
                encoders += [replace(each, name=name) for each in inputs]
                groups += mine
                continue
            if any(inputs[bit] != AffineEncoder(inputs[bit].name, 0.0, 1.0, 2) for bit in sent):
                raise InternalError(f"a bit of category {name!r} is encoded as something else")
            categories = CategoricalEncoder(name, tuple(range(count)), tuple(range(count)))
            edges = tuple(bit + 0.5 for bit in sent)
            encoders.append(encoder_of(name, edges, as_float32=False, gaps=categories))
            groups += [InputGroup(GroupKind.THERMOMETER, len(sent))] if sent else []
        circuit = Circuit((Input(tuple(groups)), *planned.circuit.nodes[1:]), planned.circuit.output)
        return replace(planned, circuit=circuit, features=tuple(encoders))


def behind_bits(network: SegmentedNetwork) -> BehindBits:
    """The network behind the bits of its categories.

    Raises:
        UnsupportedModelError: it computes with the number of a feature that it also reads as a category.
    """
    features = len(network.feature_names)
    counts = np.zeros(features, np.int64)
    for layer in network.layers:
        if isinstance(layer, FeatureBits):
            known = counts[layer.feature]
            counts[layer.feature] = min(known, layer.size + 1) if known else layer.size + 1
    widths = np.maximum(counts - 1, 1)
    starts = np.concatenate([[0], np.cumsum(widths)])
    place = [np.where(counts > 0, -1, starts[:-1])]  # of each variable among the new ones; -1 where it is none
    first = int(starts[-1])
    for layer in network.layers:
        if isinstance(layer, FeatureBits):
            bits = np.arange(layer.size)
            place.append(np.where(bits < widths[layer.feature], starts[layer.feature] + bits, -1))
        else:
            place.append(first + np.arange(layer.size))
            first += layer.size
    places = np.concatenate(place)
    layers = tuple(
        replace(layer, matrix=_moved(layer.matrix, places, network, layer.name)) for layer in looked_up(network)
    )
    names: list[str] = []
    for name, count in zip(network.feature_names, counts.tolist(), strict=True):
        names += [f"{name}, bit {bit}" for bit in range(count - 1)] if count else [name]
    behind = replace(
        network,
        feature_names=tuple(names),
        layers=layers,
        matrix=_moved(network.matrix, places, network, "the last"),
        indicators=frozenset(index for index in range(len(names)) if np.repeat(counts, widths)[index]),
    )
    return BehindBits(behind, tuple(counts.tolist()), network.feature_names)


def _moved(matrix: csr_array, places: IntArray, network: SegmentedNetwork, name: str) -> csr_array:
    matrix = csr_array(matrix)
    matrix.eliminate_zeros()
    columns = places[matrix.indices]
    if (columns < 0).any():
        variable = int(matrix.indices[np.flatnonzero(columns < 0)[0]])
        feature = network.feature_names[variable] if variable < len(network.feature_names) else "a feature"
        raise UnsupportedModelError(
            f"layer {name!r} computes with the number of {feature!r}, which the network also reads as a category, or "
            "reads as one of fewer categories elsewhere; give it to the network twice, as two columns"
        )
    width = int(places.max(initial=0)) + 1
    return widened(csr_array((matrix.data, columns, matrix.indptr), shape=(matrix.shape[0], width)), width)


def as_curves(behind: BehindBits) -> CurveModel:
    """A network without lookups: lines of numbers, steps of categories."""
    network = behind.network
    weights = widened(network.matrix, len(network.feature_names)).toarray().T
    lines: list[Line] = []
    steps: list[StepFunction] = []
    gaps = {}
    start = 0
    for feature, (name, count) in enumerate(zip(behind.names, behind.counts, strict=True)):
        mine = weights[start : start + max(1, count - 1)]
        start += len(mine)
        if not mine.any():
            continue
        if not count:
            lines.append(Line(feature, mine[0]))
            continue
        values = np.concatenate([np.zeros((1, network.outputs)), np.cumsum(mine, axis=0)])
        steps.append(StepFunction(feature, np.arange(count - 1) + 0.5, values))
        gaps[feature] = CategoricalEncoder(name, tuple(range(count)), tuple(range(count)))
    return CurveModel(behind.names, tuple(lines), (), tuple(steps), network.offset, network.link, network.labels, gaps)
