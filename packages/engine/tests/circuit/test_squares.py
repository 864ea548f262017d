"""Squares: what they compute, how they are bounded, which ones are refused, and by which schemes."""

import time
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
    Lookup,
    Square,
    Term,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_engine.circuit import bounds as bounds_module
from cryptable_engine.circuit import quadratic_forms
from cryptable_engine.circuit.affine import AffineMap, SparseMap
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.circuit.quadratic_forms import QuadraticForms
from cryptable_protocol import CompileOptions, MalformedMessageError
from cryptable_protocol.messages import circuit as pb
from hypothesis import given, settings
from hypothesis import strategies as st

GIVEN = Input((InputGroup(GroupKind.THERMOMETER, 2), InputGroup(GroupKind.RANGE, 2, 3)))
FORMS = Linear((Term.from_dense(0, [[1, 0], [0, 2], [-1, 1], [0, 3]]),), np.array([0, -4]))
SUM = Linear((Term.from_dense(2, [[1], [-1]]), Term.from_dense(0, [[5], [0], [0], [0]])), np.array([144]))
CIRCUIT = Circuit((GIVEN, FORMS, Square(1, 2), SUM), 3)


def test_values_are_squared(every_row):
    for x in every_row(GIVEN):
        one, other = int(x[0] - x[2]), int(2 * x[1] + x[2] + 3 * x[3] - 4)
        assert interpret(CIRCUIT, x[None]).tolist() == [[one * one - other * other + 5 * int(x[0]) + 144]]
    assert (CIRCUIT.squares, CIRCUIT.lookups, CIRCUIT.products) == (2, 0, 0)


def test_bytes_come_back():
    again = Circuit.from_bytes(CIRCUIT.to_bytes())
    assert again.to_bytes() == CIRCUIT.to_bytes()
    assert (again.squares, again.nodes[2].size) == (2, 2)


def test_a_square_of_what_can_be_0_is_0_at_least_and_of_what_cannot_more():
    given_ = Input((InputGroup(GroupKind.RANGE, 1, 3),))
    forms = Linear((Term.from_dense(0, [[1, 1, -2]]),), np.array([-2, 1, -1]))
    circuit = Circuit((given_, forms, Square(1, 3), Linear((Term.from_dense(2, np.eye(3)),), np.zeros(3, np.int64))), 3)
    low, high = verify(circuit)[2]
    assert low.tolist() == [0, 1, 1]
    assert high.tolist() == [4, 16, 49]


@given(seed=st.integers(0, 2**32 - 1), neurons=st.integers(1, 7), elements=st.integers(1, 3), depth=st.integers(1, 2))
@settings(max_examples=80, deadline=None)
def test_every_row_is_within_the_bounds(every_row, seed, neurons, elements, depth):
    rng = np.random.default_rng(seed)
    given_ = Input(
        (InputGroup(GroupKind.RANGE, elements, int(rng.integers(1, 6))), InputGroup(GroupKind.THERMOMETER, 2))
    )
    nodes = [given_]
    for _ in range(depth):
        weights = rng.integers(-4, 5, (nodes[-1].size, neurons))
        nodes.append(Linear((Term.from_dense(len(nodes) - 1, weights),), rng.integers(-5, 6, neurons)))
        nodes.append(Square(len(nodes) - 1, neurons))
    terms = [Term.from_dense(len(nodes) - 1, rng.integers(-9, 10, (neurons, 2)))]
    if rng.random() < 0.5:
        terms.append(Term.from_dense(0, rng.integers(-9, 10, (given_.size, 2))))
    nodes.append(Linear(tuple(terms), rng.integers(-9, 10, 2)))
    low = bounds(Circuit(tuple(nodes), len(nodes) - 1))[-1].low
    nodes[-1] = replace(nodes[-1], offset=nodes[-1].offset - low)
    circuit = Circuit(tuple(nodes), len(nodes) - 1)
    low, high = verify(circuit)[-1]
    found = interpret(circuit, every_row(given_))
    assert (found >= low).all()
    assert (found <= high).all()


