"""The formulas are those of Concrete's optimizer: its prices, its failure probabilities and its curve are theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, compile_circuit
from cryptable_engine.schemes.bootstrapped.concrete.native import FEEDBACK, read_json
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_catalogue
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    bootstrap_complexity,
    bootstrap_variance,
    bootstrap_variance_bound,
    keyswitch_complexity,
    keyswitch_offset_bound,
    keyswitch_variance,
    keyswitch_variance_bound,
    minimal_variance,
    misread_probability,
    optimizers_bootstrap_variance,
    rounding_variance,
    tolerated_variance,
)
from cryptable_protocol import BootstrapKeyParameters, CompileOptions, KeyswitchKeyParameters

OPTIMIZERS = [entry for entry in keyset_catalogue() if entry.keyset.keyswitch_keys]


@pytest.mark.parametrize("entry", OPTIMIZERS, ids=lambda entry: entry.name)
def test_prices_and_variances_of_the_catalogue_are_the_optimizers(entry):
    keyset = entry.keyset
    (bootstrap,), (keyswitch,) = keyset.bootstrap_keys, keyset.keyswitch_keys
    large, small = keyset.dimensions[bootstrap.output_key], keyset.dimensions[bootstrap.input_key]
    price = bootstrap_complexity(bootstrap, small) + keyswitch_complexity(keyswitch, large, small)
    assert price == pytest.approx(entry.price, rel=1e-9)
    for key, dimension in ((bootstrap, large), (keyswitch, small)):
        assert key.variance <= minimal_variance(dimension) < 1.00003 * key.variance


def table(width: int, weight: int, outputs: int) -> Circuit:
    """Lookups of many equal inputs, added to themselves: noise of the input, of reading, and of lookups."""
    size = (1 << width) - 1
    return Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, size),)),
            Linear((Term.from_dense(0, np.ones((size, outputs))),), np.zeros(outputs, np.int64)),
            Lookup(1, np.arange(1 << width)[None, :], np.zeros(outputs, np.int64)),
            Linear((Term.from_dense(2, np.full((outputs, 1), weight)),), np.zeros(1, np.int64)),
        ),
        3,
    )


@pytest.mark.parametrize(("width", "weight", "outputs"), [(2, 1, 3), (3, 5, 20), (4, 1, 40), (4, 40, 3), (5, 1, 2)])
def test_failure_probabilities_are_the_optimizers(tmp_path, width, weight, outputs):
    """Of the lookups or of the output, whichever fails more often."""
    program = compile_circuit(table(width, weight, outputs), CompileOptions(), tmp_path / "program", native=True)
    (bootstrap,), (keyswitch,) = program.keyset.bootstrap_keys, program.keyset.keyswitch_keys
    dimensions = program.keyset.dimensions
    small = dimensions[bootstrap.input_key]
    met = keyswitch_variance(keyswitch, dimensions[keyswitch.input_key])
    met += rounding_variance(small, bootstrap.polynomial_size, compensated=False)
    fresh = ((1 << width) - 1) * program.input.variance * 4.0 ** (program.input.width - width)
    lookup = optimizers_bootstrap_variance(bootstrap, small)
    expected = max(
        misread_probability(met + fresh, width),
        misread_probability(lookup * weight**2 * outputs, program.output.width),
    )
    assert expected == pytest.approx(read_json(program.directory / FEEDBACK)["pError"], rel=0.01)


@pytest.mark.parametrize("log2_p_error", [-40, -64, -128])
@pytest.mark.parametrize("bits", [1, 4, 12])
def test_tolerated_noise_is_misread_so_often(log2_p_error, bits):
    p_error = 2.0**log2_p_error
    assert misread_probability(tolerated_variance(bits, p_error), bits) == pytest.approx(p_error, rel=1e-6)


def test_the_least_variance_falls_with_the_dimension_down_to_the_modulus():
    variances = [minimal_variance(dimension) for dimension in range(450, 4000)]
    assert variances == sorted(variances, reverse=True)
    assert variances[-1] == pytest.approx(2.0**-124, rel=3e-5)
    assert variances[-1] >= 2.0**-124
    assert float(f"{variances[0]:.5e}") == variances[0]


@pytest.mark.parametrize("entry", [entry for entry in keyset_catalogue() if entry.width], ids=lambda entry: entry.name)
def test_noise_is_bounded_above_what_it_typically_is(entry):
    """And the optimizer's figure is a bound, in the mean over keys, up to a GLWE dimension of 2 only."""
    (key,) = entry.keyset.bootstrap_keys
    small = entry.keyset.dimensions[key.input_key]
    typical, bound = bootstrap_variance(key, small), bootstrap_variance_bound(key, small)
    mean_key = bootstrap_variance_bound(key, small, key_deviations=0.0)
    assert typical <= mean_key < bound < 1.6 * typical
    if key.glwe_dimension <= 2:
        assert mean_key <= optimizers_bootstrap_variance(key, small)


@pytest.mark.parametrize("key_number", range(8))
def test_keyswitches_under_one_key_are_off_alike_and_spread_within_the_bounds(key_number):
    """Digits of a mean of -1/2 take half of the sum of a key's noise off every ciphertext: that is no noise of each."""
    rng, dimension = np.random.default_rng(key_number), 400
    key = KeyswitchKeyParameters(0, 0, 1, 3, 2, 1e-10)
    noise = rng.normal(0.0, key.variance**0.5, dimension * key.level_count)
    digits = rng.integers(-2, 2, (4000, noise.size))
    added = digits @ noise
    spread = float(added.var())
    assert abs(added.mean()) < keyswitch_offset_bound(key, dimension) + 4 * (spread / added.size) ** 0.5
    inexact = keyswitch_variance(replace(key, variance=0.0), dimension)
    assert spread * (1 - 4 * (2 / added.size) ** 0.5) < keyswitch_variance_bound(key, dimension) - inexact
    # Three standard deviations of what is, in the mean over keys, 3 / (B^2 + 2) of the rows' variance.
    of_rows = keyswitch_variance(key, dimension) - inexact
    assert keyswitch_offset_bound(key, dimension) == pytest.approx(3 * (of_rows * 3 / 18) ** 0.5, rel=1e-3)


def test_the_transforms_noise_grows_with_the_glwe_dimension_twice():
    """Where it dominates: k (k + 1), and N squared."""
    large = BootstrapKeyParameters(0, 1, 0, 5, 8, 4, 512, 0.0)
    bounds = [
        bootstrap_variance_bound(replace(large, glwe_dimension=k, polynomial_size=size), 450)
        for k, size in ((1, 2048), (2, 2048), (4, 2048), (4, 4096))
    ]
    np.testing.assert_allclose(np.divide(bounds[1:], bounds[:-1]), [3, 20 / 6, 4], rtol=0.02)
