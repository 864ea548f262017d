"""Networks of squares on scikit-learn's digits and on MNIST: accuracy, CPU of a row, bytes, how many rows are exact.

python tools/bench/squares.py [--rows 20] [--hidden 32] [--bits 3]     digits, 64-32-10; 20 % are for testing
python tools/bench/squares.py --mnist FOLDER [--rows 50]                784-128-10, 10 000 images for testing
python tools/bench/squares.py --mnist FOLDER --convolution [--rows 10]  8 filters of 5x5 at every second pixel, 100, 10

The network is a QuantNeuralNetClassifier or QuantConvNetClassifier with activation="square", the latter trained on
images that are moved by up to one pixel too. FOLDER is where examples/mnist/data.py has put its
file. CPU seconds are of this process, one thread; encrypted answers are compared with the circuit's own.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, TypeAlias

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cryptable as ct
import numpy as np
import torch
from cryptable.neural import QuantConvNetClassifier, QuantNeuralNetClassifier
from cryptable.neural.classifying import QuantClassifier
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import Evaluator, compile_circuit, interpret
from cryptable_protocol import encode_rows
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Split: TypeAlias = tuple[Any, ...]
"""Rows for training and testing, then their labels."""


def digits(hidden: int, bits: int) -> tuple[QuantNeuralNetClassifier, Split]:
    """Not fitted, and its data."""
    X, y = load_digits(return_X_y=True)
    network = QuantNeuralNetClassifier(
        (hidden,), activation="square", input_bits=bits, weight_bits=bits, output_weight_bits=bits, random_state=0
    )
    return network, tuple(train_test_split(X, y, test_size=0.2, random_state=0))


def images_of(folder: Path) -> Split:
    """MNIST, flat."""
    with np.load(folder / "mnist.npz") as file:
        images = [file[name].reshape(-1, 784).astype(np.float32) for name in ("train_images", "test_images")]
        labels = [file[name].astype(np.int64) for name in ("train_labels", "test_labels")]
    return (*images, *labels)


def convolutional(folder: Path) -> tuple[QuantConvNetClassifier, Split]:
    """A convolution and a hidden layer, and MNIST with copies for training whose images are moved."""
    X_train, X_test, y_train, y_test = images_of(folder)
    random, squares = np.random.default_rng(0), X_train.reshape(-1, 28, 28)
    moved = [
        np.stack([np.roll(image, shift, (0, 1)) for image, shift in zip(squares, shifts, strict=True)])
        for shifts in random.integers(-1, 2, (3, len(squares), 2)).tolist()
    ]
    network = QuantConvNetClassifier(
        (8,),
        kernel_size=5,
        stride=2,
        padding=2,
        pool_size=1,
        hidden_layer_sizes=(100,),
        activation="square",
        input_bits=2,
        weight_bits=2,
        output_weight_bits=3,
        max_epochs=5,
        batch_size=256,
        learning_rate=4e-3,
        random_state=0,
    )
    X_more = np.concatenate([X_train, *(images.reshape(-1, 784) for images in moved)])
    return network, (X_more, X_test, np.tile(y_train, 4), y_test)


def mnist(folder: Path) -> tuple[QuantNeuralNetClassifier, Split]:
    """The same of images of 28 x 28 pixels."""
    network = QuantNeuralNetClassifier(
        (128,),
        activation="square",
        input_bits=2,
        weight_bits=2,
        output_weight_bits=3,
        max_epochs=15,
        batch_size=128,
        learning_rate=4e-3,
        random_state=0,
    )
    return network, images_of(folder)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20, help="encrypted rows")
    parser.add_argument("--hidden", type=int, default=32, help="neurons that are squared, for digits")
    parser.add_argument("--bits", type=int, default=3, help="of inputs and weights, for digits")
    parser.add_argument("--epochs", type=int, help="of training")
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="MNIST instead of digits")
    parser.add_argument("--convolution", action="store_true", help="of MNIST, in front of 100 neurons")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    classifier: QuantClassifier
    if asked.mnist is None:
        classifier, split = digits(asked.hidden, asked.bits)
    else:
        classifier, split = (convolutional if asked.convolution else mnist)(asked.mnist)
    X_train, X_test, y_train, y_test = split
    if asked.epochs is not None:
        classifier.set_params(max_epochs=asked.epochs)
    classifier.fit(X_train, y_train)
    own = classifier.predict(X_test)
    model = ct.compile(classifier, X_train[:5000], show_progress=False)
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
