"""Convolutions: what they compute, how they and their noise are bounded, which ones are refused, and how they run."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    CircuitError,
    Convolution,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Term,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_engine.circuit import verifier
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.circuit.convolution import convolved
from cryptable_engine.schemes.bootstrapped.noise import NoiseModel, NoisyInterpreter, reading_deviation
from cryptable_engine.schemes.bootstrapped.parameters.variances import variances
from cryptable_protocol import CompileOptions, MalformedMessageError
from cryptable_protocol.messages import circuit as pb
from hypothesis import given, settings
from hypothesis import strategies as st


def by_definition(node: Convolution, source: np.ndarray) -> list[int]:
    """Element by element, in Python's integers."""
    depth, per_group = node.weights.shape[1], node.filters // node.groups
    grid = source.reshape(node.shape)
    found = []
    for number in range(node.filters):
        for place in itertools.product(*map(range, node.places)):
            total = int(node.offset[len(found)])
            for channel in range(depth):
                for tap in itertools.product(*map(range, node.taps)):
                    position = tuple(
                        p * s + t * d - b
                        for p, s, t, d, b in zip(place, node.strides, tap, node.dilations, node.before, strict=True)
                    )
                    if all(0 <= at < extent for at, extent in zip(position, node.shape[1:], strict=True)):
                        read = grid[(number // per_group * depth + channel, *position)]
                        total += int(node.weights[(number, channel, *tap)]) * int(read)
            found.append(total)
    return found


def drawn(rng: np.random.Generator, source: int = 0, axes: int | None = None) -> Convolution:
    """Any geometry, small."""
    axes = int(rng.integers(1, 4)) if axes is None else axes
    groups, depth, per_group = (int(n) for n in rng.integers(1, 3, 3))
    extents, taps, strides, dilations = (tuple(rng.integers(1, 4, axes).tolist()) for _ in range(4))
    before = tuple(int(rng.integers(0, (t - 1) * d + 1)) for t, d in zip(taps, dilations, strict=True))
    places = tuple(int(rng.integers(1, (e - 1 + b) // s + 2)) for e, b, s in zip(extents, before, strides, strict=True))
    weights = rng.integers(-4, 5, (groups * per_group, depth, *taps))
    offset = rng.integers(-9, 10, groups * per_group * int(np.prod(places)))
    return Convolution(source, (groups * depth, *extents), weights, offset, places, groups, strides, dilations, before)


def of_input(node: Convolution, maximum: int = 3) -> Circuit:
    """One score for each element, none negative."""
    given_ = Input((InputGroup(GroupKind.RANGE, int(np.prod(node.shape)), maximum),))
    out = Linear((Term.from_dense(1, np.eye(node.size, dtype=np.int64)),), np.zeros(node.size, np.int64))
    low = bounds(Circuit((given_, node, out), 2))[-1].low
    return Circuit((given_, node, replace(out, offset=-low)), 2)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=120, deadline=None)
def test_every_geometry_is_what_it_is_defined_as_within_its_bounds(seed):
    rng = np.random.default_rng(seed)
    node = drawn(rng)
    circuit = of_input(node)
    found = verify(circuit)
    again = Circuit.from_bytes(circuit.to_bytes())
    assert again.to_bytes() == circuit.to_bytes()
    rows = rng.integers(0, 4, (5, circuit.input.size))
    expected = np.array([by_definition(node, row) for row in rows])
    assert (interpret(again, rows) == expected + circuit.nodes[2].offset).all()
    assert (expected >= found[1].low).all()
    assert (expected <= found[1].high).all()
    # bounds are reached: each element takes 0 or the maximum by the sign of its own weight
    unit = np.eye(circuit.input.size, dtype=np.int64)
    weights = np.array([by_definition(replace(node, offset=0 * node.offset), row) for row in unit])
    assert (found[1].high == node.offset + 3 * np.maximum(weights, 0).sum(axis=0)).all()
    assert (found[1].low == node.offset + 3 * np.minimum(weights, 0).sum(axis=0)).all()
    windows = node.windows()
    assert windows.shape == (np.prod(node.places), node.window)


def test_large_values_are_added_up_as_integers():
    rng = np.random.default_rng(0)
    node = drawn(rng, axes=2)
    node = replace(node, weights=rng.integers(-(1 << 40), 1 << 40, node.weights.shape))
    source = rng.integers(0, 1 << 12, (int(np.prod(node.shape)), 1))
    circuit = of_input(node, 1 << 12)
    expected = np.array(by_definition(node, source)) + circuit.nodes[2].offset
    assert interpret(circuit, source.T)[0].tolist() == expected.tolist()


GIVEN = Input((InputGroup(GroupKind.RANGE, 8, 1),))
CONVOLUTION = Convolution(
    0,
    (2, 4),
    np.array([[[1, 2, 1], [0, 1, 0]]]),
    np.array([0, 1, 0]),
    places=(3,),
    groups=1,
    strides=(2,),
    dilations=(1,),
    before=(1,),
)
TABLE = Lookup(1, np.array([[0, 1, 1, 2, 3, 3, 0, 1]]), np.zeros(3, np.int64))
SECOND = Convolution(
    2, (1, 3), np.array([[[1, -1]], [[2, 1]]]), np.full(4, 3), (2,), groups=1, strides=(1,), dilations=(1,), before=(0,)
)
SCORES = Linear((Term.from_dense(3, [[1, 0], [0, 1], [1, 0], [0, 2]]),), np.array([0, 0]))
CIRCUIT = Circuit((GIVEN, CONVOLUTION, TABLE, SECOND, SCORES), 4)


def test_bounds_of_a_convolution_of_thermometers_and_of_a_later_sum_hold(every_row):
    given_ = Input((InputGroup(GroupKind.THERMOMETER, 5), InputGroup(GroupKind.RANGE, 3, 1)))
    circuit = Circuit((given_, *CIRCUIT.nodes[1:]), 4)
    found = verify(circuit)
    rows = every_row(given_)
    outputs = interpret(circuit, rows)
    assert (outputs >= found[4].low).all()
    assert (outputs <= found[4].high).all()


WRONG = {
    "a later source": (replace(CONVOLUTION, source=2), "reads node 2, which is not an earlier node"),
    "another size": (replace(CONVOLUTION, shape=(2, 5)), "for 8 values"),
    "no axis": (replace(CONVOLUTION, shape=(8,), weights=np.ones((1, 8), np.int64)), "a grid of 0 axes"),
    "groups": (replace(CONVOLUTION, groups=2), "in 2 groups for 2 channels"),
    "channels": (replace(CONVOLUTION, weights=np.ones((1, 1, 3), np.int64)), "in 1 groups for 2 channels"),
    "axes": (replace(CONVOLUTION, strides=(2, 1)), "of other than its 1 axes"),
    "offsets": (replace(CONVOLUTION, places=(2,)), "3 offsets for 1 filters"),
    "no stride": (replace(CONVOLUTION, strides=(0,)), "stride or dilation below 1"),
    "a negative padding": (replace(CONVOLUTION, before=(-1,)), "negative padding"),
    "before the grid": (replace(CONVOLUTION, before=(3,)), "windows on axis 0 that lie outside"),
    "behind the grid": (replace(CONVOLUTION, strides=(3,)), "windows on axis 0 that lie outside"),
    "a large weight": (replace(CONVOLUTION, weights=CONVOLUTION.weights << 48), "a weight beyond"),
    "a large offset": (replace(CONVOLUTION, offset=CONVOLUTION.offset << 61), "an offset beyond"),
    "floats": (replace(CONVOLUTION, weights=CONVOLUTION.weights.astype(float)), "float64"),
    "no weights": (replace(CONVOLUTION, weights=np.zeros((0, 2, 3), np.int64)), "a grid of"),
}


@pytest.mark.parametrize(("node", "message"), WRONG.values(), ids=list(WRONG))
def test_what_is_no_convolution_is_refused(node, message):
    with pytest.raises(CircuitError, match=message) as raised:
        verify(replace(CIRCUIT, nodes=(GIVEN, node, *CIRCUIT.nodes[2:])))
    assert raised.value.node == 1


def test_limits_of_all_convolutions_together(monkeypatch):
    verify(CIRCUIT)
    monkeypatch.setattr(verifier, "MAX_TAPS", 4)
    with pytest.raises(CircuitError, match="5 taps of convolutions"):
        verify(CIRCUIT)
    monkeypatch.setattr(verifier, "MAX_TAPS", 5)
    monkeypatch.setattr(verifier, "MAX_MATRIX_CELLS", 3 * 6 + 4 * 2 + 2 * 4 - 1)
    with pytest.raises(CircuitError, match="34 matrix cells"):
        verify(CIRCUIT)


def test_sums_that_could_overflow_are_refused():
    given_ = Input((InputGroup(GroupKind.RANGE, 8, 1 << 14),))
    with pytest.raises(CircuitError, match="could overflow"):
        verify(Circuit((given_, replace(CONVOLUTION, weights=CONVOLUTION.weights << 46), *CIRCUIT.nodes[2:]), 4))


def test_convolutions_of_convolutions_and_beside_other_schemes_nodes_are_refused():
    again = Convolution(1, (1, 3), np.ones((1, 1, 1), np.int64), np.zeros(3, np.int64), (3,), 1, (1,), (1,), (0,))
    with pytest.raises(CircuitError, match="convolves node 1, which is no Input, Linear or Lookup"):
        verify(Circuit((GIVEN, CONVOLUTION, again, replace(SCORES, terms=(Term.from_dense(2, np.eye(3)[:, :2]),))), 3))
    with pytest.raises(CircuitError, match="its output is node 1, expected the index of a Linear"):
        verify(Circuit((GIVEN, CONVOLUTION), 1))


@pytest.mark.parametrize("scheme", ["levelled", "squares"])
def test_schemes_without_convolutions_refuse_them(scheme, tmp_path):
    sums = Circuit((GIVEN, CONVOLUTION, Linear((Term.from_dense(1, np.ones((3, 1))),), np.zeros(1, np.int64))), 2)
    with pytest.raises(CircuitError):
        compile_circuit(sums, CompileOptions(scheme=scheme), tmp_path / "program")


def test_messages_whose_lists_do_not_fit_are_malformed():
    for change in ("taps", "places", "strides", "dilations", "before", "shape"):
        message = pb.Circuit.FromString(CIRCUIT.to_bytes())
        getattr(message.nodes[1].convolution, change).append(1)
        with pytest.raises(MalformedMessageError, match="node 1: a convolution of shape"):
            Circuit.from_bytes(message.SerializeToString(deterministic=True))
    for change, expected in (("weights", "7 weights"), ("offset", "4 offsets")):
        message = pb.Circuit.FromString(CIRCUIT.to_bytes())
        getattr(message.nodes[1].convolution, change).append(1)
        with pytest.raises(MalformedMessageError, match=expected):
            Circuit.from_bytes(message.SerializeToString(deterministic=True))


def as_matrices(circuit: Circuit) -> Circuit:
    """The same with each Convolution as a Linear: what reading it twice is compared with."""
    nodes = list(circuit.nodes)
    for index, node in enumerate(nodes):
        if isinstance(node, Convolution):
            size = int(np.prod(node.shape))
            dense = convolved(node, np.eye(size, dtype=np.int64)).T
            nodes[index] = Linear((Term.from_dense(node.source, dense),), node.offset)
    return replace(circuit, nodes=tuple(nodes))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_noise_is_bounded_from_above_and_exactly_where_nothing_is_shared(seed):
    """Sums of a convolution, of what it reads and of both, against composed matrices."""
    rng = np.random.default_rng(seed)
    node = drawn(rng)
    size = int(np.prod(node.shape))
    given_ = Input((InputGroup(GroupKind.RANGE, size, 3),))
    several = Linear(
        (Term.from_dense(0, rng.integers(-2, 3, (size, 2))), Term.from_dense(1, rng.integers(-2, 3, (node.size, 2)))),
        np.zeros(2, np.int64),
    )
    circuit = Circuit((given_, node, several), 2)
    found, exact = variances(circuit, 0.5, 0.25), variances(as_matrices(circuit), 0.5, 0.25)
    assert found[1] == pytest.approx(exact[1])
    assert (found[2] >= exact[2] * (1 - 1e-9)).all()
    placed = Linear(
        (Term.from_dense(0, np.eye(size, dtype=np.int64)[rng.permutation(size)]),), np.zeros(size, np.int64)
    )
    summed = replace(placed, terms=(Term.from_dense(0, rng.integers(-2, 3, (size, size))),))
    for first, is_exact in ((placed, True), (summed, False)):
        circuit = Circuit((given_, first, replace(node, source=1)), 2)
        found, exact = variances(circuit, 0.5, 0.25)[2], variances(as_matrices(circuit), 0.5, 0.25)[2]
        assert (found >= exact * (1 - 1e-9)).all()
        if is_exact:
            assert found == pytest.approx(exact)


def test_noisy_interpretation_is_that_of_the_matrices():
    model = NoiseModel(1e-12, 1e-12, 1e-10)
    rows = np.random.default_rng(0).integers(0, 2, (50, 8))
    one, other = (
        NoisyInterpreter(circuit, model, all_lookups=True).evaluate(rows, np.random.default_rng(1)).outputs
        for circuit in (CIRCUIT, as_matrices(CIRCUIT))
    )
    assert (one == other).all()
    rounded = replace(CIRCUIT, nodes=(GIVEN, CONVOLUTION, replace(TABLE, mirrors=np.array([2])), SECOND, SCORES))
    found, expected = (reading_deviation(each, model)[2] for each in (rounded, as_matrices(rounded)))
    assert found == pytest.approx(expected)
