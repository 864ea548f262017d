"""Which circuits the scheme levelled takes, what their forms are, and what it says of the others."""

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
    Product,
    Rotation,
    Term,
    verify,
)
from cryptable_engine.schemes.levelled.plans.forms import read_forms
from cryptable_engine.schemes.levelled.plans.plan import check

BITS = Input((InputGroup(GroupKind.RANGE, 4),))
EYE = np.eye(2, dtype=np.int64)
FORMS = Linear((Term.from_dense(0, [[1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 4]]),), np.array([5, 0, 0, 6]))
"""Two blocks of two: x0 · (1, 2) + (5, 0), and x2 · (3, 0) + x3 · (0, 4) + (0, 6)."""
PRODUCT = Product(1, np.array([1, 0]), 4)
OUTER = Linear((Term.from_dense(2, np.kron([[1], [-1]], EYE)), Term.from_dense(0, np.zeros((4, 2)))), np.array([0, 7]))
AGAIN = Product(3, np.array([3]), 2)
ANSWER = Linear((Term.from_dense(4, EYE), Term.from_dense(2, np.kron([[0], [1]], EYE))), np.array([20, 20]))
CIRCUIT = Circuit((BITS, FORMS, PRODUCT, OUTER, AGAIN, ANSWER), 5)


def changed(**nodes):
    return Circuit(tuple(nodes.get(f"n{index}", node) for index, node in enumerate(CIRCUIT.nodes)), 5)


def test_forms_are_read_in_order():
    verify(CIRCUIT)
    forms = check(CIRCUIT)
    assert (forms.inputs, forms.outputs, forms.products, forms.root) == (4, 2, 3, 3)
    assert forms.bit.tolist() == [1, 0, 3]
    assert forms.selectors == (0, 1, 3)
    assert forms.steps == (range(2), range(2, 3))
    terms = [
        list(zip(forms.term_sign[part].tolist(), forms.term_product[part].tolist(), strict=True))
        for part in map(forms.terms, range(4))
    ]
    assert terms == [[], [], [(1, 0), (-1, 1)], [(1, 1), (1, 2)]]
    reads = [
        {bit: weight.tolist() for bit, weight in zip(forms.read_bit[part], forms.read_weight[part], strict=True)}
        for part in map(forms.reads, range(4))
    ]
    assert reads == [{0: [1, 2]}, {2: [3, 0], 3: [0, 4]}, {}, {}]
    assert forms.constant.tolist() == [[5, 0], [0, 6], [0, 7], [20, 20]]


def test_a_linear_that_two_products_read_is_two_forms():
    answer = (Term.from_dense(2, np.kron([[1], [0]], EYE)), Term.from_dense(3, np.kron([[1], [1]], EYE)))
    twice = Product(1, np.array([2, 2]), 4)
    circuit = Circuit((BITS, FORMS, PRODUCT, twice, Linear(answer, np.array([0, 0]))), 4)
    forms = check(circuit)
    assert forms.bit.tolist() == [1, 0, 2, 2]
    assert [forms.read_bit[forms.reads(form)].tolist() for form in range(4)] == [[0], [2, 3], [0], [2, 3]]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"n0": Input((InputGroup(GroupKind.RANGE, 4, 3),))}, "takes bits alone"),
        ({"n3": replace(OUTER, terms=(Term.from_dense(2, np.kron([[2], [-1]], EYE)),))}, "other weights than 1 or −1"),
        ({"n3": replace(OUTER, terms=(Term.from_dense(2, [[1, 0], [0, -1], [0, 0], [0, 0]]),))}, "all 2 outputs alike"),
        ({"n3": replace(OUTER, terms=(Term.from_dense(2, [[1, 0], [0, 0], [0, 0], [0, 0]]),))}, "all 2 outputs alike"),
        ({"n3": replace(OUTER, terms=(Term.from_dense(2, [[0, 1], [1, 0], [0, 0], [0, 0]]),))}, "all 2 outputs alike"),
        (
            {"n3": replace(OUTER, terms=(Term.from_dense(1, np.kron([[1], [-1]], EYE)),))},
            "neither the Input nor a Product",
        ),
        ({"n2": Product(1, np.array([1]), 4)}, "blocks of 4 elements"),
        ({"n2": Lookup(1, np.array([[0, 1]]), np.zeros(4, np.int64))}, "scheme='bootstrapped'"),
        ({"n1": replace(FORMS, offset=np.zeros(3, np.int64))}, "blocks of 2"),
    ],
)
def test_circuits_of_other_shapes_are_refused(nodes, message):
    with pytest.raises(CircuitError, match=message):
        read_forms(changed(**nodes))


