"""Measures what the planner plans by: prices of lookups by our search for parameters, and this machine's rates.

    python tools/bench/cost_model.py             print what would be committed
    python tools/bench/cost_model.py --write     write packages/dev/src/cryptable/cost/cost_table.json
    python tools/bench/cost_model.py --keep-rates --write      the same, with the rates that are in it
    python tools/bench/cost_model.py --keep-prices --write     the same, with the prices that are in it
    python tools/bench/cost_model.py --only-levelled --write   the pace of the scheme levelled, by path, alone
    python tools/bench/cost_model.py --only-squares --write    the pace of the scheme squares, by path, alone

Prices are of circuits of several levels (those of one level are computed where they are asked for): what a keyset costs
that is just exact enough, in operations as Concrete's optimizer counts them. They depend on our bounds on noise alone;
making them takes some 20 s of CPU. Rates depend on the machine. Lookups are measured by each path through the kernel
that the processor has, and by NumPy: a prediction is of what evaluates. That takes some minutes; measure rates where
nothing else runs. Of the scheme levelled the pace of each path beside NumPy is, whose own microseconds stand in its
price list (tools/bench/levelled.py).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cryptable
from cryptable.calibrating.measure import measure_levelled, measure_lookups, measure_machine, measure_squares
from cryptable.cost.bootstrapped import several_levels_keyset
from cryptable.cost.rates import COST_TABLE, NUMPY, shipped_rates
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import complexity
from cryptable_kernel import KernelUnavailable, open_kernel

TARGET = Path(cryptable.__file__).parent / "cost" / COST_TABLE
WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8)
LOG2_P_ERRORS = (-40, -64, -128)
NOISE = range(6, 31)
"""Of a sum, as `noise_level` has it."""


def price(width: int, noise: int, p_error: float) -> float | None:
    """Of a lookup; None where no parameters are exact enough."""
    keyset = several_levels_keyset(width, noise, p_error=p_error)
    return None if keyset is None else complexity(keyset, 1)


def steps(width: int, p_error: float) -> Iterator[tuple[int, float]]:
    """Up to which noise level which price holds."""
    found = [(noise, price(width, noise, p_error)) for noise in NOISE]
    for (noise, here), (_, beyond) in zip(found, [*found[1:], (0, None)], strict=True):
        if here is not None and here != beyond:
            yield noise, here


def main() -> int:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the file")
    parser.add_argument("--keep-rates", action="store_true", help="leave the rates as they are")
    parser.add_argument("--keep-prices", action="store_true", help="leave the prices as they are")
    parser.add_argument("--only-levelled", action="store_true", help="leave all but the pace of levelled as it is")
    parser.add_argument("--only-squares", action="store_true", help="leave all but the pace of squares as it is")
    options = parser.parse_args()
    is_part = options.only_levelled or options.only_squares
    options.keep_rates |= is_part
    options.keep_prices |= is_part
    committed = json.loads(TARGET.read_text(encoding="utf-8"))
    rates, lookups = shipped_rates(), committed.get("lookups", {})
    if not options.keep_rates:
        rates = measure_machine(lambda _: None)
        lookups = {path: measure_lookups(path) for path in paths()}
        rates = replace(rates, per_price=lookups[rates.engine])
    levelled = committed.get("levelled", {})
    if options.only_levelled or not options.keep_rates:
        seconds = {path: measure_levelled(path) for path in paths()}
        levelled = {path: each / seconds[NUMPY] for path, each in seconds.items()}
    squares = committed.get("squares", {})
    if options.only_squares or not options.keep_rates:
        seconds = {path: measure_squares(path) for path in paths()}
        seconds["base"] = seconds[NUMPY]  # SEAL in both
        squares = {path: each / seconds[NUMPY] for path, each in seconds.items()}
    print(rates.to_json())
    for scheme, paces in (("levelled", levelled), ("squares", squares)):
        print(scheme, ", ".join(f"{path}: {pace:.3g}" for path, pace in paces.items()))
    for path, by_width in lookups.items():
        print(path, ", ".join(f"{width} bits: {rate:.3g}" for width, rate in by_width.items()))
    prices = committed["prices"] if options.keep_prices else measured_prices()
    lines = ",\n".join(json.dumps(entry) for entry in prices)
    content = (
        f'{{"rates": {rates.to_json().strip()}, "lookups": {json.dumps(lookups)}, '
        f'"levelled": {json.dumps(levelled)}, "squares": {json.dumps(squares)}, "prices": [\n'
    )
    if options.write:
        TARGET.write_text(f"{content}{lines}\n]}}\n", encoding="utf-8")
    return 0


def paths() -> list[str]:
    """What may evaluate lookups on this machine."""
    found = []
    for path in ("avx512", "avx2", "base"):
        try:
            if open_kernel(path).path == path:
                found.append(path)
        except KernelUnavailable:  # not of this processor
            continue
    return [*found, NUMPY]


def measured_prices() -> list[dict[str, Any]]:
    """By width and p_error."""
    prices: list[dict[str, Any]] = []
    for log2_p_error in LOG2_P_ERRORS:
        for width in WIDTHS:
            found = list(steps(width, 2.0**log2_p_error))
            prices.append({"width": width, "log2_p_error": log2_p_error, "steps": found})
            told = ", ".join(f"{each:.3g} up to {limit:.0f}" for limit, each in found)
            print(f"2^{log2_p_error}, {width} bits: {told}", flush=True)
    return prices


if __name__ == "__main__":
    sys.exit(main())
