"""Plans sums of models of several kinds, for the registry: trees, and what is added to their scores."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Product, Term
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.circuit.circuit import Node
from cryptable_protocol import BitsEncoder, Decoder, FeatureEncoder, InternalError, UnusedFeature
from cryptable_protocol.schemes.levelled.parameters import MODULI
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.console.progress import progress_bar
from cryptable.cost.levelled import LevelledPrices
from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray, TreeEnsemble
from cryptable.graphs.several_kinds import SumOfKinds
from cryptable.planner.levelled.plan import plan_products
from cryptable.planner.levelled.several_kinds.numbers import BitSum
from cryptable.planner.levelled.several_kinds.sums import Sums
from cryptable.planner.output_maximum import with_output_maximum
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.trees.round_leaves import round_leaves

_COARSER = 1.25
"""By how much the unit of scores becomes finer, step by step, until scores are within the tolerance."""
_GREATEST = 13
_MOST = max(
    math.prod(some)
    for some in combinations([modulus for modulus in MODULI if modulus <= _GREATEST], 6)
    if math.lcm(*some) == math.prod(some)
)
"""Scores that moduli tell apart which leave room for noise."""
_GIVEN_UP = 1.5, 8.0
"""By how much a tolerance that nobody asked for grows, step by step and in all, where scores are too wide."""


@planner(
    SumOfKinds,
    scheme=LEVELLED,
    kind="a sum of models of several kinds",
    cheaper="fewer or shallower trees cost less in proportion to their splits; all else costs next to nothing",
)
def plan(graph: SumOfKinds, task: Task) -> PlannedModel:
    """Trees as products of bits, all else as bits that are added to their scores.

    Raises:
        UnsupportedModelError: scores as exact as the tolerance are wider than the scheme evaluates.
    """
    tolerance = task.tolerance
    while True:
        planned = _planned(graph, task, tolerance)
        if _highest(planned.circuit) < _MOST:
            return planned
        tolerance *= _GIVEN_UP[0]
        if task.settings.tolerance is not None or tolerance > _GIVEN_UP[1] * task.tolerance:
            raise UnsupportedModelError(
                f"scores of {_highest(planned.circuit)} steps, {planned.decoder.step:.3g} each, are wider than the "
                f"{_MOST} that scheme 'levelled' evaluates, and no other scheme evaluates sums of models of several "
                "kinds; raise tolerance=, scale columns whose ranges are wide in the members' own pipelines, or "
                "compile members one by one"
            )


def _highest(circuit: Circuit) -> int:
    return highest_output(circuit, bounds(circuit))


def _planned(graph: SumOfKinds, task: Task, tolerance: float) -> PlannedModel:
    sums = Sums(graph.feature_names, graph.outputs)
    for part in graph.parts:
        if not isinstance(part, TreeEnsemble):
            sums.add(part)
    trees, unit = graph.trees, tolerance
    if trees is not None and task.keeps_ties:
        unit = round_leaves(trees, tolerance=tolerance, keeps_ties=True).step
    grid, count = unit, 1
    while True:
        parts = sums.bits(task.rows, unit)
        error = sum((_Integers.of(part, unit).error for part in parts), start=np.zeros(graph.outputs))
        if trees is not None:
            error = error + round_leaves(trees, tolerance=tolerance, keeps_ties=task.keeps_ties, step=unit).error
        if error.max() <= tolerance:
            break
        count = math.ceil(count * _COARSER)  # whole parts of a grid on which scores that tie stay equal
        unit = grid / count
    planned = None if trees is None else _trees(trees, task, tolerance, unit)
    return _together(graph, sums.base, parts, planned, unit)


def _trees(trees: TreeEnsemble, task: Task, tolerance: float, step: float) -> PlannedModel:
    if not isinstance(task.prices, LevelledPrices):
        raise InternalError(f"prices of class {type(task.prices).__name__}, expected the scheme levelled's")
    try:
        with progress_bar("planning products", enabled=task.settings.show_progress) as report:
            return plan_products(
                trees,
                tolerance=tolerance,
                prices=task.prices,
                keeps_ties=task.keeps_ties,
                step=step,
                progress=report,
            )
    except ConstantModelError as error:
        raise UnsupportedModelError(
            f"the trees among its members give the same scores for every input, to within {tolerance:.3g}; leave them "
            "out, or lower tolerance="
        ) from error


@dataclass(frozen=True, eq=False)
class _Integers:
    """A sum of bits in whole units: weights of shape (bits, outputs), and what they leave."""

    weights: IntArray
    low: IntArray
    high: IntArray
    constant: FloatArray
    error: FloatArray

    @classmethod
    def of(cls, part: BitSum, unit: float) -> _Integers:
        """Of each bit rounded by itself, or of steps at each height, since one of those alone is taken."""
        if part.is_thermometer:
            heights = np.concatenate([np.zeros((1, part.weights.shape[1])), np.cumsum(part.weights, axis=0)])
            whole: IntArray = np.rint(heights / unit).astype(np.int64)
            left = heights - whole * unit
            middle = (left.max(axis=0) + left.min(axis=0)) / 2
            error = part.error + (left.max(axis=0) - left.min(axis=0)) / 2
            weights = np.diff(whole, axis=0)
            return cls(weights, whole.min(axis=0), whole.max(axis=0), part.constant + middle, error)
        weights = np.rint(part.weights / unit).astype(np.int64)
        left = part.weights - weights * unit
        low, high = np.minimum(weights, 0).sum(axis=0), np.maximum(weights, 0).sum(axis=0)
        return cls(weights, low, high, part.constant + left.sum(axis=0) / 2, part.error + np.abs(left).sum(axis=0) / 2)


class _Layout:
    """Which encoders a row has, and where the elements of each stand: of a column, the trees' first.

    Args:
        names: of the columns.
        of_trees: encoders of the trees' plan, one a column; none where there are no trees.
        parts: by column.
    """

    def __init__(self, names: tuple[str, ...], of_trees: tuple[FeatureEncoder, ...], parts: list[BitSum]) -> None:
        self.encoders: list[FeatureEncoder] = []
        self.groups: list[InputGroup] = []
        self.of_trees: list[int] = []
        self.of_parts: list[list[int]] = []
        """By part, as they were given."""
        self._size = 0
        for feature, name in enumerate(names):
            mine: list[FeatureEncoder] = []
            if of_trees and of_trees[feature].size:
                mine.append(of_trees[feature])
                self.of_trees += self._next(GroupKind.THERMOMETER, of_trees[feature].size)
            for part in (each for each in parts if each.feature == feature):
                mine.append(part.encoder)
                kind = GroupKind.THERMOMETER if part.is_thermometer else GroupKind.RANGE
                self.of_parts.append(self._next(kind, len(part.weights)))
            self.encoders.append(_encoder(name, mine))

    def _next(self, kind: GroupKind, size: int) -> list[int]:
        self.groups.append(InputGroup(kind, size))
        self._size += size
        return list(range(self._size - size, self._size))


def _encoder(name: str, parts: list[FeatureEncoder]) -> FeatureEncoder:
    if not parts:
        return UnusedFeature(name)
    return parts[0] if len(parts) == 1 and parts[0].maximum == 1 else BitsEncoder(name, tuple(parts))


def _together(
    graph: SumOfKinds, base: FloatArray, parts: list[BitSum], planned: PlannedModel | None, unit: float
) -> PlannedModel:
    """The circuit of the trees with what bits add to its scores.

    Args:
        graph: the model.
        base: of what is no tree.
        parts: by column.
        planned: the trees, in the unit; None without any.
        unit: of the scores.
    """
    layout = _Layout(graph.feature_names, () if planned is None else planned.features, parts)
    integers = [_Integers.of(part, unit) for part in parts]
    none: IntArray = np.zeros(graph.outputs, np.int64)
    low = sum((each.low for each in integers), start=none)
    high = sum((each.high for each in integers), start=none)
    weights = np.zeros((len(layout.of_trees) + sum(map(len, layout.of_parts)), graph.outputs), np.int64)
    for places, each in zip(layout.of_parts, integers, strict=True):
        weights[places] = each.weights
    nodes: list[Node] = [Input(tuple(layout.groups))]
    error = sum((each.error for each in integers), start=np.zeros(graph.outputs))
    base = base + sum((each.constant for each in integers), start=np.zeros(graph.outputs))
    others: tuple[Term, ...] = ()
    offset, highest = -low, high - low
    if planned is not None:
        own = planned.circuit
        moved = [_moved(node, layout.of_trees) for node in own.nodes[1:]]
        answer = moved.pop(own.output - 1)
        if not isinstance(answer, Linear):
            raise InternalError("the trees' circuit has an output that is no Linear")
        nodes += moved
        others = tuple(term for term in answer.terms if term.source)
        for term in answer.terms:
            if not term.source:
                weights += term.to_dense(*weights.shape)
        most = own.output_maximum
        reached = bounds(own)[own.output].high
        highest = highest + (reached if most is None else np.minimum(reached, most))
        offset = offset + answer.offset
        base = base + np.asarray(planned.decoder.base)
        error = error + (planned.error_bound or 0.0)
    if not weights.any() and not others:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    terms = (Term.from_dense(0, weights), *others) if weights.any() else others
    nodes.append(Linear(terms, offset))
    circuit = with_output_maximum(Circuit(tuple(nodes), len(nodes) - 1), int(highest.max()))
    decoder = Decoder(graph.link, tuple(low.tolist()), unit, tuple(base.tolist()), graph.labels)
    return PlannedModel(circuit, tuple(layout.encoders), decoder, float(error.max()), scheme="levelled")


def _moved(node: Node, places: list[int]) -> Node:
    """A node of the trees' circuit whose input elements stand elsewhere."""
    where = np.asarray(places, np.int64)
    match node:
        case Linear():
            terms = [replace(term, rows=where[term.rows]) if not term.source else term for term in node.terms]
            return replace(node, terms=tuple(terms))
        case Product():
            return replace(node, bits=where[node.bits])
        case _:
            raise InternalError(f"a node of class {type(node).__name__} in a circuit of trees")
