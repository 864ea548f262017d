"""Products of bits with linear forms: what they compute, how they are bounded, which ones are refused."""

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
    Product,
    Term,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_protocol import CompileOptions, MalformedMessageError
from cryptable_protocol.messages import circuit as pb

BITS = Input((InputGroup(GroupKind.THERMOMETER, 2), InputGroup(GroupKind.RANGE, 1)))
FORMS = Linear((Term.from_dense(0, [[1, 0, 0, 2], [0, 0, 3, 0], [0, -1, 0, 0]]),), np.array([0, 4, 1, 0]))
"""Two blocks of two: (x0, 4 - x2) and (1 + 3 x1, 2 x0)."""
PRODUCT = Product(1, np.array([2, 0]), 4)
SUM = Linear(
    (Term.from_dense(2, [[1, 0], [0, 1], [1, 0], [0, 1]]), Term.from_dense(0, np.zeros((3, 2)))), np.array([0, 5])
)
CIRCUIT = Circuit((BITS, FORMS, PRODUCT, SUM), 3)


def test_a_bit_multiplies_its_block():
    rows = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]])
    for x0, x1, x2 in rows:
        (found,) = interpret(CIRCUIT, [[x0, x1, x2]])
        assert found.tolist() == [x2 * x0 + x0 * (1 + 3 * x1), x2 * (4 - x2) + x0 * 2 * x0 + 5]


def test_bounds_hold_for_every_row_and_know_that_a_bit_may_be_0():
    low, high = verify(CIRCUIT)[2]
    assert low.tolist() == [0, 0, 0, 0]
    assert high.tolist() == [1, 4, 4, 2]


def test_bytes_come_back():
    again = Circuit.from_bytes(CIRCUIT.to_bytes())
    assert again.to_bytes() == CIRCUIT.to_bytes()
    assert (again.products, again.nodes[2].block) == (2, 2)


@pytest.mark.parametrize(
    ("product", "message"),
    [
        (replace(PRODUCT, bits=np.array([3, 0])), "outside the 3 elements"),
        (replace(PRODUCT, bits=np.array([-1, 0])), "outside the 3 elements"),
        (replace(PRODUCT, bits=np.array([2, 0, 1])), "expected a multiple"),
        (replace(PRODUCT, bits=np.array([], np.int64)), "expected a multiple"),
        (replace(PRODUCT, size=6), "expected a multiple"),
        (replace(PRODUCT, source=0), "not a Linear"),
        (replace(PRODUCT, source=2), "not an earlier node"),
    ],
)
def test_what_is_no_product_is_refused(product, message):
    with pytest.raises(CircuitError, match=message):
        verify(Circuit((BITS, FORMS, product, SUM), 3))


def test_only_bits_multiply():
    wide = Input((InputGroup(GroupKind.RANGE, 3, 2),))
    with pytest.raises(CircuitError, match="no bit"):
        verify(Circuit((wide, FORMS, PRODUCT, SUM), 3))


def test_a_message_without_bits_or_of_a_later_node_is_malformed():
    for broken in (pb.Product(source=1), pb.Product(source=2, bits=[0])):
        message = pb.Circuit.FromString(CIRCUIT.to_bytes())
        message.nodes[2].product.CopyFrom(broken)
        with pytest.raises(MalformedMessageError, match="product"):
            Circuit.from_bytes(message.SerializeToString(deterministic=True))


def test_the_scheme_bootstrapped_refuses_products(tmp_path):
    with pytest.raises(CircuitError, match="scheme levelled"):
        compile_circuit(CIRCUIT, CompileOptions(), tmp_path / "program")
