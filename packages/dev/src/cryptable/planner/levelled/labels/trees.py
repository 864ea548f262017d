"""Plans labels of models of trees, and of additive models as trees, for the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine import GroupKind, InputGroup, TurningTree
from cryptable_protocol import Missing
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.errors import ConstantModelError
from cryptable.graphs.additive import AdditiveModel, StepFunction
from cryptable.graphs.graph import LEAF, FloatArray, IntArray, Tree, TreeEnsemble
from cryptable.planner.levelled.labels.answers import Turned, circuit_of, positions_of, too_coarse
from cryptable.planner.levelled.labels.boxes import steps_alike, tree_of_boxes
from cryptable.planner.levelled.labels.levels import Levels
from cryptable.planner.levelled.labels.question import Question, question_of
from cryptable.planner.levelled.polynomials import Expansion
from cryptable.planner.levelled.trees import BitTree, Leaf, Split, TreeReader
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.thresholds.thermometers import encoder_of
from cryptable.planner.trees.round_leaves import RoundedTrees, round_leaves

_ROUNDS = 10
_ENOUGH = 0.8
"""Of the positions, above which scores are not made finer."""
_MOST_TERMS = 4096
_OF_BOXES = 0.5
"""Of a tolerance that is asked for: for the boxes of pairs."""


@planner(
    TreeEnsemble,
    scheme=LEVELLED,
    kind="a model of trees",
    cheaper="fewer or shallower trees cost less in proportion to their splits",
    answers="label",
)
def plan(graph: TreeEnsemble, task: Task) -> PlannedModel:
    """A table for each comparison, which the trees turn by what they add to scores."""
    return _planned(graph, task, 0.0)


def _planned(graph: TreeEnsemble, task: Task, error: float) -> PlannedModel:
    """Of trees that are off by so much already."""
    question = question_of(graph, task.settings, task.reference)
    bits = Bits.of_trees(graph.trees, len(graph.feature_names))
    read = _finest(graph, question, bits, task, error)
    least = question.least(read.rounded.step, read.rounded.base)
    skipped = 0
    if question.levels is not None:
        skipped = int((least[0] <= read.low[0]).sum())
        least = least[:, skipped : least.shape[1] - int((least[0] > read.high[0]).sum())]
    if not least.size:
        raise ConstantModelError("the model has the same level for every input: there is nothing to compute")
    always = np.where(least[:, 0] <= read.low, 1, np.where(least[:, 0] > read.high, -1, 0))
    turned = _turned(read, question, bits, least).decided(always).without_constants()
    used = _used(turned)
    position = np.full(bits.count, LEAF)
    position[used] = np.arange(len(used))
    edges = [
        tuple(edge for edge in each if position[bits.index[feature, edge]] != LEAF)
        for feature, each in enumerate(bits.edges)
    ]
    turned = replace(
        turned,
        exponents=turned.exponents[used],
        trees=tuple(
            TurningTree(np.where(tree.bits == LEAF, LEAF, position[tree.bits]), tree.exponents) for tree in turned.trees
        ),
    )
    groups = tuple(InputGroup(GroupKind.THERMOMETER, len(each)) for each in edges if each)
    return PlannedModel(
        circuit_of(question, turned, groups),
        tuple(
            encoder_of(name, each, as_float32=graph.as_float32, gaps=graph.gaps.get(feature, Missing.REFUSED))
            for feature, (name, each) in enumerate(zip(graph.feature_names, edges, strict=True))
        ),
        question.decoder(skipped),
        None if question.levels is None else _error(read, question.levels, least[0], skipped, error),
        scheme="levelled",
        **question.told,
    )


@planner(
    AdditiveModel,
    scheme=LEVELLED,
    kind="an additive model",
    cheaper="fewer bins and fewer pairs cost less in proportion",
    answers="label",
)
def plan_additive(graph: AdditiveModel, task: Task) -> PlannedModel:
    """Each function of one feature as a tree that halves its bins, each of two as one of boxes of bins that are alike.

    Within a box, values differ by two positions of a table, or by what a tolerance that is asked for leaves to each
    function; and beside pairs, steps of one feature are as few, too.
    """
    step = sum(float(np.ptp(each.values, axis=0).max()) for each in graph.functions)
    step += sum(float(np.ptp(each.values, axis=(0, 1)).max()) for each in graph.pairs)
    step /= positions_of(question_of(graph, task.settings, task.reference))
    if task.settings.tolerance is not None:
        step = min(step, _OF_BOXES * task.settings.tolerance / max(1, len(graph.pairs) + len(graph.functions)))
    error, trees = np.zeros(graph.outputs), []
    for function in graph.functions:
        steps, off = steps_alike(function, step if graph.pairs else 0.0)
        trees.append(_tree_of(steps))
        error += off
    for pair in graph.pairs:
        tree, off = tree_of_boxes(pair, step)
        trees.append(tree)
        error += off
    names, base = graph.feature_names, graph.base
    ensemble = TreeEnsemble(names, tuple(trees), base, graph.link, graph.labels, graph.as_float32)
    return _planned(ensemble, task, float(error.max(initial=0.0)))


def _tree_of(function: StepFunction) -> Tree:
    """Of one feature: the middle of its edges first."""
    feature: list[int] = []
    edge: list[float] = []
    left: list[int] = []
    right: list[int] = []
    added: list[FloatArray] = []

    def grow(low: int, high: int) -> int:
        """Bins low … high."""
        node = len(feature)
        feature.append(LEAF if low == high else function.feature)
        for each in (left, right):
            each.append(LEAF)
        added.append(function.values[low])
        edge.append(0.0)
        if low < high:
            middle = (low + high) // 2
            edge[node] = float(function.edges[middle])
            left[node] = grow(low, middle)
            right[node] = grow(middle + 1, high)
        return node

    grow(0, len(function.edges))
    return Tree(np.array(feature), np.array(edge), np.array(left), np.array(right), np.array(added))


@dataclass(frozen=True, eq=False)
class _Read:
    """Rounded trees, as trees of bits; and the least and greatest sum of steps of each comparison."""

    rounded: RoundedTrees
    trees: tuple[BitTree, ...]
    low: IntArray
    high: IntArray

    def needed(self, least: IntArray) -> int:
        """Positions of a table, of comparisons that are not decided beforehand."""
        open_ = (self.low[:, None] < least) & (least <= self.high[:, None])
        above = np.where(open_, self.high[:, None] - least + 1, 1)
        below = np.where(open_, least - self.low[:, None], 1)
        return int(max(above.max(), below.max()))


def _error(read: _Read, levels: Levels, rises: IntArray, skipped: int, beside: float) -> float:
    """By how much a level told is off at most, of all sums of steps that there can be; they may be far above levels.

    Scores of the trees may be off by `beside`.
    """
    steps = np.arange(read.low[0], read.high[0] + 1)
    told = levels.middles(skipped + np.searchsorted(rises, steps, side="right"))
    scores, error = steps * read.rounded.step + float(read.rounded.base[0]), float(read.rounded.error[0]) + beside
    ends = (levels.predictions(scores + end) for end in (-error, error))
    return float(max(np.abs(predicted - told).max() for predicted in ends))


def _finest(graph: TreeEnsemble, question: Question, bits: Bits, task: Task, error: float) -> _Read:
    """With the smallest steps that tables have positions for, of trees that are off by so much already.

    Raises:
        UnsupportedModelError: those are larger than a tolerance that is asked for.
    """
    reader, room = TreeReader(bits), positions_of(question)
    tolerance, best, before = task.tolerance, None, 0
    for _ in range(_ROUNDS):
        rounded = round_leaves(graph, tolerance=tolerance, keeps_ties=True)
        trees = tuple(reader.read(tree) for tree in rounded.graph.trees)
        low, high = np.sum([_extremes(tree, question.comparisons) for tree in trees], axis=0)
        read = _Read(rounded, trees, low, high)
        needed = read.needed(question.least(rounded.step, rounded.base))
        if needed <= room and (best is None or rounded.step < best.rounded.step):
            best = read
        if _ENOUGH * room < needed <= room or needed == before:
            break
        before = needed
        tolerance *= max(needed, 1) / (0.95 * room)
    wanted = task.settings.tolerance
    if best is None or (wanted is not None and best.rounded.error.max() + error > wanted):
        raise too_coarse(task.tolerance, tolerance if best is None else float(best.rounded.error.max()) + error)
    return best


def _difference(values: dict[int, int], pair: tuple[int, int]) -> int:
    one, other = pair
    return values.get(one, 0) - (values.get(other, 0) if other != one else 0)


def _extremes(tree: BitTree, pairs: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Of its leaves, the least and the greatest of each comparison."""
    leaves: dict[int, Leaf] = {}
    seen: set[int] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf):
            leaves[id(node)] = node
        elif id(node) not in seen:
            seen.add(id(node))
            waiting += [node.low, node.high]
    found = [[_difference(leaf.values, pair) for leaf in leaves.values()] for pair in pairs]
    return [min(each) for each in found], [max(each) for each in found]


