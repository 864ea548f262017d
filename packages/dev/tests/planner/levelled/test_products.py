"""Products of bits and forms: the algebra of thermometers, and that equal forms are one product."""

from itertools import product as choices

import numpy as np
from cryptable.planner.levelled.products import Form, Products
from hypothesis import given, settings
from hypothesis import strategies as st

FEATURE_OF = (0, 0, 0, 1, 1, 2)
OUTPUTS = 2


def rows():
    """Every row that thermometers allow."""
    for counts in choices(range(4), range(3), range(2)):
        yield [int(bit < count) for count, size in zip(counts, (3, 2, 1), strict=True) for bit in range(size)]


def value(form, products, row):
    total = np.zeros(OUTPUTS, np.int64)
    for key, weight in form.weights.items():
        total[key % OUTPUTS] += weight * (1 if key < OUTPUTS else row[key // OUTPUTS - 1])
    for number, factor in form.products.items():
        total += factor * row[products.selectors[number]] * value(products.forms[number], products, row)
    return total


weights = st.dictionaries(st.integers(0, (len(FEATURE_OF) + 1) * OUTPUTS - 1), st.integers(-3, 3).filter(bool))
programs = st.lists(
    st.tuples(st.integers(0, 5), weights, st.lists(st.tuples(st.integers(0, 9), st.integers(-2, 2)), max_size=3)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(programs)
def test_products_of_any_forms_are_what_they_say(steps):
    products = Products(FEATURE_OF, OUTPUTS)
    made = [Form()]
    for bit, own, added in steps:
        form = Form(dict(own))
        for index, factor in added:
            if factor:
                form.add(made[index % len(made)], factor)
        made.append(products.normal(products.times(bit, form)))
        for row in rows():
            assert (value(made[-1], products, row) == row[bit] * value(form, products, row)).all()
    for form in (*products.forms, *made):
        assert set(form.products.values()) <= {-1, 1}
    known = set()
    for number, form in enumerate(products.forms):
        assert any(key >= OUTPUTS for key in form.weights) or form.products, "a bit times a constant is no product"
        for sign in (1, -1):
            masks = [(key, sign * weight) for key, weight in sorted(form.weights.items()) if key >= OUTPUTS]
            key = (products.selectors[number], *masks, "", *((each, sign * f) for each, f in form.products.items()))
            assert key not in known
            known.add(key)


def test_forms_that_differ_by_sign_and_constant_are_one_product():
    products = Products((0, 1), 1)
    first = products.times(0, Form({2: 3, 0: 5}))
    assert products.times(0, Form({2: -3, 0: 1})) == Form({1: 6}, {0: -1})
    assert first == Form({}, {0: 1})
    assert len(products.forms) == 1


def test_bits_of_one_thermometer_multiply_without_a_product():
    products = Products((0, 0, 1), 1)
    assert products.times(0, Form({2: 4, 0: 1})) == Form({2: 4, 1: 1})  # the higher bit is their product
    assert products.times(1, Form({1: 4})) == Form({2: 4})
    assert not products.forms


def test_a_multiple_of_a_product_is_a_product_of_its_own():
    products = Products((0, 1), 1)
    once = products.times(0, Form({2: 3}))
    twice = Form()
    twice.add(once, 2)
    assert products.normal(twice) == Form({}, {1: 1})
    assert products.forms[1] == Form({2: 6})
