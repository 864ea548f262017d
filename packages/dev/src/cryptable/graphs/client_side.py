"""ClientSide: model graphs whose scores mean something once a client has worked on those of the graph inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from cryptable_protocol import Decoder

from cryptable.graphs.graph import FloatArray, ModelGraph

Own = TypeVar("Own", bound="ClientSide")


@dataclass(frozen=True, eq=False)
class ClientSide:
    """Of `graph`, circuits are planned; its own link and labels mean nothing."""

    graph: Any

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns."""
        names: tuple[str, ...] = self.graph.feature_names
        return names

    def inner_tolerance(self, tolerance: float, *, is_asked_for: bool = True) -> float:  # noqa: ARG002
        """How exact scores of the graph are to be where those that clients make of them are to be this exact.

        Where nobody has asked for that, it may be less where scores vary by much.
        """
        return tolerance

    def error(self, inner: float) -> float | None:
        """By how much a score is off at most, where none of the graph's is by more than this; None if by any amount."""
        return inner

    def undecided(self, scores: FloatArray) -> npt.NDArray[np.bool_]:
        """Rows, shape (rows,), in which doubles may decide otherwise than the library, by scores of the graph."""
        return np.zeros(len(scores), np.bool_)

    def of(self: Own, graph: ModelGraph) -> Own:
        """The same of another graph with as many scores."""
        return replace(self, graph=graph)

    def decoder(self, planned: Decoder) -> Decoder:
        """What a client decodes by, from the decoder of the graph's scores."""
        raise NotImplementedError


def planned_graph(graph: Any) -> Any:  # noqa: ANN401
    """The graph that circuits are planned of."""
    return graph.graph if isinstance(graph, ClientSide) else graph
