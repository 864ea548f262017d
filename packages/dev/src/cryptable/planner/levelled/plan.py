"""Plans trees as products of bits: rounded leaf by leaf, taken apart by price, laid out as a circuit."""

from __future__ import annotations

from collections.abc import Callable

from cryptable_protocol import Decoder, Missing

from cryptable.graphs.contributions import Contributions
from cryptable.graphs.graph import TreeEnsemble
from cryptable.planner.levelled.circuit import lay_out
from cryptable.planner.levelled.contributions import with_contributions
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
    step: float | None = None,
    told: Contributions | None = None,
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
    found = find_plan(trees, bits.feature_of, outputs, prices, work=work, progress=progress)
    laid_out = lay_out(found, bits, max(highest(trees, outputs)))
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
