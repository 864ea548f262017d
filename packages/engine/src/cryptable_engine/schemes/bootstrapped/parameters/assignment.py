"""Assignment: which keys of a keyset each value and each lookup of a circuit has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cryptable_protocol import KeysetParameters

from cryptable_engine.circuit.circuit import Circuit, Input, Lookup
from cryptable_engine.schemes.bootstrapped.parameters.layout import regions_of


class LookupKeys(NamedTuple):
    """Which keys a lookup has: id of the secret key that what it reads is under, and of the bootstrap key."""

    under: int
    bootstrap_key: int


@dataclass(frozen=True)
class Assignment:
    """Which keys of a keyset a circuit's values and lookups have.

    `under` has the id of a secret key for each node, `lookups` the keys of each Lookup node.
    """

    under: tuple[int, ...]
    lookups: Mapping[int, LookupKeys]

    @classmethod
    def of(cls, circuit: Circuit, under: tuple[int, ...], bootstrap_keys: Mapping[int, int]) -> Assignment:
        """From secret keys by node, and bootstrap keys by Lookup node."""
        lookups = {index: node for index, node in enumerate(circuit.nodes) if isinstance(node, Lookup)}
        keys = {index: LookupKeys(under[node.source], bootstrap_keys[index]) for index, node in lookups.items()}
        return cls(under, keys)


def one_of_a_kind(circuit: Circuit, keyset: KeysetParameters) -> Assignment:
    """Of a keyset with one bootstrap key: all lookups have it, and inputs are under what its keyswitch leads from.

    Without a keyswitch key they are under what it reads (`one_level`), and so are sums of inputs.
    """
    (key,) = keyset.bootstrap_keys
    given = key.output_key if keyset.keyswitch_keys else key.input_key
    regions = regions_of(circuit)
    of_inputs = {regions[index] for index, node in enumerate(circuit.nodes) if isinstance(node, Input)}
    under = tuple(given if region in of_inputs else key.output_key for region in regions)
    return Assignment.of(circuit, under, dict.fromkeys(range(len(circuit.nodes)), key.id))
