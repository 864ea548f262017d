"""Columns: a circuit as products of sums of elements, each of which is a column of rows and so one ciphertext."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from cryptable_engine.circuit.circuit import Circuit, Convolution, Input, Linear, Product, Square
from cryptable_engine.circuit.convolution import OUTSIDE
from cryptable_engine.errors import CircuitError

MOST_READS = 1 << 20
"""Ciphertexts that all sums of a circuit read: about a minute of one core."""

MOST_WEIGHT = 1 << 25
"""Of the sum of magnitudes that a first square's sum has: times a limb of 28 bits, a double holds it."""


@dataclass(frozen=True)
class Sum:
    """constant + the sum of weight times column; columns are those of the input, then results of products."""

    weights: tuple[tuple[int, int], ...]
    """Columns, increasing, and what each is multiplied by, which is never 0."""
    constant: int

    @property
    def is_one_column(self) -> bool:
        """Whether it is a column as it stands."""
        return len(self.weights) == 1 and self.weights[0][1] == 1 and not self.constant

    def modulo(self, modulus: int) -> Sum:
        """With weights around 0, those left out that vanish."""
        centred = ((column, (weight + modulus // 2) % modulus - modulus // 2) for column, weight in self.weights)
        return Sum(tuple((column, weight) for column, weight in centred if weight), self.constant % modulus)

    def times(self, factor: int, modulus: int) -> Sum:
        """So many times it."""
        weights = tuple((column, factor * weight) for column, weight in self.weights)
        return Sum(weights, factor * self.constant).modulo(modulus)


Step = tuple[Sum, ...]
"""What makes a column: a sum that is kept, or the two factors of a product."""


def is_square(step: Step) -> bool:
    """Of a product."""
    return len(step) == 2 and step[0] == step[1]


@dataclass(frozen=True)
class Columns:
    """Steps, each of sums of what stands before it, and the sums that are the outputs."""

    inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[Sum, ...]

    @property
    def sums(self) -> Iterator[Sum]:
        """In the order of evaluation."""
        for step in self.steps:
            yield from step
        yield from self.outputs

    @cached_property
    def first_squares(self) -> tuple[int, ...]:
        """Steps that are squares of sums of inputs alone, with weights that are small: a network's first layer."""
        return tuple(
            index
            for index, step in enumerate(self.steps)
            if is_square(step)
            and all(column < self.inputs for column, _ in step[0].weights)
            and sum(abs(weight) for _, weight in step[0].weights) <= MOST_WEIGHT
        )

    @property
    def reads(self) -> Counter[int]:
        """How often each column is read by a sum, those of first squares apart. A square's is taken once."""
        first = frozenset(self.first_squares)
        steps = (step[:1] if is_square(step) else step for index, step in enumerate(self.steps) if index not in first)
        sums = chain(chain.from_iterable(steps), self.outputs)
        return Counter(column for each in sums for column, _ in each.weights)

    @property
    def products(self) -> int:
        """How many steps multiply."""
        return sum(len(step) == 2 for step in self.steps)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Of each column, how many products stand behind each other in it."""
        depths = [0] * self.inputs
        for step in self.steps:
            read = (depths[column] for each in step for column, _ in each.weights)
            depths.append(max(read, default=0) + len(step) - 1)
        return tuple(depths)

    @property
    def depth(self) -> int:
        """Products behind each other, at most."""
        return max(self.depths)


def read_columns(circuit: Circuit, modulus: int) -> Columns:
    """What a verified circuit computes modulo a prime.

    A product with a constant is none, and what nothing reads is left out.

    Raises:
        CircuitError: it has nodes that are neither sums nor products; names one, and says what to do.
    """
    inputs = circuit.input.size
    products: list[tuple[Sum, Sum]] = []
    values: dict[int, list[Sum]] = {}
    reads = 0

    def product(one: Sum, other: Sum) -> Sum:
        if not one.weights:
            return other.times(one.constant, modulus)
        if not other.weights:
            return one.times(other.constant, modulus)
        products.append((one, other))
        return Sum(((inputs + len(products) - 1, 1),), 0)

    for index, node in enumerate(circuit.nodes):
        match node:
            case Input():
                values[index] = [Sum(((element, 1),), 0) for element in range(inputs)]
            case Linear():
                values[index] = _sums(node, values, modulus)
                reads += sum(len(each.weights) for each in values[index])
                if reads > MOST_READS:
                    raise CircuitError(f"more than {MOST_READS} weights, more than are evaluated in bulk", node=index)
            case Convolution():
                reads += node.size * node.window
                if reads > MOST_READS:
                    raise CircuitError(f"more than {MOST_READS} weights, more than are evaluated in bulk", node=index)
                values[index] = _windowed(node, values[node.source], modulus)
            case Product():
                bits = [values[0][bit] for bit in node.bits.tolist() for _ in range(node.block)]
                values[index] = [product(bit, form) for bit, form in zip(bits, values[node.source], strict=True)]
            case Square():
                sums = values[node.source]
                squared = {place: product(sums[place], sums[place]) for place in _neighbours_together(sums)}
                values[index] = [squared[place] for place in range(len(sums))]
            case _:
                raise CircuitError(
                    f"a {type(node).__name__}, and rows in bulk are evaluated by sums, products and squares alone; "
                    "compile it without bulk",
                    node=index,
                )
    return read_alone(Columns(inputs, tuple(products), tuple(values[circuit.output])))


def _sums(node: Linear, values: dict[int, list[Sum]], modulus: int) -> list[Sum]:
    totals: list[dict[int, int]] = [{} for _ in range(node.size)]
    constants = node.offset.tolist()
    for term in node.terms:
        source = values[term.source]
        for row, column, weight in zip(term.rows.tolist(), term.columns.tolist(), term.weights.tolist(), strict=True):
            total = totals[column]
            for read, own in source[row].weights:
                total[read] = total.get(read, 0) + weight * own
            constants[column] += weight * source[row].constant
    return [
        Sum(tuple(sorted(total.items())), constant).modulo(modulus)
        for total, constant in zip(totals, constants, strict=True)
    ]


def _neighbours_together(sums: list[Sum]) -> list[int]:
    """Places of sums, those that read like columns beside each other: first squares are made some at a time."""
    return sorted(range(len(sums)), key=lambda place: tuple(column for column, _ in sums[place].weights))


def _windowed(node: Convolution, source: list[Sum], modulus: int) -> list[Sum]:
    """A Convolution's sums, as a Linear's: no weight of it is evaluated for two places at once."""
    windows, cells = node.windows(), int(np.prod(node.shape[1:]))
    depth, each = node.weights.shape[1], node.filters // node.groups
    kernels, offsets = node.weights.reshape(node.filters, -1), node.offset.reshape(node.filters, -1)
    found = []
    for number, (kernel, constants) in enumerate(zip(kernels.tolist(), offsets.tolist(), strict=True)):
        shift = number // each * depth * cells
        for window, constant in zip(windows.tolist(), constants, strict=True):
            taken = ((w, source[at + shift]) for w, at in zip(kernel, window, strict=True) if w and at != OUTSIDE)
            found.append(_total(taken, constant, modulus))
    return found


def _total(parts: Iterable[tuple[int, Sum]], constant: int, modulus: int) -> Sum:
    total: dict[int, int] = {}
    for weight, part in parts:
        constant += weight * part.constant
        for column, own in part.weights:
            total[column] = total.get(column, 0) + weight * own
    return Sum(tuple(sorted(total.items())), constant).modulo(modulus)


def read_alone(columns: Columns) -> Columns:
    """Without steps that nothing reads."""
    inputs, needed = columns.inputs, set[int]()
    for each in columns.outputs:
        needed.update(column for column, _ in each.weights)
    for index in reversed(range(len(columns.steps))):
        if inputs + index in needed:
            needed.update(column for each in columns.steps[index] for column, _ in each.weights)
    kept = [index for index in range(len(columns.steps)) if inputs + index in needed]
    place = {inputs + old: inputs + new for new, old in enumerate(kept)}

    def moved(each: Sum) -> Sum:
        return Sum(tuple((place.get(column, column), weight) for column, weight in each.weights), each.constant)

    steps = tuple(tuple(map(moved, columns.steps[old])) for old in kept)
    return Columns(inputs, steps, tuple(map(moved, columns.outputs)))