def _turned(read: _Read, question: Question, bits: Bits, least: IntArray) -> Turned:
    """Trees of one feature are added up, bit by bit; the others turn tables as trees."""
    pairs = question.comparisons
    start = -least[:, 0]
    exponents = np.zeros((bits.count, len(pairs)), np.int64)
    expansion = Expansion(bits.feature_of, _MOST_TERMS)
    kept: list[TurningTree] = []
    for tree in read.trees:
        of_one = _features(tree, bits.feature_of) <= 1
        polynomial = expansion.expand(tree) if of_one else None
        if polynomial is None:
            kept.append(_turning(tree, pairs))
            continue
        for term, values in polynomial.items():
            added = np.array([_difference(values, pair) for pair in pairs])
            if term:
                exponents[term[0]] += added
            else:
                start = start + added
    return Turned(start, exponents, tuple(kept), least - least[:, :1])


def _features(tree: BitTree, feature_of: Sequence[int]) -> int:
    found: set[int] = set()
    seen: set[int] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Split) and id(node) not in seen:
            seen.add(id(node))
            found.add(feature_of[node.bit])
            waiting += [node.low, node.high]
    return len(found)


def _turning(tree: BitTree, pairs: Sequence[tuple[int, int]]) -> TurningTree:
    nodes: list[int] = []
    exponents: list[list[int]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf):
            nodes.append(LEAF)
            exponents.append([_difference(node.values, pair) for pair in pairs])
        else:
            nodes.append(node.bit)
            waiting += [node.high, node.low]
    return TurningTree(np.array(nodes, np.int64), np.array(exponents, np.int64))


def _used(turned: Turned) -> IntArray:
    """Bits that something asks for, increasing."""
    asked = [tree.bits[tree.bits != LEAF] for tree in turned.trees]
    found: IntArray = np.unique(np.concatenate([np.flatnonzero(turned.exponents.any(axis=1)), *asked]))
    return found
