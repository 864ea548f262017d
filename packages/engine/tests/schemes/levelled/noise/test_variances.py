"""What the bound of noise takes for granted beyond measurements of its own."""

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.noise.other_coefficients import other_coefficients
from cryptable_engine.schemes.levelled.noise.row_noise import _followed_back
from cryptable_engine.schemes.levelled.noise.variances import (
    GREATEST,
    UPLOADED,
    RowVariances,
    greatest_mean,
    left_over,
    switch_noise,
    transform_rounding,
)
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL
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


@pytest.mark.parametrize("read", [2, 21, 167])
def test_forms_that_meet_a_secret_where_it_is_greatest_are_below_what_they_are_charged(read):
    random, norm = np.random.default_rng(read), 2 * RING_SIZE / 3
    twist = np.exp(1j * np.pi * np.arange(RING_SIZE) / RING_SIZE)
    at_roots = np.abs(np.fft.fft(random.integers(-1, 2, (400, RING_SIZE)) * twist)) ** 2
    weights = np.zeros(RING_SIZE)
    weights[:read] = 1.0  # all of the spectrum at a few roots
    spectrum = np.abs(np.fft.fft(weights * twist)) ** 2
    most = (at_roots @ spectrum).max() / (RING_SIZE * read * norm)
    assert 1.0 + 0.4 * np.sqrt(read / RING_SIZE) < most < greatest_mean(RING_SIZE / (2 * read))


def together(steps=60, bits=100, outputs=2):
    circuit = levelled_circuit(np.random.default_rng(0), steps=(steps,), bits=bits, outputs=outputs)
    layout = levelled_parameters(circuit).layout
    return RowVariances(layout, GREATEST, RING_SIZE // len(layout.leaf_bits))


def test_rows_together_are_charged_for_it_and_for_no_rounding_in_the_first_levels():
    variances = together()
    assert variances.runs[0].shift == 0
    assert variances.of_key(0) * 8 < RowVariances(variances.layout, GREATEST).of_key(0)
    white = 4.0**11 * UPLOADED + sum(4.0 ** (10 - key) * variances.of_key(key) for key in range(11))
    assert 1.05 * white < variances.slot_coefficients.max() < 10 * white
    assert variances.slot_coefficients.max() < variances.any_coefficients.max()


@pytest.mark.parametrize("rows", [2, 5, 0])
@pytest.mark.parametrize("kind", ["random", "equal", "alternating", "one"])
def test_other_coefficients_are_as_quiet_as_forms_are_charged(rows, kind):
    variances = together()
    layout, random = variances.layout, np.random.default_rng(rows)
    variances = RowVariances(layout, GREATEST, rows or variances.rows)
    (run,), leaves, slots = variances.runs, len(layout.leaf_bits), layout.slots
    sources = [UPLOADED, *(variances.of_key(run.shift + level) for level in range(run.depth))]
    price = other_coefficients(run, slots, leaves) @ sources
    offsets = np.concatenate([np.arange(1, slots), RING_SIZE - np.arange(1, slots)])
    for chosen in (offsets, offsets[:1], offsets[1:2], offsets[-1:]):
        weights = np.zeros((leaves, RING_SIZE))
        weights[:, chosen] = {
            "random": random.normal(size=(leaves, len(chosen))),
            "equal": np.ones((leaves, len(chosen))),
            "alternating": (-1.0) ** np.arange(leaves)[:, None] * np.ones(len(chosen)),
            "one": (np.arange(leaves) == leaves // 2)[:, None] * np.ones(len(chosen)),
        }[kind]
        most = (weights**2).sum(axis=0)[offsets] @ price
        found = _followed_back(run, variances, np.arange(leaves) + leaves, weights)
        assert 0 < found <= most
        constant = np.roll(weights, -int(chosen[0]), axis=1) if len(chosen) == 1 else None
        if constant is not None:  # several times noisier, and exactly so
            exact = RowVariances(layout, GREATEST, variances.rows, 1).first_coefficient @ (constant[:, 0] ** 2)
            assert _followed_back(run, variances, np.arange(leaves) + leaves, constant) == pytest.approx(exact)
            assert exact > 1.5 * found
