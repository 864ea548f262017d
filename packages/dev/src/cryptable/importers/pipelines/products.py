"""Products of columns before a linear model: together they are quadratic forms of what the step multiplies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cryptable.graphs.graph import IntArray, LinearModel, ModelGraph
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.importers.pipelines.rebase_forms import rebase_forms
from cryptable.importers.pipelines.registry import apply_steps, fitted
from cryptable.importers.pipelines.stage import Stage, Step

Steps = list[tuple[str, Step]]
Follow = Callable[[Steps, Stage], ModelGraph]
"""Reads steps after a stage, whose columns count as raw ones there, and the model behind them."""


def multiplies(steps: Steps) -> bool:
    """Whether a step may multiply columns: others need not be looked into."""
    return any(_is_polynomial(step) for _, step in steps)


def read_products(steps: Steps, stage: Stage, follow: Follow) -> QuadraticForms | None:
    """The graph of a pipeline that multiplies different raw columns, two at a time.

    Args:
        steps: all but the model.
        stage: before the first step.
        follow: reads what comes after the step that multiplies.

    Returns:
        None where none does, or where what follows is not linear in its products.

    Raises:
        UnsupportedModelError: a column before it is no affine function of raw ones, or a later step cannot be read.
    """
    place = next(place for place, (_, step) in enumerate(steps) if _is_polynomial(step))
    _, step = steps[place]
    before = apply_steps(steps[:place], stage)
    if not _crosses(step, before):
        return None
    graph = linear_behind(steps, place, stage, before, follow)
    if graph is None:
        return None
    return rebase_forms(_forms(graph, np.asarray(step.powers_)), named_after(steps[place], before))


def linear_behind(steps: Steps, place: int, stage: Stage, before: Stage, follow: Follow) -> LinearModel | None:
    """The linear model behind a step, on the columns that it makes; None where another one follows.

    Args:
        steps: all but the model.
        place: of the step.
        stage: before the first step.
        before: before that one.
        follow: reads what comes after it.
    """
    _, step = steps[place]
    after = Stage(stage.raw, before.columns, lambda matrix: step.transform(before.transform(matrix)), stage.step)
    graph = follow(steps[place + 1 :], after)
    return graph if isinstance(graph, LinearModel) else None


def named_after(step: tuple[str, Step], before: Stage) -> Stage:
    """The stage before a step, whose messages name that step."""
    name, transformer = step
    return Stage(before.raw, before.columns, before.transform, f"{name!r} ({type(transformer).__name__})")


def _crosses(step: Step, before: Stage) -> bool:
    """Whether a product is of columns that come from different raw ones, and none of more than two."""
    powers = fitted(step, "powers_", before.step)
    pairs = powers[(powers > 0).sum(axis=1) > 1]
    sources = [set(column.shapes) for column in before.columns]
    crosses = any(len(set().union(*(sources[index] for index in np.flatnonzero(row)))) > 1 for row in pairs)
    return crosses and bool(powers.sum(axis=1).max() == 2)


def _forms(graph: LinearModel, powers: IntArray) -> QuadraticForms:
    """Of the columns that are multiplied; `powers` are of each product, shape (products, columns)."""
    columns, outputs = powers.shape[1], graph.outputs
    forms = np.zeros((outputs, columns, columns))
    linear, intercept = np.zeros((columns, outputs)), graph.intercept.astype(np.float64).copy()
    for row, weights in zip(powers, graph.coefficients, strict=True):
        factors = np.repeat(np.arange(columns), row)
        if not factors.size:
            intercept += weights
        elif factors.size == 1:
            linear[factors[0]] += weights
        else:
            one, other = factors
            forms[:, one, other] += weights / 2
            forms[:, other, one] += weights / 2
    names = tuple(f"x{index}" for index in range(columns))
    return QuadraticForms(names, np.zeros(columns), forms, linear, intercept, graph.link, graph.labels)


def _is_polynomial(step: Step) -> bool:
    classes = type(step).__mro__
    return any(each.__module__.startswith("sklearn.") and each.__name__ == "PolynomialFeatures" for each in classes)
