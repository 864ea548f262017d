"""Polynomials and splines of single columns; products of two, but before a linear model (`products`), are refused."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import IntArray
from cryptable.importers.pipelines.registry import fitted, preprocessor
from cryptable.importers.pipelines.shapes import Affine, Column, Curve, Monotone, Shape, Steps, domain, sum_of_shapes
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor("sklearn.preprocessing.PolynomialFeatures")
def read_polynomial(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Powers of one column, and products of columns that come from the same raw one."""
    fitted(step, "n_output_features_", stage.step)
    return tuple(_product(stage, row) for row in step.powers_)


@preprocessor("sklearn.preprocessing.SplineTransformer")
def read_splines(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Each spline is a curve of one column."""
    count = fitted(step, "n_features_out_", stage.step) // len(stage.columns)
    if step.extrapolation == "error":
        raise stage.refusal("extrapolation='error' cannot be kept under encryption; choose 'constant' or 'linear'")
    return tuple(_curve(stage.univariate(index)) for index in range(len(stage.columns)) for _ in range(count))


def _curve(column: Column) -> Column:
    return Column(
        {
            source: shape if isinstance(shape, Steps) else Curve(*domain([shape]))
            for source, shape in column.shapes.items()
        }
    )


def _product(stage: Stage, powers: IntArray) -> Column:
    used = np.flatnonzero(powers).tolist()
    if not used:
        return Column()
    if len(used) == 1 and powers[used[0]] == 1:
        same: Column = stage.columns[used[0]]
        return same
    factors = [stage.univariate(index) for index in used]
    varying = [factor for factor in factors if factor.shapes]
    if len({factor.source for factor in varying}) > 1:
        names = " × ".join(stage.raw.names[factor.source] for factor in varying)
        raise stage.refusal(
            f"it multiplies columns ({names}): set degree=2 and let linear models follow, or degree=1; or leave the "
            "step out and fit trees, which find interactions themselves"
        )
    if not varying:
        return Column()
    source = varying[0].source
    shapes: list[Shape] = [factor.shapes[source] for factor in varying]
    if all(isinstance(shape, Steps) for shape in shapes):
        return Column({source: sum_of_shapes([(1.0, shape) for shape in shapes])})
    if len(used) == 1 and powers[used[0]] % 2 == 1 and isinstance(shapes[0], Affine | Monotone):
        return stage.monotone_of(used[0])
    return Column({source: Curve(*domain(shapes))})
