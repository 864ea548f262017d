"""Golden texts: what small circuits are printed as."""

# ruff: noqa: E501  # golden text keeps the lines that the printer makes

from __future__ import annotations

import re

import numpy as np
import pytest
from cryptable_engine import Circuit, CircuitError, GroupKind, Input, InputGroup, Linear, Lookup, Term, to_mlir


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


def test_a_linear_circuit():
    given = Input((InputGroup(GroupKind.THERMOMETER, 3),))
    circuit = Circuit((given, Linear((Term.from_dense(0, [[3, 0], [-1, 2], [0, 5]]),), np.array([0, 1]))), 1)
    assert lines(to_mlir(circuit)) == lines(
        """
        module {
          func.func @main(%x: tensor<3x!FHE.eint<4>>) -> tensor<2x!FHE.eint<4>> {
            %0 = arith.constant dense<[[3,0],[-1,2],[0,5]]> : tensor<3x2xi5>
            %1 = "FHELinalg.matmul_eint_int"(%x, %0) : (tensor<3x!FHE.eint<4>>, tensor<3x2xi5>) -> tensor<2x!FHE.eint<4>>
            %2 = arith.constant dense<[0,1]> : tensor<2xi5>
            %3 = "FHELinalg.add_eint_int"(%1, %2) : (tensor<2x!FHE.eint<4>>, tensor<2xi5>) -> tensor<2x!FHE.eint<4>>
            return %3 : tensor<2x!FHE.eint<4>>
          }
        }
        """
    )


def test_free_terms_and_lookups_share_their_input(shared):
    """Codes stand in the top 2 of the region's 8 bits: their weights are scaled by 2^6."""
    assert lines(to_mlir(shared)) == lines(
        """
        module {
          func.func @main(%x: tensor<8x!FHE.eint<8>>) -> tensor<1x!FHE.eint<8>> {
            %0 = arith.constant dense<[[128,0],[0,64],[0,64],[0,64],[64,0],[0,0],[0,0],[0,0]]> : tensor<8x2xi9>
            %1 = "FHELinalg.matmul_eint_int"(%x, %0) : (tensor<8x!FHE.eint<8>>, tensor<8x2xi9>) -> tensor<2x!FHE.eint<8>>
            %2 = "FHELinalg.reinterpret_precision"(%1) : (tensor<2x!FHE.eint<8>>) -> tensor<2x!FHE.eint<2>>
            %3 = arith.constant dense<[[0,5,9,14],[12,0,1,3]]> : tensor<2x4xi64>
            %4 = arith.constant dense<[0,1]> : tensor<2xindex>
            %5 = "FHELinalg.apply_mapped_lookup_table"(%2, %3, %4) : (tensor<2x!FHE.eint<2>>, tensor<2x4xi64>, tensor<2xindex>) -> tensor<2x!FHE.eint<8>>
            %6 = arith.constant dense<[[0],[0],[3],[0],[-2],[0],[1],[7]]> : tensor<8x1xi9>
            %7 = "FHELinalg.matmul_eint_int"(%x, %6) : (tensor<8x!FHE.eint<8>>, tensor<8x1xi9>) -> tensor<1x!FHE.eint<8>>
            %8 = arith.constant dense<[[1],[10]]> : tensor<2x1xi9>
            %9 = "FHELinalg.matmul_eint_int"(%5, %8) : (tensor<2x!FHE.eint<8>>, tensor<2x1xi9>) -> tensor<1x!FHE.eint<8>>
            %10 = "FHELinalg.add_eint"(%7, %9) : (tensor<1x!FHE.eint<8>>, tensor<1x!FHE.eint<8>>) -> tensor<1x!FHE.eint<8>>
            %11 = arith.constant dense<[2]> : tensor<1xi9>
            %12 = "FHELinalg.add_eint_int"(%10, %11) : (tensor<1x!FHE.eint<8>>, tensor<1xi9>) -> tensor<1x!FHE.eint<8>>
            return %12 : tensor<1x!FHE.eint<8>>
          }
        }
        """
    )


