"""The interpreter agrees with a naive one, whatever path it takes, and refuses rows that no encoder makes."""

from __future__ import annotations

import numpy as np
import pytest
from cryptable_engine import Circuit, CircuitError, GroupKind, Input, InputGroup, Linear, Lookup, Term, interpret
from cryptable_protocol import InvalidInputError


def naive(circuit, row):
    values = []
    for node in circuit.nodes:
        match node:
            case Input():
                values.append([int(element) for element in row])
            case Linear():
                value = [int(element) for element in node.offset]
                for term in node.terms:
                    for i, j, weight in zip(term.rows, term.columns, term.weights, strict=True):
                        value[j] += int(weight) * values[term.source][i]
                values.append(value)
            case Lookup():
                source = values[node.source]
                values.append([int(node.tables[node.table_of[j]][source[j]]) for j in range(node.size)])
    return values[circuit.output]


@pytest.mark.parametrize("seed", range(40))
def test_random_circuits_agree_with_the_naive_interpreter(seed, make_circuit, make_rows):
    rng = np.random.default_rng(seed)
    circuit = make_circuit(rng, depth=4)
    rows = make_rows(rng, circuit.input, 20)
    np.testing.assert_array_equal(interpret(circuit, rows), [naive(circuit, row) for row in rows])


@pytest.mark.parametrize("density", [0.0, 0.003, 1.0])
@pytest.mark.parametrize("magnitude", [10, 1 << 44])
def test_sparse_dense_and_large_weights(density, magnitude):
    """All three ways of multiplying: by coordinates, in floats, and in integers that floats cannot hold."""
    rng = np.random.default_rng(5)
    given = Input((InputGroup(GroupKind.RANGE, 200, 9),))
    matrix = rng.integers(-magnitude, magnitude + 1, (200, 50)) * (rng.random((200, 50)) < density)
    circuit = Circuit((given, Linear((Term.from_dense(0, matrix),), rng.integers(-9, 10, 50))), 1)
    rows = rng.integers(0, 10, (30, 200))
    np.testing.assert_array_equal(interpret(circuit, rows), rows @ matrix + circuit.nodes[1].offset)


def test_more_rows_than_one_chunk(linear):
    last = np.arange(900_000)[:, None] % 101
    rows = np.concatenate([np.tile([1, 1, 0, 0], (900_000, 1)), last], axis=1)
    np.testing.assert_array_equal(interpret(linear, rows), [12, 6] + last * [11, 3])


def test_no_rows(linear):
    assert interpret(linear, np.empty((0, 5), np.int64)).shape == (0, 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([1, 0, 0, 0, 3], r"shape \(5,\), expected \(rows, 5\)"),
        ([[1, 0, 0, 0]], r"shape \(1, 4\), expected \(rows, 5\)"),
        ([[1.0, 0.0, 0.0, 0.0, 3.0]], "dtype float64, expected integers"),
        ([["1", "0", "0", "0", "3"]], "expected integers"),
        ([[1, 0, 0, 0, 101]], r"row 0, element 4 is 101, expected 0 \.\. 100"),
        ([[1, 0, 0, 0, 5], [1, 0, 0, 0, -1]], r"row 1, element 4 is -1, expected 0 \.\. 100"),
        ([[2, 0, 0, 0, 5]], r"row 0, element 0 is 2, expected 0 \.\. 1"),
        ([[1, 0, 0, 0, 5], [1, 0, 1, 0, 5]], "row 1: input group 0 is a thermometer"),
        (np.array([[1, 0, 0, 0, 1 << 63]], np.uint64), "which no encoder makes"),
    ],
)
def test_rows_that_no_encoder_makes(linear, rows, message):
    with pytest.raises(InvalidInputError, match=message):
        interpret(linear, rows)


def test_an_unverified_circuit_cannot_read_outside_a_table():
    given = Input((InputGroup(GroupKind.THERMOMETER, 1),))
    code = Linear((Term.from_dense(0, [[-1]]),), np.zeros(1, np.int64))
    circuit = Circuit((given, code, Lookup(1, np.array([[4, 7]]), np.array([0])), code), 2)
    with pytest.raises(CircuitError, match=r"node 2: looks up a value outside 0 \.\. 1"):
        interpret(circuit, [[1]])


def test_an_output_beyond_the_declared_maximum_is_an_error(shared, make_rows):
    rows = make_rows(np.random.default_rng(0), shared.input, 50)
    values = interpret(shared, rows)[:, 0]
    circuit = Circuit(shared.nodes, shared.output, int(values.max()) - 1)
    inside = values < values.max()
    assert interpret(circuit, rows[inside])[:, 0].tolist() == values[inside].tolist()
    with pytest.raises(CircuitError, match=rf"row {values.argmax()} leads to outputs .{values.max()}., it declares"):
        interpret(circuit, rows)
