"""What a row costs under each scheme, by rows that come at once and by hidden layers: figures of a picture in the docs.

python tools/bench/which_scheme.py [--rows 3] [--only trees 32 128]

writes docs/benchmarks/which-scheme.json, in some ten minutes; with --only, the rest of it stays as it is.

By rows: XGBoost 100x3 on scikit-learn's breast cancer, levelled, by lookups, and 8192 rows in bulk; digits by a network
of one hidden layer. By layers: digits by networks of 32 neurons each, and of 128, trained with squares, trained for
lookups of 3 bits, and by the scheme levelled. CPU seconds are of the server alone, of this process and one thread,
medians of rows with keys in memory; what a row's client spends is beside them. All decrypted rows are compared with the
circuit's own: squares, sums and products must be equal; lookups round.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Literal, TypeAlias

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cryptable as ct
import numpy as np
import torch
import xgboost
from cryptable.neural import QuantNeuralNetClassifier
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.keys.encryption import encrypt_in_pieces
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import Circuit, Evaluator, compile_circuit, interpret
from cryptable_protocol import ClientSpec, CompileOptions, encode_rows
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

FIGURES = Path(__file__).resolve().parents[2] / "docs/benchmarks/which-scheme.json"
DEEPEST = {32: 4, 128: 3}
"""By neurons of each layer."""
Cost: TypeAlias = dict[str, Any]
"""CPU seconds of `server` and `client`, bytes of `keys`, and `rows` that they are of."""


def of_rows(circuit: Circuit, spec: ClientSpec, options: CompileOptions, rows: Any) -> Cost:  # noqa: ANN401
    """Medians of rows one by one."""
    encoded = encode_rows(spec.features, rows)
    expected = interpret(circuit, encoded)
    server, client = [], []
    with tempfile.TemporaryDirectory() as folder, SecretKeys.generate(spec) as keys:
        program = compile_circuit(circuit, options, Path(folder) / "program", promised=spec.parameters)
        evaluator, file = Evaluator(program), io.BytesIO()
        write_evaluation_keys(keys, file)
        ready = evaluator.load_keys(file.getvalue())
        for row, wanted in zip(encoded, expected, strict=True):
            began = time.process_time()
            sent = encrypt(spec, keys, row).to_bytes()
            encrypted = time.process_time()
            answer = evaluator.evaluate_row(sent, ready)
            evaluated = time.process_time()
            found = decrypt(spec, keys, read_tensor(spec, pb.EncryptedTensor.FromString(answer)))
            client.append(encrypted - began + time.process_time() - evaluated)
            server.append(evaluated - encrypted)
            if spec.scheme != "bootstrapped" and not np.array_equal(found, wanted):
                raise SystemExit(f"scheme {spec.scheme}: a row is not the circuit's own")
    return {
        "server": statistics.median(server),
        "client": statistics.median(client),
        "keys": len(file.getvalue()),
        "rows": 1,
    }


def of_model(model: ct.CompiledModel, rows: Any) -> Cost:  # noqa: ANN401
    """The same of a compiled model."""
    return of_rows(model.circuit, model.artifact.client_spec, model.artifact.compile_options, rows)


def of_bulk(model: ct.CompiledModel, rows: Any) -> Cost:  # noqa: ANN401
    """Of one tensor, whatever it holds."""
    spec = model.artifact.client_spec
    with tempfile.TemporaryDirectory() as folder:
        wanted = CompileOptions(scheme="squares", p_error=spec.p_error)
        program = compile_circuit(model.circuit, wanted, Path(folder) / "bulk")
        parameters = program.parameters
        if not isinstance(parameters, BulkParameters):
            raise TypeError("no parameters of rows in bulk")
        bulk = BulkSpec.of(spec, parameters, 1).spec
        encoded = encode_rows(spec.features, np.random.default_rng(0).choice(rows, parameters.rows))
        with SecretKeys.generate(bulk) as keys:
            evaluator, file = Evaluator(program), io.BytesIO()
            write_evaluation_keys(keys, file)
            ready = evaluator.load_keys(file.getvalue())
            began = time.process_time()
            pieces = list(encrypt_in_pieces(bulk, keys, encoded))
            tensor = RingTensor(b"".join(piece.polynomials for piece in pieces), pieces[0].seed).to_bytes()
            encrypted = time.process_time()
            answer = evaluator.evaluate_row(tensor, ready)
            evaluated = time.process_time()
            found = decrypt(bulk, keys, read_tensor(bulk, pb.EncryptedTensor.FromString(answer)))
            read = time.process_time()
    if not np.array_equal(found, interpret(model.circuit, encoded)):
        raise SystemExit("bulk: a row is not the circuit's own")
    client = encrypted - began + read - evaluated
    keys_bytes = len(file.getvalue())
    return {"server": evaluated - encrypted, "client": client, "keys": keys_bytes, "rows": parameters.rows}


def trees(rows: int) -> dict[str, Cost]:
    """XGBoost 100x3 by its three ways."""
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    estimator = xgboost.XGBClassifier(n_estimators=100, max_depth=3, random_state=0).fit(X_train, y_train)
    levelled = ct.compile(estimator, X_train, scheme="levelled", show_progress=False)
    lookups = ct.compile(estimator, X_train, scheme="bootstrapped", show_progress=False)
    return {
        "levelled": of_model(levelled, X_test[:rows]),
        "bootstrapped": of_model(lookups, X_test[:rows]),
        "bulk": of_bulk(levelled, X_test),
    }


def networks(neurons: int, rows: int) -> list[dict[str, Cost]]:
    """Digits by networks of 1, 2, ... hidden layers, by the schemes that are able."""
    X_train, X_test, y_train, _ = train_test_split(*load_digits(return_X_y=True), test_size=0.2, random_state=0)
    found: list[dict[str, Cost]] = []
    few: dict[str, Any] = {"random_state": 0, "max_epochs": 5}
    for depth in range(1, DEEPEST[neurons] + 1):
        costs: dict[str, Cost] = {}
        bits: dict[str, Any] = {"input_bits": 2, "weight_bits": 2, "output_weight_bits": 3}
        squares = QuantNeuralNetClassifier((neurons,) * depth, activation="square", **bits, **few)
        try:
            costs["squares"] = of_model(compiled(squares.fit(X_train, y_train), X_train, "squares"), X_test[:rows])
        except ct.CryptableError as error:
            print(f"{depth} layers of squares: {error}")
        lookups = QuantNeuralNetClassifier((neurons,) * depth, **few).fit(X_train, y_train)
        costs["bootstrapped"] = of_model(compiled(lookups, X_train, "bootstrapped"), X_test[:rows])
        if depth == 1:  # the scheme levelled takes one
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                perceptron = MLPClassifier((neurons,), max_iter=50, random_state=0).fit(X_train, y_train)
            costs["levelled"] = of_model(compiled(perceptron, X_train, "levelled"), X_test[:rows])
        found.append(costs)
        print(depth, {scheme: cost["server"] for scheme, cost in costs.items()}, flush=True)
    return found


def compiled(estimator: Any, rows: Any, scheme: Literal["squares", "bootstrapped", "levelled"]) -> ct.CompiledModel:  # noqa: ANN401
    """For a scheme, whatever the agreement of its labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.AgreementWarning)
        return ct.compile(estimator, rows, scheme=scheme, show_progress=False)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3, help="rows that are evaluated one by one")
    parser.add_argument("--only", nargs="*", choices=("trees", *map(str, DEEPEST)), help="measure some again")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if asked.only else {"networks": {}}
    if not asked.only or "trees" in asked.only:
        figures["trees"] = trees(asked.rows)
    for neurons in DEEPEST:
        if not asked.only or str(neurons) in asked.only:
            figures["networks"][str(neurons)] = networks(neurons, asked.rows)
    text = json.dumps(figures, indent=1, default=float)
    FIGURES.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
