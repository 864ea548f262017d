"""Ladders: which circuits have them, and that rounding does not add up along thermometers."""

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.noise.row_noise import row_rounding
from cryptable_engine.schemes.levelled.plans.forms import read_forms
from cryptable_engine.schemes.levelled.plans.ladders import ladders
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from ladder_circuits import ladder_circuit, rows_of
from levelled_circuits import levelled_circuit, levelled_parameters
from tree_circuits import tree_circuit


def test_a_ladder_has_the_products_of_one_thermometer_in_the_order_of_its_bits():
    forms = read_forms(ladder_circuit(np.random.default_rng(0), thermometers=(3, 4, 5), outer=(0, 2)))
    *found, own = ladders(forms)
    assert [forms.bit[each.rungs].tolist() for each in found] == [[0, 1, 2], [7, 8, 9, 10, 11]]
    signs = dict(zip(forms.term_product.tolist(), forms.term_sign.tolist(), strict=True))
    assert all(signs[rung] == sign for each in found for rung, sign in zip(each.rungs, each.signs, strict=True))
    assert {-1, 1} == set(signs.values())
    assert own.rungs.tolist() == [forms.root]


def test_products_of_products_have_none():
    random = np.random.default_rng(1)
    assert ladders(read_forms(tree_circuit(random, trees=2, depth=4, thermometers=(3, 3), largest=9))) is None
    assert ladders(read_forms(levelled_circuit(random, steps=(3, 2)))) is None


@pytest.mark.parametrize("places", [True, False])
def test_sums_are_rounded_once_a_thermometer_however_long(places):
    circuit = ladder_circuit(np.random.default_rng(2), thermometers=(30, 40), outer=(0,))
    parameters = levelled_parameters(circuit, gadget=(3, 6), placed=tuple(range(70)) if places else ())
    plan = make_plan(circuit, parameters, parameters.maximum)
    half_step = 2.0**-17 if places else 2.0**-15
    # Of the product's form, of the answer's own of either feature; and states between which sums change, twice.
    most = max(np.abs(row_rounding(plan, row)).max() for row in rows_of(np.random.default_rng(3), circuit, 300))
    assert half_step / 2 < most <= 3 * half_step * (1 + 1e-6)
