"""Plans additive models with pairs as tables that binary digits of bins turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Rotation, Term
from cryptable_protocol import Decoder, FeatureEncoder
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.coarsen import Coarsened
from cryptable.planner.levelled.pairs.codes import FeatureCode, feature_code
from cryptable.planner.levelled.pairs.tables import Neuron, Table, neurons_of, outer_features
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.output_maximum import with_output_maximum
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task

_POSITIONS = (512, 256, 128)
"""Of tables: the more, the fewer residues an answer has."""
_HALVES = 2
"""Units of a score in a step of its functions: halves of what tables differ by are whole."""


def plan_turned_pairs(
    graph: AdditiveModel, small: Coarsened, task: Task
) -> tuple[PlannedModel, LevelledParameters | LinearParameters]:
    """A plan that some parameters suit, and these.

    Raises:
        ConstantModelError: no score depends on the input.
        UnsupportedModelError: there are none; says what to do.
    """
    if graph.as_float32:
        raise UnsupportedModelError("scheme 'levelled': numbers that are rounded to float32 have no digits of bins")
    refused: UnsupportedModelError | None = None
    for positions in _POSITIONS:
        if RING_SIZE // positions < small.graph.outputs:
            continue
        try:
            planned = _planned(graph, small, positions)
            return planned, choose_parameters(planned.circuit, p_error=task.prices.p_error)
        except ConstantModelError:
            raise
        except UnsupportedModelError as error:
            refused = refused or error
    raise refused or UnsupportedModelError(f"scheme 'levelled': {small.graph.outputs} scores beside pairs")


def _planned(graph: AdditiveModel, small: Coarsened, positions: int) -> PlannedModel:
    functions, pairs = _by_kind(small.graph)
    codes = _codes(graph.feature_names, functions, pairs)
    tables = _tables(functions, pairs, codes)
    upper = {feature: code.upper for feature, code in enumerate(codes)}
    lower = {feature: code.lower for feature, code in enumerate(codes)}
    widest = max((upper[each.inner] if each.inner is not None else lower[each.outer]) for each in tables)
    if 1 << widest > positions:
        raise UnsupportedModelError(
            f"scheme 'levelled': a feature with {1 << widest} bins in pairs, tables have {positions} positions; use "
            "fewer (max_interaction_bins=)"
        )
    neurons = [neuron for table in tables for neuron in neurons_of(table, upper, lower, positions)]
    layout = _Layout(codes, neurons)
    rotation = layout.rotation(neurons)
    outputs = small.graph.outputs
    answer = Linear((Term.from_dense(1, np.eye(outputs, dtype=np.int64)),), np.zeros(outputs, np.int64))
    highest = round(float(np.sum([table.values.max(axis=(0, 1)) for table in tables], axis=0).max()))
    return PlannedModel(
        with_output_maximum(Circuit((Input(layout.groups), rotation, answer), 2), highest),
        layout.encoders,
        Decoder(graph.link, (0,) * outputs, small.step / _HALVES, tuple(small.base.tolist()), graph.labels),
        float(small.error.max()),
        scheme="levelled",
    )


def _by_kind(graph: AdditiveModel) -> tuple[dict[int, list[StepFunction]], list[PairFunction]]:
    """Functions by feature, pairs that have one bin of a feature among them, and all other pairs."""
    functions: dict[int, list[StepFunction]] = {}
    pairs = []
    for function in graph.functions:
        functions.setdefault(function.feature, []).append(function)
    for pair in graph.pairs:
        rows, columns, outputs = pair.values.shape
        if rows > 1 and columns > 1:
            pairs.append(pair)
            continue
        axis = int(columns > 1)
        one = StepFunction(pair.features[axis], pair.edges[axis], pair.values.reshape(-1, outputs))
        functions.setdefault(one.feature, []).append(one)
    return functions, pairs


def _codes(
    names: Sequence[str], functions: dict[int, list[StepFunction]], pairs: Sequence[PairFunction]
) -> list[FeatureCode]:
    coarse: list[list[FloatArray]] = [[np.empty(0)] for _ in names]
    for pair in pairs:
        for feature, edges in zip(pair.features, pair.edges, strict=True):
            coarse[feature].append(edges)
    found = []
    for feature, name in enumerate(names):
        read = np.unique(np.concatenate(coarse[feature]))
        fine = np.unique(np.concatenate([read, *(each.edges for each in functions.get(feature, ()))]))
        found.append(feature_code(name, read, fine))
    return found


def _tables(
    functions: dict[int, list[StepFunction]], pairs: Sequence[PairFunction], codes: Sequence[FeatureCode]
) -> list[Table]:
    """Of pairs, and of what features add by themselves: even integers.

    Raises:
        ConstantModelError: there are none.
    """
    found = []
    outer = outer_features([pair.features for pair in pairs])
    for pair in pairs:
        values = _whole(pair.values)
        for axis, (feature, edges) in enumerate(zip(pair.features, pair.edges, strict=True)):
            code = codes[feature]
            first = np.searchsorted(code.places, np.arange(code.places[-1] + 1))
            below = np.r_[-np.inf, code.edges][first]
            values = np.take(values, np.searchsorted(edges, below, side="right"), axis=axis)
        one, other = pair.features
        if one in outer:
            found.append(Table(one, other, values))
        else:
            found.append(Table(other, one, values.swapaxes(0, 1)))
    for feature, each in functions.items():
        code = codes[feature]
        if not code.edges.size:  # all of its bins are one
            continue
        below = np.r_[-np.inf, code.edges]
        bins = np.sum([_whole(one.values)[np.searchsorted(one.edges, below, side="right")] for one in each], axis=0)
        at = np.searchsorted(code.codes, np.arange(1 << code.digits), side="right") - 1
        values = bins[at].reshape(1 << code.upper, 1 << code.lower, -1)
        found.append(Table(feature, None, values[: code.places[-1] + 1]))
    found = [each for each in found if (each.values != each.values[:1, :1]).any()]
    if not found:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    return found


def _whole(values: FloatArray) -> IntArray:
    whole: IntArray = _HALVES * np.rint(values).astype(np.int64)
    return whole


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where digits and steps of features stand among the elements of the input."""

    codes: Sequence[FeatureCode]
    neurons: Sequence[Neuron]

    @property
    def steps(self) -> list[list[int]]:
        """Places whose steps some neuron reads, by feature."""
        found: list[set[int]] = [set() for _ in self.codes]
        for neuron in self.neurons:
            if neuron.step is not None:
                found[neuron.step[0]].add(neuron.step[1])
        return [sorted(each) for each in found]

    @property
    def encoders(self) -> tuple[FeatureEncoder, ...]:
        """One a feature."""
        return tuple(code.encoder(steps) for code, steps in zip(self.codes, self.steps, strict=True))

    @property
    def groups(self) -> tuple[InputGroup, ...]:
        """Of the input."""
        found = []
        for code, steps in zip(self.codes, self.steps, strict=True):
            if code.digits:
                found.append(InputGroup(GroupKind.RANGE, code.digits))
            if steps:
                found.append(InputGroup(GroupKind.THERMOMETER, len(steps)))
        return tuple(found)

    def rotation(self, neurons: Sequence[Neuron]) -> Rotation:
        """Of all neurons."""
        first, element = [], 0
        for code, of_code in zip(self.codes, self.steps, strict=True):
            first.append(element)
            element += code.digits + len(of_code)
        exponents = np.zeros((element, len(neurons)), np.int64)
        steps = self.steps
        for number, neuron in enumerate(neurons):
            for feature, powers in neuron.digits.items():
                exponents[first[feature] : first[feature] + len(powers), number] = powers
            if neuron.step is not None:
                feature, place = neuron.step
                bit = first[feature] + self.codes[feature].digits + steps[feature].index(place)
                exponents[bit, number] = len(neuron.entries)
        bits = np.flatnonzero(exponents.any(axis=1))
        return Rotation(bits, exponents[bits], np.stack([neuron.entries for neuron in neurons]))
