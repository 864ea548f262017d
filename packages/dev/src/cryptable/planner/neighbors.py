"""Plans nearest neighbours: which of two rows is nearer is one comparison, how many are nearer is one more a row.

d_i - d_j, of squared distances to two training rows, is linear in the client's row, whose own square cancels. So one
lookup of its sign says which is nearer, whatever the number of features. A row counts where fewer than k others are
nearer: one lookup of the number of comparisons that it has lost. The votes of one class are what the others leave of k,
so nothing is looked up for its rows. The client learns the sums of targets alone, no distance.

Most comparisons never matter. Walking away from row i, others become nearer, one after the other, and never less near
again. So the border of the region where i counts consists of points at which exactly k others are nearer; those others,
for all points of the border, are all that i need ever be compared with (the edges of the Voronoi diagram of order k).

A sign needs no exact difference: lookups drop its lower bits. Where two rows are about equally far, either may come out
as the nearer one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Node, Term
from cryptable_protocol import AffineEncoder, Decoder, FeatureEncoder, UnusedFeature

from cryptable.console.progress import progress_bar
from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.neighbors import NeighborsModel
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner

Others: TypeAlias = dict[int, IntArray]
"""By training row, those that it must be compared with."""

SIGN_BITS = 4
"""Of a comparison, by default: parameters at which differences of about 0.5 % of their range come out right."""
MAX_LOOKUPS = 1 << 16
"""The engine's verifier takes no more."""
_LEVELS = 256
"""Of a feature: finer than comparisons are."""
_DIFFERENCE_BITS = 18
"""Of a comparison, before bits are dropped: finer than features are."""
_MAX_RANK_BITS = 8
_SAMPLES = 20_000
"""Of a round."""
_MOST_ROUNDS = 40
_LEAST_NEW = 0.001
"""Of a round's points, with which the search for borders ends: by Good and Turing, the share of points like these at
borders that no point has found."""
_SPREAD = (0.05, 0.2, 0.5, 1.0)
"""Of the samples around rows, in standard deviations of each feature."""
_MIXED_SPREAD = 0.1
"""The same around rows whose values are of different rows."""


@dataclass(frozen=True, eq=False)
class _Borders:
    """Which comparisons matter, and for which training rows."""

    others: Others
    """Of the rows that count at some points and not at others."""
    always: IntArray
    """Rows that count everywhere."""


@planner(
    NeighborsModel,
    kind="a model of nearest neighbours",
    cheaper="comparisons grow faster than training rows: fit on fewer, as on cluster centres of each class, or fit "
    "NearestCentroid, which needs no lookup",
    closer="which of two training rows that are about equally far is the nearer one is left to rounding: fit on fewer "
    "rows, as on cluster centres of each class, that are farther apart",
    least_labels=0.99,
)
def plan(graph: NeighborsModel, task: Task) -> PlannedModel:
    """For the registry."""
    sign_bits = task.settings.table_bits or SIGN_BITS
    with progress_bar("planning comparisons", enabled=task.settings.show_progress) as report:
        return plan_neighbors(graph, task.rows, tolerance=task.tolerance, sign_bits=sign_bits, progress=report)


