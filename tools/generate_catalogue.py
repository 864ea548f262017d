"""Generates the catalogue of keysets: what our searches choose over a grid of demands, thinned out.

python tools/generate_catalogue.py           write it (some 20 s of CPU)
python tools/generate_catalogue.py --check   exit with 1 where what is committed differs

For each table width and p_error, sums of ever less noise ask for ever dearer keysets. Of neighbours whose prices differ
little, the dearer one serves both, so only that is kept: the fewer entries, the more models share one.

Keysets of one level are those of `one_level`, those of several levels of `keyset_search`. What Concrete's optimizer
chose for several levels, in earlier versions of this file, stays as it is: models have those names, and clients those
keys. Entries that are not made any more stay, retired, for the same reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path
from typing import Any

import cryptable_engine
from cryptable_engine.schemes.bootstrapped.parameters import keyset_search, several_levels
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import CONCRETES, keyset_from_json, keyset_to_json
from cryptable_engine.schemes.bootstrapped.parameters.one_level import (
    SMALL_KEY,
    OneLevelDemands,
    cheapest_keyset,
    complexity,
    is_exact_enough,
    typical_demands,
)
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import Demands
from cryptable_protocol import KeysetParameters, SecretKeyParameters

TARGET = Path(cryptable_engine.__file__).parent / "schemes/bootstrapped/parameters/catalogue.json"
WIDTHS = (2, 3, 4, 5, 6)
LOG2_P_ERRORS = (-40, -64, -128)
NEIGHBOURS = 1.15
"""Prices of a lookup that differ by less than this factor are not worth two entries."""
ONE_LEVEL_NEIGHBOURS = 1.04
"""The same of keysets for circuits of one level, which need not be compiled to be told apart."""
NOISE = range(6, 25)
"""Of a sum, in bits: its own, and half of the logarithm of how many lookups are summed."""
NORMS = (None, 64, 256)
"""Of the weights that inputs are summed with: in a code of bits, and in first layers of networks."""
LOOKED_UP_NORMS = (0.0, 64.0)
"""Of the weights that lookups are summed with for another lookup, in circuits of several levels."""
MADE_WITH = "cryptable, and concrete-python 2.11.0 where an entry's name begins with 'width'"
LARGEST_KEYS = 1 << 30
"""Bytes of evaluation keys that are still worth an entry."""
SECRET_KEY_DIMENSIONS = (1024, 1536, 2048, 2304, 2496)
"""For circuits without lookups: models on numbers of 20 bits need about 2100; beyond 2517, keys gain nothing."""


@dataclass
class Made:
    """A keyset for circuits of one level, what it is made for first, and all (demands, p_error) that it serves."""

    keyset: KeysetParameters
    width: int
    log2_p_error: int
    served: list[tuple[OneLevelDemands, float]] = field(default_factory=list)
    replaced: list[KeysetParameters] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the bootstrap key: all but the small key's dimension."""
        (key,) = self.keyset.bootstrap_keys
        return key.glwe_dimension, key.polynomial_size, key.level_count, key.base_log

    def serves(self, other: Made) -> bool:
        """Whether it does for all that `other` was made for."""
        return all(is_exact_enough(self.keyset, demands, p_error) for demands, p_error in other.served)


def one_level_keysets() -> list[Made]:
    """For sums of lookups of one level, of ever less noise, by norm, p_error and width; each keyset once."""
    found: dict[bytes, Made] = {}
    for norm, log2_p_error, width, noise in product(NORMS, LOG2_P_ERRORS, WIDTHS, NOISE):
        demands = typical_demands(width, noise, norm=norm)
        keyset = cheapest_keyset(demands, 2.0**log2_p_error)
        if keyset is not None and keyset.evaluation_keys_bytes <= LARGEST_KEYS:
            made = found.setdefault(keyset.name, Made(keyset, width, log2_p_error))
            made.served.append((demands, 2.0**log2_p_error))
    return list(found.values())


def thinned_one_level(found: list[Made]) -> list[Made]:
    """Without those that one of the same shape serves, whose small key is a little longer.

    Prices are in proportion to that. Without this, models of one width would have keysets of 605 bits and of 608.
    """
    kept: list[Made] = []
    for made in sorted(found, key=lambda each: (each.shape, complexity(each.keyset, 1))):
        while kept and kept[-1].shape == made.shape and made.serves(kept[-1]):
            first = min(complexity(each, 1) for each in (kept[-1].keyset, *kept[-1].replaced))
            if complexity(made.keyset, 1) > ONE_LEVEL_NEIGHBOURS * first:
                break
            made.served += kept[-1].served
            made.replaced += [kept[-1].keyset, *kept[-1].replaced]
            kept.pop()
        kept.append(made)
    return sorted(kept, key=found.index)


