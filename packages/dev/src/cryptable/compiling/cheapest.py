"""Which of several schemes a model is compiled for: the first that is able, or the one of the fewest seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar

from cryptable_engine import Circuit
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.compiling.agreement import is_near
from cryptable.compiling.settings import CompileSettings
from cryptable.cost.rates import machine_rates
from cryptable.errors import UnsupportedModelError
from cryptable.planner.planned_model import PlannedModel, SchemeOffer


class _HasCircuit(Protocol):
    @property
    def circuit(self) -> Circuit: ...


Made = TypeVar("Made", bound=_HasCircuit)
Plan: TypeAlias = Callable[[CompileSettings], PlannedModel]
Make: TypeAlias = Callable[[PlannedModel, CompileSettings], Made]


def first_able(tries: Sequence[CompileSettings], make: Callable[[CompileSettings], Made]) -> Made:
    """What `make` makes of the first of these settings, or of the next where their scheme cannot evaluate the model.

    With hide_weights=False, what has nothing to multiply (linear and additive models, trees that ask about one feature
    each) is a mere sum where another scheme needs no lookups for it: it takes no evaluation keys, and its answers give
    its weights away.

    Raises:
        UnsupportedModelError: no scheme is able.
    """
    first, *others = tries
    try:
        made = make(first)
    except UnsupportedModelError:
        if not others:
            raise
        return make(others[0])
    if others and first.hide_weights is False and not made.circuit.products:
        sums = make(others[0])
        if not sums.circuit.lookups:
            return sums
    return made


@dataclass(frozen=True)
class _Tried:
    """Of one scheme: a plan with its offer, or the reason why there is none."""

    settings: CompileSettings
    offer: SchemeOffer
    planned: PlannedModel | None = None

    @property
    def is_far(self) -> bool:
        """Whether its scores or labels are so far from the model's that `compile` would warn of them."""
        planned = self.planned
        if planned is None:
            return False
        return not is_near(
            planned.agreement,
            has_bound=planned.error_bound is not None,
            scheme=self.settings.scheme,
            outputs=planned.circuit.nodes[planned.circuit.output].size,
            step=planned.decoder.step,
        )

    @property
    def order(self) -> tuple[bool, bool, float]:
        """By price, of those that are near enough to the model; then by how near they are; then those not able."""
        by = self.offer.rms if self.is_far else self.offer.seconds
        return self.planned is None, self.is_far, by or 0.0


def cheapest(tries: Sequence[CompileSettings], plan: Plan, make: Make[Made]) -> Made:
    """What `make` makes of the plan that takes the fewest seconds, of those near enough to the model; it tells of all.

    Seconds are those that price lists predict for this machine, before crypto parameters are chosen: where there turn
    out to be none, the next is taken.

    Raises:
        UnsupportedModelError: no scheme is able; says what the last one does.
    """
    tried: list[_Tried] = []
    for settings in sorted(tries, key=lambda each: each.scheme == LEVELLED):  # whose plans take seconds to find
        near = [each.offer.seconds for each in tried if each.offer.seconds is not None and not each.is_far]
        tried.append(_tried(replace(settings, most_seconds=min(near, default=None)), plan))
    tried.sort(key=lambda each: each.order)
    for index, best in enumerate(tried):
        if best.planned is None:
            break
        try:
            return make(replace(best.planned, offers=tuple(each.offer for each in _first(index, tried))), best.settings)
        except UnsupportedModelError as error:
            tried[index] = _refused(best.settings, error)
    return make(plan(tries[-1]), tries[-1])  # which says why


def _first(index: int, tried: list[_Tried]) -> list[_Tried]:
    """With one of them moved to the front."""
    return [tried[index], *tried[:index], *tried[index + 1 :]]


def _tried(settings: CompileSettings, plan: Plan) -> _Tried:
    try:
        planned = plan(settings)
    except UnsupportedModelError as error:
        return _refused(settings, error)
    seconds = settings.prices.planned_seconds(planned.circuit, machine_rates())
    if math.isinf(seconds):
        return _Tried(settings, SchemeOffer(settings.scheme, refusal="no parameters are exact enough"))
    rms = None if planned.agreement is None else planned.agreement.rms
    return _Tried(settings, SchemeOffer(settings.scheme, seconds, rms), planned)


def _refused(settings: CompileSettings, error: UnsupportedModelError) -> _Tried:
    return _Tried(settings, SchemeOffer(settings.scheme, refusal=str(error)))
