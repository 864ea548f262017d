"""Measures the noise of looked-up values under the keysets that are shipped, over the bound that they are chosen by.

    python tools/bench/lookup_noise.py               all shapes of bootstrap keys: some 14,000 lookups, an hour of CPU
    python tools/bench/lookup_noise.py --least 40 --shape 4,512,5,8
    python tools/bench/lookup_noise.py --into noise.jsonl      may be ended at any time, and goes on where it was

A bound is in proportion to the short key's dimension, so keysets whose bootstrap keys have one shape (k, N, levels,
bits of a level) are measured under that of the shortest, with fresh keys for every batch of lookups. Lookups are spread
so that each shape takes about as long, and none has fewer than `--least`. The shape that is farthest behind is next,
and each batch is written to the file `--into` when it is done.

Exit status 1: a lookup is wrong, or noise is above its bound by more than chance (the lower end of its interval is).
"""

from __future__ import annotations

import argparse
import json
import math
import mmap
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptable_client import SecretKeys, write_evaluation_keys
from cryptable_client.schemes.bootstrapped import lwe
from cryptable_client.schemes.bootstrapped.encryption import encrypt_words
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import KeysetEntry, keyset_catalogue
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    FOURIER_WEIGHT_BOUND,
    bootstrap_variance,
    bootstrap_variance_bound,
    minimal_variance,
    tolerated_variance,
)
from cryptable_protocol import BootstrapKeyParameters

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Measured:
    """A batch's errors as fractions of the torus, how many values are others altogether, and what looked them up."""

    errors: npt.NDArray[np.float64]
    wrong: int
    evaluator: str


def shape_of(key: BootstrapKeyParameters) -> Shape:
    """What a bootstrapping's noise depends on, beside the short key's dimension."""
    return key.glwe_dimension, key.polynomial_size, key.level_count, key.base_log


def shapes() -> dict[Shape, list[KeysetEntry]]:
    """The catalogue's entries with lookups, those of the shortest small key first."""
    found: dict[Shape, list[KeysetEntry]] = {}
    for entry in keyset_catalogue():
        for key in entry.keyset.bootstrap_keys:
            found.setdefault(shape_of(key), []).append(entry)
    for entries in found.values():
        entries.sort(key=lambda entry: entry.keyset.dimensions[entry.keyset.bootstrap_keys[0].input_key])
    return dict(sorted(found.items()))


def measure(entry: KeysetEntry, lookups: int, rng: np.random.Generator) -> Measured:
    """Look up random tables of the entry's width at random positions, under one fresh set of keys."""
    keyset = entry.keyset
    (key,) = keyset.bootstrap_keys
    read = key.output_key if keyset.keyswitch_keys else key.input_key
    with SecretKeys.generate(keyset) as secret_keys, tempfile.TemporaryFile() as file:
        write_evaluation_keys(secret_keys, file)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
            keys = BootstrappingKeys(keyset, data)  # copied: of up to 2 GB
        (evaluator,) = keys.evaluators
        material = secret_keys._key_material()
        given_key, large_key = material[read], material[key.output_key]
        values = rng.integers(0, 1 << entry.width, lookups)
        variance = minimal_variance(keyset.dimensions[read])
        given = encrypt_words(given_key, lwe.encode(values, entry.width), variance).ciphertexts(
            lookups, keyset.dimensions[read]
        )
        bits = exact_bits(entry)
        tables = rng.integers(0, 1 << bits, (lookups, 1 << entry.width))
        groups = [slice(first, first + keys.group) for first in range(0, lookups, keys.group)]
        results = np.concatenate([keys.look_up(given[each], lwe.encode(tables[each], bits)) for each in groups])
        expected = tables[np.arange(lookups), values]
        phases = lwe.phases(results, large_key)
    errors = (phases - lwe.encode(expected, bits)).view(np.int64) / 2.0**64
    return Measured(errors, int(np.count_nonzero(lwe.decode(phases, bits) != expected)), evaluator)


def exact_bits(entry: KeysetEntry) -> int:
    """Of a table's entries, so many that one lookup of them is misread once in 1 / p_error."""
    (key,) = entry.keyset.bootstrap_keys
    bound = bootstrap_variance_bound(key, entry.keyset.dimensions[key.input_key])
    return max(bits for bits in range(1, 40) if bound <= tolerated_variance(bits, entry.p_error))