def test_the_answer_is_the_last_node():
    with pytest.raises(CircuitError, match="last"):
        read_forms(Circuit(CIRCUIT.nodes, 3))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("constant", [0, 3])
def test_equal_forms_under_one_bit_are_refused_whatever_their_sign_and_constant(sign, constant):
    first = FORMS.terms[0].to_dense(4, 4)[:, :2]
    twin = Linear(
        (Term.from_dense(0, np.concatenate([first, sign * first], axis=1)),), np.array([5, 0, sign * 5 + constant, 0])
    )
    with pytest.raises(CircuitError, match="products 0 and 1 multiply bit 1 by forms that are equal"):
        check(changed(n1=twin, n2=replace(PRODUCT, bits=np.array([1, 1]))))
    check(changed(n1=twin))  # under two bits, their noise is of two selectors


def test_equal_sums_of_products_under_one_bit_are_refused():
    outer = np.kron([[1, -1], [-1, 1]], EYE)
    circuit = changed(
        n3=Linear((Term.from_dense(2, outer),), np.zeros(4, np.int64)),
        n4=Product(3, np.array([3, 3]), 4),
        n5=Linear((Term.from_dense(4, np.kron([[1], [1]], EYE)),), np.array([0, 0])),
    )
    with pytest.raises(CircuitError, match="equal but for sign"):
        check(circuit)


def test_a_bit_times_a_constant_is_no_product():
    constant = replace(FORMS, terms=(Term.from_dense(0, [[1, 2, 0, 0], *[[0] * 4] * 3]),))
    with pytest.raises(CircuitError, match="product 1 multiplies bit 0 by a constant"):
        check(changed(n1=constant))


TABLES = Rotation(np.array([0, 2]), np.array([[1, 0], [3, 7]]), np.arange(16).reshape(2, 4, 2))
SUM = Linear((Term.from_dense(1, EYE),), np.array([20, 20]))
TURNED = (CIRCUIT.nodes[0], TABLES, SUM)


def test_a_rotation_is_added_to_the_answers_form():
    forms = check(Circuit(TURNED, 2))
    assert forms.rotation is TABLES
    assert (forms.products, forms.selectors) == (0, (0, 2))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((TURNED[0], TABLES, replace(SUM, terms=(Term.from_dense(1, -EYE),))), "does not add it once"),
        ((TURNED[0], TABLES, replace(SUM, terms=(Term.from_dense(1, 0 * EYE),))), "does not add it once"),
        ((TURNED[0], TABLES, replace(SUM, terms=(Term.from_dense(1, 2 * EYE),))), "or into tables"),
        (
            (*TURNED[:2], TABLES, Linear((*SUM.terms, Term.from_dense(2, EYE)), SUM.offset)),
            "a rotation beside that of node 1",
        ),
        (
            (*TURNED, Product(2, np.array([3]), 2), replace(SUM, terms=(Term.from_dense(3, EYE),))),
            "which the answer alone may read",
        ),
        (
            (*TURNED[:2], replace(SUM, terms=(Term.from_dense(1, EYE[:, :1]),), offset=np.zeros(1, np.int64))),
            "2 elements",
        ),
    ],
)
def test_rotations_elsewhere_are_refused(nodes, message):
    with pytest.raises(CircuitError, match=message):
        read_forms(Circuit(nodes, len(nodes) - 1))
