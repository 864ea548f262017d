"""The networks of against_concrete_ml.py: one float network for both sides, or each side's own quantized training.

Loaded in Concrete ML's environment as well as in ours, so everything but torch is imported where it is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

ROUNDING_BITS = 6
"""Concrete ML's networks keep as many bits of a sum before a lookup: several times cheaper than all of them."""
SQUARES: dict[str, Any] = {
    "hidden_layer_sizes": (32,),
    "activation": "square",
    "input_bits": 3,
    "weight_bits": 3,
    "output_weight_bits": 3,
}
"""Our way to train a network of 64-32-10 for encryption that costs least; three bits, as the other side's weights."""
Prepared = tuple[dict[str, Any], Callable[[int], object]]


def float_network(kind: str) -> nn.Module:
    """64-32-10, or eight filters of 3x3, means of 2x2 and a fully connected layer, for digits of 8x8 pixels."""
    if kind == "mlp":
        return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(72, 10))


def brevitas_network() -> nn.Module:
    """64-32-10 with 3-bit weights and activations."""
    import brevitas.nn as qnn

    return nn.Sequential(
        qnn.QuantIdentity(bit_width=4, return_quant_tensor=True),
        qnn.QuantLinear(64, 32, bias=True, weight_bit_width=3),
        qnn.QuantReLU(bit_width=3, return_quant_tensor=True),
        qnn.QuantLinear(32, 10, bias=True, weight_bit_width=3),
    )


def images(rows: Any, kind: str) -> Any:  # noqa: ANN401
    """Digits as the network takes them, pixels from 0 to 1."""
    scaled = (np.asarray(rows) / 16).astype(np.float32)
    return scaled.reshape(-1, 1, 8, 8) if kind == "cnn" else scaled


def trained(network: nn.Module, rows: Any, target: Any, epochs: int = 80) -> nn.Module:  # noqa: ANN401
    """The same training for every network here."""
    inputs, labels = torch.tensor(rows), torch.tensor(target)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3, weight_decay=3e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(32):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(inputs[batch]), labels[batch], label_smoothing=0.1)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    return network.eval()


def accuracy(network: nn.Module, rows: Any, target: Any) -> float:  # noqa: ANN401
    """Of a torch module in the clear."""
    with torch.no_grad():
        scores = network(torch.tensor(rows))
    return float(np.mean(np.asarray(getattr(scores, "value", scores)).argmax(axis=1) == target))


def seeded() -> None:
    """Both sides draw the same numbers, and take one core for training."""
    random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)


def prepare_concrete_ml_network(kind: str, how: str, data: tuple[Any, Any, Any, Any]) -> Prepared:
    """Concrete ML: a float network quantized after training ("after"), or its own of quantized training ("trained")."""
    from concrete.ml.torch.compile import compile_brevitas_qat_model, compile_torch_model

    seeded()
    train_rows, test_rows, train_target, test_target = data
    train_rows, test_rows = images(train_rows, kind), images(test_rows, kind)
    network = trained(float_network(kind) if how == "after" else brevitas_network(), train_rows, train_target)
    make = {"rounding_threshold_bits": ROUNDING_BITS}
    if how == "after":
        quantized = compile_torch_model(network, train_rows, n_bits=6, **make)
    else:
        quantized = compile_brevitas_qat_model(network, train_rows, **make)
    quantized.fhe_circuit.keygen()
    scores = quantized.forward(test_rows, fhe="disable")
    facts = {
        "float_score": accuracy(network, test_rows, test_target),
        "score": float(np.mean(scores.argmax(axis=1) == test_target)),
        "lookups": int(quantized.fhe_circuit.programmable_bootstrap_count),
    }
    return facts, lambda index: quantized.forward(test_rows[index : index + 1], fhe="execute")


def prepare_concrete_ml_estimator(data: tuple[Any, Any, Any, Any]) -> Prepared:
    """Its NeuralNetClassifier of one hidden layer, all else default; pixels from 0 to 1, other features standardised.

    Standardised, digits have pixels of 15 deviations, which spoil its quantizers (0.41 of the test set are right then).
    """
    from concrete.ml.sklearn import NeuralNetClassifier
    from sklearn.preprocessing import StandardScaler

    seeded()
    train_rows, test_rows, train_target, test_target = data
    if train_rows.shape[1] == 64:
        train_rows, test_rows = images(train_rows, "mlp"), images(test_rows, "mlp")
    else:
        scaler = StandardScaler().fit(train_rows)
        train_rows, test_rows = (scaler.transform(rows).astype(np.float32) for rows in (train_rows, test_rows))
    model, reference = NeuralNetClassifier(module__n_layers=2, max_epochs=30, verbose=0).fit_benchmark(
        train_rows, train_target.astype(np.int64)
    )
    model.compile(train_rows)
    model.fhe_circuit.keygen()
    facts = {
        "float_score": float(np.mean(reference.predict(test_rows) == test_target)),
        "score": float(np.mean(model.predict(test_rows) == test_target)),
        "lookups": int(model.fhe_circuit.programmable_bootstrap_count),
    }
    return facts, lambda index: model.predict(test_rows[index : index + 1], fhe="execute")


def prepare_cryptable_network(kind: str, how: str, data: tuple[Any, Any, Any, Any]) -> Prepared:
    """Ours: the float network quantized after training, or `cryptable.neural`, of squares or with its defaults."""
    import cryptable

    seeded()
    train_rows, test_rows, train_target, test_target = data
    if how == "after":
        train_rows, test_rows = images(train_rows, kind), images(test_rows, kind)
        network = trained(float_network(kind), train_rows, train_target)
        score = accuracy(network, test_rows, test_target)
        model = cryptable.compile(network, train_rows, labels=range(10))
    else:
        options = SQUARES if how == "trained" else {}
        estimator = cryptable.neural.QuantNeuralNetClassifier(random_state=0, **options).fit(train_rows, train_target)
        score = float(estimator.score(test_rows, test_target))
        model = cryptable.compile(estimator, train_rows)
    facts = {
        "float_score": score,
        "score": float(np.mean(model.predict(test_rows) == test_target)),
        "lookups": int(model.circuit.lookups),
        "scheme": model.artifact.client_spec.scheme,
    }
    return facts, lambda index: model.predict(test_rows[index : index + 1], mode="encrypted")
