"""The networks of the example, and how they are trained in torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn


def mlp() -> nn.Module:
    """784-128-10, on pixels of 0 .. 255."""
    return nn.Sequential(Scale(), nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))


def lenet() -> nn.Module:
    """Two convolutions with strides, and two fully connected layers: 1660 lookups."""
    return nn.Sequential(
        Scale(),
        nn.Unflatten(1, (1, 28)),
        nn.Conv2d(1, 6, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(6, 16, 5, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(400, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def digits() -> nn.Module:
    """64-32-10, for scikit-learn's digits: pixels of 0 .. 16."""
    return nn.Sequential(Scale(16), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


class Scale(nn.Module):
    """Pixels of 0 .. `highest` to 0 .. 1."""

    def __init__(self, highest: int = 255) -> None:
        super().__init__()
        self.highest = highest

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Any shape."""
        return pixels / self.highest


NETWORKS: dict[str, Callable[[], nn.Module]] = {"mlp": mlp, "lenet": lenet}


def train(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: int,
    shifts: int = 1,
    verbose: bool = True,
) -> nn.Module:
    """Adam with a falling rate; images are shifted by up to `shifts` pixels, so that they are not learnt by heart."""
    x, y = torch.tensor(images), torch.tensor(labels)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    steps = epochs * (len(x) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    network.train()
    for epoch in range(epochs):
        order = torch.randperm(len(x))
        for batch in order[: len(x) // 128 * 128].split(128):
            moved = torch.roll(x[batch], tuple(torch.randint(-shifts, shifts + 1, (2,)).tolist()), (1, 2))
            loss = nn.functional.cross_entropy(network(moved), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if verbose:
            print(f"epoch {epoch + 1} of {epochs}: loss {loss.item():.3f}", flush=True)
    return network.eval()
