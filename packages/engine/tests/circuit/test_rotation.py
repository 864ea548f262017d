"""Tables that bits turn: what they compute, how they are bounded, which ones are refused."""

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    CircuitError,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Rotation,
    Term,
    TurningTree,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_protocol import CompileOptions, MalformedMessageError
from cryptable_protocol.messages import circuit as pb
from hypothesis import given, settings
from hypothesis import strategies as st
from levelled_circuits import honest_rows
from rotation_circuits import grown_tree

BITS = Input((InputGroup(GroupKind.THERMOMETER, 2), InputGroup(GroupKind.RANGE, 2)))
ROTATION = Rotation(np.array([0, 2, 3]), np.array([[1, 0], [3, 7], [2, 2]]), np.arange(16).reshape(2, 4, 2))
CIRCUIT = Circuit(
    (BITS, ROTATION, Linear((Term.from_dense(0, np.zeros((4, 2))), Term.from_dense(1, np.eye(2))), np.array([30, 30]))),
    2,
)


def by_hand(node, row):
    """In Python's own integers."""
    total = [0] * node.size
    for neuron in range(node.neurons):
        position = sum(int(e) * int(row[b]) for b, e in zip(node.bits, node.exponents[:, neuron], strict=True))
        position += sum(led(tree, row, neuron) for tree in node.trees)
        position %= 2 * node.positions
        sign, place = (1, position) if position < node.positions else (-1, position - node.positions)
        total = [t + sign * int(v) for t, v in zip(total, node.tables[neuron, place], strict=True)]
    return total


def led(tree, row, neuron):
    """The exponent of the leaf that a row leads to, walking in preorder."""
    node, leaf, skipped = 0, 0, 0
    while tree.bits[node] != -1 or skipped:
        if skipped:
            skipped += 1 if tree.bits[node] != -1 else -1
            leaf += tree.bits[node] == -1
        else:
            skipped = int(row[tree.bits[node]])
        node += 1
    return int(tree.exponents[leaf, neuron])


