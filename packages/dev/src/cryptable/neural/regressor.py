"""QuantNeuralNetRegressor: a fully connected network with the interface of a scikit-learn regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from cryptable_protocol import Link
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNetRegressor
from torch import nn

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integer_squares import TrainedSquares
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.neural.activations import ActivationChoice
from cryptable.neural.base import Callbacks, NetClass, Parameters, QuantEstimator, Rows, Target
from cryptable.neural.distilling import DEFAULT_HELD_OUT, split
from cryptable.neural.network import QuantNetwork
from cryptable.neural.teachers import lesson


class QuantNeuralNetRegressor(RegressorMixin, QuantEstimator):  # type: ignore[misc]
    """A network of few, cheap lookups, trained with their very rounding. Features and targets are scaled inside.

    The arguments are those of `QuantNeuralNetClassifier`, but for `class_weight`, and `weight_decay`, which by default
    is 160 divided by the number of training rows, at most 0.5: few rows of noisy targets would be learnt by heart.
    `activation="square"` is as there. Targets may be of shape (rows,) or (rows, targets).

    Attributes:
        module_: the trained Brevitas module, whose scores are targets in standard deviations from their mean.
        target_mean_, target_scale_: that mean and deviation, shape (targets,).
        history_: what skorch has recorded, one dict an epoch.
        n_iter_: epochs trained.
        teacher_agreement_: after `distill`: how it predicts beside its teacher.
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
        weight_decay: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
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
        self.callbacks = callbacks
        self.skorch_params = skorch_params
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Rows, y: Target) -> Self:
        """Train on rows of shape (rows, features) and targets of shape (rows,) or (rows, targets).

        Raises:
            InvalidInputError: an argument of the constructor out of its range.
            ValueError: rows or targets that scikit-learn does not take.
        """
        rows, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True, multi_output=True)
        self._learn(rows, np.asarray(targets, np.float64))
        return self

    def distill(self, teacher: Any, X: Rows, *, held_out: float = DEFAULT_HELD_OUT) -> Self:  # noqa: ANN401
        """Train on what a fitted model predicts for rows of shape (rows, features), which need no targets.

        Args:
            teacher: a torch module, or whatever has `predict`: its predictions are the targets.
            X: rows, as the teacher takes them.
            held_out: fraction of them that `teacher_agreement_` is of.

        Raises:
            InvalidInputError: an argument out of its range, or a teacher that predicts nothing.
            NotFittedError: it is a class.
            ValueError: rows that scikit-learn does not take.
        """
        rows, told = self._rows_to_fit(X), lesson(teacher, X, classifies=False)
        kept, held = split(len(rows), held_out, self.random_state)
        targets = told.scores[:, 0] if told.scores.shape[1] == 1 else told.scores
        self._learn(rows[kept], targets[kept])
        self.teacher_agreement_ = told.part(held).beside(self._scores(rows[held]))
        return self

    def _learn(self, rows: FloatArray, targets: FloatArray) -> None:
        self._flat = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        self.target_mean_, deviation = targets.mean(axis=0), targets.std(axis=0)
        self.target_scale_ = np.where(deviation > 0, deviation, 1.0)
        self._train(rows, ((targets - self.target_mean_) / self.target_scale_).astype(np.float32))

    def _network(self) -> QuantNetwork:
        return self._dense(len(self.target_mean_))

    def _net_class(self) -> NetClass:
        return NeuralNetRegressor

    def _criterion(self) -> nn.Module:
        return nn.MSELoss()

    def _scores(self, rows: FloatArray) -> FloatArray:
        """In units of the targets, shape (rows, targets)."""
        scores: FloatArray = super()._scores(rows) * self.target_scale_ + self.target_mean_
        return scores

    def trained_integers(self) -> TrainedIntegers | TrainedSquares:
        """For `cryptable.compile`: the integers that the module computes with.

        Raises:
            UnsupportedModelError: it has several targets.
        """
        check_is_fitted(self, "levels_")
        if len(self.target_mean_) > 1:
            raise UnsupportedModelError(
                f"QuantNeuralNetRegressor: it was fitted on {len(self.target_mean_)} targets, which are decoded in one "
                "unit; fit and compile one estimator a target"
            )
        return self._graph(Link.IDENTITY, None, float(self.target_scale_[0]), self.target_mean_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Rows) -> FloatArray:
        """Predictions, of the shape of the targets."""
        predicted = self.reference_scores(X)
        return predicted[:, 0] if self._flat else predicted
