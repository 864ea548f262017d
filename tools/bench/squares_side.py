"""Our side of against_orion.py: networks of squares, trained on MNIST.

prepare SHAPE FOLDER MNIST [EPOCHS]  trains and compiles, makes keys, and encrypts a row; prints bytes and seconds
serve SHAPE FOLDER ROWS     loads the program and the keys, and evaluates the row so often; prints CPU and memory
bulk SHAPE FOLDER           the same of a file of rows in bulk, once: for bulk.py, any SHAPE
read SHAPE FOLDER           whether the answer is the circuit's own
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LAYERS = {"784-128-10": (128,), "784-128-128-10": (128, 128), "8x5x5-100-10": None}
"""None: convolutional."""


def prepare(shape: str, folder: Path, mnist: Path, epochs: int | None) -> dict[str, Any]:
    """Everything up to what a server gets."""
    import cryptable as ct
    from cryptable_client import SecretKeys, encrypt, write_evaluation_keys
    from cryptable_engine import compile_circuit, interpret
    from cryptable_protocol import encode_rows
    from cryptable_protocol.schemes.squares.parameters import SquaresParameters
    from squares import convolutional
    from squares import mnist as perceptron

    layers = LAYERS[shape]
    classifier, (X_train, X_test, y_train, y_test) = (convolutional if layers is None else perceptron)(mnist)
    if layers is not None:
        classifier.set_params(hidden_layer_sizes=layers)
    if epochs is not None:
        classifier.set_params(max_epochs=epochs)
    model = ct.compile(classifier.fit(X_train, y_train), X_train[:5000], show_progress=False)
    model.save(folder / "model")
    spec = model.artifact.client_spec
    compile_circuit(model.circuit, model.artifact.compile_options, folder / "program", promised=spec.parameters)
    with SecretKeys.generate(spec) as secret:
        began = time.process_time()
        with (folder / "keys").open("wb") as file:
            write_evaluation_keys(secret, file)
        key_seconds = time.process_time() - began
        encoded = encode_rows(spec.features, X_test[:1])
        sent = encrypt(spec, secret, encoded[0]).to_bytes()
        secret.save(folder / "secret", passphrase="benchmark")
    (folder / "row").write_bytes(sent)
    np.save(folder / "expected.npy", interpret(model.circuit, encoded)[0])
    parameters = spec.parameters
    if not isinstance(parameters, SquaresParameters):
        raise SystemExit(f"compiled for scheme {spec.scheme!r}, expected squares")
    return {
        "keys": (folder / "keys").stat().st_size,
        "up": len(sent),
        "key_seconds": key_seconds,
        "log2_modulus": math.log2(math.prod(parameters.keyset.chain.primes)),
        "accuracy": float(np.mean(model.predict(X_test) == y_test)),
        "moduli": len(parameters.moduli),
    }


def serve(folder: Path, rows: int) -> dict[str, Any]:
    """As a worker would, which has the program and the keys."""
    from cryptable_engine import Evaluator, Program

    evaluator = Evaluator(Program.load(folder / "program"))
    keys, sent, seconds = evaluator.load_keys((folder / "keys").read_bytes()), (folder / "row").read_bytes(), []
    for _ in range(rows):
        began = time.process_time()
        answer = evaluator.evaluate_row(sent, keys)
        seconds.append(time.process_time() - began)
    (folder / "answer").write_bytes(answer)
    return {"cpu_seconds": seconds, "down": len(answer), "memory": 1024 * int(_status()["VmHWM"].split()[0])}


def bulk(folder: Path) -> dict[str, Any]:
    """As a worker would, of a tensor in a file."""
    from cryptable_engine import Evaluator, Program

    evaluator = Evaluator(Program.load(folder / "program"))
    keys = evaluator.load_keys((folder / "keys").read_bytes())
    began = time.process_time()
    answer = evaluator.evaluate_file(folder / "row", keys)
    seconds = time.process_time() - began
    (folder / "answer").write_bytes(answer)
    return {"cpu_seconds": seconds, "memory": 1024 * int(_status()["VmHWM"].split()[0])}


def _status() -> dict[str, str]:
    """Of this process alone: what resource tells counts what its parent had when it was started."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def read(folder: Path) -> dict[str, Any]:
    """Decrypted, beside the circuit's own integers."""
    import cryptable as ct
    from cryptable_client import SecretKeys, decrypt
    from cryptable_client.schemes.scheme import read_tensor
    from cryptable_protocol.messages import tensor as pb

    spec = ct.load(folder / "model").artifact.client_spec
    with SecretKeys.load(folder / "secret", passphrase="benchmark") as secret:
        tensor = read_tensor(spec, pb.EncryptedTensor.FromString((folder / "answer").read_bytes()))
        found = decrypt(spec, secret, tensor)
    wanted = np.load(folder / "expected.npy")
    return {"off": float(np.abs(found - wanted).max()), "largest": float(np.abs(wanted).max())}


def main() -> None:
    """Run the command line."""
    job, shape, place, *rest = sys.argv[1:]
    folder = Path(place)
    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "prepare": lambda: prepare(shape, folder, Path(rest[0]), int(rest[1]) if rest[1:] else None),
        "serve": lambda: serve(folder, int(rest[0])),
        "bulk": lambda: bulk(folder),
        "read": lambda: read(folder),
    }
    print(json.dumps(jobs[job]()))


if __name__ == "__main__":
    main()
