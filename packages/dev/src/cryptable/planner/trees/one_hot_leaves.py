"""Leaves looked up as such: one lookup says whether a leaf is reached, and all scores are linear in that.

A table of a tree whose leaves are vectors is one lookup for each score. Where scores are many, it is cheaper to look up
which leaf is reached: one lookup a leaf, whatever the number of scores, of a code that counts which of the path's
conditions fail. A leaf's values are then weights, which amplify the noise of its lookup: the price says by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptable.cost.prices import Draft
from cryptable.graphs.graph import FloatArray, IntArray, TreeEnsemble
from cryptable.planner.trees.codes import Code
from cryptable.planner.trees.quantize import IntegerFunction, IntegerOutput, QuantizedPlan, Range, SharedTable
from cryptable.planner.trees.round_leaves import RoundedTrees
from cryptable.planner.trees.tree_polynomials import Alphabet, Group, TreeExpansion


@dataclass(frozen=True, eq=False)
class OneHotLeaves:
    """Scores as sums of leaves that are reached: constant + the sums over bits and over groups of conditions.

    All weights have shape (outputs,): of trees whose leaves are integers, integers.
    """

    width: int
    constant: FloatArray
    by_bit: dict[int, FloatArray]
    by_group: dict[Group, FloatArray]

    def draft(self, output_bits: int) -> Draft:
        """For a price, with scores of so many bits."""
        squares = sum((weights**2 for weights in self.by_group.values()), np.zeros(1))
        return Draft(
            lookups=len(self.by_group),
            width=self.width,
            output_bits=output_bits,
            summed=max(1.0, float(squares.max())),
            bits_are_free=bool(self.by_bit),
        )

    def plan(self, alphabet: Alphabet, rounded: RoundedTrees, ranges: Sequence[Range]) -> QuantizedPlan:
        """For `lower`; `ranges` are those of the scores, in units of the step."""
        shared = []
        for group, weights in self.by_group.items():
            code = Code.of_mask(1 << alphabet.symbol(group), alphabet)
            entries: IntArray = np.zeros(code.size, np.int64)
            entries[0] = 1
            shared.append(SharedTable(code, entries, tuple(map(round, weights.tolist()))))
        bits = tuple(sorted(self.by_bit))
        outputs = []
        for output, (low, high) in enumerate(ranges):
            steps: IntArray = np.array([round(self.by_bit[bit][output]) for bit in bits], np.int64)
            constant = round(self.constant[output])
            outputs.append(
                IntegerOutput(
                    base=float(rounded.base[output]) + rounded.step * constant,
                    tables=(),
                    functions=(IntegerFunction(bits, steps),),
                    minimum=round(low) - constant,
                    maximum=round(high) - constant,
                    error=float(rounded.error[output]),
                )
            )
        return QuantizedPlan(rounded.step, tuple(outputs), tuple(shared))


def one_hot_leaves(
    graph: TreeEnsemble, alphabet: Alphabet, widths: Sequence[int], *, bits_are_free: bool = True
) -> OneHotLeaves | None:
    """The leaves of trees; None where no width can count a path's conditions.

    One leaf of each tree, that of the longest path, is what is left when no other is reached.

    Args:
        graph: the trees.
        alphabet: of their bits and groups.
        widths: to choose from, in bits.
        bits_are_free: whether a leaf that one feature decides is to be linear in that feature's bits.
    """
    constant: FloatArray = np.zeros(graph.outputs)
    by_bit: dict[int, FloatArray] = {}
    by_group: dict[Group, FloatArray] = {}

    def add(bit: int, weights: FloatArray) -> None:
        by_bit[bit] = by_bit.get(bit, np.zeros_like(weights)) + weights

    for tree in graph.trees:
        nodes = np.arange(tree.feature.shape[0], dtype=np.float64)
        leaves = [(path, int(node)) for path, node in TreeExpansion(tree, nodes, alphabet, max(widths)).leaves()]
        _, rest = max(leaves, key=lambda leaf: (len(leaf[0]), leaf[1]))
        constant += tree.values[rest]
        for path, node in leaves:
            weights = tree.values[node] - tree.values[rest]
            if not weights.any():
                continue
            if len(path) == 1 and bits_are_free:
                ((at_least, below),) = path.values()
                if below is not None:
                    add(below, -weights)
                if at_least is None:
                    constant += weights
                else:
                    add(at_least, weights)
                continue
            group = Group(tuple(path[feature] for feature in sorted(path)))
            by_group[group] = by_group.get(group, np.zeros_like(weights)) + weights
    longest = max((group.size for group in by_group), default=1)
    enough = [width for width in widths if longest <= 1 << width]
    return OneHotLeaves(min(enough), constant, by_bit, by_group) if enough else None
