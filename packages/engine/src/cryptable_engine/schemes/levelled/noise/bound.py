"""How rarely an answer of a plan is wrong: a bound for every honest row (docs/decisions/0023-levelled-circuits.md)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, RING_SIZE, UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.schemes.levelled.noise.shared_answer import worst_answer
from cryptable_engine.schemes.levelled.noise.spectra import read_variance
from cryptable_engine.schemes.levelled.noise.variances import (
    GREATEST,
    FloatArray,
    RowVariances,
    answer_noise,
    digit,
    greatest_mean,
    switch_noise,
)
from cryptable_engine.schemes.levelled.noise.worst_row import WorstRow, WorstRows
from cryptable_engine.schemes.levelled.plans.plan import Plan, make_plan
from cryptable_engine.schemes.levelled.plans.turns import body_gadget

_LEAST_LOG2 = -1000.0
_CERTAIN = 1000 * math.log(2)
"""Nats of what happens no more often than that."""


@dataclass(frozen=True, eq=False)
class NoiseBound:
    """Of the noisiest honest row.

    Attributes:
        variance: of a slot's phase, on average over keys and rows' randomness.
        products: the greatest part that products' rows add to any row's, which varies with that randomness.
        rounding: how far rounded weights move a slot at most, shape (slots,).
        log2_failure: of the probability that any slot of an answer is misread.
        deviations: of the inflated variance, in half a step of the largest modulus less `rounding`.
    """

    variance: float
    products: float
    rounding: FloatArray
    log2_failure: float
    deviations: float


def failure(circuit: Circuit, parameters: LevelledParameters) -> float:
    """log2 of a bound for the probability that an answer is wrong, whatever honest row it is for.

    Raises:
        CircuitError, ProgramMismatchError: as `make_plan`.
    """
    return noise_bound(make_plan(circuit, parameters, highest_output(circuit, bounds(circuit)))).log2_failure


def fits(circuit: Circuit, parameters: LevelledParameters) -> bool:
    """Whether answers are wrong no more often than the parameters' p_error says; raises as `failure`."""
    return failure(circuit, parameters) <= math.log2(parameters.p_error)


def noise_bound(plan: Plan, *, rows: int = 1, rows_per_answer: int = 1) -> NoiseBound:
    """The bound for a plan, for each of so many rows that travel together, so many of which share an answer."""
    return PlanNoise(plan).bound(rows, rows_per_answer)


