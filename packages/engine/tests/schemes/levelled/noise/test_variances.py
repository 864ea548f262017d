"""What the bound of noise takes for granted beyond measurements of its own."""

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.noise.variances import (
    GREATEST,
    UPLOADED,
    RowVariances,
    left_over,
    switch_noise,
    transform_rounding,
)
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_protocol.schemes.levelled.layout import Run
from levelled_circuits import levelled_circuit, levelled_parameters

ROUNDED = GREATEST.norm * left_over(UNIVERSAL.switch)
"""What a phase changes by where the kernel rounds a leaf's mask to the digits of the switch."""
SPARE = 0.1
"""Of the figure for rounding by transforms: `test_the_kernel_rounds_no_more` fails above nine tenths."""


def test_what_transforms_have_left_covers_masks_that_are_rounded():
    """Docs/decisions/0023, 5: of every leaf that was split under one of the last two keys, and of switched ones."""
    for key in (9, 10):
        spare = SPARE * (1 + GREATEST.norm) * transform_rounding(UNIVERSAL.automorphisms[key], GREATEST)
        assert spare / 4 > ROUNDED
    assert SPARE * (1 + GREATEST.norm) * transform_rounding(UNIVERSAL.switch, GREATEST) / 4 > ROUNDED
    assert switch_noise(GREATEST) / 1000 > ROUNDED


@pytest.mark.parametrize("count", [2, 3, 5, 64, 65, 2047, 2048])
def test_every_leaf_of_several_is_split_under_one_of_the_last_two_keys(count):
    run, leaf = Run(0, count), np.arange(count)
    is_split = [leaf % (1 << level) + (1 << level) < count for level in range(run.depth)]
    assert (is_split[-1] | is_split[max(0, run.depth - 2)]).all()
    assert run.shift + run.depth - 1 == 10


def test_the_only_leaf_of_a_run_is_charged_for_it():
    parameters = levelled_parameters(levelled_circuit(np.random.default_rng(0), steps=(3,), bits=30))
    found = RowVariances(parameters.layout, GREATEST)
    assert found._unsplit(Run(0, 1)) == ROUNDED > UPLOADED
    assert not found._unsplit(Run(0, 2))
