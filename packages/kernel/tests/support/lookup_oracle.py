"""Lookups in exact arithmetic modulo 2^64, by schoolbook: nothing here shares a line with the kernel or the engine."""

import math

import numpy as np


def words(random, *shape):
    return random.integers(0, 1 << 64, shape, np.uint64)


def times(one, other):
    """one · other modulo X^N + 1 and 2^64, along the last axis of both."""
    n = one.shape[-1]
    full = np.convolve(one, other)
    found = full[:n].copy()
    found[:-1] -= full[n:]
    return found


def turned(x, power):
    """X^power · x, along the last axis."""
    n = x.shape[-1]
    at = (np.arange(n) - power) % (2 * n)
    return np.where(at < n, x[..., at % n], np.negative(x[..., at % n]))


def digits(x, levels, base_log):
    """Signed digits of words, −base / 2 … base / 2 − 1, the first level first: each as a word."""
    half, total = 1 << (base_log - 1), levels * base_log
    rest = (x + np.uint64(1 << (63 - total))) >> np.uint64(64 - total)  # rounded
    found = []
    for _ in range(levels):
        digit = ((rest + np.uint64(half)) & np.uint64(2 * half - 1)).view(np.int64) - half
        found.append(digit.view(np.uint64))
        rest = (rest - found[-1]) >> np.uint64(base_log)
    return found[::-1]


def alternating_digits(x, levels, base_log):
    """As those, but where the index has an odd number of ones those of −x, negated."""
    odd = np.array([at.bit_count() % 2 for at in range(x.size)], bool)
    negated = digits(np.negative(x), levels, base_log)
    return [np.where(odd, np.negative(n), d) for d, n in zip(digits(x, levels, base_log), negated, strict=True)]


def switched_modulus(ciphertext, size):
    """Words as multiples of 1 / 2N, half of the mask's rounding errors taken off the body before."""
    step = (1 << 64) // (2 * size)
    rounded = [(int(word) + step // 2) // step for word in ciphertext[:-1]]
    errors = [int(word) - each * step for word, each in zip(ciphertext[:-1], rounded, strict=True)]
    body = int(ciphertext[-1]) - sum(error >> 12 for error in errors) * 2**11
    return [each % (2 * size) for each in (*rounded, (body + step // 2) // step)]


def looked_up(key, levels, base_log, ciphertext, table):
    """key: as clients send it, shape (bits, levels, k + 1, k + 1, N). The extracted ciphertext."""
    columns, size = key.shape[-2:]
    *turns, position = switched_modulus(ciphertext, size)
    box = size // len(table)
    start = [table[(at + box // 2) // box % len(table)] for at in range(size)]
    start = np.array(start, np.uint64)
    start[size - box // 2 :] = np.negative(start[size - box // 2 :])
    accumulator = np.zeros((columns, size), np.uint64)
    accumulator[-1] = turned(start, -position)
    for bit, turn in zip(key, turns, strict=True):
        difference = turned(accumulator, turn) - accumulator
        for row, polynomial in enumerate(difference):
            for level, digit in enumerate(alternating_digits(polynomial, levels, base_log), 1):
                for column in range(columns):
                    accumulator[column] += times(digit, bit[levels - level, row, column])
    mask = np.concatenate([[x[0], *np.negative(x[:0:-1])] for x in accumulator[:-1]])
    return np.append(mask, accumulator[-1][0])


def keyswitched(key, base_log, ciphertext):
    """key: of words of which the upper 32 bits alone are there, shape (source, levels, target + 1)."""
    levels = key.shape[1]
    found = np.zeros(key.shape[2], np.uint64)
    for level, digit in enumerate(digits(ciphertext[:-1], levels, base_log), 1):
        found -= np.einsum("i,ij->j", digit, key[:, levels - level])
    found[-1:] += ciphertext[-1:]
    return found


def bootstrap_key(random, small, large, levels, base_log):
    """Without noise. small: bits; large: bits of shape (k, N)."""
    dimension, size = large.shape
    key = np.zeros((len(small), levels, dimension + 1, dimension + 1, size), np.uint64)
    key[..., :-1, :] = words(random, *key.shape[:3], dimension, size)
    for index in np.ndindex(*key.shape[:3]):
        bit, from_last, row = index
        unit = np.uint64(int(small[bit]) << (64 - base_log * (levels - from_last)))
        body = key[index][-1]
        for mask, secret in zip(key[index], large, strict=False):
            body += times(mask, secret)
        if row < dimension:
            body -= unit * large[row]
        else:
            body[:1] += unit
    return key


def phase(ciphertexts, secret):
    return ciphertexts[..., -1] - (ciphertexts[..., :-1] * secret.reshape(-1)).sum(-1, dtype=np.uint64)


def deviation(bits, dimension, size, levels, base_log):
    """The most that the standard deviation of what a lookup gives is, under a key without noise; of the torus."""
    inexact = (1 + dimension * size / 2) / (24 * 4.0 ** (base_log * levels))
    transform = 0.08 * 2.0**-106 * levels * 4.0**base_log * dimension * (dimension + 1) * size**2
    return math.sqrt(bits * (inexact + transform))
