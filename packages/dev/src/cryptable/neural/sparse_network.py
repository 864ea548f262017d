"""SparseQuantNeuralNetwork: a fully connected Brevitas module, trained with the very rounding of its lookups."""

from __future__ import annotations

from collections.abc import Sequence

from cryptable_protocol import InvalidInputError

from cryptable.neural.activations import ActivationChoice
from cryptable.neural.network import Precision, QuantNetwork


class SparseQuantNeuralNetwork(QuantNetwork):
    """Fully connected, quantized, and sparse where asked for. One lookup a hidden neuron; all else is free.

    Args:
        inputs: features of a row. Rows are expected to have about unit variance: they are cut off at -2 and 2.
        outputs: scores.
        hidden_layer_sizes: neurons of each hidden layer; none for a linear model.
        activation: "triangle", "sine", "relu", "tanh", or one of torch, such as torch.nn.ReLU6, see `activations`.
        kept_bits: of each sum, looked up: what a lookup costs.
        input_bits: of each feature.
        weight_bits: of the hidden layers' weights.
        value_bits: an activation is one of 2^value_bits + 1 levels.
        output_weight_bits: of the last layer's weights.
        power_of_two_scales: whether the step of the last layer's weights is a power of two; those of the hidden layers
            always are.
        max_active_weights: of each neuron and each score; None for all.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden_layer_sizes: Sequence[int] = (32,),
        *,
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
        check_counts(hidden_layer_sizes, max_active_weights)
        before, step = inputs, precision.input_step
        for neurons in hidden_layer_sizes:
            self.add_dense(before, neurons, step=step, max_active_weights=max_active_weights)
            before, step = neurons, precision.value_step
        self.set_output(before, outputs, max_active_weights=max_active_weights)


def check_counts(hidden_layer_sizes: Sequence[int], max_active_weights: int | None) -> None:
    """Raises InvalidInputError where a layer would be empty."""
    if any(not isinstance(neurons, int) or neurons < 1 for neurons in hidden_layer_sizes):
        raise InvalidInputError(f"hidden_layer_sizes is {hidden_layer_sizes!r}, expected positive numbers")
    if max_active_weights is not None and max_active_weights < 1:
        raise InvalidInputError(f"max_active_weights is {max_active_weights}, expected a positive number or None")
