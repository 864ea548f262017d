"""Explainable boosting with pairs: scores and labels by the scheme levelled, beside scores by bootstrapped lookups.

    python tools/bench/boosting_pairs.py                                 breast cancer, two bags, ten rows
    python tools/bench/boosting_pairs.py --bags 14 --fits FOLDER         as it is by default: fitted once, in minutes
    python tools/bench/boosting_pairs.py --only levelled --rows 114      without lookups

All answers are compared with the interpreter's, integer by integer; lookups are asked for one row, since that takes
long, and are allowed to be wrong with a probability of 2^-40, which is their default.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import cryptable as ct
import numpy as np
from cryptable.compiled.local_session import LocalSession
from cryptable_engine import compile_circuit, interpret
from cryptable_protocol import encode_rows
from levelled_exact import fitted
from levelled_models import additive

WAYS: dict[str, dict[str, Any]] = {
    "levelled, scores": {"scheme": "levelled"},
    "levelled, labels": {"scheme": "levelled", "answer": "label"},
    "bootstrapped, scores": {"scheme": "bootstrapped"},
}


def measure(way: str, fit: tuple[Any, Any, Any], rows: int) -> str:
    """A row of the table."""
    estimator, training, test = fit
    began = time.process_time()
    compiled = ct.compile(estimator, training, show_progress=False, **WAYS[way])
    planning = time.process_time() - began
    spec, options = compiled.artifact.client_spec, compiled.artifact.compile_options
    encoded = encode_rows(spec.features, test[: 1 if compiled.circuit.lookups else rows])
    with tempfile.TemporaryDirectory() as folder:
        program = compile_circuit(compiled.circuit, options, Path(folder) / "program", promised=spec.parameters)
        with LocalSession(spec, program) as session:
            found = session.evaluate(encoded)
    measured = session.measured
    wrong = int(np.any(found != interpret(compiled.circuit, encoded), axis=1).sum())
    count = compiled.circuit.lookups or compiled.circuit.products
    kind = "lookups" if compiled.circuit.lookups else "products"
    same = int((compiled.predict(test) == estimator.predict(test)).sum())
    up, down = measured.input_row_bytes / 1e3, measured.output_row_bytes / 1e3
    seconds = statistics.median(measured.evaluation_cpu_seconds)
    return (
        f"| {way} | {count} {kind} | {up:.1f}, {down:.1f} | {measured.evaluation_keys_bytes / 1e6:.1f} "
        f"| {1e3 * seconds:.0f} | {planning:.0f} | {wrong} of {len(encoded)} | {same} of {len(test)} |"
    )


def main() -> int:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bags", type=int, default=2, help="of the model (interpret's default is 14)")
    parser.add_argument("--fits", type=Path, metavar="FOLDER", help="keep fitted estimators there, and take those kept")
    parser.add_argument("--only", default="", help="ways whose name has this in it")
    parser.add_argument("--rows", type=int, default=10)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries, about each other
    fit = fitted(additive(options.bags)[0], options.fits)
    print("| way | takes | kB up, down | keys, MB | CPU ms a row | planned in, s | wrong | labels as its own |")
    print("|---|---|---|---|---|---|---|---|")
    for way in (each for each in WAYS if options.only in each):
        print(measure(way, fit, options.rows), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