def _one_level_entries(names: _Names) -> Iterator[dict[str, Any]]:
    for made in thinned_one_level(one_level_keysets()):
        dimension, size, levels, _ = made.shape
        small, told = made.keyset.dimensions[SMALL_KEY], "1 level" if levels == 1 else f"{levels} levels"
        name = names.of(made.keyset, f"one level, {small} bits, {dimension} x {size}, {told}", numbered=False)
        yield _entry(name, made.width, made.log2_p_error, complexity(made.keyset, 1), made.keyset)


def several_levels_keysets(width: int, log2_p_error: int) -> list[tuple[KeysetParameters, list[Demands]]]:
    """For sums of lookups, and lookups of sums of lookups, of ever less noise, the cheapest first: each keyset once."""
    found: dict[KeysetParameters, list[Demands]] = {}
    for norm, noise in product(LOOKED_UP_NORMS, NOISE):
        demands = several_levels.typical_demands(width, noise, norm=norm)
        keyset = keyset_search.cheapest_keyset(demands, 2.0**log2_p_error)
        if keyset is not None and keyset.evaluation_keys_bytes <= LARGEST_KEYS:
            found.setdefault(keyset, []).append(demands)
    return sorted(found.items(), key=lambda each: several_levels.complexity(each[0], 1))


def thinned(found: list[tuple[KeysetParameters, list[Demands]]], log2_p_error: int) -> Iterator[KeysetParameters]:
    """Without those that a neighbour serves, which is little dearer."""
    start = 0
    while start < len(found):
        stop, cheapest = start + 1, several_levels.complexity(found[start][0], 1)
        while (
            stop < len(found)
            and several_levels.complexity(found[stop][0], 1) <= NEIGHBOURS * cheapest
            and all(
                several_levels.is_exact_enough(found[stop][0], demands, 2.0**log2_p_error)
                for _, served in found[start:stop]
                for demands in served
            )
        ):
            stop += 1
        yield found[stop - 1][0]
        start = stop


def _several_levels_entries(names: _Names) -> Iterator[dict[str, Any]]:
    made: set[KeysetParameters] = set()
    for log2_p_error, width in product(LOG2_P_ERRORS, WIDTHS):
        for keyset in thinned(several_levels_keysets(width, log2_p_error), log2_p_error):
            if keyset in made:
                continue
            made.add(keyset)
            (key,), (switch,) = keyset.bootstrap_keys, keyset.keyswitch_keys
            small = keyset.dimensions[key.input_key]
            told = f"{key.glwe_dimension} x {key.polynomial_size}, {key.level_count} x {key.base_log} bits"
            kind = f"several levels, {small} bits, {told}, switch {switch.level_count} x {switch.base_log}"
            name = names.of(keyset, kind, numbered=False)
            yield _entry(name, width, log2_p_error, several_levels.complexity(keyset, 1), keyset)


def _concretes_entries(committed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in committed:
        if entry["name"].startswith(CONCRETES) and not entry.get("retired"):
            yield entry


def _entry(name: str, width: int, log2_p_error: int, price: float, keyset: KeysetParameters) -> dict[str, Any]:
    keys = keyset_to_json(keyset)
    return {"name": name, "width": width, "log2_p_error": log2_p_error, "price": price, "keyset": keys}


class _Names:
    """Of entries: a keyset that has a name keeps it, and no other gets it.

    Args:
        committed: the entries that there are.
    """

    def __init__(self, committed: list[dict[str, Any]]) -> None:
        self._known: dict[bytes, str] = {keyset_from_json(entry["keyset"]).name: entry["name"] for entry in committed}
        self._taken = {entry["name"] for entry in committed}

    def of(self, keyset: KeysetParameters, kind: str, *, numbered: bool = True) -> str:
        """The name, or a new one: `kind` itself, or with a number."""
        if keyset.name not in self._known:
            names = (f"{kind}, noise {number}" for number in count(1)) if numbered else iter([kind])
            name = next(name for name in names if name not in self._taken)
            self._known[keyset.name] = name
            self._taken.add(name)
        return self._known[keyset.name]


def catalogue() -> str:
    """The file's content."""
    committed = json.loads(TARGET.read_text(encoding="utf-8"))["entries"]
    names = _Names(committed)
    entries = [*_one_level_entries(names), *_several_levels_entries(names), *_concretes_entries(committed)]
    for dimension in SECRET_KEY_DIMENSIONS:
        entries.append(
            _entry(f"no lookups, {dimension}", 0, 0, 0.0, KeysetParameters((SecretKeyParameters(0, dimension),)))
        )
    made = {entry["name"] for entry in entries}
    entries += [{**entry, "retired": True} for entry in committed if entry["name"] not in made]
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    return f'{{"made_with": {json.dumps(MADE_WITH)}, "entries": [\n{lines}\n]}}\n'


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    content = catalogue()
    if not check:
        TARGET.write_text(content, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != content:
        print("the catalogue of keysets is not what tools/generate_catalogue.py makes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
