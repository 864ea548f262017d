"""SquaredNetwork: a fully connected module whose activation is the square, exact in integers under encryption."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from cryptable_protocol import InvalidInputError
from torch import Tensor, nn

from cryptable.neural.learned_steps import SteppedLinear
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

    def __init__(self, inputs: int, neurons: int, weight_bits: int, max_active_weights: int | None) -> None:
        super().__init__()
        self.sums = SteppedLinear(inputs, neurons, weight_bits, max_active_weights)
        self.size: Tensor
        self.register_buffer("size", torch.zeros(()))  # until a batch is seen

    def whole_bias(self, unit: Tensor) -> Tensor:
        """In multiples of what one unit of the sums stands for, shape (neurons,)."""
        rounded: Tensor = round_ste(self.sums.bias / unit)
        return rounded

    def forward(self, values: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Values that are multiples of `unit` to those of the layer, and what they are multiples of."""
        unit = self.sums.step.detach() * unit
        sums = self.sums(values) + self.whole_bias(unit) * unit
        size = self.size
        if self.training:
            size = sums.square().mean().sqrt()
            with torch.no_grad():
                self.size.lerp_(size, _MOMENTUM if self.size > 0 else 1.0)
        return (sums / size).square(), (unit / size.detach()).square()


class SquaredNetwork(QuantNetwork):
    """Fully connected, quantized, without a lookup: each hidden neuron's sum is squared.

    Args:
        inputs: features of a row, as for `SparseQuantNeuralNetwork`.
        outputs: scores.
        hidden_layer_sizes: neurons of each hidden layer, at least one layer.
        precision: how fine its numbers are; scores take about 2^layers times the bits of inputs and first weights.
        max_active_weights: of each neuron and each score; None for all.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden_layer_sizes: Sequence[int],
        *,
        precision: Precision,
        max_active_weights: int | None,
    ) -> None:
        super().__init__(precision)
        check_counts(hidden_layer_sizes, max_active_weights)
        if not hidden_layer_sizes:
            raise InvalidInputError('activation="square" needs a hidden layer: hidden_layer_sizes is empty')
        before = inputs
        for neurons in hidden_layer_sizes:
            self.hidden.append(Squared(before, neurons, precision.weight_bits, max_active_weights))
            before = neurons
        self.output = SteppedLinear(before, outputs, precision.output_weight_bits, max_active_weights)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows, roughly of unit variance, to scores of shape (rows, scores)."""
        values, unit = self.rows(rows), torch.tensor(self.precision.input_step)
        for layer in self.hidden:
            values, unit = layer(values, unit)
        scores: Tensor = self.output(values) + self.output.bias
        return scores
