"""The cheapest keyset of several keys of a kind: a bootstrap key for each group of lookups, and keyswitch keys between.

Shapes of bootstrap keys are chosen by pairs of groups, all others as they were, until no pair gets cheaper: from the
keyset of one bootstrap key on (`keyset_search`). Given the shapes, each group has the small key under which it is
cheapest. See docs/decisions/0049-several-keys-of-a-kind.md.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from cryptable_protocol import (
    BootstrapKeyParameters,
    KeysetParameters,
    KeyswitchKeyParameters,
    MalformedMessageError,
    SecretKeyParameters,
)

from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    MAX_GLWE_DIMENSION,
    bootstrap_complexity,
    minimal_variance,
    tolerated_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.key_shapes import (
    BOOTSTRAP_LEVELS,
    KEYSWITCH_LEVELS,
    LARGE_DIMENSIONS,
    POLYNOMIAL_SIZES,
    SMALL_DIMENSIONS,
    bootstrap_key,
    bootstraps,
    keyswitch_key,
    rounding,
    switches,
)
from cryptable_engine.schemes.bootstrapped.parameters.lookup_groups import LookupGroup, LookupGroups
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import room
from cryptable_engine.schemes.bootstrapped.parameters.variances import FloatArray

_SIZES_BEYOND = 4
"""Times the smallest polynomial that a group can be read with, what is tried at most."""
_ROUNDS = 4
_MOST_GROUPS = 5


class _Shape(NamedTuple):
    glwe_dimension: int
    size: int
    levels: int

    @property
    def dimension(self) -> int:
        return self.glwe_dimension * self.size


class _Found(NamedTuple):
    price: float
    small: int
    """Place of the small key's length among `SMALL_DIMENSIONS`."""


_NONE = _Found(np.inf, 0)


def cheapest_of_several(grouped: LookupGroups, p_error: float, one: KeysetParameters) -> KeysetParameters | None:
    """A keyset of a bootstrap key for each group; None where none is found that is worth it.

    Args:
        grouped: lookups of a circuit.
        p_error: the largest probability that a lookup, or an output, is misread.
        one: the cheapest keyset of one bootstrap key.
    """
    if not 2 <= len(grouped.groups) <= _MOST_GROUPS:
        return None
    return _Search(grouped, p_error, one).keyset()


