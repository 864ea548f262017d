"""PriceList: what the planner plans by, one for each scheme; and Draft, what it asks the price of.

The price list of a scheme is a module of this package of the scheme's name, with a class under `@prices_of`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cryptable_engine import Circuit, Program
from cryptable_protocol import InternalError, KeysetParameters
from cryptable_protocol.model.client_spec import DEFAULT_P_ERROR
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED

from cryptable.cost.rates import MachineRates, Prediction

TYPICAL_OUTPUT_BITS = 14
"""Of scores that are not known yet, as if one lookup alone added to them: about 11 bits that some dozens add to."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A circuit of lookups that scores are sums of, as far as it is known before it is laid out.

    `summed` is the sum of the squares of the weights by which lookups are added to a score, of the score where that is
    most: the number of lookups, where each is added once. `input_bits` are the elements that a client sends.
    """

    lookups: int
    width: int
    output_bits: int = TYPICAL_OUTPUT_BITS
    summed: float = 1.0
    bits_are_free: bool = True
    """Whether a score may add bits of the input to it that no lookup has read."""
    input_bits: int = 0


@dataclass(frozen=True)
class Cost:
    """Of one prediction: CPU seconds on the server, lookups, bytes of an encrypted row."""

    seconds: float
    lookups: int
    upload_bytes: int

    def __str__(self) -> str:
        return f"about {self.seconds:.3g} s of CPU, {self.lookups} lookups, {self.upload_bytes} bytes up"


class PriceList(Protocol):
    """What evaluations of one scheme cost, for a probability of failure and, where that is fixed, a kind of keys."""

    @property
    def p_error(self) -> float:
        """Probability that one lookup fails."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of the lookups of tables to choose from."""

    @property
    def bits_are_free(self) -> bool | None:
        """As `Draft.bits_are_free` must be, or may be where its price says which is better: None."""

    @property
    def noise_deviation(self) -> float:
        """The most that noise can be, as a standard deviation, in steps of what it may not move by half a step.

        Those are positions of the table of a lookup that drops bits, and steps of the lowest exact bit of a score. It
        is 0 where nothing is noisy.
        """

    def draft(self, draft: Draft) -> float:
        """The price of a draft, in the unit of `circuit`; infinite where nothing is exact enough."""

    def circuit(self, circuit: Circuit) -> float:
        """The price of a planned circuit, about, before crypto parameters are chosen."""

    def planned_seconds(self, circuit: Circuit, rates: MachineRates) -> float:
        """What `seconds` will say of a planned circuit's row, about, before crypto parameters are chosen.

        Infinite where there are none for it.
        """

    def estimate(self, draft: Draft, rates: MachineRates) -> Cost:
        """What a draft costs on a machine, as `seconds` will say of the program."""

    def neighbour_rate(self, circuit: Circuit, program: Program) -> float | None:
        """Which part of the lookups of `circuit`, compiled to `program`, reads a neighbour; None if all are exact."""

    def seconds(self, circuit: Circuit, program: Program, rates: MachineRates) -> Prediction:
        """What evaluating `circuit`, compiled to `program`, takes on the machine of `rates`."""


Made = TypeVar("Made", bound=Callable[..., PriceList])
_by_scheme: dict[str, Callable[..., PriceList]] = {}


def prices_of(scheme: str) -> Callable[[Made], Made]:
    """Register the decorated class, made from a p_error and the parameters of keys, or None where any will do.

    Raises:
        ValueError: a scheme that already has a price list.
    """

    def register(made: Made) -> Made:
        if scheme in _by_scheme:
            raise ValueError(f"scheme {scheme!r} has two price lists")
        _by_scheme[scheme] = made
        return made

    return register


def price_list(
    p_error: float = DEFAULT_P_ERROR, *, keyset: KeysetParameters | None = None, scheme: str = BOOTSTRAPPED
) -> PriceList:
    """The price list of a scheme.

    Args:
        p_error: probability that one lookup fails.
        keyset: that a circuit is to run with; by default any.
        scheme: its name.
    """
    importlib.import_module(f"cryptable.cost.{scheme}")
    if scheme not in _by_scheme:
        raise InternalError(f"module cryptable.cost.{scheme} registers no price list")
    return _by_scheme[scheme](p_error, keyset)
