"""The catalogue of keysets: crypto parameters that models share, so that a client's keys outlive a model.

Each circuit has parameters that are cheapest for it, and so the next version of a model may have another keyset. A
circuit compiled onto an entry of the catalogue has the entry's keyset instead, at a price that is at most `MAX_FACTOR`
times the circuit's own optimum. `catalogue.json` is made by tools/generate_catalogue.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from cryptable_protocol import (
    BootstrapKeyParameters,
    KeysetParameters,
    KeyswitchKeyParameters,
    SecretKeyParameters,
)

MAX_FACTOR = 1.35
"""Dearest that an entry may be, against a circuit's own optimum. Beyond it the circuit keeps its own parameters."""
CONCRETES = "width "
"""How the names of entries begin that Concrete's optimizer chose: the only ones that it finds a way to."""
_FILE = "catalogue.json"


@dataclass(frozen=True)
class KeysetEntry:
    """One keyset: made for lookups of `width` bits at `p_error`, of `price` each (optimizer complexity).

    Width and price are 0 for circuits without lookups, and p_error 1: one secret key serves any. `retired` says that no
    new model is compiled onto it: it costs more than need be, or too noisy for what it was made for.
    """

    name: str
    width: int
    p_error: float
    price: float
    keyset: KeysetParameters
    retired: bool = False


@cache
def keyset_catalogue() -> tuple[KeysetEntry, ...]:
    """All entries, those of earlier versions last."""
    content = json.loads(resources.files(__package__).joinpath(_FILE).read_text("utf-8"))
    return tuple(_entry(entry) for entry in content["entries"])


def _current() -> Iterator[KeysetEntry]:
    return (entry for entry in keyset_catalogue() if not entry.retired)


def candidates(p_error: float, optimum: float, lookups: int) -> tuple[KeysetEntry, ...]:
    """The entries that Concrete may be asked to compile a circuit onto, the cheapest first.

    Which of them are exact enough for it, only the optimizer knows. Entries cheaper than the circuit's optimum are not,
    or the optimizer would have taken them.

    Args:
        p_error: of the circuit: entries for the largest p_error in the catalogue that does not exceed it are taken.
        optimum: price of the circuit by itself.
        lookups: how many it has, at least 1.
    """
    entries = [entry for entry in _current() if entry.name.startswith(CONCRETES)]
    classes = {entry.p_error for entry in entries if entry.p_error <= p_error}
    if not classes:
        return ()
    lowest, highest = 0.999 * optimum / lookups, MAX_FACTOR * optimum / lookups
    found = [entry for entry in entries if entry.p_error == max(classes) and lowest <= entry.price <= highest]
    return tuple(sorted(found, key=lambda entry: entry.price))


def one_level_entries(optimum: float) -> tuple[KeysetEntry, ...]:
    """The entries for one-level circuits, the cheapest first, up to what they may cost.

    Args:
        optimum: price of a lookup under the keyset that is cheapest for the circuit.
    """
    return _up_to(optimum, [entry for entry in _current() if not entry.keyset.keyswitch_keys])


def several_levels_entries(optimum: float) -> tuple[KeysetEntry, ...]:
    """The same for circuits of several levels."""
    return _up_to(optimum, [entry for entry in _current() if entry.keyset.keyswitch_keys])


def _up_to(optimum: float, entries: list[KeysetEntry]) -> tuple[KeysetEntry, ...]:
    found = [entry for entry in entries if entry.keyset.bootstrap_keys and entry.price <= MAX_FACTOR * optimum]
    return tuple(sorted(found, key=lambda entry: entry.price))


def secret_key_entries(dimension: int) -> tuple[KeysetEntry, ...]:
    """The entries for circuits without lookups whose secret key has `dimension` bits or more, the shortest first.

    They have no limit on price: what such a circuit costs is little, whatever its key.
    """
    return tuple(
        entry
        for entry in _current()
        if not entry.keyset.bootstrap_keys and entry.keyset.secret_keys[0].dimension >= dimension
    )


def keyset_to_json(keyset: KeysetParameters) -> dict[str, Any]:
    """As `catalogue.json` has it: all fields by their names."""
    return {
        kind: [vars(key).copy() for key in getattr(keyset, kind)]
        for kind in ("secret_keys", "bootstrap_keys", "keyswitch_keys")
    }


def keyset_from_json(keys: dict[str, Any]) -> KeysetParameters:
    """What `keyset_to_json` was given."""
    return KeysetParameters(
        tuple(SecretKeyParameters(**key) for key in keys["secret_keys"]),
        tuple(BootstrapKeyParameters(**key) for key in keys["bootstrap_keys"]),
        tuple(KeyswitchKeyParameters(**key) for key in keys["keyswitch_keys"]),
    )


def _entry(entry: dict[str, Any]) -> KeysetEntry:
    keyset = keyset_from_json(entry["keyset"])
    retired = entry.get("retired", False)
    return KeysetEntry(entry["name"], entry["width"], 2.0 ** entry["log2_p_error"], entry["price"], keyset, retired)