def plan_neighbors(
    model: NeighborsModel,
    rows: FloatArray,
    *,
    tolerance: float,
    sign_bits: int,
    progress: Callable[[float], None] | None = None,
) -> PlannedModel:
    """Plan nearest neighbours.

    Args:
        model: the training rows.
        rows: calibration data; with the training rows they span the range of the encoders.
        tolerance: largest error of a score, the neighbours being the right ones.
        sign_bits: width of the comparisons.
        progress: told the fraction done.

    Raises:
        UnsupportedModelError: too many comparisons, or too many that one row is part of.
    """
    known = np.concatenate([model.points, rows])
    low, high = known.min(axis=0), known.max(axis=0)
    used = np.flatnonzero(high > low)
    targets = _targets(model, tolerance)
    borders = _borders(model, known, low, high, progress)
    others = {row: found for row, found in borders.others.items() if targets.heights[row]}
    if not others:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    pairs = sorted({(min(i, j), max(i, j)) for i, found in others.items() for j in found.tolist()})
    if len(pairs) + len(others) > MAX_LOOKUPS:
        raise UnsupportedModelError(
            f"nearest neighbours among {len(model.points)} rows take {len(pairs)} comparisons, one lookup each, more "
            f"than {MAX_LOOKUPS}; fit on fewer rows, as on cluster centres of each class, or fit NearestCentroid, "
            "which needs no lookup"
        )
    index = {pair: position for position, pair in enumerate(pairs)}
    step = (high - low) / (_LEVELS - 1)
    nodes: list[Node] = [
        Input((InputGroup(GroupKind.RANGE, 1, _LEVELS - 1),) * used.size),
        _differences(model.points[:, used], np.array(pairs), low[used], step[used], sign_bits),
        Lookup(
            1,
            np.full((1, 1 << sign_bits), 2),
            np.zeros(len(pairs), np.int64),
            _DIFFERENCE_BITS - sign_bits,
            np.array([2]),
        ),
    ]
    terms, names = [], ["comparisons"]
    for width, members in _by_width(others, model.k).items():
        nodes += [_losses(others, members, index, model.k), _counts(len(nodes), targets.heights[members], width)]
        terms.append(Term.from_dense(len(nodes) - 1, targets.signs[members]))
        names.append("counts")
    # What may be subtracted is added beforehand, and taken away again by the decoder.
    held = np.maximum(-targets.signs, 0).T @ targets.heights
    sure = targets.signs[borders.always].T @ targets.heights[borders.always]
    nodes.append(Linear(tuple(terms), held + sure))
    encoders: list[FeatureEncoder] = [UnusedFeature(name) for name in model.feature_names]
    for column in used.tolist():
        encoders[column] = AffineEncoder(model.feature_names[column], float(low[column]), float(step[column]), _LEVELS)
    decoder = Decoder(model.link, tuple((-held).tolist()), targets.unit / (2 * model.k), targets.base, model.labels)
    circuit = Circuit(tuple(nodes), len(nodes) - 1)
    return PlannedModel(circuit, tuple(encoders), decoder, targets.error, layer_names=tuple(names))


