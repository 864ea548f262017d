"""Coefficients of leaves beside the constant one: no form reads more of a key switch's noise than the table says."""

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.noise.other_coefficients import PLACES, quiet_norm
from cryptable_engine.schemes.levelled.plans.automorphisms import targets
from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, RING_SIZE


def times_power(polynomials, power):
    turned = np.roll(polynomials, power, axis=-1)
    if power > 0:
        turned[..., :power] *= -1
    elif power < 0:
        turned[..., power:] *= -1
    return turned


def leaves_of(noise, key):
    """What noise of one key switch becomes in all leaves below, shape (leaves, N)."""
    nodes = np.stack([noise, times_power(-noise, -(1 << key))])
    for each in range(key + 1, LOG2_RING_SIZE):
        target, is_same = targets(each)
        turned = np.empty_like(nodes)
        turned[:, target] = nodes * np.where(is_same, 1.0, -1.0)
        nodes = np.concatenate([nodes + turned, times_power(nodes - turned, -(1 << each))])
    return nodes


def noise_read(weights, key):
    """The transpose: what forms with these weights, shape (leaves, N), read of the noise."""
    for each in range(LOG2_RING_SIZE - 1, key, -1):
        even, odd = np.split(weights, 2)
        odd = times_power(odd, 1 << each)
        target, is_same = targets(each)
        weights = even + odd + (even - odd)[:, target] * np.where(is_same, 1.0, -1.0)
    return weights[0] - times_power(weights[1], 1 << key)


@pytest.mark.parametrize(("places", "key"), [(2, 4), (8, 3), (16, 2), (128, 5), (2, 9), (32, 10)])
def test_no_form_reads_more(places, key):
    random, squares = np.random.default_rng(places), 0.0
    is_read = np.zeros(RING_SIZE)
    is_read[1:places] = is_read[RING_SIZE - places + 1 :] = 1.0
    noise = random.normal(size=RING_SIZE)
    for _ in range(12):  # towards the form that reads most
        weights = leaves_of(noise / np.linalg.norm(noise), key) * is_read
        squares = float(np.sum(weights**2))
        noise = noise_read(weights, key)
    assert quiet_norm(places, key) / 2 < squares <= quiet_norm(places, key)


def test_norms_grow_with_places_and_fall_with_keys():
    for key in range(LOG2_RING_SIZE):
        assert list(PLACES) == sorted(PLACES)
        norms = [quiet_norm(places, key) for places in PLACES]
        assert norms == sorted(norms)
        assert quiet_norm(3, key) == quiet_norm(4, key)
