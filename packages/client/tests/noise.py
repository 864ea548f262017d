"""Decrypts every row of keys and ciphertexts with plain integer arithmetic, and tests the noise that is left.

Independent of the client's own arithmetic: products are made by convolution of Python-sized limbs, not by its FFT.
"""

import math
from collections.abc import Callable

import numpy as np

Z_1E_4 = 3.8906
"""Two-sided quantile of the normal distribution at 1e-4."""
KOLMOGOROV_1E_4 = 2.2253
"""The same of Kolmogorov's distribution, of which 2 exp(-2 x^2) is the upper tail."""


def chi_square_z(noise, variance):
    """How many standard deviations the noise's variance is from the specified one (Wilson-Hilferty, mean known: 0).

    Rounding to whole words adds 1/12 of a word squared.
    """
    values = np.asarray(noise, np.int64).ravel().astype(np.float64)
    expected = variance * 2.0**128 + 1 / 12
    ratio, count = float(np.mean(values**2)) / expected, values.size
    return (ratio ** (1 / 3) - (1 - 2 / (9 * count))) / math.sqrt(2 / (9 * count))


def distance_from_normal(noise, variance):
    """Kolmogorov's distance from the normal distribution of that variance, times the root of the number of samples.

    Noise is rounded to whole words, which shows where it is a few words wide: it is spread over each word first.
    """
    values = np.asarray(noise, np.int64).ravel().astype(np.float64)
    values += np.random.default_rng(0).uniform(-0.5, 0.5, values.size)
    values.sort()
    deviation = math.sqrt((variance * 2.0**128 + 1 / 12) * 2)
    expected = 0.5 + 0.5 * np.array([math.erf(value / deviation) for value in values.tolist()])
    steps = np.arange(values.size + 1) / values.size
    return max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])) * math.sqrt(values.size)


def distance_from_uniform(words):
    """How many standard deviations the counts of the words' bytes are from those of uniform ones (Wilson-Hilferty)."""
    counts = np.bincount(np.ascontiguousarray(words, np.uint64).view(np.uint8).ravel(), minlength=256)
    expected, freedom = counts.sum() / 256, 255
    ratio = float(np.sum((counts - expected) ** 2) / expected) / freedom
    return (ratio ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))


def suspicion(noise, variance):
    """How far noise is from what it should be, by variance and by form: 1 is what one run in ten thousand reaches."""
    return max(abs(chi_square_z(noise, variance)) / Z_1E_4, distance_from_normal(noise, variance) / KOLMOGOROV_1E_4)


def assert_twice(suspicions: Callable[[], dict[str, float]]) -> None:
    """None of them is above 1.

    A right program has one above it in ten thousand runs, so that must repeat with fresh randomness to count.
    """
    first = suspicions()
    assert first
    if max(first.values()) > 1:
        second = suspicions()
        assert max(second.values()) <= 1, (first, second)


def assert_noise(draw: Callable[[], np.ndarray], variance: float) -> None:
    """Samples are normal, of mean 0 and the specified variance."""
    assert_twice(lambda: {"noise": suspicion(draw(), variance)})


def negacyclic(polynomials, key):
    """Sum over j of polynomials[:, j] * key[j] modulo (X^N + 1, 2^64): (rows, k, N) x (k, N) to (rows, N).

    By adding shifted copies, one for each set bit of the key.
    """
    rows, count, size = polynomials.shape
    total = np.zeros((rows, size), np.uint64)
    for index in range(count):
        wrapped = np.concatenate([np.negative(polynomials[:, index]), polynomials[:, index]], axis=1)
        for shift in np.flatnonzero(key[index]):
            total += wrapped[:, size - shift : 2 * size - shift]
    return total


def bootstrap_key_noise(data, parameters, input_bits, output_bits, mask_words, *, bits=None):
    """Noise of a seeded bootstrap key's rows, shape (bits, levels, k + 1, N).

    Args:
        data: its bytes: seed, then bodies.
        parameters: BootstrapKeyParameters.
        input_bits, output_bits: the secret keys.
        mask_words: function (seed, first, count) giving mask words.
        bits: how many input bits to look at; all by default.
    """
    k, size, levels = parameters.glwe_dimension, parameters.polynomial_size, parameters.level_count
    bits = input_bits.size if bits is None else bits
    rows = bits * levels * (k + 1)
    bodies = np.frombuffer(data, "<u8", rows * size, 16).reshape(bits, levels, k + 1, size)
    masks = mask_words(bytes(data[:16]), 0, rows * k * size).reshape(rows, k, size)
    key = output_bits.reshape(k, size).astype(np.uint64)
    noise = bodies - negacyclic(masks, key).reshape(bodies.shape)
    for bit in np.flatnonzero(input_bits[:bits]):
        for index in range(levels):
            weight = np.uint64(1 << (64 - parameters.base_log * (levels - index)))
            noise[bit, index, :k] += key * weight
            noise[bit, index, k, :1] -= weight
    return noise.view(np.int64)


def keyswitch_key_noise(data, parameters, input_bits, output_bits, mask_words):
    """Noise of a seeded keyswitch key's rows, shape (bits, levels)."""
    levels, rows = parameters.level_count, input_bits.size * parameters.level_count
    bodies = np.frombuffer(data, "<u8", rows, 16).reshape(-1, levels)
    masks = mask_words(bytes(data[:16]), 0, rows * output_bits.size).reshape(rows, -1)
    noise = bodies - (masks @ output_bits.astype(np.uint64)).reshape(bodies.shape)
    for index in range(levels):
        noise[:, index] -= input_bits.astype(np.uint64) << np.uint64(64 - parameters.base_log * (levels - index))
    return noise.view(np.int64)
