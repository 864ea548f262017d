"""Quadratic forms on scaled, selected or mixed columns become quadratic forms on raw ones."""

from __future__ import annotations

from dataclasses import replace

from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.importers.pipelines.rebase_network import affine_columns
from cryptable.importers.pipelines.stage import Stage


def rebase_forms(graph: QuadraticForms, stage: Stage) -> QuadraticForms:
    """The same scores from raw columns.

    Raises:
        UnsupportedModelError: a column is no affine function of raw ones.
    """
    matrix, offset = affine_columns(stage)
    weights = matrix.toarray()
    base = stage.raw.base[0]
    around = graph.moved(weights @ base + offset)
    forms = weights.T @ around.forms @ weights
    return replace(around, feature_names=stage.raw.names, centre=base, forms=forms, linear=weights.T @ around.linear)
