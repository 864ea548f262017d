"""Generates the catalogue of keysets: what the optimizer chooses over a grid of circuits, thinned out.

python tools/generate_catalogue.py           write it (some minutes)
python tools/generate_catalogue.py --check   exit with 1 where what is committed differs

For each table width and p_error, circuits of ever more lookups, summed to ever more bits, ask for ever less noise, and
get ever dearer keysets. Of neighbours whose prices differ little, the dearer one serves both, so only that is kept:
the fewer entries, the more models share one. Whether it serves both is tried, by compiling.

For circuits of one level the same goes without the optimizer: their keysets are computed
(`cryptable_engine.schemes.bootstrapped.parameters.one_level`). Entries that are not made any more stay, retired: models
have their names, and keys of their keysets live on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from itertools import count, product
from pathlib import Path
from typing import Any

import cryptable_engine
from cryptable.calibrating.sample_circuits import sum_of_lookups
from cryptable_engine import Circuit, CompilationError, Program, UnsupportedProgramError, to_mlir
from cryptable_engine.schemes.bootstrapped.concrete.native import compile_mlir
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_from_json, keyset_to_json
from cryptable_engine.schemes.bootstrapped.parameters.formulas import MAX_GLWE_DIMENSION
from cryptable_engine.schemes.bootstrapped.parameters.one_level import (
    SMALL_KEY,
    OneLevelDemands,
    cheapest_keyset,
    complexity,
    is_exact_enough,
    typical_demands,
)
from cryptable_engine.schemes.bootstrapped.program import write_record
from cryptable_protocol import KeysetParameters, SecretKeyParameters

TARGET = Path(cryptable_engine.__file__).parent / "schemes/bootstrapped/parameters/catalogue.json"
WIDTHS = (2, 3, 4, 5, 6)
LOG2_P_ERRORS = (-40, -64, -128)
LOOKUPS = (4, 64, 512)
OUTPUT_BITS = range(6, 21, 2)
NEIGHBOURS = 1.15
"""Prices of a lookup that differ by less than this factor are not worth two entries."""
ONE_LEVEL_NEIGHBOURS = 1.04
"""The same of keysets for circuits of one level, which need not be compiled to be told apart."""
ONE_LEVEL_NOISE = range(6, 25)
"""Of a sum, in bits: its own, and half of the logarithm of how many lookups are summed."""
NORMS = (None, 64, 256)
"""Of the weights that inputs are summed with: in a code of bits, and in first layers of networks."""
LARGEST_KEYS = 1 << 30
"""Bytes of evaluation keys that are still worth an entry."""
SECRET_KEY_DIMENSIONS = (1024, 1536, 2048, 2304, 2496)
"""For circuits without lookups: models on numbers of 20 bits need about 2100; beyond 2517, keys gain nothing."""


@dataclass
class Found:
    """A keyset, the price of a lookup under it, and the circuits (lookups, output bits) that it was chosen for."""

    keyset: KeysetParameters
    price: float
    circuits: list[tuple[int, int]] = field(default_factory=list)


def compiled(circuit: Circuit, p_error: float, keyset: KeysetParameters | None = None) -> Program | None:
    """None where no parameters are exact enough, or their keys are too large for anyone."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        try:
            compile_mlir(
                to_mlir(circuit),
                directory,
                p_error=p_error,
                security_bits=128,
                simulation=False,
                keyset=keyset,
                max_glwe_dimension=MAX_GLWE_DIMENSION if keyset is None else None,
            )
            write_record(directory, p_error)
            program = Program.load(directory)
        except (CompilationError, UnsupportedProgramError) as error:
            if "NoParametersFound" in str(error) or "evaluation keys of" in str(error):
                return None
            raise
    return program if program.keyset.evaluation_keys_bytes <= LARGEST_KEYS else None


def found_keysets(width: int, p_error: float) -> list[Found]:
    """All that the grid asks for, the cheapest first."""
    found: dict[bytes, Found] = {}
    for lookups in LOOKUPS:
        for output_bits in OUTPUT_BITS:
            if 1 << output_bits < 2 * lookups:
                continue
            program = compiled(sum_of_lookups(lookups, width, output_bits), p_error)
            if program is not None:
                entry = found.setdefault(program.keyset.name, Found(program.keyset, program.complexity / lookups))
                entry.circuits.append((lookups, output_bits))
    return sorted(found.values(), key=lambda entry: (entry.price, entry.keyset.name))


def serves(entry: Found, other: Found, width: int, p_error: float) -> bool:
    """Whether all circuits of `other` compile onto the keyset of `entry`."""
    for lookups, output_bits in other.circuits:
        program = compiled(sum_of_lookups(lookups, width, output_bits), p_error, entry.keyset)
        if program is None or program.keyset != entry.keyset:
            return False
    return True


def thinned(found: list[Found], width: int, p_error: float) -> Iterator[Found]:
    """Without those that a neighbour serves."""
    start = 0
    while start < len(found):
        stop = start + 1
        while (
            stop < len(found)
            and found[stop].price <= NEIGHBOURS * found[start].price
            and all(serves(found[stop], other, width, p_error) for other in found[start:stop])
        ):
            stop += 1
        yield found[stop - 1]
        start = stop


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
    for norm, log2_p_error, width, noise in product(NORMS, LOG2_P_ERRORS, WIDTHS, ONE_LEVEL_NOISE):
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


def _optimizers_entries(names: _Names) -> Iterator[dict[str, Any]]:
    for log2_p_error, width in product(LOG2_P_ERRORS, WIDTHS):
        kept = list(thinned(found_keysets(width, 2.0**log2_p_error), width, 2.0**log2_p_error))
        for found in kept:
            name = names.of(found.keyset, f"width {width}, p_error 2^{log2_p_error}")
            yield _entry(name, width, log2_p_error, found.price, found.keyset)
        print(f"width {width}, p_error 2^{log2_p_error}: {len(kept)} entries", file=sys.stderr)


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
    entries = [*_one_level_entries(names), *_optimizers_entries(names)]
    for dimension in SECRET_KEY_DIMENSIONS:
        entries.append(
            _entry(f"no lookups, {dimension}", 0, 0, 0.0, KeysetParameters((SecretKeyParameters(0, dimension),)))
        )
    made = {entry["name"] for entry in entries}
    entries += [{**entry, "retired": True} for entry in committed if entry["name"] not in made]
    made_with = f"concrete-python {metadata.version('concrete-python')}"
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    return f'{{"made_with": {json.dumps(made_with)}, "entries": [\n{lines}\n]}}\n'


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
