"""Lookups in groups that share a bootstrap key: which there are, what each asks of keys, and which keys serve them.

Lookups of one width are a group. Values that meet in a sum are under one secret key, so groups that lead to one region
(see `layout`) are one. So each value is under the key that its group looks up to, and inputs that meet none are under
that of any. A keyswitch leads from each key that a group reads under to its small key. See
docs/decisions/0049-several-keys-of-a-kind.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from cryptable_protocol import BootstrapKeyParameters, KeysetParameters, KeyswitchKeyParameters

from cryptable_engine.circuit.circuit import Circuit, Lookup
from cryptable_engine.schemes.bootstrapped.parameters.assignment import Assignment
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    bootstrap_complexity,
    bootstrap_variance_bound,
    keyswitch_complexity,
    keyswitch_offset_bound,
    keyswitch_variance_bound,
    minimal_variance,
    rounding_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import DisjointSets, Layout, reading_of, regions_of
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import (
    Demand,
    demands_by_reading,
    hardest,
    room,
)

_MOST_CHOICES = 4096
"""Of keys for groups that are tried: no keyset of ours has nearly as many, and a stranger's is to take no time."""


@dataclass(frozen=True)
class Flow:
    """Lookups of a group that read values of one key: of which group's, or None of inputs alone; and how many."""

    source: int | None
    demands: tuple[Demand, ...]
    lookups: int


@dataclass(frozen=True)
class LookupGroup:
    """Lookups under one bootstrap key: nodes, bits of the widest, what they read; and outputs, if under their key."""

    nodes: tuple[int, ...]
    widest: int
    flows: tuple[Flow, ...]
    outputs: tuple[Demand, ...]

    @property
    def lookups(self) -> int:
        """Of all flows."""
        return sum(flow.lookups for flow in self.flows)


@dataclass(frozen=True)
class LookupGroups:
    """All of a circuit, and of each node the group whose key its values are under: None for inputs alone."""

    groups: tuple[LookupGroup, ...]
    under: tuple[int | None, ...]


@dataclass(frozen=True)
class GroupKeys:
    """Bootstrap keys of all groups, and the secret key that inputs are under."""

    keys: tuple[BootstrapKeyParameters, ...]
    given: int

    def under(self, group: int | None) -> int:
        """Id of the secret key of a group's values, or for None of inputs."""
        return self.given if group is None else self.keys[group].output_key


def lookup_groups(circuit: Circuit, layout: Layout) -> LookupGroups | None:
    """Of a verified circuit with lookups; None where its output is of inputs alone."""
    regions, read = regions_of(circuit), demands_by_reading(circuit, layout)
    lookups = {index: node for index, node in enumerate(circuit.nodes) if isinstance(node, Lookup)}
    widths = sorted({node.width for node in lookups.values()})
    sets, written = DisjointSets(len(widths)), dict[int, int]()
    for index, node in lookups.items():
        place = widths.index(node.width)
        sets.union(place, written.setdefault(regions[index], place))
    number = {root: order for order, root in enumerate(sorted({sets.find(place) for place in range(len(widths))}))}
    group_of = {region: number[sets.find(place)] for region, place in written.items()}
    under = tuple(group_of.get(region) for region in regions)
    if under[circuit.output] is None:
        return None
    groups = []
    for group in range(len(number)):
        nodes = tuple(index for index in lookups if under[index] == group)
        flows = []
        for source in sorted(
            {under[lookups[node].source] for node in nodes}, key=lambda each: (each is not None, each)
        ):
            readers = [lookups[node] for node in nodes if under[lookups[node].source] == source]
            demands = (demand for node in readers for demand in read(node.source, reading_of(node)))
            flows.append(Flow(source, hardest(demands), sum(node.size for node in readers)))
        outputs = hardest(read(circuit.output, layout.output)) if under[circuit.output] == group else ()
        groups.append(LookupGroup(nodes, max(lookups[node].width for node in nodes), tuple(flows), outputs))
    return LookupGroups(tuple(groups), under)


