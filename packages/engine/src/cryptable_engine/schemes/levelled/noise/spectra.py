"""A form that every row reads, followed back through the trace tree: at which roots of X^N + 1 its noise meets secrets.

What a key switch adds has errors of the mask times s, and digits times errors e of the key. Their variance in a form is
a sum over roots of the form's power there times that of s or e, which may be far from their mean
(docs/decisions/0061-spectra-of-rows-alone.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL
from cryptable_protocol.schemes.levelled.layout import Run

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.noise.variances import (
    MOST_AT_A_ROOT,
    FloatArray,
    RowVariances,
    key_noise,
    left_over,
    transform_rounding,
)
from cryptable_engine.schemes.levelled.plans.automorphisms import targets

ComplexArray = npt.NDArray[np.complex128]

HALF = RING_SIZE // 2
"""Roots of X^N + 1 but for their conjugates, where real polynomials have the same power."""

MOST_SLOTS = 32
"""Of forms whose spectra are worth what it takes to find them, which grows as the cube of the slots: some seconds."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power of a form of one run's leaves, slot by slot, at each of the roots: arrays of shape (slots, N/2).

    The mean over roots is the squared norm of the form of a source's coefficients.

    Attributes:
        uploaded: of the coefficients of what is expanded.
        keys: of those of what the key switches of a level add, all nodes together; by number of the key.
        run: whose leaves it reads.
    """

    uploaded: FloatArray
    keys: dict[int, FloatArray]
    run: Run


def spectrum(run: Run, leaves: IntArray, weights: FloatArray) -> Spectrum:
    """Of the form that reads leaf leaves[i] times the polynomial with coefficients weights[i] in the slots.

    Where all levels below a node split, its form of coefficients of leaves is Σ over the offsets o that a slot reads of
    W_o · U_o: W_o is the polynomial with weights at the coefficients that leaves are expanded from, and
    U_o = (1 + τ) … (1 + τ') X^o has the automorphisms of these levels, and is the same for all weights.

    Args:
        run: with the leaves.
        leaves: of the run, from 0 on.
        weights: shape (len(leaves), slots).
    """
    slots, last = weights.shape[1], 1 << (run.depth - 1)
    dense = np.zeros((2 * last, slots))
    dense[leaves] = weights
    # Leaves that the last level splits, and those that it does not: the levels before split all nodes.
    is_split = (np.arange(2 * last) % last + last < run.count)[:, None]
    kinds = np.concatenate([np.where(is_split, dense, 0.0), np.where(is_split, 0.0, dense)], axis=1)
    kind, offset = np.repeat([0, 1], slots), np.arange(slots)[:, None] - np.tile(np.arange(slots), 2)
    offsets = np.arange(1 - slots, slots)
    spread = np.zeros((2, len(offsets), RING_SIZE))
    spread[:, np.arange(len(offsets)), offsets % RING_SIZE] = np.where(offsets < 0, -1.0, 1.0)
    keys = {}
    for level in range(run.depth - 1, -1, -1):
        key, split = run.shift + level, np.arange(1 << level) + (1 << level) < run.count
        nodes = _of_nodes(kinds, run, level, is_difference=True)[:, split]
        keys[key] = _power(nodes, _at_roots(spread)[kind, offset + slots - 1])
        target, is_same = targets(key)
        splitting = slice(0, 1 if level == run.depth - 1 else 2)
        spread[splitting] += spread[splitting][..., target] * np.where(is_same, 1.0, -1.0)
    whole = _of_nodes(kinds, run, 0, is_difference=False)
    return Spectrum(_power(whole, _at_roots(spread)[kind, offset + slots - 1]), keys, run)


def read_variance(spectra: Sequence[Spectrum], variances: RowVariances) -> FloatArray:
    """Of what each slot of a form has from the leaves of a row alone, shape (slots,), whatever secret clients keep.

    The secret's part is certain: no |s|² is above what clients test, nor is their sum. That of the keys' errors is
    exceeded as rarely as `variances` say.
    """
    slots = len(spectra[0].uploaded)
    found, of_secret = np.zeros(slots), np.zeros((slots, HALF))
    of_keys: dict[int, FloatArray] = {}
    for each in spectra:
        found += variances.uploaded * each.uploaded.mean(axis=1)
        if each.run.count == 1:  # what the kernel leaves over of its mask
            of_secret += left_over(UNIVERSAL.switch) * each.uploaded
        for key, power in each.keys.items():
            of_keys[key] = of_keys.get(key, 0.0) + power
    for key, power in of_keys.items():
        gadget = UNIVERSAL.automorphisms[key]
        rounding = transform_rounding(gadget, variances.secret)
        found += rounding * power.mean(axis=1)
        of_secret += rounding * power
        # Meets τ(s), which has at each root what s has at another: one key after the other.
        found += most_of_secret(left_over(gadget) * power, variances.secret.norm)
    found += most_of_secret(of_secret, variances.secret.norm)
    if of_keys:
        gadgets = [UNIVERSAL.automorphisms[key] for key in of_keys]
        times = np.repeat([gadget.levels for gadget in gadgets], HALF)
        scale = [key_noise(gadget) / (gadget.levels * HALF) for gadget in gadgets]
        errors = np.concatenate([one * power for one, power in zip(scale, of_keys.values(), strict=True)], axis=1)
        found += np.array([most_of_exponentials(row, times, math.log(RING_SIZE) + variances.nats) for row in errors])
    return found


def most_of_secret(power: FloatArray, norm: float) -> FloatArray:
    """The greatest mean over roots of power · |s|², of secrets that clients keep: the last axis is that of roots.

    Args:
        power: shape (…, N/2).
        norm: ‖s‖², the mean over roots of |s|², at most.
    """
    peak = MOST_AT_A_ROOT * 2 * RING_SIZE / 3
    count = HALF * norm / peak
    largest = -np.sort(-power, axis=-1)[..., : int(count) + 1]
    share = np.minimum(1.0, count - np.arange(largest.shape[-1]))
    found: FloatArray = peak * (largest @ share) / HALF
    return found


def most_of_exponentials(power: FloatArray, times: IntArray, nats: float) -> float:
    """What Σ power_i · (z_1 + … + z_times_i) exceeds with probability e^-nats at most, all z independent exponentials.

    Of all θ below 1 / max power, the least (nats − Σ times_i ln(1 − θ power_i)) / θ.
    """
    most = float(power.max(initial=0.0))
    if not most:
        return 0.0
    shares = np.linspace(0.02, 0.98, 25) / most
    return float(min((nats - times @ np.log1p(-share * power)) / share for share in shares))


def _at_roots(polynomials: FloatArray) -> ComplexArray:
    """Real polynomials of N coefficients at the roots exp(−iπ (2k + 1) / N), k < N/2."""
    return _negacyclic(polynomials)[..., :HALF]


def _negacyclic(polynomials: FloatArray) -> ComplexArray:
    """Of M coefficients, along the last axis, at the roots exp(−iπ (2k + 1) / M) of X^M + 1."""
    size = polynomials.shape[-1]
    return np.fft.fft(polynomials * np.exp(-1j * np.pi * np.arange(size) / size))


def _of_nodes(kinds: FloatArray, run: Run, level: int, *, is_difference: bool) -> ComplexArray:
    """Weights of each node of a level, as polynomials in X^(2^key), at the roots: shape (N / 2^key, nodes, kinds).

    Args:
        kinds: shape (leaves, kinds).
        run: of the leaves; those of node n are n modulo 2^level.
        level: of the nodes.
        is_difference: of what the node's key switch adds, which odd leaves have with the other sign.
    """
    weights = kinds.reshape(RING_SIZE >> (run.shift + level), 1 << level, -1).transpose(1, 2, 0)
    if is_difference:
        weights = weights * np.where(np.arange(weights.shape[-1]) % 2, -1.0, 1.0)
    return _negacyclic(weights).transpose(2, 0, 1)


def _power(nodes: ComplexArray, spread: ComplexArray) -> FloatArray:
    """Σ over nodes of |Σ over kinds of weights · spread|²: shape (slots, N/2).

    Args:
        nodes: shape (roots, nodes, kinds), which repeat from root to root.
        spread: shape (slots, kinds, N/2).
    """
    used = np.flatnonzero(nodes.any(axis=(0, 1)))
    slots, period = len(spread), min(len(nodes), HALF)
    weights = nodes[:period, :, used]
    # By root of the period, slots and repetitions together: shape (period, slots · repetitions, kinds).
    by_root = spread[:, used].reshape(slots, used.size, HALF // period, period)
    by_root = by_root.transpose(3, 0, 2, 1).reshape(period, slots * (HALF // period), used.size)
    if weights.shape[1] > used.size:  # less to compute with: the sum over nodes, as a matrix of kinds
        gram = weights.transpose(0, 2, 1) @ weights.conj()
        power = np.einsum("psk,psk->ps", by_root @ gram, by_root.conj()).real
    else:
        sums = by_root @ weights.transpose(0, 2, 1)
        power = np.einsum("psn,psn->ps", sums, sums.conj()).real
    found: FloatArray = power.reshape(period, slots, -1).transpose(1, 2, 0).reshape(slots, HALF)
    return found
