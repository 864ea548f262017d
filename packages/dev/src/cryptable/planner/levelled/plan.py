"""Plans trees as products of bits: rounded leaf by leaf, taken apart by price, laid out as a circuit."""

from __future__ import annotations

from collections.abc import Callable

from cryptable_protocol import Decoder, Missing

from cryptable.graphs.graph import TreeEnsemble
from cryptable.planner.levelled.circuit import lay_out
from cryptable.planner.levelled.search import SEARCH_WORK, SearchPrices, find_plan
from cryptable.planner.levelled.trees import TreeReader, highest
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.thresholds.thermometers import encoder_of
from cryptable.planner.trees.round_leaves import round_leaves


def plan_products(
    graph: TreeEnsemble,
    *,
    tolerance: float,
    prices: SearchPrices,
    work: int = SEARCH_WORK,
    keeps_ties: bool = False,
    progress: Callable[[float], None] | None = None,
) -> PlannedModel:
    """Plan a model of trees for the scheme levelled. The same model and prices make the same circuit, always.

    Args:
        graph: the trees.
        tolerance: largest error of a score.
        prices: of selectors and products.
        work: of the search for a cheaper plan, as `find_plan` has it.
        keeps_ties: as `round_leaves` has it.
        progress: told the fraction done.

    Raises:
        ConstantModelError: no score depends on the input.
        UnsupportedModelError: scores are wider, or trees larger, than the scheme evaluates; says what to do.
    """
    bits = Bits.of_trees(graph.trees, len(graph.feature_names))
    rounded = round_leaves(graph, tolerance=tolerance, keeps_ties=keeps_ties)
    reader = TreeReader(bits)
    trees = [reader.read(tree) for tree in rounded.graph.trees]
    found = find_plan(trees, bits.feature_of, graph.outputs, prices, work=work, progress=progress)
    laid_out = lay_out(found, bits, max(highest(trees, graph.outputs)))
    return PlannedModel(
        laid_out.circuit,
        tuple(
            encoder_of(name, edges, as_float32=graph.as_float32, gaps=graph.gaps.get(feature, Missing.REFUSED))
            for feature, (name, edges) in enumerate(zip(graph.feature_names, laid_out.edges, strict=True))
        ),
        Decoder(graph.link, (0,) * graph.outputs, rounded.step, tuple(rounded.base.tolist()), graph.labels),
        float(rounded.error.max()),
        scheme="levelled",
    )
