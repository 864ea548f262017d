"""Measures the main job against its bars: the plan, the prediction, the bytes, the CPU seconds of a row.

    python tools/bench/main_job.py [--rows N]

Trains, compiles, serves and predicts as `cryptable demo` does: the real server and the real client, over TLS. What the
client alone costs is measured by client_keygen.py and client_footprint.py.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiling.compile import compile as compile_model
from cryptable.demo.parties import running_client, running_server
from cryptable.demo.walkthrough import MODEL_NAME, Study, train


class Figure(NamedTuple):
    """One line of the report; `bar` is the most that is accepted."""

    what: str
    measured: float
    bar: float


def plan_figures(model: CompiledModel) -> Iterator[Figure]:
    """What explain() says."""
    plan = model.explain().to_dict()
    yield Figure("lookups", plan["lookups"], 0)
    yield Figure("products", plan["levelled"]["products"], 180)
    yield Figure("log2 of the bound for a wrong answer", plan["levelled"]["log2_failure"], -128)
    yield Figure("missing bits of security, of 128", max(0, 128 - plan["security_bits"]), 0)


def prediction_figures(model: CompiledModel, study: Study) -> Iterator[Figure]:
    """The circuit in the clear against XGBoost, on all test rows."""
    margins = study.classifier.predict(study.test_rows, output_margin=True).astype(np.float64)
    difference = float(np.abs(model.decision_function(study.test_rows) - margins).max())
    other_label = model.predict(study.test_rows) != study.classifier.predict(study.test_rows)
    yield Figure("largest difference of a score from XGBoost's", difference, 0.05)
    yield Figure(
        "other labels where the margin is above that", float((other_label & (np.abs(margins) > difference)).sum()), 0
    )


def remote_figures(model: CompiledModel, study: Study, rows: int) -> Iterator[Figure]:
    """The same over gRPC, under encryption."""
    tested = study.test_rows[:rows]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        model.save(folder / "models" / f"{MODEL_NAME}.cryptable")
        with running_server(folder / "models", folder) as (address, certificate):
            request = {
                "address": address,
                "root_certificates": str(certificate),
                "model": MODEL_NAME,
                "rows": tested.tolist(),
            }
            with running_client(request, folder) as (_, events):
                told = list(events)
    ready = next(event for event in told if event["event"] == "ready")
    answers: list[dict[str, Any]] = [event for event in told if event["event"] == "row"]
    clear = model.decision_function(tested)
    cpu = np.diff([answer["timings"]["server_cpu"] for answer in answers])  # without the first, which unpacks the keys
    wall = np.diff([answer["timings"]["server_wall"] for answer in answers])
    yield Figure(
        "decrypted scores that differ from the circuit's", sum(a["score"] != clear[a["index"]] for a in answers), 0
    )
    yield Figure("CPU seconds of a row, median", statistics.median(cpu), 0.035)
    yield Figure("wall seconds of a row on the server, median", statistics.median(wall), float("inf"))
    yield Figure("MB of evaluation keys, sent once", ready["traffic"]["keys_sent"] / 1e6, 0.95)
    yield Figure("kB of a row up", statistics.median(a["traffic"]["rows_sent"] for a in answers) / 1e3, 17)
    yield Figure("kB of a row down", statistics.median(a["traffic"]["rows_received"] for a in answers) / 1e3, 4)
    yield Figure("peak MB of the client's memory", told[-1]["peak_memory_bytes"] / 1e6, 150)


def main() -> int:
    """Print the report; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10, help="rows to predict under encryption (default: %(default)s)")
    rows = parser.parse_args().rows
    study = train()
    model = compile_model(study.classifier, study.training_rows, name=MODEL_NAME)
    missed = 0
    for figures in (plan_figures(model), prediction_figures(model, study), remote_figures(model, study, max(3, rows))):
        for figure in figures:
            met = figure.measured <= figure.bar
            missed += not met
            print(
                f"{figure.what:<50} {figure.measured:>12.4g}   at most {figure.bar:<8.4g} {'met' if met else 'MISSED'}"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
