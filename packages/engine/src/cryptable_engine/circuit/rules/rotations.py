"""The rules of rotations: bits, exponents and trees that turn tables."""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.circuit import Circuit, Rotation
from cryptable_engine.circuit.rules.shared import MAX_WEIGHT, check_array, check_bits, check_size
from cryptable_engine.circuit.turning_tree import LEAF, TurningTree
from cryptable_engine.errors import CircuitError

MAX_POSITIONS = 1 << 11
"""Of a Rotation's tables."""
MAX_TREE_DEPTH = 64
"""Splits on a path of a tree that turns tables: an evaluation keeps ciphertexts of each."""


def check_rotation(index: int, node: Rotation, circuit: Circuit) -> None:
    """All of its rules but what the circuit's nodes have in all.

    Neurons of equal exponents are one neuron: computed twice, their noise would be one and the same, and add up.

    Raises:
        CircuitError: names the node and the rule.
    """
    check_array(index, node.bits, 1, "bits")
    check_array(index, node.exponents, 2, "exponents")
    check_array(index, node.tables, 3, "tables")
    if not index:
        raise CircuitError("must be the Input", node=index)
    neurons, positions = node.neurons, node.positions
    by_nothing = not node.bits.size and not node.trees
    if not node.tables.size or by_nothing or node.exponents.shape != (node.bits.size, neurons):
        raise CircuitError(
            f"exponents of shape {node.exponents.shape} for {node.bits.size} bits and {neurons} tables", node=index
        )
    check_size(index, node.size)
    if not 2 <= positions <= MAX_POSITIONS or positions & (positions - 1):
        raise CircuitError(
            f"tables of {positions} positions, expected a power of two, 2 .. {MAX_POSITIONS}", node=index
        )
    if (np.diff(node.bits) <= 0).any():
        raise CircuitError("its bits do not strictly increase", node=index)
    if node.bits.size:
        check_bits(index, node.bits, circuit)
    for number, tree in enumerate(node.trees):
        _check_tree(index, number, tree, node, circuit)
    turns = np.concatenate([node.exponents, *(tree.exponents for tree in node.trees)])
    if turns.min() < 0 or turns.max() >= 2 * positions:
        raise CircuitError(f"an exponent outside 0 .. {2 * positions - 1}", node=index)
    for what, still in (
        ("bit {} turns no table; leave it out", node.bits[~node.exponents.any(axis=1)]),
        ("neuron {} is a constant; add it to an offset", np.flatnonzero(~turns.any(axis=0))),
    ):
        if still.size:
            raise CircuitError(what.format(still[0]), node=index)
    columns = np.ascontiguousarray(turns.T)
    order = np.lexsort(turns)
    equal = np.flatnonzero((columns[order[1:]] == columns[order[:-1]]).all(axis=1))
    if equal.size:
        one, other = sorted(order[equal[0] : equal[0] + 2].tolist())
        raise CircuitError(f"neurons {one} and {other} have equal exponents; add their tables up", node=index)
    if (node.tables > MAX_WEIGHT).any() or (node.tables < -MAX_WEIGHT).any():
        raise CircuitError(f"a table entry beyond ±{MAX_WEIGHT}", node=index)


def _check_tree(index: int, number: int, tree: TurningTree, node: Rotation, circuit: Circuit) -> None:
    what = f"tree {number}"
    check_array(index, tree.bits, 1, what)
    check_array(index, tree.exponents, 2, what)
    if not tree.is_whole or tree.exponents.shape[1] != node.neurons:
        raise CircuitError(
            f"{what}: {tree.bits.size} nodes with exponents of shape {tree.exponents.shape}, expected one tree in "
            f"preorder, and an exponent for each leaf and each of {node.neurons} tables",
            node=index,
        )
    asked = tree.bits[tree.bits != LEAF]
    if not asked.size or tree.depth > MAX_TREE_DEPTH:
        raise CircuitError(f"{what}: a depth of {tree.depth}, expected 1 .. {MAX_TREE_DEPTH}", node=index)
    check_bits(index, asked, circuit)
    if tree.asks_twice():
        raise CircuitError(f"{what} asks for a bit twice on one path", node=index)
    alike = np.flatnonzero((tree.exponents == tree.exponents[0]).all(axis=0) & (tree.exponents[0] != 0))
    if alike.size:
        raise CircuitError(f"{what} turns table {alike[0]} by the same in all leaves; turn the table", node=index)
    if not tree.neurons.size:
        raise CircuitError(f"{what} turns no table; leave it out", node=index)
