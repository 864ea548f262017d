"""Linear layers and convolutions whose weights are multiples of a step that is learned with them."""

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


class Stepped(nn.Module):
    """Sums of values times weights that are step * (-most .. most), most being 2^(bits - 1) - 1; biases are added.

    Args:
        shape: of the weights, sums first.
        fan_in: weights of a sum that are not zero.
        bits: of a weight.
    """

    def __init__(self, shape: tuple[int, ...], fan_in: int, bits: int) -> None:
        super().__init__()
        self.most = (1 << (bits - 1)) - 1
        self.weight = nn.Parameter(torch.randn(shape) / math.sqrt(fan_in))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.step = nn.Parameter(2 * self.weight.detach().abs().mean() / math.sqrt(self.most))

    def whole_weights(self) -> Tensor:
        """Integers, of the weights' shape."""
        return (self.weight / self.step).clamp(-self.most, self.most).round()

    def rounded(self) -> Tensor:
        """The weights, with gradients for them and for the step."""
        found: Tensor = _Rounded.apply(self.weight, self.step, self.most)  # type: ignore[no-untyped-call]
        return found

    def matrix(self, shape: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
        """The integers as a matrix of shape (sums, values), for values of `shape`; and the shape of the sums."""
        raise NotImplementedError


class SteppedLinear(Stepped):
    """A fully connected layer.

    Args:
        inputs: values of a row.
        outputs: sums.
        bits: of a weight.
        max_active_weights: of each sum; None for all.
    """

    def __init__(self, inputs: int, outputs: int, bits: int, max_active_weights: int | None) -> None:
        super().__init__((outputs, inputs), min(inputs, max_active_weights or inputs), bits)
        keep_largest(self, max_active_weights)

    def matrix(self, shape: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:  # noqa: ARG002  (values of any)
        """See `Stepped`."""
        weights = self.whole_weights()
        return weights, (len(weights),)

    def forward(self, values: Tensor) -> Tensor:
        """Shape (rows, ...) to (rows, outputs), without the biases."""
        return values.flatten(1) @ self.rounded().T


class SteppedConvolution(Stepped):
    """A convolution of images, whose biases are one a filter; sums are added up in squares of `pool_size`.

    Args:
        channels: of an image.
        filters: channels of the sums.
        size: side of a window.
        stride: between windows.
        padding: zeros around an image.
        pool_size: side of what is added up; 1 for nothing.
        bits: of a weight.
    """

    def __init__(
        self, channels: int, filters: int, size: int, *, stride: int, padding: int, pool_size: int, bits: int
    ) -> None:
        # Neighbouring pixels are alike, so their sum grows with their number rather than with its root.
        super().__init__((filters, channels, size, size), channels * size**2 * pool_size**4, bits)
        self.stride, self.padding, self.pool_size = stride, padding, pool_size

    def matrix(self, shape: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
        """See `Stepped`: a linear map is what it makes of a basis."""
        images = self._sums(torch.eye(math.prod(shape)).reshape(-1, *shape), self.whole_weights())
        return images.flatten(1).T, tuple(images.shape[1:])

    def _sums(self, images: Tensor, weights: Tensor) -> Tensor:
        sums = nn.functional.conv2d(images, weights, stride=self.stride, padding=self.padding)
        if self.pool_size == 1:
            return sums
        return nn.functional.avg_pool2d(sums, self.pool_size, divisor_override=1)

    def forward(self, images: Tensor) -> Tensor:
        """Shape (rows, channels, height, width) to (rows, filters, ...), without the biases."""
        return self._sums(images, self.rounded())
