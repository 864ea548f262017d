"""Plans additive models: functions of one feature are free, functions of two are cut into tiles that tables hold.

A function f of two thermometers is determined, up to functions of each alone, by its mixed differences
f[k+1, l+1] - f[k+1, l] - f[k, l+1] + f[k, l], one for each pair of edges. So a table that counts a edges of one feature
and b of the other takes care of a tile of a * b pairs of edges, in (a + 1)(b + 1) codes; tiles add up to the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from cryptable_protocol import Decoder, Link

from cryptable.console.progress import progress_bar
from cryptable.cost.prices import Draft, PriceList
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction
from cryptable.graphs.contributions import Contributions, additive_parts, contributions
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.coarsen import coarsen
from cryptable.planner.contributions import add_scores
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.tolerance import RELATIVE_TOLERANCE, by_link, deviation
from cryptable.planner.trees.codes import Code
from cryptable.planner.trees.fill_tables import FeatureFunction, FloatOutput, FloatTable
from cryptable.planner.trees.lower import lower
from cryptable.planner.trees.quantize import MAX_OUTPUT_WIDTH, scale_integral
from cryptable.planner.trees.set_cover import TableCover
from cryptable.planner.trees.tree_polynomials import Alphabet

MAX_LINEAR_WIDTH = 36
"""Bits of a score that crypto parameters exist for where nothing is looked up."""
MAX_LOOKUPS = 1 << 16
"""The engine's verifier takes no more."""
_MAX_SEARCHED = 400
"""Tiles up to which it is worth searching for tables that hold several."""