def cheapest_assignment(
    circuit: Circuit,
    layout: Layout,
    keyset: KeysetParameters,
    p_error: float,
    *,
    given: int | None = None,
    returned: int | None = None,
) -> tuple[Assignment, float] | None:
    """Of all ways to give a circuit keys of a keyset that are exact enough the cheapest one, and its price.

    Args:
        circuit: verified, with lookups.
        layout: its layout.
        keyset: of any number of keys.
        p_error: the largest probability that a lookup, or an output, is misread.
        given: id of the secret key that inputs are to be under; by default any.
        returned: the same of outputs.

    Returns:
        None where there is no such way, or there are more than are worth trying.
    """
    grouped = lookup_groups(circuit, layout)
    if grouped is None:
        return None
    found = ((price_under(grouped, keyset, each), each) for each in _choices(grouped, keyset, given))
    output = grouped.under[circuit.output]
    able = [
        (price, each)
        for price, each in found
        if price < math.inf
        and returned in (None, each.under(output))
        and is_exact_enough(grouped, keyset, each, p_error)
    ]
    if not able:
        return None
    price, best = min(able, key=lambda each: each[0])
    keys = {node: key.id for group, key in zip(grouped.groups, best.keys, strict=True) for node in group.nodes}
    return Assignment.of(circuit, tuple(best.under(group) for group in grouped.under), keys), price


def _choices(grouped: LookupGroups, keyset: KeysetParameters, given: int | None) -> Iterator[GroupKeys]:
    """An Input in a sum with looked-up values is under their key."""
    ends = sorted({key.output_key for key in keyset.bootstrap_keys}) if given is None else [given]
    if len(ends) * len(keyset.bootstrap_keys) ** len(grouped.groups) > _MOST_CHOICES:
        return
    for keys in product(keyset.bootstrap_keys, repeat=len(grouped.groups)):
        for end in ends:
            if grouped.under[0] is None or keys[grouped.under[0]].output_key == end:
                yield GroupKeys(keys, end)


def _switch(keyset: KeysetParameters, under: int, key: BootstrapKeyParameters) -> KeyswitchKeyParameters | None:
    """The first that leads from one secret key to what a bootstrap key reads, as `SeededKeys` has it."""
    ends = (under, key.input_key)
    return next((each for each in keyset.keyswitch_keys if (each.input_key, each.output_key) == ends), None)


def price_under(grouped: LookupGroups, keyset: KeysetParameters, chosen: GroupKeys) -> float:
    """In operations as Concrete's optimizer counts them; infinite where a keyswitch key is missing."""
    price = 0.0
    for group, key in zip(grouped.groups, chosen.keys, strict=True):
        small = keyset.dimensions[key.input_key]
        price += group.lookups * bootstrap_complexity(key, small)
        for flow in group.flows:
            under = chosen.under(flow.source)
            switch = _switch(keyset, under, key)
            if switch is None:
                return math.inf
            price += flow.lookups * keyswitch_complexity(switch, keyset.dimensions[under], small)
    return price


def is_exact_enough(grouped: LookupGroups, keyset: KeysetParameters, chosen: GroupKeys, p_error: float) -> bool:
    """Whether no lookup, and no output, is misread with a larger probability; of chosen keys with all keyswitches."""
    return all(
        key.polynomial_size >= 2 << group.widest and _serves(group, key, keyset, chosen, p_error)
        for group, key in zip(grouped.groups, chosen.keys, strict=True)
    )


def _serves(
    group: LookupGroup, key: BootstrapKeyParameters, keyset: KeysetParameters, chosen: GroupKeys, p_error: float
) -> bool:
    small, dimensions = keyset.dimensions[key.input_key], keyset.dimensions
    rounded = rounding_variance(small, key.polynomial_size, compensated=True)
    for flow in group.flows:
        under = chosen.under(flow.source)
        switch = _switch(keyset, under, key)
        if switch is None:
            return False
        looked_up = 0.0 if flow.source is None else looked_up_variance(keyset, chosen.keys[flow.source])
        offset = np.array(keyswitch_offset_bound(switch, dimensions[under]))
        fresh = minimal_variance(dimensions[under])
        left = room(flow.demands, fresh, np.array(looked_up), p_error, offset=offset)
        if left < rounded + keyswitch_variance_bound(switch, dimensions[under]):
            return False
    given = np.array(looked_up_variance(keyset, key))
    return bool(room(group.outputs, minimal_variance(dimensions[key.output_key]), given, p_error) >= 0.0)


def looked_up_variance(keyset: KeysetParameters, key: BootstrapKeyParameters) -> float:
    """The most that it is of what a bootstrap key gives."""
    return bootstrap_variance_bound(key, keyset.dimensions[key.input_key])
