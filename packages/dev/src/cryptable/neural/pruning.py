"""Pruning while training: of each neuron's weights, only the largest are there."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class Largest(nn.Module):
    """Keeps the `count` largest weights of each row. Gradients reach all of them, so one that grows comes back."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, weight: Tensor) -> Tensor:
        """Weights of shape (neurons, ...), the others zero."""
        flat = weight.detach().abs().flatten(1)
        if self.count >= flat.shape[1]:
            return weight
        kept = torch.zeros_like(flat).scatter_(1, flat.topk(self.count, dim=1).indices, 1.0).view_as(weight)
        return weight + (weight * kept - weight).detach()


def keep_largest(layer: nn.Module, count: int | None) -> None:
    """Prune a layer's weight from now on; None for not at all."""
    if count is not None:
        parametrize.register_parametrization(layer, "weight", Largest(count))
