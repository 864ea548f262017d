"""Convolutions before a square: laid out by the client, gathered block by block, as the interpreter has them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from convolved_squares import convolutions, convolved_squares
from cryptable_engine import (
    Circuit,
    CircuitError,
    CompilationError,
    Evaluator,
    ProgramMismatchError,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_engine.schemes.squares.choice import choose_plan
from cryptable_engine.schemes.squares.network import read_network, windows_of
from cryptable_engine.schemes.squares.plan import make_plan
from cryptable_protocol import CompileOptions
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_party import Party

OPTIONS = CompileOptions(scheme="squares")
SMALL = {"shape": (2, 5, 7), "filters": 4, "taps": (3, 2), "places": (3, 7), "strides": (2, 1), "before": (1, 1)}
DEEP = {"shape": (1, 6, 6), "filters": 3, "taps": (3, 3), "places": (4, 4)}


def in_the_clear(plan, row, modulus):
    """What a plan's steps make of a row's slots, modulo one of its moduli."""
    parameters = plan.parameters
    value = parameters.layout.place(row).reshape(2, -1) % modulus
    for index, gather in enumerate(plan.gathers):
        sums = np.zeros((gather.giants, *value.shape), np.int64)
        for giant, baby, slots in plan.masks(index, modulus):
            sums[giant] += slots.reshape(2, -1) * np.roll(value, -baby * gather.unit, axis=1)
        step = gather.babies * gather.unit
        value = sum(np.roll(total % modulus, -giant * step, axis=1) for giant, total in enumerate(sums))
        for fold in gather.folds:
            value = value + np.roll(value, -fold, axis=1)
        if gather.swaps:
            value = value + value[::-1]
        value = (value + plan.bias(index, modulus).reshape(2, -1)) % modulus
        value = value * value % modulus
    products = value * plan.last_mask(modulus).reshape(2, -1) % modulus
    classes = products.reshape(2, -1, parameters.classes // 2).sum(axis=1).reshape(-1)
    return (parameters.layout.output_of(classes) + plan.network.layers[-1].offset) % modulus


@settings(max_examples=12, deadline=None)
@given(convolutions(), st.lists(st.integers(1, 8), min_size=1, max_size=2), st.integers(0, 2**32 - 1))
def test_every_step_of_a_plan_is_the_circuits(convolution, widths, seed):
    random = np.random.default_rng(seed)
    circuit = convolved_squares(random, convolution, widths)
    plan = choose_plan(circuit, verify(circuit), 2.0**-128)
    rows = random.integers(0, 2, (2, circuit.input.size))
    for row, expected in zip(rows, interpret(circuit, rows), strict=True):
        for modulus in plan.parameters.moduli:
            np.testing.assert_array_equal(in_the_clear(plan, row, modulus), expected % modulus)


@settings(max_examples=25, deadline=None)
@given(convolutions())
def test_windows_are_those_of_the_convolution(convolution):
    node = convolved_squares(np.random.default_rng(0), convolution, (1,)).nodes[1]
    windows = windows_of(replace(node, groups=1, weights=np.zeros((1, node.shape[0], *node.taps), np.int64)))
    own = replace(node, groups=1, weights=np.zeros((node.filters, node.shape[0], *node.taps), np.int64))
    np.testing.assert_array_equal(windows.table, own.windows())
    assert (windows.inputs, windows.places) == (math.prod(node.shape), math.prod(node.places))


@pytest.mark.encrypted
def test_they_are_exact(tmp_path):
    random = np.random.default_rng(0)
    circuit = convolved_squares(random, {**SMALL, "groups": 2}, (2,))
    program = compile_circuit(circuit, OPTIONS, tmp_path / "program")
    assert (program.parameters.keyset.ring_size, program.plan.gathers[0].unit) == (8192, 32)
    evaluator, party = Evaluator(program), Party(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    row = random.integers(0, 2, circuit.input.size)
    (expected,) = interpret(circuit, row[None])
    assert party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys)).tolist() == expected.tolist()
    party.close()


def test_filters_are_in_both_rows_of_slots_where_a_layer_follows():
    for widths, rows_differ in (((5, 2), True), ((2,), False)):
        network = read_network(convolved_squares(np.random.default_rng(0), DEEP, widths))
        assert network.arrangements[0].rows_differ is rows_differ
        assert network.widths[0] == (32 if rows_differ else 64)


def test_a_lenet_keeps_its_keys_small():
    """One chain is for it: 4 primes of 56 bits for ciphertexts, and 15 rows of keys."""
    windows = {"taps": (5, 5), "places": (14, 14), "strides": (2, 2), "before": (2, 2)}
    lenet = {"shape": (1, 28, 28), "filters": 8, **windows}
    circuit = convolved_squares(np.random.default_rng(0), lenet, (100, 10), maximum=3)
    parameters = choose_plan(circuit, verify(circuit), 2.0**-128).parameters
    assert (parameters.keyset.number, len(parameters.moduli), len(parameters.keyset.elements)) == (5, 2, 14)
    assert parameters.keyset.evaluation_keys_bytes < 36e6


def test_what_is_promised_otherwise_is_refused():
    circuit = convolved_squares(np.random.default_rng(0), SMALL, (2,))
    network, parameters = read_network(circuit), choose_plan(circuit, verify(circuit), 2.0**-128).parameters
    highest = parameters.maximum - 1
    assert make_plan(network, parameters, highest).parameters == parameters
    (axis, other) = parameters.windows.axes
    for changes, message in (
        ({"windows": replace(parameters.windows, axes=(replace(axis, before=0), other))}, "windows"),
        ({"block": 2 * parameters.block}, "blocks of"),
        ({"copies": 2 * parameters.copies}, "copies"),
        ({"windows": None, "inputs": 3}, "inputs|windows"),
    ):
        with pytest.raises(ProgramMismatchError, match=message):
            make_plan(network, replace(parameters, **changes), highest)


def test_what_is_no_first_layer_or_has_no_room_is_told():
    circuit = convolved_squares(np.random.default_rng(0), DEEP, (2,))
    given_, first, square, last = circuit.nodes
    kernel = np.ones((1, 3, 2, 2), np.int64)
    second = replace(first, source=2, shape=(3, 4, 4), weights=kernel, places=(3, 3), offset=np.zeros(9, np.int64))
    with pytest.raises(CircuitError, match="which is no Input"):
        verify(Circuit((given_, first, square, second, last), 4))
    silent = replace(first, weights=np.zeros_like(first.weights))
    with pytest.raises(CircuitError, match="all of its weights are zero"):
        read_network(replace(circuit, nodes=(given_, silent, square, last)))
    wide = {"shape": (1, 28, 28), "filters": 2, "taps": (5, 5), "places": (24, 24)}
    large = convolved_squares(np.random.default_rng(0), wide, (2,))
    with pytest.raises(CompilationError, match="25 weights at 576 places have no room"):
        choose_plan(large, verify(large), 2.0**-128)
