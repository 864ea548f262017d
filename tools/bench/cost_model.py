"""Measures what the planner plans by: prices of lookups from the optimizer, and this machine's rates.

    python tools/bench/cost_model.py             print what would be committed
    python tools/bench/cost_model.py --write     write packages/dev/src/cryptable/cost/cost_table.json
    python tools/bench/cost_model.py --keep-rates --write      the same, with the rates that are in it
    python tools/bench/cost_model.py --keep-prices --write     the same, with the prices that are in it
    python tools/bench/cost_model.py --only-levelled --write   the pace of the scheme levelled, by path, alone

Prices depend on the version of concrete-python and on which keysets new models may have, rates on the machine. Lookups
are measured by each path through the kernel that the processor has, and by NumPy: a prediction is of what evaluates. It
takes some minutes; measure rates where nothing else runs. Of the scheme levelled the pace of each path beside NumPy is,
whose own microseconds stand in its price list (tools/bench/levelled.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import cryptable
from cryptable.calibrating.measure import measure_levelled, measure_lookups, measure_machine
from cryptable.calibrating.sample_circuits import sum_of_lookups
from cryptable.cost.bootstrapped import noise_level
from cryptable.cost.rates import COST_TABLE, NUMPY, shipped_rates
from cryptable_engine import CompilationError, Program, UnsupportedProgramError, to_mlir
from cryptable_engine.schemes.bootstrapped.concrete.native import compile_mlir
from cryptable_engine.schemes.bootstrapped.parameters.formulas import MAX_GLWE_DIMENSION
from cryptable_engine.schemes.bootstrapped.program import write_record
from cryptable_kernel import KernelUnavailable, open_kernel

CONCRETE = f"concrete-python {metadata.version('concrete-python')}"
TARGET = Path(cryptable.__file__).parent / "cost" / COST_TABLE
WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8)
LOG2_P_ERRORS = (-40, -64, -128)
LOOKUPS = 16
OUTPUT_BITS = range(6, 23)


def price(width: int, output_bits: int, p_error: float) -> float | None:
    """Of a lookup; None where no parameters are exact enough."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        try:
            text = to_mlir(sum_of_lookups(LOOKUPS, width, output_bits))
            compile_mlir(
                text,
                directory,
                p_error=p_error,
                security_bits=128,
                simulation=False,
                max_glwe_dimension=MAX_GLWE_DIMENSION,  # as new models are compiled
            )
            write_record(directory, p_error)
            program = Program.load(directory)
        except (CompilationError, UnsupportedProgramError) as error:
            if "NoParametersFound" in str(error) or "evaluation keys of" in str(error):  # none, or too large ones
                return None
            raise
    return program.complexity / program.lookups


def steps(width: int, p_error: float) -> Iterator[tuple[float, float]]:
    """Up to which noise level which price holds: by bisection, since prices never fall as output bits grow."""
    known: dict[int, float | None] = {}

    def at(output_bits: int) -> float | None:
        if output_bits not in known:
            known[output_bits] = price(width, output_bits, p_error)
        return known[output_bits]

    current = OUTPUT_BITS.start
    while current < OUTPUT_BITS.stop and at(current) is not None:
        low, high = current, OUTPUT_BITS.stop
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if at(middle) == at(current) else (low, middle)
        yield noise_level(LOOKUPS, low), float(at(current) or 0.0)
        current = high


def main() -> int:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the file")
    parser.add_argument("--keep-rates", action="store_true", help="leave the rates as they are")
    parser.add_argument("--keep-prices", action="store_true", help="leave the prices as they are")
    parser.add_argument("--only-levelled", action="store_true", help="leave all but the pace of levelled as it is")
    options = parser.parse_args()
    options.keep_rates |= options.only_levelled
    options.keep_prices |= options.only_levelled
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
    print(rates.to_json())
    print("levelled", ", ".join(f"{path}: {pace:.3g}" for path, pace in levelled.items()))
    for path, by_width in lookups.items():
        print(path, ", ".join(f"{width} bits: {rate:.3g}" for width, rate in by_width.items()))
    prices = committed["prices"] if options.keep_prices else measured_prices()
    engine = json.dumps(committed["engine"] if options.keep_prices else CONCRETE)
    lines = ",\n".join(json.dumps(entry) for entry in prices)
    content = (
        f'{{"engine": {engine}, "rates": {rates.to_json().strip()}, "lookups": {json.dumps(lookups)}, '
        f'"levelled": {json.dumps(levelled)}, "prices": [\n'
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
    """Of the optimizer, by width and p_error."""
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
