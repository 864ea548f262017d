"""Concrete's own simulation agrees with the interpreter."""

from __future__ import annotations

import ctypes
import signal

import numpy as np
import pytest
from cryptable_engine import CircuitError, interpret, simulate
from cryptable_protocol import CompileOptions, InvalidInputError


def test_named_circuits(named_circuit, make_rows):
    _, circuit = named_circuit
    rows = make_rows(np.random.default_rng(0), circuit.input, 20)
    np.testing.assert_array_equal(simulate(circuit, CompileOptions(), rows), interpret(circuit, rows))


@pytest.mark.parametrize("seed", range(4))
def test_random_circuits(seed, make_circuit, make_rows):
    rng = np.random.default_rng(seed)
    circuit = make_circuit(rng, depth=4)
    rows = make_rows(rng, circuit.input, 10)
    np.testing.assert_array_equal(simulate(circuit, CompileOptions(), rows), interpret(circuit, rows))


def test_bad_rows_and_circuits(linear):
    with pytest.raises(InvalidInputError, match=r"expected 0 \.\. 100"):
        simulate(linear, CompileOptions(), [[0, 0, 0, 0, 101]])
    with pytest.raises(CircuitError, match="its output is node 0"):
        simulate(type(linear)(linear.nodes, 0), CompileOptions(), [[0, 0, 0, 0, 1]])


def test_a_closed_socket_is_an_error_still(linear):
    """As after an evaluation: Concrete's runtime makes SIGPIPE deadly as it starts."""
    simulate(linear, CompileOptions(), [[0, 0, 0, 0, 1]])
    handler_of = ctypes.pythonapi.PyOS_getsig
    handler_of.argtypes, handler_of.restype = [ctypes.c_int], ctypes.c_void_p
    assert handler_of(signal.SIGPIPE) == signal.SIG_IGN
