"""HiddenLayer: what a network of one hidden layer computes, feature by feature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.network import SegmentedNetwork
from cryptable.graphs.symbols import widened


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """score = x @ skips + values @ weights + base.

    The values are the functions of the sums x @ slopes + x² @ curvatures + offset, one a neuron.

    Attributes:
        slopes: shape (features, neurons).
        curvatures: of the squares of features, the same for all neurons; shape (features,).
        offset: shape (neurons,).
        function: from sums, shape (rows, neurons), to values.
        skips: shape (features, outputs).
        weights: shape (neurons, outputs).
        base: shape (outputs,).
    """

    slopes: FloatArray
    curvatures: FloatArray
    offset: FloatArray
    function: Callable[[FloatArray], FloatArray]
    skips: FloatArray
    weights: FloatArray
    base: FloatArray

    @property
    def neurons(self) -> int:
        """Functions of one prediction."""
        return len(self.offset)

    @property
    def is_of_distances(self) -> bool:
        """Whether squares of features move all tables alike, which then have one step."""
        return bool(self.curvatures.any())

    @property
    def outputs(self) -> int:
        """Scores."""
        return len(self.base)

    def sums(self, rows: FloatArray) -> FloatArray:
        """What the functions are of, shape (rows, neurons)."""
        found: FloatArray = rows @ self.slopes + (rows**2 @ self.curvatures)[:, None] + self.offset
        return found

    def scores(self, rows: FloatArray) -> FloatArray:
        """Of rows, shape (rows, outputs)."""
        found: FloatArray = rows @ self.skips + self.function(self.sums(rows)) @ self.weights + self.base
        return found

    @property
    def reads(self) -> FloatArray:
        """How much each feature matters at all: 0 for those that nothing reads; shape (features,)."""
        found: FloatArray = (
            np.abs(self.slopes).max(axis=1, initial=0.0)
            + np.abs(self.curvatures)
            + np.abs(self.skips).max(axis=1, initial=0.0)
        )
        return found


def hidden_layer(network: SegmentedNetwork) -> HiddenLayer:
    """A traced network, without neurons that reach no score.

    Raises:
        UnsupportedModelError: it has another number of layers; says how many.
    """
    if len(network.layers) != 1:
        names = ", ".join(repr(layer.name) for layer in network.layers[:6])
        raise UnsupportedModelError(
            f"scheme 'levelled' evaluates networks of one layer of activations, this one has {len(network.layers)}"
            f"{f' ({names}): a second layer reads sums, which have no bits' if names else ', and no lookup'}; use "
            "scheme='bootstrapped', or fit a network of one hidden layer"
        )
    (layer,) = network.layers
    features = len(network.feature_names)
    last = widened(network.matrix, features + layer.size).toarray()
    used = np.flatnonzero(last[:, features:].any(axis=0))

    def function(sums: FloatArray) -> FloatArray:
        given = np.zeros((len(sums), layer.size))
        given[:, used] = sums
        return layer.values(given)[:, used]

    return HiddenLayer(
        slopes=widened(layer.matrix, features).toarray().T[:, used],
        curvatures=np.zeros(features),
        offset=layer.offset[used],
        function=function,
        skips=last[:, :features].T,
        weights=last[:, features:].T[used],
        base=network.offset,
    )
