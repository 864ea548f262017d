"""Tables as neurons: what positions and signs read is the table itself."""

import numpy as np
import pytest
from cryptable.planner.levelled.pairs.tables import Table, neurons_of, outer_features


@pytest.mark.parametrize(
    ("shape", "upper", "lower", "positions"),
    [
        ((5, 3), (3, 2), (0, 1), 8),
        ((16, 8), (4, 3), (2, 0), 16),
        ((3, 4), (2, 2), (0, 0), 64),
        ((9, 8), (4, 3), (0, 0), 8),
    ],
)
def test_neurons_add_up_to_the_table(shape, upper, lower, positions):
    random = np.random.default_rng(positions)
    values = 2 * random.integers(0, 50, (*shape, 2))
    neurons = neurons_of(Table(7, 3, values), {7: upper[0], 3: upper[1]}, {7: lower[0], 3: lower[1]}, positions)
    assert neurons[0].step is None
    for row in range(shape[0]):
        for column in range(shape[1]):
            code = {7: row << lower[0], 3: column << lower[1]}
            total = np.zeros(2, np.int64)
            for neuron in neurons:
                position = sum(
                    int(powers @ (code[feature] >> np.arange(len(powers)) & 1))
                    for feature, powers in neuron.digits.items()
                )
                sign = -1 if neuron.step is not None and row >= neuron.step[1] else 1
                total += sign * neuron.entries[position]
            assert total.tolist() == values[row, column].tolist()


def test_one_feature_of_each_pair_is_an_outer_one_and_they_are_few():
    assert outer_features([(0, 1), (2, 0), (0, 3), (4, 5)]) == {0, 4}
    assert outer_features([]) == set()
