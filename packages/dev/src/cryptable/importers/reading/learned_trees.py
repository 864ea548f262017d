"""Trees as learned, with default directions and sets of categories, and how they become thresholds alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CategoricalEncoder, Labels, Link, Missing

from cryptable.graphs.graph import LEAF, MISSING_EDGE, FloatArray, Gaps, IntArray, Tree, TreeEnsemble
from cryptable.importers.reading.category_order import order_levels
from cryptable.importers.reading.covers import part_of, side_weights

MISSING, UNKNOWN = -1, -2
"""Positions, in a set, of a missing value and of one that is no category."""
LEFT, RIGHT, EITHER = 1, 0, -1
"""Where a missing value goes; EITHER in nodes that none reaches."""


@dataclass(frozen=True, eq=False)
class LearnedTree:
    """A tree whose tests are not only edges.

    `missing` is where a missing number goes, by node: LEFT, RIGHT or EITHER. `left_sets` has, for each node that asks
    for a category, the positions that go left; its edge is not read.
    """

    tree: Tree
    missing: npt.NDArray[np.int8]
    left_sets: Mapping[int, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories: what may stand there, and whether the library says where anything else goes."""

    categories: tuple[int, ...] | tuple[str, ...]
    takes_missing: bool
    takes_unknown: bool

    @property
    def positions(self) -> list[int]:
        """All that a set may hold."""
        return [*range(len(self.categories)), *([MISSING] * self.takes_missing), *([UNKNOWN] * self.takes_unknown)]


def assemble(
    learned: Sequence[LearnedTree],
    *,
    feature_names: tuple[str, ...],
    base: FloatArray,
    link: Link,
    labels: Labels | None,
    as_float32: bool,
    columns: Mapping[int, CategoryColumn] | None = None,
) -> TreeEnsemble:
    """Trees of thresholds alone: a missing number stands below or above all others, a category is its level.

    A missing number is the lowest in a column where it always goes left, which costs nothing. Else it is the highest,
    and where it goes left, the tree asks for it first; both questions lead to the same subtree, which is not copied.

    Args:
        learned: the trees.
        feature_names: of the columns.
        base: of the scores.
        link: of the scores.
        labels: of classes.
        as_float32: whether numbers are rounded to float32 first.
        columns: those of categories, by index.
    """
    gaps: dict[int, Gaps] = dict(_missing_numbers(learned, len(feature_names)))
    level_of: dict[int, dict[int, int]] = {}
    for feature, column in (columns or {}).items():
        sets = [each for tree in learned for node, each in tree.left_sets.items() if tree.tree.feature[node] == feature]
        levels = level_of[feature] = order_levels(sets, column.positions)
        gaps[feature] = _encoder(feature_names[feature], column.categories, levels)
    trees = tuple(_with_categories(_with_missing(each, gaps), level_of) for each in learned)
    return TreeEnsemble(feature_names, trees, base, link, labels, as_float32, gaps)


def with_missing_number(each: LearnedTree, number: np.float32) -> LearnedTree:
    """The tree where a number means a missing value too, and goes where that does.

    A test that would send it elsewhere is one of three: x >= number, x >= the next number, and the test itself.
    """
    tree, above = each.tree, float(np.nextafter(number, np.float32(np.inf)))
    goes_right = float(number) >= tree.edge
    asked = np.flatnonzero((tree.feature != LEAF) & (each.missing != EITHER) & (goes_right == (each.missing == LEFT)))
    count = tree.feature.shape[0]
    is_it, test = count + np.arange(asked.size), count + asked.size + np.arange(asked.size)
    to_right = each.missing[asked] == RIGHT  # where the number lies below the edge, but a missing value goes right
    edge, left, right, missing = tree.edge.copy(), tree.left.copy(), tree.right.copy(), each.missing.copy()
    target = np.where(to_right, tree.right[asked], tree.left[asked])
    edge[asked], missing[asked] = float(number), RIGHT
    left[asked], right[asked] = np.where(to_right, tree.left[asked], test), is_it
    beyond = np.where(to_right, test, tree.right[asked])
    return LearnedTree(
        Tree(
            np.concatenate([tree.feature, tree.feature[asked], tree.feature[asked]]),
            np.concatenate([edge, np.full(asked.size, above), tree.edge[asked]]),
            np.concatenate([left, target, tree.left[asked]]),
            np.concatenate([right, beyond, tree.right[asked]]),
            np.concatenate([tree.values, tree.values[asked], tree.values[asked]]),
            _share_beside_number(tree, asked, to_right),
        ),
        np.concatenate([missing, np.full(asked.size, LEFT, np.int8), each.missing[asked]]),
        each.left_sets,
    )


