"""SquaredNetwork: a module whose activation is the square, exact in integers under encryption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from cryptable_protocol import InvalidInputError
from torch import Tensor, nn

from cryptable.neural.image_sizes import fits
from cryptable.neural.learned_steps import Stepped, SteppedConvolution, SteppedLinear
from cryptable.neural.network import Precision, QuantNetwork
from cryptable.neural.quantizers import round_ste
from cryptable.neural.sparse_network import check_counts

SQUARE = "square"
"""The activation's name."""
_MOMENTUM = 0.05
"""Of the running size of sums: what a batch weighs."""


class Squared(nn.Module):
    """One hidden layer: sums of quantized weights, divided by their size (root mean square), and squared.

    The size is one number for the layer, so that the weights after it can take it in, and integers need none. Without
    it, values behind a second square would be of any size, and would not train. In training it is the batch's.
    """

    def __init__(self, sums: Stepped) -> None:
        super().__init__()
        self.sums = sums
        self.size: Tensor
        self.register_buffer("size", torch.zeros(()))  # until a batch is seen

    def whole_bias(self, unit: Tensor) -> Tensor:
        """In multiples of what one unit of the sums stands for, shape (neurons,) or (filters,)."""
        rounded: Tensor = round_ste(self.sums.bias / unit)
        return rounded

    def forward(self, values: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Values that are multiples of `unit` to those of the layer, and what they are multiples of."""
        unit = self.sums.step.detach() * unit
        sums = self.sums(values)
        sums = sums + (self.whole_bias(unit) * unit).reshape(-1, *(1 for _ in sums.shape[2:]))
        size = self.size
        if self.training:
            size = sums.square().mean().sqrt()
            with torch.no_grad():
                self.size.lerp_(size, _MOMENTUM if self.size > 0 else 1.0)
        return (sums / size).square(), (unit / size.detach()).square()


@dataclass(frozen=True)
class Convolutions:
    """Blocks in front of the fully connected layers: the arguments of `QuantConvNetwork`."""

    image_shape: tuple[int, int, int]
    channels: Sequence[int]
    kernel_size: int
    stride: int
    padding: int
    pool_size: int


class SquaredNetwork(QuantNetwork):
    """Convolutions, if any, and fully connected layers, quantized, without a lookup: each sum is squared.

    Args:
        inputs: features of a row, as for `SparseQuantNeuralNetwork`.
        outputs: scores.
        hidden_layer_sizes: neurons of each hidden layer.
        precision: how fine its numbers are; scores take about 2^layers times the bits of inputs and first weights.
        max_active_weights: of each neuron and each score; None for all.
        convolutions: in front; None for none.

    Raises:
        InvalidInputError: no hidden layer at all, or images that are too small.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden_layer_sizes: Sequence[int],
        *,
        precision: Precision,
        max_active_weights: int | None,
        convolutions: Convolutions | None = None,
    ) -> None:
        super().__init__(precision)
        channels = () if convolutions is None else convolutions.channels
        check_counts((*channels, *hidden_layer_sizes), max_active_weights)
        if not hidden_layer_sizes and not channels:
            raise InvalidInputError('activation="square" needs a hidden layer: hidden_layer_sizes is empty')
        self.row_shape: tuple[int, ...] = (inputs,) if convolutions is None else convolutions.image_shape
        before = inputs
        if convolutions is not None:
            before = self._add_convolutions(convolutions)
        for neurons in hidden_layer_sizes:
            self.hidden.append(Squared(SteppedLinear(before, neurons, precision.weight_bits, max_active_weights)))
            before = neurons
        self.output = SteppedLinear(before, outputs, precision.output_weight_bits, max_active_weights)

    def _add_convolutions(self, how: Convolutions) -> int:
        """Values of a row behind them."""
        images = torch.zeros(1, *how.image_shape)
        for block, filters in enumerate(how.channels):
            sums = SteppedConvolution(
                images.shape[1],
                filters,
                how.kernel_size,
                stride=how.stride,
                padding=how.padding,
                pool_size=how.pool_size,
                bits=self.precision.weight_bits,
            )
            with fits(how.image_shape, block, how.kernel_size, how.pool_size), torch.no_grad():
                images = sums(images)
            self.hidden.append(Squared(sums))
        return images.numel()

    def forward(self, rows: Tensor) -> Tensor:
        """Rows, roughly of unit variance, to scores of shape (rows, scores)."""
        values, unit = self.rows(rows).reshape(-1, *self.row_shape), torch.tensor(self.precision.input_step)
        for layer in self.hidden:
            values, unit = layer(values, unit)
        scores: Tensor = self.output(values) + self.output.bias
        return scores