class PlanNoise:
    """The bound for a plan of a row, for any number of rows together: what they have in common is found once."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._worst = plan, WorstRows(plan)

    def bound(self, rows: int = 1, rows_per_answer: int = 1) -> NoiseBound:
        """For each of so many rows that travel together, so many of which share an answer."""
        usual = RowVariances(self._plan.layout, GREATEST, rows)
        if not self._worst.reads_leaves:
            return self._bound(usual, rows_per_answer)
        # Spectra are exceeded with a sixteenth of p_error, or as good as never, which suits plans with room.
        wanted = math.log2(self._plan.parameters.p_error)
        often = math.log(16 * rows_per_answer) + usual.exceeded + usual.nats
        each = [replace(usual, nats=max(0.0, often) - wanted * math.log(2)), replace(usual, nats=_CERTAIN)]
        found = _least(self._bound(one, rows_per_answer) for one in each)
        if found.log2_failure <= wanted or rows > 1:
            return found
        fixed = self._worst.fixed if self._bound(each[0], read=0.0).log2_failure <= wanted else ()
        return _least(self._bound(one, read=float(read_variance(fixed, one).max())) for one in each) if fixed else found

    def bound_by_flat_spectra(self) -> NoiseBound:
        """As earlier versions had it for a row alone: too low where forms of leaves have other spectra."""
        return self._bound(RowVariances(self._plan.layout, GREATEST, is_flat=True))

    def _bound(self, variances: RowVariances, rows_per_answer: int = 1, *, read: float | None = None) -> NoiseBound:
        plan = self._plan
        if rows_per_answer > 1:
            worst = worst_answer(self._worst, variances, rows_per_answer)
        else:
            worst = self._worst.of(variances, read=read)
        parameters = plan.parameters
        variance = worst.variance + answer_noise(parameters.answer_word_bits, GREATEST)
        half_step = np.repeat([1 / (2 * p) for p in parameters.moduli], parameters.outputs)
        tolerance = half_step - worst.rounding
        if (tolerance <= 0).any():
            return NoiseBound(variance, worst.products, worst.rounding, 0.0, 0.0)
        spread = _Spread(plan, worst, variances)
        missed = -math.inf
        if self._worst.reads_leaves and not variances.is_flat:
            missed = variances.exceeded + math.log(rows_per_answer)
        log2_failure, deviations = 0.0, 0.0
        # A row's own variance exceeds `inflated` with probability 2 e^(−x) at most: some x gives the least bound.
        for x in np.geomspace(5.0, 600.0, 60):
            inflated = variance + spread.excess(float(x))
            tail = np.logaddexp.reduce(np.log(2.0) - tolerance**2 / (2 * inflated))
            log2 = float(np.logaddexp.reduce([tail, math.log(2.0) - x, missed])) / math.log(2)
            if log2 < log2_failure:
                log2_failure, deviations = log2, float(tolerance.min()) / math.sqrt(inflated)
        return NoiseBound(variance, worst.products, worst.rounding, max(log2_failure, _LEAST_LOG2), deviations)


def _least(bounds: Iterable[NoiseBound]) -> NoiseBound:
    return min(bounds, key=lambda bound: bound.log2_failure)


class _Spread:
    """How far the variance that products add, a quadratic form of Gaussians, can exceed its mean.

    By Laurent and Massart (2000, lemma 1), the sum of a_i z_i² exceeds its mean by 2 √(x Σ a_i²) + 2 x max a_i with
    probability e^(−x) at most.
    """

    def __init__(self, plan: Plan, worst: WorstRow, variances: RowVariances) -> None:
        layout = variances.layout
        weight = digit(layout.gadget.base_log)
        self._worst, self._row, self._keys = worst, (0.0, 0.0), (0.0, 0.0)
        phase, times_secret = (share[:, : layout.selector_leaves] for share in variances.shares)
        sources = variances.sources if plan.turns is None else np.maximum(variances.sources, variances.turn_sources)
        greatest_means = sources.max(axis=1, initial=0.0)
        # Digits of turned tables' bodies are larger, and meet phases alone.
        larger = 1.0 if plan.turns is None else digit(body_gadget(layout.gadget).base_log) / weight
        depth = max((run.depth for run in variances.runs), default=0)
        for source, (own, scaled) in enumerate(zip(phase, times_secret, strict=True)):
            if not own.any():
                continue
            # One source of N coefficients reaches the leaves below it through maps whose squared norms are 2^doublings
            # times their mean, and which are orthogonal to each other; a key switch reaches twice as many, with a sign.
            doubled = 2.0**depth if source == 0 else 2.0 ** (LOG2_RING_SIZE - source)
            scale = weight * doubled * (1 if source == 0 else 2)
            usual = scale * float((larger * own + (1 + min(3 / doubled, 1.1)) * scaled).max())
            peak = scale * float((larger * own + greatest_mean(doubled) * scaled).max())
            self._add_row(usual, peak, float(worst.squares[source]))
            if source:
                self._add_keys(UNIVERSAL.automorphisms[source - 1], float(greatest_means[source]))
        switched = weight * switch_noise(variances.secret)
        # What digits leave over there meets s², whose greatest value at a root is 100 (2N/3)², 50 times the mean.
        self._add_row(50 * switched, 50 * switched, float(worst.squares[-1]))
        self._add_keys(UNIVERSAL.switch, float(greatest_means[-1]))

    def _add_row(self, usual: float, peak: float, squares: float) -> None:
        """A source in a row's randomness: of a gain of 1, the a_i as Σ a_i² weighs them, and the greatest."""
        total, most = self._row
        self._row = total + usual * squares, max(most, peak * self._worst.most)

    def _add_keys(self, gadget: Gadget, mean: float) -> None:
        """The rows of a key: l · N coefficients, which all products share."""
        total, most = self._keys
        mean *= self._worst.gain
        share = mean / (gadget.levels * RING_SIZE)
        self._keys = total + share * mean, max(most, share)

    def excess(self, x: float) -> float:
        """Over the mean, exceeded with probability 2 e^(−x) at most."""
        mean = self._worst.products
        if not mean:
            return 0.0
        row, keys = (2 * math.sqrt(x * squares) + 2 * x * most for squares, most in (self._row, self._keys))
        return (mean + row) * (1 + keys / mean) - mean
