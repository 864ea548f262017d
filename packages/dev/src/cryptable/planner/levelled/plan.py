"""Plans trees as products of bits, or as tables that are turned, by price: leaves are rounded, circuits laid out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptable_protocol import Decoder, Missing

from cryptable.graphs.contributions import Contributions
from cryptable.graphs.graph import TreeEnsemble
from cryptable.planner.levelled.circuit import lay_out
from cryptable.planner.levelled.contributions import with_contributions
from cryptable.planner.levelled.oblivious import Tables, divided
from cryptable.planner.levelled.search import SEARCH_WORK, FoundPlan, SearchPrices, find_plan
from cryptable.planner.levelled.trees import BitTree, TreeReader, highest
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.thresholds.thermometers import encoder_of
from cryptable.planner.trees.round_leaves import round_leaves

_MUCH_LESS = 0.8
"""Times the price of products that are not searched for: the search saves no more."""


def plan_products(
    graph: TreeEnsemble,
    *,
    tolerance: float,
    prices: SearchPrices,
    work: int = SEARCH_WORK,
    keeps_ties: bool = False,
    step: float | None = None,
    told: Contributions | None = None,
    turns: bool = False,
    progress: Callable[[float], None] | None = None,
) -> PlannedModel:
    """Plan a model of trees for the scheme levelled. The same model and prices make the same circuit, always.

    Args:
        graph: the trees.
        tolerance: largest error of a score.
        prices: of selectors and products.
        work: of the search for a cheaper plan, as `find_plan` has it.
        keeps_ties: as `round_leaves` has it.
        step: of a score, where it is to be just this one.
        told: of each feature, to be answered beside the scores; the trees know how many rows went which way then.
        turns: whether trees may be tables that their bits turn, where that costs less.
        progress: told the fraction done.

    Raises:
        ConstantModelError: no score depends on the input.
        UnsupportedModelError: scores are wider, or trees larger, than the scheme evaluates; says what to do.
    """
    bits = Bits.of_trees(graph.trees, len(graph.feature_names))
    rounded = round_leaves(graph, tolerance=tolerance, keeps_ties=keeps_ties, step=step)
    reader = TreeReader(bits)
    zeros = (0,) * graph.outputs
    decoder = Decoder(graph.link, zeros, rounded.step, tuple(rounded.base.tolist()), graph.labels)
    read, contribution_error = rounded.graph.trees, None
    if told is not None:
        more = with_contributions(graph, rounded, told)
        read, decoder, contribution_error = more.trees, more.decoder, more.error
    outputs = len(decoder.offset)
    trees = [reader.read(tree) for tree in read]
    found, tables = _cheapest(trees, bits, outputs, prices, turns=turns, work=work, progress=progress)
    laid_out = lay_out(found, bits, max(highest(trees, outputs)), tables)
    return PlannedModel(
        laid_out.circuit,
        tuple(
            encoder_of(name, edges, as_float32=graph.as_float32, gaps=graph.gaps.get(feature, Missing.REFUSED))
            for feature, (name, edges) in enumerate(zip(graph.feature_names, laid_out.edges, strict=True))
        ),
        decoder,
        float(rounded.error.max()),
        scheme="levelled",
        contributions=told,
        contribution_error=contribution_error,
    )


def _cheapest(
    trees: Sequence[BitTree],
    bits: Bits,
    outputs: int,
    prices: SearchPrices,
    *,
    turns: bool,
    work: int,
    progress: Callable[[float], None] | None,
) -> tuple[FoundPlan, Tables | None]:
    """A plan of all trees, or one of those that are no tables beside these."""
    tables, others = divided(trees, outputs) if turns else (None, [])
    if tables is not None:
        beside = find_plan(others, bits.feature_of, outputs, prices, work=work, progress=progress)
        # Whether all trees are searched through as well: an oblivious forest needs no second look.
        quick = find_plan(trees, bits.feature_of, outputs, prices, work=0)
        if _price(beside, prices, tables) < _MUCH_LESS * _price(quick, prices):
            return beside, tables
    found = find_plan(trees, bits.feature_of, outputs, prices, work=work, progress=progress)
    if tables is not None and _price(beside, prices, tables) < _price(found, prices):
        return beside, tables
    return found, None


def _price(plan: FoundPlan, prices: SearchPrices, tables: Tables | None = None) -> float:
    """Of a plan, with tables: a turn costs about what a product with its form does."""
    numbers = plan.products.reached([plan.scores])
    selectors = {plan.products.selectors[number] for number in numbers}
    turning: frozenset[int] = frozenset() if tables is None else tables.selectors
    turns = 0 if tables is None else tables.products
    return prices.selector * len(selectors | turning) + prices.product * (len(numbers) + turns)
