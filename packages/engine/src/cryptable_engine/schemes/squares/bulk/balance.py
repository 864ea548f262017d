"""Columns of less depth: products are multiplied out where that leaves fewer of them behind each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from cryptable_engine.schemes.squares.bulk.columns import Columns, Step, Sum, read_alone

Guard = tuple[int, ...]
"""Inputs that are bits, increasing: of their product."""
_MOST_GROWTH = 4
"""Times as many steps as before, at most: where sums share products, multiplying out could double them each time."""


def less_deep(columns: Columns, thermometers: Sequence[int], modulus: int) -> Columns:
    """The same outputs by as few products behind each other as multiplying out comes to; some products more.

    Of products b1 · (… + b2 · F), the outer bits become a product of their own: b1 · (…) + (b1 · b2) · F. They are
    multiplied in halves, and bits of one thermometer need no product: the later one implies the earlier.

    Args:
        columns: where products are of an input that is a bit and a sum; others stay as they are.
        thermometers: how many inputs, one after the other, are bits of a thermometer each.
        modulus: of weights.
    """
    deepest = columns.depth
    for depth in range(1, deepest):
        # `depth` below the guards, which are the rest of the outermost products and one bit more, in halves.
        if (deepest - depth).bit_length() < depth:
            try:
                return _Balancing(columns, thermometers, modulus, depth).columns
            except _TooManyStepsError:
                break
    return columns


class _TooManyStepsError(Exception):
    """Multiplying out does not pay."""


class _Balancing:
    def __init__(self, columns: Columns, thermometers: Sequence[int], modulus: int, depth: int) -> None:
        self._old, self._modulus, self._depth = columns, modulus, depth
        self._steps: list[Step] = []
        self._guards: dict[Guard, Sum] = {}
        self._thermometer = {
            bit: number
            for number, (size, end) in enumerate(zip(thermometers, accumulate(thermometers), strict=True))
            for bit in range(end - size, end)
        }
        self._place: list[Sum] = [Sum(((element, 1),), 0) for element in range(columns.inputs)]
        for index, step in enumerate(columns.steps):
            self._place.append(self._replaced(columns.inputs + index, step))
        outputs = tuple(map(self._moved, columns.outputs))
        self.columns = read_alone(Columns(columns.inputs, tuple(self._steps), outputs))

    def _replaced(self, column: int, step: Step) -> Sum:
        bit = self._bit_of(step)
        if self._old.depths[column] <= self._depth or bit is None:
            return self._made(tuple(map(self._moved, step)))
        return self._total(self._guarded((bit,), step[1]))

    def _bit_of(self, step: Step) -> int | None:
        """The input that a product multiplies by, if it is one."""
        (column, _), *_ = step[0].weights
        is_bit = len(step) == 2 and step[0].is_one_column and column in self._thermometer
        return column if is_bit else None

    def _guarded(self, guard: Guard, factor: Sum) -> Iterable[tuple[int, Sum]]:
        """Weights and sums whose total is the product of the guard's bits and a sum."""
        low: list[tuple[int, int]] = []
        for column, weight in factor.weights:
            inner = column - self._old.inputs
            bit = self._bit_of(self._old.steps[inner]) if inner >= 0 else None
            if bit is None or self._old.depths[column] < self._depth:
                low.append((column, weight))
                continue
            for inner_weight, each in self._guarded(self._joined(guard, bit), self._old.steps[inner][1]):
                yield weight * inner_weight, each
        rest = self._moved(Sum(tuple(low), factor.constant))
        if rest.weights:
            yield 1, self._made((self._product(guard), rest))
        elif rest.constant:
            yield rest.constant, self._product(guard)

    def _joined(self, guard: Guard, bit: int) -> Guard:
        own = self._thermometer[bit]
        alike = [bit, *(other for other in guard if self._thermometer[other] == own)]
        return tuple(sorted({max(alike), *set(guard).difference(alike)}))

    def _product(self, guard: Guard) -> Sum:
        if len(guard) == 1:
            return self._place[guard[0]]
        if guard not in self._guards:
            half = 1 << ((len(guard) - 1).bit_length() - 1)  # a power of two, which guards share
            self._guards[guard] = self._made((self._product(guard[:half]), self._product(guard[half:])))
        return self._guards[guard]

    def _made(self, step: Step) -> Sum:
        if len(self._steps) > _MOST_GROWTH * len(self._old.steps):
            raise _TooManyStepsError
        for constant, other in zip(step, reversed(step), strict=True):
            if not constant.weights:  # all it read has cancelled
                return other.times(constant.constant, self._modulus)
        self._steps.append(step)
        return Sum(((self._old.inputs + len(self._steps) - 1, 1),), 0)

    def _moved(self, each: Sum) -> Sum:
        return self._total(((weight, self._place[column]) for column, weight in each.weights), each.constant)

    def _total(self, parts: Iterable[tuple[int, Sum]], constant: int = 0) -> Sum:
        total: dict[int, int] = {}
        for weight, part in parts:
            constant += weight * part.constant
            for column, own in part.weights:
                total[column] = total.get(column, 0) + weight * own
        return Sum(tuple(sorted(total.items())), constant).modulo(self._modulus)