def _form(inner, shift, weights, linear, offset, highest):
    def sparse(matrix):
        columns, rows = np.nonzero(matrix.T)
        return SparseMap(rows, columns, matrix[rows, columns])

    outer = AffineMap(offset, {0: sparse(linear), 2: sparse(weights)}, 0)
    return QuadraticForms(highest).bounds(outer, {2: AffineMap(shift, {0: sparse(inner)}, 0)})


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 12), elements=st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_forms_hold_at_every_corner_and_at_their_stationary_points(seed, rows, elements):
    """The oracle is exact: rationals at corners, and along the eigenvectors, in Python's integers."""
    rng = np.random.default_rng(seed)
    large = int(rng.choice([3, 1000, 1 << 14]))
    inner, shift = rng.integers(-large, large + 1, (elements, rows)), rng.integers(-large, large + 1, rows)
    weights, linear = rng.integers(-9, 10, (rows, 2)), rng.integers(-large, large + 1, (elements, 2))
    highest, offset = rng.integers(1, 9, elements), rng.integers(-9, 10, 2)
    found = _form(inner, shift, weights, linear, offset, highest)
    points = [np.where(corner, highest, 0) for corner in rng.random((200, elements)) < 0.5]
    points += [rng.integers(0, highest + 1) for _ in range(50)]
    for point in points:
        values = [int(v) ** 2 for v in point @ inner + shift]
        for output in range(2):
            exact = int(offset[output]) + int(point @ linear[:, output])
            exact += sum(int(w) * v for w, v in zip(weights[:, output], values, strict=True))
            assert found is not None
            assert found[0][output] <= exact <= found[1][output]


def test_forms_are_tighter_than_intervals_where_squares_share_their_inputs():
    rng = np.random.default_rng(1)
    given_ = Input((InputGroup(GroupKind.RANGE, 16, 7),))
    forms = Linear((Term.from_dense(0, rng.integers(-3, 4, (16, 8))),), rng.integers(-9, 10, 8))
    outer = Linear((Term.from_dense(2, rng.integers(-3, 4, (8, 1))),), np.array([0]))
    circuit = Circuit((given_, forms, Square(1, 8), outer), 3)
    low, high = bounds(circuit)[-1]
    squares = bounds(circuit)[2]
    weights = outer.terms[0].to_dense(8, 1)[:, 0]
    by_intervals = int(np.where(weights > 0, weights * squares.high, -weights * squares.high).sum())
    assert (high - low)[0] < 0.7 * by_intervals
    # and a sum of one square with itself negated is nothing at all
    none = _form(
        np.array([[3, 3]]),
        np.array([1, 1]),
        np.array([[1], [-1]]),
        np.zeros((1, 1), np.int64),
        np.array([0]),
        np.array([9]),
    )
    assert none is not None
    assert none[1][0] - none[0][0] <= 6


def test_large_forms_are_left_to_intervals():
    rng = np.random.default_rng(1)
    inner = rng.integers(-3, 4, (3000, 1500))
    zeros = np.zeros((3000, 1), np.int64)
    assert (
        _form(
            inner, np.zeros(1500, np.int64), np.ones((1500, 1), np.int64), zeros, np.array([0]), np.ones(3000, np.int64)
        )
        is None
    )


def test_forms_of_a_circuit_share_one_budget_and_what_they_square_is_decomposed_once(monkeypatch):
    """Two equal forms: the second takes no QR decomposition; with room for one, it is left to intervals."""
    rng = np.random.default_rng(1)
    given_ = Input((InputGroup(GroupKind.RANGE, 24, 7),))
    inner = Linear((Term.from_dense(0, rng.integers(-3, 4, (24, 16))),), rng.integers(-9, 10, 16))
    outer = Linear((Term.from_dense(2, rng.integers(-3, 4, (16, 2))),), np.zeros(2, np.int64))
    circuit = Circuit((given_, inner, Square(1, 16), outer, outer), 4)
    decomposed, qr = [], np.linalg.qr
    monkeypatch.setattr(np.linalg, "qr", lambda *a, **k: decomposed.append(a[0].shape) or qr(*a, **k))
    *_, one, other = bounds(circuit)
    assert decomposed == [(24, 16)]
    assert (one.low.tolist(), one.high.tolist()) == (other.low.tolist(), other.high.tolist())

    first = _work_of(16, 24, 2) + 16 * 16 * 24 + 24 * 16**2
    again = _work_of(16, 24, 2)
    by_intervals = _bounds_with_room(monkeypatch, circuit, 0)
    for room, narrowed in (
        (first - 1, (False, False)),
        (first, (True, False)),
        (first + again - 1, (True, False)),
        (first + again, (True, True)),
    ):
        found = _bounds_with_room(monkeypatch, circuit, room)
        assert tuple((found[n].high < by_intervals[n].high).all() for n in (3, 4)) == narrowed


