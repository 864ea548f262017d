"""Which schemes a model is compiled for: the one that is asked for, or with "auto" the cheapest that is able."""

from __future__ import annotations

from dataclasses import replace

from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, LEVELLED

from cryptable.compiling.settings import CompileSettings
from cryptable.graphs.graph import ModelGraph
from cryptable.planner.registry import able_planner


def settings_to_try(graph: ModelGraph, settings: CompileSettings) -> tuple[CompileSettings, ...]:
    """Settings of one scheme each, the cheapest first; one alone where the scheme is asked for.

    With "auto", the scheme levelled comes first where it plans such models and no option needs lookups. A model may
    still be wider or larger than it evaluates, and is bootstrapped then.
    """
    if settings.scheme != "auto":
        return (settings,)
    kept = None if settings.keys_of is None else settings.keys_of.artifact.client_spec.scheme
    is_able = able_planner(graph, LEVELLED) is not None and not settings.needs_lookups
    found = []
    if is_able and kept != BOOTSTRAPPED:
        found.append(replace(settings, scheme="levelled"))
    if not found or kept is None:
        found.append(replace(settings, scheme="bootstrapped"))
    return tuple(found)
