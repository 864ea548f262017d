"""Encryptions of zero are fresh, of the right distributions, and decrypt to no more than noise."""

import math

import numpy as np
from cryptable_engine.schemes.levelled.evaluation.hiding import _Stream, encryption_of_zero
from levelled_client import SIGMA, times


def test_ternary_words_are_uniform():
    count = np.bincount((_Stream().ternary(300_000) + 1).astype(int), minlength=3)
    assert ((count - 100_000) ** 2 / 100_000).sum() < 27.6  # chi-square of 2 degrees, 10^-6


def test_noise_is_a_rounded_gaussian():
    noise = _Stream().gaussian(400_000) * 2.0**52
    assert (noise == np.rint(noise)).all()
    deviation = SIGMA * 2.0**52
    assert abs(noise.std() / np.hypot(deviation, 12**-0.5) - 1) < 0.006
    assert abs(np.mean(noise**4) / np.mean(noise**2) ** 2 - 3) < 0.05
    assert abs(noise.mean()) < 5 * deviation / 400_000**0.5
    edges = [math.erf((at - 0.5) / (deviation * 2**0.5)) / 2 for at in range(-12, 14)]
    edges[0], edges[-1] = -0.5, 0.5
    expected = 400_000 * np.diff(edges)
    count = np.bincount(np.clip(noise, -12, 12).astype(int) + 12, minlength=25)
    assert ((count - expected) ** 2 / expected).sum() < 77.0  # chi-square of 24 degrees, below 10^-6


def test_two_streams_share_nothing():
    assert not np.isin(_Stream().words(1000), _Stream().words(1000)).any()


def test_zero_decrypts_to_little(client, keys):
    zero = encryption_of_zero(keys)
    zero -= np.rint(zero)
    words = np.rint(zero * 2.0**52).astype(np.int64) % (1 << 52)
    phase = (words[1] - np.array(times(words[0].tolist(), client.secret), dtype=object)) % (1 << 52)
    centred = np.array([int(value) - (1 << 52) * (value >= 1 << 51) for value in phase], float) * 2.0**-52
    assert 2.0**-46 < centred.std() < 2.0**-42
