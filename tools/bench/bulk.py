"""Rows in bulk: CPU a row of server and client, bytes, memory, and how many of 8192 rows are exact.

python tools/bench/bulk.py [--trees 100] [--depth 3] [--singles 5]
python tools/bench/bulk.py --forest [--trees 50] [--depth 5]
python tools/bench/bulk.py --network [--hidden 32]
python tools/bench/bulk.py --mnist FOLDER [--layers 128 128 | --convolution] [--epochs 3]

XGBoost on scikit-learn's breast cancer, a random forest on the synthetic rows of `levelled.py`, a network of squares
on scikit-learn's digits, 64-32-10, or one on MNIST: 784-128-10, with other hidden layers, or with 8 filters of 5x5 at
every second pixel before one of 100. FOLDER is where examples/mnist/data.py has put its file. Each number of a row is
drawn from those that its feature has in rows for testing, so that no two rows are alike. CPU seconds are of one thread.
The tensor is evaluated by a process of its own, which has the program, the keys and the tensor, as a worker has;
decrypted answers are compared with the circuit's own. `--singles` rows are evaluated one by one besides, by the scheme
that the model was compiled for, for what a row costs there.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cryptable as ct
import numpy as np
import numpy.typing as npt
import xgboost
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.keys.encryption import encrypt_in_pieces
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import Evaluator, Program, compile_circuit, compile_in_bulk, interpret
from cryptable_protocol import ClientSpec, encode_rows
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from squares import convolutional, digits, images_of, mnist

Integers = npt.NDArray[np.int64]


def compiled(options: argparse.Namespace) -> tuple[ct.CompiledModel, Any]:
    """A model whose rows are evaluated one by one, and rows for testing."""
    if options.artifact is not None and options.artifact.exists():
        return ct.load(options.artifact), images_of(options.mnist)[1]
    if options.mnist is not None:
        classifier, (X_train, X_test, y_train, _) = (convolutional if options.convolution else mnist)(options.mnist)
        if options.layers:
            classifier.set_params(hidden_layer_sizes=tuple(options.layers))
        classifier.set_params(max_epochs=options.epochs).fit(X_train, y_train)
        model = ct.compile(classifier, X_train[:5000], show_progress=False)
        if options.artifact is not None:
            model.save(options.artifact)
        return model, X_test
    if options.network:
        network, (X_train, X_test, y_train, _) = digits(options.hidden, 3)
        classifier = network.set_params(max_epochs=5).fit(X_train, y_train)
        return ct.compile(classifier, X_train, show_progress=False), X_test
    synthetic = make_classification(2000, 30, n_informative=10, random_state=0)
    X, y = synthetic if options.forest else load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    kind = RandomForestClassifier if options.forest else xgboost.XGBClassifier
    estimator = kind(n_estimators=options.trees, max_depth=options.depth, random_state=0).fit(X_train, y_train)
    return ct.compile(estimator, X_train, scheme="levelled", show_progress=False), X_test


def party(spec: ClientSpec) -> tuple[SecretKeys, bytes]:
    """Keys for a specification: secret, and evaluation keys."""
    keys, file = SecretKeys.generate(spec), io.BytesIO()
    write_evaluation_keys(keys, file)
    return keys, file.getvalue()


def in_a_worker(program: Program, keys: bytes, folder: Path) -> tuple[float, int, bytes]:
    """CPU seconds of the tensor in the file `row`, bytes of memory of a process that evaluates it, and the answer."""
    (folder / "program").symlink_to(program.directory)
    (folder / "keys").write_bytes(keys)
    command = [sys.executable, str(Path(__file__).with_name("squares_side.py")), "bulk", "", str(folder)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told["cpu_seconds"], told["memory"], (folder / "answer").read_bytes()


def single_rows(model: ct.CompiledModel, encoded: Integers, folder: Path) -> tuple[float, float]:
    """CPU seconds of a row one by one, and the program's price of one in microseconds."""
    spec, options = model.artifact.client_spec, model.artifact.compile_options
    program = compile_circuit(model.circuit, options, folder / "single", promised=spec.parameters)
    keys, key_file = party(spec)
    evaluator = Evaluator(program)
    ready = evaluator.load_keys(key_file)
    rows = [encrypt(spec, keys, row).to_bytes() for row in encoded]
    began = time.process_time()
    for row in rows:
        evaluator.evaluate_row(row, ready)
    return (time.process_time() - began) / max(1, len(rows)), program.price


