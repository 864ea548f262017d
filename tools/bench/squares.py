"""A network of squares on scikit-learn's digits, 64-32-10: accuracy, CPU of a row, bytes, and how many rows are exact.

python tools/bench/squares.py [--rows 20] [--epochs 30] [--hidden 32] [--bits 3]

The network is a QuantNeuralNetClassifier with activation="square"; 20 % of the images are kept for testing. CPU
seconds are of this process, one thread; encrypted answers are compared with the circuit's own.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cryptable as ct
import numpy as np
import torch
from cryptable.neural import QuantNeuralNetClassifier
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import Evaluator, compile_circuit, interpret
from cryptable_protocol import encode_rows
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20, help="encrypted rows")
    parser.add_argument("--epochs", type=int, default=30, help="of training")
    parser.add_argument("--hidden", type=int, default=32, help="neurons that are squared")
    parser.add_argument("--bits", type=int, default=3, help="of inputs and weights")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    classifier = QuantNeuralNetClassifier(
        (asked.hidden,),
        activation="square",
        input_bits=asked.bits,
        weight_bits=asked.bits,
        output_weight_bits=asked.bits,
        max_epochs=asked.epochs,
        random_state=0,
    ).fit(X_train, y_train)
    own = classifier.predict(X_test)
    model = ct.compile(classifier, X_train, show_progress=False)
    spec = model.artifact.client_spec
    print(f"accuracy on {len(X_test)} images: as trained {np.mean(own == y_test):.4f}, ", end="")
    print(f"integers {np.mean(model.predict(X_test) == y_test):.4f}; ", end="")
    parameters = spec.parameters
    if not isinstance(parameters, SquaresParameters):
        raise SystemExit(f"compiled for scheme {spec.scheme!r}, expected squares")
    print(f"scores of {parameters.output_bits} bits, moduli {', '.join(map(str, parameters.moduli))}")
    encoded = encode_rows(spec.features, X_test[: asked.rows])
    expected = interpret(model.circuit, encoded)
    with tempfile.TemporaryDirectory() as folder, SecretKeys.generate(spec) as secret_keys:
        program = compile_circuit(model.circuit, model.artifact.compile_options, Path(folder) / "program")
        evaluator, file = Evaluator(program), io.BytesIO()
        write_evaluation_keys(secret_keys, file)
        keys = evaluator.load_keys(file.getvalue())
        seconds: dict[str, list[float]] = {"encrypt": [], "evaluate": [], "decrypt": []}
        exact = 0
        for row, wanted in zip(encoded, expected, strict=True):
            begin = time.process_time()
            sent = encrypt(spec, secret_keys, row).to_bytes()
            seconds["encrypt"].append(time.process_time() - begin)
            begin = time.process_time()
            answer = evaluator.evaluate_row(sent, keys)
            seconds["evaluate"].append(time.process_time() - begin)
            begin = time.process_time()
            found = decrypt(spec, secret_keys, read_tensor(spec, pb.EncryptedTensor.FromString(answer)))
            seconds["decrypt"].append(time.process_time() - begin)
            exact += int((found == wanted).all())
    print(f"{exact} of {len(encoded)} encrypted rows exact; CPU, median: ", end="")
    print(", ".join(f"{what} {1e3 * statistics.median(values):.1f} ms" for what, values in seconds.items()))
    print(
        f"keys {len(file.getvalue()) / 1e6:.2f} MB, a row up {len(sent) / 1e3:.0f} kB, down {len(answer) / 1e3:.0f} kB"
    )


if __name__ == "__main__":
    main()