@st.composite
def rotations(draw):
    """Of any small shape, with some bits that turn all tables alike."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    neurons, positions, outputs = draw(st.integers(1, 4)), 2 ** draw(st.integers(1, 4)), draw(st.integers(1, 3))
    bits = np.flatnonzero(random.random(4) < 0.8)
    exponents = random.integers(0, 2 * positions, (len(bits), neurons))
    exponents[random.random(len(bits)) < 0.3] = 1
    exponents[random.random(exponents.shape) < 0.2] = positions
    trees = [grown_tree(random, 4, neurons, positions, every=bool(number)) for number in range(draw(st.integers(0, 2)))]
    return Rotation(bits, exponents, random.integers(-50, 50, (neurons, positions, outputs)), tuple(trees))


@given(node=rotations())
@settings(max_examples=60, deadline=None)
def test_any_rotation_is_what_it_says_or_is_refused(node):
    shift = np.full(node.size, 300)
    circuit = Circuit((BITS, node, Linear((Term.from_dense(1, np.eye(node.size)),), shift)), 2)
    turns = np.concatenate([node.exponents, *(tree.exponents for tree in node.trees)])
    columns = [tuple(column) for column in turns.T]
    moved = turns.any(axis=0).all() and node.exponents.any(axis=1).all()
    sound = (node.bits.size or node.trees) and moved
    if not sound or len(set(columns)) < len(columns):
        with pytest.raises(CircuitError, match=r"constant|turns no table|equal exponents|exponents of shape"):
            verify(circuit)
        return
    _, (low, high), _ = verify(circuit)
    rows = honest_rows(BITS)
    found = interpret(circuit, rows) - shift
    assert found.tolist() == [by_hand(node, row) for row in rows]
    assert (found >= low).all()
    assert (found <= high).all()
    assert Circuit.from_bytes(circuit.to_bytes()).to_bytes() == circuit.to_bytes()


def test_bounds_are_of_positions_that_are_reached():
    near = replace(ROTATION, exponents=np.array([[1, 0], [0, 7], [1, 0]]))
    circuit = Circuit((BITS, near, CIRCUIT.nodes[2]), 2)
    low, high = verify(circuit)[1]
    # Neuron 0 at 0 .. 2, neuron 1 at -1 .. 0: minus its last entry, and its first.
    assert low.tolist() == [0 - 14, 1 - 15]
    assert high.tolist() == [4 + 8, 5 + 9]


def test_products_are_turns_and_bits_that_turn_all_alike_count_once():
    assert (CIRCUIT.products, ROTATION.is_common.tolist()) == (4, [False, False, True])
    alone = replace(ROTATION, exponents=ROTATION.exponents[:, :1], tables=ROTATION.tables[:1])
    assert alone.products == 3
    dependent = replace(ROTATION, exponents=np.array([[1, 0], [3, 0], [2, 2]]))
    assert (dependent.products, dependent.is_common.any()) == (4, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": np.array([0, 2, 4])}, "outside the 4 elements"),
        ({"bits": np.array([0, 3, 2])}, "strictly increase"),
        ({"bits": np.array([0, 2])}, "exponents of shape"),
        ({"exponents": np.array([[1, 0], [3, 8], [2, 2]])}, r"outside 0 .. 7"),
        ({"exponents": np.array([[1, 0], [3, -1], [2, 2]])}, r"outside 0 .. 7"),
        ({"exponents": np.array([[1, 0], [3, 0], [2, 0]])}, "neuron 1 is a constant"),
        ({"exponents": np.array([[1, 0], [0, 0], [2, 2]])}, "bit 2 turns no table"),
        ({"exponents": np.array([[1, 1], [3, 3], [2, 2]])}, "neurons 0 and 1 have equal exponents"),
        ({"exponents": np.ones((3, 2))}, "float64"),
        ({"tables": np.ones((2, 3, 2), np.int64)}, "3 positions"),
        ({"tables": np.ones((2, 4096, 2), np.int64)}, "4096 positions"),
        ({"tables": np.ones((2, 4, 0), np.int64)}, "exponents of shape"),
        ({"tables": np.full((2, 4, 2), -(2**49))}, "beyond"),
    ],
)
def test_what_is_no_rotation_is_refused(changes, message):
    with pytest.raises(CircuitError, match=message):
        verify(Circuit((BITS, replace(ROTATION, **changes), CIRCUIT.nodes[2]), 2))


def test_only_bits_turn():
    wide = Input((InputGroup(GroupKind.RANGE, 4, 2),))
    with pytest.raises(CircuitError, match="no bit"):
        verify(Circuit((wide, ROTATION, CIRCUIT.nodes[2]), 2))
    with pytest.raises(CircuitError, match="must be the Input"):
        verify(Circuit((ROTATION, CIRCUIT.nodes[2]), 1))


TREE = TurningTree(np.array([0, -1, 2, -1, -1]), np.array([[0, 1], [5, 0], [5, 3]]))


@pytest.mark.parametrize(
    ("bits", "exponents", "message"),
    [
        ([0, -1, 2, -1], [[0, 1], [5, 0]], "one tree in preorder"),
        ([0, -1, -1, -1], [[0, 1], [5, 0], [5, 3]], "one tree in preorder"),
        ([0, -1, -1], [[0, 1], [5, 0], [5, 3]], "an exponent for each leaf"),
        ([0, -1, -1], [[0], [5]], "each of 2 tables"),
        ([-1], [[0, 1]], "depth of 0"),
        ([4, -1, -1], [[0, 1], [5, 0]], "outside the 4 elements"),
        ([0, -1, 0, -1, -1], [[0, 1], [5, 0], [5, 3]], "a bit twice"),
        ([0, -1, -1], [[0, 1], [8, 0]], r"outside 0 \.\. 7"),
        ([0, -1, -1], [[0, 1], [-1, 0]], r"outside 0 \.\. 7"),
        ([0, -1, -1], [[4, 1], [4, 0]], "table 0 by the same in all leaves"),
        ([0, -1, -1], [[0, 0], [0, 0]], "turns no table"),
    ],
)
def test_what_is_no_tree_is_refused(bits, exponents, message):
    tree = TurningTree(np.array(bits), np.array(exponents))
    with pytest.raises(CircuitError, match=message):
        verify(Circuit((BITS, replace(ROTATION, trees=(tree,)), CIRCUIT.nodes[2]), 2))


def test_trees_take_a_product_for_each_split_that_decides_and_table_that_it_turns():
    assert (TREE.products, replace(ROTATION, trees=(TREE,)).products) == (4, 8)
    one = TurningTree(TREE.bits, np.array([[0, 0], [5, 0], [5, 0]]))
    assert (one.products, one.moves.tolist()) == (1, [True, False, False, False, False])
    assert replace(ROTATION, trees=(one,)).turning.tolist() == [0, 2, 3]


def test_a_message_whose_lists_do_not_fit_together_is_malformed():
    for changes in ({"bits": []}, {"exponents": [1, 2, 3, 4]}, {"positions": 0}, {"entries": [1] * 15}):
        message = pb.Circuit.FromString(CIRCUIT.to_bytes())
        rotation = message.nodes[1].rotation
        fields = {name: list(getattr(rotation, name)) for name in ("bits", "exponents", "entries")}
        broken = pb.Rotation(**{**fields, "positions": rotation.positions, **changes})
        message.nodes[1].rotation.CopyFrom(broken)
        with pytest.raises(MalformedMessageError, match="node 1"):
            Circuit.from_bytes(message.SerializeToString(deterministic=True))
    for trees in ([pb.TurningTree()], [pb.TurningTree(nodes=[1, 0, 0], exponents=[1, 2, 3])]):
        message = pb.Circuit.FromString(CIRCUIT.to_bytes())
        message.nodes[1].rotation.trees.extend(trees)
        with pytest.raises(MalformedMessageError, match="tree 0"):
            Circuit.from_bytes(message.SerializeToString(deterministic=True))


def test_the_scheme_bootstrapped_refuses_rotations(tmp_path):
    with pytest.raises(CircuitError, match="scheme levelled"):
        compile_circuit(CIRCUIT, CompileOptions(), tmp_path / "program")


def test_neurons_that_differ_by_signs_alone_are_one_table():
    p = 4
    exponents = np.array(
        [
            [1, 1, 1, 3, 1, p],
            [0, p, 0, p, p, 0],
            [0, 0, p, 0, p, 0],
        ]
    )
    node = Rotation(np.arange(3), exponents, np.zeros((6, p, 1), np.int64))
    # The fifth has two signs, which are no linear form of bits; the last is a sign alone.
    assert node.signs.tolist() == [-1, 1, 2, 1, -1, 0]
    assert node.table_of.tolist() == [0, 0, 0, 1, 2, 3]
    assert node.turns.tolist() == [1 + 1 + 1 + 1, 1 + 1 + 1, 1 + 1]
    assert node.read_signs == 2
    assert node.products == int(node.turns.sum())