def main() -> None:
    """Print what is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=None)
    parser.add_argument("--depth", type=int, default=None)
    parser.add_argument("--forest", action="store_true")
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--hidden", type=int, default=32, help="neurons that are squared, of the network")
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="a network on MNIST")
    parser.add_argument("--layers", type=int, nargs="*", help="hidden layers of that, instead of 128")
    parser.add_argument("--convolution", action="store_true", help="of MNIST, in front of 100 neurons")
    parser.add_argument("--epochs", type=int, default=3, help="of training on MNIST")
    parser.add_argument("--artifact", type=Path, metavar="FILE", help="of MNIST: keep the model, or take it from there")
    parser.add_argument("--singles", type=int, default=5, help="rows that are evaluated one by one besides")
    options = parser.parse_args()
    options.trees = options.trees or (50 if options.forest else 100)
    options.depth = options.depth or (5 if options.forest else 3)
    model, rows = compiled(options)
    circuit, spec = model.circuit, model.artifact.client_spec
    with tempfile.TemporaryDirectory() as name:
        program = compile_in_bulk(circuit, spec.p_error, Path(name) / "bulk")
        parameters = program.parameters
        if not isinstance(parameters, BulkParameters):
            raise TypeError("no parameters of rows in bulk")
        random = np.random.default_rng(0)
        many = np.stack([random.choice(values, parameters.rows) for values in rows.T], axis=1)
        encoded = encode_rows(spec.features, many)
        single, price = single_rows(model, encoded[: options.singles], Path(name))
        bulk = BulkSpec.of(spec, parameters, max(1, int(program.price / price))).spec
        keys, key_file = party(bulk)

        began, row = time.process_time(), Path(name) / "row"
        with row.open("wb") as file:
            for piece in encrypt_in_pieces(bulk, keys, encoded):
                file.write(piece.seed + piece.polynomials)
        client = time.process_time() - began
        predicted = f"predicted: {program.memory_bytes / 1e6:.0f} beyond what it has anyway"
        server, server_memory, answer = in_a_worker(program, key_file, Path(name))
        sent = row.stat().st_size
        began = time.process_time()
        found = decrypt(bulk, keys, read_tensor(bulk, pb.EncryptedTensor.FromString(answer)))
        reading = time.process_time() - began
        tracemalloc.start()
        for piece in encrypt_in_pieces(bulk, keys, encoded):
            del piece
        memory = tracemalloc.get_traced_memory()[1]
    wrong = int((found != interpret(circuit, encoded)).any(axis=1).sum())
    count = parameters.rows
    what = f"64-{options.hidden}-10" if options.network else f"{options.trees}x{options.depth}"
    if options.mnist is not None:
        what = f"MNIST {'convolution' if options.convolution else options.layers or ''}"
    print(f"{spec.model_name} {what}: {circuit.products + circuit.squares} products")
    primes = f"chain {parameters.keyset.number}, {len(parameters.fresh.data)} primes"
    columns = f"{parameters.columns} columns for {parameters.inputs} inputs"
    print(f"{primes}, modulus {parameters.modulus}, {columns}, {count} rows, {sent / 1e6:.0f} MB a tensor")
    print(f"server: {server:.2f} s of CPU, {1e3 * server / count:.3f} ms a row; {wrong} of {count} rows wrong")
    print(f"one by one: {1e3 * single:.1f} ms a row; a tensor takes as much CPU as {server / single:.0f} of them")
    print(f"priced: a tensor {program.price / 1e6:.2f} s, as {program.price / price:.1f} rows one by one are priced")
    print(f"client: {client:.2f} s of CPU to encrypt, {reading:.3f} s to read, {memory / 1e6:.1f} MB of memory at most")
    print(f"the process that evaluates: {server_memory / 1e6:.0f} MB of memory at most; {predicted}")
    print(f"keys {len(key_file) / 1e6:.2f} MB; up {sent / count / 1e3:.2f} kB a row, down {len(answer) / count:.1f} B")


if __name__ == "__main__":
    main()
