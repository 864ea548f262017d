"""QuantConvNetwork: convolutions on small images, pooled before they are looked up, so that few lookups are needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cryptable.neural.activations import ActivationChoice
from cryptable.neural.image_sizes import fits
from cryptable.neural.network import Hidden, Precision, QuantNetwork, hidden_weights
from cryptable.neural.quantizers import qnn
from cryptable.neural.sparse_network import check_counts


class SumPool(nn.Module):
    """Sums of square windows of `size`: pooling by averages, but for a factor that the weights before it take in."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """(rows, channels, height, width) to the same with sides divided by `size`, rounded down."""
        return nn.functional.avg_pool2d(images, self.size, divisor_override=1)


class QuantConvNetwork(QuantNetwork):
    """Blocks of convolution, pooling and activation, then fully connected layers. One lookup a pooled pixel.

    Args:
        image_shape: (channels, height, width) of a row, which may also come flat.
        outputs: scores.
        channels: of each block.
        kernel_size: side of the convolutions.
        stride: pixels between their windows.
        padding: zeros around an image (pixels are numbers around 0), and around what each block makes of it.
        pool_size: side of the windows that are added up before the activation; 1 for none.
        hidden_layer_sizes: of fully connected layers behind the blocks.

    The other arguments are those of `SparseQuantNeuralNetwork`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        outputs: int,
        channels: Sequence[int] = (8,),
        *,
        kernel_size: int = 3,
        pool_size: int = 2,
        stride: int = 1,
        padding: int = 0,
        hidden_layer_sizes: Sequence[int] = (),
        activation: ActivationChoice = "triangle",
        kept_bits: int = 3,
        input_bits: int = 4,
        weight_bits: int = 6,
        value_bits: int = 3,
        output_weight_bits: int = 5,
        power_of_two_scales: bool = False,
        max_active_weights: int | None = None,
    ) -> None:
        precision = Precision(
            activation=activation,
            kept_bits=kept_bits,
            input_bits=input_bits,
            weight_bits=weight_bits,
            value_bits=value_bits,
            output_weight_bits=output_weight_bits,
            power_of_two_scales=power_of_two_scales,
        )
        super().__init__(precision)
        check_counts((*channels, *hidden_layer_sizes), max_active_weights)
        self.image_shape = image_shape
        before, step = image_shape[0], precision.input_step
        for block, count in enumerate(channels):
            self._add_block(before, count, kernel_size, pool_size, stride, padding, step=step)
            before, step = count, precision.value_step
            self._check_size(block, kernel_size, pool_size)
        size = int(self._features(torch.zeros(1, *image_shape)).shape[1])
        self.hidden.append(nn.Flatten())
        for neurons in hidden_layer_sizes:
            self.add_dense(size, neurons, step=step, max_active_weights=max_active_weights)
            size, step = neurons, precision.value_step
        self.set_output(size, outputs, max_active_weights=max_active_weights)

    def _add_block(
        self, before: int, count: int, kernel_size: int, pool_size: int, stride: int, padding: int, *, step: float
    ) -> None:
        # Neighbouring pixels are alike, so their sum grows with their number rather than with its root.
        fan_in = before * kernel_size**2 * pool_size**4
        arguments, dropped, deviation = hidden_weights(self.precision, fan_in, step)
        convolution = qnn.QuantConv2d(before, count, kernel_size, stride, padding, bias=False, **arguments)
        nn.init.normal_(convolution.weight, std=deviation)
        sums = nn.Sequential(convolution, SumPool(pool_size)) if pool_size > 1 else convolution
        self.hidden.append(Hidden(sums, self.register(count, dropped)))

    def _check_size(self, block: int, kernel_size: int, pool_size: int) -> None:
        with fits(self.image_shape, block, kernel_size, pool_size):
            self._features(torch.zeros(1, *self.image_shape))

    def _features(self, images: Tensor) -> Tensor:
        for layer in self.hidden:
            images = layer(images)
        return images.flatten(1)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows, flat or as images, to scores of shape (rows, scores)."""
        return super().forward(rows.reshape(-1, *self.image_shape))
