"""Trains a network on MNIST and exports it to ONNX.

python examples/mnist/train.py mlp|lenet [--data FOLDER] [--epochs N]     writes FOLDER/mlp.onnx or lenet.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from data import load
from networks import NETWORKS, train


def main() -> None:
    """Train, score, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=sorted(NETWORKS))
    parser.add_argument("--data", type=Path, default=Path("mnist-data"))
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels, test_images, test_labels = load(arguments.data)
    network = train(NETWORKS[arguments.network](), images, labels, epochs=arguments.epochs)
    with torch.no_grad():
        scores = network(torch.tensor(test_images)).numpy()
    print(f"test accuracy {np.mean(scores.argmax(axis=1) == test_labels):.4f} of {len(test_labels)} images")
    target = arguments.data / f"{arguments.network}.onnx"
    torch.onnx.export(
        network,
        (torch.tensor(images[:1]),),
        str(target),
        dynamo=False,
        opset_version=17,
        input_names=["pixels"],
        output_names=["scores"],
        dynamic_axes={"pixels": {0: "rows"}},
    )
    print(target)


if __name__ == "__main__":
    main()
