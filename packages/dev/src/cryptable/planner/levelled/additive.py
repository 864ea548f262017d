"""Plans additive models for the scheme levelled: a pair of features takes one product for each bit of one of them.

A function of two thermometers is a constant, functions of each alone, and its mixed differences times products of two
bits. Those of all pairs and scores that have a bit in common are one product of it with the sum of their other bits.
"""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Decoder, InternalError, Missing
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.console.progress import progress_bar
from cryptable.cost.levelled import LevelledPrices
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.additive import additive_tolerance, bits_of
from cryptable.planner.coarsen import coarsen
from cryptable.planner.levelled.circuit import lay_out
from cryptable.planner.levelled.polynomials import Polynomial, Term, add_to, horner
from cryptable.planner.levelled.products import Products
from cryptable.planner.levelled.search import FoundPlan
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.thresholds.thermometers import encoder_of

_BONUSES = (0.0, 1.0, 4.0)
"""Terms that it counts for that a bit is a selector already: tried one after the other."""
_MOST_READS = 2500
"""Weights of bits, where there are products: each adds noise and rounding."""
_MOST_TERMS = 500_000
"""Products of two bits, in all pairs: some seconds of planning."""


@planner(
    AdditiveModel,
    scheme=LEVELLED,
    kind="an additive model",
    cheaper="only pairs take products: fewer (interactions=) or coarser ones (max_interaction_bins=) cost less",
    tolerance=additive_tolerance,
)
def plan(graph: AdditiveModel, task: Task) -> PlannedModel:
    """Bins merged and values rounded, then products by price."""
    if not isinstance(task.prices, LevelledPrices):
        raise InternalError(f"prices of class {type(task.prices).__name__}, expected the scheme levelled's")
    small = coarsen(graph, tolerance=task.tolerance)
    bits = bits_of(small.graph)
    with progress_bar("planning products", enabled=task.settings.show_progress) as report:
        polynomial = polynomial_of(small.graph, bits)
        report(0.3)
        found = _cheapest(polynomial, bits, graph.outputs, task.prices)
    _check_reads(found)
    laid_out = lay_out(found, bits, _highest(small.graph))
    return PlannedModel(
        laid_out.circuit,
        tuple(
            encoder_of(name, edges, as_float32=graph.as_float32, gaps=Missing.REFUSED)
            for name, edges in zip(graph.feature_names, laid_out.edges, strict=True)
        ),
        Decoder(graph.link, (0,) * graph.outputs, small.step, tuple(small.base.tolist()), graph.labels),
        float(small.error.max()),
        scheme="levelled",
    )


def _check_reads(found: FoundPlan) -> None:
    """Refuse at once what parameters would be sought for in vain, for minutes.

    Raises:
        UnsupportedModelError: products, and more weights of bits than noise allows.
    """
    reached = found.products.reached([found.scores])
    reads = sum(len(found.products.forms[number].weights) for number in reached) + len(found.scores.weights)
    if reached and reads > _MOST_READS:
        raise UnsupportedModelError(
            f"scheme 'levelled': noise: pairs and functions read {reads} bits, more than {_MOST_READS}, beside "
            "products; fit with fewer pairs (interactions=) or coarser ones (max_interaction_bins=, max_bins=), raise "
            "tolerance=, or use scheme='bootstrapped'"
        )


def polynomial_of(graph: AdditiveModel, bits: Bits) -> Polynomial:
    """An additive model of integers as a polynomial of bits.

    Raises:
        UnsupportedModelError: it has too many products of two bits.
    """
    terms = sum((pair.values.shape[0] - 1) * (pair.values.shape[1] - 1) for pair in graph.pairs)
    if terms > _MOST_TERMS:
        raise UnsupportedModelError(
            f"its {len(graph.pairs)} pairwise terms have so many bins that they take {terms} products of two bits, "
            f"more than {_MOST_TERMS}: fit with fewer pairs (interactions=) or coarser ones "
            "(max_interaction_bins=), or raise tolerance="
        )
    total: Polynomial = {}
    for function in graph.functions:
        add_to(total, _of_function(function, bits))
    for pair in graph.pairs:
        add_to(total, _of_pair(pair, bits))
    return total


def _of_function(function: StepFunction, bits: Bits) -> Polynomial:
    numbers = _numbers(bits, function.feature, function.edges)
    return _differences(function.values, [numbers])


def _of_pair(pair: PairFunction, bits: Bits) -> Polynomial:
    numbers = [_numbers(bits, feature, edges) for feature, edges in zip(pair.features, pair.edges, strict=True)]
    return _differences(pair.values, numbers)


def _numbers(bits: Bits, feature: int, edges: FloatArray) -> list[int]:
    return [bits.index[feature, float(edge)] for edge in edges]


def _differences(values: FloatArray, numbers: list[list[int]]) -> Polynomial:
    """The value where all bits are 0, and by how much each bit, or pair of bits, adds to what is below it."""
    mixed: IntArray = np.rint(values).astype(np.int64)
    for axis in range(len(numbers)):
        mixed = np.diff(mixed, axis=axis, prepend=0)
    found: Polynomial = {}
    for place in np.argwhere(mixed.any(axis=-1)).tolist():
        term: Term = tuple(sorted(numbers[axis][index - 1] for axis, index in enumerate(place) if index))
        added = mixed[tuple(place)].tolist()
        add_to(found, {term: {output: weight for output, weight in enumerate(added) if weight}})
    return found


def _highest(graph: AdditiveModel) -> int:
    """Of any score: no row that a client encodes can have more."""
    parts = [function.values.max(axis=0) for function in graph.functions]
    parts += [pair.values.max(axis=(0, 1)) for pair in graph.pairs]
    return round(float(np.sum(parts, axis=0).max()))


def _cheapest(polynomial: Polynomial, bits: Bits, outputs: int, prices: LevelledPrices) -> FoundPlan:
    best: tuple[float, FoundPlan] | None = None
    for bonus in _BONUSES:
        products = Products(bits.feature_of, outputs)
        scores = products.normal(horner(polynomial, products, set(), bonus, {}, lambda _: None))
        reached = products.reached([scores])
        price = prices.product * len(reached) + prices.selector * len({products.selectors[each] for each in reached})
        if best is None or price < best[0]:
            best = price, FoundPlan(products, scores, 0)
    if best is None:
        raise InternalError("no plan was tried")
    return best[1]
