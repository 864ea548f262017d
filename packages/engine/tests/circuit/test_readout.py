"""Approximate readout: what is printed, what is read of exact outputs, and how noisy that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import interpret, to_mlir
from cryptable_engine.circuit.readout import noise_bound, output_bits, read_out
from cryptable_engine.schemes.bootstrapped.parameters.formulas import noise_deviation

P_ERROR = 2.0**-40


def test_the_output_is_declared_with_its_exact_bits_and_nothing_else_changes(shared):
    exact, approximate = to_mlir(shared), to_mlir(replace(shared, exact_output_bits=5))
    *body, end = exact.rsplit("    return", 1)
    assert approximate.startswith(body[0].replace("-> tensor<1x!FHE.eint<8>> {", "-> tensor<1x!FHE.eint<5>> {", 1))
    last = approximate[len(body[0]) :].strip().splitlines()
    assert "reinterpret_precision" in last[0]
    assert last[0].endswith("(tensor<1x!FHE.eint<8>>) -> tensor<1x!FHE.eint<5>>")
    assert last[1].endswith(": tensor<1x!FHE.eint<5>>")
    assert end


def test_without_exact_bits_all_is_read(shared):
    outputs = np.array([[0], [175]])
    assert read_out(shared, outputs, 0) is outputs
    assert (output_bits(shared), noise_bound(0)) == (8, 0)


def test_the_upper_bits_are_rounded_once(shared):
    circuit = replace(shared, exact_output_bits=4)  # of 8, with 2 further ones: steps of 4
    assert read_out(circuit, np.array([[0, 1, 2, 5, 6, 175]]), 2).tolist() == [[0, 0, 1, 1, 2, 44]]


def test_noise_has_the_deviation_that_is_stated_and_stays_within_its_bound(shared):
    circuit = replace(shared, exact_output_bits=6)
    outputs = np.full((20_000, 1), 100)
    deviation = noise_deviation(P_ERROR)
    noisy = read_out(circuit, outputs, 2, deviation=deviation, generator=np.random.default_rng(0))
    # Rounding to integers shows a deviation below one half in the rare values beside.
    assert 4 * deviation == pytest.approx(2 / 7.14, rel=0.01)
    assert 0.05 < np.mean(noisy != 100) < 0.1
    assert np.abs(noisy - 100).max() <= noise_bound(2) == 3


def test_the_interpreter_stays_exact(shared):
    rows = np.zeros((1, shared.input.size), np.int64)
    assert interpret(replace(shared, exact_output_bits=3), rows).tolist() == interpret(shared, rows).tolist()
