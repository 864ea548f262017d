"""Shape, Size: known when a network is compiled."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.symbols import Value
from cryptable.importers.networks.operators.arithmetic import required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Shape", "Size", kind="structural")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Of an array of the same shape."""
    return list(runner.run([np.zeros(required(inputs)[0].shape, np.float32)]))
