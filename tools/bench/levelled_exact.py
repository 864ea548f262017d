"""All test rows of twelve models under encryption, by the scheme levelled: how many are wrong.

    python tools/bench/levelled_exact.py                 all twelve, all test rows: minutes
    python tools/bench/levelled_exact.py --rows 20       some
    python tools/bench/levelled_exact.py --save FOLDER   also keep their artifacts, for levelled_noise.py
    python tools/bench/levelled_exact.py --only boosting --bags 14 --fits FOLDER
                                                         explainable boosting as it is by default, fitted once

A row is wrong where a decrypted integer is not the one that the interpreter computes in the clear. What the clear
model is off from the estimator itself is told beside it: scores differ by at most the bound that `explain()` states.
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
import joblib  # type: ignore[import-untyped]
import numpy as np
from cryptable.compiled.local_session import LocalSession
from cryptable.importers.registry import reference_scores
from cryptable_engine import compile_circuit, interpret
from cryptable_protocol import encode_rows
from levelled_models import NINE, LevelledModel, additive


def measure(model: LevelledModel, rows: int | None, folder: Path, fits: Path | None = None) -> dict[str, Any]:
    """Encrypt, evaluate and decrypt a model's test rows; keep its artifact in `folder`, what was fitted in `fits`."""
    estimator, training, test = fitted(model, fits)
    compiled = ct.compile(estimator, training, scheme="levelled", show_progress=False)
    artifact = compiled.artifact
    artifact.save(folder / f"{''.join(c if c.isalnum() else '-' for c in model.name)}.cryptable")
    spec = artifact.client_spec
    test = test[:rows]
    with tempfile.TemporaryDirectory() as program:
        made = compile_circuit(
            compiled.circuit, artifact.compile_options, Path(program) / "program", promised=spec.parameters
        )
        with LocalSession(spec, made) as session:
            encoded = encode_rows(spec.features, test)
            began = time.process_time()
            found = session.evaluate(encoded)
            seconds = time.process_time() - began
    exact = interpret(compiled.circuit, encoded)
    scores = reference_scores(estimator, test)
    own = np.asarray(estimator.predict(test)).reshape(len(test), -1)
    ours = np.asarray(compiled.predict(test)).reshape(len(test), -1)
    return {
        "rows": len(test),
        "wrong": int(np.any(found != exact, axis=1).sum()),
        "products": compiled.circuit.products,
        "up": spec.parameters.row_bytes,
        "down": spec.parameters.answer_bytes,
        "off": float(np.abs(compiled.decision_function(test).reshape(scores.shape) - scores).max()),
        "bound": compiled.error_bound,
        "same": _agreement(own, ours),
        "row_seconds": statistics.median(session.measured.evaluation_cpu_seconds),
        "seconds": seconds,
    }


def fitted(model: LevelledModel, fits: Path | None) -> tuple[Any, Any, Any]:
    """As `LevelledModel.fit`, which took minutes if the folder has it."""
    if fits is None:
        return model.fit()
    kept = fits / f"{''.join(c if c.isalnum() else '-' for c in model.name)}.joblib"
    if not kept.exists():
        fits.mkdir(parents=True, exist_ok=True)
        joblib.dump(model.fit(), kept)
    found: tuple[Any, Any, Any] = joblib.load(kept)
    return found


def _agreement(own: Any, ours: Any) -> str:  # noqa: ANN401  (labels are of any kind)
    """Rows whose prediction is the estimator's own, or how far numbers are off."""
    if own.dtype.kind == "f" and not set(np.unique(own)) <= {-1.0, 0.0, 1.0}:
        return f"within {float(np.abs(ours / own - 1).max()):.1e}"
    return f"{int((own == ours).all(axis=1).sum())} of {len(own)}"


def main() -> int:
    """Measure, and print a Markdown table; exit status 1 where a row is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="of each model (default: all test rows)")
    parser.add_argument("--only", default="", help="models whose name has this in it")
    parser.add_argument("--bags", type=int, default=2, help="of explainable boosting (interpret's default is 14)")
    parser.add_argument("--fits", type=Path, metavar="FOLDER", help="keep fitted estimators there, and take those kept")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the artifacts there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries, about each other
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
    names = ("model", "rows", "wrong", "products", "kB up, down", "CPU ms a row", "scores off by, bound")
    print(f"| {' | '.join(names)} | predictions as its own |")
    print("|---" * (len(names) + 1) + "|")
    total = wrong = 0
    with tempfile.TemporaryDirectory() as name:
        for model in (each for each in (*NINE, *additive(options.bags)) if options.only in each.name):
            found = measure(model, options.rows, options.save or Path(name), options.fits)
            total, wrong = total + found["rows"], wrong + found["wrong"]
            print(
                f"| {model.name} | {found['rows']} | {found['wrong']} | {found['products']} "
                f"| {found['up'] / 1e3:.1f}, {found['down'] / 1e3:.1f} | {1e3 * found['row_seconds']:.1f} "
                f"| {found['off']:.1e}, {found['bound']:.1e} | {found['same']} |",
                flush=True,
            )
    print(f"\n{wrong} wrong of {total} rows", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
