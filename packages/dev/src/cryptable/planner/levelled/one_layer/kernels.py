"""Plans kernel machines for the scheme levelled, for the registry: a table for each vector that was kept."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.kernels import KernelMachine
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.networks import allowed_error, plan_layer
from cryptable.planner.levelled.one_layer.search import POSITIONS_OF_DISTANCES
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner

_WAY_OUT = "fit one machine for each class (OneVsRestClassifier), fewer classes, or a linear model"


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
    most = RING_SIZE // POSITIONS_OF_DISTANCES
    if layer.is_of_distances and graph.outputs > most:
        raise UnsupportedModelError(
            f"scheme 'levelled': {graph.outputs} scores (of classes one for each pair) leave tables no room for "
            f"the positions that kernels of distances need, {most} at most do; {_WAY_OUT}"
        )
    return plan_layer(layer, graph, task, way_out=_WAY_OUT)
