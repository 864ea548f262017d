"""SteppedLinear: a linear layer whose weights are multiples of a step that is learned with them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from cryptable.neural.pruning import keep_largest


class _Rounded(torch.autograd.Function):
    """step * round(clip(weight / step, -most, most)), with a gradient for the step.

    As Esser et al. give it (Learned Step Size Quantization, 2020, equations 1 to 3 and section 2.2): within the clip
    the step's gradient is what rounding moved a weight by, outside it is the end; all divided by √(weights · most).
    """

    @staticmethod
    def forward(context: Any, weight: Tensor, step: Tensor, most: int) -> Tensor:  # noqa: ANN401
        whole = weight / step
        rounded = whole.clamp(-most, most).round()
        context.save_for_backward(whole, rounded)
        context.most = most
        return rounded * step

    @staticmethod
    def backward(context: Any, *gradients: Any) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        (gradient,) = gradients
        whole, rounded = context.saved_tensors
        inside = whole.abs() <= context.most
        by_step = torch.where(inside, rounded - whole, rounded)
        scale = 1 / math.sqrt(whole.numel() * context.most)
        return gradient * inside, (gradient * by_step).sum() * scale, None


class SteppedLinear(nn.Module):
    """Sums of values times weights that are step * (-most .. most), most being 2^(bits - 1) - 1; biases are added.

    Args:
        inputs: values of a row.
        outputs: sums.
        bits: of a weight.
        max_active_weights: of each sum; None for all.
    """

    def __init__(self, inputs: int, outputs: int, bits: int, max_active_weights: int | None) -> None:
        super().__init__()
        self.most = (1 << (bits - 1)) - 1
        deviation = 1 / math.sqrt(min(inputs, max_active_weights or inputs))
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * deviation)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.step = nn.Parameter(2 * self.weight.detach().abs().mean() / math.sqrt(self.most))
        keep_largest(self, max_active_weights)

    def whole_weights(self) -> Tensor:
        """Integers, shape (outputs, inputs)."""
        return (self.weight / self.step).clamp(-self.most, self.most).round()

    def forward(self, values: Tensor) -> Tensor:
        """Shape (rows, inputs) to (rows, outputs), without the biases."""
        weights: Tensor = _Rounded.apply(self.weight, self.step, self.most)  # type: ignore[no-untyped-call]
        return values @ weights.T
