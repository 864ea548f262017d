"""QuantNeuralNetClassifier: a fully connected network with the interface of a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptable.neural.activations import ActivationChoice
from cryptable.neural.base import Callbacks, Parameters
from cryptable.neural.classifying import ClassWeight, QuantClassifier
from cryptable.neural.network import QuantNetwork


class QuantNeuralNetClassifier(QuantClassifier):
    """A network of few, cheap lookups, trained with their very rounding. Raw features go in: scaling is built in.

    Args:
        hidden_layer_sizes: as all down to `max_active_weights`, see `SparseQuantNeuralNetwork`.
        activation: of the hidden layers, a name or one of torch, such as torch.nn.ReLU6; "square" makes a network
            without lookups, for the scheme squares (see below).
        kept_bits: of each sum, looked up: what a lookup costs.
        input_bits: of each feature; values further than 3 standard deviations from the mean are cut off.
        weight_bits: of the hidden layers' weights.
        value_bits: of an activation.
        output_weight_bits: of the last layer's weights.
        power_of_two_scales: for the last layer's weights too.
        max_active_weights: of each neuron and each score; None for all.
        max_epochs: passes over the training rows.
        batch_size: rows of one step.
        learning_rate: the highest; it rises, then falls over the epochs (one cycle).
        weight_decay: of AdamW.
        early_stopping: whether to stop, and to take the best weights, once the loss on rows that are held out has not
            fallen for `patience` epochs.
        validation_fraction: of the rows, held out for it.
        patience: see there.
        class_weight: None, "balanced", or a weight for each label.
        callbacks: of skorch, instances or (name, instance) pairs: called at each step of the training.
        skorch_params: further arguments of skorch's net, such as `optimizer`, which replace those given by this class.
        random_state: seed; a fit with the same one on the same machine gives the same network.
        verbose: 1 prints a line an epoch.

    With activation="square" each sum is squared, and exact: `kept_bits` and `value_bits` mean nothing, and scores take
    about twice the bits of inputs and of hidden weights, those of the last layer once, so few are best where they are
    counted twice: input_bits=3, weight_bits=3, output_weight_bits=4 are enough for digits.

    Attributes:
        classes_: labels, shape (classes,).
        module_: the trained Brevitas module.
        history_: what skorch has recorded, one dict an epoch.
        n_iter_: epochs trained.
        teacher_agreement_: after `distill`: how it answers beside its teacher.
    """

    def __init__(
        self,
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
        max_epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        weight_decay: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        class_weight: ClassWeight = None,
        callbacks: Callbacks = None,
        skorch_params: Parameters | None = None,
        random_state: Any = None,  # noqa: ANN401
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kept_bits = kept_bits
        self.input_bits = input_bits
        self.weight_bits = weight_bits
        self.value_bits = value_bits
        self.output_weight_bits = output_weight_bits
        self.power_of_two_scales = power_of_two_scales
        self.max_active_weights = max_active_weights
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.skorch_params = skorch_params
        self.random_state = random_state
        self.verbose = verbose

    def _network(self) -> QuantNetwork:
        return self._dense(self._outputs)
