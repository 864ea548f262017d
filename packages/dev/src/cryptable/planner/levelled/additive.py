"""Plans additive models for the scheme levelled: a pair of features takes one product for each bit of one of them.

A function of two thermometers is a constant, functions of each alone, and its mixed differences times products of two
bits. Those of all pairs and scores that have a bit in common are one product of it with the sum of their other bits.
"""

from __future__ import annotations

import numpy as np
from cryptable_engine.schemes.levelled.linear.choice import AIM_DOWN, AIM_UP
from cryptable_protocol import Decoder, InternalError, Missing
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.console.progress import progress_bar
from cryptable.cost.levelled import (
    LevelledPrices,
    linear_seconds,
    reading_seconds,
    seconds_of,
    signs_of,
    turns_of,
)
from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.additive import additive_tolerance, bits_of
from cryptable.planner.coarsen import Coarsened, coarsen
from cryptable.planner.levelled.circuit import lay_out
from cryptable.planner.levelled.pairs.plan import plan_turned_pairs
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.levelled.polynomials import Polynomial, Term, add_to, horner
from cryptable.planner.levelled.products import Products
from cryptable.planner.levelled.search import FoundPlan
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.thresholds.thermometers import encoder_of

_BONUSES = (0.0, 1.0, 4.0)
"""Terms that it counts for that a bit is a selector already: tried one after the other."""
_GROWTH, _MOST_GROWTHS = 1.3, 4
"""Times a tolerance that nobody asked for, where noise does not bear pairs; and how often."""
_FINENESS = (1.0, 16.0, 128.0)
"""Of steps, where there are no pairs: finer ones leave fewer bits, and answers of more."""
_MANY_TERMS = 10_000
"""Above which tables are not compared with products of bits, whose plans take up to a minute: they have fewer bytes."""
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
    tolerance = task.tolerance
    for _ in range(_MOST_GROWTHS):
        try:
            return _with_parameters(graph, tolerance, task)
        except ConstantModelError:
            raise
        except UnsupportedModelError:
            if task.settings.tolerance is not None or not graph.pairs:
                raise
            tolerance *= _GROWTH
    return _with_parameters(graph, tolerance, task)


def _with_parameters(graph: AdditiveModel, tolerance: float, task: Task) -> PlannedModel:
    """A plan that some parameters suit.

    Raises:
        UnsupportedModelError: there are none.
    """
    if graph.pairs:
        return _of_pairs(graph, coarsen(graph, tolerance=tolerance), task)
    found: list[tuple[int, int, int, PlannedModel]] = []
    for fineness in _FINENESS:
        planned = _planned(graph, coarsen(graph, tolerance=tolerance, fineness=fineness), task)
        try:
            parameters = choose_parameters(planned.circuit, p_error=task.prices.p_error)
        except UnsupportedModelError:
            if fineness == _FINENESS[-1] and not found:
                raise
            continue
        found.append((_missed(parameters), parameters.row_bytes + parameters.answer_bytes, len(found), planned))
    return min(found, key=lambda each: each[:3])[3]


def _of_pairs(graph: AdditiveModel, small: Coarsened, task: Task) -> PlannedModel:
    """As products of bits, or as tables that digits of bins turn: of fewer bytes where both aims are not met, or CPU.

    Raises:
        UnsupportedModelError: neither suits.
    """
    found: list[tuple[int, float, int, PlannedModel]] = []
    refused: UnsupportedModelError | None = None
    is_large = _terms(small.graph) > _MANY_TERMS
    for plan_pairs in (plan_turned_pairs, _as_products):
        if found and is_large:
            break
        try:
            planned, parameters = plan_pairs(graph, small, task)
        except ConstantModelError:
            raise
        except UnsupportedModelError as error:
            refused = error
            continue
        found.append((_missed(parameters), _seconds(planned, parameters), len(found), planned))
    if not found:
        raise refused or InternalError("no plan was tried")
    return min(found, key=lambda each: each[:3])[3]


def _as_products(
    graph: AdditiveModel, small: Coarsened, task: Task
) -> tuple[PlannedModel, LevelledParameters | LinearParameters]:
    planned = _planned(graph, small, task)
    return planned, choose_parameters(planned.circuit, p_error=task.prices.p_error)


def _seconds(planned: PlannedModel, parameters: LevelledParameters | LinearParameters) -> float:
    if isinstance(parameters, LinearParameters):
        return linear_seconds(parameters)
    turns = turns_of(planned.circuit)
    of_products = seconds_of(parameters, planned.circuit.products - turns, turns, signs_of(planned.circuit))
    return of_products + reading_seconds(planned.circuit)


def _missed(parameters: LevelledParameters | LinearParameters) -> int:
    """Of the aims for bytes."""
    return (parameters.row_bytes > AIM_UP) + (parameters.answer_bytes > AIM_DOWN)


def _planned(graph: AdditiveModel, small: Coarsened, task: Task) -> PlannedModel:
    if not isinstance(task.prices, LevelledPrices):
        raise InternalError(f"prices of class {type(task.prices).__name__}, expected the scheme levelled's")
    bits = bits_of(small.graph)
    with progress_bar("planning products", enabled=task.settings.show_progress) as report:
        polynomial = polynomial_of(small.graph, bits)
        report(0.3)
        found = _cheapest(polynomial, bits, graph.outputs, task.prices)
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


def polynomial_of(graph: AdditiveModel, bits: Bits) -> Polynomial:
    """An additive model of integers as a polynomial of bits.

    Raises:
        UnsupportedModelError: it has too many products of two bits.
    """
    terms = _terms(graph)
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


def _terms(graph: AdditiveModel) -> int:
    return sum((pair.values.shape[0] - 1) * (pair.values.shape[1] - 1) for pair in graph.pairs)


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
