"""Models that are linear in what clients send, weights hidden and not: bytes, CPU, and rows that are wrong.

python tools/bench/linear.py                 all models, all test rows
python tools/bench/linear.py --rows 20       some
python tools/bench/linear.py --only GaussianNB

Data are scikit-learn's own, split with train_test_split(test_size=0.2, random_state=0). A row is wrong where a
decrypted integer is not the one that the interpreter computes in the clear. CPU is that of an evaluation, the median
over rows.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import cryptable as ct
import numpy as np
from cryptable.compiled.local_session import LocalSession
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Term, compile_circuit, interpret
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.schemes.levelled.linear.choice import choose_linear_parameters
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, Link, encode_rows
from cryptable_protocol.model.artifact import CompileOptions
from interpret.glassbox import ExplainableBoostingClassifier
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

Estimator: TypeAlias = Any
P_ERROR = 2.0**-128


def _data(loader: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: loader(return_X_y=True)


def _many_features() -> Any:  # noqa: ANN401  (rows and target)
    return make_classification(5000, 200, n_informative=50, random_state=0)


def _ten_classes() -> Any:  # noqa: ANN401  (rows and target)
    return make_classification(5000, 30, n_informative=15, n_classes=10, random_state=0)


CASES: dict[str, tuple[Callable[[], Estimator], Callable[[], Any]]] = {
    "LogisticRegression, breast cancer": (lambda: LogisticRegression(max_iter=5000), _data(load_breast_cancer)),
    "LogisticRegression, 200 features": (lambda: LogisticRegression(max_iter=5000), _many_features),
    "LogisticRegression, 30 features, ten classes": (lambda: LogisticRegression(max_iter=5000), _ten_classes),
    "LogisticRegression, digits, ten classes": (lambda: LogisticRegression(max_iter=5000), _data(load_digits)),
    "PoissonRegressor, diabetes": (PoissonRegressor, _data(load_diabetes)),
    "Ridge, diabetes": (Ridge, _data(load_diabetes)),
    "GaussianNB, breast cancer": (GaussianNB, _data(load_breast_cancer)),
    # Pixels that hardly vary within a class: by default, scores are of the order of 10^9, and labels are not its own.
    "GaussianNB, digits, ten classes": (lambda: GaussianNB(var_smoothing=1e-3), _data(load_digits)),
    "explainable boosting without pairs, breast cancer": (
        lambda: ExplainableBoostingClassifier(interactions=0, outer_bags=2, random_state=0, n_jobs=1),
        _data(load_breast_cancer),
    ),
}
_WARM_UP = 1


def measure(name: str, *, hide: bool, rows: int | None) -> dict[str, Any]:
    """One model, its weights hidden or not."""
    make, data = CASES[name]
    X, y = data()
    training, test, labels, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    model = ct.compile(make().fit(training, labels), training, hide_weights=hide, show_progress=False)
    spec = model.artifact.client_spec
    encoded = encode_rows(spec.features, test[:rows])
    found = _evaluated(model.circuit, spec, model.artifact.compile_options, encoded)
    return {"model": name, "hidden": spec.scheme == "levelled", **found, "off": model.explain().score_error_bound}


def of_a_matrix(inputs: int, input_bits: int, weight_bits: int, rows: int, *, outputs: int = 1) -> dict[str, Any]:
    """A random matrix, hidden, on random rows."""
    random = np.random.default_rng(0)
    weights = random.integers(-(2 ** (weight_bits - 1)), 2 ** (weight_bits - 1), (inputs, outputs))
    top = 2**input_bits - 1
    group = InputGroup(GroupKind.RANGE, inputs, top)
    offset = -np.minimum(weights, 0).sum(axis=0) * top
    circuit = Circuit((Input((group,)), Linear((Term.from_dense(0, weights),), offset)), 1)
    parameters = choose_linear_parameters(circuit, highest_output(circuit, bounds(circuit)), P_ERROR)
    features = tuple(AffineEncoder(f"x{index}", 0.0, 1.0, top + 1) for index in range(inputs))
    spec = ClientSpec("matrix", features, parameters, Decoder(Link.IDENTITY, (0,) * outputs, 1.0, (0.0,) * outputs))
    encoded = random.integers(0, top + 1, (rows, inputs))
    found = _evaluated(circuit, spec, CompileOptions(p_error=P_ERROR, scheme="levelled"), encoded)
    return {"model": f"{inputs} inputs of {input_bits} bits, weights of {weight_bits}", "hidden": True, **found}


def _evaluated(circuit: Circuit, spec: ClientSpec, options: CompileOptions, encoded: Any) -> dict[str, Any]:  # noqa: ANN401
    with tempfile.TemporaryDirectory() as folder:
        program = compile_circuit(circuit, options, Path(folder) / "program", promised=spec.parameters)
        with LocalSession(spec, program) as session:
            found = session.evaluate(encoded)
    measured = session.measured
    return {
        "rows": len(encoded),
        "wrong": int(np.any(found != interpret(circuit, encoded), axis=1).sum()),
        "keys": measured.evaluation_keys_bytes,
        "up": measured.input_row_bytes,
        "down": measured.output_row_bytes,
        "cpu": statistics.median(measured.evaluation_cpu_seconds[_WARM_UP:]),
        "told": getattr(spec.parameters, "told", math.inf),
    }


def main() -> int:
    """Measure, and print a table; exit status 1 where a row is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="of each model (default: all test rows)")
    parser.add_argument("--only", default="", help="models whose name has this in it")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries, about each other
    names = [name for name in CASES if options.only in name]
    found = [measure(name, hide=hide, rows=options.rows) for name in names for hide in (True, False)]
    if options.only in (name := "similarity of 64 numbers and 10 000 vectors"):
        found.append({**of_a_matrix(64, 14, 12, min(options.rows or 10, 10), outputs=10_000), "model": name})
    if options.only in (name := "200 inputs of 20 bits, weights of 16"):
        found.append({**of_a_matrix(200, 20, 16, options.rows or 200), "model": name})
    table = Table(title="Linear models, hidden and not", title_justify="left")
    for heading in ("model", "hidden", "wrong", "keys", "up", "down", "CPU a row", "told of a weight"):
        table.add_column(heading)
    for each in found:
        table.add_row(
            each["model"],
            "yes" if each["hidden"] else "no",
            f"{each['wrong']} of {each['rows']}",
            *(f"{each[size] / 1e3:.1f} kB" for size in ("keys", "up", "down")),
            f"{1e3 * each['cpu']:.2f} ms",
            f"2^{math.log2(each['told']):.0f} nats" if each["hidden"] else "all",
        )
    Console(width=150).print(table)
    return 1 if any(each["wrong"] for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
