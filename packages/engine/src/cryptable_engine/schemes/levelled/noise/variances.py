"""Variances of what an evaluation adds to a phase, part by part.

docs/decisions/0023-levelled-circuits.md derives each. All are of the torus, of circumference 1, squared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.answers import SECRET_NORM
from cryptable_protocol.schemes.levelled.keyset import (
    FINE_KEYS,
    GRID_BITS,
    LOG2_DEVIATION,
    LOG2_RING_SIZE,
    RING_SIZE,
    UNIVERSAL,
    Gadget,
)
from cryptable_protocol.schemes.levelled.layout import Layout, Run
from cryptable_protocol.schemes.levelled.parameters import PLACED_WORD_BITS, ROW_WORD_BITS

from cryptable_engine.schemes.levelled.noise.other_coefficients import other_coefficients, quiet_norm
from cryptable_engine.schemes.levelled.plans.turns import body_gadget

FloatArray = npt.NDArray[np.float64]

_UNIFORM = 1.0 / 12.0
"""Of a uniform number between −1/2 and 1/2."""


class Secret(NamedTuple):
    """What the bound takes for granted of a secret s, and of the machine's transforms."""

    norm: float
    """‖s‖²."""
    square: float
    """‖s · s‖²."""
    image: float
    """‖s · τ(s)‖² for an automorphism τ."""
    rounding: float
    """Of a product by double transforms: its variance over that of the product, times 2^106."""


MEAN = Secret(2 * RING_SIZE / 3, 8 * RING_SIZE**2 / 9, 4 * RING_SIZE**2 / 9, 16.0)
"""On average over secrets; rounding as with NumPy 2.4, of which that with NumPy 1.26 is 0.88."""
GREATEST = Secret(SECRET_NORM, 1.05 * 8 * RING_SIZE**2 / 9, 1.25 * 4 * RING_SIZE**2 / 9, 20.0)
"""Of secrets that clients keep: the first two are certain (SPEC-LEVELLED.md, "Secret key"). The third is not tested: as
the keys of a layout weigh it, it is 0.99 ± 0.03 times its mean, and was never above 1.10 in 16 000 secrets."""

MOST_AT_A_ROOT = 10.0
"""Greatest |s|² at a root of X^N + 1, over its mean 2N/3, of secrets that clients keep."""

FRESH: float = 2.0 ** (2 * LOG2_DEVIATION) + 2.0 ** (-2 * GRID_BITS) * _UNIFORM
"""Of fresh noise, with its rounding to the grid."""
UPLOADED = FRESH + 2.0 ** (-2 * ROW_WORD_BITS) * _UNIFORM
PLACED = FRESH + 2.0 ** (-2 * PLACED_WORD_BITS) * _UNIFORM


def digit(base_log: int) -> float:
    """Variance of a balanced digit, an integer."""
    return (2.0 ** (2 * base_log) + 2.0) * _UNIFORM


def key_noise(gadget: Gadget) -> float:
    """Of the sum over j of digit_j · e_j, the e_j being fresh noise."""
    return gadget.levels * RING_SIZE * digit(gadget.base_log) * FRESH


def left_over(gadget: Gadget) -> float:
    """Of what the digits of a coefficient leave over."""
    return 2.0 ** (-2 * gadget.levels * gadget.base_log) * _UNIFORM


def transform_rounding(gadget: Gadget, secret: Secret) -> float:
    """Of each coefficient, of mask and body, of a sum of digits times rows, by double transforms."""
    product = gadget.levels * RING_SIZE * 2.0 ** (2 * gadget.base_log) * _UNIFORM * _UNIFORM
    return secret.rounding * 2.0**-106 * product


def automorphism_noise(key: int, secret: Secret, *, fine: bool = False) -> float:
    """What the key switch of an automorphism adds to a phase; by one of the first keys, without rounding if `fine`."""
    gadget = UNIVERSAL.automorphisms[key]
    rounding = 0.0 if fine and key < FINE_KEYS else transform_rounding(gadget, secret)
    return key_noise(gadget) + secret.norm * left_over(gadget) + (1 + secret.norm) * rounding


def switch_noise(secret: Secret) -> float:
    """What the scheme switch adds to the phase of a row."""
    gadget = UNIVERSAL.switch
    rounding = transform_rounding(gadget, secret)
    return key_noise(gadget) + secret.square * left_over(gadget) + (1 + secret.norm) * rounding


