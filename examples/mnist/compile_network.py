"""Compiles a trained network, says what it costs, and writes the artifact that a server loads.

python examples/mnist/compile_network.py mlp|lenet [--data FOLDER] [--bits N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cryptable as ct
import numpy as np
from data import load


def main() -> None:
    """Compile, explain, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=["lenet", "mlp"])
    parser.add_argument("--data", type=Path, default=Path("mnist-data"))
    parser.add_argument("--bits", type=int, default=4)
    arguments = parser.parse_args()
    images, _, test_images, test_labels = load(arguments.data)
    model = ct.compile(
        arguments.data / f"{arguments.network}.onnx", images[:1000], labels=range(10), bits=arguments.bits
    )
    print(model.explain())
    for mode in ("clear", "simulate"):
        found = model.predict(test_images, mode=mode)
        print(f"accuracy on {len(test_labels)} test images, {mode}: {np.mean(found == test_labels):.4f}")
    target = arguments.data / "models" / f"{model.name}.cryptable"
    target.parent.mkdir(exist_ok=True)
    model.save(target)
    print(target)


if __name__ == "__main__":
    main()
