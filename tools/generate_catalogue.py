"""Generates the catalogue of keysets: what the optimizer chooses over a grid of circuits, thinned out.

python tools/generate_catalogue.py           write it (some minutes)
python tools/generate_catalogue.py --check   exit with 1 where what is committed differs

For each table width and p_error, circuits of ever more lookups, summed to ever more bits, ask for ever less noise, and
get ever dearer keysets. Of neighbours whose prices differ little, the dearer one serves both, so only that is kept:
the fewer entries, the more models share one. Whether it serves both is tried, by compiling.

For circuits of one level the same goes without the optimizer: their keysets are computed
(`cryptable_engine.schemes.bootstrapped.parameters.one_level`).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import cryptable_engine
from cryptable.calibrating.sample_circuits import sum_of_lookups
from cryptable_engine import Circuit, CompilationError, Program, UnsupportedProgramError, to_mlir
from cryptable_engine.schemes.bootstrapped.concrete.native import compile_mlir
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_to_json
from cryptable_engine.schemes.bootstrapped.parameters.one_level import cheapest_keyset, complexity, typical_demands
from cryptable_engine.schemes.bootstrapped.program import write_record
from cryptable_protocol import KeysetParameters, SecretKeyParameters

TARGET = Path(cryptable_engine.__file__).parent / "schemes/bootstrapped/parameters/catalogue.json"
WIDTHS = (2, 3, 4, 5, 6)
LOG2_P_ERRORS = (-40, -64, -128)
LOOKUPS = (4, 64, 512)
OUTPUT_BITS = range(6, 21, 2)
NEIGHBOURS = 1.15
"""Prices of a lookup that differ by less than this factor are not worth two entries."""
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
                to_mlir(circuit), directory, p_error=p_error, security_bits=128, simulation=False, keyset=keyset
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


def one_level_keysets(width: int, p_error: float, norm: int | None) -> list[KeysetParameters]:
    """For sums of lookups of one level, of ever less noise, the cheapest first."""
    found: dict[bytes, KeysetParameters] = {}
    for noise in ONE_LEVEL_NOISE:
        keyset = cheapest_keyset(typical_demands(width, noise, norm=norm), p_error)
        if keyset is not None and keyset.evaluation_keys_bytes <= LARGEST_KEYS:
            found.setdefault(keyset.name, keyset)
    return sorted(found.values(), key=lambda keyset: (complexity(keyset, 1), keyset.name))


def _one_level_entries() -> Iterator[dict[str, Any]]:
    """Each keyset once: that the shortest small key is long enough for two p_errors is no reason for two names."""
    seen: set[bytes] = set()
    for norm, log2_p_error, width in product(NORMS, LOG2_P_ERRORS, WIDTHS):
        keysets = [each for each in one_level_keysets(width, 2.0**log2_p_error, norm) if each.name not in seen]
        seen.update(keyset.name for keyset in keysets)
        kind = "one level" if norm is None else f"one level, norm {norm}"
        for number, keyset in enumerate(keysets, start=1):
            yield {
                "name": f"{kind}, width {width}, p_error 2^{log2_p_error}, noise {number}",
                "width": width,
                "log2_p_error": log2_p_error,
                "price": complexity(keyset, 1),
                "keyset": keyset_to_json(keyset),
            }


def catalogue() -> str:
    """The file's content."""
    entries = list(_one_level_entries())
    for log2_p_error in LOG2_P_ERRORS:
        for width in WIDTHS:
            p_error = 2.0**log2_p_error
            kept = list(thinned(found_keysets(width, p_error), width, p_error))
            for number, entry in enumerate(kept, start=1):
                entries.append(
                    {
                        "name": f"width {width}, p_error 2^{log2_p_error}, noise {number}",
                        "width": width,
                        "log2_p_error": log2_p_error,
                        "price": entry.price,
                        "keyset": keyset_to_json(entry.keyset),
                    }
                )
            print(f"width {width}, p_error 2^{log2_p_error}: {len(kept)} entries", file=sys.stderr)
    for dimension in SECRET_KEY_DIMENSIONS:
        keyset = KeysetParameters((SecretKeyParameters(0, dimension),))
        name = f"no lookups, {dimension}"
        entries.append({"name": name, "width": 0, "log2_p_error": 0, "price": 0.0, "keyset": keyset_to_json(keyset)})
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
