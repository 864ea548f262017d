"""Kernel machines behind preprocessing steps that scale and shift columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cryptable.graphs.kernels import KernelMachine
from cryptable.importers.pipelines.rebase_network import affine_columns
from cryptable.importers.pipelines.stage import Stage


def rebase_kernels(graph: KernelMachine, stage: Stage) -> KernelMachine:
    """The machine of the raw columns.

    Raises:
        UnsupportedModelError: a step is no affine map of its columns, or mixes columns whose squares the kernel reads.
    """
    columns, constants = affine_columns(stage)
    slopes = columns.toarray()
    curvatures = np.zeros(slopes.shape[1])
    if graph.curvatures.any():
        for index, row in enumerate(slopes):
            sources = np.flatnonzero(row)
            if len(sources) > 1:
                names = [stage.raw.names[source] for source in sources]
                raise stage.refusal(
                    f"its column {index} is a mix of {len(names)} columns ({', '.join(names[:4])}, …), and a kernel of "
                    "distances reads squares of single columns; leave the step out, or use a sigmoid kernel"
                )
            curvatures[sources] += graph.curvatures[index] * row[sources] ** 2
    # (a x + c)² = a² x² + 2 a c x + c²
    straight = graph.slopes + 2 * (constants * graph.curvatures)[:, None]
    return replace(
        graph,
        feature_names=stage.raw.names,
        slopes=slopes.T @ straight,
        curvatures=curvatures,
        offset=graph.offset + constants @ graph.slopes + constants**2 @ graph.curvatures,
    )
