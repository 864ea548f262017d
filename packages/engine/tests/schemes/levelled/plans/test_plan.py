"""Plans: where bits are read from, by which integers, and which parameters are not a circuit's."""

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import CircuitError, ProgramMismatchError
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from cryptable_engine.schemes.levelled.plans.torus import on_torus
from levelled_circuits import levelled_circuit, levelled_parameters


def planned(seed=3, **options):
    circuit = levelled_circuit(np.random.default_rng(seed), outputs=2)
    parameters = levelled_parameters(circuit, **options)
    return circuit, parameters, make_plan(circuit, parameters, parameters.maximum)


def test_integers_and_scales_give_the_weights_but_for_the_rounding():
    _, parameters, plan = planned(placed=(0, 5))
    layout, forms = parameters.layout, plan.forms
    found = np.zeros((forms.products + 1, forms.inputs, layout.slots))
    for weights, bit_of, scale_of in (
        (plan.leaves, layout.leaf_bits, layout.leaf_scales),
        (plan.places, np.array(layout.placed), np.full(len(layout.placed), 16)),
    ):
        assert (weights.weight == np.rint(weights.weight)).all()
        np.add.at(
            found, (weights.form, bit_of[weights.source]), weights.weight * 2.0 ** -scale_of[weights.source][:, None]
        )
    exact = np.zeros_like(found)
    exact[forms.form_of_reads(), forms.read_bit] = on_torus(forms.read_weight, parameters.moduli)
    np.add.at(exact, (plan.rounding.form, plan.rounding.source), plan.rounding.weight)
    np.testing.assert_allclose(found, exact, atol=1e-15)
    assert np.abs(plan.rounding.weight).max() <= 2.0**-15


def test_digits_of_a_selector_are_small():
    _, parameters, plan = planned(gadget=(4, 5), placed=())
    of_selector = plan.leaves.source < parameters.layout.selector_leaves
    assert of_selector.any()
    assert np.abs(plan.leaves.weight[of_selector]).max() <= 2**4


def test_residues_are_centred_and_right():
    values = np.arange(-40, 40)[:, None]
    torus = on_torus(values, (4, 9))
    assert np.abs(torus).max() <= 0.5
    for index, modulus in enumerate((4, 9)):
        np.testing.assert_allclose(torus[:, index] * modulus % modulus, values[:, 0] % modulus, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": 3}, "outputs 2, its client spec promises 3"),
        ({"maximum": 7}, "maximum"),
        ({"selectors": ()}, "selectors"),
        ({"inputs": 10}, "inputs 9"),
        ({"leaves": (), "placed": ()}, "neither a leaf nor a place"),
    ],
)
def test_parameters_of_another_circuit_are_refused(change, message):
    circuit, parameters, _ = planned()
    with pytest.raises(ProgramMismatchError, match=message):
        make_plan(circuit, replace(parameters, **change), highest_output(circuit, bounds(circuit)))


def test_forms_that_are_equal_modulo_the_moduli_are_refused():
    circuit, parameters, _ = planned(seed=1)
    forms = circuit.nodes[1]
    (term,) = forms.terms
    dense = term.to_dense(9, forms.size)
    dense[:, 2:4] = -dense[:, 0:2] + parameters.modulus * (dense[:, 0:2] != 0)
    bits = circuit.nodes[2].bits.copy()
    bits[1] = bits[0]
    nodes = list(circuit.nodes)
    nodes[1] = replace(forms, terms=(type(term).from_dense(0, dense),))
    nodes[2] = replace(nodes[2], bits=bits)
    with pytest.raises(CircuitError, match="products 0 and 1"):
        make_plan(replace(circuit, nodes=tuple(nodes)), parameters, parameters.maximum)