@dataclass(frozen=True, eq=False)
class _Tile:
    """Part of a pair function, of one output: values by edges reached, shape (first bits + 1, second bits + 1).

    Zero where either count is 0, so that it vanishes outside.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    values: IntArray

    @property
    def mask(self) -> int:
        return sum(1 << bit for bit in (*self.first, *self.second))


def additive_tolerance(graph: AdditiveModel, scores: FloatArray) -> float:
    """Every bin costs a ciphertext, and errors add up over features to the bound only in theory."""
    if graph.link in (Link.SIGMOID, Link.SOFTMAX):
        return max(by_link(graph, scores), RELATIVE_TOLERANCE * deviation(scores))
    return by_link(graph, scores)


@planner(
    AdditiveModel,
    kind="an additive model",
    cheaper="only pairwise terms take lookups: fewer (interactions=) or coarser ones (max_interaction_bins=) cost less",
    tolerance=additive_tolerance,
    explains=True,
)
def plan(graph: AdditiveModel, task: Task) -> PlannedModel:
    """For the registry."""
    with progress_bar("planning lookups", enabled=task.settings.show_progress) as report:
        return plan_additive(
            graph,
            tolerance=task.tolerance,
            widths=task.widths,
            prices=task.prices,
            told=contributions(graph) if task.settings.explain else None,
            progress=report,
        )


def plan_additive(
    graph: AdditiveModel,
    *,
    tolerance: float,
    widths: tuple[int, ...],
    prices: PriceList,
    told: Contributions | None = None,
    progress: Callable[[float], None] | None = None,
) -> PlannedModel:
    """Plan an additive model.

    Args:
        graph: the model.
        tolerance: largest error of a score.
        widths: table widths to choose from, in bits.
        prices: by which the cheapest width is chosen.
        told: of each feature and pair, to be answered beside the scores.
        progress: told the fraction done.

    Raises:
        UnsupportedModelError: scores too fine, or pairs with too many bins, for any circuit.
    """
    small = coarsen(graph, tolerance=tolerance, is_shared=told is None)
    bits = bits_of(small.graph)
    # One sum a score; or, where contributions are told, one for each of them, which the scores are sums of.
    alone = [small.graph] if told is None else [part for _, part in additive_parts(small.graph)]
    sums = [(part, output) for output in range(graph.outputs) for part in alone]
    drafts = {width: [_tiles(part, bits, output, width) for part, output in sums] for width in widths}
    width = min(widths, key=lambda each: prices.draft(Draft(lookups=sum(map(len, drafts[each])), width=each)))
    lookups = sum(map(len, drafts[width]))
    if lookups > MAX_LOOKUPS:
        raise UnsupportedModelError(
            f"its {len(graph.pairs)} pairwise terms have so many bins that they take {lookups} lookups of {width} "
            f"bits, more than {MAX_LOOKUPS}: fit with fewer pairs (interactions=) or coarser ones "
            "(max_interaction_bins=8 makes one lookup of 6 bits a pair, 4 one of 4 bits), or raise tolerance="
        )
    outputs = []
    for (part, output), tiles in zip(sums, drafts[width], strict=True):
        outputs.append(_output(part, bits, output, tiles, width))
        if progress is not None:
            progress(len(outputs) / len(sums))
    base, error = (small.base, small.error) if told is None else (small.constants.T, small.errors.T)
    plan = scale_integral(outputs, step=small.step, base=base.reshape(-1).tolist(), error=error.reshape(-1).tolist())
    highest = max(
        sum(each.maximum - each.minimum for each in plan.outputs[first : first + len(alone)])
        for first in range(0, len(sums), len(alone))
    )
    most, needed = MAX_OUTPUT_WIDTH if lookups else MAX_LINEAR_WIDTH, max(1, highest.bit_length())
    if needed > most:
        raise UnsupportedModelError(
            f"scores within {tolerance:.3g} take {needed} bits, more than the {most} that crypto parameters exist "
            "for; raise tolerance="
        )
    laid_out = lower(
        plan,
        bits,
        feature_names=graph.feature_names,
        as_float32=graph.as_float32,
        width=width,
        link=graph.link if told is None else Link.IDENTITY,
        labels=graph.labels if told is None else None,
    )
    if told is None:
        return laid_out
    lowest, base = (np.reshape(each, (graph.outputs, -1)) for each in (laid_out.decoder.offset, laid_out.decoder.base))
    offset = tuple(lowest.sum(axis=1).tolist())
    scores = Decoder(graph.link, offset, small.step, tuple((graph.base + base.sum(axis=1)).tolist()), graph.labels)
    return add_scores(
        replace(laid_out, decoder=scores, error_bound=float(small.error.max())),
        laid_out.circuit,
        offset=lowest.astype(np.int64),
        constant=base,
        error=small.errors.T,
        told=told,
        maximum=highest,
    )


def bits_of(graph: AdditiveModel) -> Bits:
    """One for each edge of any function or pair."""
    edges: list[set[float]] = [set() for _ in graph.feature_names]
    for function in graph.functions:
        edges[function.feature].update(function.edges.tolist())
    for pair in graph.pairs:
        for feature, each in zip(pair.features, pair.edges, strict=True):
            edges[feature].update(each.tolist())
    return Bits(tuple(tuple(sorted(each)) for each in edges))


# -- tiles ------------------------------------------------------------------------------------------------------------


def _tiles(graph: AdditiveModel, bits: Bits, output: int, width: int) -> list[_Tile]:
    """All tiles of one output that are not zero."""
    result = []
    for pair in graph.pairs:
        values = pair.values[:, :, output].astype(np.int64)
        mixed = np.diff(np.diff(values, axis=0), axis=1)
        rows, columns = np.flatnonzero(mixed.any(axis=1)), np.flatnonzero(mixed.any(axis=0))
        if not rows.size:
            continue
        mixed = mixed[np.ix_(rows, columns)]
        height, length = _tile_shape(rows.size, columns.size, 1 << width)
        for top in range(0, rows.size, height):
            for left in range(0, columns.size, length):
                part = mixed[top : top + height, left : left + length]
                if part.any():
                    first = _bit_numbers(bits, pair, 0, rows[top : top + height])
                    second = _bit_numbers(bits, pair, 1, columns[left : left + length])
                    sums = part.cumsum(axis=0).cumsum(axis=1)
                    result.append(_Tile(first, second, np.pad(sums, ((1, 0), (1, 0)))))
    return result


def _bit_numbers(bits: Bits, pair: PairFunction, side: int, edges: IntArray) -> tuple[int, ...]:
    return tuple(bits.index[pair.features[side], float(edge)] for edge in pair.edges[side][edges])


def _tile_shape(rows: int, columns: int, capacity: int) -> tuple[int, int]:
    """The tile of at most `capacity` codes that takes the fewest tables; of equals, the one with the fewest codes."""
    best = (float("inf"), float("inf"), 0, 0)
    for height in range(1, min(rows, capacity // 2 - 1) + 1):
        length = min(columns, capacity // (height + 1) - 1)
        if length < 1:
            break
        tables = -(-rows // height) * -(-columns // length)
        height_used, length_used = -(-rows // -(-rows // height)), -(-columns // -(-columns // length))
        best = min(best, (tables, (height_used + 1) * (length_used + 1), height_used, length_used))
    return best[2], best[3]


# -- filling ----------------------------------------------------------------------------------------------------------


def _output(graph: AdditiveModel, bits: Bits, output: int, tiles: Sequence[_Tile], width: int) -> FloatOutput:
    alphabet = Alphabet(bits)
    cover = TableCover(alphabet.digit_of, alphabet.digit_sizes, 1 << width)
    constant, by_feature = _functions(graph, bits, output)
    masks = [tile.mask for tile in tiles]
    if 1 < len(tiles) <= _MAX_SEARCHED:
        masks = cover.solve(masks, rounds=min(2000, 20_000_000 // (1 + len(tiles) ** 2)))
    codes = {mask: Code.of_mask(mask, alphabet) for mask in masks if mask}
    entries = {mask: np.zeros(code.size) for mask, code in codes.items()}
    for tile in tiles:
        mask = next(each for each in codes if tile.mask & each == tile.mask)
        centred, rows, columns = _centre(tile.values)
        for side, values in ((tile.first, rows), (tile.second, columns)):
            _add_steps(by_feature, bits, side, values)
        counts = [_count(side, codes[mask]) for side in (tile.first, tile.second)]
        entries[mask] += centred[counts[0], counts[1]]
    functions = []
    for feature, values in sorted(by_feature.items()):
        numbers = tuple(bits.index[feature, edge] for edge in bits.edges[feature])
        functions.append(FeatureFunction(numbers, values))
    tables = tuple(FloatTable(codes[mask], entries[mask]) for mask in codes)
    return FloatOutput(constant, tables, tuple(functions))


def _functions(graph: AdditiveModel, bits: Bits, output: int) -> tuple[float, dict[int, FloatArray]]:
    """What is free: a constant, and by feature that has bits its own function and what pairs add along lowest bins."""
    constant = 0.0
    result = {feature: np.zeros(len(edges) + 1) for feature, edges in enumerate(bits.edges) if edges}

    def add(feature: int, edges: FloatArray, values: FloatArray) -> None:
        nonlocal constant
        if feature in result:
            below = np.r_[-np.inf, np.asarray(bits.edges[feature])]
            result[feature] += values[np.searchsorted(edges, below, side="right")]
        else:  # all of its bins were merged into one, which need not be worth 0 in a pair
            constant += float(values[0])

    for function in graph.functions:
        add(function.feature, function.edges, function.values[:, output])
    for pair in graph.pairs:
        values = pair.values[:, :, output]
        add(pair.features[0], pair.edges[0], values[:, 0])
        add(pair.features[1], pair.edges[1], values[0, :] - values[0, 0])
    return constant, result


def _centre(values: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Integers (rest, by row, by column) with values = rest + by row + by column, the rest's range small."""
    rows = np.rint(values.mean(axis=1))
    columns = np.rint((values - rows[:, None]).mean(axis=0))
    rest = values - rows[:, None] - columns
    if np.ptp(rest) >= np.ptp(values):
        return values.astype(np.float64), np.zeros(values.shape[0]), np.zeros(values.shape[1])
    return rest, rows, columns


def _add_steps(by_feature: dict[int, FloatArray], bits: Bits, side: tuple[int, ...], values: FloatArray) -> None:
    """Add a function of the number of `side`'s bits that are on."""
    feature = bits.feature_of[side[0]]
    start = bits.index[feature, bits.edges[feature][0]]
    reached = np.arange(len(bits.edges[feature]) + 1)
    by_feature[feature] += values[np.searchsorted(np.array(side) - start, reached, side="left")]


def _count(side: tuple[int, ...], code: Code) -> IntArray:
    """How many of `side`'s bits are on, for each code; shape (code.size,)."""
    total: IntArray = np.zeros(code.size, np.int64)
    for bit in side:
        total += code.product(1 << bit)
    return total
