"""BulkPlan: at which primes each product of a circuit is left, by a bound of its noise over all honest rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from cryptable_protocol.schemes.squares.answers import P_ERROR
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import ProgramMismatchError
from cryptable_engine.schemes.squares.bulk.columns import Columns, Sum, read_columns
from cryptable_engine.schemes.squares.noise.operations import TAIL_BITS, Noise, Operations

_NEGLIGIBLE = 0.25
"""A prime is dropped where rounding adds at most this share to the noise: what fewer primes save is more than that."""


@dataclass(frozen=True, eq=False)
class BulkPlan:
    """A circuit's products and sums under the parameters of its client specification."""

    columns: Columns
    parameters: BulkParameters

    @cached_property
    def noise(self) -> BulkNoise:
        """Its bound, and where products are left."""
        return BulkNoise(self)

    @property
    def levels(self) -> tuple[int, ...]:
        """Of each product, how many primes it is left with."""
        return tuple(noise.level for noise in self.noise.products)


class BulkNoise(Operations):
    """Of one plan: a bound of the noise of each product and of the answer."""

    def __init__(self, plan: BulkPlan) -> None:
        parameters, columns = plan.parameters, plan.columns
        # One more bit: a product has two ciphertexts whose masks could be large, a square one.
        tail_bits = TAIL_BITS + 1 + math.log2(len(columns.products) + 1) - math.log2(min(parameters.p_error, P_ERROR))
        super().__init__(parameters.keyset.chain, parameters.modulus, tail_bits=tail_bits)
        self.plan = plan
        self.products: list[Noise] = []
        for one, other in columns.products:
            level = min(self.level_of(one), self.level_of(other))
            self.products.append(self._product(self.of_sum(one, level), self.of_sum(other, level)))

    def level_of(self, each: Sum) -> int:
        """At which its sum is taken: the least of what it reads."""
        return min((self._of_column(column).level for column, _ in each.weights), default=1)

    def of_sum(self, each: Sum, level: int) -> Noise:
        """Of a sum that is taken at a level."""
        read = [(weight, self.switched(self._of_column(column), level)) for column, weight in each.weights]
        return read[0][1] if each.is_one_column else self.summed(read)

    def outputs(self) -> list[Noise]:
        """Of each output, modulo the first prime, hidden. One that reads nothing is a fresh encryption of zero."""
        nothing = Noise(1, 0.0, 0.0, self._halves)
        sums = self.plan.columns.outputs
        taken = [self.of_sum(each, self.level_of(each)) if each.weights else nothing for each in sums]
        return [self.hidden(self.switched(noise, 1)) for noise in taken]

    def used(self) -> float:
        """The share of what an answer can bear that the bound takes, of the noisiest output."""
        return max(self.share(noise, self.plan.parameters) for noise in self.outputs())

    def _of_column(self, column: int) -> Noise:
        inputs = self.plan.columns.inputs
        return self.fresh if column < inputs else self.products[column - inputs]

    def _product(self, one: Noise, other: Noise) -> Noise:
        """At the fewest primes at which rounding is small beside what the product itself has."""
        level, tensored = one.level, self.tensored(one, other)
        while level > 1:
            dropped = self._primes[level - 1 : one.level]
            kept = (tensored.deviation + tensored.fixed) / math.prod(dropped)
            if self.third_rounding * len(dropped) + self.key_switch(level - 1) > _NEGLIGIBLE * kept:
                break
            level -= 1
        return self.multiplied(one, other, level)


def make_plan(circuit: Circuit, parameters: BulkParameters, highest: int) -> BulkPlan:
    """The plan of a circuit for the parameters that its clients were promised.

    Args:
        circuit: verified.
        parameters: of its client specification.
        highest: value of any output.

    Raises:
        CircuitError: it is none for rows in bulk.
        ProgramMismatchError: they are not for this circuit; names the parameter.
    """
    columns = read_columns(circuit, parameters.modulus)
    for name, own, promised in (
        ("inputs", columns.inputs, parameters.inputs),
        ("outputs", len(columns.outputs), parameters.outputs),
    ):
        if own != promised:
            raise ProgramMismatchError(f"program: the circuit has {own} {name}, its client spec promises {promised}")
    if highest > parameters.maximum:
        raise ProgramMismatchError(
            f"program: outputs reach {highest}, the client spec's maximum is {parameters.maximum}"
        )
    return BulkPlan(columns, parameters)
