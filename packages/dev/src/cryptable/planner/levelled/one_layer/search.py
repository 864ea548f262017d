"""Positions, digits and exponents of a network of one hidden layer: the cheapest that is near enough to it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine import Circuit, interpret
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE

from cryptable.cost.levelled import turning_price
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.levelled.one_layer.descent import descended
from cryptable.planner.levelled.one_layer.distances import is_one_sided, tables_of_distances
from cryptable.planner.levelled.one_layer.examples import Examples, examples
from cryptable.planner.levelled.one_layer.exponents import rounded_exponents, shares_of
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.input_digits import InputDigits, encoded, input_digits
from cryptable.planner.levelled.one_layer.moduli import modulus
from cryptable.planner.levelled.one_layer.staircases import Staircase, tables_of_staircase
from cryptable.planner.levelled.one_layer.tables import Tables, tables_of
from cryptable.planner.levelled.one_layer.thinning import thinned
from cryptable.planner.levelled.one_layer.turned_network import TurnedNetwork, turned_network

DIGITS = (1, 2, 3, 4, 5, 6, 8)
"""Of an input, that are tried."""
_LEAST_EXPONENTS, _ANY = (0.0, 0.5, 1.0, 2.0, 4.0), 0.5
"""Below which an exponent is left out, of neurons that matter as much as most and bits that are on half the time: they
are tried. And below which all are."""
_RARELY = 0.5
"""Of the deviation of a bit that is on half the time: those that are on in few rows are taken to be on in more."""
_FEWEST_POSITIONS = 8
_DIGITS_OF_DISTANCES, _LEAST_OF_DISTANCES = (2, 3, 4, 5, 6), (0.5, 1.0)
"""The same of distances, whose sums are of many bits."""
POSITIONS_OF_DISTANCES = 128
"""The fewest of their tables."""
_REACHES = (1.0, 0.8, 0.65)
"""Parts of the widest range of distances that one half of a turn has; in the other, functions repeat negated."""
_BLUR = 1.5
"""Typical deviation of positions, whose exponents are rounded, about their exact place."""
_BEYOND = 0.003
"""Share of new sums that lie beyond all known ones and those of rows nearby."""
_SHARE_OF_UNIT, _SMALL_SHARE = 0.3, 0.15
"""Of the error that is allowed, what rounding scores to integers may have; and where exponents are left out as far as
the error allows."""
_FARTHER = 0.1
"""Likewise of distances, on the far side."""
_MOST_SHARES, _NEARBY, _AT_LEAST = 1 << 24, 0.005, 0.1
"""Numbers that say how bits make up for each other, neuron by neuron; part of the range of sums over which slopes are
taken; and the least that an error matters, of the mean."""
_MOST_FOR_SHARES = 600
"""Rows that say how bits of distances make up for each other."""
_NEARLY, _BEST = 1.15, 4
"""Times the error of the nearest, where none is near enough: what costs less and errs no more is taken. Kernel machines
are seldom near enough: the nearest of so many is, whose exponents are fitted."""
_USELESS, _LARGEST = 0.5, 1e300
"""Of the deviation: what errs more says nothing of the model; and what only an error without bound exceeds."""
_HARDLY_MORE = 1.15
"""Times the price of the cheapest that is near enough: what a plan may cost that then leaves exponents out."""
_INSIDE = 0.985
"""Of the error that is wished for, before scores are integers: with `_SMALL_SHARE`, all of it."""
_NEAR = 0.05
"""Of the deviation: what is off by more is no better than the plan of another scheme, which is cheaper or near, too."""
_SHARE_OF_IDLE = 0.5
"""Of the error that is allowed, what bits that turn no table may have had, all together, and are not read then."""
_MARGIN = 0.03
"""Of the range of sums in calibration data, what positions reach beyond it on both sides."""


@dataclass(frozen=True, eq=False)
class Found:
    """A circuit, its unit of scores, and how far its scores are from the network's own.

    `rms` is in deviations of the score that errs most, on calibration data and rows nearby; `largest` in the unit of
    the scores, on calibration data alone.
    """

    circuit: Circuit
    unit: float
    constant: FloatArray
    digits: InputDigits
    rms: float
    largest: float


@dataclass(frozen=True, eq=False)
class Wish:
    """How near and how: rms in deviations; digits of inputs and positions of tables, where they are asked for.

    `tolerance` is the largest error on calibration data, None where none is asked for; `p_error` the probability with
    which an answer may be wrong. `most` is the price, in the unit of the price list, above which another scheme is the
    cheaper one: then the nearest plan is wanted only if it is near. `way_out` is what messages advise besides.
    """

    rms: float
    p_error: float
    tolerance: float | None = None
    digits: int | None = None
    positions: int | None = None
    ranges: str = "minmax"
    most: float = math.inf
    way_out: str = "use scheme='bootstrapped'"


@dataclass(frozen=True, eq=False)
class _Candidate:
    price: float
    network: TurnedNetwork
    digits: InputDigits
    bits: IntArray
    positions: int
    products: int


def find(
    layer: HiddenLayer,
    names: tuple[str, ...],
    rows: FloatArray,
    reference: FloatArray,
    wish: Wish,
    staircase: Staircase | None = None,
) -> Found:
    """The cheapest that is as near as is wished, or else of those that are nearly as near as any.

    Args:
        layer: the network.
        names: of its features.
        rows: calibration data, shape (rows, features).
        reference: the network's own scores, shape (rows, outputs).
        wish: how near.
        staircase: of a layer of integers.

    Raises:
        UnsupportedModelError: it has more scores than a table has room for, or none is within the tolerance.
    """
    data = examples(layer, rows, reference)
    tried: list[tuple[float, _Candidate]] = []
    candidates = sorted(_candidates(layer, names, data, wish, staircase), key=lambda each: each.price)
    for candidate in candidates:
        rough = _roughly(candidate, data, wish)
        tried.append((rough, candidate))
        if rough <= wish.rms and _is_within(found := _measured(candidate, data, wish), wish):
            return found if layer.is_of_distances else _with_fewer(found, candidate, candidates, data, wish)
    nearest = min((rough for rough, _ in tried), default=math.inf)
    if nearest > _NEAR and tried and staircase is None and not layer.is_of_distances:
        # Steps are finer where nothing is thought of new sums beyond those known.
        narrow = _candidates(layer, names, data, wish, None, is_narrow=True)
        tried = sorted(
            [*tried, *((_roughly(each, data, wish), each) for each in narrow)], key=lambda pair: pair[1].price
        )
        nearest = min(rough for rough, _ in tried)
    if nearest > _NEAR and not math.isinf(wish.most):
        raise UnsupportedModelError("scheme 'levelled': plans near the model take more CPU than another scheme does")
    if not tried:
        raise UnsupportedModelError(
            f"scheme 'levelled': {layer.outputs} scores leave tables no room for positions; fit one network for fewer "
            f"of them, or {wish.way_out}"
        )
    # A tolerance that is asked for is refused by itself, below.
    if nearest > (max(_USELESS, wish.rms) if wish.tolerance is None else _LARGEST):
        raise UnsupportedModelError(
            f"scheme 'levelled': noise leaves no room for enough products ({tried[-1][1].products} at most were tried) "
            f"or scores: the nearest plan differs by {nearest:.2g} of the scores' deviation from the model's own; fit "
            f"fewer neurons (support vectors), lower input_bits=, or {wish.way_out}"
        )
    best = sorted(tried, key=lambda each: each[0])[:_BEST]
    if not layer.is_of_distances and _NEARLY * nearest <= _NEAR:
        best = [next(each for each in tried if each[0] <= _NEARLY * nearest)]
    some = [_measured(each, data, wish) for _, known in best for each in (known, _fitted(known, data))]
    found = min(some, key=lambda each: each.rms if wish.tolerance is None else each.largest)
    if wish.tolerance is not None and found.largest > wish.tolerance:
        raise UnsupportedModelError(
            f"tolerance is {wish.tolerance:.3g}, but the nearest plans differ by up to {found.largest:.3g} from the "
            "network's own scores on X_train; raise tolerance= or input_bits=, or leave tolerance= out"
        )
    return found


def _is_within(found: Found, wish: Wish) -> bool:
    return found.rms <= wish.rms and (wish.tolerance is None or found.largest <= wish.tolerance)


def _with_fewer(found: Found, first: _Candidate, candidates: list[_Candidate], data: Examples, wish: Wish) -> Found:
    """The cheapest that is near enough, or one that is cheaper with some of its exponents left out.

    Those of a plan that is nearer than need be, and hardly costs more, may leave out more.
    """
    near = [
        (_roughly(each, data, wish), each)
        for each in candidates
        if first.price < each.price <= _HARDLY_MORE * first.price
    ]
    starts = [first, *(each for rough, each in sorted(near, key=lambda pair: pair[0])[:1] if rough <= wish.rms)]
    best, price = found, first.price
    for start in starts:

        def is_near(network: TurnedNetwork, start: _Candidate = start) -> bool:
            return _roughly(_with(start, network), data, wish) <= _INSIDE * wish.rms

        bits = encoded(start.digits, data.fitted)
        network = thinned(start.network, bits, data.fitted_scores, wish.rms * data.spread, is_near)
        fewer = _with(start, network)
        if fewer.price < price and _is_within(other := _measured(fewer, data, wish, _SMALL_SHARE), wish):
            best, price = other, fewer.price
    return best


def _with(candidate: _Candidate, network: TurnedNetwork) -> _Candidate:
    products = network.products
    price = turning_price(products, network.turning, candidate.digits.bits)
    return replace(candidate, network=network, products=products, price=price)


def _roughly(candidate: _Candidate, data: Examples, wish: Wish) -> float:
    """Error of the rows that are judged by, in deviations, as far as it is known before scores are integers."""
    error = _rms(candidate.network.scores(candidate.bits.astype(np.float64)) - data.scores)
    return math.hypot(error, _rounding(candidate, wish)) / data.spread


def _fitted(candidate: _Candidate, data: Examples) -> _Candidate:
    network = descended(candidate.network, encoded(candidate.digits, data.fitted), data.fitted_scores)
    return _with(candidate, network)


def _candidates(
    layer: HiddenLayer,
    names: tuple[str, ...],
    data: Examples,
    wish: Wish,
    staircase: Staircase | None,
    *,
    is_narrow: bool = False,
) -> Iterator[_Candidate]:
    idle = _SHARE_OF_IDLE * wish.rms * data.spread
    is_clipped = layer.is_of_distances and not is_one_sided(layer) and wish.ranges != "sound"
    tables_of_all = None if layer.is_of_distances else list(_tables(layer, data, wish, staircase, is_narrow=is_narrow))
    counts: tuple[int, ...] = _DIGITS_OF_DISTANCES if layer.is_of_distances else DIGITS
    if wish.digits is not None or staircase is not None:
        counts = (wish.digits or 1,)
    for count in counts:
        cheapest = math.inf
        grid = None if staircase is None else staircase.grid
        digits = input_digits(layer, names, data.rows, count, is_clipped=is_clipped, grid=grid)
        floats = encoded(digits, data.fitted).astype(np.float64)
        means, deviations = floats.mean(axis=0), floats.std(axis=0)
        shares = shares_of(floats)
        of_tables, least_exponents = shares, _LEAST_OF_DISTANCES if layer.is_of_distances else _LEAST_EXPONENTS
        if layer.is_of_distances:
            of_tables = _shares_of_tables(layer, digits, floats[:_MOST_FOR_SHARES], shares)
        for tables in tables_of_all or _tables_of_distances(layer, data, digits.offset + floats @ digits.sums, wish):
            for least in least_exponents:
                turns = digits.sums / tables.step
                dropped = _least_of_each(layer, tables, turns, deviations, least)
                exponents = rounded_exponents(turns, of_tables, dropped, keep_common=layer.is_of_distances)
                network = turned_network(layer, digits, tables, exponents, floats, shares)
                network = network.without_idle_bits(means, deviations, idle)
                products = network.products
                price = turning_price(products, network.turning, digits.bits)
                cheapest = min(cheapest, price)
                if price <= wish.most:
                    judged = encoded(digits, data.judged)
                    yield _Candidate(price, network, digits, judged, tables.positions, products)
        if cheapest > wish.most:  # and more digits cost more
            break


def _least_of_each(
    layer: HiddenLayer, tables: Tables, turns: FloatArray, deviations: FloatArray, least: float
) -> FloatArray:
    """Below which the exponent of a bit and a neuron is left out: more, where a position matters less to the scores.

    Shape (bits, neurons). Equal neurons, which become one, have the same; and so have all of distances, whose bits some
    are common.
    """
    if layer.is_of_distances:
        return np.full((1, 1), least)
    square = np.square(tables.step * tables.bend) * np.square(layer.weights).sum(axis=1)
    _, place = np.unique(turns, axis=1, return_inverse=True)
    matter = np.sqrt(np.bincount(place.ravel(), square))[place.ravel()]
    usual = math.sqrt(np.square(matter).mean()) or 1.0
    each = least * usual / np.maximum(np.outer(np.maximum(2 * deviations, _RARELY), matter), 1e-9 * usual)
    return np.maximum(each, _ANY)


def _tables(
    layer: HiddenLayer, data: Examples, wish: Wish, staircase: Staircase | None, *, is_narrow: bool
) -> Iterator[Tables]:
    if staircase is not None:
        for positions in _positions(layer.outputs):
            if positions <= staircase.half_turn:
                yield tables_of_staircase(staircase, positions)
        return
    sums = layer.sums(data.rows if is_narrow else data.fitted)
    low, high = _ranges(layer, sums, data.rows, wish.ranges)
    for positions in _positions(layer.outputs) if wish.positions is None else (wish.positions,):
        yield tables_of(layer, sums, low, high, positions, _BLUR, 0.0 if is_narrow else _BEYOND)


def _tables_of_distances(layer: HiddenLayer, data: Examples, sums: FloatArray, wish: Wish) -> Iterator[Tables]:
    """Of sums as they are encoded, shape (rows, neurons)."""
    reaches: tuple[float, ...] = _REACHES
    if wish.ranges == "sound" or is_one_sided(layer):  # rows that are farther off than any of these are no rarity
        low, high = _ranges(layer, layer.sums(data.rows), data.rows, wish.ranges)
        least, most = low.min(), high.max()
        if wish.ranges != "sound":
            most += _FARTHER * (most - least)
        low, high, reaches = np.full_like(low, least), np.full_like(high, most), (1.0,)
    else:
        low, high = _ranges(layer, sums, data.rows, wish.ranges)
    for positions in _positions(layer.outputs) if wish.positions is None else (wish.positions,):
        if positions >= POSITIONS_OF_DISTANCES or wish.positions is not None:
            for part in reaches:
                reach = part * float((high - low).max())
                yield tables_of_distances(layer, sums, low, high, reach, positions)


def _shares_of_tables(layer: HiddenLayer, digits: InputDigits, bits: FloatArray, shares: FloatArray) -> FloatArray:
    """How bits make up for each other near each vector, where alone its position matters."""
    if layer.neurons * bits.shape[1] ** 2 > _MOST_SHARES:
        return shares
    sums = digits.offset + bits @ digits.sums
    width = _NEARBY * (sums.max(axis=0) - sums.min(axis=0)) + 1e-12
    slopes = (layer.function(sums + width) - layer.function(sums - width)) / (2 * width)
    matter = (slopes - slopes.mean(axis=0)) ** 2  # lines make up for the mean slope
    matter += _AT_LEAST * matter.mean(axis=0) + 1e-300
    return np.stack([shares_of(bits, each) for each in matter.T])


def _positions(outputs: int) -> Iterator[int]:
    """That leave room for one residue of each score at least."""
    positions = RING_SIZE // 2
    while positions >= _FEWEST_POSITIONS:
        if RING_SIZE // positions >= outputs:
            yield positions
        positions //= 2


def _ranges(layer: HiddenLayer, sums: FloatArray, rows: FloatArray, choice: str) -> tuple[FloatArray, FloatArray]:
    """Of sums that have positions of their own, shape (neurons,) each."""
    if choice == "sound":
        ends = np.stack([rows.min(axis=0), rows.max(axis=0)])
        products = ends[:, :, None] * layer.slopes + (ends**2 * layer.curvatures)[:, :, None]
        return layer.offset + products.min(axis=0).sum(axis=0), layer.offset + products.max(axis=0).sum(axis=0)
    if choice == "percentile":
        low, high = np.percentile(sums, [0.1, 99.9], axis=0)
    else:
        low, high = sums.min(axis=0), sums.max(axis=0)
    margin = _MARGIN * (high - low)
    return low - margin, high + margin


def _measured(candidate: _Candidate, data: Examples, wish: Wish, share: float = _SHARE_OF_UNIT) -> Found:
    """With the fewest residues that make rounding scores to integers small beside what is allowed."""
    network = candidate.network
    spread = data.spread
    allowed = wish.rms * spread if wish.tolerance is None else min(wish.rms * spread, wish.tolerance / 3)
    wanted = network.reach / (share * allowed * math.sqrt(12 / network.terms))
    circuit, unit = network.fitted(int(modulus(wanted, network, candidate.products, wish.p_error)))
    values = interpret(circuit, candidate.bits)
    offset = circuit.nodes[circuit.output].offset  # type: ignore[union-attr]
    error = (values - offset) * unit + network.constant - data.scores
    constant = network.constant - error.mean(axis=0)
    error -= error.mean(axis=0)
    largest = float(np.abs(error[: data.own]).max())
    return Found(circuit, unit, constant, candidate.digits, _rms(error) / spread, largest)


def _rms(error: FloatArray) -> float:
    """Of the score that errs most."""
    return float(np.sqrt(np.square(error).mean(axis=0)).max())


def _rounding(candidate: _Candidate, wish: Wish) -> float:
    """Deviation of scores by rounding to integers, at the finest unit that there is room for; infinite without any."""
    finest = modulus(math.inf, candidate.network, candidate.products, wish.p_error)
    return candidate.network.width / finest * math.sqrt(candidate.network.terms / 12) if finest else math.inf
