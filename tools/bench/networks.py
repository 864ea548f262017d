"""What neural networks cost under encryption, and what accuracy is left: digits and MNIST, side by side with floats.

python tools/bench/networks.py digits-mlp|digits-cnn [--rows N]
python tools/bench/networks.py mnist-mlp|mnist-lenet --data FOLDER [--rows N]   after examples/mnist/train.py

Prints one line of JSON. Times are CPU seconds of all threads.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import cryptable as ct
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

EXAMPLE = Path(__file__).parents[2] / "examples/mnist"
OPTIONS: dict[str, dict[str, Any]] = {
    "digits-mlp": {"bits": 4},
    "digits-cnn": {"bits": 4},
    "mnist-mlp": {"bits": 4},
    "mnist-lenet": {"bits": 4},
}


def digits(network: nn.Module, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Trained on 1437 images of 8x8 pixels, tested on 360."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32).reshape(-1, *shape)
    train, test, train_y, test_y = train_test_split(X, y, test_size=360, random_state=0, stratify=y)
    inputs, labels = torch.tensor(train), torch.tensor(train_y)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3, weight_decay=3e-4)
    epochs = 80
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(32):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    return network.eval(), train, test, test_y


def digits_mlp() -> tuple[Any, ...]:
    """64-32-10."""
    return digits(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), (64,))


def digits_cnn() -> tuple[Any, ...]:
    """Eight filters of 3x3, means of 2x2, one fully connected layer."""
    layers = (nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(72, 10))
    return digits(nn.Sequential(*layers), (1, 8, 8))


def mnist(name: str, folder: Path) -> tuple[Any, ...]:
    """What examples/mnist/train.py has trained."""
    sys.path.insert(0, str(EXAMPLE))
    from data import load  # type: ignore[import-not-found]

    train, _, test, test_y = load(folder)
    return folder / f"{name}.onnx", train[:1000], test, test_y


def main() -> None:
    """Compile, predict, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=sorted(OPTIONS))
    parser.add_argument("--data", type=Path, default=Path("mnist-data"))
    parser.add_argument("--rows", type=int, default=20)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    kind, name = arguments.case.split("-")
    if kind == "digits":
        network, train, test, truth = digits_mlp() if name == "mlp" else digits_cnn()
    else:
        network, train, test, truth = mnist(name, arguments.data)
    began = time.process_time()
    model = ct.compile(network, train, labels=range(10), **OPTIONS[arguments.case])
    facts = model.explain()
    compiled = time.process_time() - began
    clear, simulated = model.predict(test), model.predict(test, mode="simulate")
    rows = arguments.rows
    report = model.check(test[:rows], truth[:rows], encrypted_rows=rows)
    encrypted = next(each for each in report.results if each.mode == "encrypted")
    labels = model.predict(test[:rows], mode="clear")
    result = {
        "case": arguments.case,
        **OPTIONS[arguments.case],
        "float_accuracy": next(each.score for each in _float(model, test, truth)),
        "clear_accuracy": float(np.mean(clear == truth)),
        "simulated_accuracy": float(np.mean(simulated == truth)),
        "simulated_agrees_with_clear": float(np.mean(simulated == clear)),
        "test_rows": len(test),
        "encrypted_rows": rows,
        "encrypted_agrees_with_float": encrypted.agreement,
        "encrypted_accuracy": encrypted.score,
        "clear_accuracy_of_these": float(np.mean(labels == truth[:rows])),
        "lookups": facts.lookups,
        "cpu_seconds_a_row": report.cpu_seconds,
        "cpu_seconds_predicted": report.cpu_seconds_predicted,
        "evaluation_keys_mb": facts.bytes.evaluation_keys / 1e6,
        "neighbour_rate": facts.neighbour_rate,
        "compile_cpu_seconds": compiled,
    }
    print(json.dumps(result, indent=1))


def _float(model: ct.CompiledModel, test: Any, truth: Any) -> list[Any]:  # noqa: ANN401
    report = model.check(test[:2000], truth[:2000], encrypted_rows=0)
    return [each for each in report.results if each.mode == "float"]


if __name__ == "__main__":
    main()
