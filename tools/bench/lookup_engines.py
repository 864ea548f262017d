"""CPU of a lookup by the kernel's paths and by NumPy, over that of Concrete's functions, under shipped keysets.

    python tools/bench/lookup_engines.py                 one keyset for each shape of bootstrap keys: some minutes
    python tools/bench/lookup_engines.py --shape 1,2048,2,15 --rounds 9

Engines take turns under the same random keys, which take as long as others, on one thread, so that a busy machine is as
bad for all; medians of CPU time. A keyset with a keyswitch key has it in every lookup. "of it transforms" is how near
the widest path is to its limit: the transforms that a lookup has, times what one takes, over the time of eight. Exit
status 1 where a bar of issue 18 is missed: of the widest path, eight lookups side by side take at most 0.55 of
Concrete's time and one takes 0.9; of AVX2, 1.3 times that; NumPy takes at most 15 times as long as the kernel.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np
from cryptable_engine.kernel import VARIABLE, kernel_state
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import KeysetEntry, keyset_catalogue
from kernel import transforms

TOGETHER = 8
BARS = {"one": 0.9, "eight": 0.55}
OF_AVX2 = 1.3
MOST_OF_NUMPY = 15.0


class Timed:
    """One engine's lookups.

    Args:
        entry: of the catalogue.
        data: evaluation keys.
        path: through the kernel; `off` for NumPy, `concrete` for Concrete's functions.
        count: lookups side by side.
    """

    def __init__(self, entry: KeysetEntry, data: bytes, path: str, count: int) -> None:
        os.environ[VARIABLE] = "" if path == "concrete" else path
        choice = "concrete" if path == "concrete" else "auto"
        self._keys = BootstrappingKeys(entry.keyset, memoryview(data), choice)
        (key,), rng = entry.keyset.bootstrap_keys, np.random.default_rng(0)
        read = entry.keyset.dimensions[key.output_key if entry.keyset.keyswitch_keys else key.input_key]
        self._given = rng.integers(0, 1 << 64, (count, read + 1), dtype=np.uint64)
        self._tables = rng.integers(0, 1 << 64, (count, 1 << entry.width), dtype=np.uint64)
        self.seconds: list[float] = []

    def run(self) -> None:
        """Once, and the CPU time of each lookup."""
        start = time.thread_time()
        self._keys.look_up(self._given, self._tables)
        self.seconds.append((time.thread_time() - start) / len(self._given))

    @property
    def milliseconds(self) -> float:
        """The median."""
        return 1000 * statistics.median(self.seconds)


def keysets() -> list[KeysetEntry]:
    """Of each shape of keys, with a keyswitch and without, that of the longest small key that new models get."""
    found: dict[tuple[int | bool, ...], KeysetEntry] = {}
    for entry in keyset_catalogue():
        if entry.retired or not entry.keyset.bootstrap_keys:
            continue
        (key,) = entry.keyset.bootstrap_keys
        shape = (*shape_of(entry), bool(entry.keyset.keyswitch_keys))
        other = found.get(shape)
        if other is None or other.keyset.dimensions[key.input_key] < entry.keyset.dimensions[key.input_key]:
            found[shape] = entry
    return [found[shape] for shape in sorted(found)]


def shape_of(entry: KeysetEntry) -> tuple[int, int, int, int]:
    """GLWE dimension, polynomial size, levels, bits of a level."""
    (key,) = entry.keyset.bootstrap_keys
    return key.glwe_dimension, key.polynomial_size, key.level_count, key.base_log


def measure(entry: KeysetEntry, paths: list[str], rounds: int) -> tuple[str, bool]:
    """A row of the table, and whether its bars are met."""
    data = np.random.default_rng(1).bytes(entry.keyset.evaluation_keys_bytes)
    concrete, plain = Timed(entry, data, "concrete", 1), Timed(entry, data, "off", TOGETHER)
    kernel = {(path, count): Timed(entry, data, path, count) for path in paths for count in (1, TOGETHER)}
    plain.run()
    for _ in range(rounds):
        for each in (concrete, *kernel.values()):
            each.run()
    (key,) = entry.keyset.bootstrap_keys
    cells = [*map(str, shape_of(entry)), str(entry.keyset.dimensions[key.input_key])]
    cells += ["yes" if entry.keyset.keyswitch_keys else "", f"{concrete.milliseconds:.2f}"]
    met = True
    for path in paths:
        one, eight = (kernel[path, count].milliseconds / concrete.milliseconds for count in (1, TOGETHER))
        slack = OF_AVX2 if path == "avx2" else 1.0
        met &= path == "base" or (one <= slack * BARS["one"] and eight <= slack * BARS["eight"])
        cells += [f"{one:.2f}", f"{eight:.2f}"]
    widest = kernel[paths[-1], TOGETHER].milliseconds
    numpys = plain.milliseconds / widest
    cells += [f"{milliseconds_of_transforms(entry, paths[-1]) / widest:.2f}", f"{numpys:.1f}"]
    return f"| {' | '.join(cells)} |", met and numpys <= MOST_OF_NUMPY


def milliseconds_of_transforms(entry: KeysetEntry, path: str) -> float:
    """Of a lookup: at each bit of the short key, digits of k + 1 polynomials go there, and k + 1 sums come back."""
    (key,) = entry.keyset.bootstrap_keys
    there, back = transforms(path, key.polynomial_size)
    columns = key.glwe_dimension + 1
    return entry.keyset.dimensions[key.input_key] * columns * (key.level_count * there + back) / 1000


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--paths", default="avx2,avx512", help="of those, what the processor has: %(default)s")
    parser.add_argument("--shape", action="append", help="k,N,levels,bits: these only; may be repeated")
    arguments = parser.parse_args()
    paths = []
    for path in arguments.paths.split(","):
        os.environ[VARIABLE] = path
        paths += [path] if kernel_state().path == path else []
    chosen = {tuple(map(int, each.split(","))) for each in arguments.shape or ()}
    heads = [f"{path}, {count}" for path in paths for count in ("one", "eight")]
    heads = ["k", "N", "levels", "bits", "n", "keyswitch", "Concrete, ms", *heads, "of it transforms", "NumPy / kernel"]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    missed = 0
    for entry in keysets():
        if chosen and shape_of(entry) not in chosen:
            continue
        row, met = measure(entry, paths, arguments.rounds)
        missed += not met
        print(row, flush=True)
    print(f"\n{missed} keysets miss a bar")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