def restrict_missing(graph: TreeEnsemble, allowed: Collection[int]) -> TreeEnsemble:
    """The same trees where no value is missing but in the columns `allowed`, so that nothing is paid for others."""
    gaps: dict[int, Gaps] = {}
    never = [feature for feature, each in graph.gaps.items() if isinstance(each, Missing) and feature not in allowed]
    trees = [
        replace(tree, edge=np.where((tree.edge == MISSING_EDGE) & np.isin(tree.feature, never), np.inf, tree.edge))
        for tree in graph.trees
    ]
    for feature, each in graph.gaps.items():
        if feature in allowed:
            gaps[feature] = each
        elif isinstance(each, CategoricalEncoder):
            gaps[feature], edges = _without_missing(each)
            trees = [_with_edges(tree, feature, edges) for tree in trees]
    return replace(graph, trees=tuple(trees), gaps=gaps)


def missing_as_highest(graph: TreeEnsemble) -> TreeEnsemble:
    """The same trees where a missing number is the highest in all columns that may have one: trees ask for it first."""
    lowest = [feature for feature, each in graph.gaps.items() if each is Missing.LOWEST]
    if not lowest:
        return graph
    gaps: dict[int, Gaps] = {**graph.gaps, **dict.fromkeys(lowest, Missing.HIGHEST)}
    trees = []
    for tree in graph.trees:
        goes_left = np.isin(tree.feature, lowest) & (tree.edge > -np.inf)
        missing = np.where(goes_left, LEFT, EITHER).astype(np.int8)
        trees.append(_with_missing(LearnedTree(tree, missing), gaps).tree)
    return replace(graph, trees=tuple(trees), gaps=gaps)


def as_doubles(graph: TreeEnsemble) -> TreeEnsemble:
    """The same trees on numbers that are not rounded: an edge becomes the least double that rounds up to it."""
    if not graph.as_float32:
        return graph
    trees = tuple(replace(tree, edge=_least_double(tree.edge)) for tree in graph.trees)
    return replace(graph, trees=trees, as_float32=False)


def _least_double(edges: FloatArray) -> FloatArray:
    """The least double whose nearest float32 is >= edge; edges of missing values, and infinite ones, stay."""
    with np.errstate(over="ignore"):
        rounded = edges.astype(np.float32)
        above = np.where(rounded < edges, np.nextafter(rounded, np.float32(np.inf)), rounded)
        below = np.nextafter(above, np.float32(-np.inf))
    middle = below.astype(np.float64) + (above.astype(np.float64) - below) / 2  # exact: one bit more
    least = np.where(middle.astype(np.float32) >= above, middle, np.nextafter(middle, np.inf))
    return np.where(np.isfinite(above) & np.isfinite(below), least, edges)


def _encoder(
    name: str, categories: tuple[int, ...] | tuple[str, ...], level_of: Mapping[int, int]
) -> CategoricalEncoder:
    """Where no tree tells anything apart, all have level 1, since an encoder has an element."""
    lift = 0 if max(level_of.values()) else 1
    levels = {position: level + lift for position, level in level_of.items()}
    return CategoricalEncoder(
        name,
        categories,
        tuple(levels[position] for position in range(len(categories))),
        levels.get(MISSING),
        levels.get(UNKNOWN),
    )


def _without_missing(encoder: CategoricalEncoder) -> tuple[CategoricalEncoder, dict[float, float]]:
    """The encoder without a level that only missing values had, and what each of the trees' edges becomes."""
    level_of = dict(enumerate(encoder.levels))
    if encoder.unknown is not None:
        level_of[UNKNOWN] = encoder.unknown
    left = sorted(set(level_of.values()))
    rank = {level: index for index, level in enumerate(left)}
    edges = {}
    for edge in range(1, encoder.size + 1):
        below = sum(level < edge for level in left)
        edges[float(edge)] = -np.inf if below == 0 else np.inf if below == len(left) else float(below)
    ranked = {position: rank[level] for position, level in level_of.items()}
    return _encoder(encoder.name, encoder.categories, ranked), edges


def _with_edges(tree: Tree, feature: int, edges: Mapping[float, float]) -> Tree:
    edge = tree.edge.copy()
    for node in np.flatnonzero(tree.feature == feature).tolist():
        edge[node] = edges.get(float(edge[node]), edge[node])
    return replace(tree, edge=edge)


def _missing_numbers(learned: Sequence[LearnedTree], features: int) -> dict[int, Missing]:
    """LOWEST where missing numbers always go left, HIGHEST elsewhere."""
    goes: dict[int, set[int]] = {feature: set() for feature in range(features)}
    for each in learned:
        numbers = each.tree.feature != LEAF
        numbers[list(each.left_sets)] = False
        for feature, missing in zip(each.tree.feature[numbers].tolist(), each.missing[numbers].tolist(), strict=True):
            goes[feature].add(missing)
    return {
        feature: Missing.LOWEST if LEFT in found and RIGHT not in found else Missing.HIGHEST
        for feature, found in goes.items()
    }