def answer_noise(word_bits: int, secret: Secret) -> float:
    """Of an answer's words, rounded, and of the encryption of zero that hides them."""
    return (1 + secret.norm) * 2.0 ** (-2 * word_bits) * _UNIFORM + zero_noise(secret)


def zero_noise(secret: Secret) -> float:
    """Of an encryption of zero by the public pair (‖u‖² ≤ N)."""
    return (1 + RING_SIZE + secret.norm) * FRESH


NATS = 128 * math.log(2)
"""Of an event that is left out of account: its probability is e^-NATS."""


def greatest_mean(count: float, *, most: float = MOST_AT_A_ROOT, nats: float = NATS) -> float:
    """Greatest mean of `count` values of |s|² at roots of X^N + 1, over 2N/3.

    Clients test that no value is above 10, which is `most`. Means of several are taken to be those of independent
    exponentials: with probability e^-nats, one of N means exceeds 1 + y where count · (y − ln(1 + y)) = ln N + nats.
    """
    wanted = (math.log(RING_SIZE) + nats) / count
    low, high = 0.0, most - 1.0
    for _ in range(50):
        y = (low + high) / 2
        low, high = (y, high) if y - math.log1p(y) < wanted else (low, y)
    return 1 + high


@dataclass(frozen=True)
class RowVariances:
    """Of the ciphertexts that a row becomes, for one layout.

    Attributes:
        layout: of the row.
        secret: of its client.
        rows: that travel together, in one trace tree.
        row: which of them; None for the greatest variances of any.
        nats: what a form of leaves, by the spectra of secrets and keys, exceeds with a probability of e^-nats / N is
            left out of account; `exceeded` bounds how often.
        is_flat: spectra are taken to be flat, as versions before took those of rows alone (docs/decisions/0061).
    """

    layout: Layout
    secret: Secret
    rows: int = 1
    row: int | None = None
    nats: float = NATS
    is_flat: bool = False

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Of expanded polynomials, with the leaves of all rows."""
        return self.layout.runs if self.rows == 1 else (Run(0, self._leaves),)

    @property
    def exceeded(self) -> float:
        """The logarithm of the probability that, in some slot, a form of leaves has more than is said here.

        It is bounded by two sums over roots of the secret and two of the key's errors a level, of trees of two depths,
        and one for all levels.
        """
        return math.log((4 * 2 * LOG2_RING_SIZE + 1) * self.layout.slots / RING_SIZE) - self.nats

    @property
    def _leaves(self) -> int:
        return self.rows * len(self.layout.leaf_bits)

    def _of_row(self, found: FloatArray) -> FloatArray:
        """From an array of all rows' leaves, shape (…, rows · leaves), one of a row's."""
        by_row = found.reshape(*found.shape[:-1], self.rows, -1)
        picked: FloatArray = by_row.max(axis=-2) if self.row is None else by_row[..., self.row, :]
        return picked

    @cached_property
    def shares(self) -> tuple[FloatArray, FloatArray]:
        """Variance of each leaf's phase and of its phase times s, on average over coefficients, by source of noise.

        Two arrays of shape (12, leaves): row 0 for the upload, row v + 1 for key switches of automorphism v. Each level
        of the trace tree below doubles both.
        """
        phase, times_secret = np.zeros((12, self._leaves)), np.zeros((12, self._leaves))
        for run in self.runs:
            part = slice(run.first, run.first + run.count)
            phase[0, part] = (UPLOADED + self._unsplit(run)) * 2.0**run.doublings
            times_secret[0, part] = self.secret.norm * phase[0, part]
            for level in range(run.depth):
                later = self._later(run.count, run.depth, level)
                key = run.shift + level
                doubled = np.where(later >= 0, 2.0**later, 0.0)
                phase[1 + key, part] = doubled * self.of_key(key)
                times_secret[1 + key, part] = doubled * self._times_secret(key, later)
        return self._of_row(phase), self._of_row(times_secret)

    @property
    def uploaded(self) -> float:
        """Of a coefficient of an expanded polynomial."""
        return UPLOADED

    def of_key(self, key: int) -> float:
        """What the key switch of an automorphism adds to a phase: of rows together, the first ones are fine."""
        return automorphism_noise(key, self.secret, fine=self.rows > 1)

    def _unsplit(self, run: Run) -> float:
        """What the kernel leaves over of the mask of a run's only leaf; where one was split, `rounding` covers it."""
        return self.secret.norm * left_over(UNIVERSAL.switch) if run.count == 1 else 0.0

    @staticmethod
    def _later(count: int, depth: int, level: int) -> npt.NDArray[np.int64]:
        """How often a leaf is doubled after its ancestor was split at `level`; −1 where that was not split."""
        leaf = np.arange(count)
        splits = np.array([leaf % (1 << i) + (1 << i) < count for i in range(depth)])
        later: npt.NDArray[np.int64] = splits[level + 1 :].sum(axis=0)
        return np.where(splits[level], later, -1)

    def _times_secret(self, key: int, later: npt.NDArray[np.int64]) -> FloatArray:
        """Of a key switch's noise times s.

        What the mask's rounding adds meets s, and then s again: s · s once in 2^later images, s · τ(s) in the others.
        """
        secret, gadget = self.secret, UNIVERSAL.automorphisms[key]
        keys, left = key_noise(gadget), left_over(gadget)
        rounding = 0.0 if self.rows > 1 and key < FINE_KEYS else transform_rounding(gadget, secret)
        twice = secret.image + (secret.square - secret.image) * 2.0**-later
        found: FloatArray = secret.norm * (keys + rounding) + secret.image * left + rounding * twice
        return found

    @cached_property
    def leaf(self) -> FloatArray:
        """Of each leaf's phase, on average over its coefficients."""
        found: FloatArray = self.shares[0].sum(axis=0)
        return found

    @cached_property
    def switched(self) -> FloatArray:
        """Of each switched leaf's phase, likewise."""
        found: FloatArray = self.shares[1].sum(axis=0) + switch_noise(self.secret)
        return found

    @cached_property
    def sources(self) -> FloatArray:
        """What a product adds, by source: shape (13, selectors), rows as in `shares`, and last the switch."""
        levels, base_log = self.layout.gadget
        each = np.concatenate([np.add(*self.shares), np.full((1, len(self.leaf)), switch_noise(self.secret))])
        rows = each[:, : self.layout.selector_leaves].reshape(13, -1, levels).sum(axis=2)
        found: FloatArray = RING_SIZE * digit(base_log) * rows
        return found

    @cached_property
    def product_keys(self) -> FloatArray:
        """What a product adds by the rows of each selector: shape (selectors,)."""
        found: FloatArray = self.sources.sum(axis=0)
        return found

    @property
    def product_left(self) -> float:
        """What the digits of a form leave over, where the bit is on."""
        return (1 + self.secret.norm) * left_over(self.layout.gadget)

    @property
    def product_rounding(self) -> float:
        """Rounding of a product by transforms. Switched rows stay unreduced: their coefficients are larger than 1."""
        levels, base_log = self.layout.gadget
        switched = UNIVERSAL.switch.levels * RING_SIZE * 4.0**UNIVERSAL.switch.base_log * _UNIFORM * _UNIFORM + _UNIFORM
        product = levels * RING_SIZE * 4.0**base_log * _UNIFORM * (switched + _UNIFORM)
        return self.secret.rounding * 2.0**-106 * product * (1 + self.secret.norm)

    @cached_property
    def turn_sources(self) -> FloatArray:
        """What a turn adds, as `sources`: digits of masks by switched rows, larger ones of bodies by leaves."""
        gadget, body = self.layout.gadget, body_gadget(self.layout.gadget)
        phase, times_secret = (share[:, : self.layout.selector_leaves] for share in self.shares)
        switch = np.full((1, self.layout.selector_leaves), switch_noise(self.secret))
        masks = np.concatenate([times_secret, switch]).reshape(13, -1, gadget.levels).sum(axis=2)
        together = gadget.levels // body.levels
        bodies = phase.reshape(12, -1, gadget.levels)[:, :, together - 1 :: together].sum(axis=2)
        found: FloatArray = RING_SIZE * digit(gadget.base_log) * masks
        found[:12] += RING_SIZE * digit(body.base_log) * bodies
        return found

    @cached_property
    def turn_keys(self) -> FloatArray:
        """What a turn adds by the rows of each selector: shape (selectors,)."""
        found: FloatArray = self.turn_sources.sum(axis=0)
        return found

    @property
    def turn_rounding(self) -> float:
        """Rounding of a turn by transforms: as of a product, with the larger digits of bodies."""
        body = body_gadget(self.layout.gadget)
        larger = body.levels * RING_SIZE * 4.0**body.base_log * _UNIFORM * _UNIFORM
        return self.product_rounding + self.secret.rounding * 2.0**-106 * larger * (1 + self.secret.norm)

    @cached_property
    def first_coefficient(self) -> FloatArray:
        """Of the constant coefficient of each leaf, where noise is greatest: a level adds it to itself."""
        return self._of_row(self._coherent(1.0))

    @cached_property
    def any_coefficients(self) -> FloatArray:
        """For each leaf, a bound that holds for every linear form of coefficients of leaves, whatever its spectrum.

        Its variance is at most the sum of this times the squares of its weights.
        """
        found = self._coherent(2.0)
        for run in self.runs:
            part = slice(run.first, run.first + run.count)
            found[part] = found[part].max()
        return self._of_row(found)

    @cached_property
    def slot_coefficients(self) -> FloatArray:
        """For each leaf, as `any_coefficients`, of forms that slots read: the constant coefficient and a few others.

        Whatever the spectrum of a form is: it may be where the secret's and the key's are greatest. A form that reads n
        constant coefficients below a node has at most n/N of its spectrum at a root.
        """
        if self.is_flat:
            return self.any_coefficients
        found = np.zeros(self._leaves)
        for run in self.runs:
            leaves = run.count // self.rows  # of one row, one after the other
            own, others = [4.0 ** int(run.doublings.max()) * (UPLOADED + self._unsplit(run))], [UPLOADED]
            for level in range(run.depth):
                later = 4.0 ** int(self._later(run.count, run.depth, level).max())
                own.append(later * self._peaked(run.shift + level, -(-leaves // (1 << level))))
                others.append(self._peaked(run.shift + level, RING_SIZE))
            others[0] += MOST_AT_A_ROOT * self._unsplit(run)
            most = (other_coefficients(run, self.layout.slots, leaves) @ others).max(initial=0.0)
            # (x + y)² ≤ (1 + q) x² + (1 + 1/q) y², where q is the ratio of the two.
            found[run.first : run.first + run.count] = sum(own) + most
        return self._of_row(found)

    def of_rows_beside(self, rows: int) -> FloatArray:
        """For each leaf, as `slot_coefficients`, of forms of other rows, at the slots of one of `rows` in an answer."""
        (run,) = self.runs
        places = rows * self.layout.slots
        keys = range(run.shift, run.shift + run.depth)
        found = sum(quiet_norm(places, key) * self._peaked(key, RING_SIZE) for key in keys)
        # Noise of the upload is read as if the key before the first had added it; where there is none, it is not read.
        found += quiet_norm(places, run.shift - 1) * UPLOADED if run.shift else 0.0
        return np.full(len(self.layout.leaf_bits), found)

    def _coherent(self, halves: float) -> FloatArray:
        found = np.zeros(self._leaves)
        for run in self.runs:
            part = found[run.first : run.first + run.count]
            part[:] = 4.0**run.doublings * (UPLOADED + (1 if halves == 1.0 else MOST_AT_A_ROOT) * self._unsplit(run))
            for level in range(run.depth):
                later = self._later(run.count, run.depth, level)
                key = run.shift + level
                noise = self.of_key(key) if halves == 1.0 else self._peaked(key, RING_SIZE)
                part += np.where(later >= 0, 4.0**later * noise * halves, 0.0)
        return found

    def _peaked(self, key: int, read: int) -> float:
        """As `of_key`, for forms that read so many coefficients, of which several may add up at a root."""
        if read == 1 or self.is_flat:
            return self.of_key(key)
        gadget, count = UNIVERSAL.automorphisms[key], RING_SIZE / (2 * read)
        norm = min(greatest_mean(count, nats=self.nats) * 2 * RING_SIZE / 3, read * self.secret.norm)
        rounding = 0.0 if self.rows > 1 and key < FINE_KEYS else transform_rounding(gadget, self.secret)
        keys = key_noise(gadget) * greatest_mean(count * gadget.levels, most=1000.0, nats=self.nats)
        return keys + norm * left_over(gadget) + (1 + norm) * rounding
