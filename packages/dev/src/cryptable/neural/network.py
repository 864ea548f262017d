"""QuantNetwork: what the networks here have in common: quantized rows, hidden layers of registers, scores."""

from __future__ import annotations

import math

from cryptable_protocol import InvalidInputError
from torch import Tensor, nn

from cryptable.neural.activations import ActivationChoice
from cryptable.neural.pruning import keep_largest
from cryptable.neural.quantizers import fixed_weights, qnn, scaled_weights, signed_values
from cryptable.neural.register import Register

INPUT_RANGE = 2.0
"""Rows are quantized from minus this to this."""
_GAIN = 0.25
"""Standard deviation of a sum at first, as a part of the ring."""
_WIDEST = 4.0
"""Weights can grow to this many times their standard deviation at first."""


class Hidden(nn.Module):
    """One hidden layer: a sum of each neuron, and a register."""

    def __init__(self, sums: nn.Module, register: Register) -> None:
        super().__init__()
        self.sums, self.register = sums, register

    def forward(self, values: Tensor) -> Tensor:
        """Values to values, from -1 to 1."""
        found: Tensor = self.register(self.sums(values))
        return found


class Precision:
    """How fine the numbers of a network are; `SparseQuantNeuralNetwork` explains the arguments."""

    def __init__(
        self,
        *,
        activation: ActivationChoice,
        kept_bits: int,
        input_bits: int,
        weight_bits: int,
        value_bits: int,
        output_weight_bits: int,
        power_of_two_scales: bool,
    ) -> None:
        for name, bits, least, most in (
            ("kept_bits", kept_bits, 1, 7),
            ("input_bits", input_bits, 2, 12),
            ("weight_bits", weight_bits, 2, 12),
            ("value_bits", value_bits, 1, 8),
            ("output_weight_bits", output_weight_bits, 2, 12),
        ):
            if not least <= bits <= most:
                raise InvalidInputError(f"{name} is {bits}, expected {least} to {most}")
        self.activation, self.kept_bits, self.input_bits = activation, kept_bits, input_bits
        self.weight_bits, self.value_bits, self.output_weight_bits = weight_bits, value_bits, output_weight_bits
        self.power_of_two_scales = power_of_two_scales

    @property
    def input_step(self) -> float:
        """Between two values of a row."""
        return INPUT_RANGE / (1 << (self.input_bits - 1))

    @property
    def value_step(self) -> float:
        """Between two values of a hidden layer."""
        return 2.0 / (1 << self.value_bits)


def hidden_weights(precision: Precision, fan_in: int, step: float) -> tuple[dict[str, object], int, float]:
    """For a hidden layer whose inputs are multiples of `step`: arguments for Brevitas, dropped bits, deviation.

    Weights times inputs are multiples of 2^-dropped_bits of a position, as fine as the weights' bits allow.
    """
    deviation = _GAIN * float(2 << precision.kept_bits) / math.sqrt(fan_in)
    largest = (1 << (precision.weight_bits - 1)) - 1
    dropped = max(1, math.floor(math.log2(largest / (_WIDEST * deviation * step))))
    return fixed_weights(precision.weight_bits, 2.0**-dropped / step), dropped, deviation


class QuantNetwork(nn.Module):
    """Rows are rounded to `input_bits`, pass hidden layers, and a last linear layer gives scores."""

    def __init__(self, precision: Precision) -> None:
        super().__init__()
        self.precision = precision
        self.rows = signed_values(precision.input_bits, precision.input_step)
        self.hidden = nn.ModuleList()
        self.output: nn.Module = nn.Identity()

    def add_dense(self, inputs: int, neurons: int, *, step: float, max_active_weights: int | None) -> None:
        """One more hidden layer, fully connected."""
        fan_in = inputs if max_active_weights is None else min(inputs, max_active_weights)
        arguments, dropped, deviation = hidden_weights(self.precision, fan_in, step)
        layer = qnn.QuantLinear(inputs, neurons, bias=False, **arguments)
        nn.init.normal_(layer.weight, std=deviation)
        keep_largest(layer, max_active_weights)
        self.hidden.append(Hidden(layer, self.register(neurons, dropped)))

    def register(self, channels: int, dropped_bits: int) -> Register:
        """Of one hidden layer."""
        precision = self.precision
        return Register(
            channels,
            kept_bits=precision.kept_bits,
            activation=precision.activation,
            value_bits=precision.value_bits,
            dropped_bits=dropped_bits,
        )

    def set_output(self, inputs: int, scores: int, *, max_active_weights: int | None) -> None:
        """The last layer."""
        precision = self.precision
        arguments = scaled_weights(precision.output_weight_bits, power_of_two=precision.power_of_two_scales)
        self.output = qnn.QuantLinear(inputs, scores, bias=True, **arguments)
        keep_largest(self.output, max_active_weights)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows, roughly of unit variance, to scores of shape (rows, scores)."""
        values = self.rows(rows)
        for layer in self.hidden:
            values = layer(values)
        scores: Tensor = self.output(values.flatten(1))
        return scores