def _with_missing(each: LearnedTree, gaps: Mapping[int, Gaps]) -> LearnedTree:
    """Nodes that ask whether the value is missing, before those whose edge would send it to the wrong side."""
    tree = each.tree
    numbers = tree.feature != LEAF
    numbers[list(each.left_sets)] = False
    highest = np.isin(tree.feature, [feature for feature, kind in gaps.items() if kind is Missing.HIGHEST])
    edge = np.where(numbers & highest & (tree.edge == np.inf), MISSING_EDGE, tree.edge)
    asked = np.flatnonzero(numbers & highest & (each.missing == LEFT))
    moved = tree.feature.shape[0] + np.arange(asked.size)
    left, right = tree.left.copy(), tree.right.copy()
    left[asked], right[asked] = moved, tree.left[asked]
    asking = edge.copy()
    asking[asked] = MISSING_EDGE
    return LearnedTree(
        Tree(
            np.concatenate([tree.feature, tree.feature[asked]]),
            np.concatenate([asking, edge[asked]]),
            np.concatenate([left, tree.left[asked]]),
            np.concatenate([right, tree.right[asked]]),
            np.concatenate([tree.values, tree.values[asked]]),
            _asking_share(tree, asked),
        ),
        np.concatenate([each.missing, each.missing[asked]]),
        each.left_sets,
    )


def _share_beside_number(tree: Tree, asked: IntArray, to_right: npt.NDArray[np.bool_]) -> FloatArray | None:
    """Both nodes before the test stand for it: all rows go on to it, on whichever side it is."""
    if tree.goes_right is None:
        return None
    share = tree.goes_right.copy()
    share[asked] = to_right
    return np.concatenate([share, np.ones(asked.size), tree.goes_right[asked]])


def _asking_share(tree: Tree, asked: IntArray) -> FloatArray | None:
    """Nodes that ask whether the value is missing stand for those that they are put before: all rows go on to them."""
    if tree.goes_right is None:
        return None
    share = tree.goes_right.copy()
    share[asked] = 0.0
    return np.concatenate([share, tree.goes_right[asked]])


def _with_categories(each: LearnedTree, level_of: Mapping[int, Mapping[int, int]]) -> Tree:
    """Each test for a set, as a search among the intervals of levels that it is."""
    tree = each.tree
    if not each.left_sets:
        return tree
    nothing = np.zeros(tree.values.shape[1])
    nodes = [list(part) for part in (tree.feature, tree.edge, tree.left, tree.right, tree.values)]
    share = None if tree.goes_right is None else tree.goes_right.tolist()

    def write(node: int, feature: int, edges: list[int], children: list[int], weights: list[float]) -> None:
        middle = len(edges) // 2
        if share is not None:
            share[node] = part_of(weights[middle + 1 :], weights)
        sides = []
        for edges_here, children_here, weights_here in (
            (edges[:middle], children[: middle + 1], weights[: middle + 1]),
            (edges[middle + 1 :], children[middle + 1 :], weights[middle + 1 :]),
        ):
            if not edges_here:
                sides.append(children_here[0])
                continue
            sides.append(len(nodes[0]))
            for part, value in zip(nodes, (feature, 0.0, 0, 0, nothing), strict=True):
                part.append(value)
            if share is not None:
                share.append(0.5)
            write(sides[-1], feature, edges_here, children_here, weights_here)
        nodes[1][node], nodes[2][node], nodes[3][node] = float(edges[middle]), sides[0], sides[1]

    for node, left_set in each.left_sets.items():
        feature = int(tree.feature[node])
        levels = level_of[feature]
        goes_left = {level: position in left_set for position, level in levels.items()}
        answers = [goes_left[level] for level in range(len(goes_left))]
        edges = [level for level in range(1, len(answers)) if answers[level] != answers[level - 1]]
        children = [int(tree.left[node] if answers[level] else tree.right[node]) for level in (0, *edges)]
        if edges:
            right = 0.5 if share is None else share[node]
            write(node, feature, edges, children, side_weights([answers[level] for level in (0, *edges)], right))
        else:  # the same for all: an edge that nothing reaches
            nodes[1][node], nodes[2][node] = np.inf, children[0]
            if share is not None:
                share[node] = 0.0
    features, lefts, rights = (np.array(nodes[part], np.int64) for part in (0, 2, 3))
    shares = None if share is None else np.array(share, np.float64)
    return Tree(features, np.array(nodes[1], np.float64), lefts, rights, np.array(nodes[4], np.float64), shares)


def no_missing(nodes: IntArray) -> npt.NDArray[np.int8]:
    """Of a tree whose library takes no missing values: EITHER, everywhere."""
    return np.full(nodes.shape[0], EITHER, np.int8)