def test_a_value_both_looked_up_and_summed_is_scaled_by_a_product():
    given = Input((InputGroup(GroupKind.THERMOMETER, 3),))
    code = Linear((Term.from_dense(0, [[1], [1], [1]]),), np.array([0]))
    table = Lookup(1, np.array([[4, 0, 2, 1]]), np.array([0]))
    total = Linear((Term.from_dense(1, [[1]]), Term.from_dense(2, [[1]])), np.array([0]))
    text = to_mlir(Circuit((given, code, table, total), 3))
    assert "%2 = arith.constant dense<[2]> : tensor<1xi4>" in text
    assert '%3 = "FHELinalg.mul_eint_int"(%1, %2)' in text
    assert '%4 = "FHELinalg.reinterpret_precision"(%3) : (tensor<1x!FHE.eint<3>>) -> tensor<1x!FHE.eint<2>>' in text
    assert '"FHELinalg.matmul_eint_int"(%1, ' in text


def test_constants_are_taken_modulo_the_torus():
    """2^5 in a region of 4 bits is 0: the padding bit and all above it are gone."""
    given = Input((InputGroup(GroupKind.THERMOMETER, 2),))
    first = Linear((Term.from_dense(0, [[16, 33], [1, 0]]),), np.array([-40, 5]))
    last = Linear((Term.from_dense(0, [[-16], [9]]), Term.from_dense(1, [[1], [0]])), np.array([40]))
    text = to_mlir(Circuit((given, first, last), 2))
    assert "dense<[[-16,1],[1,0]]> : tensor<2x2xi5>" in text
    assert "dense<[-8,5]> : tensor<2xi5>" in text


def test_columns_with_few_entries_are_gathered():
    """Column 1 has all of the matrix's rows, the others one entry or none: two blocks, put in order again."""
    given = Input((InputGroup(GroupKind.RANGE, 20, 1),))
    matrix = np.zeros((20, 3), np.int64)
    matrix[13, 0], matrix[:, 1] = 2, 1
    text = to_mlir(Circuit((given, Linear((Term.from_dense(0, matrix),), np.array([0, 0, 0]))), 1))
    ones = "[" + ",".join(["[1]"] * 20) + "]"
    assert lines(text)[2:-3] == lines(f"""
        %0 = arith.constant dense<[[[0]],[[13]]]> : tensor<2x1x1xindex>
        %1 = "FHELinalg.fancy_index"(%x, %0) : (tensor<20x!FHE.eint<5>>, tensor<2x1x1xindex>) -> tensor<2x1x1x!FHE.eint<5>>
        %2 = arith.constant dense<[[[0]],[[2]]]> : tensor<2x1x1xi6>
        %3 = "FHELinalg.matmul_eint_int"(%1, %2) : (tensor<2x1x1x!FHE.eint<5>>, tensor<2x1x1xi6>) -> tensor<2x1x1x!FHE.eint<5>>
        %4 = tensor.collapse_shape %3 [[0,1,2]] : tensor<2x1x1x!FHE.eint<5>> into tensor<2x!FHE.eint<5>>
        %5 = arith.constant dense<{ones}> : tensor<20x1xi6>
        %6 = "FHELinalg.matmul_eint_int"(%x, %5) : (tensor<20x!FHE.eint<5>>, tensor<20x1xi6>) -> tensor<1x!FHE.eint<5>>
        %7 = "FHELinalg.concat"(%4, %6) : (tensor<2x!FHE.eint<5>>, tensor<1x!FHE.eint<5>>) -> tensor<3x!FHE.eint<5>>
        %8 = arith.constant dense<[1,2,0]> : tensor<3xindex>
        %9 = "FHELinalg.fancy_index"(%7, %8) : (tensor<3x!FHE.eint<5>>, tensor<3xindex>) -> tensor<3x!FHE.eint<5>>
    """)


@pytest.mark.parametrize("seed", range(10))
def test_only_integers_and_known_words_are_printed(seed, make_circuit):
    words = set(re.findall(r"[A-Za-z_.]+", to_mlir(make_circuit(np.random.default_rng(seed)))))
    assert words <= {
        *("module", "func.func", "main", "x", "tensor", "FHE.eint", "i", "index", "arith.constant", "dense", "return"),
        *("xi", "xindex", "FHELinalg.matmul_eint_int", "FHELinalg.add_eint", "FHELinalg.add_eint_int"),
        *("FHELinalg.mul_eint_int", "FHELinalg.reinterpret_precision", "FHELinalg.apply_mapped_lookup_table"),
    }


def test_a_circuit_that_the_verifier_refuses_is_not_printed(shared):
    with pytest.raises(CircuitError, match="its output is node 0"):
        to_mlir(Circuit(shared.nodes, 0))
