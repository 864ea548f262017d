"""Lookups that drop bits and wrap around: what they compute, how far their bounds reach, how they are printed."""

# ruff: noqa: E501  # golden text keeps the lines that the printer makes

from __future__ import annotations

import numpy as np
import pytest
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, interpret, to_mlir, verify
from cryptable_engine.circuit.bounds import bounds
from hypothesis import given, settings
from hypothesis import strategies as st


def ints(*values):
    return np.array(values, np.int64)


def circuit(maximum, weight, offset, tables, dropped_bits, mirror, last=0):
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, 1, maximum),)),
            Linear((Term.from_dense(0, [[weight]]),), ints(offset)),
            Lookup(1, np.array([tables], np.int64), ints(0), dropped_bits, ints(mirror)),
            Linear((Term.from_dense(2, [[1]]),), ints(last)),
        ),
        3,
    )


def test_positions_are_rounded_to_the_nearest_and_go_round_the_torus():
    """Two bits, two dropped: a turn is 32. From -2 on position 0 is read, from 14 on the mirrored one, 100 - 7."""
    values = interpret(circuit(40, 1, -6, [7, 1, 2, 3], 2, 100), np.arange(41)[:, None])[:, 0]
    expected = [97] * 4 + [7] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [93] * 4 + [99] * 4 + [98] * 4 + [97] * 4 + [7] * 4
    np.testing.assert_array_equal(values, [*expected, 1])


def test_without_dropped_bits_only_the_end_wraps():
    np.testing.assert_array_equal(
        interpret(circuit(8, 1, 0, [0, 1, 2, 3], 0, 4), np.arange(9)[:, None])[:, 0], [0, 1, 2, 3, 4, 3, 2, 1, 0]
    )


@given(
    st.integers(1, 9),
    st.integers(-9, 9).filter(bool),
    st.integers(-40, 40),
    st.lists(st.integers(0, 9), min_size=4, max_size=4),
    st.integers(0, 3),
    st.integers(0, 9),
)
@settings(max_examples=200, deadline=None)
def test_bounds_hold_and_are_those_of_the_table_where_nothing_wraps(
    maximum, weight, offset, table, dropped, half_mirror
):
    made = circuit(maximum, weight, offset, table, dropped, 2 * half_mirror, last=20)
    values = interpret(made, np.arange(maximum + 1)[:, None])[:, 0] - 20
    found = bounds(made)
    assert found[2].low[0] <= values.min()
    assert found[2].high[0] >= values.max()
    ends = [(bound[0] + (1 << dropped) // 2) >> dropped for bound in found[1]]
    if ends[0] >= 0 and ends[1] < 4:
        reached = table[ends[0] : ends[1] + 1]
        assert (found[2].low[0], found[2].high[0]) == (min(reached), max(reached))


def test_bytes_keep_them():
    made = circuit(9, 5, 3, [1, 2, 3, 4], 3, 10)
    read = Circuit.from_bytes(made.to_bytes())
    assert read.to_bytes() == made.to_bytes()
    assert read.nodes[2].dropped_bits == 3
    assert read.nodes[2].mirrors.tolist() == [10]


def test_it_is_read_from_the_top_of_its_region_and_printed_around_its_centre():
    """The source has 2 + 3 bits, of which 2 are read; 5 is what half the mirror leaves out, times 3 downstream."""
    made = circuit(9, 5, 3, [1, 2, 3, 4], 3, 10)
    last = Linear((Term.from_dense(2, [[3]]),), ints(1))
    text = to_mlir(Circuit((*made.nodes[:3], last), 3))
    assert [line.strip() for line in text.strip().splitlines()[2:-3]] == [
        "%0 = arith.constant dense<[[5]]> : tensor<1x1xi6>",
        '%1 = "FHELinalg.matmul_eint_int"(%x, %0) : (tensor<1x!FHE.eint<5>>, tensor<1x1xi6>) -> tensor<1x!FHE.eint<5>>',
        "%2 = arith.constant dense<[3]> : tensor<1xi6>",
        '%3 = "FHELinalg.add_eint_int"(%1, %2) : (tensor<1x!FHE.eint<5>>, tensor<1xi6>) -> tensor<1x!FHE.eint<5>>',
        '%4 = "FHELinalg.reinterpret_precision"(%3) : (tensor<1x!FHE.eint<5>>) -> tensor<1x!FHE.eint<2>>',
        "%5 = arith.constant dense<[[-4,-3,-2,-1]]> : tensor<1x4xi64>",
        "%6 = arith.constant dense<[0]> : tensor<1xindex>",
        '%7 = "FHELinalg.apply_mapped_lookup_table"(%4, %5, %6) : (tensor<1x!FHE.eint<2>>, tensor<1x4xi64>, tensor<1xindex>) -> tensor<1x!FHE.eint<5>>',
        "%8 = arith.constant dense<[[3]]> : tensor<1x1xi6>",
        '%9 = "FHELinalg.matmul_eint_int"(%7, %8) : (tensor<1x!FHE.eint<5>>, tensor<1x1xi6>) -> tensor<1x!FHE.eint<5>>',
        "%10 = arith.constant dense<[16]> : tensor<1xi6>",
        '%11 = "FHELinalg.add_eint_int"(%9, %10) : (tensor<1x!FHE.eint<5>>, tensor<1xi6>) -> tensor<1x!FHE.eint<5>>',
    ]


def test_the_verifier_lets_them_read_any_value():
    low, high = verify(circuit(1000, 77, -5000, [1, 2, 3, 4], 1, 6))[2]
    assert (low.tolist(), high.tolist()) == ([1], [5])


@pytest.mark.parametrize("weight", [1 << 40, -(1 << 40)])
def test_scales_beyond_the_region_wrap_as_they_do_on_the_torus(weight):
    np.testing.assert_array_equal(
        interpret(circuit(3, weight, 5, [1, 2, 3, 4], 0, 6), np.arange(4)[:, None])[:, 0], [6 - 2] * 4
    )
