"""How many lookups each feature takes: what leaving it out would save."""

from __future__ import annotations

import numpy as np
from cryptable_engine import Circuit, Convolution, Linear, Lookup
from cryptable_engine.circuit.convolution import OUTSIDE
from cryptable_protocol import ClientSpec

from cryptable.graphs.graph import FloatArray, IntArray


def lookups_by_feature(circuit: Circuit, spec: ClientSpec) -> dict[str, float]:
    """By name, of features that lookups read: a lookup of several is shared by them."""
    feature_of = np.repeat(np.arange(len(spec.features)), [feature.size for feature in spec.features])
    shares = np.zeros(len(spec.features))
    for node in circuit.nodes:
        source = circuit.nodes[node.source] if isinstance(node, Lookup) else None
        if isinstance(source, Convolution) and source.source == 0:
            _add_windows(shares, source, feature_of)
        if isinstance(source, Linear) and all(term.source == 0 for term in source.terms):
            reads = [np.stack([term.columns, feature_of[term.rows]]) for term in source.terms]
            columns, features = np.unique(np.concatenate(reads, axis=1), axis=1)
            np.add.at(shares, features, 1 / np.bincount(columns)[columns])
    return {spec.features[index].name: float(shares[index]) for index in np.flatnonzero(shares)}


def _add_windows(shares: FloatArray, node: Convolution, feature_of: IntArray) -> None:
    """Of each window of the input, its lookups, which are as many as filters, shared by the features in it."""
    windows = node.windows()
    place, at = np.nonzero(windows != OUTSIDE)
    counts = np.bincount(place, minlength=len(windows))
    for group in range(node.groups):
        elements = windows[place, at] + group * (feature_of.size // node.groups)
        np.add.at(shares, feature_of[elements], node.filters / node.groups / counts[place])
