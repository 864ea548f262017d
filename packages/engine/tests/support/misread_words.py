"""Answers rounded to words that are too short on purpose: how many are misread, and how many are predicted to be."""

import math

import numpy as np
from cryptable_client.schemes.squares.encryption import exact_times, ring_times
from cryptable_engine.schemes.squares.wire import rounded


def misread_words(words, secret, *, prime, modulus, bits, word_deviation):
    """Of a ciphertext modulo its last prime, body before mask: words that are misread, and how many are expected."""
    size = len(words) // 2
    exact = (words[:size] + ring_times(words[size:], secret, prime)) % prime
    truth = (2 * exact.astype(object) * modulus + prime) // (2 * prime) % modulus
    body, mask = (rounded(part, prime, bits).astype(np.int64) for part in (words[:size], words[size:]))
    phase = (body + exact_times(mask, secret)) % (1 << bits)
    read = (2 * phase * modulus + (1 << bits)) // (1 << (bits + 1)) % modulus
    deviations = 2.0**bits / (2 * modulus) / word_deviation
    return int((read != truth).sum()), size * math.erfc(deviations / math.sqrt(2))