def _samples(known: FloatArray, low: FloatArray, high: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Points to look for borders at: all over the encoders' range, around the data, and around mixtures of its rows.

    In many dimensions, few of what is uniform in the range comes near to rows that a client may have.
    """
    count, spread = _SAMPLES // 4, known.std(axis=0)
    parts = [generator.uniform(low, high, (count, len(low)))]
    for scale in _SPREAD:
        around = known[generator.integers(0, len(known), 2 * count // len(_SPREAD))]
        parts.append(around + generator.normal(size=around.shape) * scale * spread)
    mixed = known[generator.integers(0, len(known), (count, len(low))), np.arange(len(low))]
    parts.append(mixed + generator.normal(size=mixed.shape) * _MIXED_SPREAD * spread)
    samples: FloatArray = np.concatenate(parts).clip(low, high)
    return samples


def _borders(
    model: NeighborsModel,
    known: FloatArray,
    low: FloatArray,
    high: FloatArray,
    progress: Callable[[float], None] | None,
) -> _Borders:
    """What points find, round by round, until next to none of them finds anything new."""
    count, k = len(model.points), model.k
    if k >= count:
        return _Borders({}, np.arange(count, dtype=np.int64))
    found = _Found.of(model)
    generator = np.random.default_rng(0)
    found.look(known)
    for number in range(_MOST_ROUNDS):
        new = found.look(_samples(known, low, high, generator))
        if progress is not None:
            progress((number + 1) / _MOST_ROUNDS)
        if new <= _LEAST_NEW:
            break
    if progress is not None:
        progress(1.0)
    counts, beyond = found.counts, found.beyond
    others = {i: np.flatnonzero(beyond[i]) for i in np.flatnonzero(counts & beyond.any(axis=1)).tolist()}
    return _Borders(others, np.flatnonzero(counts & ~beyond.any(axis=1)))


@dataclass(frozen=True, eq=False)
class _Found:
    """Which rows count somewhere, and beside which row i row j is one of the k nearest, i being the next one."""

    model: NeighborsModel
    squares: FloatArray
    counts: npt.NDArray[np.bool_]
    beyond: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, model: NeighborsModel) -> _Found:
        """Nothing yet."""
        count = len(model.points)
        squares = np.square(model.points).sum(axis=1)
        return cls(model, squares, np.zeros(count, np.bool_), np.zeros((count, count), np.bool_))

    def look(self, points: FloatArray) -> float:
        """Add what these points find; returns the share of them that find something new."""
        k, new = self.model.k, 0
        for chunk in np.array_split(points, max(1, len(points) * len(self.squares) // 2_000_000)):
            nearest = np.argpartition(self.squares - 2 * chunk @ self.model.points.T, k, axis=1)[:, : k + 1]
            new += int((~self.beyond[nearest[:, k:], nearest[:, :k]]).any(axis=1).sum())
            self.counts[nearest[:, :k]] = True
            self.beyond[nearest[:, k:], nearest[:, :k]] = True
        return new / len(points)


def _differences(points: FloatArray, pairs: IntArray, low: FloatArray, step: FloatArray, sign_bits: int) -> Linear:
    """For each pair (i, j), d_i - d_j in units of its own, such that half a turn is its range; 0 or more: j is nearer.

    Over the range of the encoders it stays half a position away from half a turn, where its sign would change.
    """
    first, second = points[pairs[:, 0]], points[pairs[:, 1]]
    slopes = 2 * (second - first) * step  # of a level
    middle = (_LEVELS - 1) / 2
    centre = ((2 * (second - first)) * (low + middle * step)).sum(axis=1) + np.square(first).sum(axis=1)
    centre -= np.square(second).sum(axis=1)
    reach = np.abs(centre) + np.abs(slopes).sum(axis=1) * middle
    top = (1 << _DIFFERENCE_BITS) - (1 << (_DIFFERENCE_BITS - sign_bits)) - len(step) * _LEVELS
    unit = np.where(reach > 0, reach, 1.0) / top
    weights: IntArray = np.rint(slopes / unit[:, None]).astype(np.int64)
    # The rounded weights err around the middle of the range, not at its end.
    offset = np.rint(centre / unit - weights.sum(axis=1) * middle).astype(np.int64)
    half_position = 1 << (_DIFFERENCE_BITS - sign_bits - 1)
    return Linear((Term.from_dense(0, weights.T),), offset - half_position)


def _by_width(others: Others, k: int) -> dict[int, list[int]]:
    """Rows by the width that the number of lost comparisons takes: k - 1 less what is lost lies within half a turn."""
    result: dict[int, list[int]] = {}
    for row, found in others.items():
        width = max(2, (k - 1).bit_length(), max(0, len(found) - k).bit_length())
        if width > _MAX_RANK_BITS:
            raise UnsupportedModelError(
                f"training row {row} must be compared with {len(found)} others, more than a lookup can count; fit on "
                "fewer rows, as on cluster centres of each class"
            )
        result.setdefault(width, []).append(row)
    return dict(sorted(result.items()))


def _losses(others: Others, members: list[int], index: dict[tuple[int, int], int], k: int) -> Linear:
    """2 (k - 1 - comparisons lost), from bits that are 2 where the second of the pair is nearer."""
    entries = []
    offset = np.full(len(members), 2 * (k - 1), np.int64)
    for column, row in enumerate(members):
        for other in others[row].tolist():
            is_first = row < other
            entries.append((index[min(row, other), max(row, other)], column, -1 if is_first else 1))
            offset[column] -= 0 if is_first else 2
    rows, columns, weights = np.array(sorted(entries), np.int64).T
    return Linear((Term(2, rows, columns, weights),), offset)


def _counts(source: int, heights: IntArray, width: int) -> Lookup:
    """The row's height where it has lost fewer than k comparisons, else 0."""
    distinct, table_of = np.unique(heights, return_inverse=True)
    tables = np.repeat(distinct[:, None], 1 << width, axis=1)
    return Lookup(source, tables, table_of.reshape(-1).astype(np.int64), 1, distinct)


@dataclass(frozen=True, eq=False)
class _Targets:
    """score[j] = base[j] + unit / (2 k) * the sum over the rows i that count of heights[i] * signs[i, j]."""

    heights: IntArray
    """Even, so that half of them are centres of tables."""
    signs: IntArray
    unit: float
    base: tuple[float, ...]
    error: float


def _targets(model: NeighborsModel, tolerance: float) -> _Targets:
    if model.labels is None:
        column = model.targets[:, 0]
        spread = float(np.ptp(column))
        unit = spread / max(1, int(np.ceil(spread / (2 * tolerance)))) if spread else 1.0
        heights = 2 * np.rint((column - column.min()) / unit).astype(np.int64)
        return _Targets(heights, np.ones((len(column), 1), np.int64), unit, (float(column.min()),), unit / 2)
    votes = model.targets.astype(np.int64)
    if len(model.labels) == 2:
        votes = np.concatenate([1 - votes, votes], axis=1)
    left_over = int(votes.sum(axis=0).argmax())
    heights = 2 * (1 - votes[:, left_over])
    signs = votes - np.eye(votes.shape[1], dtype=np.int64)[left_over]
    base = np.eye(votes.shape[1])[left_over]
    if len(model.labels) == 2:
        signs, base = signs[:, 1:], base[1:]
    return _Targets(heights, signs, 1.0, tuple(base.tolist()), 0.0)
