"""The thermometer bits that a tree model needs: one an edge that some tree really compares with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cryptable.graphs.graph import LEAF, Tree


@dataclass(frozen=True)
class Bits:
    """Bit i is [x of feature_of[i] >= edge_of[i]]; bits are ordered by feature, then by edge."""

    edges: tuple[tuple[float, ...], ...]
    """The edges of each feature, increasing; empty where no tree reads the feature."""

    @cached_property
    def feature_of(self) -> tuple[int, ...]:
        """Feature of each bit."""
        return tuple(feature for feature, edges in enumerate(self.edges) for _ in edges)

    @cached_property
    def index(self) -> dict[tuple[int, float], int]:
        """Bit of each (feature, edge)."""
        pairs = ((feature, edge) for feature, edges in enumerate(self.edges) for edge in edges)
        return {pair: bit for bit, pair in enumerate(pairs)}

    @property
    def count(self) -> int:
        """Number of bits."""
        return sum(map(len, self.edges))

    @classmethod
    def of_trees(cls, trees: Sequence[Tree], features: int) -> Bits:
        """All finite edges of the trees; a test with an infinite edge has one answer for every finite number."""
        edges: list[set[float]] = [set() for _ in range(features)]
        for tree in trees:
            for node in np.flatnonzero(tree.feature != LEAF):
                if np.isfinite(tree.edge[node]):
                    edges[tree.feature[node]].add(float(tree.edge[node]))
        return cls(tuple(tuple(sorted(each)) for each in edges))
