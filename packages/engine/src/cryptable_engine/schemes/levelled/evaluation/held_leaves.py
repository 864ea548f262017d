"""HeldLeaves: which nodes of its trace trees a streamed plan keeps: the last level is done for leaves that are read."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.layout import Layout

from cryptable_engine.circuit.circuit import IntArray


class HeldLeaves:
    """Of each run, the nodes above the last level, half as many as leaves: two leaves are made of each that splits.

    The operations on each ciphertext are those of a tree that is expanded at once; a leaf that is read twice is made
    twice.

    Args:
        layout: of a row.

    Attributes:
        first: of each run, its first node.
        count: of nodes.
        node: of each leaf, the node that it is made of, shape (leaves,).
        is_split: whether that node splits, shape (leaves,).
        is_odd: whether the leaf is the second of the two, shape (leaves,).
    """

    def __init__(self, layout: Layout) -> None:
        self.first: list[int] = []
        self.count = 0
        leaves = len(layout.leaf_bits)
        self.node: IntArray = np.empty(leaves, np.int64)
        self.is_odd, self.is_split = np.zeros(leaves, np.bool_), np.zeros(leaves, np.bool_)
        for run in layout.runs:
            leaf, half = np.arange(run.count), 1 << (run.depth - 1)
            part = slice(run.first, run.first + run.count)
            self.first.append(self.count)
            self.node[part] = self.count + leaf % half
            self.is_odd[part] = leaf >= half
            self.is_split[part] = leaf % half + half < run.count
            self.count += min(half, run.count)
