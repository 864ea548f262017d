"""Demands of circuits bound the variances that their sums have, whatever those of inputs and lookups are."""

from __future__ import annotations

import numpy as np
import pytest
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, verify
from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.schemes.bootstrapped.parameters.layout import lay_out, reading_of
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import Demand, demands_of, hardest
from cryptable_engine.schemes.bootstrapped.parameters.variances import variances


def related_circuit():
    """A lookup of sums that read inputs and lookups by two ways, of which nobody knows whether they are independent."""
    given = Input((InputGroup(GroupKind.RANGE, 3, 1),))
    read = Convolution(3, (1, 3), np.array([[[1, 1]]], np.int64), np.zeros(2, np.int64), (2,), 1, (1,), (1,), (0,))
    nodes = (
        given,
        Linear((Term.from_dense(0, np.eye(3)),), np.zeros(3, np.int64)),
        Lookup(1, np.array([[0, 1]]), np.zeros(3, np.int64)),
        Linear((Term.from_dense(2, np.eye(3)), Term.from_dense(0, np.eye(3))), np.zeros(3, np.int64)),
        read,
        Linear((Term.from_dense(4, [[1], [1]]), Term.from_dense(0, [[1], [0], [0]])), np.zeros(1, np.int64)),
        Lookup(5, np.arange(16)[None, :], np.zeros(1, np.int64)),
        Linear((Term.from_dense(6, [[1]]), Term.from_dense(2, [[1], [0], [2]])), np.zeros(1, np.int64)),
    )
    return Circuit(nodes, 7)


@pytest.mark.parametrize("name", ["shared", "chain", "convolved", "gathered", "mirrored", "cancelling", "related"])
def test_demands_bound_variances(named, name):
    circuit = related_circuit() if name == "related" else named(name)
    layout = lay_out(circuit, verify(circuit))
    demands = demands_of(circuit, layout)
    assert demands.lookups == circuit.lookups
    is_attained = name != "related"
    for fresh, looked_up in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 40.0), (1e-9, 3e-12)):
        met = variances(circuit, fresh, looked_up)
        for node in circuit.nodes:
            if isinstance(node, Lookup):
                reading = reading_of(node)
                scale = 4.0 ** (layout.widths[node.source] - reading.bits)
                bound = max(
                    demand.fresh * fresh + demand.looked_up * looked_up
                    for demand in demands.inputs
                    if demand.bits == reading.width
                )
                assert met[node.source].max() * scale <= bound * (1 + 1e-9)
        scale = 4.0 ** (layout.widths[circuit.output] - layout.output.bits)
        bound = max(demand.fresh * fresh + demand.looked_up * looked_up for demand in demands.outputs)
        most = float(met[circuit.output].max()) * scale
        assert most <= bound * (1 + 1e-9)
        assert not is_attained or most == pytest.approx(bound, rel=1e-9)


def test_only_the_hardest_demands_are_kept():
    kept = [Demand(2, 5.0, 1.0), Demand(2, 1.0, 3.0), Demand(4, 0.0, 2.0)]
    implied = [Demand(2, 4.0, 1.0), Demand(2, 1.0, 3.0), Demand(2, 0.5, 2.0), Demand(4, 0.0, 1.0)]
    assert hardest([*implied, *kept]) == tuple(sorted(kept))
