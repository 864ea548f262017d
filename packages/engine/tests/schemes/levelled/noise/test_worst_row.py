"""The bound over rows is one: no honest row has more, whatever the circuit's shape; and trees pay for paths."""

import numpy as np
import pytest
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Product, Rotation, Term, verify
from cryptable_engine.schemes.levelled.noise.occurrences import begun_alike
from cryptable_engine.schemes.levelled.noise.row_noise import row_rounding, row_variance
from cryptable_engine.schemes.levelled.noise.variances import GREATEST, RowVariances, answer_noise
from cryptable_engine.schemes.levelled.noise.worst_row import worst_row
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from ladder_circuits import ladder_circuit
from levelled_circuits import honest_rows, levelled_circuit, levelled_parameters
from rotation_circuits import rotation_circuit
from tree_circuits import tree_circuit

GROUPS = (InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.RANGE, 2), InputGroup(GroupKind.THERMOMETER, 2))


def checked(circuit, parameters, **options):
    """The bound, having seen that no row has more; and the greatest share of it that a row has."""
    plan = make_plan(circuit, parameters, parameters.maximum)
    variances = RowVariances(plan.layout, GREATEST)
    worst = worst_row(plan, variances, **options)
    answer = answer_noise(parameters.answer_word_bits, GREATEST)
    most = 0.0
    for row in honest_rows(circuit.input):
        share = (row_variance(plan, variances, row).max() - answer) / worst.variance
        assert share <= 1 + 1e-9
        assert (np.abs(row_rounding(plan, row)) <= worst.rounding + 1e-12).all()
        most = max(most, float(share))
    return worst, most


@pytest.mark.parametrize("most_steps", [0, 4096])
@pytest.mark.parametrize("places", [(), tuple(range(7))])
@pytest.mark.parametrize("seed", range(5))
def test_no_row_of_any_circuit_has_more(seed, places, most_steps):
    random = np.random.default_rng(seed)
    circuit = levelled_circuit(
        random, bits=7, steps=((4, 3, 2), (5, 2), (6,))[seed % 3], outputs=1 + seed % 2, groups=GROUPS
    )
    parameters = levelled_parameters(circuit, placed=places, gadget=((2, 8), (3, 6))[seed % 2])
    _, most = checked(circuit, parameters, most_steps=most_steps)
    assert most > (0.05 if most_steps else 0.0)


@pytest.mark.parametrize("gadget", [(3, 6), (4, 5)])
@pytest.mark.parametrize("neurons", [1, 5, 12])
def test_no_row_of_turned_tables_has_more(neurons, gadget):
    circuit = rotation_circuit(np.random.default_rng(neurons), bits=7, neurons=neurons, groups=GROUPS, outputs=2)
    worst, most = checked(circuit, levelled_parameters(circuit, gadget=gadget))
    # First turns are charged with the worst spectrum; and twelve tables begin with five bits.
    assert most > (0.2 if neurons in {1, 12} else 0.5)
    rotation = circuit.nodes[1]
    assert worst.gain >= rotation.products - rotation.neurons


@pytest.mark.parametrize("density", [0.0, 0.7])
def test_no_row_of_tables_that_trees_turn_has_more(density):
    random = np.random.default_rng(1)
    circuit = rotation_circuit(random, bits=7, neurons=3, groups=GROUPS, trees=3, common=0, density=density)
    worst, most = checked(circuit, levelled_parameters(circuit, gadget=(4, 5)))
    assert most > 0.3  # all splits of a tree are counted, of which one path is taken
    assert worst.gain >= sum(tree.products for tree in circuit.nodes[1].trees)


@pytest.mark.parametrize("seed", range(4))
def test_no_row_of_trees_has_more_and_the_bound_is_near(seed):
    circuit = tree_circuit(np.random.default_rng(seed), trees=3, depth=4, thermometers=(3, 2, 3), largest=20)
    verify(circuit)
    parameters = levelled_parameters(circuit, placed=tuple(range(8)), gadget=(2, 9))
    worst, most = checked(circuit, parameters)
    assert most > 0.6
    everything, _ = checked(circuit, parameters, most_steps=0)
    assert everything.gain > 2 * worst.gain


@pytest.mark.parametrize("placed", [(), tuple(range(10))])
@pytest.mark.parametrize("density", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_no_row_of_ladders_has_more_and_the_bound_is_near(seed, density, placed):
    circuit = ladder_circuit(
        np.random.default_rng(seed), thermometers=(4, 3, 3), outer=(0, 1), outputs=1 + seed % 2, density=density
    )
    moduli = (8, 9, 11, 13)
    _, most = checked(circuit, levelled_parameters(circuit, gadget=(4, 5), placed=placed, moduli=moduli))
    assert most > (0.35 if placed else 0.0)


def test_a_ladder_is_as_noisy_as_what_its_rungs_add_up_to():
    """Not as all of them: sums of many rungs are brought between −1/2 and 1/2 again."""
    variances = []
    for rungs in (10, 40):
        circuit = ladder_circuit(np.random.default_rng(0), thermometers=(rungs, 20), outer=(0,))
        parameters = levelled_parameters(circuit, placed=tuple(range(rungs + 20)), gadget=(4, 5), moduli=(8, 9, 11, 13))
        plan = make_plan(circuit, parameters, parameters.maximum)
        worst = worst_row(plan, RowVariances(plan.layout, GREATEST))
        variances.append(worst.variance - worst.products)
    assert variances[1] < 2.5 * variances[0]  # the answer's own form reads twice the bits


def test_a_forest_pays_for_its_paths():
    circuit = tree_circuit(np.random.default_rng(1), trees=20, depth=5, thermometers=(30,) * 10, largest=50)
    parameters = levelled_parameters(circuit, placed=tuple(range(300)))
    plan = make_plan(circuit, parameters, parameters.maximum)
    variances = RowVariances(plan.layout, GREATEST)
    assert circuit.products == 20 * 15
    assert worst_row(plan, variances).gain <= 20 * 4
    assert worst_row(plan, variances, most_steps=0).gain > 20 * 15


@pytest.mark.parametrize("read", [1, 2])
def test_a_form_of_the_bit_that_a_table_begins_with_counts_the_turn_by_its_selector(read):
    groups = (InputGroup(GroupKind.RANGE, 4),)
    tables = np.arange(8).reshape(1, 8, 1)
    form = Linear((Term.from_dense(0, np.eye(4, 1, -read, dtype=np.int64)),), np.zeros(1, np.int64))
    product = Product(1, np.array([3]), 1)
    rotation = Rotation(np.array([1, 3]), np.array([[1], [2]]), tables)
    answer = Linear((Term.from_dense(2, np.eye(1)), Term.from_dense(3, np.eye(1))), np.zeros(1, np.int64))
    circuit = Circuit((Input(groups), form, product, rotation, answer), 4)
    parameters = levelled_parameters(circuit, placed=(2,))
    products, gains = begun_alike(make_plan(circuit, parameters, parameters.maximum))
    assert products.tolist() == [int(read == 1)]  # the table begins with element 1, and is turned by element 3
    assert gains.tolist() == [0.0, float(read == 1)]
