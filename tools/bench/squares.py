"""A network of squares on scikit-learn's digits, 64-32-10: accuracy, CPU of a row, bytes, and how many rows are exact.

python tools/bench/squares.py [--rows 20] [--epochs 60] [--hidden 32]

The network is trained in floats with x² as its activation and compiled with scheme="squares"; 20 % of the images are
kept for testing. CPU seconds are of this process, one thread; encrypted answers are compared with the circuit's own.
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
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import Evaluator, compile_circuit, interpret
from cryptable_protocol import encode_rows
from cryptable_protocol.messages import tensor as pb
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Net(torch.nn.Module):
    """One hidden layer, squared."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden, self.last = torch.nn.Linear(64, hidden), torch.nn.Linear(hidden, 10)

    def scores(self, rows: torch.Tensor) -> torch.Tensor:
        """Before the softmax."""
        sums = self.hidden(rows)
        scores: torch.Tensor = self.last(sums * sums)
        return scores

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Probabilities."""
        return torch.softmax(self.scores(rows), 1)


def trained(rows: torch.Tensor, labels: torch.Tensor, epochs: int, hidden: int) -> Net:
    """By AdamW, in batches of 64."""
    torch.manual_seed(0)
    net = Net(hidden)
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=1e-2)
    for _ in range(epochs):
        order = torch.randperm(len(rows))
        for start in range(0, len(rows), 64):
            part = order[start : start + 64]
            loss = torch.nn.functional.cross_entropy(net.scores(rows[part]), labels[part])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return net


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20, help="encrypted rows")
    parser.add_argument("--epochs", type=int, default=60, help="of training")
    parser.add_argument("--hidden", type=int, default=32, help="neurons that are squared")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split((X / 16).astype(np.float32), y, test_size=0.2, random_state=0)
    net = trained(torch.tensor(X_train), torch.tensor(y_train), asked.epochs, asked.hidden)
    own = net(torch.tensor(X_test)).argmax(1).numpy()
    model = ct.compile(net, X_train, scheme="squares", show_progress=False)
    spec = model.artifact.client_spec
    print(f"accuracy on {len(X_test)} images: floats {np.mean(own == y_test):.4f}, ", end="")
    print(f"integers {np.mean(model.predict(X_test) == y_test):.4f}; scores of {spec.parameters.output_bits} bits")
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