def main() -> int:
    """Measure, and print a table; exit with 1 where a lookup is wrong or noise is above its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lookups", type=int, default=14_000, help="of all shapes together")
    parser.add_argument("--least", type=int, default=160, help="of each shape, at least")
    parser.add_argument("--batch", type=int, default=40, help="lookups under one set of keys")
    parser.add_argument("--shape", action="append", help="k,N,levels,bits: this one only; may be repeated")
    parser.add_argument("--into", type=Path, help="a line for each batch; those that are there count")
    arguments = parser.parse_args()
    chosen = {tuple(map(int, each.split(","))) for each in arguments.shape or ()}
    found = {shape: entries for shape, entries in shapes().items() if not chosen or shape in chosen}
    spare = max(0, arguments.lookups - arguments.least * len(found))
    parts = {shape: 1 / entries[0].price for shape, entries in found.items()}
    wanted = {shape: arguments.least + round(spare * part / sum(parts.values())) for shape, part in parts.items()}
    runs: dict[Shape, list[Measured]] = defaultdict(list)
    if arguments.into is not None and arguments.into.exists():
        for line in arguments.into.read_text(encoding="utf-8").splitlines():
            add_line(runs, line)
    rng = np.random.default_rng()
    done = {shape: sum(run.errors.size for run in runs[shape]) for shape in found}
    while done and (shape := min(done, key=lambda each: done[each] / wanted[each])) and done[shape] < wanted[shape]:
        run = measure(found[shape][0], arguments.batch, rng)
        runs[shape].append(run)
        done[shape] += run.errors.size
        if arguments.into is not None:
            with arguments.into.open("a", encoding="utf-8") as file:
                file.write(json.dumps([shape, run.evaluator, run.wrong, run.errors.tolist()]) + "\n")
        print(f"{sum(done.values())} lookups, {shape}", file=sys.stderr, flush=True)
    return report({shape: (entries[0], len(entries), runs[shape]) for shape, entries in found.items()})


def add_line(runs: dict[Shape, list[Measured]], line: str) -> None:
    """What `main` wrote of one batch."""
    (k, size, levels, bits), evaluator, wrong, errors = json.loads(line)
    runs[k, size, levels, bits].append(Measured(np.array(errors), wrong, evaluator))


def report(found: dict[Shape, tuple[KeysetEntry, int, list[Measured]]]) -> int:
    """Print a row for each shape, of the entry, how many have it, and its batches; the exit status."""
    total, wrong, above, by_chance = 0, 0, 0, 0
    print(
        "| k | N | levels | bits | keysets | by | lookups | wrong | over typical | over bound | 95 % | w of the rest |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for shape, (entry, count, runs) in found.items():
        errors, wrong_here = np.concatenate([run.errors for run in runs]), sum(run.wrong for run in runs)
        (key,) = entry.keyset.bootstrap_keys
        dimension = entry.keyset.dimensions[key.input_key]
        variance, bound = float(np.mean(errors**2)), bootstrap_variance_bound(key, dimension)
        ratio, spread = variance / bound, 1.96 * math.sqrt(2 / errors.size)
        total, wrong = total + errors.size, wrong + wrong_here
        above, by_chance = above + (ratio * (1 - spread) > 1), by_chance + (ratio > 1 >= ratio * (1 - spread))
        evaluators = ", ".join(sorted({run.evaluator.removesuffix("Lookups").lower() for run in runs}))
        print(
            f"| {' | '.join(map(str, shape))} | {count} | {evaluators} | {errors.size} | {wrong_here} "
            f"| {variance / bootstrap_variance(key, dimension):.2f} | {ratio:.3f} "
            f"| {ratio * (1 - spread):.2f} to {ratio * (1 + spread):.2f} | {weight(key, dimension, variance)} |"
        )
    print(f"\n{total} lookups, {wrong} wrong; of {len(found)} shapes {above} above their bound, {by_chance} by chance")
    return 1 if wrong or above else 0


def weight(key: BootstrapKeyParameters, dimension: int, variance: float) -> str:
    """Of the transform, from what is left of a variance; '-' where it is less than half of the bound."""
    typical, bound = bootstrap_variance(key, dimension), bootstrap_variance_bound(key, dimension)
    lost = dimension * 2.0**-106 * key.level_count * 4.0**key.base_log * key.polynomial_size**2
    a_weight = lost * key.glwe_dimension * (key.glwe_dimension + 1)
    if a_weight * FOURIER_WEIGHT_BOUND < bound / 2:
        return "-"
    return f"{(variance - (typical - 0.06 * a_weight)) / a_weight:.3f}"


if __name__ == "__main__":
    sys.exit(main())
