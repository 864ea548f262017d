"""Trees on preprocessed columns become trees on raw columns, with the thresholds that the library's floats have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from cryptable_protocol import CategoricalEncoder, InvalidInputError, Missing

from cryptable.graphs.graph import LEAF, MISSING_EDGE, FloatArray, Tree, TreeEnsemble
from cryptable.importers.pipelines.shapes import Affine, Monotone, Steps
from cryptable.importers.pipelines.stage import Stage, to_float32
from cryptable.importers.reading.covers import part_of, side_weights


@dataclass(frozen=True)
class Condition:
    """Whether a raw column's number makes a test true: it does above breaks[i - 1] and below breaks[i] where holds[i].

    `holds` has one element more than `breaks`, and neighbours differ. Without breaks, the answer is always the same.
    """

    source: int
    breaks: tuple[float, ...]
    holds: tuple[bool, ...]


def rebase_trees(graph: TreeEnsemble, stage: Stage) -> TreeEnsemble:
    """The same scores from raw columns.

    Args:
        graph: trees on the columns of a stage.
        stage: the last one.

    Raises:
        UnsupportedModelError: a tree reads a column that is a mix of several raw ones, or not monotone.
    """
    conditions = _conditions(graph, stage)
    trees = tuple(_TreeWriter(tree, conditions).write() for tree in graph.trees)
    return replace(graph, feature_names=stage.raw.names, trees=trees, as_float32=False, gaps=stage.raw.gaps)


def _conditions(graph: TreeEnsemble, stage: Stage) -> dict[tuple[int, float], Condition]:
    asked: dict[int, set[float]] = {}
    for tree in graph.trees:
        for node in np.flatnonzero(tree.feature != LEAF):
            asked.setdefault(int(tree.feature[node]), set()).add(float(tree.edge[node]))
    wanted = {index: np.array(sorted(edges)) for index, edges in asked.items()}
    for index in wanted:
        if isinstance(graph.gaps.get(index), CategoricalEncoder) and _is_monotone(stage, index):
            name = stage.raw.names[stage.univariate(index).source]
            raise stage.refusal(
                f"the model after it takes the numbers of column {name!r} for categories, which no step has made; put "
                "an OrdinalEncoder before it, or compile the model alone"
            )
    monotone = {index: edges for index, edges in wanted.items() if _is_monotone(stage, index)}
    found = stage.first_reaching_each(monotone, as_float32=graph.as_float32)
    conditions = {}
    for index, edges in wanted.items():
        made = (
            _of_monotone(graph, stage, index, edges, found[index])
            if index in found
            else _of_steps(graph, stage, index, edges)
        )
        for edge, condition in zip(edges.tolist(), made, strict=True):
            conditions[index, edge] = condition
    return conditions


def _is_monotone(stage: Stage, index: int) -> bool:
    column = stage.univariate(index)
    return bool(column.shapes) and isinstance(column.shapes[column.source], Affine | Monotone)


def _compared(graph: TreeEnsemble, stage: Stage, index: int, values: FloatArray) -> FloatArray:
    """The numbers that the trees compare: rounded as they do, and with a stand-in for NaN where they take it."""
    stands = graph.gaps.get(index)
    if isinstance(stands, CategoricalEncoder):
        try:
            return stands.levels_of(values).astype(np.float64)
        except InvalidInputError as error:
            name = stage.raw.names[stage.univariate(index).source]
            raise stage.refusal(
                f"of column {name!r}, it makes something that the model after it takes for no category: {error}"
            ) from error
    missing = np.isnan(values)
    if missing.any() and stands is None:
        name = stage.raw.names[stage.univariate(index).source]
        raise stage.refusal(f"column {name!r} has missing values, which the model after it does not take; impute them")
    stand_in = -MISSING_EDGE if stands is Missing.LOWEST else MISSING_EDGE
    return np.where(missing, stand_in, to_float32(values) if graph.as_float32 else values)


def _of_monotone(
    graph: TreeEnsemble, stage: Stage, index: int, edges: FloatArray, found: FloatArray
) -> list[Condition]:
    source, rises = stage.univariate(index).source, stage.rises(index)
    missing = stage.value_of_missing(index)
    if missing is None:
        return [_simplified(source, (float(each),), (not rises, rises)) for each in found]
    where_missing = _compared(graph, stage, index, np.array([missing])) >= edges
    return [
        _simplified(source, (float(each), MISSING_EDGE), (not rises, rises, bool(holds)))
        for each, holds in zip(found, where_missing, strict=True)
    ]


def _of_steps(graph: TreeEnsemble, stage: Stage, index: int, edges: FloatArray) -> list[Condition]:
    column = stage.univariate(index)
    if not column.shapes:
        value = _compared(graph, stage, index, stage.values(stage.raw.base)[0, [index]])[0]
        return [Condition(0, (), (bool(value >= edge),)) for edge in edges]
    source, shape = column.source, column.shapes[column.source]
    if not isinstance(shape, Steps):
        raise stage.refusal(
            f"its column {index} is a curve of column {stage.raw.names[source]!r} that goes up and down, which "
            "trees cannot compare with a threshold here; leave the step out: trees need no curves"
        )
    breaks, probes = shape.breaks, shape.probes
    if isinstance(stage.raw.gaps.get(source), Missing) and MISSING_EDGE not in breaks:
        breaks, probes = (*breaks, MISSING_EDGE), (*probes, MISSING_EDGE)
    values = _compared(graph, stage, index, stage.values_along(source, np.asarray(probes))[:, index])
    return [_simplified(source, breaks, tuple((values >= edge).tolist())) for edge in edges]


def _simplified(source: int, breaks: tuple[float, ...], holds: tuple[bool, ...]) -> Condition:
    """Without breaks at which nothing changes, or which no finite number is on one side of."""
    kept, answers = [], [holds[0]]
    for edge, answer in zip(breaks, holds[1:], strict=True):
        if edge == -np.inf:
            answers = [answer]
        elif edge < np.inf and answer != answers[-1]:
            kept.append(edge)
            answers.append(answer)
    return Condition(source, tuple(kept), tuple(answers))


class _TreeWriter:
    """Writes a tree anew, leaving out what the conditions above a node have already decided."""

    def __init__(self, tree: Tree, conditions: dict[tuple[int, float], Condition]) -> None:
        self._tree = tree
        self._conditions = conditions
        self._feature: list[int] = []
        self._edge: list[float] = []
        self._left: list[int] = []
        self._right: list[int] = []
        self._values: list[FloatArray] = []
        self._goes_right: list[float] = []

    def write(self) -> Tree:
        """The tree on raw columns."""
        self._node(0, {})
        return Tree(
            np.array(self._feature, np.int64),
            np.array(self._edge, np.float64),
            np.array(self._left, np.int64),
            np.array(self._right, np.int64),
            np.array(self._values, np.float64),
            None if self._tree.goes_right is None else np.array(self._goes_right, np.float64),
        )

    def _node(self, node: int, intervals: dict[int, tuple[float, float]]) -> int:
        """Write a node for rows whose columns are in the intervals, low <= x < high; its new position."""
        feature = int(self._tree.feature[node])
        if feature == LEAF:
            return self._append(LEAF, np.inf, self._tree.values[node])
        condition = self._conditions[feature, float(self._tree.edge[node])]
        low, high = intervals.get(condition.source, (-np.inf, np.inf))
        inside = [position for position, edge in enumerate(condition.breaks) if low < edge < high]
        first = sum(edge <= low for edge in condition.breaks)
        return self._choose(node, condition, first, inside, intervals)

    def _choose(
        self,
        node: int,
        condition: Condition,
        first: int,
        inside: list[int],
        intervals: dict[int, tuple[float, float]],
    ) -> int:
        """Ask about the middle one of the breaks inside; without any, go on as holds[first] says."""
        if not inside:
            side = self._tree.right if condition.holds[first] else self._tree.left
            return self._node(int(side[node]), intervals)
        middle = len(inside) // 2
        edge = condition.breaks[inside[middle]]
        low, high = intervals.get(condition.source, (-np.inf, np.inf))
        position = self._append(condition.source, edge, np.zeros(self._tree.values.shape[1]))
        if self._tree.goes_right is not None:
            weights = side_weights([not each for each in condition.holds], float(self._tree.goes_right[node]))
            weights = weights[first : first + len(inside) + 1]
            self._goes_right[position] = part_of(weights[middle + 1 :], weights)
        below, above = intervals | {condition.source: (low, edge)}, intervals | {condition.source: (edge, high)}
        self._left[position] = self._choose(node, condition, first, inside[:middle], below)
        self._right[position] = self._choose(node, condition, inside[middle] + 1, inside[middle + 1 :], above)
        return position

    def _append(self, feature: int, edge: float, values: FloatArray) -> int:
        self._feature.append(feature)
        self._edge.append(edge)
        self._left.append(0)
        self._right.append(0)
        self._values.append(values)
        self._goes_right.append(0.5)
        return len(self._feature) - 1
