"""Which schemes a model is compiled for: the one that is asked for, or with "auto" the cheapest that is able."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from cryptable_engine import Circuit
from cryptable_protocol import InvalidInputError
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, LEVELLED, SQUARES

from cryptable.compiling.settings import CompileSettings
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import ModelGraph
from cryptable.planner.registry import SCORES, able_planner


def settings_to_try(graph: ModelGraph, settings: CompileSettings) -> tuple[CompileSettings, ...]:
    """Settings of one scheme each, the cheapest first; one alone where the scheme is asked for.

    With "auto", the scheme levelled comes first where it plans such models, unless they are to be asked for, and no
    option needs lookups. A model may still be wider or larger than it evaluates, and is bootstrapped then.
    What was trained with squares is evaluated by that scheme alone.
    """
    if settings.hide_weights is False and settings.scheme == LEVELLED:
        raise InvalidInputError(
            "hide_weights=False with scheme='levelled', whose answers are always re-randomised: leave scheme='auto'"
        )
    if settings.scheme != "auto":
        return (settings,)
    if settings.answers != SCORES:  # tables of the scheme bootstrapped are narrower than scores
        return (replace(settings, scheme="levelled"),)
    kept = None if settings.keys_of is None else settings.keys_of.artifact.client_spec.scheme
    if settings.explain:
        return _that_explain(graph, settings)
    levelled, is_bootstrapped = able_planner(graph, LEVELLED), able_planner(graph, BOOTSTRAPPED) is not None
    found = []
    is_able = levelled is not None and not settings.needs_lookups and kept != BOOTSTRAPPED
    is_asked_for = settings.hide_weights or kept == LEVELLED
    is_first = levelled is not None and (is_asked_for or not levelled.is_asked_for or not is_bootstrapped)
    if is_able and is_first:
        found.append(replace(settings, scheme="levelled"))
    if settings.hide_weights and not found:
        raise UnsupportedModelError(
            "hide_weights=True: no scheme that re-randomises answers evaluates this kind of model, or has the options "
            "and keys that are asked for; leave hide_weights=None"
        )
    if not found and not is_bootstrapped and able_planner(graph, SQUARES) is not None:
        found.append(replace(settings, scheme="squares"))
    if not found or (kept is None and is_bootstrapped and not settings.hide_weights):
        found.append(replace(settings, scheme="bootstrapped"))
    return tuple(found)


def _that_explain(graph: ModelGraph, settings: CompileSettings) -> tuple[CompileSettings, ...]:
    """One scheme tells contributions of each kind of model; where none does, whoever plans says so."""
    levelled = able_planner(graph, LEVELLED)
    is_able = levelled is not None and levelled.explains and not settings.needs_lookups
    is_alone = able_planner(graph, BOOTSTRAPPED) is None
    return (replace(settings, scheme="levelled" if is_able or is_alone else "bootstrapped"),)


class _HasCircuit(Protocol):
    @property
    def circuit(self) -> Circuit: ...


Made = TypeVar("Made", bound=_HasCircuit)


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
