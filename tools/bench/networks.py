"""What neural networks cost under encryption, and what accuracy is left: digits and MNIST, side by side with floats.

python tools/bench/networks.py digits-mlp|digits-mlp-levelled|digits-cnn [--rows N]
python tools/bench/networks.py mnist-mlp|mnist-lenet --data FOLDER [--rows N]   after examples/mnist/train.py

Prints JSON. Times are CPU seconds of all threads, of client and server together. networks_report.py takes it into docs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import cryptable as ct
import numpy as np
import torch
from network_sides import float_network, images, trained
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EXAMPLE = Path(__file__).parents[2] / "examples/mnist"
OPTIONS: dict[str, dict[str, Any]] = {
    "digits-mlp": {"bits": 3},
    "digits-mlp-levelled": {"scheme": "levelled"},
    "digits-cnn": {"bits": 4},
    "mnist-mlp": {"bits": 4},
    "mnist-lenet": {"bits": 4},
}


def digits(kind: str) -> tuple[Any, ...]:
    """Trained on 1437 images of 8x8 pixels, tested on 360."""
    X, y = load_digits(return_X_y=True)
    train, test, train_y, test_y = train_test_split(images(X, kind), y, test_size=360, random_state=0, stratify=y)
    return trained(float_network(kind), train, train_y), train, test, test_y


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
    kind, name = arguments.case.split("-")[:2]
    if kind == "digits":
        network, train, test, truth = digits(name)
    else:
        network, train, test, truth = mnist(name, arguments.data)
    began = time.process_time()
    model = ct.compile(network, train, labels=range(10), **OPTIONS[arguments.case])
    facts = model.explain()
    compiled = time.process_time() - began
    rows = arguments.rows
    clear, simulated = model.predict(test), model.predict(test, mode="simulate")
    began = time.process_time()
    model.predict(test[:1], mode="encrypted")  # makes keys, and unpacks them
    first = time.process_time() - began
    began = time.process_time()
    encrypted = model.predict(test[:rows], mode="encrypted")
    seconds = (time.process_time() - began) / rows
    result = {
        "case": arguments.case,
        **OPTIONS[arguments.case],
        "scheme": facts.scheme,
        "lookups": facts.lookups,
        "products": model.circuit.products,
        "evaluation_keys_mb": facts.bytes.evaluation_keys / 1e6,
        "float_accuracy": model.check(test, truth, encrypted_rows=0)["float"].score,
        "clear_accuracy": _part(clear == truth),
        "simulated_accuracy": _part(simulated == truth),
        "simulated_agrees_with_clear": _part(simulated == clear),
        "test_rows": len(test),
        "encrypted_rows": rows,
        "encrypted_accuracy": _part(encrypted == truth[:rows]),
        "clear_accuracy_of_these": _part(clear[:rows] == truth[:rows]),
        "encrypted_agrees_with_clear": _part(encrypted == clear[:rows]),
        "simulated_agrees_with_clear_on_these": _part(simulated[:rows] == clear[:rows]),
        "cpu_seconds_a_row": seconds,
        "cpu_seconds_predicted": facts.cpu_seconds_predicted + facts.seconds.encryption,
        "cpu_seconds_to_make_keys_and_first_row": first,
        "cpu_seconds_to_compile": compiled,
        "load_average": os.getloadavg()[0],
        "date": datetime.date.today().isoformat(),
    }
    print(json.dumps(result, indent=1))


def _part(which: Any) -> float:  # noqa: ANN401
    return float(np.mean(which))


if __name__ == "__main__":
    main()
