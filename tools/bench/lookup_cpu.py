"""CPU of a lookup of a one-level circuit, over what it was: by keysets chosen before, and by Concrete's functions.

    python tools/bench/lookup_cpu.py [--width 4] [--rounds 15]

Keysets from before modulus switches were compensated stand in the catalogue, retired; lookups were evaluated by
Concrete's functions then, one after the other. Now they have the keysets that new models get, and the kernel, or what
CRYPTABLE_KERNEL says, evaluates some side by side. Both keysets are those of a typical sum (some dozens of lookups, to
about 11 bits). All are measured in turns, on one thread, so that a busy machine is as bad for all; medians of CPU time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import KeysetEntry, keyset_catalogue
from cryptable_engine.schemes.bootstrapped.parameters.one_level import (
    complexity,
    is_exact_enough,
    typical_demands,
    was_exact_enough,
)

LOG2_P_ERRORS = (-40, -64, -128)
TYPICAL_NOISE = 14.0
BARS = {(4, -40): 0.8, (4, -128): 0.5}
"""Of issue 12, by width and p_error, of all CPU."""
_INNER = 8


def cheapest(width: int, p_error: float, *, compensated: bool) -> KeysetEntry | None:
    """The entry that a typical circuit is compiled onto, or was."""
    demands = typical_demands(width, TYPICAL_NOISE)
    found = [
        entry
        for entry in keyset_catalogue()
        if entry.width
        and not entry.keyset.keyswitch_keys
        and (not entry.retired if compensated else ", noise " in entry.name)
        and (is_exact_enough if compensated else was_exact_enough)(entry.keyset, demands, p_error)
    ]
    return min(found, key=lambda entry: complexity(entry.keyset, 1), default=None)


class Timed:
    """Lookups under random keys, which take as long as others.

    Args:
        entry: of the catalogue.
        choice: `concrete` for Concrete's functions.
    """

    def __init__(self, entry: KeysetEntry, choice: str = "auto") -> None:
        rng, keyset = np.random.default_rng(0), entry.keyset
        self._keys = BootstrappingKeys(keyset, memoryview(rng.bytes(keyset.evaluation_keys_bytes)), choice)
        small = keyset.dimensions[keyset.bootstrap_keys[0].input_key]
        self._given = rng.integers(0, 1 << 64, (_INNER, small + 1), dtype=np.uint64)
        self._tables = rng.integers(0, 1 << 64, (_INNER, 1 << entry.width), dtype=np.uint64)
        self.seconds: list[float] = []

    def run(self) -> None:
        """Some lookups, and the CPU time of one of them."""
        start = time.thread_time()
        self._keys.look_up(self._given, self._tables)
        self.seconds.append((time.thread_time() - start) / _INNER)

    @property
    def milliseconds(self) -> float:
        """The median."""
        return 1000 * statistics.median(self.seconds)


def main() -> int:
    """Measure, and print a table; exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, action="append", help="2 to 6; may be repeated; by default 2 to 5")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    missed = 0
    print("| bits | p_error | before: n, k, N, levels | ms | so, by the kernel | now | ms | price | keysets | CPU |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for width in arguments.width or (2, 3, 4, 5):
        for log2_p_error in LOG2_P_ERRORS:
            before = cheapest(width, 2.0**log2_p_error, compensated=False)
            now = cheapest(width, 2.0**log2_p_error, compensated=True)
            if before is None or now is None:
                continue
            timed = Timed(before, "concrete"), Timed(before), Timed(now)
            for _ in range(arguments.rounds):
                for each in timed:
                    each.run()
            price = complexity(now.keyset, 1) / complexity(before.keyset, 1)
            ratio = timed[2].milliseconds / timed[0].milliseconds
            missed += ratio > BARS.get((width, log2_p_error), 1.05)
            print(
                f"| {width} | 2^{log2_p_error} | {told(before)} | {timed[0].milliseconds:.2f} "
                f"| {timed[1].milliseconds:.2f} | {told(now)} | {timed[2].milliseconds:.2f} | {price:.2f} "
                f"| {timed[2].milliseconds / timed[1].milliseconds:.2f} | {ratio:.2f} |",
                flush=True,
            )
    return 1 if missed else 0


def told(entry: KeysetEntry) -> str:
    """Dimensions of an entry's keys."""
    (key,) = entry.keyset.bootstrap_keys
    small = entry.keyset.dimensions[key.input_key]
    return f"{small}, {key.glwe_dimension}, {key.polynomial_size}, {key.level_count}"


if __name__ == "__main__":
    sys.exit(main())
