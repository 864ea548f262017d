"""Encrypted digits through a server: a network in torch, compiled, served, and asked by a client that draws digits.

The small case: scikit-learn's digits, 8 by 8 pixels, on a network of 64-32-10. README.md does the same with MNIST.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cryptable as ct
import numpy as np
import torch
from cryptable_client import connect
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from examples.mnist.networks import digits, train
from examples.options import wants_fast
from examples.serving import running_server

INK = " .:-=+*#%@"


def main(fast: bool) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    images = X.astype(np.float32).reshape(-1, 8, 8)
    train_images, test_images, train_labels, truth = train_test_split(images, y, test_size=360, random_state=0)
    network = train(digits(), train_images, train_labels, epochs=150 if fast else 400, shifts=0, verbose=False)
    # By lookups, which is what this example shows: scheme="auto" would turn tables by the bits of so small a network.
    model = ct.compile(network, train_images, name="digits", labels=range(10), scheme="bootstrapped")
    clear, simulated = (model.predict(test_images, mode=mode) for mode in ("clear", "simulate"))
    print(f"accuracy on {len(truth)} images: {np.mean(clear == truth):.3f} compiled")
    print(f"with the noise of encryption {np.mean(simulated == truth):.3f}: {np.mean(simulated == clear):.1%} the same")
    bill = model.explain()
    print(f"{bill.lookups} lookups of {bill.table_bits} bits, about {bill.cpu_seconds_predicted:.2g} s of CPU an image")

    # Noise may lead a lookup to a neighbouring entry, which moves a score a little: those that are sure stay so.
    two_best = np.sort(model.decision_function(test_images), axis=1)[:, -2:]
    surest = np.argsort(two_best[:, 0] - two_best[:, 1])[: 2 if fast else 10]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        model.save(folder / "models/digits.cryptable")
        with (
            running_server(folder) as (address, certificate),
            connect(address, model="digits", root_certificates=certificate) as remote,
        ):
            began = time.perf_counter()
            found = remote.predict(test_images[surest])
            seconds = time.perf_counter() - began
    for line in test_images[surest[0]]:
        print("".join(INK[min(9, int(pixel * 10 / 17))] * 2 for pixel in line))
    print(f"the server saw ciphertexts only; the client reads {found}, in truth {truth[surest]} ({seconds:.1f} s)")
    assert (found == clear[surest]).all()


if __name__ == "__main__":
    main(wants_fast(__doc__))
