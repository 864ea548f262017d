"""A network trained with Brevitas' quantizers, on wines (178 of them, three growers): its own integers, encrypted.

What Brevitas has trained with is what a server computes: all scales are kept, so the circuit's scores are the module's,
for every wine. Between its layers there may be any function of one number. A rectifier is a good choice: the steps of a
quantizer behind it are evenly spaced, so a lookup need not know a sum to the last unit, and few bits of it are paid.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import cryptable as ct
import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of docstrings, when Python first compiles them
    from brevitas.export import export_qonnx
    from brevitas.nn import QuantIdentity, QuantLinear, QuantReLU

from examples.options import wants_fast


class WineNet(nn.Module):
    """13-8-3: a quantizer first, which the client takes over, then one before each layer."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale
        self.features = QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.hidden = QuantLinear(13, 8, bias=True, weight_bit_width=4)
        self.values = QuantReLU(bit_width=3, return_quant_tensor=True)
        self.scores = QuantLinear(8, 3, bias=True, weight_bit_width=4)

    def forward(self, wines: torch.Tensor) -> torch.Tensor:
        sums = self.hidden(self.features((wines - self.mean) / self.scale))
        scores: torch.Tensor = self.scores(self.values(sums))
        return scores


def train(wines: np.ndarray, growers: np.ndarray, epochs: int) -> WineNet:
    x, y = torch.tensor(wines), torch.tensor(growers)
    network = WineNet(x.mean(dim=0), x.std(dim=0))
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(epochs):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    return network.eval()


def exported(network: WineNet, wines: np.ndarray, folder: Path) -> Path:
    path = folder / "wine.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        export_qonnx(
            network,
            args=torch.tensor(wines[:1]),
            export_path=str(path),
            opset_version=17,
            dynamo=False,
            input_names=["wine"],
            dynamic_axes={"wine": {0: "rows"}},
        )
    return path


def main(fast: bool) -> None:
    torch.manual_seed(0)
    X, y = load_wine(return_X_y=True)
    X = X.astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    network = train(X_train, y_train, epochs=150 if fast else 400)
    with torch.no_grad():
        own = network(torch.tensor(X_test)).numpy()
    print(f"Brevitas: {np.mean(own.argmax(axis=1) == y_test):.3f} of {len(y_test)} wines go to their grower")

    with tempfile.TemporaryDirectory() as folder:
        model = ct.compile(exported(network, X_train, Path(folder)), X_train, name="wine", labels=range(3))
    scores = model.decision_function(X_test)
    off = np.abs(scores - own).max() / np.abs(own).max()
    print(f"the circuit's scores are Brevitas' own on all of them, but for single precision: {off:.1e} of the largest")
    assert off < 1e-5
    bill = model.explain()
    print(f"{bill.lookups} lookups of {bill.table_bits} bits, about {bill.cpu_seconds_predicted:.2g} s of CPU a wine")

    # Noise may lead a lookup to a neighbouring entry, which moves a score a little: those that are sure stay so.
    two_best = np.sort(scores, axis=1)[:, -2:]
    surest = np.argsort(two_best[:, 0] - two_best[:, 1])[: 2 if fast else 10]
    encrypted = model.predict(X_test[surest], mode="encrypted")
    print(f"encrypted: {encrypted}, in truth {y_test[surest]}")
    assert (encrypted == own[surest].argmax(axis=1)).all()


if __name__ == "__main__":
    main(wants_fast(__doc__))
