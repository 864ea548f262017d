"""BulkPlan: at which primes each step of a circuit is left, by a bound of its noise over all honest rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from cryptable_protocol import limits
from cryptable_protocol.schemes.squares.answers import P_ERROR
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import ProgramMismatchError
from cryptable_engine.schemes.squares.bulk.arrangement import arranged, thermometers_of
from cryptable_engine.schemes.squares.bulk.columns import Columns, Sum
from cryptable_engine.schemes.squares.bulk.first_sums import FirstSums
from cryptable_engine.schemes.squares.bulk.schedule import Schedule
from cryptable_engine.schemes.squares.noise.operations import TAIL_BITS, Noise, Operations

_WORKING_POLYNOMIALS, _TENSORS = 64, 2
"""Of a product, while it is made; and copies of what the client has sent, as a process holds it when it arrives."""
_NEGLIGIBLE = 0.25
"""A prime is dropped where rounding adds at most this share to the noise: what fewer primes save is more than that."""


@dataclass(frozen=True, eq=False)
class BulkPlan:
    """A circuit's steps under the parameters of its client specification."""

    columns: Columns
    parameters: BulkParameters

    @cached_property
    def noise(self) -> BulkNoise:
        """Its bound, and where steps are left."""
        return BulkNoise(self)

    @property
    def levels(self) -> tuple[int, ...]:
        """Of each step, how many primes it is left with."""
        return tuple(noise.level for noise in self.noise.steps)

    @cached_property
    def schedule(self) -> Schedule:
        """The order of its steps; the size of a column is how many primes it is modulo."""
        fresh = len(self.parameters.fresh.data)
        return Schedule(self.columns, (*[fresh] * self.columns.inputs, *self.levels))

    @cached_property
    def memory_bytes(self) -> int:
        """What an evaluation takes at most, beyond keys and what a process has anyway; some tens of MB too much."""
        chain = self.parameters.keyset.chain
        held = len(self.columns.outputs) + sum(size * count for size, count in self.schedule.most_held.items())
        polynomials = 2 * held + _WORKING_POLYNOMIALS * len(chain.data)
        first_sums = FirstSums(self.columns, self.parameters.fresh).memory_bytes
        tensor = (
            self.parameters.row_bytes if self.parameters.row_bytes <= limits.MAX_MESSAGE_BYTES else 0
        )  # else a file
        return _TENSORS * tensor + first_sums + 8 * chain.ring_size * polynomials


class BulkNoise(Operations):
    """Of one plan: a bound of the noise of each step and of the answer."""

    def __init__(self, plan: BulkPlan) -> None:
        parameters, columns = plan.parameters, plan.columns
        # One more bit: a product has two ciphertexts whose masks could be large, a square one.
        tail_bits = TAIL_BITS + 1 + math.log2(columns.products + 1) - math.log2(min(parameters.p_error, P_ERROR))
        super().__init__(parameters.keyset.chain, parameters.modulus, tail_bits=tail_bits)
        self.plan = plan
        self._fresh = replace(self.fresh_in_bulk, level=len(parameters.fresh.data))
        self.steps: list[Noise] = []
        for step in columns.steps:
            level = min(map(self.level_of, step))
            one, *other = (self.of_sum(each, level) for each in step)
            self.steps.append(self._product(one, *other) if other else self._dropped(one))

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
        return self._fresh if column < inputs else self.steps[column - inputs]

    def _product(self, one: Noise, other: Noise) -> Noise:
        """At the fewest primes at which rounding is small beside what the product itself has."""
        return self.multiplied(
            one, other, self._least_level(self.tensored(one, other), self.third_rounding, self.key_switch)
        )

    def _dropped(self, noise: Noise) -> Noise:
        """A sum, likewise."""
        return self.switched(noise, self._least_level(noise, self.rounding, lambda level: 0.0))  # noqa: ARG005

    def _least_level(self, noise: Noise, rounding: float, besides: Callable[[int], float]) -> int:
        level = noise.level
        while level > 1:
            dropped = self._primes[level - 1 : noise.level]
            kept = (noise.deviation + noise.fixed) / math.prod(dropped)
            if rounding * len(dropped) + besides(level - 1) > _NEGLIGIBLE * kept:
                break
            level -= 1
        return level


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
    columns = arranged(circuit, parameters.modulus, parameters.degree)
    for name, own, promised in (
        ("inputs", circuit.input.size, parameters.inputs),
        ("columns", columns.inputs, parameters.columns),
        ("outputs", len(columns.outputs), parameters.outputs),
    ):
        if own != promised:
            raise ProgramMismatchError(f"program: the circuit has {own} {name}, its client spec promises {promised}")
    if parameters.thermometers not in ((), thermometers_of(circuit)):
        raise ProgramMismatchError("program: its client spec promises other thermometers than the circuit has")
    if highest > parameters.maximum:
        raise ProgramMismatchError(
            f"program: outputs reach {highest}, the client spec's maximum is {parameters.maximum}"
        )
    return BulkPlan(columns, parameters)
