"""Measures the noise under keysets that our search finds for several levels, and provokes and counts failures.

    python tools/bench/several_levels_noise.py                     20 keysets: some two minutes of CPU
    python tools/bench/several_levels_noise.py --keysets 3 --lookups 64 --readings 2000

Each keyset is that of random demands, with fresh keys. What lookups read is off by what keyswitch and rounding to the
polynomial err by, which is measured without looking anything up; over its bound, which has the offset of keys as a
square. Lookups of a table with an entry for every position of the polynomial tell what a bootstrapping adds. Then come
lookups of so many bits that the formulas say of one in a few that it fails; as many must. A keyset is not as it should
be whose noise is above its bound by more than four standard deviations of so many, or whose failures are as far off.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
import time

import numpy as np
import numpy.typing as npt
from cryptable_client import SecretKeys, write_evaluation_keys
from cryptable_client.schemes.bootstrapped import lwe
from cryptable_client.schemes.bootstrapped.encryption import encrypt_words
from cryptable_engine.schemes.bootstrapped.bootstrapping.blind_rotation import switched_modulus
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    bootstrap_variance_bound,
    keyswitch_offset_bound,
    keyswitch_variance,
    keyswitch_variance_bound,
    minimal_variance,
    misread_probability,
    rounding_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.key_shapes import LARGE_KEY, SMALL_KEY
from cryptable_engine.schemes.bootstrapped.parameters.keyset_search import cheapest_keyset
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import typical_demands
from cryptable_protocol import KeysetParameters

LOG2_P_ERRORS = (-40, -64, -128)
WIDTHS, NOISE, NORMS = (2, 6), (8, 22), (0.0, 16.0, 64.0)
RESULT_BITS = 6
"""Of entries of tables where failures are provoked: few, so that none is misread for what a bootstrapping adds."""
_TOGETHER = 1000
"""Readings, of some MB of ciphertexts."""
Words = npt.NDArray[np.uint64]


class Party:
    """A client of one keyset, and its evaluation keys, ready."""

    def __init__(self, keyset: KeysetParameters) -> None:
        self.keyset = keyset
        with SecretKeys.generate(keyset) as secret_keys:
            file = io.BytesIO()
            write_evaluation_keys(secret_keys, file)
            self._keys = BootstrappingKeys(keyset, file.getbuffer())
            material = secret_keys._key_material()
            self._large, self._small = material[LARGE_KEY].copy(), material[SMALL_KEY].copy()

    def phases(self, messages: Words, tables: Words) -> Words:
        """What lookups of freshly encrypted messages give: shape (lookups,)."""
        dimension = self.keyset.dimensions[LARGE_KEY]
        given = encrypt_words(self._large, messages, minimal_variance(dimension)).ciphertexts(messages.size, dimension)
        groups = [slice(first, first + self._keys.group) for first in range(0, messages.size, self._keys.group)]
        found = np.concatenate([self._keys.look_up(given[each], tables[each]) for each in groups])
        return lwe.phases(found, self._large)

    def read_off(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """By how much of the torus `count` lookups of random ciphertexts read another phase than theirs."""
        (key,), dimension = self.keyset.bootstrap_keys, self.keyset.dimensions[LARGE_KEY]
        given = rng.integers(0, 1 << 64, (count, dimension + 1), np.uint64)
        groups = [slice(first, first + self._keys.group) for first in range(0, count, self._keys.group)]
        switched = np.concatenate([self._keys.switched(given[each]) for each in groups])
        turns = switched_modulus(switched, key.polynomial_size)
        step = np.uint64(1 << (64 - key.polynomial_size.bit_length()))
        return (lwe.phases(turns * step, self._small) - lwe.phases(given, self._large)).view(np.int64) / 2.0**64


def random_keyset(rng: np.random.Generator) -> tuple[KeysetParameters, int]:
    """And log2 of the p_error that it is for; of a size whose two noises can be told apart."""
    while True:
        log2_p_error, norm = int(rng.choice(LOG2_P_ERRORS)), float(rng.choice(NORMS))
        demands = typical_demands(int(rng.integers(*WIDTHS)), float(rng.integers(*NOISE)), norm=norm)
        keyset = cheapest_keyset(demands, 2.0**log2_p_error)
        if keyset is None:
            continue
        (key,) = keyset.bootstrap_keys
        apart = 1 / (4 * key.polynomial_size)
        if apart > 6 * math.sqrt(bootstrap_variance_bound(key, keyset.dimensions[SMALL_KEY])):
            return keyset, log2_p_error


def measure(
    keyset: KeysetParameters, readings: int, lookups: int, rng: np.random.Generator
) -> tuple[list[float], int, float]:
    """Variances of what is read and of what is looked up, over their bounds; failures, and how many were expected."""
    (key,), (switch,) = keyset.bootstrap_keys, keyset.keyswitch_keys
    small, large, size = keyset.dimensions[SMALL_KEY], keyset.dimensions[LARGE_KEY], key.polynomial_size
    party = Party(keyset)
    step = 1 << (63 - size.bit_length() + 1)  # of entries, on the torus: those of half a turn
    ramp = np.arange(size, dtype=np.uint64) * np.uint64(step)
    phases = party.phases(np.full(lookups, 1 << 62, np.uint64), np.tile(ramp, (lookups, 1)))
    positions = np.rint(phases.astype(np.float64) / step)
    off = np.concatenate([party.read_off(min(_TOGETHER, readings), rng) for _ in range(0, readings, _TOGETHER)])
    added = (phases - (positions.astype(np.uint64) * np.uint64(step))).view(np.int64) / 2.0**64
    rounding = rounding_variance(small, size, compensated=True)
    reading = rounding + keyswitch_variance_bound(switch, large) + keyswitch_offset_bound(switch, large) ** 2
    ratios = [
        float(np.mean(off**2)) / reading,
        float(np.mean(added**2)) / bootstrap_variance_bound(key, small),
    ]
    typical = rounding + keyswitch_variance(switch, large)
    bits = next(bits for bits in range(1, 20) if misread_probability(typical, bits) > 0.1)
    values = rng.integers(4, (1 << bits) - 4, lookups)
    tables = rng.integers(0, 1 << RESULT_BITS, (lookups, 1 << bits))
    found = lwe.decode(party.phases(lwe.encode(values, bits), lwe.encode(tables, RESULT_BITS)), RESULT_BITS)
    wrong = int(np.count_nonzero(found != tables[np.arange(lookups), values]))
    # A neighbour's entry may be the same.
    return ratios, wrong, lookups * misread_probability(typical, bits) * (1 - 2.0**-RESULT_BITS)


def main() -> int:
    """Measure, and print a table; exit with 1 where noise is above its bound or failures are not as many as said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keysets", type=int, default=20, help="each with fresh keys")
    parser.add_argument("--lookups", type=int, default=160, help="of each keyset, of either kind")
    parser.add_argument("--readings", type=int, default=4000, help="of each keyset, without lookups")
    parser.add_argument("--seed", type=int, default=1, help="of demands, messages and tables, not of keys")
    arguments = parser.parse_args()
    rng, bad = np.random.default_rng(arguments.seed), 0
    ratios_of_all, failures, expected_failures = [], 0, 0.0
    spreads = [4 * math.sqrt(2 / number) for number in (arguments.readings, arguments.lookups)]
    print(
        "| p_error | small key | k | N | levels | switch "
        "| read, over bound | looked up, over bound | failed | expected |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for _ in range(arguments.keysets):
        keyset, log2_p_error = random_keyset(rng)
        began = time.process_time()
        ratios, wrong, expected = measure(keyset, arguments.readings, arguments.lookups, rng)
        (key,), (switch,) = keyset.bootstrap_keys, keyset.keyswitch_keys
        shape = f"{key.glwe_dimension} | {key.polynomial_size} | {key.level_count} x {key.base_log}"
        told = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        print(
            f"| 2^{log2_p_error} | {keyset.dimensions[SMALL_KEY]} | {shape} | {switch.level_count} x {switch.base_log} "
            f"| {told} | {wrong} | {expected:.1f} |",
            flush=True,
        )
        print(f"{time.process_time() - began:.1f} s of CPU", file=sys.stderr)
        chance = expected / arguments.lookups
        is_as_often = abs(wrong - expected) <= 4 * math.sqrt(expected * (1 - chance)) + 1
        is_below = all(ratio * (1 - spread) <= 1 for ratio, spread in zip(ratios, spreads, strict=True))
        bad += not (is_below and is_as_often)
        ratios_of_all.append(ratios)
        failures, expected_failures = failures + wrong, expected_failures + expected
    means = np.mean(ratios_of_all, axis=0)
    print(
        f"\nover the bounds in the mean: {means[0]:.2f} read, {means[1]:.2f} looked up; "
        f"{failures} failures, {expected_failures:.0f} expected; {bad} keysets not as they should be"
    )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
