"""Which schemes a model may be compiled for: the one that is asked for, or with "auto" all that are able."""

from __future__ import annotations

from dataclasses import replace

from cryptable_protocol import InvalidInputError
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, LEVELLED, SQUARES

from cryptable.compiling.settings import CONCRETE, CompileSettings
from cryptable.cost.squares import can_be_here
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.client_side import planned_graph
from cryptable.graphs.graph import ModelGraph
from cryptable.planner.registry import SCORES, able_planner
from cryptable.planner.settings import Scheme


def settings_to_try(graph: ModelGraph, settings: CompileSettings) -> tuple[CompileSettings, ...]:
    """Settings of one scheme each, the cheapest first; one alone where the scheme is asked for.

    With "auto", the scheme levelled comes first where it plans such models, and no option needs lookups. A model may
    still be wider or larger than it evaluates, and is bootstrapped then. What was trained with squares is evaluated by
    that scheme alone. Where `is_compared`, the order is none of price: the last one says why, where none is able.
    Concrete, as engine, is one of the scheme bootstrapped.
    """
    if settings.hide_weights is False and settings.scheme == LEVELLED:
        raise InvalidInputError(
            "hide_weights=False with scheme='levelled', whose answers are always re-randomised: leave scheme='auto'"
        )
    if settings.scheme != "auto":
        return (settings,)
    if settings.flooding_bits:
        return (replace(settings, scheme="squares"),)
    if settings.engine == CONCRETE:
        return (replace(settings, scheme="bootstrapped"),)
    if settings.answers != SCORES:  # tables of the scheme bootstrapped are narrower than scores
        return (replace(settings, scheme="levelled"),)
    kept = None if settings.keys_of is None else settings.keys_of.artifact.client_spec.scheme
    if settings.explain:
        return _that_explain(graph, settings)
    levelled, is_bootstrapped = able_planner(graph, LEVELLED), able_planner(graph, BOOTSTRAPPED) is not None
    found = []
    is_able = levelled is not None and not settings.needs_lookups and kept != BOOTSTRAPPED
    if is_compared(graph) and kept is None and not settings.hide_weights:
        return _to_compare(graph, settings)
    is_asked_for = settings.hide_weights or kept == LEVELLED
    is_first = levelled is not None and (is_asked_for or levelled.compared is None or not is_bootstrapped)
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


def is_compared(graph: ModelGraph) -> bool:
    """Whether "auto" weighs several schemes by what they take, since none of them is the cheapest of such models."""
    return bool(_compared(graph))


def _compared(graph: ModelGraph) -> list[Scheme]:
    """Names of the schemes that are weighed against the one that evaluates all such graphs."""
    found: list[Scheme] = []
    names: tuple[Scheme, ...] = ("squares", "levelled")
    for scheme in names:
        planner = able_planner(graph, scheme)
        if planner is not None and planner.compared is not None and planner.compared(planned_graph(graph)):
            found.append(scheme)
    return found


def _to_compare(graph: ModelGraph, settings: CompileSettings) -> tuple[CompileSettings, ...]:
    """The one that evaluates all such graphs is last. Squares need a kernel with vectors, or SEAL."""
    usual: Scheme = "bootstrapped" if able_planner(graph, BOOTSTRAPPED) is not None else "levelled"
    if settings.needs_lookups or settings.speaks_of_lookups:
        return (replace(settings, scheme=usual),)
    schemes = [each for each in _compared(graph) if each != SQUARES or can_be_here()]
    return tuple(replace(settings, scheme=each) for each in (*schemes, usual))
