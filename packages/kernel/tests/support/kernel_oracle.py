"""What the kernel computes, by schoolbook in NumPy: nothing here shares a line with it or with the engine."""

import numpy as np


def times(one, other):
    """one · other modulo X^N + 1, by schoolbook; exact where the sums are below 2^53."""
    n = len(one)
    full = np.convolve(np.asarray(one, float), np.asarray(other, float))
    found = full[:n].copy()
    found[:-1] -= full[n:]
    return found


def centred(values):
    return values - np.rint(values)


def digits(x, gadget):
    """Balanced digits of fractions, most significant first."""
    levels, base_log = gadget
    found, rest = [], np.array(x, float)
    for _ in range(levels):
        rest = rest * 2.0**base_log
        found.append(np.rint(rest))
        rest -= found[-1]
    return found


def times_key(x, gadget, key):
    """The sum over j of digit j of x times row j of a key, shape (2, N)."""
    return sum(
        np.stack([times(digit, part) for part in row]) for digit, row in zip(digits(x, gadget), key, strict=True)
    )


def turned_by(x, turn):
    """x(X^turn) for an odd `turn`."""
    n = len(x)
    at = np.arange(n) * turn % (2 * n)
    found = np.zeros(n)
    found[at % n] = np.where(at < n, x, -x)
    return found


def divided_by_power(x, power):
    """x · X^(−power), for a power of 0 … 2N − 1."""
    n = len(x)
    at = (np.arange(n) - power) % (2 * n)
    found = np.zeros(n)
    found[at % n] = np.where(at < n, x, -x)
    return found


def split(ciphertext, number, power, gadget, key):
    """One step of expansion, by the automorphism X → X^(N/2^number + 1)."""
    n = ciphertext.shape[1]
    mask, body = (turned_by(part, n // 2**number + 1) for part in ciphertext)
    image = np.stack([np.zeros(n), body]) - times_key(mask, gadget, key)
    return centred(ciphertext + image), centred(np.stack([divided_by_power(x, power) for x in ciphertext - image]))