class _Search:
    def __init__(self, grouped: LookupGroups, p_error: float, one: KeysetParameters) -> None:
        self._groups, self._p_error, self._one = grouped.groups, p_error, one
        self._inputs_are_under = grouped.under[0]
        (key,) = one.bootstrap_keys
        start = _Shape(key.glwe_dimension, key.polynomial_size, key.level_count)
        self._shapes = [start] * len(self._groups)
        self._small = [one.dimensions[key.input_key] - SMALL_DIMENSIONS.start] * len(self._groups)
        self._tried = [[start, *_shapes(group, p_error)] for group in self._groups]
        self._group = cache(self._group_uncached)
        self._switching = cache(self._switching_uncached)

    def keyset(self) -> KeysetParameters | None:
        for _ in range(_ROUNDS):
            before = list(self._shapes)
            for pair in combinations(range(len(self._groups)), 2):
                self._improve(pair)
            if not self._settle():
                return None
            if self._shapes == before:
                break
        return self._made()

    def _improve(self, pair: tuple[int, int]) -> None:
        """Choose the cheapest shapes of two groups, of all that are tried."""
        one, other = pair
        best, chosen = self._total(), (self._shapes[one], self._shapes[other])
        for shapes in product(self._tried[one], self._tried[other]):
            self._shapes[one], self._shapes[other] = shapes
            if (total := self._total(below=best)) < best:
                best, chosen = total, shapes
        self._shapes[one], self._shapes[other] = chosen

    def _settle(self) -> bool:
        """Give each group the small key that it needs where all others have theirs; whether there is one."""
        for _ in range(4 * _ROUNDS):
            found = self._all()
            if any(each.price == np.inf for each in found):
                return False
            small = [each.small for each in found]
            if small == self._small:
                return True
            self._small = small
        return False

    def _total(self, below: float = np.inf) -> float:
        """The price of all groups; infinite as soon as it is not below what is asked for."""
        return min(self._total_of(dimension, below) for dimension in self._input_dimensions())

    def _total_of(self, given: int, below: float) -> float:
        total = 0.0
        for group in range(len(self._groups)):
            total += self._of(group, given).price
            if total >= below:
                return np.inf
        return total

    def _all(self) -> list[_Found]:
        given = min(self._input_dimensions(), key=lambda each: (self._total_of(each, np.inf), each))
        return [self._of(group, given) for group in range(len(self._groups))]

    def _input_dimensions(self) -> list[int]:
        if self._inputs_are_under is not None:
            return [self._shapes[self._inputs_are_under].dimension]
        return sorted({shape.dimension for shape in self._shapes})

    def _of(self, group: int, given: int) -> _Found:
        sources = tuple(
            (given, 0.0) if flow.source is None else self._looked_up(flow.source) for flow in self._groups[group].flows
        )
        return self._group(group, self._shapes[group], sources)

    def _looked_up(self, group: int) -> tuple[int, float]:
        """Dimension and variance of what a group gives."""
        shape = self._shapes[group]
        return shape.dimension, float(bootstraps(*shape).variance[self._small[group]])

    def _group_uncached(self, number: int, shape: _Shape, sources: tuple[tuple[int, float], ...]) -> _Found:
        """The cheapest small key of a group."""
        group = self._groups[number]
        prices = group.lookups * _bootstrap_prices(shape)
        for place, (dimension, looked_up) in enumerate(sources):
            prices = prices + self._switching(number, place, dimension, looked_up, shape.size)[0]
        variances = bootstraps(*shape).variance
        prices = np.where(
            room(group.outputs, minimal_variance(shape.dimension), variances, self._p_error) < 0, np.inf, prices
        )
        best = int(np.argmin(prices))
        return _Found(float(prices[best]), best) if prices[best] < np.inf else _NONE

    def _switching_uncached(
        self, number: int, place: int, dimension: int, looked_up: float, size: int
    ) -> tuple[FloatArray, list[int]]:
        """Of a group's keyswitches of one flow, by small key: what they cost, and how many levels they have."""
        flow = self._groups[number].flows[place]
        levels, prices, variances, offsets = _all_switches(dimension)
        left = room(
            flow.demands,
            minimal_variance(dimension),
            np.full(variances.shape, looked_up),
            self._p_error,
            offset=offsets,
        )
        able = np.where(variances + rounding(size) <= left, prices, np.inf)
        return flow.lookups * able.min(axis=0), [levels[each] for each in np.argmin(able, axis=0).tolist()]

    def _made(self) -> KeysetParameters | None:
        given = min(self._input_dimensions(), key=lambda each: (self._total_of(each, np.inf), each))
        larges = sorted({shape.dimension for shape in self._shapes}, reverse=True)
        smalls = sorted({SMALL_DIMENSIONS[place] for place in self._small}, reverse=True)
        ids = {("large", dimension): number for number, dimension in enumerate(larges)}
        ids |= {("small", dimension): len(larges) + number for number, dimension in enumerate(smalls)}
        boots: dict[tuple[_Shape, int], BootstrapKeyParameters] = {}
        by_ends: dict[tuple[int, int], KeyswitchKeyParameters] = {}
        for number, (group, shape, small) in enumerate(zip(self._groups, self._shapes, self._small, strict=True)):
            to = ids["small", SMALL_DIMENSIONS[small]]
            key = bootstrap_key(*shape, bootstraps(*shape).base_log[small])
            made = replace(key, id=len(boots), input_key=to, output_key=ids["large", shape.dimension])
            boots.setdefault((shape, small), made)
            for place, flow in enumerate(group.flows):
                dimension, looked_up = (given, 0.0) if flow.source is None else self._looked_up(flow.source)
                levels = self._switching(number, place, dimension, looked_up, shape.size)[1][small]
                switch = keyswitch_key(SMALL_DIMENSIONS[small], levels, switches(dimension, levels).base_log[small])
                ends = ids["large", dimension], to
                if ends not in by_ends or by_ends[ends].level_count < levels:
                    by_ends[ends] = replace(switch, input_key=ends[0], output_key=to)
        dimensions = [*larges, *smalls]
        try:
            keyset = KeysetParameters(
                tuple(SecretKeyParameters(number, dimension) for number, dimension in enumerate(dimensions)),
                tuple(boots.values()),
                tuple(replace(by_ends[ends], id=number) for number, ends in enumerate(sorted(by_ends))),
            )
        except MalformedMessageError:  # its evaluation keys are larger than any reader accepts
            return None
        most = len(self._groups) * self._one.evaluation_keys_bytes  # no group's are to be larger than one for all
        return keyset if keyset.evaluation_keys_bytes <= most else None


def _shapes(group: LookupGroup, p_error: float) -> list[_Shape]:
    """Of bootstrap keys for a group: polynomials that its lookups can be read with, and of levels those that help."""
    least = min(tolerated_variance(demand.bits, p_error) for flow in group.flows for demand in flow.demands)
    sizes = [size for size in POLYNOMIAL_SIZES if size >= 2 << group.widest and rounding(size).min() < least]
    found = []
    for size, glwe_dimension in product(sizes, range(1, MAX_GLWE_DIMENSION + 1)):
        if size > _SIZES_BEYOND * sizes[0] or glwe_dimension * size not in LARGE_DIMENSIONS:
            continue
        least_noise = np.inf
        for levels in BOOTSTRAP_LEVELS:
            noise = float(bootstraps(glwe_dimension, size, levels).variance[0])
            if noise < least_noise:
                found.append(_Shape(glwe_dimension, size, levels))
                least_noise = noise
    return found


@cache
def _bootstrap_prices(shape: _Shape) -> FloatArray:
    """By small key."""
    key = bootstrap_key(*shape, 1)
    return bootstrap_complexity(key, 1) * np.array(SMALL_DIMENSIONS, np.float64)


@cache
def _all_switches(dimension: int) -> tuple[list[int], FloatArray, FloatArray, FloatArray]:
    """From a large key: levels, and by levels and small key prices, variances and offsets."""
    levels = list(KEYSWITCH_LEVELS)
    found = [switches(dimension, each) for each in levels]
    words = dimension * np.array(levels, np.float64)[:, None]
    prices = words + (2 * words - 1) * (np.array(SMALL_DIMENSIONS, np.float64) + 1) + 1
    return levels, prices, np.stack([each.variance for each in found]), np.stack([each.offset for each in found])
