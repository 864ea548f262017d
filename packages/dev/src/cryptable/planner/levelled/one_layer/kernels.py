"""Plans kernel machines for the scheme levelled, for the registry: a table for each vector that was kept."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.graphs.kernels import KernelMachine
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.networks import allowed_error, plan_layer
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner


@planner(
    KernelMachine,
    scheme=LEVELLED,
    kind="a kernel machine",
    cheaper="fewer support vectors (a larger nu, another C or gamma, or fewer training rows) cost less in proportion",
    closer="more input_bits= bring it nearer, and so do more rows of X_train, if those are few",
    tolerance=allowed_error,
)
def plan(graph: KernelMachine, task: Task) -> PlannedModel:
    """Tables that the digits of inputs turn, and the digits of their squares where the kernel is of distances."""
    layer = HiddenLayer(
        slopes=graph.slopes,
        curvatures=graph.curvatures,
        offset=graph.offset,
        function=graph.function,
        skips=np.zeros((len(graph.curvatures), graph.outputs)),
        weights=graph.weights,
        base=graph.base,
    )
    return plan_layer(layer, graph, task)