def _work_of(rows, elements, outputs):
    """Entries sorted, eigenvalues, products and sums, where weights are mostly not 0."""
    return outputs * (min(rows, elements) ** 3 + min(rows, elements) ** 2 * rows + 2 * rows * elements)


def _bounds_with_room(monkeypatch, circuit, room):
    monkeypatch.setattr(quadratic_forms, "_SORTED", 0)
    monkeypatch.setattr(quadratic_forms, "_LISTED", 0)
    monkeypatch.setattr(bounds_module, "QuadraticForms", lambda highest: QuadraticForms(highest, room))
    return bounds(circuit)


def test_a_circuit_of_many_large_forms_is_verified_in_seconds():
    """An artifact that a stranger made: 300 sums of 1280 squares of 1500 inputs each, which took seconds each."""
    rng = np.random.default_rng(1)
    given_ = Input((InputGroup(GroupKind.RANGE, 1500, 3),))
    inner = Linear((Term.from_dense(0, rng.integers(-3, 4, (1500, 1280))),), np.zeros(1280, np.int64))
    outer = Linear((Term.from_dense(2, np.ones((1280, 1), np.int64)),), np.zeros(1, np.int64))
    circuit = Circuit((given_, inner, Square(1, 1280), *[outer] * 300), 302)
    begin = time.process_time()
    bounds(circuit)
    assert time.process_time() - begin < 30


@pytest.mark.parametrize(
    ("square", "message"),
    [
        (Square(0, 4), "not a Linear"),
        (Square(2, 2), "not an earlier node"),
        (Square(1, 3), "3 elements are squares of node 1 of 2"),
    ],
)
def test_what_is_no_square_is_refused(square, message):
    with pytest.raises(CircuitError, match=message):
        verify(Circuit((GIVEN, FORMS, square, SUM), 3))


def test_squares_of_values_that_are_too_large_are_refused():
    large = Linear((Term.from_dense(0, [[1, 0], [0, 2], [-1, 1], [0, 3]]),), np.array([0, 1 << 30]))
    with pytest.raises(CircuitError, match="coarser scale"):
        verify(Circuit((GIVEN, large, Square(1, 2), SUM), 3))


def test_squares_stand_beside_no_lookups():
    table = Lookup(1, np.zeros((1, 4), np.int64), np.zeros(2, np.int64))
    both = Linear((Term.from_dense(2, [[1], [1]]), Term.from_dense(3, [[1], [1]])), np.array([0]))
    with pytest.raises(CircuitError, match="no scheme evaluates both"):
        verify(Circuit((GIVEN, FORMS, Square(1, 2), table, both), 4))


def test_a_declared_maximum_is_refused_since_bounds_are_sound():
    with pytest.raises(CircuitError, match="leave it out"):
        verify(replace(CIRCUIT, output_maximum=9))


def test_a_message_that_squares_a_later_node_is_malformed():
    message = pb.Circuit.FromString(CIRCUIT.to_bytes())
    message.nodes[2].square.source = 2
    with pytest.raises(MalformedMessageError, match="node 2: a square of node 2"):
        Circuit.from_bytes(message.SerializeToString(deterministic=True))


@pytest.mark.parametrize("scheme", ["bootstrapped", "levelled"])
def test_schemes_without_squares_refuse_them_with_the_reason(scheme, tmp_path):
    with pytest.raises(CircuitError, match=f"squares values, which the scheme {scheme} does not"):
        compile_circuit(CIRCUIT, CompileOptions(scheme=scheme), tmp_path / "program")
    assert list(tmp_path.iterdir()) == []
