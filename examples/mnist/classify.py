"""Classifies test images through a server, which sees ciphertexts only.

python examples/mnist/classify.py [--server HOST:PORT] [--model mlp] [--rows N] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from cryptable_client import connect
from data import load


def main() -> None:
    """Connect, upload keys, predict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="localhost:50051")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path("mnist-data"))
    arguments = parser.parse_args()
    _, _, images, labels = load(arguments.data)
    with connect(arguments.server, model=arguments.model, insecure=True) as remote:
        for image, label in zip(images[: arguments.rows], labels, strict=False):
            began = time.monotonic()
            (found,) = remote.predict(image[None])
            print(f"{'right' if found == label else 'WRONG'}: {found}, in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
