"""The search finds keysets that are exact enough, cheaper ones are not, and Concrete's optimizer has none cheaper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_catalogue
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    bootstrap_variance_bound,
    keyswitch_offset_bound,
    keyswitch_variance_bound,
    minimal_variance,
    rounding_variance,
    tolerated_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.key_shapes import SMALL_KEY
from cryptable_engine.schemes.bootstrapped.parameters.keyset_search import cheapest_keyset
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import (
    Demand,
    Demands,
    complexity,
    is_exact_enough,
    is_secure,
    room,
    serves_several_levels,
    typical_demands,
)
from cryptable_protocol import KeysetParameters, SecretKeyParameters

TYPICAL = [(2, 9.0, 0.0), (3, 14.0, 64.0), (4, 12.0, 8.0), (5, 20.0, 0.0), (6, 12.0, 256.0), (8, 10.0, 0.0)]
CONCRETES = [
    entry
    for entry in keyset_catalogue()
    if entry.keyset.keyswitch_keys and entry.name.startswith("width") and not entry.retired
]


def shape(keyset):
    (key,), (switch,) = keyset.bootstrap_keys, keyset.keyswitch_keys
    switched = (switch.level_count, switch.base_log)
    small = keyset.dimensions[SMALL_KEY]
    return small, key.glwe_dimension, key.polynomial_size, key.level_count, key.base_log, *switched


def changed(keyset, *, small=None, bootstrap=None, switch=None):
    """With another small key, or other fields of the other two."""
    (key,), (keyswitch,), dimension = keyset.bootstrap_keys, keyset.keyswitch_keys, keyset.dimensions[SMALL_KEY]
    return KeysetParameters(
        (keyset.secret_keys[0], SecretKeyParameters(SMALL_KEY, small or dimension)),
        (replace(key, **(bootstrap or {})),),
        (replace(keyswitch, variance=minimal_variance(small or dimension), **(switch or {})),),
    )


@pytest.mark.parametrize("log2_p_error", [-40, -128])
@pytest.mark.parametrize(("width", "noise", "norm"), TYPICAL)
def test_cheaper_neighbours_are_not_exact_enough(width, noise, norm, log2_p_error):
    demands, p_error = typical_demands(width, noise, norm=norm), 2.0**log2_p_error
    found = cheapest_keyset(demands, p_error)
    if found is None:
        assert (width, log2_p_error) == (8, -128)
        return
    assert serves_several_levels(found)
    assert is_secure(found)
    assert is_exact_enough(found, demands, p_error)
    (key,), (switch,) = found.bootstrap_keys, found.keyswitch_keys
    neighbours = [changed(found, small=found.dimensions[SMALL_KEY] - 1)]
    for by in range(-3, 4):
        at = key.base_log + by
        if key.level_count > 1:
            neighbours.append(changed(found, bootstrap={"level_count": key.level_count - 1, "base_log": at}))
        if switch.level_count > 1:
            fewer = {"level_count": switch.level_count - 1, "base_log": max(1, switch.base_log + by)}
            neighbours.append(changed(found, switch=fewer))
    for neighbour in neighbours:
        assert complexity(neighbour, 1) < complexity(found, 1)
        assert not is_exact_enough(neighbour, demands, p_error), shape(neighbour)


def test_concretes_optimizer_has_no_cheaper_keyset():
    """Of what each entry of the catalogue that it chose is just exact enough for, without compensation."""
    assert len(CONCRETES) >= 80
    for entry in CONCRETES[::3]:  # tools/bench/parameters.py has all of them
        (key,), (switch,), dimensions = (
            entry.keyset.bootstrap_keys,
            entry.keyset.keyswitch_keys,
            entry.keyset.dimensions,
        )
        small, large = dimensions[key.input_key], dimensions[key.output_key]
        reading = rounding_variance(small, key.polynomial_size, compensated=False)
        reading += keyswitch_variance_bound(switch, large)
        read, off = (Demand(entry.width, 0.0, 0.0),), keyswitch_offset_bound(switch, large)
        left = float(room(read, 0.0, np.zeros(()), entry.p_error, offset=off)) - reading
        borne = tolerated_variance(0, entry.p_error) / bootstrap_variance_bound(key, small)
        demands = Demands(
            (Demand(entry.width, left / minimal_variance(large), 0.0),), (Demand(0, 0.0, borne),), entry.width, 1
        )
        found = cheapest_keyset(demands, entry.p_error)
        assert found is not None
        assert complexity(found, 1) <= entry.price, entry.name


def test_the_choice_is_the_same_on_every_machine():
    """Artifacts do not depend on it, but names of keysets do."""
    found = [cheapest_keyset(typical_demands(*each[:2], norm=each[2]), 2.0**-40) for each in TYPICAL]
    assert [shape(keyset) for keyset in found] == [
        (709, 2, 1024, 1, 23, 3, 4),
        (735, 2, 1024, 2, 15, 4, 3),
        (830, 2, 1024, 2, 15, 5, 3),
        (894, 1, 2048, 3, 12, 6, 3),
        (894, 1, 8192, 2, 15, 6, 3),
        (1042, 1, 32768, 2, 15, 5, 4),
    ]


def test_where_nothing_is_exact_enough():
    assert cheapest_keyset(typical_demands(4, 60.0), 2.0**-40) is None
    assert cheapest_keyset(typical_demands(15, 8.0), 2.0**-40) is None
    assert cheapest_keyset(typical_demands(8, 12.0), 2.0**-900) is None
