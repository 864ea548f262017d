"""TrainedIntegers: a model graph that was trained as the integers it is, and needs no quantizing."""

from __future__ import annotations

from dataclasses import dataclass

from cryptable_protocol import Labels, Link

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integers import IntegerNetwork


@dataclass(frozen=True, eq=False)
class TrainedIntegers:
    """The integers, and what their scores mean.

    Estimators of `cryptable.neural` make it, by their method `trained_integers`; their importer names the features.
    """

    network: IntegerNetwork
    link: Link
    labels: Labels | None
    feature_names: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.network.base.shape[0])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs): those of the integers that the client's encoders make."""
        network = self.network
        return network.scores(network.input_grid.encode_by(network.edges, rows))
